//! Which DestinationRule applies, and what it says (sections 6.4 and 6.5).

use super::{in_mesh, labels, object, sidecar};
use crate::MeshConfig;
use crate::common::SimpleLb;
use crate::resolve::{PolicyView, Proxy, ResourceSet};

fn rule(namespace: &str, name: &str, day: u8, host: &str, more: &str) -> String {
    object("DestinationRule", namespace, name, day, &format!("{{host: '{host}'{more}}}"))
}

fn set(rules: &[String]) -> ResourceSet {
    let mesh = MeshConfig { root_namespace: "root".to_owned(), ..MeshConfig::default() };
    in_mesh(rules, mesh)
}

/// The names of the rules that `client` uses for `a.owner.svc.cluster.local`.
fn used(set: &ResourceSet, client: &Proxy) -> Vec<String> {
    let found = set.destination_rule(client, "A.owner.svc.cluster.local", "owner");
    found.map_or_else(Vec::new, |view| view.sources.iter().map(|source| source.name.clone()).collect())
}

const HOST: &str = "a.owner.svc.cluster.local";

/// The client's namespace, the service's, the root namespace.
#[test]
fn three_stages_model_res_18() {
    let own = rule("client", "own", 1, HOST, "");
    let owners = rule("owner", "owners", 1, "a", "");
    let roots = rule("root", "roots", 1, "*.local", "");
    for (rules, client, want) in [
        (&[&own, &owners, &roots][..], "client", &["own"][..]),
        (&[&own, &owners, &roots], "other", &["owners"]),
        (&[&own, &roots], "other", &["roots"]),
        (&[&own], "other", &[]),
        (&[&owners], "owner", &["owners"]),
        // In the root namespace only its private rules come first.
        (&[&owners, &roots], "root", &["owners"]),
        (&[&roots], "root", &["roots"]),
    ] {
        let rules: Vec<String> = rules.iter().map(|text| (*text).clone()).collect();
        assert_eq!(used(&set(&rules), &sidecar(client)), want, "{client}");
    }
    let private = rule("root", "private", 2, HOST, ", exportTo: ['.']");
    let found = set(&[owners.clone(), roots.clone(), private]);
    assert_eq!(used(&found, &sidecar("root")), ["private"]);
    assert_eq!(used(&found, &sidecar("client")), ["owners"]);
    // Of the most specific host none is exported to the client: the stage yields nothing.
    let hidden = rule("owner", "hidden", 1, HOST, ", exportTo: [friend]");
    let wide = rule("owner", "wide", 1, "*.local", "");
    let found = set(&[hidden, wide, roots]);
    assert_eq!(used(&found, &sidecar("client")), ["roots"]);
    assert_eq!(used(&found, &sidecar("friend")), ["hidden"]);
}

/// A wildcard of the client shadows the owner's exact rule.
#[test]
fn a_wildcard_of_the_client_model_res_19() {
    for wildcard in ["*", "*.local", "*.svc.cluster.local"] {
        let found = set(&[rule("client", "wild", 1, wildcard, ""), rule("owner", "exact", 1, "a", "")]);
        assert_eq!(used(&found, &sidecar("client")), ["wild"], "{wildcard}");
    }
    // Inside one namespace the more specific host counts.
    let found = set(&[rule("client", "wild", 1, "*.local", ""), rule("client", "exact", 2, HOST, "")]);
    assert_eq!(used(&found, &sidecar("client")), ["exact"]);
    let found = set(&[rule("client", "wild", 1, "*", ""), rule("client", "long", 2, "*.cluster.local", "")]);
    assert_eq!(used(&found, &sidecar("client")), ["long"]);
}

#[test]
fn a_gateway_asks_from_its_own_namespace_model_res_20() {
    let found = set(&[
        rule("pods", "pods", 1, HOST, ""),
        rule("infra", "infra", 1, HOST, ""),
        rule("owner", "owners", 1, "a", ""),
    ]);
    let gateway = |namespace: &str| Proxy::gateway(namespace, labels(&[]));
    assert_eq!(used(&found, &gateway("pods")), ["pods"]);
    assert_eq!(used(&found, &gateway("elsewhere")), ["owners"]);
}

fn subset(name: &str, version: &str) -> String {
    format!("{{name: {name}, labels: {{version: {version}}}}}")
}

