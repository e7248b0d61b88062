//! The listeners of a gateway (section 5.5 of the route reference).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use mesh_model::common::{Protocol, ServerTlsMode};
use mesh_model::networking::gateway::Server;
use mesh_model::networking::{Gateway, VirtualService};
use mesh_model::resolve::names::{self, GatewayReference, gateway_reference};
use mesh_model::resolve::{Proxy, Resource, ResourceSet, ServiceResolution, hosts_on_server, server_hosts};
use mesh_model::{Kind, ObjectRef};
use mesh_route::{
    GatewayServer, Listeners, MESH_PROTOCOLS, ServerProtocol, ServerTls, ServerUse, Transport,
    auto_passthrough_name, place_servers,
};

use super::super::clusters::Clusters;
use super::super::gateway::{bind, fronts, listening_ports};
use super::super::issues::{Issues, spec};
use super::super::scope::Scope;
use super::draft::{Criteria, Draft, Drafts, Refused, finish};
use super::forward::{Rule, forward, to_service};
use super::sidecar::{Chain, Tools};
use crate::snapshot::{ConnectionAction, ConnectionListener, HttpRoutes, Next};

/// A server at one address and port.
#[derive(Clone, Copy)]
pub(in super::super) struct Placed<'a> {
    pub(in super::super) gateway: Resource<'a, Gateway>,
    pub(in super::super) server: &'a Server,
    /// Its place in the Gateway.
    pub(in super::super) index: usize,
    /// The server's own port: rules go by it (ROUTE-APPLY-49).
    pub(in super::super) number: u32,
    pub(in super::super) address: IpAddr,
    pub(in super::super) listening: u16,
}

/// One listener for each address and port that a server is left for.
pub(super) fn listeners(
    set: &ResourceSet,
    proxy: &Proxy,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Listeners<ConnectionListener> {
    let placed = placed(set, proxy, issues);
    let servers: Vec<GatewayServer> = placed.iter().map(as_server).collect();
    let mut drafts = Drafts::new();
    let mut sni_hosts: BTreeMap<SocketAddr, BTreeSet<String>> = BTreeMap::new();
    for (place, purpose) in placed.iter().zip(place_servers(&servers)) {
        let object = place.gateway.reference();
        let at = spec().field("servers").index(place.index);
        let purpose = match purpose {
            Ok(purpose) => purpose,
            Err(skip) => {
                issues.warning(&object, at, format!("{skip}: the server is left out"));
                continue;
            }
        };
        let address = SocketAddr::new(place.address, place.listening);
        let draft = drafts.entry(address).or_insert_with(|| Draft::named(format!("{object} {address}")));
        let mut tools = Tools { clusters, issues };
        let used = sni_hosts.entry(address).or_default();
        let chains = chains(set, proxy, place, purpose, used, &mut tools);
        if chains.is_empty() {
            let message = "no rule applies to it, so nobody listens for it";
            tools.issues.warning(&object, at.clone(), message);
        }
        for Chain { name, criteria, action } in chains {
            let plain = purpose == ServerUse::Http;
            match draft.add(name.clone(), criteria, action) {
                Ok(()) => {}
                // Servers of plain HTTP share their routes: the second finds the chain in place.
                Err(Refused::Taken) if plain => {}
                // DIFFERENCE ROUTE-GW-01: Envoy refuses the whole listener then.
                Err(Refused::Taken) => {
                    let message = format!(
                        "{name}: its server names are taken on port {}, it is left out",
                        place.listening
                    );
                    tools.issues.error(&object, at.clone(), message);
                }
                Err(Refused::Broken(why)) => {
                    tools.issues.error(&object, at.clone(), format!("{name}: {why}, it is left out"));
                }
            }
        }
    }
    let object = ObjectRef::new(Kind::Gateway, &*proxy.namespace, "");
    finish(drafts, None, &object, issues)
}

/// All servers of the gateway's Gateways at the addresses and ports they listen on, in order (ROUTE-GW-01).
pub(in super::super) fn placed<'a>(
    set: &'a ResourceSet,
    proxy: &Proxy,
    issues: &mut Issues,
) -> Vec<Placed<'a>> {
    let fronts = fronts(set, proxy);
    let mut out = Vec::new();
    for gateway in set.gateways_for(proxy) {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let at = || spec().field("servers").index(index);
            let Some(port) = &server.port else { continue };
            let Some(address) = bind(&server.bind) else {
                let message = format!(
                    "`{}` is no IP address, which is all that can be bound: the server is left out",
                    server.bind
                );
                issues.warning(&gateway.reference(), at().field("bind"), message);
                continue;
            };
            for listening in listening_ports(&fronts, port.number) {
                let Some(listening) = u16::try_from(listening).ok().filter(|port| *port > 0) else {
                    let message =
                        format!("port is {listening}, must be within 1 to 65535: the server is left out");
                    issues.error(&gateway.reference(), at().field("port").field("number"), message);
                    continue;
                };
                out.push(Placed { gateway, server, index, number: port.number, address, listening });
            }
        }
    }
    out
}

