//! What is known about the request or connection to be decided.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::claims::{Claims, Metadata};
use crate::headers::{Headers, NoHeaders};
use crate::identity::PeerIdentity;

/// The directly connected peer.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'r> {
    pub(crate) ip: IpAddr,
    pub(crate) identity: Option<&'r PeerIdentity>,
}

impl<'r> Peer<'r> {
    /// A peer without a verified identity: plain text, or TLS without a client certificate
    /// (AUTHZ-SRC-02). `ip` is the address of the socket, never one out of a header (AUTHZ-GEN-04).
    ///
    /// An IPv4-mapped IPv6 address is another address than the IPv4 address (AUTHZ-SRC-09). If a
    /// dual-stack socket reports IPv4 peers that way, pass [`IpAddr::to_canonical`].
    pub fn new(ip: IpAddr) -> Self {
        Self { ip, identity: None }
    }

    /// The identity the peer has proved.
    #[must_use]
    pub fn identity(mut self, identity: &'r PeerIdentity) -> Self {
        self.identity = Some(identity);
        self
    }
}

/// The HTTP part of a request.
///
/// Matching goes by bytes, so every attribute may be text or raw bytes. What is not set is absent, which
/// is not the same as empty.
///
/// ```
/// use mesh_authz::HttpAttributes;
///
/// let headers = [("x-env", "test")];
/// let http = HttpAttributes::new("GET", "/reviews/1?full").host("reviews:9080").headers(&headers);
/// # let _ = http;
/// ```
#[derive(Clone, Copy)]
pub struct HttpAttributes<'r> {
    pub(crate) method: &'r [u8],
    pub(crate) path_and_query: &'r [u8],
    pub(crate) host: Option<&'r [u8]>,
    pub(crate) scheme: Option<&'r [u8]>,
    pub(crate) headers: &'r dyn Headers,
    pub(crate) claims: Option<&'r Claims>,
}

impl<'r> HttpAttributes<'r> {
    /// A request with `method` for `path`, which is the `:path` pseudo header after the proxy has
    /// normalized it (AUTHZ-PATH-03), with or without query: `paths` look at what stands before the first
    /// `?` or `#` only (AUTHZ-PATH-01).
    pub fn new<M, P>(method: &'r M, path: &'r P) -> Self
    where
        M: AsRef<[u8]> + ?Sized,
        P: AsRef<[u8]> + ?Sized,
    {
        Self {
            method: method.as_ref(),
            path_and_query: path.as_ref(),
            host: None,
            scheme: None,
            headers: &NoHeaders,
            claims: None,
        }
    }

    /// The path without query and fragment (AUTHZ-PATH-01). Looked for when it is asked for, because most
    /// decisions can do without.
    pub(crate) fn path(&self) -> &'r [u8] {
        let whole = self.path_and_query;
        memchr::memchr2(b'?', b'#', whole).and_then(|end| whole.get(..end)).unwrap_or(whole)
    }

    /// The `:authority` or `Host` of the request with its port, if the client sent one (AUTHZ-OP-01).
    #[must_use]
    pub fn host<H: AsRef<[u8]> + ?Sized>(mut self, host: &'r H) -> Self {
        self.host = Some(host.as_ref());
        self
    }

    /// The `:scheme`, which only `request.headers[:scheme]` and the answer to a bad token look at.
    #[must_use]
    pub fn scheme<S: AsRef<[u8]> + ?Sized>(mut self, scheme: &'r S) -> Self {
        self.scheme = Some(scheme.as_ref());
        self
    }

    /// The header lines.
    #[must_use]
    pub fn headers(mut self, headers: &'r dyn Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The claims of the token that has been verified for this request, if there was one.
    #[must_use]
    pub fn claims(mut self, claims: &'r Claims) -> Self {
        self.claims = Some(claims);
        self
    }
}

impl fmt::Debug for HttpAttributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The query may hold a token and the headers hold secrets: neither belongs into a log.
        f.debug_struct("HttpAttributes")
            .field("method", &String::from_utf8_lossy(self.method))
            .field("path", &String::from_utf8_lossy(self.path()))
            .field("host", &self.host.map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

/// A request, or on TCP a connection, about which to decide.
///
/// Cheap to make and to copy: it borrows everything. Without [`http`](Self::http) it is a TCP connection,
/// where HTTP fields of policies do not apply (AUTHZ-TCP-01).
///
/// ```
/// use mesh_authz::{HttpAttributes, Peer, PeerIdentity, Request};
///
/// let identity = PeerIdentity::forwarded("spiffe://cluster.local/ns/web/sa/frontend");
/// let peer = Peer::new([10, 0, 0, 7].into()).identity(&identity);
/// let request = Request::new(peer, ([10, 0, 0, 9], 8080).into()).http(HttpAttributes::new("GET", "/"));
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    pub(crate) peer: Peer<'r>,
    pub(crate) remote_ip: IpAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) sni: &'r [u8],
    pub(crate) http: Option<HttpAttributes<'r>>,
    pub(crate) metadata: Option<&'r Metadata>,
    pub(crate) providers_allowed: bool,
}

impl<'r> Request<'r> {
    /// A TCP connection from `peer` to `destination`, the local address of the accepted connection after
    /// the original destination has been recovered. The client's address is the peer's unless
    /// [`remote_ip`](Self::remote_ip) says otherwise.
    pub fn new(peer: Peer<'r>, destination: SocketAddr) -> Self {
        Self {
            peer,
            remote_ip: peer.ip,
            destination,
            sni: b"",
            http: None,
            metadata: None,
            providers_allowed: false,
        }
    }

    /// The client's address as X-Forwarded-For or the PROXY protocol names it (AUTHZ-SRC-09); see
    /// [`ForwardedFor`](crate::ForwardedFor).
    #[must_use]
    pub fn remote_ip(mut self, ip: IpAddr) -> Self {
        self.remote_ip = ip;
        self
    }

    /// The server name in the TLS ClientHello; empty if there was none (AUTHZ-COND-10).
    #[must_use]
    pub fn sni<S: AsRef<[u8]> + ?Sized>(mut self, sni: &'r S) -> Self {
        self.sni = sni.as_ref();
        self
    }

    /// Makes this an HTTP request.
    #[must_use]
    pub fn http(mut self, http: HttpAttributes<'r>) -> Self {
        self.http = Some(http);
        self
    }

    /// What other filters have left about the request.
    #[must_use]
    pub fn metadata(mut self, metadata: &'r Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Says that every provider that [`delegated_to`](crate::PolicySet::delegated_to) named has been asked
    /// and has allowed the request. Without it a request for which a provider must be asked is denied, so
    /// that a forgotten question never opens a door.
    #[must_use]
    pub fn allowed_by_providers(mut self) -> Self {
        self.providers_allowed = true;
        self
    }
}
