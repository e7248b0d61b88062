//! Mutual TLS between workloads: Istio's `PeerAuthentication` as pure functions.
//!
//! What a workload accepts on each port ([`EffectiveMtls::merge`]), what happens to a connection
//! ([`EffectiveMtls::classify`], [`InboundTls`]), what ambient makes of it ([`EffectiveMtls::ambient_policy`]), and what
//! the client side does ([`ClientTls`]).
//!
//! ```
//! use mesh_authz::PolicyId;
//! use mesh_authz::peer_authentication::{
//!     ClientHello, EffectiveMtls, InboundAction, MtlsMode, PeerAuthentication, PortProtocol,
//! };
//!
//! let mesh = PeerAuthentication::new(PolicyId::new("istio-system", "default")).mode(MtlsMode::Strict);
//! let metrics = PeerAuthentication::new(PolicyId::new("shop", "metrics"))
//!     .selector()
//!     .port(9090, Some(MtlsMode::Permissive));
//! let mtls = EffectiveMtls::merge(&[mesh, metrics], "istio-system", "shop");
//! assert_eq!(mtls.mode_of(8080), MtlsMode::Strict);
//! assert_eq!(mtls.mode_of(9090), MtlsMode::Permissive);
//!
//! let plaintext = mtls.classify(8080, PortProtocol::Http, None);
//! assert!(matches!(plaintext, InboundAction::Reject(reason) if reason.response_flag() == Some("NR")));
//! let from_the_mesh = ClientHello::new(["istio"]);
//! assert_eq!(mtls.classify(8080, PortProtocol::Http, Some(&from_the_mesh)), InboundAction::Terminate);
//! ```
//!
//! # Coming from Istio
//!
//! | in the YAML | here |
//! |---|---|
//! | `PeerAuthentication` | [`PeerAuthentication`] |
//! | `spec.selector` | [`PeerAuthentication::selector`]: leave out what does not select the workload |
//! | `spec.mtls.mode` | [`PeerAuthentication::mode`]; `UNSET` is not calling it |
//! | `spec.portLevelMtls` | [`PeerAuthentication::port`] |
//! | `DestinationRule`, `tls.mode` | [`ClientTlsMode`], [`DestinationTls`] |

mod ambient;
mod client;
mod inbound;

use std::collections::BTreeMap;

pub use ambient::AmbientMerge;
pub use client::{
    ClientEndpoint, ClientTls, ClientTlsMode, DestinationTls, ServerSide, TlsConflict,
    server_identity_accepted,
};
pub use inbound::{
    ClientHello, InboundAction, InboundReject, InboundTls, MESH_ALPN, PortProtocol, TlsVersion,
};

use crate::policy::PolicyId;

/// What a port accepts (AUTHZ-PEER-01). `UNSET` is no mode but the absence of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a connection is in clear, either, or mutual TLS")]
pub enum MtlsMode {
    /// TLS is never terminated.
    Disable,
    /// Mutual TLS and plaintext.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// One `PeerAuthentication` that is known to apply to the workload: one of the mesh, of its namespace, or one whose
/// selector takes it.
#[derive(Debug, Clone)]
pub struct PeerAuthentication {
    id: PolicyId,
    created: u64,
    selector: bool,
    mode: Option<MtlsMode>,
    ports: Vec<(u16, Option<MtlsMode>)>,
}

impl PeerAuthentication {
    /// A policy that says nothing, for its whole namespace, or in the root namespace for the whole mesh.
    pub fn new(id: PolicyId) -> Self {
        Self { id, created: 0, selector: false, mode: None, ports: Vec::new() }
    }

    /// When it was created, in seconds since any one moment: of several on one level the oldest counts, of equally old
    /// ones the first by name (AUTHZ-PEER-03).
    #[must_use]
    pub fn created(mut self, seconds: u64) -> Self {
        self.created = seconds;
        self
    }

    /// Says that it has a selector with labels, which the workload has.
    #[must_use]
    pub fn selector(mut self) -> Self {
        self.selector = true;
        self
    }