pub(in super::super) fn as_server(place: &Placed<'_>) -> GatewayServer {
    let declared = place.server.port.as_ref().and_then(|port| Protocol::parse(&port.protocol));
    let protocol = match declared {
        Some(Protocol::Https) => ServerProtocol::Https,
        Some(Protocol::Tls) => ServerProtocol::Tls,
        Some(protocol) if protocol.is_http() => ServerProtocol::Http,
        _ => ServerProtocol::Tcp,
    };
    let server =
        GatewayServer::new(place.gateway.namespace(), place.listening, protocol, &place.server.hosts)
            .bind(place.address);
    match mode(place.server) {
        Some(mode) => server.tls(mode),
        None => server,
    }
}

fn mode(server: &Server) -> Option<ServerTls> {
    Some(match server.tls.as_ref()?.mode {
        ServerTlsMode::Simple => ServerTls::Simple,
        ServerTlsMode::Mutual => ServerTls::Mutual,
        ServerTlsMode::IstioMutual => ServerTls::IstioMutual,
        ServerTlsMode::OptionalMutual => ServerTls::OptionalMutual,
        ServerTlsMode::AutoPassthrough => ServerTls::AutoPassthrough,
        _ => ServerTls::Passthrough,
    })
}

/// The chains of one server.
fn chains(
    set: &ResourceSet,
    proxy: &Proxy,
    place: &Placed<'_>,
    purpose: ServerUse,
    sni_hosts: &mut BTreeSet<String>,
    tools: &mut Tools<'_>,
) -> Vec<Chain> {
    let (namespace, gateway) = (place.gateway.namespace(), place.gateway.name());
    let scope = Scope { set, proxy, port: place.number, gateway: Some((namespace, gateway)), imported: None };
    let name = format!("{} servers[{}]", place.gateway.reference(), place.index);
    // A server that ends TLS fails the handshake with whoever speaks something else (ROUTE-GW-11).
    let by_name = || Criteria {
        server_names: as_server(place).server_names().into_iter().map(str::to_owned).collect(),
        transport: Some(Transport::Tls),
        ..Criteria::default()
    };
    let certificate = mode(place.server).map(ServerTls::client_certificate);
    match purpose {
        ServerUse::Http => {
            let action = ConnectionAction::plain(Next::Http(HttpRoutes::Gateway(place.listening)));
            vec![Chain { name, criteria: Criteria::default(), action }]
        }
        ServerUse::TerminatedHttp => {
            let then = Next::Http(HttpRoutes::Server(place.gateway.reference().to_string(), place.index));
            let action = ConnectionAction { terminates_tls: certificate, then };
            vec![Chain { name, criteria: by_name(), action }]
        }
        ServerUse::TerminatedTcp => {
            let found = tcp(&scope, place, tools);
            let chain = found.map(|(name, action)| {
                let action = ConnectionAction { terminates_tls: certificate, ..action };
                Chain { name, criteria: by_name(), action }
            });
            chain.into_iter().collect()
        }
        ServerUse::Tcp => {
            let found = tcp(&scope, place, tools);
            let chain = found.map(|(name, action)| Chain { name, criteria: Criteria::default(), action });
            chain.into_iter().collect()
        }
        ServerUse::Passthrough => passthrough(&scope, place, sni_hosts, tools),
        ServerUse::AutoPassthrough => auto_passthrough(&scope, place, tools),
        _ => Vec::new(),
    }
}

/// The VirtualServices that are bound to the server's Gateway and have a host on the server, in order.
fn bound<'a>(scope: &Scope<'a>, place: &Placed<'_>) -> Vec<Resource<'a, VirtualService>> {
    let (namespace, gateway) = (place.gateway.namespace(), place.gateway.name());
    let hosts = everything(&place.server.hosts);
    let mut found = scope.set.gateway_virtual_services(&scope.proxy.namespace, namespace, gateway);
    found.retain(|found| {
        let own = scope.set.virtual_service_hosts(*found);
        !hosts_on_server(hosts, namespace, &own, found.namespace()).is_empty()
    });
    found
}

/// `*/*` stands for the whole list (ROUTE-APPLY-38).
pub(in super::super) fn everything(hosts: &[String]) -> &[String] {
    let everything = hosts.iter().position(|host| host == "*/*");
    everything.and_then(|at| hosts.get(at..=at)).unwrap_or(hosts)
}

