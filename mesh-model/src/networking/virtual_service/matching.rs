//! Match conditions: all fields of one entry must hold.

use crate::common::{StringMap, StringMatch};
use crate::macros::spec;
use std::collections::BTreeMap;

spec! {
    /// Conditions on an HTTP request.
    pub struct HttpMatchRequest {
        /// For logs; joined to the route's name.
        pub name: String,
        /// The path, with query.
        pub uri: Option<StringMatch>,
        /// `http` or `https`.
        pub scheme: Option<StringMatch>,
        /// Case-sensitive.
        pub method: Option<StringMatch>,
        /// The Host header.
        pub authority: Option<StringMatch>,
        /// Lower-case names; `{}` is presence.
        pub headers: BTreeMap<String, StringMatch>,
        /// Must not match.
        pub without_headers: BTreeMap<String, StringMatch>,
        /// By parameter name; `{}` is presence.
        pub query_params: BTreeMap<String, StringMatch>,
        /// For `exact` and `prefix` only.
        pub ignore_uri_case: bool,
        /// Destination port; 0 is any.
        pub port: u32,
        /// Labels of the client's proxy.
        pub source_labels: StringMap,
        /// Namespace of the client's proxy.
        pub source_namespace: String,
        /// Replaces `spec.gateways` for this entry.
        pub gateways: Vec<String>,
        /// Prefix of statistics.
        pub stat_prefix: String,
    }

    /// Conditions on a TLS connection.
    #[derive(Eq, Hash)]
    pub struct TlsMatchAttributes {
        /// Required; within `spec.hosts`.
        pub sni_hosts: Vec<String>,
        /// IPs or CIDRs of the destination.
        pub destination_subnets: Vec<String>,
        /// Destination port; 0 is any.
        pub port: u32,
        /// Labels of the client's proxy.
        pub source_labels: StringMap,
        /// Namespace of the client's proxy.
        pub source_namespace: String,
        /// Replaces `spec.gateways` for this entry.
        pub gateways: Vec<String>,
    }

    /// Conditions on a TCP connection.
    #[derive(Eq, Hash)]
    pub struct L4MatchAttributes {
        /// IPs or CIDRs of the destination.
        pub destination_subnets: Vec<String>,
        /// Destination port; 0 is any.
        pub port: u32,
        /// Legacy, unused (MODEL-LEG-25).
        pub source_subnet: String,
        /// Labels of the client's proxy.
        pub source_labels: StringMap,
        /// Namespace of the client's proxy.
        pub source_namespace: String,
        /// Replaces `spec.gateways` for this entry.
        pub gateways: Vec<String>,
    }
}
