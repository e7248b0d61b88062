//! The analyzers that compare objects with each other use indexes; here they are compared with what says the same by
//! looking at every pair.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test"
)]

use mesh_model::common::ServerTlsSettings;
use mesh_model::networking::gateway::{Port, Server};
use mesh_model::networking::service_entry::{Resolution, ServicePort};
use mesh_model::networking::{Gateway, ServiceEntry, VirtualService};
use mesh_model::resolve::names::{full_name, is_subset_of};
use mesh_model::resolve::{ServerHost, server_hosts};
use mesh_model::validate::analyze;
use mesh_model::{Object, Severity};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Place of an object, path of the finding, severity.
type Found = BTreeSet<(usize, String, Severity)>;

/// What the analyzers find under one code. The name of an object is its place.
fn found(objects: &[Object], code: &str) -> Found {
    let all = analyze(objects).into_iter().filter(|found| found.code == code);
    all.map(|found| {
        (found.object.unwrap().name[1..].parse().unwrap(), found.path.to_string(), found.severity)
    })
    .collect()
}

/// Places of the objects, the oldest first; ties go by name.
fn by_age(objects: &[Object]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|at| {
        let metadata = &objects[*at].metadata;
        (
            metadata.creation_timestamp.is_none(),
            metadata.creation_timestamp,
            metadata.creation_timestamp.map(|_| &metadata.name),
        )
    });
    order
}

/// Every pair of objects, the older one first.
fn pairs(objects: &[Object]) -> Vec<(usize, usize)> {
    let order = by_age(objects);
    let pairs =
        order.iter().enumerate().flat_map(|(age, newer)| order[..age].iter().map(|older| (*older, *newer)));
    pairs.collect()
}

const NAMESPACES: [&str; 3] = ["a", "b", "c"];

/// True when some namespace sees both. Nobody else is asked than those that are named, and one that is not.
fn see_both(a: (&Object, &[String]), b: (&Object, &[String])) -> bool {
    let sees = |(object, list): (&Object, &[String]), namespace: &str| {
        let own = object.metadata.namespace == namespace;
        if list.is_empty() || list.iter().any(|entry| entry == "*") {
            return true;
        }
        !list.iter().any(|entry| entry == "~")
            && list.iter().any(|entry| entry == namespace || (entry == "." && own))
    };
    NAMESPACES.iter().chain(&["elsewhere"]).any(|namespace| sees(a, namespace) && sees(b, namespace))
}

fn is_public(list: &[String]) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == "*")
}

fn export_to() -> impl Strategy<Value = Vec<String>> {
    vec(select(vec![".", "*", "a", "b", "c", "~"]).prop_map(str::to_owned), 0..3)
}

/// Namespace and age.
fn metadata() -> impl Strategy<Value = (&'static str, Option<u8>)> {
    (select(NAMESPACES.to_vec()), proptest::option::of(0_u8..3))
}

fn object<T: mesh_model::Typed>((namespace, age): (&str, Option<u8>), spec: T) -> Object {
    let mut object = Object::new(namespace, "", spec);
    object.metadata.creation_timestamp =
        age.map(|age| serde_yaml::from_str(&format!("2020-01-01T00:00:0{age}Z")).unwrap());
    object
}

fn named(objects: Vec<Object>) -> Vec<Object> {
    let mut objects = objects;
    for (at, object) in objects.iter_mut().enumerate() {
        object.metadata.name = format!("o{at}");
    }
    objects
}

fn virtual_services() -> impl Strategy<Value = Vec<Object>> {
    let hosts = select(vec!["x", "x.a.svc.cluster.local", "a.io", "A.io", "*.io", "b.a.io", "*.a.io", "*"]);
    let hosts = vec(hosts.prop_map(str::to_owned), 0..3);
    let gateways = vec(select(vec!["mesh", "edge"]).prop_map(str::to_owned), 0..2);
    let one =
        (metadata(), hosts, gateways, export_to()).prop_map(|(metadata, hosts, gateways, export_to)| {
            let mut spec = VirtualService::default();
            (spec.hosts, spec.gateways, spec.export_to) = (hosts, gateways, export_to);
            object(metadata, spec)
        });
    vec(one, 0..8).prop_map(named)
}

