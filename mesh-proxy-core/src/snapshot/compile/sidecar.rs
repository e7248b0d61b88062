//! The sidecar role: the egress listeners of the Sidecar that are bound to an address of their own (sections 1.2, 1.3
//! and 2 of the route reference).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mesh_authz::ForwardedFor;
use mesh_model::common::Protocol;
use mesh_model::networking::VirtualService;
use mesh_model::networking::sidecar::{CaptureMode, IstioEgressListener, OutboundTrafficPolicyMode};
use mesh_model::resolve::{
    Egress, HostIndex, Proxy, Resource, ResourceSet, Service, ServicePort, ServiceResolution,
};
use mesh_model::{FieldPath, ObjectRef};
use mesh_route::{DirectResponse, HeaderPlan, Timeouts, WeightedSplit};

use super::clusters::{Clusters, NO_CLUSTER, Origin, reference};
use super::hosts::{domains, literal};
use super::issues::{Issues, spec};
use super::rules::{Rule, everything, rules};
use super::scope::{Imported, Scope};
use super::virtual_hosts::{Plan, table};
use super::{actions, mesh};
use crate::snapshot::{Destination, Forward, HttpListener, ListenerKey, Role, Route, RouteAction};

/// The listeners of a sidecar proxy.
pub(super) fn listeners(
    set: &ResourceSet,
    proxy: &Proxy,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<HttpListener> {
    let Some(sidecar) = set.sidecar_for(proxy) else { return Vec::new() };
    let object = sidecar.reference();
    for index in 0..sidecar.spec.ingress.len() {
        let at = spec().field("ingress").index(index);
        issues.warning(&object, at, "inbound listeners are not served yet, this one is left out");
    }
    let mut out: Vec<HttpListener> = Vec::new();
    for egress in set.egress(proxy) {
        let Some((index, listener)) = egress.listener.and_then(|at| Some((at, sidecar.spec.egress.get(at)?)))
        else {
            continue;
        };
        let at = spec().field("egress").index(index);
        let Some((key, number)) = address(listener, &object, &at, issues) else { continue };
        if out.iter().any(|other| other.key == key) {
            issues.error(&object, at, format!("an earlier listener is bound to {key}, this one is left out"));
            continue;
        }
        let plans = Port::new(set, proxy, &egress, number).virtual_hosts(clusters, issues, Some(&object));
        out.push(HttpListener {
            key,
            role: Role::Sidecar,
            name: format!("{object} egress[{index}]"),
            routes: table(plans, &object, issues),
            // Tokens are verified and policies enforced where requests come in (AUTHZ-SEL-09).
            tokens: None,
            policies: Arc::default(),
            client_address: ForwardedFor::Sidecar,
            path_normalization: mesh::path_normalization(set.mesh()),
        });
    }
    out
}

/// The virtual hosts for service port `number` of a sidecar to which all traffic of its pod is redirected; `None` when no
/// egress listener is for that port (ROUTE-APPLY-17).
pub(super) fn outbound(
    set: &ResourceSet,
    proxy: &Proxy,
    number: u32,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Option<Vec<Plan>> {
    let listeners = set.egress(proxy);
    let egress = set.egress_for_port(&listeners, number)?;
    Some(Port::new(set, proxy, egress, number).virtual_hosts(clusters, issues, None))
}

/// Where an egress listener is bound, and its service port; `None` when it is not served.
fn address(
    listener: &IstioEgressListener,
    object: &ObjectRef,
    at: &FieldPath,
    issues: &mut Issues,
) -> Option<(ListenerKey, u32)> {
    // Without a port it stands for whatever is redirected to the proxy.
    let port = listener.port.as_ref()?;
    let mut left_out = |field: &str, message: String| {
        issues.warning(object, at.clone().field(field), format!("{message}: this listener is left out"));
    };
    let ip = match (listener.bind.as_str(), listener.capture_mode) {
        ("", CaptureMode::None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ("", _) => {
            left_out(
                "port",
                "without `bind` it needs traffic redirection, which is not supported yet".to_owned(),
            );
            return None;
        }
        (bind, _) => {
            let Ok(ip) = bind.parse() else {
                left_out("bind", format!("`{bind}` is no IP address, which is all that can be bound"));
                return None;
            };
            ip
        }
    };
    let protocol = Protocol::parse(&port.protocol);
    if !protocol.is_some_and(|protocol| protocol.is_http() && protocol != Protocol::HttpProxy) {
        left_out("port", format!("protocol `{}` is not served yet", port.protocol));
        return None;
    }
    let Some(number) = u16::try_from(port.number).ok().filter(|port| *port > 0) else {
        left_out("port", format!("port is {}, must be within 1 to 65535", port.number));
        return None;
    };
    Some((ListenerKey { ip, port: number }, port.number))
}

/// One service port of a listener: the services that have it (S(P) of ROUTE-APPLY-19) and the VirtualServices.
struct Port<'a> {
    set: &'a ResourceSet,
    proxy: &'a Proxy,
    number: u32,
    imported: Imported<'a>,
    /// Services that have the port.
    services: BTreeMap<&'a str, (&'a Service, &'a ServicePort)>,
    /// Their names.
    by_host: HostIndex<&'a str>,
    virtual_services: Vec<Resource<'a, VirtualService>>,
    /// The VirtualService whose host fits a service best, by its place (ROUTE-APPLY-22).
    best: HashMap<&'a str, usize>,
}

impl<'a> Port<'a> {
    fn new(set: &'a ResourceSet, proxy: &'a Proxy, egress: &Egress, number: u32) -> Self {
        let imported: Imported<'a> = set
            .imported_services(proxy, egress)
            .into_iter()
            .map(|service| (service.hostname.as_str(), service))
            .collect();
        let services: BTreeMap<_, _> = imported
            .iter()
            // Aliases have no virtual host of their own (ROUTE-APPLY-31).
            .filter(|(_, service)| !matches!(service.resolution, ServiceResolution::Alias(_)))
            .filter_map(|(host, service)| Some((*host, (*service, service.port(number)?))))
            .collect();
        let virtual_services = set.mesh_virtual_services(proxy, egress);
        let best = best_by_service(set, &virtual_services, services.keys().copied());
        let by_host = services.keys().map(|host| (*host, *host)).collect();
        Self { set, proxy, number, imported, services, by_host, virtual_services, best }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            set: self.set,
            proxy: self.proxy,
            port: self.number,
            gateway: None,
            imported: Some(&self.imported),
        }
    }

    /// Virtual hosts of VirtualServices, then those of the other services, then the one for unknown hosts.
    fn virtual_hosts(
        &self,
        clusters: &mut Clusters,
        issues: &mut Issues,
        listener: Option<&ObjectRef>,
    ) -> Vec<Plan> {
        let mut wrappers = Vec::new();
        for (at, found) in self.virtual_services.iter().enumerate() {
            wrappers.extend(self.wrapper(at, *found, clusters, issues));
        }
        let owned: HashSet<&str> = wrappers
            .iter()
            .flat_map(|wrapper| &wrapper.services)
            .map(|service| service.hostname.as_str())
            .collect();
        for (host, (service, port)) in &self.services {
            // ROUTE-APPLY-30
            if !owned.contains(host) && can_own(port) {
                let rules = vec![self.default_rule(service, clusters, issues)];
                wrappers.push(Wrapper { hosts: Vec::new(), services: vec![*service], rules });
            }
        }
        let mut plans = self.plans(&wrappers);
        plans.push(self.fallthrough(listener, issues));
        plans
    }

    /// The hosts and services that a VirtualService governs on this port; `None` when it has nothing here.
    fn wrapper(
        &self,
        at: usize,
        found: Resource<'a, VirtualService>,
        clusters: &mut Clusters,
        issues: &mut Issues,
    ) -> Option<Wrapper<'a>> {
        let hosts: Vec<String> =
            self.set.virtual_service_hosts(found).iter().map(|host| host.to_ascii_lowercase()).collect();
        let touches = |host: &String| self.by_host.overlapping(host).next().is_some();
        // ROUTE-APPLY-19
        if self.number != 80 && !hosts.iter().any(touches) {
            return None;
        }
        let rules = rules(found, &self.scope(), clusters, issues);
        // ROUTE-APPLY-26
        if rules.is_empty() {
            return None;
        }
        let mut standalone = Vec::new();
        let mut services: Vec<&Service> = Vec::new();
        let (wild, exact): (Vec<String>, Vec<String>) =
            hosts.into_iter().partition(|host| host.starts_with('*'));
        for host in exact {
            match self.services.get(host.as_str()) {
                Some((service, port)) if can_own(port) => services.push(service),
                Some(_) => {}
                None => standalone.push(host),
            }
        }
        let mut present: HashSet<&str> = services.iter().map(|service| service.hostname.as_str()).collect();
        for host in wild {
            let mut covered: Vec<&str> = self.by_host.covered_by(&host).copied().collect();
            // ROUTE-APPLY-23
            if covered.is_empty() {
                standalone.push(host);
                continue;
            }
            covered.sort_unstable();
            for name in covered {
                let Some((service, port)) = self.services.get(name) else { continue };
                if self.best.get(name) == Some(&at) && can_own(port) && present.insert(name) {
                    services.push(service);
                }
            }
        }
        // ROUTE-APPLY-24
        if services.is_empty() && self.number != 80 {
            return None;
        }
        Some(Wrapper { hosts: standalone, services, rules })
    }

    /// ROUTE-APPLY-30
    fn default_rule(&self, service: &Service, clusters: &mut Clusters, issues: &mut Issues) -> Rule {
        let scope = self.scope();
        let target = scope.target(service.hostname.as_str().into(), None);
        let object = reference(&scope, service);
        let origin = Origin { source: &object, at: spec(), cost: NO_CLUSTER };
        let (cluster_name, cluster) = clusters.find(&scope, &target, "", origin, issues);
        let destination = Destination {
            cluster,
            cluster_name,
            request_headers: HeaderPlan::default(),
            response_headers: HeaderPlan::default(),
            authority: None,
        };
        let (retries, per_try) = actions::retries(None, self.set.mesh());
        let forward = Forward {
            destinations: WeightedSplit::single(destination),
            rewrite: None,
            timeouts: per_try.map_or_else(Timeouts::new, |limit| Timeouts::new().per_try(limit)),
            retries: retries.into(),
            cors: None,
            mirrors: Vec::new(),
        };
        let route = Route {
            name: "default".into(),
            action: RouteAction::Forward(forward.into()),
            fault: None,
            source: None,
        };
        Rule { when: everything(), route, catch_all: true }
    }

    /// Names and domains, each once: who comes first keeps them (ROUTE-APPLY-27 to -29).
    fn plans(&self, wrappers: &[Wrapper<'a>]) -> Vec<Plan> {
        let known: HashSet<&str> = wrappers
            .iter()
            .flat_map(|wrapper| &wrapper.services)
            .map(|service| service.hostname.as_str())
            .collect();
        let aliases = self.aliases();
        let mut names = HashSet::new();
        let mut taken = HashSet::new();
        let mut out = Vec::new();
        for wrapper in wrappers {
            let standalone = wrapper.hosts.iter().map(|host| (host.as_str(), None));
            let services = wrapper.services.iter().map(|service| (service.hostname.as_str(), Some(*service)));
            for (host, service) in standalone.chain(services) {
                let name = format!("{host}:{}", self.number);
                if !names.insert(name.clone()) {
                    continue;
                }
                let mut domains = match service {
                    // ROUTE-APPLY-21
                    None => vec![literal(host)],
                    Some(service) => {
                        let aliases = aliases.get(service.hostname.as_str()).map_or(&[][..], Vec::as_slice);
                        let found =
                            domains(service, aliases, &self.proxy.namespace, self.set.cluster_domain());
                        let shadows =
                            |domain: &String| found.short.contains(domain) && known.contains(domain.as_str());
                        found.all.iter().filter(|domain| !shadows(domain)).cloned().collect()
                    }
                };
                domains.retain(|domain| taken.insert(domain.to_ascii_lowercase()));
                if !domains.is_empty() {
                    out.push(Plan { name, domains, tls_required: false, rules: wrapper.rules.clone() });
                }
            }
        }
        out
    }

    /// The ExternalName services that stand for a service, by the latter's name (ROUTE-APPLY-31, ROUTE-HOST-04).
    fn aliases(&self) -> HashMap<&str, Vec<&Service>> {
        let scope = self.scope();
        let mut out: HashMap<&str, Vec<&Service>> = HashMap::new();
        for service in self.set.services() {
            let alias = matches!(service.resolution, ServiceResolution::Alias(_));
            if alias
                && service.visibility.includes(&self.proxy.namespace)
                && let Some(target) = scope.target(service.hostname.as_str().into(), None).service
            {
                out.entry(&target.hostname).or_default().push(service);
            }
        }
        out
    }

    /// The virtual host for hosts that nobody knows (section 2.3 of the route reference).
    ///
    /// `listener` is the Sidecar that asks for a listener with an address of its own.
    fn fallthrough(&self, listener: Option<&ObjectRef>, issues: &mut Issues) -> Plan {
        let name = match self.set.outbound_mode(self.proxy) {
            OutboundTrafficPolicyMode::RegistryOnly => "block_all",
            // DIFFERENCE ROUTE-HOST-40: ALLOW_ANY forwards to the address the client dialled. Nothing redirects
            // connections to this listener, so that address is the listener's own, and the answer is 502 as well.
            mode => {
                let message = format!(
                    "outbound traffic policy {mode} needs a redirected connection: on a listener with its own \
                     address, requests for unknown hosts are answered with 502"
                );
                if let Some(sidecar) = listener {
                    issues.warning(sidecar, spec().field("outboundTrafficPolicy"), message);
                }
                if mode == OutboundTrafficPolicyMode::AllowAny {
                    "allow_any"
                } else {
                    "allow_any_dynamic_dns"
                }
            }
        };
        let rules = DirectResponse::new(502, Vec::new()).into_iter().map(|response| {
            let action = RouteAction::Direct(response, HeaderPlan::default());
            Rule {
                when: everything(),
                route: Route { name: name.into(), action, fault: None, source: None },
                catch_all: true,
            }
        });
        Plan {
            name: name.to_owned(),
            domains: vec!["*".to_owned()],
            tls_required: false,
            rules: rules.collect(),
        }
    }
}

/// What a VirtualService, or a service without one, contributes.
struct Wrapper<'a> {
    hosts: Vec<String>,
    services: Vec<&'a Service>,
    rules: Vec<Rule>,
}

/// Only HTTP ports, and those whose protocol is detected, have virtual hosts (ROUTE-APPLY-19).
fn can_own(port: &ServicePort) -> bool {
    port.protocol.is_http() || port.protocol == Protocol::Unsupported
}

/// For each service the VirtualService that names it most specifically; of one host the first (ROUTE-APPLY-22).
fn best_by_service<'a>(
    set: &ResourceSet,
    virtual_services: &[Resource<'_, VirtualService>],
    services: impl Iterator<Item = &'a str>,
) -> HashMap<&'a str, usize> {
    let mut hosts = HostIndex::default();
    for (at, found) in virtual_services.iter().enumerate() {
        for host in set.virtual_service_hosts(*found) {
            hosts.insert(&host, at);
        }
    }
    services.filter_map(|service| Some((service, *hosts.covering(service).next()?))).collect()
}