    /// The mode; not called: `UNSET`.
    #[must_use]
    pub fn mode(mut self, mode: MtlsMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The mode of one port of the workload, not of a Service (AUTHZ-PEER-05); `None` is `UNSET`.
    #[must_use]
    pub fn port(mut self, port: u16, mode: Option<MtlsMode>) -> Self {
        self.ports.push((port, mode));
        self
    }
}

/// Why a policy has no effect (AUTHZ-PEER-03, AUTHZ-PEER-04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IgnoredReason {
    /// An older policy of the same level counts.
    NotTheOldest,
    /// It has a selector and is in the root namespace.
    SelectorInRootNamespace,
    /// It is in a namespace that is neither the root's nor the workload's.
    OtherNamespace,
    /// Only its ports: it has no selector.
    PortsWithoutSelector,
}

/// What a workload accepts, merged from all policies (AUTHZ-PEER-02).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveMtls {
    mode: MtlsMode,
    ports: BTreeMap<u16, MtlsMode>,
    namespace_mode: Option<MtlsMode>,
    /// Whether a workload policy counts and leaves the mode to the wider ones.
    inherited: bool,
    ignored: Vec<(PolicyId, IgnoredReason)>,
}

impl Default for EffectiveMtls {
    /// Without any policy: PERMISSIVE.
    fn default() -> Self {
        Self::merge(&[], "", "")
    }
}

impl EffectiveMtls {
    /// Merges the policies, whose order does not matter, for a workload in `namespace`. `root` is the mesh setting
    /// `rootNamespace`.
    ///
    /// PERMISSIVE, then what the mesh, the namespace and the workload say, the narrowest that says something last
    /// (AUTHZ-PEER-02).
    pub fn merge(policies: &[PeerAuthentication], root: &str, namespace: &str) -> Self {
        let mut oldest_first: Vec<_> = policies.iter().collect();
        oldest_first.sort_by(|a, b| (a.created, a.id.name()).cmp(&(b.created, b.id.name())));
        let (mut mesh, mut of_namespace, mut workload) = (None, None, None);
        let mut ignored = Vec::new();
        for policy in oldest_first {
            let mut ignore = |reason| ignored.push((policy.id.clone(), reason));
            let level = match (policy.id.namespace(), policy.selector) {
                (ns, false) if ns == root => &mut mesh,
                (ns, true) if ns == root => {
                    ignore(IgnoredReason::SelectorInRootNamespace);
                    continue;
                }
                (ns, false) if ns == namespace => &mut of_namespace,
                (ns, true) if ns == namespace => &mut workload,
                _ => {
                    ignore(IgnoredReason::OtherNamespace);
                    continue;
                }
            };
            if level.is_some() {
                ignore(IgnoredReason::NotTheOldest);
                continue;
            }
            if !policy.selector && !policy.ports.is_empty() {
                ignore(IgnoredReason::PortsWithoutSelector);
            }
            *level = Some(policy);
        }
        let own = |policy: Option<&PeerAuthentication>| policy.and_then(|policy| policy.mode);
        let wider = own(of_namespace).or(own(mesh));
        let mode = own(workload).or(wider).unwrap_or(MtlsMode::Permissive);
        let ports = workload.map_or(&[][..], |policy| &policy.ports);
        Self {
            mode,
            ports: ports.iter().map(|(port, own)| (*port, own.unwrap_or(mode))).collect(),
            namespace_mode: of_namespace.or(mesh).map(|_| wider.unwrap_or(MtlsMode::Permissive)),
            inherited: workload.is_some_and(|policy| policy.mode.is_none()),
            ignored,
        }
    }

    /// The mode of the ports that no policy names.
    pub fn mode(&self) -> MtlsMode {
        self.mode
    }

    /// The mode of a port of the workload, whether or not a Service declares it (AUTHZ-PEER-04, AUTHZ-PEER-06).
    pub fn mode_of(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }

    /// The mode of the listener that terminates HBONE tunnels: STRICT, whatever policies say (AUTHZ-PEER-06).
    pub fn mode_of_hbone() -> MtlsMode {
        MtlsMode::Strict
    }

    /// The ports that the workload's policy names, with their modes.
    pub fn ports(&self) -> impl Iterator<Item = (u16, MtlsMode)> {
        self.ports.iter().map(|(port, mode)| (*port, *mode))
    }

    /// What clients are told about the namespace: `None` if no policy says anything, which they treat as PERMISSIVE
    /// (AUTHZ-PEER-07).
    pub fn namespace_mode(&self) -> Option<MtlsMode> {
        self.namespace_mode
    }

    /// The policies that have no effect, and why: each deserves a warning.
    pub fn ignored(&self) -> &[(PolicyId, IgnoredReason)] {
        &self.ignored
    }

    /// What to do with a connection to `port`, by its first bytes: [`classify`](MtlsMode::classify) for the mode of the
    /// port.
    pub fn classify(&self, port: u16, protocol: PortProtocol, hello: Option<&ClientHello>) -> InboundAction {
        self.mode_of(port).classify(protocol, hello)
    }
}
