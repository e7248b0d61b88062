//! The gateway role: Gateways, the VirtualServices bound to them, one listener for each address and port (section 1.5
//! of the route reference).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use mesh_model::common::Protocol;
use mesh_model::kubernetes::{IntOrString, Pod};
use mesh_model::networking::Gateway;
use mesh_model::networking::gateway::Server;
use mesh_model::resolve::{Proxy, Resource, ResourceSet, ServiceSource, hosts_on_server, selects};

use super::clusters::Clusters;
use super::issues::{Issues, spec};
use super::rules::{Rule, rules};
use super::scope::Scope;
use super::virtual_hosts::{Plan, table};
use crate::snapshot::{HttpListener, ListenerKey, Protection, Role};

/// A server and where it stands.
#[derive(Clone, Copy, Debug)]
struct Placed<'a> {
    gateway: Resource<'a, Gateway>,
    server: &'a Server,
    number: u32,
}

/// What an address and port is used for; the first server decides (ROUTE-GW-01, ROUTE-GW-02).
#[derive(Debug)]
enum Use<'a> {
    Http(Vec<Placed<'a>>),
    NotServed,
}

/// The listeners of a gateway proxy.
pub(super) fn listeners(
    set: &ResourceSet,
    proxy: &Proxy,
    protection: &Protection,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<HttpListener> {
    let mut uses: BTreeMap<(IpAddr, u16), Use<'_>> = BTreeMap::new();
    for gateway in set.gateways_for(proxy) {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            place(set, proxy, gateway, index, server, &mut uses, issues);
        }
    }
    let mut out = Vec::new();
    for ((ip, port), found) in uses {
        let Use::Http(servers) = found else { continue };
        let Some(first) = servers.first() else { continue };
        let plans = virtual_hosts(set, proxy, &servers, clusters, issues);
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

/// Files a server under the addresses and ports it listens on.
fn place<'a>(
    set: &'a ResourceSet,
    proxy: &Proxy,
    gateway: Resource<'a, Gateway>,
    index: usize,
    server: &'a Server,
    uses: &mut BTreeMap<(IpAddr, u16), Use<'a>>,
    issues: &mut Issues,
) {
    let object = gateway.reference();
    let at = || spec().field("servers").index(index);
    let Some(port) = &server.port else { return };
    let Some(ip) = bind(&server.bind) else {
        let message = format!(
            "`{}` is no IP address, which is all that can be bound: the server is left out",
            server.bind
        );
        issues.warning(&object, at().field("bind"), message);
        return;
    };
    // HTTP on a server with `tls` is still plain: of the block only `httpsRedirect` counts there.
    let http = Protocol::parse(&port.protocol).is_some_and(Protocol::is_http);
    if !http {
        let message = format!("protocol `{}` is not served yet: the server is left out", port.protocol);
        issues.warning(&object, at().field("port"), message);
    }
    for listening in listening_ports(set, proxy, port.number) {
        let Some(listening) = u16::try_from(listening).ok().filter(|port| *port > 0) else {
            let message = format!("port is {listening}, must be within 1 to 65535: the server is left out");
            issues.error(&object, at().field("port").field("number"), message);
            continue;
        };
        let fresh = || if http { Use::Http(Vec::new()) } else { Use::NotServed };
        match uses.entry((ip, listening)).or_insert_with(fresh) {
            Use::Http(servers) if http => {
                servers.push(Placed { gateway, server, number: port.number });
            }
            Use::NotServed if !http => {}
            _ => {
                let message = format!(
                    "an older server uses port {} for another protocol: this server is left out",
                    port.number
                );
                issues.warning(&object, at().field("port"), message);
            }
        }
    }
}

/// `server.bind`; `None` for anything but an address.
fn bind(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) } else { text.parse().ok() }
}

