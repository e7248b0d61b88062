//! Subsets without pods (MODEL-ANA-14, MODEL-PIT-2).

use super::clients::Clients;
use super::gateway_pods::pairs;
use super::index::{Index, Service};
use super::topology::{Label, Place, is_topology};
use super::workloads::Workload;
use crate::common::StringMap;
use crate::kubernetes::ServiceType;
use crate::networking::{DestinationRule, WorkloadEntry};
use crate::object::Body;
use crate::validate::report::{At, Report, show};

/// How many pods are looked at for the closest one.
const LOOKED_AT: usize = 256;

pub(super) fn check(report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
    let namespace = report.namespace();
    let host = index.full_name(&rule.host, namespace);
    if rule.subsets.is_empty() || host.is_empty() || host.starts_with('*') {
        return;
    }
    let services = index.services_of(&host, &Clients::of(report.object, index));
    let Some(first) = services.first() else { return };
    let spec = At::OBJECT.field("spec");
    let at = spec.field("subsets");
    for (number, subset) in rule.subsets.iter().enumerate() {
        if subset.labels.is_empty() {
            continue;
        }
        let lacks = |service: &&Service<'_>| has_endpoints(service, &subset.labels, index) == Some(false);
        if !services.iter().all(lacks) {
            continue;
        }
        let at = at.index(number);
        let (labels, service) = (pairs(&subset.labels), first.object.reference());
        let message = format!("no endpoint of {service} has the labels {labels} (IST0173)");
        let added = report.error("MODEL-ANA-14", &at.field("labels"), message);
        match closest(first, &subset.labels, index) {
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

/// Whether some endpoint of a service has, or may have, the labels; `None` where its endpoints are not known.
fn has_endpoints(service: &Service<'_>, labels: &StringMap, index: &Index<'_>) -> Option<bool> {
    if let Some(entry) = service.object.as_service_entry().filter(|entry| !entry.endpoints.is_empty()) {
        let has = |endpoint: &WorkloadEntry| {
            let own = |key: &str| endpoint.labels.get(key).map(String::as_str);
            has(&Place::of_entry(endpoint, own), own, labels)
        };
        return Some(entry.endpoints.iter().any(has));
    }
    let own = selector(service)?;
    let namespace = Some(service.object.metadata.namespace.as_str());
    let mut both = own.clone();
    let written = || labels.iter().filter(|(key, _)| !is_topology(key));
    let contradicts = written().any(|(key, value)| own.get(key).is_some_and(|other| other != value));
    both.extend(written().map(|(key, value)| (key.clone(), value.clone())));
    let runs = |(_, workload): (usize, &Workload<'_>)| {
        has(&index.nodes.place(workload), |key| workload.label(key), labels)
    };
    if !contradicts && index.workloads.select(namespace, &both).any(runs) {
        return Some(true);
    }
    index.workloads.select(namespace, own).next().map(|_| false)
}

/// Whether an endpoint has, or may have, the labels.
fn has<'l>(place: &Place<'l>, own: impl Fn(&str) -> Option<&'l str>, labels: &StringMap) -> bool {
    labels.iter().all(|(key, value)| match place.label(key, own(key)) {
        Label::Value(found) => found == value,
        Label::Absent => false,
        Label::Unknown => true,
    })
}

/// The pod that has the most of the labels, as a help.
fn closest(service: &Service<'_>, labels: &StringMap, index: &Index<'_>) -> Option<String> {
    let has = |workload: &Workload<'_>| {
        let place = index.nodes.place(workload);
        let has = |key: &str, value: &str| place.label(key, workload.label(key)) == Label::Value(value);
        labels.iter().filter(|(key, value)| has(key, value)).count()
    };
    let namespace = Some(service.object.metadata.namespace.as_str());
    let candidates = index.workloads.select(namespace, selector(service)?).take(LOOKED_AT);
    // Of several the first.
    let counted = candidates.map(|(_, workload)| (has(workload), workload));
    let (_, best) = counted.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let place = index.nodes.place(best);
    // What cannot be known of it is not why it is not selected.
    let shown = labels.keys().filter_map(|key| match place.label(key, best.label(key)) {
        Label::Value("") => Some(format!("`{}: \"\"`", show(key))),
        Label::Value(value) => Some(format!("`{}: {}`", show(key), show(value))),
        Label::Absent => Some(format!("no `{}`", show(key))),
        Label::Unknown => None,
    });
    let shown: Vec<String> = shown.take(6).collect();
    Some(format!("the closest is {} with {}", best.object.reference(), shown.join(", ")))
}
