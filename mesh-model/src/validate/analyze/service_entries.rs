//! ServiceEntries that get into the way of others (MODEL-ANA-20, MODEL-PIT-16, MODEL-PIT-17).

use super::index::Index;
use super::scope::Seen;
use crate::common::Protocol;
use crate::networking::ServiceEntry;
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::validate::Settings;
use crate::validate::report::{At, Report, show};
use crate::validate::service_entry::has_address;
use std::collections::{BTreeMap, HashMap};

/// How many entries a message names.
const NAMED: usize = 3;

/// What is wrong with a port.
enum Trouble {
    /// Another protocol than an older entry has for the host and port.
    Protocol { host: String, other: usize, theirs: Protocol },
    /// The whole port is taken by others too.
    Port { others: Vec<usize> },
    /// A Service speaks HTTP on the port that is taken as a whole.
    Http { other: usize },
}

/// Those that take a whole port.
#[derive(Default)]
struct Takers {
    seen: Seen,
    /// The first that everybody sees.
    public: Vec<usize>,
}

pub(super) struct ServiceEntries<'o> {
    objects: &'o [Object],
    /// By place of the entry: index of the port.
    trouble: BTreeMap<usize, Vec<(usize, Trouble)>>,
}

/// By protocol, the objects with it.
type ByProtocol = BTreeMap<Protocol, Seen>;

/// The first of the objects with another protocol that some namespace sees together with one of this visibility.
fn clash(found: &ByProtocol, protocol: Protocol, visibility: &Visibility) -> Option<(usize, Protocol)> {
    let others = found.iter().filter(|(other, _)| **other != protocol);
    others.filter_map(|(other, seen)| Some((seen.first(visibility)?, *other))).min()
}

/// True when a port without protocol, or for TCP, takes everything that is sent to the port's number (MODEL-SE-6).
fn takes_whole_port(object: &Object, entry: &ServiceEntry, protocol: Protocol, settings: &Settings) -> bool {
    let plain = protocol == Protocol::Unsupported || (protocol.is_tcp() && !protocol.is_tls());
    plain && !has_address(object, entry, settings)
}

impl<'o> ServiceEntries<'o> {
    /// Cost: linear in the hosts times ports of all entries.
    pub(super) fn new(index: &Index<'o>, settings: &Settings) -> Self {
        let objects = index.objects;
        let mut new = Self { objects, trouble: BTreeMap::new() };
        let place = |age: usize| index.by_age.get(age).copied();
        // What Istio refuses takes nobody's place.
        let ages = || {
            let objects =
                index.by_age.iter().enumerate().filter_map(|(age, at)| Some((age, *at, objects.get(*at)?)));
            objects.filter(|(_, _, object)| object.is_usable())
        };
        let mut services: HashMap<(String, u32), ByProtocol> = HashMap::new();
        let mut http: HashMap<u32, Seen> = HashMap::new();
        for (age, _, object) in ages() {
            let Body::Service(service) = &object.body else { continue };
            let visibility = Visibility::of(object, &index.mesh);
            let host = index.service_name(&object.metadata.name, &object.metadata.namespace);
            for port in &service.spec.ports {
                let protocol = port.istio_protocol();
                // Undeclared is found out, and UDP is not proxied.
                if !matches!(protocol, Protocol::Unsupported | Protocol::Udp) {
                    let by_protocol = services.entry((host.clone(), port.port)).or_default();
                    by_protocol.entry(protocol).or_default().add(age, &visibility);
                }
                if protocol.is_http() {
                    http.entry(port.port).or_default().add(age, &visibility);
                }
            }
        }
        let mut entries: HashMap<(String, u32), ByProtocol> = HashMap::new();
        let mut takers: HashMap<u32, Takers> = HashMap::new();
        for (age, at, object) in ages() {
            let Body::ServiceEntry(entry) = &object.body else { continue };
            let visibility = Visibility::of(object, &index.mesh);
            for (number, port) in entry.ports.iter().enumerate() {
                let Some(protocol) = Protocol::parse(&port.protocol) else { continue };
                let mut found = None;
                for host in &entry.hosts {
                    let key = (host.to_ascii_lowercase(), port.number);
                    if let Some(by_protocol) =
                        services.get(&key).filter(|_| protocol != Protocol::Unsupported)
                    {
                        found = found.or_else(|| Some((clash(by_protocol, protocol, &visibility)?, host)));
                    }
                    let by_protocol = entries.entry(key).or_default();
                    let other = clash(by_protocol, protocol, &visibility);
                    // A port listed twice in one object is that object's own mistake.
                    let other = other.filter(|(other, _)| *other != age);
                    found = found.or_else(|| Some((other?, host)));
                    by_protocol.entry(protocol).or_default().add(age, &visibility);
                }
                if let Some(((other, theirs), host)) = found
                    && let Some(other) = place(other)
                {
                    let trouble = Trouble::Protocol { host: host.clone(), other, theirs };
                    new.trouble.entry(at).or_default().push((number, trouble));
                }
                if !takes_whole_port(object, entry, protocol, settings) {
                    continue;
                }
                let first = http.get(&port.number).and_then(|seen| seen.first(&visibility));
                if let Some(other) = first.and_then(place) {
                    new.trouble.entry(at).or_default().push((number, Trouble::Http { other }));
                }
                let takers = takers.entry(port.number).or_default();
                let first = takers.seen.first(&visibility).and_then(place);
                let mut others: Vec<usize> = first.into_iter().chain(takers.public.iter().copied()).collect();
                others.retain(|other| *other != at);
                others.dedup();
                others.truncate(NAMED);
                if !others.is_empty() {
                    new.trouble.entry(at).or_default().push((number, Trouble::Port { others }));
                }
                takers.seen.add(age, &visibility);
                if visibility == Visibility::Public && takers.public.len() <= NAMED {
                    takers.public.push(at);
                }
            }
        }
        new
    }

