//! The listeners of a sidecar to which all traffic of its pod is redirected (sections 5.1 to 5.3).

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh_model::common::Protocol;
use mesh_model::networking::VirtualService;
use mesh_model::networking::sidecar::OutboundTrafficPolicyMode;
use mesh_model::resolve::{
    Address, Egress, Proxy, Resource, ResourceSet, Service, ServicePort, ServiceResolution, ServiceSource,
};
use mesh_model::{Kind, ObjectRef};
use mesh_route::{
    IpPrefix, Listeners, OutboundPolicy, Transport, UnmatchedBy, UnmatchedOutcome, unmatched_outbound,
};

use super::super::clusters::{Clusters, reference};
use super::super::issues::{Issues, refusal, spec};
use super::super::scope::{Imported, Scope};
use super::draft::{Criteria, Draft, Drafts, Refused, finish};
use super::forward::touches;
use super::{tcp, tls};
use crate::snapshot::{ConnectionAction, ConnectionListener, HttpRoutes, Next};

/// Ports of the proxy itself, which nobody may dial.
const PROXY_PORTS: [u16; 2] = [15001, 15006];

/// Application protocols that lead to HTTP (ROUTE-SNIFF-02).
const HTTP: [&str; 2] = ["http/1.1", "h2c"];

/// What is filled while chains are made.
pub(super) struct Tools<'t> {
    pub(super) clusters: &'t mut Clusters,
    pub(super) issues: &'t mut Issues,
}

/// A filter chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) criteria: Criteria,
    pub(super) action: ConnectionAction,
}

/// A port of a service as one listener sees it.
pub(super) struct ServicePortView<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) service: &'a Service,
    pub(super) port: &'a ServicePort,
    /// ExternalName services that stand for it.
    pub(super) aliases: &'a [&'a Service],
    /// Those with a host that names the service, in order (ROUTE-L4-11).
    pub(super) virtual_services: &'a [Resource<'a, VirtualService>],
    /// The listener is bound to an address of the service alone.
    pub(super) by_address: bool,
    /// Ranges that the service has instead of addresses.
    pub(super) cidrs: Vec<IpPrefix>,
}

/// All listeners, with the virtual one for what is left.
pub(super) fn listeners(
    set: &ResourceSet,
    proxy: &Proxy,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Listeners<ConnectionListener> {
    let mut drafts = Drafts::new();
    let mut tools = Tools { clusters, issues };
    let egress = set.egress(proxy);
    for number in ports(set, proxy, &egress) {
        if let Some(egress) = set.egress_for_port(&egress, number) {
            port(set, proxy, egress, number, &mut drafts, &mut tools);
        }
    }
    let object = set.sidecar_for(proxy).map_or_else(
        || ObjectRef::new(Kind::Sidecar, &*proxy.namespace, "default"),
        |found| found.reference(),
    );
    let policy = match set.outbound_mode(proxy) {
        OutboundTrafficPolicyMode::RegistryOnly => OutboundPolicy::RegistryOnly,
        _ => OutboundPolicy::AllowAny,
    };
    // Section 5.3: for connections Protocol, Address and ServerName all end alike.
    let unmatched = unmatched(policy, UnmatchedBy::Address);
    let (name, action) = (unmatched.0, &unmatched.1);
    let mut out = finish(drafts, Some((name, action)), &object, tools.issues);
    if let Some(fallback) = fallback(policy, name, action, &object, tools.issues) {
        out.set_fallback(fallback);
    }
    out
}

fn unmatched(policy: OutboundPolicy, by: UnmatchedBy) -> (&'static str, ConnectionAction) {
    match unmatched_outbound(policy, by) {
        UnmatchedOutcome::Passthrough => ("PassthroughCluster", ConnectionAction::plain(Next::Passthrough)),
        _ => ("BlackHoleCluster", ConnectionAction::plain(Next::BlackHole)),
    }
}

/// The virtual outbound listener.
fn fallback(
    policy: OutboundPolicy,
    name: &str,
    action: &ConnectionAction,
    object: &ObjectRef,
    issues: &mut Issues,
) -> Option<ConnectionListener> {
    let mut draft = Draft::named("virtualOutbound".to_owned());
    for port in PROXY_PORTS {
        let (name, action) = unmatched(policy, UnmatchedBy::ProxyPort);
        let criteria = Criteria { port: Some(port), ..Criteria::default() };
        // Ports of different numbers cannot collide.
        let _ = draft.add(name.to_owned(), criteria, action);
    }
    match draft.build(Some((name, action.clone()))) {
        Ok(listener) => Some(listener),
        Err(error) => {
            issues.error(object, mesh_model::FieldPath::new(), refusal(&error));
            None
        }
    }
}

/// Service ports of everything that is imported.
fn ports(set: &ResourceSet, proxy: &Proxy, egress: &[Egress]) -> BTreeSet<u32> {
    let imported = egress.iter().flat_map(|egress| set.imported_services(proxy, egress));
    imported.flat_map(|service| service.ports.iter().map(|port| port.number)).collect()
}

/// Adds the chains of all services that have port `number`.
fn port(
    set: &ResourceSet,
    proxy: &Proxy,
    egress: &Egress,
    number: u32,
    drafts: &mut Drafts,
    tools: &mut Tools<'_>,
) {
    let Ok(listening) = u16::try_from(number) else { return };
    let mut services = set.imported_services(proxy, egress);
    // The older service wins (ROUTE-L4-18); those without a date are the youngest.
    services.sort_by_key(|service| {
        let created = service.object(set).and_then(|object| object.metadata.creation_timestamp);
        (created.is_none(), created)
    });
    let imported: Imported<'_> =
        services.iter().map(|service| (service.hostname.as_str(), *service)).collect();
    let scope = Scope { set, proxy, port: number, gateway: None, imported: Some(&imported) };
    let aliases = aliases(&scope);
    let candidates = set.mesh_virtual_services(proxy, egress);
    let hosts: Vec<_> = candidates.iter().map(|found| set.virtual_service_hosts(*found)).collect();
    for service in &services {
        let alias = matches!(service.resolution, ServiceResolution::Alias(_));
        let (false, Some(port)) = (alias, service.port(number)) else { continue };
        let virtual_services: Vec<_> = candidates
            .iter()
            .zip(&hosts)
            .filter(|(_, hosts)| touches(hosts, &service.hostname))
            .map(|(found, _)| *found)
            .collect();
        let (addresses, cidrs) = addresses(service);
        let mut view = ServicePortView {
            scope,
            service,
            port,
            aliases: aliases.get(service.hostname.as_str()).map_or(&[][..], Vec::as_slice),
            virtual_services: &virtual_services,
            by_address: false,
            cidrs: Vec::new(),
        };
        let wildcard = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        // ROUTE-SNIFF-05: HTTP is found by Host, on the listener that all share.
        if port.protocol.is_http() {
            place(drafts, SocketAddr::new(wildcard, listening), &view, tools);
            continue;
        }
        let pods = if headless(service) { pods(set, service, port) } else { BTreeSet::new() };
        for address in addresses.iter().chain(&pods) {
            view.by_address = true;
            place(drafts, SocketAddr::new(*address, listening), &view, tools);
        }
        if !cidrs.is_empty() || (addresses.is_empty() && pods.is_empty()) {
            view.by_address = false;
            view.cidrs = cidrs;
            place(drafts, SocketAddr::new(wildcard, listening), &view, tools);
        }
    }
}

fn headless(service: &Service) -> bool {
    service.source == ServiceSource::Kubernetes && service.resolution == ServiceResolution::Passthrough
}

/// The addresses of a headless service's pods: each has its own listener (ROUTE-L4-18).
fn pods(set: &ResourceSet, service: &Service, port: &ServicePort) -> BTreeSet<IpAddr> {
    let ip = |address: &Address| if let Address::Ip(ip) = address { Some(*ip) } else { None };
    set.endpoints(service, port).iter().filter_map(|endpoint| ip(&endpoint.address)).collect()
}

/// Addresses, and ranges, of a service; what is neither is no address to listen on.
fn addresses(service: &Service) -> (BTreeSet<IpAddr>, Vec<IpPrefix>) {
    let (mut addresses, mut cidrs) = (BTreeSet::new(), Vec::new());
    for text in &service.addresses {
        match text.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => {}
            Ok(ip) => {
                addresses.insert(ip);
            }
            Err(_) => cidrs.extend(text.parse::<IpPrefix>().ok()),
        }
    }
    (addresses, cidrs)
}

