//! What a sidecar makes of a connection to its own workload (section 5.4).

use crate::sniff::{HttpVersion, Sniffed};

/// Application protocols by which clients of the mesh announce mutual TLS that carries HTTP.
const MESH_HTTP: [&[u8]; 3] = [b"istio-http/1.0", b"istio-http/1.1", b"istio-h2"];
/// The others.
const MESH: [&[u8]; 2] = [b"istio", b"istio-peer-exchange"];

/// All application protocols by which clients of the mesh announce mutual TLS (ROUTE-SNIFF-06, ROUTE-GW-06).
pub const MESH_PROTOCOLS: [&str; 5] =
    ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// What a workload's port is to its sidecar, inbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InboundPort {
    /// Declared HTTP, HTTP2 or GRPC.
    Http,
    /// Declared TCP, HTTPS, TLS or another.
    Tcp,
    /// Declared nothing, or no service has it.
    Auto,
}

/// `mtls.mode` as it applies to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MutualTlsMode {
    /// Both.
    Permissive,
    /// Only mutual TLS.
    Strict,
    /// None.
    Disable,
}

/// What a connection from outside turned out to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InboundTraffic {
    /// HTTP/1.1 or HTTP/2 without TLS.
    Http,
    /// Anything else without TLS.
    Plain,
    /// Mutual TLS of the mesh that announces HTTP.
    MeshHttp,
    /// Mutual TLS of the mesh that announces no HTTP.
    Mesh,
    /// TLS that does not announce the mesh.
    Tls,
}

impl InboundTraffic {
    /// What was sniffed; `None` while it is open, and when the connection is to be closed anyway.
    pub fn of(sniffed: &Sniffed<'_>) -> Option<Self> {
        Some(match sniffed {
            Sniffed::Http(HttpVersion::Http11 | HttpVersion::H2c) => Self::Http,
            Sniffed::Http(HttpVersion::Http10) | Sniffed::Other => Self::Plain,
            Sniffed::Tls(hello) => {
                let kind = |protocol: &[u8]| {
                    let http = MESH_HTTP.contains(&protocol).then_some(Self::MeshHttp);
                    http.or(MESH.contains(&protocol).then_some(Self::Mesh))
                };
                hello.application_protocols().find_map(|protocol| kind(&protocol)).unwrap_or(Self::Tls)
            }
            Sniffed::NeedMore | Sniffed::Unusable(_) => return None,
        })
    }
}

/// What becomes of an inbound connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inbound {
    /// HTTP as it comes; what is no HTTP is answered with 400.
    Http,
    /// Bytes as they come, TLS of others included.
    Tcp,
    /// Mutual TLS ends here, with HTTP in it. A client without certificate fails the handshake.
    MutualTlsHttp,
    /// Mutual TLS ends here, with bytes in it.
    MutualTlsTcp,
    /// Closed without an answer.
    Closed,
}

/// What becomes of a connection to a workload's port (ROUTE-SNIFF-06).
///
/// # Examples
/// ```
/// use mesh_route::{Inbound, InboundPort, InboundTraffic, MutualTlsMode, decide_inbound, sniff};
///
/// let plain = InboundTraffic::of(&sniff(b"GET / HTTP/1.1\r\n")).unwrap();
/// assert_eq!(decide_inbound(InboundPort::Http, MutualTlsMode::Permissive, plain), Inbound::Http);
/// assert_eq!(decide_inbound(InboundPort::Http, MutualTlsMode::Strict, plain), Inbound::Closed);
/// ```
pub const fn decide_inbound(port: InboundPort, mode: MutualTlsMode, traffic: InboundTraffic) -> Inbound {
    use InboundTraffic::{Http, Mesh, MeshHttp, Plain, Tls};
    match (mode, port, traffic) {
        (MutualTlsMode::Disable, InboundPort::Http, _) => Inbound::Http,
        (MutualTlsMode::Disable, InboundPort::Tcp, _) => Inbound::Tcp,
        (MutualTlsMode::Disable, InboundPort::Auto, Http) => Inbound::Http,
        (MutualTlsMode::Disable, InboundPort::Auto, _) => Inbound::Tcp,

        (MutualTlsMode::Strict, _, Http | Plain) => Inbound::Closed,
        (MutualTlsMode::Strict, InboundPort::Http, _) => Inbound::MutualTlsHttp,
        (MutualTlsMode::Strict, InboundPort::Auto, MeshHttp) => Inbound::MutualTlsHttp,
        (MutualTlsMode::Strict, InboundPort::Tcp | InboundPort::Auto, _) => Inbound::MutualTlsTcp,

        (MutualTlsMode::Permissive, InboundPort::Http, Http | Plain) => Inbound::Http,
        (MutualTlsMode::Permissive, InboundPort::Http, MeshHttp | Mesh) => Inbound::MutualTlsHttp,
        (MutualTlsMode::Permissive, InboundPort::Http, Tls) => Inbound::Closed,
        (MutualTlsMode::Permissive, InboundPort::Tcp, MeshHttp | Mesh) => Inbound::MutualTlsTcp,
        (MutualTlsMode::Permissive, InboundPort::Tcp, _) => Inbound::Tcp,
        (MutualTlsMode::Permissive, InboundPort::Auto, MeshHttp) => Inbound::MutualTlsHttp,
        (MutualTlsMode::Permissive, InboundPort::Auto, Mesh) => Inbound::MutualTlsTcp,
        (MutualTlsMode::Permissive, InboundPort::Auto, Http) => Inbound::Http,
        (MutualTlsMode::Permissive, InboundPort::Auto, Plain | Tls) => Inbound::Tcp,
    }
}