/// Rules for one host: subsets are united, the first policy stays whole.
#[test]
fn merging_model_res_21() {
    let with = |name: &str, day: u8, subsets: &[String], more: &str| {
        rule("owner", name, day, "a", &format!(", subsets: [{}]{more}", subsets.join(", ")))
    };
    let policy = |simple: &str| format!(", trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}");
    let found = set(&[
        with("third", 3, &[subset("s3", "v3")], &policy("RANDOM")),
        with("first", 1, &[subset("s1", "v1"), subset("s1", "twice")], ""),
        with("second", 2, &[subset("s1", "other"), subset("s2", "v2")], &policy("ROUND_ROBIN")),
    ]);
    let view = found.destination_rule(&sidecar("client"), HOST, "owner").expect("a rule");
    assert_eq!(used(&found, &sidecar("client")), ["first", "second", "third"]);
    let subsets: Vec<_> =
        view.subsets.iter().map(|subset| (subset.name.as_str(), subset.labels["version"].as_str())).collect();
    assert_eq!(subsets, [("s1", "v1"), ("s2", "v2"), ("s3", "v3")]);
    let load_balancer = view.traffic_policy.as_ref().and_then(|policy| policy.load_balancer.clone());
    assert_eq!(load_balancer.and_then(|found| found.simple), Some(SimpleLb::RoundRobin));
    // Other exports: a narrower one stays apart, a wider one is merged and also kept.
    let public = with("public", 1, &[subset("p", "v1")], "");
    let narrow = with("narrow", 2, &[subset("n", "v1")], ", exportTo: [client]");
    let found = set(&[public.clone(), narrow.clone()]);
    assert_eq!(used(&found, &sidecar("client")), ["public"]);
    let found = set(&[narrow.replace("-02T", "-01T"), public.replace("-01T", "-02T")]);
    assert_eq!(used(&found, &sidecar("client")), ["narrow", "public"]);
    assert_eq!(used(&found, &sidecar("other")), ["public"]);
    // Another selector, another rule.
    let selecting =
        with("selecting", 9, &[subset("x", "v1")], ", workloadSelector: {matchLabels: {app: me}}");
    let found = set(&[public, selecting]);
    assert_eq!(used(&found, &sidecar("owner")), ["selecting"]);
}

/// A rule whose selector fits the client wins in the client's namespace, whatever its age.
#[test]
fn selectors_model_res_22() {
    let selecting = |name: &str, app: &str| {
        rule("owner", name, 9, "a", &format!(", workloadSelector: {{matchLabels: {{app: {app}}}}}"))
    };
    let plain = rule("owner", "plain", 1, "a", "");
    for (rules, client, want) in [
        (&[selecting("mine", "me"), plain.clone()][..], "owner", &["mine"][..]),
        (&[selecting("others", "other"), plain.clone()], "owner", &["plain"]),
        (&[selecting("mine", "me"), plain.clone()], "client", &["plain"]),
        (&[selecting("others", "other")], "owner", &[]),
    ] {
        assert_eq!(used(&set(rules), &sidecar(client)), want, "{rules:?}");
    }
}

fn blocks(view: PolicyView<'_>) -> (Option<SimpleLb>, bool, bool, bool) {
    (
        view.load_balancer.and_then(|found| found.simple),
        view.connection_pool.is_some(),
        view.outlier_detection.is_some(),
        view.tls.is_some(),
    )
}

/// Port and subset: what replaces what (MODEL-RES-23, MODEL-RES-24).
#[test]
fn composition_model_res_23_24() {
    let found = set(&[rule(
        "owner",
        "a",
        1,
        "a",
        ", trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 1}}, tunnel: \
         {targetHost: t, targetPort: 1}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}, subsets: \
         [{name: plain}, {name: own, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}, {name: port, trafficPolicy: \
         {loadBalancer: {simple: ROUND_ROBIN}, portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]}}]",
    )]);
    let view = found.destination_rule(&sidecar("client"), HOST, "owner").expect("a rule");
    let (random, round_robin) = (Some(SimpleLb::Random), Some(SimpleLb::RoundRobin));
    for (port, subset, want, tunnel) in [
        (81, None, (random, true, false, false), true),
        // The port's entry replaces all; what it omits has its default.
        (80, None, (None, false, true, false), false),
        (81, Some("plain"), (random, true, false, false), true),
        (80, Some("plain"), (None, false, true, false), false),
        (81, Some("own"), (round_robin, true, false, false), true),
        (80, Some("own"), (round_robin, false, true, false), false),
        // The subset's entry for the port replaces all four blocks.
        (80, Some("port"), (None, false, false, true), false),
        (81, Some("port"), (round_robin, true, false, false), true),
        (81, Some("nosuch"), (random, true, false, false), true),
    ] {
        let policy = view.policy(port, subset);
        assert_eq!(
            (blocks(policy), policy.tunnel.is_some()),
            (want, tunnel),
            "port {port}, subset {subset:?}"
        );
    }
}

/// What the mesh says stands in for blocks that the rule leaves out: a part of MODEL-RES-26.
#[test]
fn defaults_of_the_mesh() {
    let (mesh, diagnostics) = crate::mesh_config(
        "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}, outlierDetection: {}}",
    );
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let text = rule("owner", "a", 1, "a", ", trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}");
    let found = in_mesh(&[text], mesh);
    let view = found.destination_rule(&sidecar("client"), HOST, "owner");
    let limit = |policy: PolicyView<'_>| {
        policy.connection_pool.and_then(|pool| pool.tcp.as_ref()).map(|tcp| tcp.max_connections)
    };
    let of_rule = found.effective_policy(view, 80, None);
    assert_eq!((limit(of_rule), of_rule.outlier_detection.is_some()), (Some(1), true));
    assert_eq!(limit(found.effective_policy(None, 80, None)), Some(7));
}