/// Where a server of port `number` listens: on the target port of the Services in front of the gateway's pod, if one
/// of them has that port (ROUTE-APPLY-49).
fn listening_ports(set: &ResourceSet, proxy: &Proxy, number: u32) -> Vec<u32> {
    let mut out = Vec::new();
    for service in set.services() {
        let selector =
            service.object(set).and_then(|object| object.as_service()).map(|found| &found.spec.selector);
        let in_front = service.source == ServiceSource::Kubernetes
            && service.namespace == proxy.namespace
            && selector.is_some_and(|selector| !selector.is_empty() && selects(selector, &proxy.labels));
        let (true, Some(port)) = (in_front, service.port(number)) else { continue };
        let target = match &port.target {
            IntOrString::Int(target) => Some(*target),
            IntOrString::String(name) => named_port(set, proxy, name),
            _ => None,
        };
        if let Some(target) = target.filter(|target| !out.contains(target)) {
            out.push(target);
        }
    }
    if out.is_empty() {
        out.push(number);
    }
    out
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
    let mut names: Vec<String> = Vec::new();
    for placed in servers {
        let name = placed.gateway.reference().to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// What a host of the listener is made of.
#[derive(Debug, Default)]
struct HostPlan {
    tls_required: bool,
    /// Rules by the VirtualService and Gateway they come from, each once.
    parts: Vec<Rc<Vec<Rule>>>,
    from: HashSet<Origin>,
}

/// A VirtualService as seen through a Gateway.
type Origin = (String, String, String, String);

/// The virtual hosts of one listener: every VirtualService on every server, host by host (ROUTE-APPLY-38 to -48).
fn virtual_hosts(
    set: &ResourceSet,
    proxy: &Proxy,
    servers: &[Placed<'_>],
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<Plan> {
    // ROUTE-APPLY-49: rules go by the server's number. Servers that only meet on the target port have the first's.
    let port = servers.first().map_or(0, |placed| placed.number);
    let mut order: Vec<String> = Vec::new();
    let mut hosts: HashMap<String, HostPlan> = HashMap::new();
    let mut compiled: HashMap<Origin, Rc<Vec<Rule>>> = HashMap::new();
    let mut redirected: Vec<String> = Vec::new();
    for placed in servers {
        let (namespace, gateway) = (placed.gateway.namespace(), placed.gateway.name());
        let redirect = placed.server.tls.as_ref().is_some_and(|tls| tls.https_redirect);
        let server_hosts = server_hosts(&placed.server.hosts);
        let scope = Scope { set, proxy, port, gateway: Some((namespace, gateway)), imported: None };
        for found in set.gateway_virtual_services(&proxy.namespace, namespace, gateway) {
            let own = set.virtual_service_hosts(found);
            let kept = hosts_on_server(server_hosts, namespace, &own, found.namespace());
            if kept.is_empty() {
                continue;
            }
            let origin: Origin =
                (found.namespace().into(), found.name().into(), namespace.into(), gateway.into());
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
                    order.push(host);
                    HostPlan::default()
                });
                plan.tls_required |= redirect;
                if plan.from.insert(origin.clone()) {
                    plan.parts.push(Rc::clone(&part));
                }
            }
        }
        if redirect {
            redirected.extend(redirect_hosts(server_hosts, namespace));
        }
    }
    for host in redirected {
        let plan = hosts.entry(host.clone()).or_insert_with(|| {
            order.push(host);
            HostPlan::default()
        });
        plan.tls_required = true;
    }
    if order.is_empty() {
        // ROUTE-APPLY-47: every request is answered with 404, by a virtual host.
        let name = format!("blackhole:{port}");
        return vec![Plan { name, domains: vec!["*".to_owned()], tls_required: false, rules: Vec::new() }];
    }
    order
        .into_iter()
        .filter_map(|host| {
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

/// `*/*` stands for the whole list (ROUTE-APPLY-38).
fn server_hosts(hosts: &[String]) -> &[String] {
    let everything = hosts.iter().position(|host| host == "*/*");
    everything.and_then(|at| hosts.get(at..=at)).unwrap_or(hosts)
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