fn gateways() -> impl Strategy<Value = Vec<Object>> {
    let selector = btree_map(select(vec!["k", "l"]), select(vec!["v", "w"]), 0..2);
    let host = select(vec!["a.io", "A.io", "*/a.io", "./a.io", "b/a.io", "*"]).prop_map(str::to_owned);
    let protocol = select(vec!["HTTP", "HTTP", "HTTPS", "HTTPS", "TCP"]);
    let server = (select(vec![80, 443]), select(vec!["", "::"]), vec(host, 0..3), protocol, any::<bool>());
    let server = server.prop_map(|(number, bind, hosts, protocol, tls)| {
        let (mut server, mut port) = (Server::default(), Port::default());
        server.tls = tls.then(ServerTlsSettings::default);
        (port.number, port.protocol) = (number, protocol.to_owned());
        (server.bind, server.hosts, server.port) = (bind.to_owned(), hosts, Some(port));
        server
    });
    let one = (metadata(), selector, vec(server, 0..3)).prop_map(|(metadata, selector, servers)| {
        let mut spec = Gateway::default();
        spec.selector = selector.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        spec.servers = servers;
        object(metadata, spec)
    });
    vec(one, 0..6).prop_map(named)
}

fn service_entries() -> impl Strategy<Value = Vec<Object>> {
    let hosts = vec(select(vec!["a.io", "A.io", "b.io"]).prop_map(str::to_owned), 0..3);
    let port = (select(vec![80, 443]), select(vec!["HTTP", "http", "TLS", "TCP", "", "odd"]));
    let port = port.prop_map(|(number, protocol)| {
        let mut port = ServicePort::default();
        (port.number, port.protocol) = (number, protocol.to_owned());
        port
    });
    let one =
        (metadata(), hosts, vec(port, 0..3), export_to()).prop_map(|(metadata, hosts, ports, export_to)| {
            let mut spec = ServiceEntry::default();
            (spec.hosts, spec.ports, spec.export_to, spec.resolution) =
                (hosts, ports, export_to, Resolution::Dns);
            object(metadata, spec)
        });
    vec(one, 0..8).prop_map(named)
}

/// The namespaces that see an object; all of them for `None`.
fn seers(object: &Object, list: &[String]) -> Option<BTreeSet<String>> {
    if is_public(list) {
        return None;
    }
    if list.iter().any(|entry| entry == "~") {
        return Some(BTreeSet::new());
    }
    let own = &object.metadata.namespace;
    Some(list.iter().map(|entry| if entry == "." { own } else { entry }.clone()).collect())
}

/// Hosts of VirtualServices for sidecars that another one has in some namespace, and those that a wildcard covers.
fn shared_hosts(objects: &[Object]) -> Found {
    let spec = |at: usize| objects[at].as_virtual_service().unwrap();
    let mesh = |at: usize| spec(at).gateways.is_empty() || spec(at).gateways.contains(&"mesh".to_owned());
    let full = |at: usize, host: &str| {
        full_name(host, &objects[at].metadata.namespace, "cluster.local").to_ascii_lowercase()
    };
    let hosts = |at: usize| -> Vec<String> { spec(at).hosts.iter().map(|host| full(at, host)).collect() };
    let seers = |at: usize| seers(&objects[at], &spec(at).export_to);
    let mut out = Found::new();
    for namespace in NAMESPACES.iter().chain(&["elsewhere"]) {
        // In the order of MODEL-RES-13: private, by name, public.
        let rank = |at: usize| match seers(at) {
            None => Some(2),
            Some(seers) if !seers.contains(*namespace) => None,
            Some(seers) if seers.len() == 1 && objects[at].metadata.namespace == *namespace => Some(0),
            Some(_) => Some(1),
        };
        let mut used: Vec<usize> =
            by_age(objects).into_iter().filter(|at| mesh(*at) && rank(*at).is_some()).collect();
        used.sort_by_key(|at| rank(*at));
        for (place, at) in used.iter().enumerate() {
            for (number, host) in hosts(*at).iter().enumerate() {
                if used[..place].iter().any(|first| hosts(*first).contains(host)) {
                    out.insert((*at, format!("spec.hosts[{number}]"), Severity::Error));
                }
            }
        }
    }
    for at in 0..objects.len() {
        for (number, host) in hosts(at).iter().enumerate() {
            let path = format!("spec.hosts[{number}]");
            let wider = |other: usize| {
                // One is for everybody, the other for some.
                let scopes = match (seers(at), seers(other)) {
                    (None, Some(some)) | (Some(some), None) => !some.is_empty(),
                    _ => false,
                };
                let wide = |other: &String| other != host && is_subset_of(host, other);
                mesh(other) && scopes && hosts(other).iter().any(wide)
            };
            let told = out.contains(&(at, path.clone(), Severity::Error));
            if mesh(at) && !told && (0..objects.len()).any(wider) {
                out.insert((at, path, Severity::Info));
            }
        }
    }
    out
}

