//! Which workloads an object speaks of: its selector and its targets.

use crate::common::{PolicySelector, StringMap, TargetRef};
use crate::object::{Body, Object};
use crate::resolve::Attached;

/// The pairs of the object's selector; `None` when it has none and speaks of the whole namespace or mesh.
pub(super) fn selector(object: &Object) -> Option<&StringMap> {
    written(object).filter(|labels| !labels.is_empty())
}

/// True when a selector is written, be it one without labels.
pub(super) fn has_selector(object: &Object) -> bool {
    written(object).is_some()
}

fn written(object: &Object) -> Option<&StringMap> {
    match &object.body {
        Body::Sidecar(found) => found.workload_selector.as_ref().map(|selector| &selector.labels),
        Body::PeerAuthentication(found) => labels(found.selector.as_ref()),
        Body::AuthorizationPolicy(found) => labels(found.selector.as_ref()),
        Body::RequestAuthentication(found) => labels(found.selector.as_ref()),
        Body::Telemetry(found) => labels(found.selector.as_ref()),
        Body::WasmPlugin(found) => labels(found.selector.as_ref()),
        Body::ProxyConfig(found) => labels(found.selector.as_ref()),
        _ => None,
    }
}

fn labels(selector: Option<&PolicySelector>) -> Option<&StringMap> {
    selector.map(|selector| &selector.match_labels)
}

/// What the object is attached to by name.
pub(super) fn targets(object: &Object) -> &[TargetRef] {
    match &object.body {
        Body::AuthorizationPolicy(found) => found.targets(),
        Body::RequestAuthentication(found) => found.targets(),
        Body::Telemetry(found) => list(found.target_ref.as_ref(), &found.target_refs),
        Body::WasmPlugin(found) => list(found.target_ref.as_ref(), &found.target_refs),
        _ => &[],
    }
}

/// The older singular form counts only where there is no list (AUTHZ-SEL-07).
fn list<'t>(single: Option<&'t TargetRef>, list: &'t [TargetRef]) -> &'t [TargetRef] {
    match single {
        Some(only) if list.is_empty() => std::slice::from_ref(only),
        _ => list,
    }
}
