//! PeerAuthentication: which one is in force, and what it demands (MODEL-PA-4).

use super::attach;
use super::claims::{Claim, Claims, Fate};
use super::index::Index;
use super::services::{self, Services};
use super::workloads::Workloads;
use crate::common::{ClientTlsMode, ClientTlsSettings};
use crate::networking::DestinationRule;
use crate::networking::destination_rule::TrafficPolicy;
use crate::object::Object;
use crate::security::PeerAuthentication;
use crate::security::peer_authentication::MutualTlsMode;
use crate::validate::report::{At, Report};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

const CODE: &str = "MODEL-PA-4";

/// What is demanded, and by whom; nobody is the default of the mesh.
pub(super) type Demand<'o> = (MutualTlsMode, Option<&'o Object>);

pub(super) struct Peers<'o> {
    index: &'o Index<'o>,
    root: &'o str,
    claims: Claims,
    /// The oldest one without selector, by namespace.
    defaults: HashMap<&'o str, usize>,
    /// The others without selector, and which is older.
    seconds: BTreeMap<usize, usize>,
    /// Namespaces where some workloads have one of their own.
    selective: HashSet<&'o str>,
}

impl<'o> Peers<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let root = index.root.as_str();
        let mut claims = Vec::new();
        let mut defaults = HashMap::new();
        let mut seconds = BTreeMap::new();
        let policies = index.oldest_first().filter(|(_, object)| object.as_peer_authentication().is_some());
        for (at, object) in policies {
            let namespace = object.metadata.namespace.as_str();
            match attach::selector(object) {
                // Without effect in the root namespace (AUTHZ-PEER-03).
                Some(_) if namespace == root => {}
                Some(selector) => claims.push(Claim { at, namespace, selector }),
                None => {
                    let first = *defaults.entry(namespace).or_insert(at);
                    if first != at {
                        seconds.insert(at, first);
                    }
                }
            }
        }
        let selective = claims.iter().map(|claim| claim.namespace).collect();
        let claims = Claims::new(&index.workloads, claims.into_iter());
        Self { index, root, claims, defaults, seconds, selective }
    }

    fn spec(&self, at: usize) -> Option<(&'o Object, &'o PeerAuthentication)> {
        let object = self.index.objects.get(at)?;
        Some((object, object.as_peer_authentication()?))
    }

    /// What one object demands besides its ports.
    fn demand(&self, at: usize) -> Option<Demand<'o>> {
        let (object, spec) = self.spec(at)?;
        if object.must_deny() {
            return Some((MutualTlsMode::Strict, Some(object)));
        }
        let mode = spec.mtls.map_or(MutualTlsMode::Unset, |mtls| mtls.mode);
        (mode != MutualTlsMode::Unset).then_some((mode, Some(object)))
    }

    /// What is demanded in a namespace, apart from workloads that have a policy of their own.
    pub(super) fn in_namespace(&self, namespace: &str) -> Demand<'o> {
        let of = |namespace: &str| self.defaults.get(namespace).and_then(|at| self.demand(*at));
        of(namespace).or_else(|| of(self.root)).unwrap_or((MutualTlsMode::Permissive, None))
    }

    /// What is demanded everywhere in a namespace; `None` where that depends on the workload.
    pub(super) fn throughout(&self, namespace: &str) -> Option<Demand<'o>> {
        (!self.selective.contains(namespace)).then(|| self.in_namespace(namespace))
    }

    /// What a workload demands, on one of its ports or in general.
    pub(super) fn of(&self, workload: usize, port: Option<u32>) -> Demand<'o> {
        let workloads = &self.index.workloads;
        let namespace = workloads.get(workload).map_or("", super::workloads::Workload::namespace);
        let Some(own) = self.claims.owner(workload) else { return self.in_namespace(namespace) };
        if let (Some(port), Some((object, spec))) = (port, self.spec(own))
            && !object.must_deny()
            && let Some(mtls) = spec.port_level_mtls.get(&port.to_string())
            && mtls.mode != MutualTlsMode::Unset
        {
            return (mtls.mode, Some(object));
        }
        self.demand(own).unwrap_or_else(|| self.in_namespace(namespace))
    }

    pub(super) fn check(
        &self,
        report: &mut Report<'_>,
        at: usize,
        policy: &PeerAuthentication,
        services: &Services<'o>,
    ) {
        let workloads = &self.index.workloads;
        let spec = At::OBJECT.field("spec");
        let name = |at: usize| self.index.objects.get(at).map(|object| object.reference().to_string());
        if let Some(older) = self.seconds.get(&at).copied().and_then(name) {
            report
                .warning(CODE, &spec, format!("{older} is for the whole namespace too, and older"))
                .help("this one has no effect; put both into one, or give it a `selector`");
            return;
        }
        let at_selector = spec.field("selector");
        if attach::selector(report.object).is_some() && report.namespace() == self.root {
            report
                .warning(CODE, &at_selector, "in the root namespace a policy with a selector has no effect")
                .help(
                    "remove the selector for the whole mesh, or move the policy to the workloads' namespace",
                );
            return;
        }
        match self.claims.fate(at) {
            Some(Fate::Second { older, workload }) => {
                let older = name(older).unwrap_or_default();
                report
                    .warning(
                        CODE,
                        &at_selector,
                        format!("{} is selected by {older} too, which is older", workloads.name(workload)),
                    )
                    .help("of two policies that select a workload the older one counts alone");
            }
            Some(Fate::Idle) => {}
            None => ports(report, &spec.field("portLevelMtls"), policy, workloads, services),
        }
    }

    /// A client that is told to send what the servers refuse.
    pub(super) fn destination_rule(
        &self,
        report: &mut Report<'_>,
        rule: &DestinationRule,
        services: &Services<'o>,
    ) {
        if !sends_no_mesh_tls(rule) {
            return;
        }
        let host = self.index.full_name(&rule.host, report.namespace());
        let Some(by) = self.strict(&host, services) else { return };
        let spec = At::OBJECT.field("spec");
        if let Some(policy) = &rule.traffic_policy {
            tls(report, &spec.field("trafficPolicy"), policy, by);
        }
        let subsets = spec.field("subsets");
        for (index, subset) in rule.subsets.iter().enumerate() {
            if let Some(policy) = &subset.traffic_policy {
                let at = subsets.index(index);
                tls(report, &at.field("trafficPolicy"), policy, by);
            }
        }
    }

    /// Who demands mutual TLS of the clients of a host; `None` if nobody does, or that is not known.
    fn strict(&self, host: &str, services: &Services<'o>) -> Option<&'o Object> {
        let demanded = |(mode, by): Demand<'o>| by.filter(|_| mode == MutualTlsMode::Strict);
        if let Some(suffix) = host.strip_prefix("*.") {
            let service_suffix = format!("svc.{}", self.index.domain);
            let namespace = suffix.strip_suffix(&service_suffix).and_then(|rest| rest.strip_suffix('.'));
            return match namespace {
                Some(namespace) if !namespace.contains('.') => demanded(self.throughout(namespace)?),
                None if service_suffix.ends_with(suffix) => demanded(self.in_namespace(self.root)),
                _ => None,
            };
        }
        let (front, selected) = services.by_host(host)?;
        if selected.is_empty() {
            return demanded(self.throughout(&front.object.metadata.namespace)?);
        }
        let ports = &front.service.spec.ports;
        // One of its workloads speaks for all: they are made from one template.
        let workload = *selected.first()?;
        let found = ports.iter().find_map(|port| {
            let port = services::target(port, self.index.workloads.get(workload));
            demanded(self.of(workload, port))
        });
        found.or_else(|| ports.is_empty().then(|| demanded(self.of(workload, None))).flatten())
    }
}

