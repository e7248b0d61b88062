//! Policies that guard a workload (MODEL-RES-30, MODEL-RES-31 and the table of section 6.6).

use super::{Proxy, Resource, ResourceSet, selects};
use crate::common::{PolicySelector, TargetRef};
use crate::meta::ObjectRef;
use crate::object::Typed;
use crate::security::peer_authentication::MutualTlsMode;
use crate::security::{AuthorizationPolicy, PeerAuthentication, RequestAuthentication};
use std::collections::BTreeMap;

/// Label of pods that belong to a Gateway of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// What a workload accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerAuthenticationView {
    /// Never [`MutualTlsMode::Unset`].
    pub mode: MutualTlsMode,
    /// By workload port, where it differs.
    pub ports: BTreeMap<u16, MutualTlsMode>,
    /// The policies that decided, widest scope first.
    pub sources: Vec<ObjectRef>,
    /// Policies that would speak of the workload but have no effect: newer ones of a scope that has one already, and
    /// those of the root namespace that have a selector (AUTHZ-PEER-03).
    pub ignored: Vec<ObjectRef>,
}

impl Default for PeerAuthenticationView {
    /// What holds without any policy: PERMISSIVE.
    fn default() -> Self {
        Self {
            mode: MutualTlsMode::Permissive,
            ports: BTreeMap::new(),
            sources: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

impl PeerAuthenticationView {
    /// What the workload accepts on `port`.
    pub fn mode_of(&self, port: u16) -> MutualTlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }
}

/// Whether a policy guards a workload, and if not, why; in the order in which it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selection {
    /// It does.
    Applies,
    /// It is in a namespace that is neither the root namespace nor the workload's.
    OtherNamespace,
    /// It names targets by reference, and none of them is the Gateway that the workload belongs to.
    OtherTarget,
    /// Its selector asks for labels that the workload lacks.
    OtherLabels,
}

/// A policy that attaches by selector or by reference.
pub trait Attached: Typed + 'static {
    /// Its selector.
    fn selector(&self) -> Option<&PolicySelector>;
    /// Its references: the older singular form counts only where there is no list (AUTHZ-SEL-07).
    fn targets(&self) -> &[TargetRef];
}

macro_rules! attached {
    ($($kind:ident)*) => {$(
        impl Attached for $kind {
            fn selector(&self) -> Option<&PolicySelector> {
                self.selector.as_ref()
            }
            fn targets(&self) -> &[TargetRef] {
                match &self.target_ref {
                    Some(only) if self.target_refs.is_empty() => std::slice::from_ref(only),
                    _ => &self.target_refs,
                }
            }
        }
    )*};
}

attached!(AuthorizationPolicy RequestAuthentication);

impl ResourceSet {
    /// The authorization policies that apply to a workload: those of the root namespace, then those of its own, each
    /// oldest first. All of them count together; there is no override.
    ///
    /// Policies that [must deny](crate::Object::must_deny) are among them.
    pub fn authorization_policies(&self, proxy: &Proxy) -> Vec<Resource<'_, AuthorizationPolicy>> {
        self.attached(proxy)
    }

    /// The request authentications that apply to a workload; their rules are united.
    pub fn request_authentications(&self, proxy: &Proxy) -> Vec<Resource<'_, RequestAuthentication>> {
        self.attached(proxy)
    }

    fn attached<T: Attached>(&self, proxy: &Proxy) -> Vec<Resource<'_, T>> {
        let root = self.mesh().root_namespace();
        let applies = |found: &Resource<'_, T>| self.selection(proxy, found) == Selection::Applies;
        let (mut out, own): (Vec<_>, Vec<_>) =
            self.all::<T>().filter(applies).partition(|found| found.namespace() == root);
        out.extend(own);
        out
    }

    /// Whether a policy applies to a workload (AUTHZ-SEL-01 to -05, AUTHZ-SEL-07).
    ///
    /// References name Gateways of the Gateway API, whose pods carry their name as a label; on every other workload a
    /// policy with references has no effect. Waypoints are not known.
    pub fn selection<T: Attached>(&self, proxy: &Proxy, policy: &Resource<'_, T>) -> Selection {
        let namespace = policy.namespace();
        if namespace != proxy.namespace && namespace != self.mesh().root_namespace() {
            return Selection::OtherNamespace;
        }
        let targets = policy.spec.targets();
        if targets.is_empty() {
            let selects = |selector: &PolicySelector| selects(&selector.match_labels, &proxy.labels);
            return if policy.spec.selector().is_none_or(selects) {
                Selection::Applies
            } else {
                Selection::OtherLabels
            };
        }
        let gateway = proxy.labels.get(GATEWAY_NAME);
        let is_gateway = |target: &TargetRef| {
            target.kind == "Gateway"
                && target.group == "gateway.networking.k8s.io"
                && Some(&target.name) == gateway
                && (target.namespace.is_empty() || target.namespace == proxy.namespace)
        };
        if namespace == proxy.namespace && targets.iter().any(is_gateway) {
            Selection::Applies
        } else {
            Selection::OtherTarget
        }
    }

    /// What a workload accepts: the narrowest scope that says something wins, the mesh, then the namespace, then the
    /// workload; of several in one scope the oldest. PERMISSIVE when nothing is said.
    ///
    /// A policy that [must deny](crate::Object::must_deny) counts as STRICT.
    pub fn peer_authentication(&self, proxy: &Proxy) -> PeerAuthenticationView {
        let root = self.mesh().root_namespace();
        let mut view = PeerAuthenticationView::default();
        let (mut mesh, mut namespace, mut workload) = (None, None, None);
        for found in self.all::<PeerAuthentication>() {
            let scope = match selector_of(&found) {
                None if found.namespace() == root => &mut mesh,
                None if found.namespace() == proxy.namespace => &mut namespace,
                Some(selector) if selects(&selector.match_labels, &proxy.labels) => {
                    if found.namespace() == root {
                        view.ignored.push(found.reference());
                        continue;
                    }
                    if found.namespace() != proxy.namespace {
                        continue;
                    }
                    &mut workload
                }
                _ => continue,
            };
            if scope.is_none() {
                *scope = Some(found);
            } else {
                view.ignored.push(found.reference());
            }
        }
        let scopes = [mesh, namespace, workload];
        for found in scopes.into_iter().flatten() {
            view.sources.push(found.reference());
            match mode(found) {
                MutualTlsMode::Unset => {}
                mode => view.mode = mode,
            }
        }
        if let Some(found) = workload.filter(|found| !found.object.must_deny()) {
            for (port, mtls) in &found.spec.port_level_mtls {
                if let (Ok(port), true) = (port.parse(), mtls.mode != MutualTlsMode::Unset) {
                    view.ports.insert(port, mtls.mode);
                }
            }
        }
        view
    }
}

/// The selector, unless it selects everything.
fn selector_of<'a>(found: &Resource<'a, PeerAuthentication>) -> Option<&'a PolicySelector> {
    found.spec.selector.as_ref().filter(|selector| !selector.match_labels.is_empty())
}

fn mode(found: Resource<'_, PeerAuthentication>) -> MutualTlsMode {
    if found.object.must_deny() {
        return MutualTlsMode::Strict;
    }
    found.spec.mtls.map_or(MutualTlsMode::Unset, |mtls| mtls.mode)
}
