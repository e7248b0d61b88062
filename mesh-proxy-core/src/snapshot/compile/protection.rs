//! The security objects of one workload (sections 1.1, 6.1 and 8 of the authorization reference).

use std::sync::Arc;

use mesh_authz::peer_authentication::{EffectiveMtls, IgnoredReason, MtlsMode, PeerAuthentication};
use mesh_authz::{ForwardedFor, PolicyId};
use mesh_model::common::StringMap;
use mesh_model::resolve::{Proxy, Resource, ResourceSet, selects};
use mesh_model::security::peer_authentication::MutualTlsMode;
use mesh_model::security::{self as model, AuthorizationPolicy};
use mesh_model::{Kind, ObjectRef};

use super::issues::{Issues, spec};
use super::mesh;
use super::policies::{guards, has_doubtful_selector, in_scope, policies};
use super::providers::Providers;
use super::tokens::tokens;
use crate::snapshot::{MutualTls, Protection, Unselected};

/// What protects the workload of `proxy`.
pub(super) fn of(set: &ResourceSet, proxy: &Proxy, providers: &Providers, issues: &mut Issues) -> Protection {
    let unselected = set
        .all::<AuthorizationPolicy>()
        .filter(|found| !guards(set, proxy, found))
        .map(|found| Unselected { policy: found.reference(), why: set.selection(proxy, &found) })
        .collect();
    let (tokens, token_sources) = tokens(set, proxy, issues);
    Protection {
        policies: Arc::new(policies(set, proxy, providers, issues)),
        unselected,
        tokens,
        token_sources,
        mutual_tls: mutual_tls(set, proxy, issues),
        path_normalization: mesh::path_normalization(set.mesh()),
        client_address: client_address(set, proxy),
    }
}

/// The PeerAuthentications of the workload, merged (AUTHZ-PEER-02).
fn mutual_tls(set: &ResourceSet, proxy: &Proxy, issues: &mut Issues) -> MutualTls {
    let root = set.mesh().root_namespace();
    // One whose selector or whole body could not be read may have been meant for this workload.
    let unreadable = set.objects().iter().find(|object| {
        let doubtful = |found: &model::PeerAuthentication| has_doubtful_selector(found.selector.as_ref());
        object.kind == Kind::PeerAuthentication
            && object.must_deny()
            && in_scope(&object.metadata.namespace, set, proxy)
            && object.as_peer_authentication().is_none_or(doubtful)
    });
    if let Some(object) = unreadable {
        let strict = PeerAuthentication::new(PolicyId::new(&proxy.namespace, "")).mode(MtlsMode::Strict);
        let effective = EffectiveMtls::merge(&[strict], root, &proxy.namespace);
        return MutualTls { effective, sources: vec![object.reference()] };
    }
    let found: Vec<_> = set
        .all::<model::PeerAuthentication>()
        .filter(|found| in_scope(found.namespace(), set, proxy))
        .filter(|found| labels(found).is_none_or(|labels| selects(labels, &proxy.labels)))
        .collect();
    // They come oldest first (AUTHZ-SEL-10).
    let policies: Vec<_> = (0..).zip(&found).map(|(age, found)| peer_authentication(*found, age)).collect();
    let effective = EffectiveMtls::merge(&policies, root, &proxy.namespace);
    // The widest scope first.
    let scope = |found: &Resource<'_, model::PeerAuthentication>| {
        (found.namespace() != root, labels(found).is_some())
    };
    let mut sources: Vec<_> = found.iter().map(|found| (scope(found), found.reference())).collect();
    sources.sort_by_key(|(scope, _)| *scope);
    let mut sources: Vec<_> = sources.into_iter().map(|(_, source)| source).collect();
    for (id, reason) in effective.ignored() {
        let object = ObjectRef::new(Kind::PeerAuthentication, id.namespace(), id.name());
        let message = match reason {
            IgnoredReason::NotTheOldest => "it has no effect, an older one of the same scope counts",
            IgnoredReason::SelectorInRootNamespace => {
                "it has no effect, in the root namespace only those without a selector count"
            }
            IgnoredReason::PortsWithoutSelector => {
                issues.warning(
                    &object,
                    spec().field("portLevelMtls"),
                    "without a selector ports have no effect",
                );
                continue;
            }
            // Those have been left out.
            _ => continue,
        };
        issues.warning(&object, spec(), message);
        sources.retain(|source| *source != object);
    }
    MutualTls { effective, sources }
}

/// The labels it selects by, unless it selects everything.
fn labels<'a>(found: &Resource<'a, model::PeerAuthentication>) -> Option<&'a StringMap> {
    found.spec.selector.as_ref().map(|selector| &selector.match_labels).filter(|labels| !labels.is_empty())
}

fn peer_authentication(found: Resource<'_, model::PeerAuthentication>, age: u64) -> PeerAuthentication {
    let policy = PeerAuthentication::new(PolicyId::new(found.namespace(), found.name())).created(age);
    let policy = if labels(&found).is_some() { policy.selector() } else { policy };
    if found.object.must_deny() {
        return policy.mode(MtlsMode::Strict);
    }
    let policy = match found.spec.mtls.and_then(|mtls| mode(mtls.mode)) {
        Some(mode) => policy.mode(mode),
        None => policy,
    };
    // What is no port cannot be the port of a connection.
    let ports = found.spec.port_level_mtls.iter();
    ports
        .filter_map(|(port, mtls)| Some((port.parse().ok()?, mode(mtls.mode))))
        .fold(policy, |policy, (port, mode)| policy.port(port, mode))
}

/// `None` is UNSET. A mode of a newer Istio is taken for the strictest.
fn mode(mode: MutualTlsMode) -> Option<MtlsMode> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MtlsMode::Disable),
        MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        _ => Some(MtlsMode::Strict),
    }
}

/// AUTHZ-XFF-01, AUTHZ-XFF-02
fn client_address(set: &ResourceSet, proxy: &Proxy) -> ForwardedFor {
    let topology = set.mesh().default_config.as_ref().and_then(|config| config.gateway_topology.as_ref());
    let trusted = topology.map_or(0, |topology| topology.num_trusted_proxies);
    if proxy.gateway {
        ForwardedFor::Gateway { trusted_proxies: usize::try_from(trusted).unwrap_or(usize::MAX) }
    } else {
        ForwardedFor::Sidecar
    }
}