/// A server, with what became of it.
struct Placed<'o> {
    gateway: usize,
    number: usize,
    server: &'o Server,
    hosts: Vec<ServerHost>,
    purpose: &'static str,
    /// A host with `tls` was there already.
    repeated: bool,
    fits: bool,
}

/// What a server does with its port; `None` for HTTPS without `tls`.
fn purpose(server: &Server) -> Option<&'static str> {
    match (&*server.port.as_ref().unwrap().protocol, server.tls.is_some()) {
        ("HTTP", _) => Some("HTTP"),
        ("HTTPS", false) => None,
        (_, true) => Some("TLS"),
        _ => Some("TCP"),
    }
}

/// Servers placed one after the other, for each selector alone.
fn shared_servers(objects: &[Object]) -> Found {
    let spec = |at: usize| objects[at].as_gateway().unwrap();
    let selectors: BTreeSet<_> = (0..objects.len()).map(|at| &spec(at).selector).collect();
    let mut out = Found::new();
    for selector in selectors {
        let mut placed: Vec<Placed<'_>> = Vec::new();
        for at in by_age(objects).into_iter().filter(|at| spec(*at).selector == *selector) {
            for (number, server) in spec(at).servers.iter().enumerate() {
                let Some(purpose) = purpose(server) else { continue };
                let mut hosts = server_hosts(&server.hosts, &objects[at].metadata.namespace);
                for host in &mut hosts {
                    host.host.make_ascii_lowercase();
                }
                placed.push(Placed {
                    gateway: at,
                    number,
                    server,
                    hosts,
                    purpose,
                    repeated: false,
                    fits: true,
                });
                place(&mut placed, &mut out);
            }
        }
    }
    out
}

/// Decides about the last one.
fn place(placed: &mut [Placed<'_>], out: &mut Found) {
    let (new, older) = placed.split_last_mut().unwrap();
    let port = |server: &Server| (server.port.as_ref().unwrap().number, server.bind.clone());
    let same = || older.iter().filter(|other| port(other.server) == port(new.server));
    let mut tell = |other: &Placed<'_>, field: String, severity: Severity| {
        if other.gateway != new.gateway {
            out.insert((new.gateway, format!("spec.servers[{}].{field}", new.number), severity));
        }
    };
    if new.server.tls.is_some() {
        for (host, name) in new.hosts.iter().enumerate() {
            let secured = |other: &&Placed<'_>| other.server.tls.is_some() && !other.repeated;
            if let Some(other) = same().filter(secured).find(|other| other.hosts.contains(name)) {
                new.repeated = true;
                tell(other, format!("hosts[{host}]"), Severity::Error);
            }
        }
        if new.repeated {
            return;
        }
    }
    let Some(first) = same().find(|other| !other.repeated) else { return };
    new.fits = first.purpose == new.purpose && (new.purpose != "TCP" || first.gateway == new.gateway);
    let mut shares = false;
    for (host, name) in new.hosts.iter().enumerate() {
        let owner =
            same().filter(|other| !other.repeated && other.fits).find(|other| other.hosts.contains(name));
        if let Some(owner) = owner.filter(|_| !new.fits || new.purpose == "HTTP") {
            shares |= owner.gateway != new.gateway;
            tell(owner, format!("hosts[{host}]"), if new.fits { Severity::Info } else { Severity::Error });
        }
    }
    if !new.fits && !shares {
        tell(first, "port".to_owned(), Severity::Warning);
    }
}

