//! Limits of what comes in, and who sees ServiceEntries where the mesh says so.

use super::{in_mesh, labels, object, service, set};
use crate::MeshConfig;
use crate::mesh_config::EntryVisibility;
use crate::networking::ServiceEntry;
use crate::resolve::{Proxy, ResourceSet};

const HOST: &str = "api.own.svc.cluster.local";

fn limit(set: &ResourceSet, server: &Proxy, port: u32, listener: u32) -> Option<i32> {
    let pool = set.inbound_connection_pool(server, HOST, "own", port, listener)?;
    Some(pool.tcp.as_ref().map_or(0, |tcp| tcp.max_connections))
}

#[test]
fn the_narrowest_pool_counts_whole_model_res_27() {
    let pool = |number: u32| format!("{{tcp: {{maxConnections: {number}}}}}");
    let rule = object(
        "DestinationRule",
        "own",
        "r",
        1,
        &format!(
            "{{host: api, trafficPolicy: {{connectionPool: {}, portLevelSettings: [{{port: {{number: 81}}, connectionPool: {}}}]}}}}",
            pool(1),
            pool(2)
        ),
    );
    let selective = object(
        "DestinationRule",
        "own",
        "clients",
        2,
        &format!(
            "{{host: api, workloadSelector: {{matchLabels: {{app: me}}}}, trafficPolicy: {{connectionPool: {}}}}}",
            pool(9)
        ),
    );
    let sidecar = |ingress: &str, all: &str| {
        object("Sidecar", "own", "s", 3, &format!("{{egress: [{{hosts: ['*/*']}}], {ingress}{all}}}"))
    };
    let listener = format!(
        "ingress: [{{port: {{number: 8080, protocol: HTTP, name: http}}, connectionPool: {}}}, {{port: {{number: 8081, protocol: HTTP, name: b}}}}], ",
        pool(3)
    );
    let all = format!("inboundConnectionPool: {}", pool(4));
    let me = Proxy::sidecar("own", labels(&[("app", "me")]));
    let base = [service("own", "api", ""), rule, selective];

    let only_rules = set(&base);
    assert_eq!(limit(&only_rules, &me, 80, 8080), Some(1), "the rule, and not the one for clients");
    assert_eq!(limit(&only_rules, &me, 81, 8080), Some(2), "its port");
    assert_eq!(limit(&set(&base[..1]), &me, 80, 8080), None, "no limit");

    let both = set(&[base.concat(), sidecar(&listener, &all)]);
    assert_eq!(limit(&both, &me, 80, 8080), Some(3), "the listener");
    assert_eq!(limit(&both, &me, 80, 8081), Some(4), "a listener without a pool");
    assert_eq!(limit(&both, &me, 80, 9000), Some(4), "a port without a listener");
    let gateway = Proxy::gateway("own", labels(&[("app", "me")]));
    assert_eq!(limit(&both, &gateway, 80, 8080), Some(1), "gateways have no Sidecar");
    let without = set(&[base.concat(), sidecar(&listener, "")]);
    assert_eq!(limit(&without, &me, 81, 8081), Some(2), "a Sidecar that says nothing of it");
}

#[test]
fn the_mesh_limits_who_sees_entries_model_res_12() {
    let mesh = |sidecars: bool| -> MeshConfig {
        crate::mesh_config(&format!(
            "
serviceEntryVisibility:
  defaultVisibility: NAMESPACE
  applyToSidecars: {sidecars}
  policies:
  - visibility: NONE
    matchingRules:
    - namespaceSelector: {{matchLabels: {{team: shady}}}}
    - namespaceSelector: {{matchLabels: {{env: test}}}}
  - visibility: PUBLIC
    matchingRules: [{{namespaceSelector: {{matchExpressions: [{{key: team, operator: Exists}}]}}}}]
  - visibility: PUBLIC
    matchingRules: [{{}}]
"
        ))
        .0
    };
    let entry = |namespace: &str, export: &str| {
        object(
            "ServiceEntry",
            namespace,
            "e",
            1,
            &format!(
                "{{hosts: [a.com], exportTo: [{export}], ports: [{{number: 80, name: http, protocol: HTTP}}]}}"
            ),
        )
    };
    let namespace = |name: &str, labels: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}\n"
        )
    };
    let seen = |apply: bool, labels: &str, export: &str| -> Vec<&str> {
        let set = in_mesh(&[namespace("own", labels), entry("own", export)], mesh(apply));
        let found = set.all::<ServiceEntry>().next().unwrap();
        let visibility = set.visibility(found.object);
        ["own", "friend", "stranger"].into_iter().filter(|name| visibility.includes(name)).collect()
    };
    let all = ["own", "friend", "stranger"];
    assert_eq!(seen(false, "", "'*'"), all, "sidecars are limited only when asked to");
    assert_eq!(seen(true, "", "'*'"), ["own"], "the default");
    assert_eq!(seen(true, "", "friend"), [""; 0], "a limit never shows more");
    assert_eq!(seen(true, "team: shop", "'*'"), all);
    assert_eq!(seen(true, "team: shop", "friend"), ["friend"]);
    assert_eq!(seen(true, "team: shady", "'*'"), all, "all rules of a policy must match");
    assert_eq!(seen(true, "team: shady, env: test", "'*'"), [""; 0]);
    let limits = mesh(true).service_entry_visibility.unwrap();
    assert_eq!(
        limits.of(&labels(&[("env", "test")])),
        EntryVisibility::Namespace,
        "a rule without a selector"
    );
}
