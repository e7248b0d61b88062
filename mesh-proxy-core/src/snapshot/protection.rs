//! What protects a workload: who may send it what, and over which connections.

use std::sync::Arc;

use mesh_authz::{ForwardedFor, PolicySet};
use mesh_model::ObjectRef;
use mesh_model::resolve::{PeerAuthenticationView, Selection};
use mesh_model::security::peer_authentication::MutualTlsMode;
use mesh_route::PathNormalization;

/// The security objects that apply to one workload, compiled.
///
/// The proxy enforces `policies` on the listeners of its gateway. Of a sidecar's workload nothing is enforced yet,
/// because the proxy does not receive its connections; what would be can be asked here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Protection {
    /// AuthorizationPolicies in force; empty allows.
    pub policies: Arc<PolicySet>,
    /// AuthorizationPolicies that do not apply to the workload, and why.
    pub unselected: Vec<Unselected>,
    /// The effective PeerAuthentication, by port.
    pub mutual_tls: MutualTls,
    /// How paths are normalised before policies see them (AUTHZ-PATH-03).
    pub path_normalization: PathNormalization,
    /// Where `remoteIpBlocks` find the client's address.
    pub client_address: ForwardedFor,
}

impl Default for Protection {
    /// No policies: everything is allowed, over any connection.
    fn default() -> Self {
        Self {
            policies: Arc::default(),
            unselected: Vec::new(),
            mutual_tls: MutualTls::default(),
            path_normalization: PathNormalization::default(),
            client_address: ForwardedFor::Sidecar,
        }
    }
}

/// A policy that does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unselected {
    /// The policy.
    pub policy: ObjectRef,
    /// Why it does not apply; never [`Selection::Applies`].
    pub why: Selection,
}

/// Whether connections to a workload must be encrypted: PeerAuthentication after merging the scopes of mesh, namespace
/// and workload (section 6.1 of the authorization reference).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MutualTls {
    effective: PeerAuthenticationView,
}

impl MutualTls {
    pub(crate) fn new(effective: PeerAuthenticationView) -> Self {
        Self { effective }
    }

    /// What the workload accepts on its port `port`, which is the one it listens on, not a Service's
    /// (AUTHZ-PEER-05). Never [`MutualTlsMode::Unset`].
    #[must_use]
    pub fn mode(&self, port: u16) -> MutualTlsMode {
        self.effective.mode_of(port)
    }

    /// What it accepts on every port that [`ports`](Self::ports) does not name.
    #[must_use]
    pub fn default_mode(&self) -> MutualTlsMode {
        self.effective.mode
    }

    /// The ports for which `portLevelMtls` of the workload's policy says something, in rising order.
    pub fn ports(&self) -> impl Iterator<Item = (u16, MutualTlsMode)> {
        self.effective.ports.iter().map(|(port, mode)| (*port, *mode))
    }

    /// The PeerAuthentications that count, widest scope first.
    #[must_use]
    pub fn sources(&self) -> &[ObjectRef] {
        &self.effective.sources
    }
}

impl Default for MutualTls {
    /// PERMISSIVE, Istio's default.
    fn default() -> Self {
        Self::new(PeerAuthenticationView::default())
    }
}
