//! Servers of several Gateways on one port of the same pods (MODEL-ANA-18, MODEL-PIT-19).

use super::conflicts::seniority;
use super::gateway_pods::GatewayPods;
use super::index::Index;
use crate::common::{Protocol, StringMap};
use crate::networking::Gateway;
use crate::networking::gateway::Server;
use crate::object::Object;
use crate::resolve::{ServerHost, server_hosts};
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Pods that the same Gateways select, or a selector of which no pod is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class<'o> {
    Pods(usize),
    Selector(&'o StringMap),
}

/// What a server does with its port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Http,
    Tls,
    Tcp,
}

impl Purpose {
    /// `None` for a server that is left out in any case.
    fn of(server: &Server, protocol: Option<Protocol>) -> Option<Self> {
        match (protocol, &server.tls) {
            (Some(protocol), _) if protocol.is_http() => Some(Self::Http),
            (Some(Protocol::Https | Protocol::Tls), None) => None,
            (_, Some(_)) => Some(Self::Tls),
            (_, None) => Some(Self::Tcp),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
        }
    }
}

/// A port of pods: class, number, bind.
type Address<'o> = (Class<'o>, u32, &'o str);

/// What another Gateway has already.
#[derive(Clone, Copy)]
enum Taken {
    /// The host, among plain HTTP servers, which are merged.
    Merged,
    /// The host, and both have `tls`, or the port as well.
    Host,
    /// The port, for another purpose.
    Port(Purpose),
}

/// Server, host (none for the port), and the Gateway that has it.
type Shared = BTreeMap<(usize, Option<usize>), (usize, Taken)>;

pub(super) struct GatewayConflicts<'o> {
    objects: &'o [Object],
    /// By place of the Gateway.
    shared: BTreeMap<usize, Shared>,
}

/// What is taken so far, by place of the Gateway.
#[derive(Default)]
struct Ports<'o> {
    first: HashMap<Address<'o>, (usize, Purpose)>,
    /// Hosts of servers with `tls`.
    secured: HashMap<(Address<'o>, ServerHost), usize>,
    /// Hosts of all servers that are not left out.
    hosts: HashMap<(Address<'o>, ServerHost), usize>,
}

impl<'o> Ports<'o> {
    /// Adds a server of the Gateway at `at`, or tells why it is left out (ROUTE-GW-01, ROUTE-GW-02).
    fn place(
        &mut self,
        at: usize,
        number: usize,
        address: Address<'o>,
        purpose: Purpose,
        (tls, hosts): (bool, &[ServerHost]),
        shared: &mut Shared,
    ) {
        let mut told = |host: Option<usize>, (other, taken): (usize, Taken)| {
            // Servers of one Gateway are judged with it (MODEL-GW-13).
            if other != at {
                shared.entry((number, host)).or_insert((other, taken));
            }
        };
        if tls {
            let known = |host: &ServerHost| self.secured.get(&(address, host.clone())).copied();
            let repeated: Vec<_> =
                hosts.iter().enumerate().filter_map(|(index, host)| Some((index, known(host)?))).collect();
            for (index, other) in &repeated {
                told(Some(*index), (*other, Taken::Host));
            }
            if !repeated.is_empty() {
                return;
            }
            self.secured.extend(hosts.iter().map(|host| ((address, host.clone()), at)));
        }
        let (other, first) = *self.first.entry(address).or_insert((at, purpose));
        // The first one alone has a TCP port without TLS.
        let fits = first == purpose && (purpose != Purpose::Tcp || other == at);
        let mut same = false;
        for (index, host) in hosts.iter().enumerate() {
            let key = (address, host.clone());
            let owner = if fits {
                *self.hosts.entry(key).or_insert(at)
            } else {
                self.hosts.get(&key).copied().unwrap_or(at)
            };
            if owner != at && (!fits || purpose == Purpose::Http) {
                told(Some(index), (owner, if fits { Taken::Merged } else { Taken::Host }));
                same = true;
            }
        }
        if !fits && !same {
            told(None, (other, Taken::Port(first)));
        }
    }
}

/// The classes of the pods of each selector.
fn classes<'o>(gateways: &[&'o Gateway], pods: &GatewayPods<'_>) -> HashMap<&'o StringMap, Vec<Class<'o>>> {
    let mut out: HashMap<&'o StringMap, Vec<Class<'o>>> = HashMap::new();
    let mut selectors: Vec<&'o StringMap> = Vec::new();
    // By pod, the numbers of the selectors that select it.
    let mut selected_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for gateway in gateways {
        let selector = &gateway.selector;
        if out.contains_key(selector) {
            continue;
        }
        let list = &pods.of(gateway).list;
        let unknown = list.is_empty().then_some(Class::Selector(selector));
        out.insert(selector, unknown.into_iter().collect());
        for pod in list {
            selected_by.entry(*pod).or_default().push(selectors.len());
        }
        selectors.push(selector);
    }
    let distinct: BTreeSet<Vec<usize>> = selected_by.into_values().collect();
    for (class, numbers) in distinct.into_iter().enumerate() {
        for selector in numbers.into_iter().filter_map(|number| selectors.get(number)) {
            out.entry(selector).or_default().push(Class::Pods(class));
        }
    }
    out
}

