//! What the client side does (AUTHZ-AUTO-01 to 05).

use super::{InboundAction, MtlsMode, PortProtocol, inbound::ClientHello};
use crate::identity::PeerIdentity;

/// `tls.mode` of a DestinationRule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "whoever connects must think of all")]
pub enum ClientTlsMode {
    /// Plaintext.
    Disable,
    /// TLS of the user, without client certificate.
    Simple,
    /// TLS of the user, with a client certificate.
    Mutual,
    /// Mutual TLS of the mesh.
    IstioMutual,
}

/// The TLS settings of a DestinationRule that concern one port of one subset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DestinationTls {
    subset_port: Option<ClientTlsMode>,
    subset: Option<ClientTlsMode>,
    port: Option<ClientTlsMode>,
    rule: Option<ClientTlsMode>,
}

impl DestinationTls {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// `trafficPolicy.tls` of the rule.
    #[must_use]
    pub fn rule(mut self, mode: ClientTlsMode) -> Self {
        self.rule = Some(mode);
        self
    }

    /// The same in `portLevelSettings` of the rule.
    #[must_use]
    pub fn port(mut self, mode: ClientTlsMode) -> Self {
        self.port = Some(mode);
        self
    }

    /// `trafficPolicy.tls` of the subset.
    #[must_use]
    pub fn subset(mut self, mode: ClientTlsMode) -> Self {
        self.subset = Some(mode);
        self
    }

    /// The same in `portLevelSettings` of the subset.
    #[must_use]
    pub fn subset_port(mut self, mode: ClientTlsMode) -> Self {
        self.subset_port = Some(mode);
        self
    }

    /// The setting that counts: subset port, subset, port, rule (AUTHZ-AUTO-01).
    pub fn mode(&self) -> Option<ClientTlsMode> {
        self.subset_port.or(self.subset).or(self.port).or(self.rule)
    }
}

/// What the client knows about where it connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientEndpoint {
    capable: bool,
    mode: MtlsMode,
    auto_mtls: bool,
    mesh_external: bool,
}

impl ClientEndpoint {
    /// An endpoint whose port has the effective `mode`. `mesh_capable` says whether it has a sidecar, label
    /// `security.istio.io/tlsMode: istio`; for headless and passthrough services whether all their instances have one
    /// (AUTHZ-AUTO-02, AUTHZ-AUTO-03).
    pub fn new(mesh_capable: bool, mode: MtlsMode) -> Self {
        Self { capable: mesh_capable, mode, auto_mtls: true, mesh_external: false }
    }

    /// The same for the instances of a headless or passthrough service: mutual TLS only if all of them are capable
    /// (AUTHZ-AUTO-03).
    pub fn all_of(instances_capable: impl IntoIterator<Item = bool>, mode: MtlsMode) -> Self {
        let mut instances = instances_capable.into_iter().peekable();
        // Of nobody nothing is known.
        let some = instances.peek().is_some();
        Self::new(some && instances.all(|capable| capable), mode)
    }

    /// Mesh setting `enableAutoMtls: false`.
    #[must_use]
    pub fn without_auto_mtls(mut self) -> Self {
        self.auto_mtls = false;
        self
    }

    /// A service outside of the mesh: never mutual TLS of its own accord (AUTHZ-AUTO-02).
    #[must_use]
    pub fn mesh_external(mut self) -> Self {
        self.mesh_external = true;
        self
    }
}

/// What the client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "whoever connects must think of all")]
pub enum ClientTls {
    /// Connect in clear.
    Plaintext,
    /// Mutual TLS with the workload's certificate, offering the mesh's ALPN and verifying the server's identity
    /// (AUTHZ-AUTO-05); see [`server_identity_accepted`].
    Mesh,
    /// TLS as the user has configured it, without the mesh's ALPN.
    User {
        /// Whether with a client certificate.
        certificate: bool,
    },
}

impl ClientTls {
    /// The decision for one endpoint: an explicit setting wins, else auto mTLS (AUTHZ-AUTO-01, AUTHZ-AUTO-02).
    pub fn decide(settings: &DestinationTls, endpoint: &ClientEndpoint) -> Self {
        match settings.mode() {
            Some(ClientTlsMode::IstioMutual) => Self::Mesh,
            Some(ClientTlsMode::Disable) => Self::Plaintext,
            Some(ClientTlsMode::Simple) => Self::User { certificate: false },
            Some(ClientTlsMode::Mutual) => Self::User { certificate: true },
            None => {
                let mesh = endpoint.auto_mtls
                    && !endpoint.mesh_external
                    && endpoint.capable
                    && endpoint.mode != MtlsMode::Disable;
                if mesh { Self::Mesh } else { Self::Plaintext }
            }
        }
    }

    /// What goes wrong if a client that does this meets that server; `None` if the connection can work
    /// (AUTHZ-AUTO-04). A server in DISABLE mode that speaks TLS itself works with TLS of the user.
    pub fn conflict(self, server: ServerSide) -> Option<TlsConflict> {
        let ServerSide::Sidecar { mode, protocol } = server else {
            return (self == Self::Mesh).then_some(TlsConflict::TlsFailure);
        };
        let hello = match self {
            Self::Plaintext => None,
            Self::Mesh => Some(ClientHello::new(super::MESH_ALPN)),
            Self::User { .. } => Some(ClientHello::default()),
        };
        match (self, mode.classify(protocol, hello.as_ref())) {
            // The application gets a handshake that it knows nothing of.
            (Self::Mesh, InboundAction::Passthrough | InboundAction::Reject(_)) => {
                Some(TlsConflict::TlsFailure)
            }
            (_, InboundAction::Reject(_)) => Some(TlsConflict::Reset),
            // The sidecar answers for the application, and asks for a certificate of the mesh.
            (Self::User { .. }, InboundAction::Terminate) => Some(TlsConflict::TlsFailure),
            _ => None,
        }
    }
}

/// The other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there is a sidecar or there is none")]
pub enum ServerSide {
    /// No sidecar: the application itself, in clear.
    NoSidecar,
    /// A sidecar with this mode for a port with this protocol.
    Sidecar {
        /// The effective mode of the port.
        mode: MtlsMode,
        /// What the port speaks.
        protocol: PortProtocol,
    },
}

/// How a misconfigured connection fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsConflict {
    /// The server resets the connection.
    Reset,
    /// The TLS handshake fails.
    TlsFailure,
}

/// Whether a server that proved `identity` may serve for a service whose pods run as one of `accounts`, written as
/// `spiffe://TD/ns/NAMESPACE/sa/ACCOUNT` (AUTHZ-AUTO-05). Nobody may for a service without accounts.
pub fn server_identity_accepted<A: AsRef<str>>(identity: &PeerIdentity, accounts: &[A]) -> bool {
    identity.names().any(|name| accounts.iter().any(|account| account.as_ref() == name))
}
