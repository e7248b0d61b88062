//! What ambient makes of peer authentication: a DENY policy (AUTHZ-PEER-10, AUTHZ-PEER-11).

use super::{EffectiveMtls, MtlsMode};
use crate::policy::{Action, Policy, PolicyId, Rule};
use crate::rule::{Operation, Source};

/// Whose merging of port modes to follow (AUTHZ-PEER-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the rules, or the one deviation from them")]
pub enum AmbientMerge {
    /// The rules that sidecars follow.
    Sidecar,
    /// Those of ztunnel: if the workload's policy leaves its mode to the wider ones, and that is STRICT, ports are
    /// exempted only if one of them is PERMISSIVE.
    Ztunnel,
}

impl EffectiveMtls {
    /// The policy, called `id`, that enforces STRICT in ambient: peers without identity are denied, on all ports but
    /// those that are not STRICT, or on the STRICT ports alone. `None` if nothing is STRICT. DISABLE is treated as
    /// PERMISSIVE, since the tunnel is always encrypted (AUTHZ-PEER-10).
    ///
    /// ```
    /// use mesh_authz::peer_authentication::{AmbientMerge, EffectiveMtls, MtlsMode, PeerAuthentication};
    /// use mesh_authz::{Peer, PolicyId, PolicySet, Request};
    ///
    /// let strict = PeerAuthentication::new(PolicyId::new("shop", "default")).mode(MtlsMode::Strict);
    /// let mtls = EffectiveMtls::merge(&[strict], "istio-system", "shop");
    /// let policy = mtls.ambient_policy(PolicyId::new("shop", "converted"), AmbientMerge::Sidecar).unwrap();
    /// let set = PolicySet::builder().policy(policy).build()?;
    /// let plaintext = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    /// assert!(!set.evaluate(&plaintext).is_allowed());
    /// # Ok::<(), mesh_authz::BuildError>(())
    /// ```
    pub fn ambient_policy(&self, id: PolicyId, merge: AmbientMerge) -> Option<Policy> {
        let with = |strict: bool| {
            let ports = self.ports().filter(move |(_, mode)| (*mode == MtlsMode::Strict) == strict);
            ports.map(|(port, _)| port).collect::<Vec<_>>()
        };
        let (strict, mut exempt) = (with(true), with(false));
        let rule = Rule::new().from(Source::new().not_principals(["*"]));
        let rule = if self.mode == MtlsMode::Strict {
            let permissive = self.ports().any(|(_, mode)| mode == MtlsMode::Permissive);
            if merge == AmbientMerge::Ztunnel && self.inherited && !permissive {
                exempt.clear();
            }
            if exempt.is_empty() { rule } else { rule.to(Operation::new().not_ports(exempt)) }
        } else if strict.is_empty() {
            return None;
        } else {
            rule.to(Operation::new().ports(strict))
        };
        Some(Policy::new(id, Action::Deny).rule(rule))
    }
}
