//! Subsets without pods (MODEL-ANA-14, MODEL-PIT-2).

use super::gateway_pods::pairs;
use super::index::{Index, Service};
use super::workloads::{Workload, Workloads};
use crate::common::StringMap;
use crate::kubernetes::ServiceType;
use crate::networking::DestinationRule;
use crate::object::Body;
use crate::resolve::selects;
use crate::validate::report::{At, Report, show};

/// How many pods are looked at for the closest one.
const LOOKED_AT: usize = 256;

pub(super) fn check(report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
    let workloads = &index.workloads;
    let namespace = report.namespace();
    let host = index.full_name(&rule.host, namespace);
    if rule.subsets.is_empty() || host.is_empty() || host.starts_with('*') {
        return;
    }
    let services = index.services(&host, namespace);
    let Some(first) = services.first() else { return };
    let spec = At::OBJECT.field("spec");
    let at = spec.field("subsets");
    for (number, subset) in rule.subsets.iter().enumerate() {
        if subset.labels.is_empty() {
            continue;
        }
        let selected =
            |service: &&Service<'_>| has_endpoints(service, &subset.labels, workloads) == Some(false);
        if !services.iter().all(selected) {
            continue;
        }
        let at = at.index(number);
        let (labels, service) = (pairs(&subset.labels), first.object.reference());
        let message = format!("no endpoint of {service} has the labels {labels} (IST0173)");
        let added = report.error("MODEL-ANA-14", &at.field("labels"), message);
        match closest(first, &subset.labels, workloads) {
            Some(help) => added.help(help),
            None => {
                added.help("requests to the subset are answered with 503; give the endpoints these labels")
            }
        };
    }
}

/// The selector of the service's workloads.
fn selector<'o>(service: &Service<'o>) -> Option<&'o StringMap> {
    let selector = match &service.object.body {
        Body::Service(found) if found.spec.service_type != ServiceType::ExternalName => &found.spec.selector,
        Body::ServiceEntry(found) => &found.workload_selector.as_ref()?.labels,
        _ => return None,
    };
    (!selector.is_empty()).then_some(selector)
}

/// Whether some endpoint of a service has the labels; `None` where its endpoints are not known.
fn has_endpoints(service: &Service<'_>, labels: &StringMap, workloads: &Workloads<'_>) -> Option<bool> {
    if let Some(entry) = service.object.as_service_entry().filter(|entry| !entry.endpoints.is_empty()) {
        return Some(entry.endpoints.iter().any(|endpoint| selects(labels, &endpoint.labels)));
    }
    let own = selector(service)?;
    let namespace = Some(service.object.metadata.namespace.as_str());
    let mut both = own.clone();
    let contradicts = labels.iter().any(|(key, value)| own.get(key).is_some_and(|other| other != value));
    both.extend(labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    if !contradicts && workloads.select(namespace, &both).next().is_some() {
        return Some(true);
    }
    workloads.select(namespace, own).next().map(|_| false)
}

/// The pod that has the most of the labels, as a help.
fn closest(service: &Service<'_>, labels: &StringMap, workloads: &Workloads<'_>) -> Option<String> {
    let has = |workload: &Workload<'_>| {
        labels.iter().filter(|(key, value)| workload.label(key) == Some(value)).count()
    };
    let namespace = Some(service.object.metadata.namespace.as_str());
    let candidates = workloads.select(namespace, selector(service)?).take(LOOKED_AT);
    // Of several the first.
    let (_, best) = candidates.reduce(|best, next| if has(next.1) > has(best.1) { next } else { best })?;
    let shown: Vec<String> = labels
        .keys()
        .take(6)
        .map(|key| match best.label(key) {
            Some(value) => format!("`{}: {}`", show(key), show(value)),
            None => format!("no `{}`", show(key)),
        })
        .collect();
    Some(format!("the closest is {} with {}", best.object.reference(), shown.join(", ")))
}
