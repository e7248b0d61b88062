//! HTTP routes and their actions.

use super::{HttpFaultInjection, HttpMatchRequest};
use crate::common::{Duration, Headers, HttpRetry, Percent, PortSelector, StringMatch};
use crate::macros::{spec, spec_enum};

spec! {
    /// Conditions and an action: exactly one of `route`, `redirect`, `directResponse` and `delegate`.
    pub struct HttpRoute {
        /// For logs.
        pub name: String,
        /// Alternatives; empty matches every request.
        #[serde(rename = "match")]
        pub matches: Vec<HttpMatchRequest>,
        /// Weighted destinations.
        pub route: Vec<HttpRouteDestination>,
        /// Answer with a redirect.
        pub redirect: Option<HttpRedirect>,
        /// Answer at once.
        pub direct_response: Option<HttpDirectResponse>,
        /// Continue with another VirtualService's routes.
        pub delegate: Option<Delegate>,
        /// Change path or authority before forwarding.
        pub rewrite: Option<HttpRewrite>,
        /// Absent is no timeout.
        pub timeout: Option<Duration>,
        /// Absent is the mesh default.
        pub retries: Option<HttpRetry>,
        /// Inject delays or errors.
        pub fault: Option<HttpFaultInjection>,
        /// Send a copy here as well.
        pub mirror: Option<Destination>,
        /// Legacy (MODEL-LEG-9).
        pub mirror_percent: Option<u32>,
        /// Share of requests mirrored; absent is all.
        pub mirror_percentage: Option<Percent>,
        /// Several mirrors; excludes `mirror`.
        pub mirrors: Vec<HttpMirrorPolicy>,
        /// Cross-origin rules.
        pub cors_policy: Option<CorsPolicy>,
        /// Header operations for every destination of the route.
        pub headers: Option<Headers>,
    }

    /// One weighted destination.
    pub struct HttpRouteDestination {
        /// Required.
        pub destination: Option<Destination>,
        /// Relative share; a single destination gets everything.
        pub weight: i32,
        /// Header operations for this destination.
        pub headers: Option<Headers>,
    }

    /// A service, optionally a subset and a port of it.
    pub struct Destination {
        /// Service name; a short name is completed with the rule's namespace (MODEL-RES-1).
        pub host: String,
        /// A subset that a DestinationRule defines.
        pub subset: String,
        /// Needed when the service has several ports.
        pub port: Option<PortSelector>,
    }

    /// A redirect; at least one field besides the code.
    pub struct HttpRedirect {
        /// Replaces the whole path.
        pub uri: String,
        /// Replaces the matched prefix; excludes `uri`.
        pub prefix_rewrite: String,
        /// Replaces the authority.
        pub authority: String,
        /// Excludes `derivePort`.
        pub port: Option<u32>,
        /// Excludes `port`.
        pub derive_port: Option<DerivePort>,
        /// `http` or `https`; empty keeps it.
        pub scheme: String,
        /// 3xx; 0 is 301.
        pub redirect_code: u32,
    }

    /// An answer without upstream.
    pub struct HttpDirectResponse {
        /// Required.
        pub status: u32,
        /// Absent is no body.
        pub body: Option<HttpBody>,
    }

    /// Body of a direct response; one of the two.
    pub struct HttpBody {
        /// As text.
        pub string: Option<String>,
        /// As base64.
        pub bytes: Option<String>,
    }

    /// Another VirtualService, one level deep.
    pub struct Delegate {
        /// Name.
        pub name: String,
        /// Empty is the root's namespace.
        pub namespace: String,
    }

    /// What the upstream sees instead.
    pub struct HttpRewrite {
        /// Replaces the matched prefix, or the whole path.
        pub uri: String,
        /// Replaces the authority.
        pub authority: String,
        /// Replaces by regular expression; excludes `uri`.
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A substitution on the path.
    pub struct RegexRewrite {
        /// RE2.
        #[serde(rename = "match")]
        pub pattern: String,
        /// Replacement with `\1` groups.
        pub rewrite: String,
    }

    /// One mirror.
    pub struct HttpMirrorPolicy {
        /// Required.
        pub destination: Option<Destination>,
        /// Absent is all requests.
        pub percentage: Option<Percent>,
    }

    /// Cross-origin resource sharing.
    pub struct CorsPolicy {
        /// Legacy list of exact origins (MODEL-LEG-4).
        pub allow_origin: Vec<String>,
        /// Allowed origins.
        pub allow_origins: Vec<StringMatch>,
        /// Access-Control-Allow-Methods.
        pub allow_methods: Vec<String>,
        /// Access-Control-Allow-Headers.
        pub allow_headers: Vec<String>,
        /// Access-Control-Expose-Headers.
        pub expose_headers: Vec<String>,
        /// Access-Control-Max-Age; whole seconds.
        pub max_age: Option<Duration>,
        /// Access-Control-Allow-Credentials.
        pub allow_credentials: Option<bool>,
        /// See [`UnmatchedPreflights`].
        pub unmatched_preflights: UnmatchedPreflights,
    }
}

spec_enum! {
    /// Which port a redirect names when none is given.
    pub enum DerivePort {
        /// The protocol's default: no port in the location.
        #[default]
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// The request's.
        FromRequestPort = "FROM_REQUEST_PORT",
    }

    /// What becomes of a preflight request whose origin is not allowed.
    pub enum UnmatchedPreflights {
        /// FORWARD.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// Forwarded to the upstream.
        Forward = "FORWARD",
        /// Answered without CORS headers.
        Ignore = "IGNORE",
    }
}
