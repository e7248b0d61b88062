//! The gateway role: Gateways, the VirtualServices bound to them, one listener for each address and port (section 1.5
//! of the route reference).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use mesh_model::kubernetes::{IntOrString, Pod};
use mesh_model::networking::VirtualService;
use mesh_model::resolve::{HostIndex, Proxy, Resource, ResourceSet, ServiceSource, hosts_on_server, selects};
use mesh_route::{GatewayServer, ServerSkip, ServerUse, place_servers};

use super::clusters::Clusters;
use super::issues::{Issues, spec};
use super::l4::{Placed, as_server, everything, placed};
use super::rules::{Rule, rules};
use super::scope::Scope;
use super::virtual_hosts::{Plan, table};
use crate::snapshot::{HttpListener, ListenerKey, Protection, Role};

/// The listeners of a gateway proxy.
pub(super) fn listeners(
    set: &ResourceSet,
    proxy: &Proxy,
    protection: &Protection,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<HttpListener> {
    let mut uses: BTreeMap<(IpAddr, u16), Vec<Placed<'_>>> = BTreeMap::new();
    let placed = placed(set, proxy, issues);
    let servers: Vec<GatewayServer> = placed.iter().map(as_server).collect();
    for (place, purpose) in placed.into_iter().zip(place_servers(&servers)) {
        let (object, at) = (place.gateway.reference(), spec().field("servers").index(place.index));
        match purpose {
            Ok(ServerUse::Http) => uses.entry((place.address, place.listening)).or_default().push(place),
            Ok(_) => {
                let protocol = place.server.port.as_ref().map_or("", |port| &port.protocol);
                let message = format!("protocol `{protocol}` is not served yet: the server is left out");
                issues.warning(&object, at.field("port"), message);
            }
            Err(skip) => {
                let field = if matches!(skip, ServerSkip::Host { .. }) { "hosts" } else { "port" };
                issues.warning(&object, at.field(field), format!("{skip}: the server is left out"));
            }
        }
    }
    let bound = Bound::new(set, proxy);
    let mut out = Vec::new();
    for ((ip, port), servers) in uses {
        let Some(first) = servers.first() else { continue };
        let plans = virtual_hosts(set, proxy, &bound, &servers, clusters, issues);
        out.push(HttpListener {
            key: ListenerKey { ip, port },
            role: Role::Gateway,
            name: name(&servers),
            routes: table(plans, &first.gateway.reference(), issues),
            tokens: protection.tokens.clone(),
            policies: Arc::clone(&protection.policies),
            client_address: protection.client_address,
            path_normalization: protection.path_normalization,
        });
    }
    out
}

/// `server.bind`; `None` for anything but an address.
pub(super) fn bind(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) } else { text.parse().ok() }
}

/// Target ports of the Services in front of the gateway's pod, by Service port.
pub(super) type Fronts = HashMap<u32, Vec<u32>>;

pub(super) fn fronts(set: &ResourceSet, proxy: &Proxy) -> Fronts {
    let mut out = Fronts::new();
    for service in set.services() {
        let selector =
            service.object(set).and_then(|object| object.as_service()).map(|found| &found.spec.selector);
        let in_front = service.source == ServiceSource::Kubernetes
            && service.namespace == proxy.namespace
            && selector.is_some_and(|selector| !selector.is_empty() && selects(selector, &proxy.labels));
        if !in_front {
            continue;
        }
        let mut seen = HashSet::new();
        for port in service.ports.iter().filter(|port| seen.insert(port.number)) {
            let target = match &port.target {
                IntOrString::Int(target) => Some(*target),
                IntOrString::String(name) => named_port(set, proxy, name),
                _ => None,
            };
            let targets = out.entry(port.number).or_default();
            if let Some(target) = target.filter(|target| !targets.contains(target)) {
                targets.push(target);
            }
        }
    }
    out
}