fn refused(settings: Option<&ClientTlsSettings>) -> Option<ClientTlsMode> {
    let mode = settings?.mode;
    matches!(mode, ClientTlsMode::Disable | ClientTlsMode::Simple).then_some(mode)
}

fn sends_no_mesh_tls(rule: &DestinationRule) -> bool {
    let policies = rule
        .traffic_policy
        .iter()
        .chain(rule.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref()));
    let mut settings = policies.flat_map(|policy| {
        policy.tls.iter().chain(policy.port_level_settings.iter().filter_map(|port| port.tls.as_ref()))
    });
    settings.any(|settings| refused(Some(settings)).is_some())
}

fn tls(report: &mut Report<'_>, at: &At<'_>, policy: &TrafficPolicy, by: &Object) {
    mode(report, &at.field("tls"), policy.tls.as_ref(), by);
    let ports = at.field("portLevelSettings");
    for (index, port) in policy.port_level_settings.iter().enumerate() {
        let at = ports.index(index);
        mode(report, &at.field("tls"), port.tls.as_ref(), by);
    }
}

fn mode(report: &mut Report<'_>, at: &At<'_>, settings: Option<&ClientTlsSettings>, by: &Object) {
    let Some(mode) = refused(settings) else { return };
    let by = by.reference();
    report
        .warning(
            CODE,
            &at.field("mode"),
            format!("{mode} is refused by the workloads, {by} demands mutual TLS"),
        )
        .help("remove `tls`, then mutual TLS is used where the workload has a proxy; or write ISTIO_MUTUAL");
}

/// Ports that no selected workload has, usually those of the Service (MODEL-PIT-26).
fn ports(
    report: &mut Report<'_>,
    at: &At<'_>,
    policy: &PeerAuthentication,
    workloads: &Workloads<'_>,
    services: &Services<'_>,
) {
    let Some(selector) = attach::selector(report.object).filter(|_| !policy.port_level_mtls.is_empty())
    else {
        return;
    };
    let mut declared = BTreeSet::new();
    // A container need not declare its ports.
    let mut silent = false;
    let mut translated: BTreeMap<u32, (u32, String)> = BTreeMap::new();
    for (place, workload) in workloads.select(Some(report.namespace()), selector) {
        let before = declared.len();
        declared.extend(workload.ports().map(|(_, port)| port));
        silent |= declared.len() == before && workload.ports().next().is_none();
        for front in services.of(place) {
            for port in &front.service.spec.ports {
                let Some(target) = services::target(port, Some(workload)) else { continue };
                declared.insert(target);
                if target != port.port {
                    translated.entry(port.port).or_insert_with(|| (target, front.name()));
                }
            }
        }
    }
    for key in policy.port_level_mtls.keys() {
        let Ok(port) = key.parse::<u32>() else { continue };
        if declared.contains(&port) {
            continue;
        }
        let at = at.key(key);
        if let Some((target, service)) = translated.get(&port) {
            report
                .warning(
                    CODE,
                    &at,
                    format!("{port} is a port of {service}, here the workload's port is meant"),
                )
                .help(format!("write {target}, where the Service sends the traffic"))
                .at_key();
        } else if !silent && !declared.is_empty() {
            let known: Vec<String> = declared.iter().take(12).map(u32::to_string).collect();
            report
                .warning(CODE, &at, format!("no selected workload has the port {port}"))
                .help(format!("their ports are {}", known.join(", ")))
                .at_key();
        }
    }
}
