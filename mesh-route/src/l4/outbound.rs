//! Which kind of rule decides about a connection that a sidecar's own workload opens (sections 5.3 and 5.4).

use crate::sniff::{HttpVersion, Sniffed};

/// What a service port is to a sidecar, outbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OutboundPort {
    /// Declared HTTP, HTTP2 or GRPC, on the listener that all services of the port share.
    Http,
    /// Declared nothing, and the service has an address of its own.
    AutoWithAddress,
    /// Declared nothing, and the service has no address of its own.
    AutoWithoutAddress,
    /// Declared TCP, Mongo, Redis or MySQL.
    Tcp,
    /// Declared HTTPS or TLS.
    Tls,
    /// An HTTP egress listener with an address of its own, or a forward proxy (`HTTP_PROXY`).
    HttpBound,
}

/// What a connection turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Traffic {
    /// HTTP/1.1 or HTTP/2 without TLS.
    Http,
    /// HTTP/1.0 and anything else of HTTP/1.
    Http10,
    /// TLS.
    Tls,
    /// Anything else, or silence beyond the caller's patience.
    Other,
}

impl Traffic {
    /// What was sniffed; `None` while it is open, and when the connection is to be closed anyway.
    pub fn of(sniffed: &Sniffed<'_>) -> Option<Self> {
        match sniffed {
            Sniffed::Http(HttpVersion::Http11 | HttpVersion::H2c) => Some(Self::Http),
            Sniffed::Http(HttpVersion::Http10) => Some(Self::Http10),
            Sniffed::Tls(_) => Some(Self::Tls),
            Sniffed::Other => Some(Self::Other),
            Sniffed::NeedMore | Sniffed::Unusable(_) => None,
        }
    }
}

/// What decides about an outbound connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OutboundDecider {
    /// The HTTP routes of the port, by Host.
    PortRoutes,
    /// The HTTP routes of this one service, whatever the Host.
    ServiceRoutes,
    /// The `tcp` rules of the service, else the service.
    TcpRules,
    /// The first TCP service of the port that takes every connection.
    FirstMatchAll,
    /// The `tls` rules by server name.
    TlsRules,
    /// A chain that asks for no server name, else the default chain.
    WithoutServerName,
    /// The default chain: see [`unmatched_outbound`].
    DefaultChain,
    /// An HTTP answer with this status.
    Status(u16),
}

/// What decides about a connection (ROUTE-SNIFF-05).
///
/// # Examples
/// ```
/// use mesh_route::{OutboundDecider, OutboundPort, Traffic, decide_outbound, sniff};
///
/// let traffic = Traffic::of(&sniff(b"GET / HTTP/1.0\r\n")).unwrap();
/// assert_eq!(decide_outbound(OutboundPort::Http, traffic), OutboundDecider::DefaultChain);
/// ```
pub const fn decide_outbound(port: OutboundPort, traffic: Traffic) -> OutboundDecider {
    match (port, traffic) {
        (OutboundPort::Http | OutboundPort::AutoWithoutAddress | OutboundPort::HttpBound, Traffic::Http) => {
            OutboundDecider::PortRoutes
        }
        (OutboundPort::Http, _) => OutboundDecider::DefaultChain,
        (OutboundPort::AutoWithAddress, Traffic::Http) => OutboundDecider::ServiceRoutes,
        (OutboundPort::AutoWithAddress | OutboundPort::Tcp, _) => OutboundDecider::TcpRules,
        (OutboundPort::AutoWithoutAddress, _) => OutboundDecider::FirstMatchAll,
        (OutboundPort::Tls, Traffic::Tls) => OutboundDecider::TlsRules,
        (OutboundPort::Tls, _) => OutboundDecider::WithoutServerName,
        (OutboundPort::HttpBound, Traffic::Http10) => OutboundDecider::Status(426),
        (OutboundPort::HttpBound, Traffic::Tls | Traffic::Other) => OutboundDecider::Status(400),
    }
}

/// `outboundTrafficPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum OutboundPolicy {
    /// Unknown destinations are reached as the client asked.
    AllowAny,
    /// They are not.
    RegistryOnly,
}

/// How an outbound connection came to match nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UnmatchedBy {
    /// An HTTP request on a port of HTTP services, for a host that none has.
    Host,
    /// TLS, HTTP/1.0 or anything else on a port of HTTP services.
    Protocol,
    /// An address and port that no service has.
    Address,
    /// TLS on a port of TLS services, with a server name that no chain covers.
    ServerName,
    /// A connection that was not redirected, to a port of the proxy itself.
    ProxyPort,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UnmatchedOutcome {
    /// To the address and port that the client dialled: `PassthroughCluster` (ROUTE-L4-20).
    Passthrough,
    /// Closed: `BlackHoleCluster` has no endpoints (flag `UH`, ROUTE-L4-20).
    BlackHole,
    /// An HTTP answer with this status and no body.
    Status(u16),
}

/// What becomes of an outbound connection, or of a request, that matches nothing (section 5.3, ROUTE-L4-20).
pub const fn unmatched_outbound(policy: OutboundPolicy, by: UnmatchedBy) -> UnmatchedOutcome {
    match (by, policy) {
        (UnmatchedBy::ProxyPort, _) => UnmatchedOutcome::BlackHole,
        (_, OutboundPolicy::AllowAny) => UnmatchedOutcome::Passthrough,
        (UnmatchedBy::Host, OutboundPolicy::RegistryOnly) => UnmatchedOutcome::Status(502),
        (
            UnmatchedBy::Protocol | UnmatchedBy::Address | UnmatchedBy::ServerName,
            OutboundPolicy::RegistryOnly,
        ) => UnmatchedOutcome::BlackHole,
    }
}
