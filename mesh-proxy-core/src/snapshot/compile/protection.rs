//! The security objects of one workload (sections 1.1, 6.1 and 8 of the authorization reference).

use std::sync::Arc;

use mesh_authz::ForwardedFor;
use mesh_model::Kind;
use mesh_model::resolve::{PeerAuthenticationView, Proxy, ResourceSet};
use mesh_model::security::peer_authentication::MutualTlsMode;
use mesh_model::security::{AuthorizationPolicy, PeerAuthentication};

use super::issues::{Issues, spec};
use super::mesh;
use super::policies::{guards, has_doubtful_selector, in_scope, policies};
use super::providers::Providers;
use crate::snapshot::{MutualTls, Protection, Unselected};

/// What protects the workload of `proxy`.
pub(super) fn of(set: &ResourceSet, proxy: &Proxy, providers: &Providers, issues: &mut Issues) -> Protection {
    let unselected = set
        .all::<AuthorizationPolicy>()
        .filter(|found| !guards(set, proxy, found))
        .map(|found| Unselected { policy: found.reference(), why: set.selection(proxy, &found) })
        .collect();
    Protection {
        policies: Arc::new(policies(set, proxy, providers, issues)),
        unselected,
        mutual_tls: mutual_tls(set, proxy, issues),
        path_normalization: mesh::path_normalization(set.mesh()),
        client_address: client_address(set, proxy),
    }
}

fn mutual_tls(set: &ResourceSet, proxy: &Proxy, issues: &mut Issues) -> MutualTls {
    let mut effective = set.peer_authentication(proxy);
    for ignored in &effective.ignored {
        let message = "it has no effect: of several in one scope the oldest counts, and in the root namespace only \
                       those without a selector";
        issues.warning(ignored, spec(), message);
    }
    // One whose selector or whole body could not be read may have been meant for this workload.
    let unreadable = set.objects().iter().find(|object| {
        object.kind == Kind::PeerAuthentication
            && object.must_deny()
            && in_scope(&object.metadata.namespace, set, proxy)
            && object
                .as_peer_authentication()
                .is_none_or(|found: &PeerAuthentication| has_doubtful_selector(found.selector.as_ref()))
    });
    if let Some(object) = unreadable {
        effective = PeerAuthenticationView::default();
        effective.mode = MutualTlsMode::Strict;
        effective.sources.push(object.reference());
    }
    MutualTls::new(effective)
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
