//! DestinationRule: policies for traffic to a host, and its subsets.

use crate::common::{
    ClientTlsSettings, ConnectionPoolSettings, Duration, LoadBalancerSettings, OutlierDetection,
    PolicySelector, PortSelector, StringMap,
};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a DestinationRule.
    pub struct DestinationRule {
        /// Service name; short, full, or wildcard.
        pub host: String,
        /// Policy of all subsets unless they say otherwise.
        pub traffic_policy: Option<TrafficPolicy>,
        /// Named groups of endpoints.
        pub subsets: Vec<Subset>,
        /// Namespaces that see it; empty is the mesh default.
        pub export_to: Vec<String>,
        /// Clients it applies to, in its own namespace; absent is all.
        pub workload_selector: Option<PolicySelector>,
    }

    /// Policies of a host, or of a subset.
    pub struct TrafficPolicy {
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Connection and request limits.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When endpoints are ejected.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
        /// Per service port; replaces the four blocks above (MODEL-RES-23).
        pub port_level_settings: Vec<PortTrafficPolicy>,
        /// Tunnel TCP through a proxy.
        pub tunnel: Option<TunnelSettings>,
        /// Send the PROXY protocol.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// Retries in proportion to requests.
        pub retry_budget: Option<RetryBudget>,
    }

    /// Policies of one service port.
    pub struct PortTrafficPolicy {
        /// Required.
        pub port: Option<PortSelector>,
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancerSettings>,
        /// Connection and request limits.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// When endpoints are ejected.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the endpoints.
        pub tls: Option<ClientTlsSettings>,
    }

    /// Endpoints that carry all of `labels`.
    pub struct Subset {
        /// Unique, a DNS label.
        pub name: String,
        /// Empty selects all endpoints.
        pub labels: StringMap,
        /// Blocks given here replace those of the rule (MODEL-RES-24).
        pub traffic_policy: Option<TrafficPolicy>,
    }

    /// Tunnel over HTTP.
    pub struct TunnelSettings {
        /// `CONNECT` (also when empty) or `POST`.
        pub protocol: String,
        /// Where the tunnel ends.
        pub target_host: String,
        /// Where the tunnel ends.
        pub target_port: u32,
    }

    /// PROXY protocol towards the upstream.
    pub struct ProxyProtocol {
        /// See [`ProxyProtocolVersion`].
        pub version: ProxyProtocolVersion,
    }

    /// Concurrent retries as a share of active requests.
    pub struct RetryBudget {
        /// Absent is 20.
        pub percent: Option<f64>,
        /// 0 is 3.
        pub min_retry_concurrency: u32,
        /// Absent is zero.
        pub budget_interval: Option<Duration>,
    }
}

spec_enum! {
    /// Version of the PROXY protocol.
    pub enum ProxyProtocolVersion {
        /// Text.
        #[default]
        V1 = "V1",
        /// Binary.
        V2 = "V2",
    }
}
