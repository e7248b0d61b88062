//! What is known of a connection before a byte is forwarded.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::sniff::{ApplicationProtocols, ClientHello, HttpVersion, Name, Sniffed};

/// What carries the bytes, as the listener found it (`transport_protocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// No TLS, `raw_buffer`.
    RawBuffer,
    /// TLS, `tls`.
    Tls,
}

impl Transport {
    /// Envoy's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RawBuffer => "raw_buffer",
            Self::Tls => "tls",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A connection as filter chains see it (ROUTE-MODEL-04).
///
/// # Examples
/// ```
/// use mesh_route::{Connection, sniff};
///
/// let destination = "10.0.0.1:8080".parse().unwrap();
/// let first_bytes = b"GET / HTTP/1.1\r\n";
/// let connection = Connection::new(destination).sniffed(&sniff(first_bytes));
/// # let _ = connection;
/// ```
#[derive(Clone, Debug)]
pub struct Connection<'c> {
    pub(super) destination: SocketAddr,
    pub(super) source: Option<SocketAddr>,
    pub(super) direct_source: Option<IpAddr>,
    pub(super) transport: Transport,
    pub(super) server_name: Option<Name<'c>>,
    pub(super) protocols: Protocols<'c>,
}

#[derive(Clone, Debug)]
pub(super) enum Protocols<'c> {
    List(&'c [&'c str]),
    Hello(ApplicationProtocols<'c>),
}

impl<'c> Connection<'c> {
    /// A connection to `destination`: where the client wanted to go, before any redirection. Not TLS, of unknown
    /// source.
    pub fn new(destination: SocketAddr) -> Self {
        Self {
            destination,
            source: None,
            direct_source: None,
            transport: Transport::RawBuffer,
            server_name: None,
            protocols: Protocols::List(&[]),
        }
    }

    /// Who connects. It is the direct source too, unless [`direct_source`](Self::direct_source) says otherwise.
    #[must_use]
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Who holds the other end of the socket, when the source was told by someone in between (PROXY protocol).
    #[must_use]
    pub fn direct_source(mut self, address: IpAddr) -> Self {
        self.direct_source = Some(address);
        self
    }

    /// What the first bytes said: transport, server name and application protocols. HTTP without TLS counts as the
    /// application protocol `http/1.1`, `http/1.0` or `h2c`.
    #[must_use]
    pub fn sniffed(self, sniffed: &Sniffed<'c>) -> Self {
        match sniffed {
            Sniffed::Tls(hello) => self.client_hello(hello),
            Sniffed::Http(version) => self.application_protocols(match version {
                HttpVersion::Http10 => &["http/1.0"],
                HttpVersion::Http11 => &["http/1.1"],
                HttpVersion::H2c => &["h2c"],
            }),
            Sniffed::NeedMore | Sniffed::Other | Sniffed::Unusable(_) => self,
        }
    }

    /// TLS that starts with this ClientHello.
    #[must_use]
    pub fn client_hello(self, hello: &ClientHello<'c>) -> Self {
        Self {
            transport: Transport::Tls,
            server_name: hello.server_name(),
            protocols: Protocols::Hello(hello.application_protocols()),
            ..self
        }
    }

    /// TLS, with this server name if it is not empty.
    #[must_use]
    pub fn tls(self, server_name: &'c str) -> Self {
        let server_name = Some(Name::from(server_name.as_bytes())).filter(|name| !name.is_empty());
        Self { transport: Transport::Tls, server_name, ..self }
    }

    /// Application protocols in the client's order.
    #[must_use]
    pub fn application_protocols(self, protocols: &'c [&'c str]) -> Self {
        Self { protocols: Protocols::List(protocols), ..self }
    }

    /// Where the client wanted to go.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    pub(super) fn direct(&self) -> Option<IpAddr> {
        self.direct_source.or(self.source.map(|source| source.ip()))
    }

    /// The same address on both ends, or a loopback source.
    pub(super) fn is_local(&self) -> bool {
        self.source.is_some_and(|source| source.ip().is_loopback() || source.ip() == self.destination.ip())
    }

    /// The first answer that `ask` has for one of the protocols, in the client's order.
    pub(super) fn first_protocol<T>(&self, mut ask: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        match &self.protocols {
            Protocols::List(list) => list.iter().find_map(|protocol| ask(protocol.as_bytes())),
            Protocols::Hello(list) => list.clone().find_map(|protocol| ask(&protocol)),
        }
    }
}
