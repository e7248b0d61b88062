//! Pods that serve Gateways, and the ports that lead to them (MODEL-ANA-15).

use super::index::Index;
use super::services::{Services, target};
use super::workloads::Workloads;
use crate::common::StringMap;
use crate::kubernetes::ServicePort;
use crate::networking::Gateway;
use crate::object::Object;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many names a help lists.
const LISTED: usize = 12;

/// Labels of the gateways that come with Istio. They need not be among the objects, as for Istio's own analysis of
/// files.
const DEFAULTS: [(&str, &str); 4] = [
    ("istio", "ingressgateway"),
    ("app", "istio-ingressgateway"),
    ("istio", "egressgateway"),
    ("app", "istio-egressgateway"),
];

/// True for the selector of a gateway that comes with Istio.
fn is_default(selector: &StringMap) -> bool {
    let known = |(key, value): (&String, &String)| DEFAULTS.contains(&(key.as_str(), value.as_str()));
    !selector.is_empty() && selector.iter().all(known)
}

/// The pairs of a selector, for a message.
pub(super) fn pairs(labels: &StringMap) -> String {
    let pairs = labels.iter().take(6).map(|(key, value)| match value.as_str() {
        "" => format!("`{}: \"\"`", show(key)),
        value => format!("`{}: {}`", show(key), show(value)),
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// The pods that a selector of Gateways selects.
#[derive(Default)]
pub(super) struct Pods<'o> {
    /// Their numbers among the workloads, in order.
    pub(super) list: Vec<usize>,
    /// Where they are; the root namespace for a gateway that comes with Istio and is not among the objects.
    pub(super) namespaces: BTreeSet<&'o str>,
    /// Ports of their Services, and what those lead to.
    ports: BTreeSet<u32>,
    /// Some are reached without a Service.
    host_network: bool,
}

pub(super) struct GatewayPods<'o> {
    by_selector: HashMap<&'o StringMap, Pods<'o>>,
    none: Pods<'o>,
    /// Some values that pods have for the keys of selectors.
    values: BTreeMap<&'o str, BTreeSet<&'o str>>,
    pods_are_known: bool,
}

impl<'o> GatewayPods<'o> {
    /// Cost: linear in the pods that each different selector selects, and once in all labels.
    pub(super) fn new(index: &'o Index<'_>, services: &Services<'_>) -> Self {
        let (objects, workloads) = (index.objects, &index.workloads);
        let mut by_selector: HashMap<&'o StringMap, Pods<'o>> = HashMap::new();
        let mut missing: BTreeMap<&'o str, BTreeSet<&'o str>> = BTreeMap::new();
        for gateway in objects.iter().filter_map(Object::as_gateway) {
            // Every gateway proxy: nobody knows which pods that are.
            if gateway.selector.is_empty() || by_selector.contains_key(&gateway.selector) {
                continue;
            }
            let mut pods = Pods::of(&gateway.selector, workloads, services);
            if pods.list.is_empty() {
                missing.extend(gateway.selector.keys().map(|key| (key.as_str(), BTreeSet::new())));
                if is_default(&gateway.selector) {
                    pods.namespaces.insert(&index.root);
                }
            }
            by_selector.insert(&gateway.selector, pods);
        }
        if !missing.is_empty() {
            for (_, workload) in workloads.iter() {
                for (key, values) in &mut missing {
                    if values.len() < LISTED {
                        values.extend(workload.label(key));
                    }
                }
            }
        }
        Self { by_selector, none: Pods::default(), values: missing, pods_are_known: workloads.are_known() }
    }

    /// The pods of a Gateway.
    pub(super) fn of(&self, gateway: &Gateway) -> &Pods<'o> {
        self.by_selector.get(&gateway.selector).unwrap_or(&self.none)
    }

    pub(super) fn check(&self, report: &mut Report<'_>, gateway: &Gateway) {
        let spec = At::OBJECT.field("spec");
        let pods = self.of(gateway);
        if pods.list.is_empty() {
            // DIFFERENCE: MODEL-ANA-15: without pods nothing is said; Istio's analysis of files makes up the pod and the
            // ports of its own gateway.
            if !gateway.selector.is_empty() && self.pods_are_known && pods.namespaces.is_empty() {
                let message = format!("no pod has the labels {} (IST0101)", pairs(&gateway.selector));
                let added = report.error("MODEL-ANA-15", &spec.field("selector"), message);
                let values = gateway.selector.keys().find_map(|key| {
                    let values = self.values.get(key.as_str()).filter(|values| !values.is_empty())?;
                    Some((key, values.iter().copied().collect::<Vec<_>>().join(", ")))
                });
                match values {
                    Some((key, values)) => {
                        added.help(format!("pods have `{}` with the values {values}", show(key)))
                    }
                    None => added.help("nobody serves it; select the labels of the gateway's pods"),
                };
            }
            return;
        }
        // Without a Service nobody knows how the pods are reached.
        if pods.ports.is_empty() || pods.host_network {
            return;
        }
        let at = spec.field("servers");
        let mut told = HashSet::new();
        for (number, server) in gateway.servers.iter().enumerate() {
            let Some(port) = server.port.as_ref().map(|port| port.number) else { continue };
            if port == 0 || pods.ports.contains(&port) || !told.insert(port) {
                continue;
            }
            let server = at.index(number);
            let message = format!("no Service of the gateway's pods has the port {port} (IST0162)");
            let ports: Vec<_> = pods.ports.iter().take(LISTED).map(u32::to_string).collect();
            let help =
                format!("their ports are {}; add it to the Service, or use one of them", ports.join(", "));
            report.warning("MODEL-ANA-15", &server.field("port").field("number"), message).help(help);
        }
    }
}

impl<'o> Pods<'o> {
    fn of(selector: &'o StringMap, workloads: &'o Workloads<'_>, services: &Services<'_>) -> Self {
        let mut out = Self::default();
        let mut seen: HashSet<&[usize]> = HashSet::new();
        for (at, workload) in workloads.select(None, selector) {
            let Some(pod) = workload.spec else { continue };
            out.list.push(at);
            out.namespaces.insert(workload.namespace());
            out.host_network |= pod.host_network;
            if !seen.insert(services.groups_of(at)) {
                continue;
            }
            for front in services.of(at) {
                // HTTP/3 comes with a port for TCP of the same number.
                let tcp = |port: &&ServicePort| matches!(port.protocol.as_str(), "" | "TCP");
                for port in front.service.spec.ports.iter().filter(tcp) {
                    // A server's number is a Service's port, or else where the proxy itself listens.
                    out.ports.insert(port.port);
                    out.ports.extend(target(port, Some(workload)));
                }
            }
        }
        out
    }
}
