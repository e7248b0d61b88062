//! TLS and TCP routes.

use super::{Destination, L4MatchAttributes, TlsMatchAttributes};
use crate::macros::spec;

spec! {
    /// A route for TLS that is not terminated.
    pub struct TlsRoute {
        /// Alternatives; at least one.
        #[serde(rename = "match")]
        pub matches: Vec<TlsMatchAttributes>,
        /// Weighted destinations; at least one.
        pub route: Vec<RouteDestination>,
    }

    /// A route for any other connection.
    pub struct TcpRoute {
        /// Alternatives; empty matches every connection.
        #[serde(rename = "match")]
        pub matches: Vec<L4MatchAttributes>,
        /// Weighted destinations; at least one.
        pub route: Vec<RouteDestination>,
    }

    /// One weighted destination.
    pub struct RouteDestination {
        /// Required.
        pub destination: Option<Destination>,
        /// Relative share; a single destination gets everything.
        pub weight: i32,
    }
}