/// Whether a match block is kept at a gateway: only its port and its gateways count (ROUTE-GW-08).
fn kept(port: u32, gateways: &[String], namespace: &str, scope: &Scope<'_>) -> bool {
    let here = |text: &String| match gateway_reference(text, namespace) {
        GatewayReference::Gateway { namespace, name } => scope.gateway == Some((&namespace, &name)),
        _ => false,
    };
    (port == 0 || port == scope.port) && (gateways.is_empty() || gateways.iter().any(here))
}

/// The first `tcp` rule that is kept, of the first VirtualService that has one (ROUTE-GW-04, ROUTE-GW-07).
fn tcp(scope: &Scope<'_>, place: &Placed<'_>, tools: &mut Tools<'_>) -> Option<(String, ConnectionAction)> {
    for found in bound(scope, place) {
        for (index, tcp) in found.spec.tcp.iter().enumerate() {
            let any = tcp.matches.is_empty()
                || tcp
                    .matches
                    .iter()
                    .any(|block| kept(block.port, &block.gateways, found.namespace(), scope));
            if tcp.route.is_empty() || !any {
                continue;
            }
            let source = found.reference();
            let at = spec().field("tcp").index(index);
            let rule = Rule { source: &source, namespace: found.namespace(), at: &at, route: &tcp.route };
            let action = forward(rule, scope, tools.clusters, tools.issues);
            return Some((format!("{source} tcp[{index}]"), action));
        }
    }
    None
}

/// A chain for each block of `tls` rules that is kept (ROUTE-GW-05).
fn passthrough(
    scope: &Scope<'_>,
    place: &Placed<'_>,
    sni_hosts: &mut BTreeSet<String>,
    tools: &mut Tools<'_>,
) -> Vec<Chain> {
    let mut out = Vec::new();
    for found in bound(scope, place) {
        let source = found.reference();
        for (index, tls) in found.spec.tls.iter().enumerate() {
            if tls.route.is_empty() {
                continue;
            }
            let at = spec().field("tls").index(index);
            for (number, block) in tls.matches.iter().enumerate() {
                if !kept(block.port, &block.gateways, found.namespace(), scope) {
                    continue;
                }
                // ROUTE-GW-09
                let names: Vec<String> =
                    block.sni_hosts.iter().map(|name| name.to_ascii_lowercase()).collect();
                if let Some(name) = names.iter().find(|name| sni_hosts.contains(*name)) {
                    let at = at.clone().field("match").index(number).field("sniHosts");
                    let message =
                        format!("`{name}` is taken on port {}: the block is left out", place.listening);
                    tools.issues.warning(&source, at, message);
                    continue;
                }
                sni_hosts.extend(names.iter().cloned());
                let rule = Rule { source: &source, namespace: found.namespace(), at: &at, route: &tls.route };
                out.push(Chain {
                    name: format!("{source} tls[{index}].match[{number}]"),
                    criteria: Criteria { server_names: names, ..Criteria::default() },
                    action: forward(rule, scope, tools.clusters, tools.issues),
                });
            }
        }
    }
    out
}

/// A chain for each port and subset of each service of the mesh within the server's hosts (ROUTE-GW-06).
fn auto_passthrough(scope: &Scope<'_>, place: &Placed<'_>, tools: &mut Tools<'_>) -> Vec<Chain> {
    let mut out = Vec::new();
    let offered = server_hosts(everything(&place.server.hosts), place.gateway.namespace());
    for service in scope.set.services() {
        let own = scope.set.service_for(&service.hostname, &scope.proxy.namespace);
        let within = offered.iter().any(|host| {
            host.admits(&service.namespace) && names::is_subset_of(&service.hostname, &host.host)
        });
        let alias = matches!(service.resolution, ServiceResolution::Alias(_));
        if service.external || alias || !within || own != Some(service) {
            continue;
        }
        let rule = scope.set.destination_rule(scope.proxy, &service.hostname, &service.namespace);
        let subsets = rule.map_or(&[][..], |rule| &rule.subsets).iter().map(|subset| subset.name.as_str());
        let subsets: Vec<&str> = std::iter::once("").chain(subsets).collect();
        for port in &service.ports {
            let Ok(number) = u16::try_from(port.number) else { continue };
            for subset in &subsets {
                let name = auto_passthrough_name(number, subset, &service.hostname);
                let criteria = Criteria {
                    server_names: vec![name.clone()],
                    protocols: MESH_PROTOCOLS.to_vec(),
                    ..Criteria::default()
                };
                let action = to_service(service, port.number, subset, scope, tools.clusters, tools.issues);
                out.push(Chain { name, criteria, action });
            }
        }
    }
    out
}
