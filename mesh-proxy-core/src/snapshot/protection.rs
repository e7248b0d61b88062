//! What protects a workload: who may send it what, and over which connections.

use std::sync::Arc;

use mesh_authz::jwt::JwtAuthentication;
use mesh_authz::peer_authentication::EffectiveMtls;
use mesh_authz::{ForwardedFor, PolicySet};
use mesh_model::ObjectRef;
use mesh_model::resolve::Selection;
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
    /// How tokens are verified before `policies` are asked; `None` if no RequestAuthentication has a rule.
    pub tokens: Option<Arc<JwtAuthentication>>,
    /// The RequestAuthentications that `tokens` is made of.
    pub token_sources: Vec<ObjectRef>,
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
            tokens: None,
            token_sources: Vec::new(),
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MutualTls {
    /// The mode of each port of the workload.
    pub effective: EffectiveMtls,
    /// The PeerAuthentications that count, widest scope first.
    pub sources: Vec<ObjectRef>,
}