    fn name(&self, at: usize) -> String {
        self.objects.get(at).map(|object| object.reference().to_string()).unwrap_or_default()
    }

    /// Reports what was found about the entry at `at`.
    pub(super) fn report(&mut self, at: usize, report: &mut Report<'_>, entry: &ServiceEntry) {
        let spec = At::OBJECT.field("spec");
        let ports = spec.field("ports");
        for (number, trouble) in self.trouble.remove(&at).into_iter().flatten() {
            let Some(port) = entry.ports.get(number) else { continue };
            let at = ports.index(number);
            let ours = match port.protocol.as_str() {
                "" => "not declared".to_owned(),
                text => show(text),
            };
            match trouble {
                Trouble::Protocol { host, other, theirs } => {
                    let service = self.objects.get(other).is_some_and(|other| other.as_service().is_some());
                    let code = if service { "MODEL-PIT-17" } else { "MODEL-ANA-20" };
                    let theirs =
                        if theirs == Protocol::Unsupported { "not declared" } else { theirs.as_str() };
                    let message = format!(
                        "the protocol of port {} of `{}` is {ours} here and {theirs} in {} (IST0177)",
                        port.number,
                        show(&host),
                        self.name(other)
                    );
                    report
                        .warning(code, &at.field("protocol"), message)
                        .help("give both the same protocol, or export them to different namespaces");
                }
                Trouble::Http { other } => {
                    let message = format!(
                        "without `addresses` it takes all traffic to port {}, where {} speaks HTTP",
                        port.number,
                        self.name(other)
                    );
                    report
                        .warning("MODEL-PIT-17", &at.field("protocol"), message)
                        .help("add `addresses`, or declare the protocol as HTTP if that is what it is");
                }
                Trouble::Port { others } => {
                    let names: Vec<String> = others.iter().map(|other| self.name(*other)).collect();
                    let message = format!(
                        "without `addresses` it takes all traffic to port {}, as does {}",
                        port.number,
                        names.join(", ")
                    );
                    report
                        .warning("MODEL-PIT-16", &at.field("number"), message)
                        .help("only the older one gets it; add `addresses` to each");
                }
            }
        }
    }
}
