//! VirtualService: what happens to requests for a host.

mod fault;
mod http;
mod matching;
mod tcp;

pub use fault::{Abort, Delay, HttpFaultInjection};
pub use http::{
    CorsPolicy, Delegate, DerivePort, Destination, HttpBody, HttpDirectResponse, HttpMirrorPolicy,
    HttpRedirect, HttpRewrite, HttpRoute, HttpRouteDestination, RegexRewrite, UnmatchedPreflights,
};
pub use matching::{HttpMatchRequest, L4MatchAttributes, TlsMatchAttributes};
pub use tcp::{RouteDestination, TcpRoute, TlsRoute};

use crate::macros::spec;

spec! {
    /// `spec` of a VirtualService.
    pub struct VirtualService {
        /// DNS names, wildcard prefixes or IPs. Empty makes it a delegate.
        pub hosts: Vec<String>,
        /// `name`, `ns/name` or the reserved `mesh`. Empty is `["mesh"]`.
        pub gateways: Vec<String>,
        /// In order; the first that matches is used.
        pub http: Vec<HttpRoute>,
        /// For TLS that is not terminated; in order.
        pub tls: Vec<TlsRoute>,
        /// For everything else; in order.
        pub tcp: Vec<TcpRoute>,
        /// Namespaces that see it; empty is the mesh default.
        pub export_to: Vec<String>,
    }
}