/// Ports of entries for which an older entry has another protocol under the same host.
fn other_protocols(objects: &[Object]) -> Found {
    let spec = |at: usize| objects[at].as_service_entry().unwrap();
    let protocol = |port: &ServicePort| port.protocol.to_ascii_uppercase();
    let mut out = Found::new();
    for (older, newer) in pairs(objects) {
        let lower = |at: usize| -> BTreeSet<String> {
            spec(at).hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
        };
        let seen =
            see_both((&objects[older], &spec(older).export_to), (&objects[newer], &spec(newer).export_to));
        if !seen || lower(older).is_disjoint(&lower(newer)) {
            continue;
        }
        for (number, port) in spec(newer).ports.iter().enumerate() {
            let other = |other: &ServicePort| {
                let odd = [protocol(other), protocol(port)].contains(&"ODD".to_owned());
                other.number == port.number && protocol(other) != protocol(port) && !odd
            };
            if spec(older).ports.iter().any(other) {
                out.insert((newer, format!("spec.ports[{number}].protocol"), Severity::Warning));
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn virtual_services_agree_with_pairs_model_ana_10(objects in virtual_services()) {
        prop_assert_eq!(found(&objects, "MODEL-ANA-10"), shared_hosts(&objects));
    }

    #[test]
    fn gateways_agree_with_pairs_model_ana_18(objects in gateways()) {
        prop_assert_eq!(found(&objects, "MODEL-ANA-18"), shared_servers(&objects));
    }

    #[test]
    fn service_entries_agree_with_pairs_model_ana_20(objects in service_entries()) {
        prop_assert_eq!(found(&objects, "MODEL-ANA-20"), other_protocols(&objects));
    }
}

/// Every object refers to others, and many to the same ones: a pairwise comparison would not end.
#[test]
fn many_objects_that_share_hosts_are_analyzed() {
    let mut text = String::new();
    for number in 0..1_500 {
        let namespace = number % 50;
        let _ = write!(
            text,
            "
---
apiVersion: v1
kind: Service
metadata: {{name: s{number}, namespace: n{namespace}}}
spec: {{selector: {{app: s{number}, team: all}}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p{number}, namespace: n{namespace}, labels: {{app: s{number}, team: all, version: v1}}}}
spec: {{containers: [{{name: app}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: d{number}, namespace: n{namespace}}}
spec: {{host: s{number}, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: w{number}, namespace: n{namespace}}}
spec: {{host: '*.local', trafficPolicy: {{outlierDetection: {{}}}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e{number}, namespace: n{namespace}}}
spec: {{hosts: [db.example.com], ports: [{{number: 80, name: tcp, protocol: TCP}}], resolution: NONE, exportTo: [.]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g{number}, namespace: n{namespace}}}
spec:
  selector: {{istio: ingressgateway, n: x{namespace}}}
  servers:
  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: ['*.example.com'], tls: {{mode: SIMPLE, credentialName: all}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v{number}, namespace: n{namespace}}}
spec:
  hosts: [same.example.com, '*.example.com', s{number}]
  gateways: [g{number}, mesh]
  http: [{{route: [{{destination: {{host: s{number}, subset: v3}}}}]}}]
"
        );
    }
    let mut options = mesh_model::Options::default();
    options.validate = false;
    let loaded = mesh_model::load([mesh_model::Source::new("many.yaml", &text)], &options);
    assert_eq!(loaded.objects.len(), 10_500);
    let found = analyze(&loaded.objects);
    assert!(found.len() > 10_000, "{}", found.len());
}
