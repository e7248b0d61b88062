//! YAML in, connection, decision out: what the cases about `tls` and `tcp` rules ask with.

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{ConnectionAction, ConnectionDecision, Connections, Next, Role, connections};
use mesh_route::{Connection, sniff};

use crate::world::{context, istio};

/// What the proxy in `default` decides about connections. Findings of the loader fail the test.
pub(crate) fn compiled<S: AsRef<str>>(role: Role, parts: &[S]) -> Connections {
    let text: String = parts.iter().map(AsRef::as_ref).collect();
    let loaded = load([Source::new("case.yaml", &text)], &Options::default());
    assert!(!loaded.has_errors(), "{:#?}\n{text}", loaded.diagnostics);
    connections(&loaded.objects, &context("default"), role).unwrap()
}

/// The first bytes of an HTTP request, and of something else.
const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HTTP10: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const RAW: &[u8] = b"hello world\n";

/// The decision about `address:port what`: `http`, `http10`, `raw`, `tls` without server name, or `tls:<name>`, perhaps
/// followed by application protocols. A cluster is shown as `subset|port|host`, with `NC` or `UH`.
pub(crate) fn ask(found: &Connections, request: &str, draw: u64) -> String {
    let mut words = request.split(' ');
    let to = Connection::new(words.next().unwrap().parse().unwrap());
    let what = words.next().unwrap_or("raw");
    let protocols: Vec<&str> = words.collect();
    let connection = match what.split_once(':').unwrap_or((what, "")) {
        ("http", _) => to.sniffed(&sniff(HTTP)),
        ("http10", _) => to.sniffed(&sniff(HTTP10)),
        ("raw", _) => to.sniffed(&sniff(RAW)),
        ("tls", name) => to.tls(name).application_protocols(&protocols),
        _ => panic!("{request}"),
    };
    match found.decide(&connection) {
        ConnectionDecision::Refused => "refused".to_owned(),
        ConnectionDecision::Closed => "closed".to_owned(),
        ConnectionDecision::Taken { action, .. } => shown(found, action, draw),
    }
}

fn shown(found: &Connections, action: &ConnectionAction, draw: u64) -> String {
    let ends = action.terminates_tls.map(|client| format!("{client:?} ")).unwrap_or_default();
    let then = match &action.then {
        Next::Http(routes) => format!("http {routes}"),
        Next::Passthrough => "passthrough".to_owned(),
        Next::BlackHole => "blackhole".to_owned(),
        Next::Forward(forward) => {
            let destination = forward.destinations.pick(draw);
            let flag = match destination.cluster.map(|at| found.cluster(at).unwrap()) {
                None => " NC",
                Some(cluster) if cluster.endpoints.is_empty() => " UH",
                Some(_) => "",
            };
            let name = destination.cluster_name.strip_prefix("outbound|").unwrap();
            let (port, rest) = name.split_once('|').unwrap();
            let (subset, host) = rest.split_once('|').unwrap();
            format!("{subset}|{port}|{}{flag}", host.trim_end_matches(".svc.cluster.local"))
        }
        other => panic!("{other:?}"),
    };
    format!("{ends}{then}")
}

/// The chain's name.
pub(crate) fn chain(found: &Connections, connection: &Connection<'_>) -> String {
    match found.decide(connection) {
        ConnectionDecision::Taken { chain, .. } => chain.to_owned(),
        other => format!("{other:?}"),
    }
}

/// Whether a finding holds all of `words`.
pub(crate) fn says(found: &Connections, words: &[&str]) -> bool {
    found.issues.iter().map(ToString::to_string).any(|issue| words.iter().all(|word| issue.contains(word)))
}

/// A ServiceEntry in `default` with one static endpoint; `ports` as `443/TLS 80/HTTP`, `addresses` as YAML.
pub(crate) fn entry(name: &str, hosts: &str, addresses: &str, ports: &str) -> String {
    let port = |port: &str| {
        let (number, protocol) = port.split_once('/').unwrap();
        let protocol = if protocol.is_empty() { String::new() } else { format!(", protocol: {protocol}") };
        format!("  - {{number: {number}, name: p{number}{protocol}}}\n")
    };
    let ports: String = ports.split(' ').map(port).collect();
    istio(
        "ServiceEntry",
        "default",
        name,
        &format!(
            "  hosts: [{hosts}]\n  addresses: [{addresses}]\n  resolution: STATIC\n  location: MESH_EXTERNAL\n  \
             endpoints: [{{address: 192.0.2.1}}]\n  ports:\n{ports}"
        ),
    )
}

/// A Sidecar without listeners of its own that sets the outbound traffic policy.
pub(crate) fn policy(mode: &str) -> String {
    istio("Sidecar", "default", "default", &format!("  outboundTrafficPolicy: {{mode: {mode}}}"))
}
