//! Which generated objects a patch is for.

use crate::common::StringMap;
use crate::macros::{spec, spec_enum};

spec! {
    /// Conditions on the proxy and on the object; at most one of the last four.
    pub struct PatchMatch {
        /// See [`PatchContext`].
        pub context: PatchContext,
        /// Conditions on the proxy.
        pub proxy: Option<ProxyMatch>,
        /// Conditions on a listener, a chain or a filter.
        pub listener: Option<ListenerMatch>,
        /// Conditions on a route configuration, a virtual host or a route.
        pub route_configuration: Option<RouteConfigurationMatch>,
        /// Conditions on a cluster.
        pub cluster: Option<ClusterMatch>,
        /// Conditions in a waypoint; with the context WAYPOINT only.
        pub waypoint: Option<WaypointMatch>,
    }

    /// Conditions on the proxy.
    pub struct ProxyMatch {
        /// RE2 that the proxy's version must match, such as `^1\.27.*`.
        pub proxy_version: String,
        /// Metadata that the proxy must have.
        pub metadata: StringMap,
    }

    /// Conditions on a listener and what is in it.
    pub struct ListenerMatch {
        /// The port that the listener is for; 0 is any.
        pub port_number: u32,
        /// Not implemented by Istio.
        pub port_name: String,
        /// A chain of the listener.
        pub filter_chain: Option<FilterChainMatch>,
        /// A listener filter by name.
        pub listener_filter: String,
        /// The listener's name.
        pub name: String,
    }

    /// Conditions on a chain and what is in it.
    pub struct FilterChainMatch {
        /// The chain's name.
        pub name: String,
        /// A server name that the chain serves.
        pub sni: String,
        /// `raw_buffer` or `tls`.
        pub transport_protocol: String,
        /// Comma-separated ALPN names.
        pub application_protocols: String,
        /// A filter of the chain.
        pub filter: Option<FilterMatch>,
        /// The port the client dialled; 0 is any.
        pub destination_port: u32,
    }

    /// A network filter.
    pub struct FilterMatch {
        /// Required, such as `envoy.filters.network.http_connection_manager`.
        pub name: String,
        /// A filter within the connection manager.
        pub sub_filter: Option<SubFilterMatch>,
    }

    /// An HTTP filter.
    pub struct SubFilterMatch {
        /// Required, such as `envoy.filters.http.router`.
        pub name: String,
    }

    /// Conditions on a route configuration and what is in it.
    pub struct RouteConfigurationMatch {
        /// The port that the routes are for; 0 is any.
        pub port_number: u32,
        /// A gateway's port by name.
        pub port_name: String,
        /// `namespace/name` of the Gateway that the routes are for.
        pub gateway: String,
        /// A virtual host of the configuration.
        pub vhost: Option<VirtualHostMatch>,
        /// The configuration's name, such as `8080` or `http.80`.
        pub name: String,
    }

    /// Conditions on a virtual host and what is in it.
    pub struct VirtualHostMatch {
        /// `host:port`.
        pub name: String,
        /// One of the names that it serves.
        pub domain_name: String,
        /// A route of the virtual host.
        pub route: Option<RouteMatch>,
    }

    /// Conditions on a route.
    pub struct RouteMatch {
        /// The route's name.
        pub name: String,
        /// What the route does.
        pub action: RouteAction,
    }

    /// Conditions on a cluster.
    pub struct ClusterMatch {
        /// The service's port; 0 is any.
        pub port_number: u32,
        /// The service's full name.
        pub service: String,
        /// A subset of the service.
        pub subset: String,
        /// The cluster's name.
        pub name: String,
    }

    /// Conditions in a waypoint.
    pub struct WaypointMatch {
        /// The service's port, 1..65535; 0 is any.
        pub port_number: u32,
        /// A filter.
        pub filter: Option<WaypointFilterMatch>,
        /// A route.
        pub route: Option<WaypointRouteMatch>,
    }

    /// A network filter of a waypoint.
    pub struct WaypointFilterMatch {
        /// The filter's name.
        pub name: String,
        /// A filter within the connection manager.
        pub sub_filter: Option<SubFilterMatch>,
    }

    /// A route of a waypoint.
    pub struct WaypointRouteMatch {
        /// The route's name.
        pub name: String,
    }
}

spec_enum! {
    /// Which side of which proxy.
    pub enum PatchContext {
        /// Every one.
        #[default]
        Any = "ANY",
        /// What comes into a sidecar.
        SidecarInbound = "SIDECAR_INBOUND",
        /// What leaves through a sidecar.
        SidecarOutbound = "SIDECAR_OUTBOUND",
        /// A gateway.
        Gateway = "GATEWAY",
        /// A waypoint.
        Waypoint = "WAYPOINT",
    }

    /// What a route does.
    pub enum RouteAction {
        /// Anything.
        #[default]
        Any = "ANY",
        /// Forwards.
        Route = "ROUTE",
        /// Redirects.
        Redirect = "REDIRECT",
        /// Answers itself.
        DirectResponse = "DIRECT_RESPONSE",
    }
}
