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
}

impl PeerAuthenticationView {
    /// What the workload accepts on `port`.
    pub fn mode_of(&self, port: u16) -> MutualTlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }
}

impl ResourceSet {
    /// The authorization policies that apply to a workload: those of the root namespace, then those of its own, each
    /// oldest first. All of them count together; there is no override.
    ///
    /// Policies that [must deny](crate::Object::must_deny) are among them.
    pub fn authorization_policies(&self, proxy: &Proxy) -> Vec<Resource<'_, AuthorizationPolicy>> {
        self.attached(proxy, |spec: &AuthorizationPolicy| {
            (spec.selector.as_ref(), spec.target_ref.iter().chain(&spec.target_refs).collect())
        })
    }

    /// The request authentications that apply to a workload; their rules are united.
    pub fn request_authentications(&self, proxy: &Proxy) -> Vec<Resource<'_, RequestAuthentication>> {
        self.attached(proxy, |spec: &RequestAuthentication| {
            (spec.selector.as_ref(), spec.target_ref.iter().chain(&spec.target_refs).collect())
        })
    }

    fn attached<'s, T: Typed + 'static>(
        &'s self,
        proxy: &Proxy,
        parts: impl Fn(&'s T) -> (Option<&'s PolicySelector>, Vec<&'s TargetRef>),
    ) -> Vec<Resource<'s, T>> {
        let root = self.mesh().root_namespace();
        let applies = |found: &Resource<'s, T>| {
            let (selector, targets) = parts(found.spec);
            if targets.is_empty() {
                return selector.is_none_or(|selector| selects(&selector.match_labels, &proxy.labels));
            }
            // Only pods of a Gateway API gateway are named by references, in their own namespace.
            let Some(gateway) = proxy.labels.get(GATEWAY_NAME) else { return false };
            found.namespace() == proxy.namespace
                && targets.iter().any(|target| {
                    target.kind == "Gateway"
                        && target.group == "gateway.networking.k8s.io"
                        && target.name == *gateway
                })
        };
        let of = |namespace: &str| -> Vec<Resource<'s, T>> {
            self.all::<T>().filter(|found| found.namespace() == namespace).filter(&applies).collect()
        };
        let mut out = of(root);
        if proxy.namespace != root {
            out.extend(of(&proxy.namespace));
        }
        out
    }

    /// What a workload accepts: the narrowest scope that says something wins, the mesh, then the namespace, then the
    /// workload; of several in one scope the oldest. PERMISSIVE when nothing is said.
    ///
    /// A policy that [must deny](crate::Object::must_deny) counts as STRICT.
    pub fn peer_authentication(&self, proxy: &Proxy) -> PeerAuthenticationView {
        let root = self.mesh().root_namespace();
        let oldest = |namespace: &str, with_selector: bool| {
            self.all::<PeerAuthentication>().find(|found| {
                found.namespace() == namespace
                    && match selector_of(found) {
                        None => !with_selector,
                        Some(selector) => with_selector && selects(&selector.match_labels, &proxy.labels),
                    }
            })
        };
        let mut view = PeerAuthenticationView {
            mode: MutualTlsMode::Permissive,
            ports: BTreeMap::new(),
            sources: Vec::new(),
        };
        let mut scopes = vec![oldest(root, false)];
        let mut workload = None;
        if proxy.namespace != root {
            scopes.push(oldest(&proxy.namespace, false));
            // In the root namespace a selector is ignored.
            workload = oldest(&proxy.namespace, true);
            scopes.push(workload);
        }
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
