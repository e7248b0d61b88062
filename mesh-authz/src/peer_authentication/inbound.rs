//! What a sidecar does with an incoming connection (AUTHZ-MTLS-01 to 07).

use super::MtlsMode;
use crate::identity::PeerIdentity;
use crate::trust_domain::TrustDomains;

/// The ALPN names that only clients in the mesh send (AUTHZ-MTLS-01).
pub const MESH_ALPN: [&str; 5] =
    ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// What the Service says that a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a protocol is declared or found out")]
pub enum PortProtocol {
    /// Declared HTTP, HTTP/2 or gRPC.
    Http,
    /// Declared TCP or anything else that is not HTTP.
    Tcp,
    /// Not declared: the first bytes tell.
    Sniffed,
}

/// What matters of a TLS ClientHello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    mesh: bool,
}

impl ClientHello {
    /// A ClientHello that offers these ALPN names.
    pub fn new<A: AsRef<[u8]>>(alpn: impl IntoIterator<Item = A>) -> Self {
        let is_mesh = |name: A| MESH_ALPN.iter().any(|mesh| mesh.as_bytes() == name.as_ref());
        Self { mesh: alpn.into_iter().any(is_mesh) }
    }

    /// Whether one of them is of the mesh (AUTHZ-MTLS-01).
    pub fn is_mesh(&self) -> bool {
        self.mesh
    }
}

/// What to do with a connection (AUTHZ-MTLS-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "whoever accepts connections must think of all")]
pub enum InboundAction {
    /// Terminate TLS and demand a client certificate, then ask [`InboundTls::accept`]. Only this gives an identity
    /// (AUTHZ-MTLS-03).
    Terminate,
    /// Pass the bytes on as they are, as TCP. No identity.
    Passthrough,
    /// The connection is in clear: go on without identity.
    Plain,
    /// Do not accept it.
    Reject(InboundReject),
}

/// Why a connection is not accepted: what operators search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InboundReject {
    /// Plaintext where the mode is STRICT.
    PlaintextOnStrict,
    /// TLS without an ALPN name of the mesh, on an HTTP port in PERMISSIVE mode: a client that is not in the mesh, or
    /// a DestinationRule with `tls.mode: SIMPLE` (AUTHZ-AUTO-04).
    NoMeshAlpn,
    /// TLS on an HTTP port that never terminates it: the HTTP codec answers 400 (AUTHZ-MTLS-05).
    TlsOnPlaintextHttp,
    /// TLS on a port without declared protocol that never terminates it (AUTHZ-MTLS-05).
    TlsOnPlaintextSniffed,
    /// The handshake fails: no client certificate, TLS alert "certificate required".
    CertificateRequired,
    /// The handshake fails: the certificate is of a trust domain that is not accepted (AUTHZ-MTLS-06).
    UnknownTrustDomain,
    /// The handshake fails: the TLS version is too old (AUTHZ-MTLS-04).
    TlsVersion,
}

impl InboundReject {
    /// Envoy's response flag: `NR` where no filter chain takes the connection.
    pub fn response_flag(self) -> Option<&'static str> {
        self.details().map(|_| "NR")
    }

    /// Envoy's connection termination details, if it writes any: `filter_chain_not_found`.
    pub fn details(self) -> Option<&'static str> {
        match self {
            Self::PlaintextOnStrict | Self::NoMeshAlpn | Self::TlsOnPlaintextSniffed => {
                Some("filter_chain_not_found")
            }
            Self::TlsOnPlaintextHttp
            | Self::CertificateRequired
            | Self::UnknownTrustDomain
            | Self::TlsVersion => None,
        }
    }
}

