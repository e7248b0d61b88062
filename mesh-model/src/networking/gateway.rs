//! Gateway: ports and hosts a gateway proxy serves.

use crate::common::{ServerTlsSettings, StringMap};
use crate::macros::spec;

spec! {
    /// `spec` of a Gateway.
    pub struct Gateway {
        /// At least one.
        pub servers: Vec<Server>,
        /// Labels of the gateway pods, in any namespace; empty is every gateway proxy.
        pub selector: StringMap,
    }

    /// A port, the hosts served on it and how.
    pub struct Server {
        /// Required.
        pub port: Option<Port>,
        /// IP or `unix://` path; empty is every address.
        pub bind: String,
        /// `[ns/]dnsName`.
        pub hosts: Vec<String>,
        /// Required by HTTPS and TLS.
        pub tls: Option<ServerTlsSettings>,
        /// Not implemented by Istio.
        pub default_endpoint: String,
        /// Prefix of statistics, unique.
        pub name: String,
    }

    /// A listening port.
    pub struct Port {
        /// 1..65535.
        pub number: u32,
        /// See [`crate::common::Protocol`]; any case.
        pub protocol: String,
        /// Unique within the object.
        pub name: String,
        /// Not used.
        pub target_port: u32,
    }
}
