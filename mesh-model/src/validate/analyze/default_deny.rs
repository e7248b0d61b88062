//! The first ALLOW policy of workloads turns on the default deny (MODEL-PIT-24).

use super::attach;
use super::index::Index;
use crate::security::AuthorizationPolicy;
use crate::security::authorization_policy::AuthorizationAction;
use crate::validate::report::show;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The oldest ALLOW policy of every scope that no wider one covers, and what its workloads are called.
pub(super) fn first(index: &Index<'_>) -> BTreeMap<usize, String> {
    let policies = || {
        index.oldest_first().filter_map(|(at, object)| {
            let policy = object.as_authorization_policy()?;
            let dry = object.metadata.annotations.get("istio.io/dry-run");
            let dry =
                dry.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "TRUE" | "true" | "True"));
            let allows = policy.action == AuthorizationAction::Allow && object.is_usable() && !dry;
            (allows && attach::targets(object).is_empty()).then_some((at, object, policy))
        })
    };
    let mut out = BTreeMap::new();
    // The info about a policy without rules says the same (MODEL-AP-18).
    let mut add = |at: usize, policy: &AuthorizationPolicy, scope: String| {
        if !policy.rules.is_empty() {
            out.insert(at, scope);
        }
    };
    let mut namespaces: HashMap<&str, (usize, &AuthorizationPolicy)> = HashMap::new();
    for (at, object, policy) in policies().filter(|(_, object, _)| attach::selector(object).is_none()) {
        namespaces.entry(&object.metadata.namespace).or_insert((at, policy));
    }
    if let Some((at, policy)) = namespaces.get(index.root.as_str()) {
        add(*at, policy, "all workloads of the mesh".to_owned());
        return out;
    }
    for (namespace, (at, policy)) in &namespaces {
        add(*at, policy, format!("all workloads of the namespace `{}`", show(namespace)));
    }
    let mut seen = HashSet::new();
    for (at, object, policy) in policies() {
        let namespace = object.metadata.namespace.as_str();
        let Some(selector) = attach::selector(object) else { continue };
        if !namespaces.contains_key(namespace) && seen.insert((namespace, selector)) {
            add(at, policy, "the selected workloads".to_owned());
        }
    }
    out
}