/// The ExternalName services that stand for a service, by the latter's name.
fn aliases<'a>(scope: &Scope<'a>) -> HashMap<&'a str, Vec<&'a Service>> {
    let mut out: HashMap<&str, Vec<&Service>> = HashMap::new();
    for service in scope.set.services() {
        if matches!(service.resolution, ServiceResolution::Alias(_))
            && service.visibility.includes(&scope.proxy.namespace)
            && let Some(target) = scope.target(service.hostname.as_str().into(), None).service
        {
            out.entry(&target.hostname).or_default().push(service);
        }
    }
    out
}

/// Adds the chains of one service port to a listener, if there is room.
fn place(drafts: &mut Drafts, address: SocketAddr, view: &ServicePortView<'_>, tools: &mut Tools<'_>) {
    let draft = drafts.entry(address).or_insert_with(|| Draft::named(format!("outbound {address}")));
    let object = reference(&view.scope, view.service);
    let number = view.port.number;
    if !draft.admits(view.port.protocol) {
        let message = format!(
            "an older service uses {address} for another protocol, and Mongo and MySQL share with none: port {number} is \
             not reachable there"
        );
        tools.issues.warning(&object, spec().field("ports"), message);
        return;
    }
    let mut chains = Vec::new();
    let protocol = view.port.protocol;
    if protocol.is_http() || protocol == Protocol::Unsupported {
        // ROUTE-L4-10, ROUTE-SNIFF-05
        let routes = if view.by_address {
            HttpRoutes::Service(view.service.hostname.clone(), number)
        } else {
            HttpRoutes::Port(number)
        };
        let criteria = Criteria {
            transport: Some(Transport::RawBuffer),
            protocols: HTTP.to_vec(),
            destinations: view.cidrs.clone(),
            ..Criteria::default()
        };
        let action = ConnectionAction::plain(Next::Http(routes.clone()));
        // Services of the port share these routes: the second finds them in place.
        let _ = draft.add(format!("HTTP routes {routes}"), criteria, action);
    }
    if protocol.is_tls() {
        chains = tls::chains(view, tools);
    } else if protocol.is_tcp() || protocol == Protocol::Unsupported {
        chains = tcp::chains(view, tools);
    }
    for Chain { name, criteria, action } in chains {
        let names = criteria.server_names.clone();
        match draft.add(name.clone(), criteria, action) {
            Ok(()) => {}
            Err(Refused::Taken) => {
                let what =
                    if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) };
                let message = format!("{name}: an older service has {address}{what}, it is left out there");
                tools.issues.warning(&object, spec(), message);
            }
            Err(Refused::Broken(why)) => {
                tools.issues.error(&object, spec(), format!("{name}: {why}, it is left out"));
            }
        }
    }
}
