//! References between VirtualServices and other objects that lead nowhere: no rule fails for them, but somebody waits
//! for an effect.

use std::collections::HashSet;

use mesh_model::networking::{Gateway, VirtualService};
use mesh_model::resolve::names::{GatewayReference, gateway_reference};
use mesh_model::resolve::{Resource, ResourceSet};

use super::issues::{Issues, spec};

/// Reports Gateways that are named and do not exist, and VirtualServices that neither have hosts nor are a delegate.
pub(super) fn report(set: &ResourceSet, issues: &mut Issues) {
    let mut delegates: HashSet<(&str, &str)> = HashSet::new();
    for found in set.all::<VirtualService>() {
        for delegate in found.spec.http.iter().filter_map(|rule| rule.delegate.as_ref()) {
            let namespace =
                if delegate.namespace.is_empty() { found.namespace() } else { delegate.namespace.as_str() };
            delegates.insert((namespace, &delegate.name));
        }
    }
    for found in set.all::<VirtualService>() {
        gateways(set, found, issues);
        // ROUTE-DELEG-01
        if found.hosts.is_empty() && !delegates.contains(&(found.namespace(), found.name())) {
            let message = "there are no hosts, and no VirtualService delegates to this one: it has no effect";
            issues.warning(&found.reference(), spec().field("hosts"), message);
        }
    }
}

fn gateways(set: &ResourceSet, found: Resource<'_, VirtualService>, issues: &mut Issues) {
    for (index, text) in found.spec.gateways.iter().enumerate() {
        if let GatewayReference::Gateway { namespace, name } = gateway_reference(text, found.namespace())
            && set.find::<Gateway>(&namespace, &name).is_none()
        {
            let message = format!("there is no usable Gateway `{namespace}/{name}`: nothing is bound to it");
            issues.warning(&found.reference(), spec().field("gateways").index(index), message);
        }
    }
}