/// Where a server of port `number` listens: on the target port of the Services in front of the gateway's pod, if one
/// of them has that port (ROUTE-APPLY-49).
pub(super) fn listening_ports(fronts: &Fronts, number: u32) -> Vec<u32> {
    fronts.get(&number).filter(|targets| !targets.is_empty()).cloned().unwrap_or_else(|| vec![number])
}

/// The number of a port that the gateway's pods declare by name.
fn named_port(set: &ResourceSet, proxy: &Proxy, name: &str) -> Option<u32> {
    set.all::<Pod>()
        .filter(|pod| {
            pod.namespace() == proxy.namespace && selects(&proxy.labels, &pod.object.metadata.labels)
        })
        .flat_map(|pod| &pod.spec.spec.containers)
        .flat_map(|container| &container.ports)
        .find(|port| port.name == name)
        .map(|port| port.container_port)
}

/// `Gateway default/bookinfo-gateway`, more of them joined.
fn name(servers: &[Placed<'_>]) -> String {
    let mut seen = HashSet::new();
    let names = servers.iter().map(|placed| placed.gateway.reference().to_string());
    names.filter(|name| seen.insert(name.clone())).collect::<Vec<_>>().join(", ")
}

/// What a host of the listener is made of.
#[derive(Debug, Default)]
struct HostPlan {
    tls_required: bool,
    /// Rules by the VirtualService and Gateway they come from, each once.
    parts: Vec<Rc<Vec<Rule>>>,
    from: HashSet<Origin>,
}

/// A VirtualService, by its place among those bound to the Gateway of that namespace and name, seen through a server
/// with that port number.
type Origin = (String, String, usize, u32);

/// The VirtualServices bound to Gateways, by the Gateway's namespace and name.
struct Bound<'a> {
    by_gateway: HashMap<(String, String), BoundTo<'a>>,
}

/// The VirtualServices of one Gateway in order, with their hosts.
struct BoundTo<'a> {
    list: Vec<(Resource<'a, VirtualService>, Vec<String>)>,
    /// Places in the list.
    by_host: HostIndex<usize>,
}

impl<'a> Bound<'a> {
    fn new(set: &'a ResourceSet, proxy: &Proxy) -> Self {
        let by_gateway = set.virtual_services_by_gateway(&proxy.namespace);
        let indexed = |found: Vec<Resource<'a, VirtualService>>| {
            let list: Vec<_> =
                found.into_iter().map(|found| (found, set.virtual_service_hosts(found))).collect();
            let hosts = |(at, (_, hosts)): (usize, &(_, Vec<String>))| {
                hosts.iter().map(|host| (host.clone(), at)).collect::<Vec<_>>()
            };
            let by_host = list.iter().enumerate().flat_map(hosts).collect();
            BoundTo { list, by_host }
        };
        Self { by_gateway: by_gateway.into_iter().map(|(name, found)| (name, indexed(found))).collect() }
    }

    /// Those that can have a host on a server, in order: their places, and the entries of the server that overlap.
    fn on_server(&self, gateway: &(String, String), hosts: &[String]) -> Vec<Candidate<'_, 'a>> {
        let Some(bound) = self.by_gateway.get(gateway) else { return Vec::new() };
        let offered = mesh_model::resolve::server_hosts(hosts, &gateway.0);
        let mut entries: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (offer, entry) in offered.iter().zip(hosts) {
            let places: BTreeSet<usize> = bound.by_host.overlapping(&offer.host).copied().collect();
            for place in places {
                entries.entry(place).or_default().push(entry.clone());
            }
        }
        let candidate = |(place, entries): (usize, Vec<String>)| {
            let (found, hosts) = bound.list.get(place)?;
            Some(Candidate { place, found: *found, hosts, entries })
        };
        entries.into_iter().filter_map(candidate).collect()
    }
}

/// A VirtualService that may have a host on a server.
struct Candidate<'b, 'a> {
    place: usize,
    found: Resource<'a, VirtualService>,
    hosts: &'b [String],
    /// The server's hosts that overlap its own.
    entries: Vec<String>,
}