impl MtlsMode {
    /// What to do with a connection by its first bytes; `hello` is `None` if it does not start as TLS
    /// (AUTHZ-MTLS-02, AUTHZ-MTLS-05, AUTHZ-MTLS-07).
    ///
    /// | first bytes | STRICT | PERMISSIVE | DISABLE |
    /// |---|---|---|---|
    /// | plaintext | reject | plain | plain |
    /// | TLS of the mesh | terminate | terminate | as below |
    /// | other TLS | terminate | HTTP: reject; else pass through | TCP: pass through; else reject |
    pub fn classify(self, protocol: PortProtocol, hello: Option<&ClientHello>) -> InboundAction {
        use InboundAction as A;
        match (self, hello) {
            (Self::Strict, None) => A::Reject(InboundReject::PlaintextOnStrict),
            (Self::Permissive | Self::Disable, None) => A::Plain,
            (Self::Strict, Some(_)) => A::Terminate,
            (Self::Permissive, Some(hello)) if hello.is_mesh() => A::Terminate,
            (Self::Permissive, Some(_)) => match protocol {
                PortProtocol::Http => A::Reject(InboundReject::NoMeshAlpn),
                PortProtocol::Tcp | PortProtocol::Sniffed => A::Passthrough,
            },
            (Self::Disable, Some(_)) => match protocol {
                PortProtocol::Http => A::Reject(InboundReject::TlsOnPlaintextHttp),
                PortProtocol::Sniffed => A::Reject(InboundReject::TlsOnPlaintextSniffed),
                PortProtocol::Tcp => A::Passthrough,
            },
        }
    }
}

/// A TLS version that the mesh speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the mesh speaks no other")]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsVersion {
    /// The version of these bytes of the protocol; `None` if the mesh does not speak it (AUTHZ-MTLS-04).
    pub fn from_wire(version: u16) -> Option<Self> {
        match version {
            0x0303 => Some(Self::V1_2),
            0x0304 => Some(Self::V1_3),
            _ => None,
        }
    }
}

/// What a chain that terminates TLS demands of clients, beyond a certificate that the mesh's authorities have signed:
/// the TLS library checks that.
#[derive(Debug, Clone)]
pub struct InboundTls {
    minimum: TlsVersion,
    /// `spiffe://TD/` of each; `None`: any.
    accepted: Option<Vec<String>>,
}

impl InboundTls {
    /// Accepts certificates of the mesh's trust domain and its aliases over TLS 1.2 or 1.3 (AUTHZ-MTLS-04,
    /// AUTHZ-MTLS-06).
    pub fn new(domains: &TrustDomains) -> Self {
        let accepted = domains.all().map(|domain| format!("spiffe://{domain}/")).collect();
        Self { minimum: TlsVersion::V1_2, accepted: Some(accepted) }
    }

    /// Raises the minimum, mesh setting `meshMTLS.minProtocolVersion`.
    #[must_use]
    pub fn minimum_version(mut self, version: TlsVersion) -> Self {
        self.minimum = version;
        self
    }

    /// Accepts further trust domains: those listed with extra CA certificates (AUTHZ-MTLS-06).
    #[must_use]
    pub fn trust<'a>(mut self, domains: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(accepted) = &mut self.accepted {
            accepted.extend(domains.into_iter().map(|domain| format!("spiffe://{domain}/")));
        }
        self
    }

    /// Accepts any trust domain that the certificate authorities vouch for, as Istio does with its check turned off.
    #[must_use]
    pub fn without_trust_domain_check(mut self) -> Self {
        self.accepted = None;
        self
    }

    /// Whether the handshake may succeed. `version` is `None` if it is none of [`TlsVersion`]; `certificate` is `None`
    /// if the client sent none.
    ///
    /// # Errors
    ///
    /// The reason why the handshake fails.
    pub fn accept(
        &self,
        version: Option<TlsVersion>,
        certificate: Option<&PeerIdentity>,
    ) -> Result<(), InboundReject> {
        if version.is_none_or(|version| version < self.minimum) {
            return Err(InboundReject::TlsVersion);
        }
        let certificate = certificate.ok_or(InboundReject::CertificateRequired)?;
        let Some(accepted) = &self.accepted else { return Ok(()) };
        let trusted = |name: &str| accepted.iter().any(|prefix| name.starts_with(prefix.as_str()));
        if certificate.names().any(trusted) { Ok(()) } else { Err(InboundReject::UnknownTrustDomain) }
    }
}
