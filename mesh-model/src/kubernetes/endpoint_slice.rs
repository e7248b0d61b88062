//! EndpointSlice.

use crate::macros::{spec, spec_enum};

spec! {
    /// A set of endpoints of one Service, named by the label `kubernetes.io/service-name`.
    pub struct EndpointSlice {
        /// See [`AddressType`].
        pub address_type: AddressType,
        /// The endpoints.
        pub endpoints: Vec<Endpoint>,
        /// Ports that all of them serve; they join the Service's ports by name.
        pub ports: Vec<EndpointPort>,
    }

    /// One endpoint.
    pub struct Endpoint {
        /// Usually one address.
        pub addresses: Vec<String>,
        /// See [`EndpointConditions`].
        pub conditions: EndpointConditions,
        /// The pod.
        pub target_ref: Option<ObjectReference>,
        /// Node it runs on.
        pub node_name: String,
        /// Zone it runs in.
        pub zone: String,
        /// Host name, for headless services.
        pub hostname: String,
    }

    /// State of an endpoint.
    #[derive(Copy, Eq)]
    pub struct EndpointConditions {
        /// Absent is ready.
        pub ready: Option<bool>,
        /// Ready, apart from termination.
        pub serving: Option<bool>,
        /// Being deleted.
        pub terminating: Option<bool>,
    }

    /// A port of the endpoints.
    pub struct EndpointPort {
        /// Name of the Service's port; empty for its only port.
        pub name: String,
        /// Absent is every port.
        pub port: Option<u32>,
        /// TCP, UDP or SCTP; empty is TCP.
        pub protocol: String,
        /// What the port speaks.
        pub app_protocol: Option<String>,
    }

    /// Names another object.
    pub struct ObjectReference {
        /// Kind.
        pub kind: String,
        /// Namespace; empty is the referrer's.
        pub namespace: String,
        /// Name.
        pub name: String,
    }
}

spec_enum! {
    /// What the addresses of a slice are.
    pub enum AddressType {
        /// IPv4.
        #[default]
        Ipv4 = "IPv4",
        /// IPv6.
        Ipv6 = "IPv6",
        /// Names; ignored.
        Fqdn = "FQDN",
    }
}