impl<'o> GatewayConflicts<'o> {
    /// Cost: linear in the hosts of all servers, times the classes of their pods.
    pub(super) fn new(index: &Index<'o>, pods: &GatewayPods<'_>) -> Self {
        let objects = index.objects;
        let by_age = || {
            let objects = index.by_age.iter().filter_map(|at| Some((*at, objects.get(*at)?)));
            objects
                .filter(|(_, object)| object.is_usable())
                .filter_map(|(at, object)| Some((at, object, object.as_gateway()?)))
        };
        let gateways: Vec<&'o Gateway> = by_age().map(|(_, _, gateway)| gateway).collect();
        let classes = classes(&gateways, pods);
        let mut ports = Ports::default();
        let mut all: BTreeMap<usize, Shared> = BTreeMap::new();
        for (at, object, gateway) in by_age() {
            let mut shared = Shared::new();
            for (number, server) in gateway.servers.iter().enumerate() {
                let Some(port) = &server.port else { continue };
                let Some(purpose) = Purpose::of(server, Protocol::parse(&port.protocol)) else { continue };
                let mut hosts = server_hosts(&server.hosts, &object.metadata.namespace);
                for host in &mut hosts {
                    host.host.make_ascii_lowercase();
                }
                for class in classes.get(&gateway.selector).into_iter().flatten() {
                    let address = (*class, port.number, server.bind.as_str());
                    let server = (server.tls.is_some(), hosts.as_slice());
                    ports.place(at, number, address, purpose, server, &mut shared);
                }
            }
            if !shared.is_empty() {
                all.insert(at, shared);
            }
        }
        Self { objects, shared: all }
    }

    /// Reports what was found about the Gateway at `at`.
    pub(super) fn report(&mut self, at: usize, report: &mut Report<'_>, servers: &[Server]) {
        let spec = At::OBJECT.field("spec");
        let list = spec.field("servers");
        for ((number, host), (other, taken)) in self.shared.remove(&at).into_iter().flatten() {
            let (Some(server), Some(other)) = (servers.get(number), self.objects.get(other)) else {
                continue;
            };
            let port = server.port.as_ref().map_or(0, |port| port.number);
            let named = other.reference();
            let lost = format!("the server here is left out, as {named} {}", seniority(other));
            let at = list.index(number);
            let (at_hosts, at_port) = (at.field("hosts"), at.field("port"));
            let place = host.map_or(at_port, |host| at_hosts.index(host));
            let text = host.and_then(|host| server.hosts.get(host)).map_or("", String::as_str);
            let serves = format!("{named} serves `{}` on port {port} already (IST0145)", show(text));
            match taken {
                // DIFFERENCE: MODEL-ANA-18: Istio calls this an error too, but plain HTTP servers are merged, and no
                // host is lost.
                Taken::Merged => report
                    .info("MODEL-ANA-18", &place, serves)
                    .help("the routes of both are used; one of the two servers is enough"),
                Taken::Host => {
                    report.error("MODEL-ANA-18", &place, serves).help(format!("{lost}; remove one"))
                }
                Taken::Port(purpose) => report
                    .warning(
                        "MODEL-ANA-18",
                        &place,
                        format!("{named} has port {port} for {} already", purpose.as_str()),
                    )
                    .help(format!("{lost}; use another port")),
            };
        }
    }
}
