//! Clusters that the networks of the mesh name (MODEL-ANA-37).

use super::index::Index;
use crate::kubernetes::ConfigMap;
use crate::validate::report::{At, Report, show};
use std::collections::BTreeSet;

/// The cluster of the control plane, unless it is told another name.
const LOCAL: &str = "Kubernetes";

pub(super) fn check(report: &mut Report<'_>, config: &ConfigMap, index: &Index<'_>) {
    if report.object.metadata.name != "istio" {
        return;
    }
    let Some(text) = config.data.get("meshNetworks") else { return };
    // The Secrets for other clusters name them.
    // DIFFERENCE: MODEL-ANA-37: without any of them they are known to somebody else; Istio misses all then.
    let remote = index.objects.iter().filter_map(|object| {
        let secret = object.as_secret()?;
        let labelled = object.metadata.labels.get("istio/multiCluster").is_some_and(|value| value == "true");
        labelled.then(|| secret.data.keys().chain(secret.string_data.keys()))
    });
    let mut clusters: BTreeSet<&str> = remote.flatten().map(String::as_str).collect();
    if clusters.is_empty() {
        return;
    }
    clusters.insert(LOCAL);
    let data = At::OBJECT.field("data");
    let at = data.key("meshNetworks");
    let at = at.field("networks");
    for (name, network) in &crate::load::mesh_networks(text).0.networks {
        let at = at.key(name);
        let at = at.field("endpoints");
        for (index, entry) in network.endpoints.iter().enumerate() {
            let Some(registry) = entry.from_registry.as_deref().filter(|name| !clusters.contains(name))
            else {
                continue;
            };
            let at = at.index(index);
            report
                .error(
                    "MODEL-ANA-37",
                    &at.field("fromRegistry"),
                    format!("there is no cluster `{}` (IST0126)", show(registry)),
                )
                .help(format!("known are {}", clusters.iter().copied().collect::<Vec<_>>().join(", ")));
        }
    }
}
