//! Services that get into each other's way (MODEL-ANA-31, MODEL-K8S-3), and rules for headless ones (MODEL-K8S-7).

use super::index::Index;
use super::services::{Front, Services, target};
use super::workloads::{Membership, Workloads};
use crate::common::Protocol;
use crate::kind::Kind;
use crate::networking::DestinationRule;
use crate::networking::destination_rule::TrafficPolicy;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Two Services in front of one workload.
struct Clash {
    /// Of the later Service.
    at: usize,
    /// The index of its port.
    port: usize,
    message: String,
    help: &'static str,
}

/// What the ports of Services say about one workload.
#[derive(Default)]
pub(super) struct Clashes {
    /// By place of the Deployment.
    deployments: BTreeMap<usize, Vec<(String, &'static str)>>,
    /// By place of the later Service: index of its port.
    services: BTreeMap<usize, Vec<(usize, String, &'static str)>>,
}

impl Clashes {
    /// Cost: linear in the workloads and the ports of each different set of Services in front of one.
    pub(super) fn new<'o>(workloads: &Workloads<'o>, services: &Services<'o>) -> Self {
        let mut new = Self::default();
        let mut seen: HashSet<&[usize]> = HashSet::new();
        let mut told: HashSet<(usize, String)> = HashSet::new();
        // Deployments first: what they are told need not be told of their pods.
        let all = || workloads.iter().filter(|(_, workload)| workload.spec.is_some());
        for (at, workload) in all().filter(|(_, workload)| workload.object.kind == Kind::Deployment) {
            if workload.membership == Membership::Outside {
                continue;
            }
            let fronts: Vec<Front<'o>> = services.of(at).collect();
            seen.insert(services.groups_of(at));
            for clash in clashes(&fronts, |port| target(port, Some(workload))) {
                told.insert((clash.at, clash.message.clone()));
                new.deployments.entry(workload.place).or_default().push((clash.message, clash.help));
            }
        }
        let mut tell = |clash: Clash| {
            if told.insert((clash.at, clash.message.clone())) {
                new.services.entry(clash.at).or_default().push((clash.port, clash.message, clash.help));
            }
        };
        for (at, workload) in all() {
            if workload.membership != Membership::Outside && seen.insert(services.groups_of(at)) {
                let fronts: Vec<Front<'o>> = services.of(at).collect();
                clashes(&fronts, |port| target(port, Some(workload))).into_iter().for_each(&mut tell);
            }
        }
        // Equal selectors select the same pods, whichever those are.
        for group in services.groups.iter().filter(|group| group.workloads.is_empty()) {
            clashes(&group.services, |port| target(port, None)).into_iter().for_each(&mut tell);
        }
        new
    }

    /// Reports what was found about the object at `at`.
    pub(super) fn report(&self, at: usize, report: &mut Report<'_>) {
        let metadata = At::OBJECT.field("metadata");
        for (message, help) in self.deployments.get(&at).into_iter().flatten() {
            report.warning("MODEL-ANA-31", &metadata.field("name"), message.as_str()).help(*help);
        }
        let spec = At::OBJECT.field("spec");
        let ports = spec.field("ports");
        for (port, message, help) in self.services.get(&at).into_iter().flatten() {
            report.warning("MODEL-K8S-3", &ports.index(*port), message.as_str()).help(*help);
        }
    }
}

fn clashes(
    fronts: &[Front<'_>],
    target: impl Fn(&crate::kubernetes::ServicePort) -> Option<u32>,
) -> Vec<Clash> {
    let mut found = Vec::new();
    if fronts.len() < 2 {
        return found;
    }
    let mut fronts: Vec<&Front<'_>> = fronts.iter().collect();
    fronts.sort_by_key(|front| front.at);
    let mut protocols: BTreeMap<u32, (Protocol, &Front<'_>)> = BTreeMap::new();
    let mut targets: BTreeMap<u32, (u32, &Front<'_>)> = BTreeMap::new();
    for front in fronts {
        let mut own = BTreeSet::new();
        for (index, port) in front.service.spec.ports.iter().enumerate() {
            let protocol = port.istio_protocol();
            let (earlier, other) = *protocols.entry(port.port).or_insert((protocol, front));
            let differ = earlier != protocol
                && (![earlier, protocol].contains(&Protocol::Unsupported)
                    || [earlier, protocol].contains(&Protocol::Udp));
            if other.at != front.at && differ {
                found.push(Clash {
                    at: front.at,
                    port: index,
                    message: format!(
                        "{} and {} have the port {} for the same pods, as {} and as {} (IST0116)",
                        other.name(),
                        front.name(),
                        port.port,
                        called(earlier),
                        called(protocol)
                    ),
                    help: "give both the same protocol, or one of them another port",
                });
            }
            let Some(target) = target(port) else { continue };
            let (earlier, other) = *targets.entry(target).or_insert((port.port, front));
            if other.at != front.at && earlier != port.port && own.insert(target) {
                found.push(Clash {
                    at: front.at,
                    port: index,
                    message: format!(
                        "{} and {} lead to the port {target} of the same pods, from {earlier} and from {} (IST0137)",
                        other.name(),
                        front.name(),
                        port.port
                    ),
                    help: "give both the same port, or one of them another target port",
                });
            }
        }
    }
    found
}

fn called(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Unsupported { "TCP" } else { protocol.as_str() }
}

/// A choice of endpoints for clients that have chosen already.
pub(super) fn headless(
    report: &mut Report<'_>,
    rule: &DestinationRule,
    services: &Services<'_>,
    index: &Index<'_>,
) {
    let host = index.full_name(&rule.host, report.namespace());
    let Some((front, _)) = services.by_host(&host) else { return };
    if !front.service.spec.is_headless() {
        return;
    }
    let mut tell = |at: &At<'_>, policy: &TrafficPolicy| {
        let ports = at.field("portLevelSettings");
        let own = policy.load_balancer.is_some().then(|| at.field("loadBalancer"));
        let port = || policy.port_level_settings.iter().position(|port| port.load_balancer.is_some());
        if let Some(at) = own {
            ignored(report, &at, &host);
        } else if let Some(index) = port() {
            let at = ports.index(index);
            ignored(report, &at.field("loadBalancer"), &host);
        }
    };
    let spec = At::OBJECT.field("spec");
    if let Some(policy) = &rule.traffic_policy {
        tell(&spec.field("trafficPolicy"), policy);
    }
    let subsets = spec.field("subsets");
    for (index, subset) in rule.subsets.iter().enumerate() {
        if let Some(policy) = &subset.traffic_policy {
            let at = subsets.index(index);
            tell(&at.field("trafficPolicy"), policy);
        }
    }
}

fn ignored(report: &mut Report<'_>, at: &At<'_>, host: &str) {
    report
        .warning(
            "MODEL-K8S-7",
            at,
            format!("`{}` is headless, its clients choose the endpoint themselves", show(host)),
        )
        .help("remove `loadBalancer`, or give the Service a cluster IP")
        .at_key();
}