/// The virtual hosts of one listener: every VirtualService on every server, host by host (ROUTE-APPLY-38 to -48).
fn virtual_hosts(
    set: &ResourceSet,
    proxy: &Proxy,
    bound: &Bound<'_>,
    servers: &[Placed<'_>],
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<Plan> {
    let mut order: Vec<(String, u32)> = Vec::new();
    let mut hosts: HashMap<String, HostPlan> = HashMap::new();
    let mut compiled: HashMap<Origin, Rc<Vec<Rule>>> = HashMap::new();
    let mut redirected: Vec<(String, u32)> = Vec::new();
    for placed in servers {
        let (namespace, gateway) = (placed.gateway.namespace(), placed.gateway.name());
        let redirect = placed.server.tls.as_ref().is_some_and(|tls| tls.https_redirect);
        let server_hosts = everything(&placed.server.hosts);
        // ROUTE-APPLY-49: rules go by the server's number, wherever it listens.
        let port = placed.number;
        let scope = Scope { set, proxy, port, gateway: Some((namespace, gateway)), imported: None };
        let through = (namespace.to_owned(), gateway.to_owned());
        for Candidate { place, found, hosts: own, entries } in bound.on_server(&through, server_hosts) {
            let kept = hosts_on_server(&entries, namespace, own, found.namespace());
            if kept.is_empty() {
                continue;
            }
            let origin: Origin = (namespace.into(), gateway.into(), place, port);
            let part = Rc::clone(
                compiled
                    .entry(origin.clone())
                    .or_insert_with(|| Rc::new(rules(found, &scope, clusters, issues))),
            );
            if part.is_empty() {
                continue;
            }
            for host in kept {
                let plan = hosts.entry(host.clone()).or_insert_with(|| {
                    order.push((host, port));
                    HostPlan::default()
                });
                plan.tls_required |= redirect;
                if plan.from.insert(origin.clone()) {
                    plan.parts.push(Rc::clone(&part));
                }
            }
        }
        if redirect {
            let hosts = redirect_hosts(server_hosts, namespace);
            redirected.extend(hosts.into_iter().map(|host| (host, port)));
        }
    }
    for (host, port) in redirected {
        let plan = hosts.entry(host.clone()).or_insert_with(|| {
            order.push((host, port));
            HostPlan::default()
        });
        plan.tls_required = true;
    }
    if order.is_empty() {
        // ROUTE-APPLY-47: every request is answered with 404, by a virtual host.
        let port = servers.first().map_or(0, |placed| placed.number);
        let name = format!("blackhole:{port}");
        return vec![Plan { name, domains: vec!["*".to_owned()], tls_required: false, rules: Vec::new() }];
    }
    order
        .into_iter()
        .filter_map(|(host, port)| {
            let plan = hosts.remove(&host)?;
            let name = format!("{host}:{port}");
            let domain = super::hosts::literal(&host);
            Some(Plan {
                name,
                domains: vec![domain],
                tls_required: plan.tls_required,
                rules: merged(&plan.parts),
            })
        })
        .collect()
}

/// The hosts that `httpsRedirect` creates where no VirtualService did. An entry that still names a namespace makes a
/// domain that no request can have (ROUTE-APPLY-48).
fn redirect_hosts(hosts: &[String], namespace: &str) -> Vec<String> {
    mesh_model::resolve::server_hosts(hosts, namespace)
        .into_iter()
        .filter(|host| host.namespace.is_none())
        .map(|host| host.host.to_ascii_lowercase())
        .collect()
}

/// All rules in order, those that match everything last (ROUTE-APPLY-41, ROUTE-APPLY-43).
fn merged(parts: &[Rc<Vec<Rule>>]) -> Vec<Rule> {
    let all = || parts.iter().flat_map(|part| part.iter());
    let first = all().filter(|rule| !rule.catch_all);
    first.chain(all().filter(|rule| rule.catch_all)).cloned().collect()
}
