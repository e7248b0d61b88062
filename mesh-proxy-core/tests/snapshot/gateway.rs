//! Hosts, merging and ports at a gateway (section 1.5 of the route reference).

use mesh_proxy_core::snapshot::{Context, ProxyIdentity};

use crate::world::{World, check, dated, gateway, istio, service, to, virtual_service};

fn bound(hosts: &str, rules: &str) -> String {
    format!("  hosts: [{hosts}]\n  gateways: [door]\n  http:\n{rules}")
}

fn prefix(path: &str, host: &str) -> String {
    format!("  - match: [{{uri: {{prefix: {path}}}}}]\n    {}\n", to(host))
}

fn services() -> [String; 2] {
    [service("default", "a", "80"), service("default", "b", "80")]
}

/// A rule without conditions moves behind the rules of newer VirtualServices.
#[test]
fn catch_alls_move_to_the_end_route_case_08() {
    let parts = [
        services().concat(),
        gateway("a.example.com"),
        dated(
            "VirtualService",
            "default",
            "older",
            "2020-01-01",
            &bound("a.example.com", &format!("  - {}", to("a"))),
        ),
        dated(
            "VirtualService",
            "default",
            "newer",
            "2021-01-01",
            &bound("a.example.com", &prefix("/b", "b")),
        ),
    ];
    check(
        "ROUTE-CASE-08, ROUTE-APPLY-43",
        |request| World::new(&parts).door(request),
        &[("a.example.com/b", "|80|b.default"), ("a.example.com/c", "|80|a.default")],
    );
}

#[test]
fn hosts_merge_by_their_text_only_route_case_09() {
    let parts = [
        services().concat(),
        gateway("'*.example.com'"),
        virtual_service("wild", &bound("'*.example.com'", &prefix("/", "a"))),
        virtual_service("exact", &bound("a.example.com", &prefix("/x", "b"))),
    ];
    check(
        "ROUTE-CASE-09, ROUTE-APPLY-42",
        |request| World::new(&parts).door(request),
        &[
            ("a.example.com/x", "|80|b.default"),
            ("a.example.com/y", "404"),
            ("b.example.com/y", "|80|a.default"),
        ],
    );
}

#[test]
fn a_namespace_before_the_host_route_case_16() {
    let rule = bound("a.example.com", &prefix("/", "a.default.svc.cluster.local"))
        .replace("[door]", "[default/door]");
    for (namespace, want) in [("ns1", "|80|a.default"), ("ns2", "404")] {
        let parts = [
            services().concat(),
            gateway("'ns1/*.example.com'"),
            istio("VirtualService", namespace, "a", &rule),
        ];
        assert_eq!(
            World::new(&parts).door("a.example.com"),
            want,
            "ROUTE-CASE-16, ROUTE-APPLY-39: {namespace}"
        );
    }
}

#[test]
fn the_narrower_host_is_kept_route_case_17_18() {
    let parts = [
        services().concat(),
        gateway("'*.example.com'"),
        virtual_service("any", &bound("'*'", &prefix("/", "a"))),
    ];
    check(
        "ROUTE-CASE-17, ROUTE-CASE-18, ROUTE-APPLY-40",
        |request| World::new(&parts).door(request),
        &[("x.example.com", "|80|a.default"), ("example.com", "404")],
    );
    let parts = [
        services().concat(),
        gateway("a.example.com"),
        virtual_service("a", &bound("a.example.com", &prefix("/", "a"))),
    ];
    check(
        "ROUTE-CASE-18",
        |request| World::new(&parts).door(request),
        &[
            ("a.example.com", "|80|a.default"),
            ("a.example.com.", "404"),
            ("A.Example.com:81", "|80|a.default"),
        ],
    );
}

#[test]
fn who_is_bound_route_apply_01_02_04_07() {
    let rule = |gateways: &str| {
        format!("  hosts: [a.example.com]\n  gateways: [{gateways}]\n  http:\n  - {}", to("a"))
    };
    for (gateways, want) in [
        ("door", "|80|a.default"),
        ("default/door", "|80|a.default"),
        ("door.default.svc.cluster.local", "|80|a.default"),
        ("mesh", "404"),
        ("other/door", "404"),
    ] {
        let parts = [services().concat(), gateway("a.example.com"), virtual_service("a", &rule(gateways))];
        assert_eq!(World::new(&parts).door("a.example.com"), want, "{gateways}");
    }
    // Match blocks can only narrow.
    let narrowed = format!(
        "  hosts: [a.example.com]\n  gateways: [mesh]\n  http:\n  - match: [{{gateways: [door]}}]\n    {}",
        to("a")
    );
    let parts = [services().concat(), gateway("a.example.com"), virtual_service("a", &narrowed)];
    assert_eq!(World::new(&parts).door("a.example.com"), "404", "ROUTE-APPLY-04");
}

#[test]
fn which_gateways_are_served_route_apply_03() {
    let other = gateway("a.example.com").replace("istio: ingressgateway", "istio: egressgateway");
    let parts =
        [services().concat(), other, virtual_service("a", &bound("a.example.com", &prefix("/", "a")))];
    assert!(World::new(&parts).compiled.snapshot.listeners().is_empty());
}

#[test]
fn servers_of_a_port_share_a_table_route_apply_45_47() {
    let second = gateway("b.example.com").replace("name: door", "name: window");
    let both = "  hosts: ['*.example.com']\n  gateways: [door, window]\n  http:\n  - route: [{destination: {host: a}}]";
    let parts = [services().concat(), gateway("a.example.com"), second, virtual_service("both", both)];
    let world = World::new(&parts);
    check(
        "ROUTE-APPLY-45",
        |request| world.door(request),
        &[("a.example.com", "|80|a.default"), ("b.example.com", "|80|a.default"), ("c.example.com", "404")],
    );
    // Without any VirtualService there still is a listener, and it answers 404.
    let empty = World::new(&[gateway("a.example.com")]);
    assert_eq!(empty.door("a.example.com"), "404", "ROUTE-APPLY-47");
}

#[test]
fn https_redirect_route_apply_48() {
    let redirecting =
        |hosts: &str| gateway(hosts).replace("    hosts:", "    tls: {httpsRedirect: true}\n    hosts:");
    let rule = virtual_service("a", &bound("a.example.com", &prefix("/", "a")));
    let world = World::new(&[services().concat(), redirecting("a.example.com, b.example.com"), rule.clone()]);
    check(
        "ROUTE-APPLY-48, ROUTE-RDR-11",
        |request| world.door(request),
        &[
            ("a.example.com:80/x?y", "301 https://a.example.com:80/x?y"),
            ("b.example.com/", "301 https://b.example.com/"),
            ("c.example.com/", "404"),
        ],
    );
    // With a namespace in front, only hosts of a VirtualService redirect.
    let world =
        World::new(&[services().concat(), redirecting("default/a.example.com, default/b.example.com"), rule]);
    check(
        "ROUTE-APPLY-48",
        |request| world.door(request),
        &[("a.example.com/", "301 https://a.example.com/"), ("b.example.com/", "404")],
    );
}

#[test]
fn the_listening_port_is_the_target_port_route_apply_49() {
    let front = "---\napiVersion: v1\nkind: Service\nmetadata: {name: ingress, namespace: default}\nspec:\n  selector: \
                 {istio: ingressgateway}\n  ports: [{name: http, port: 80, targetPort: TARGET}]\n---\napiVersion: \
                 v1\nkind: Pod\nmetadata: {name: ingress, namespace: default, labels: {istio: \
                 ingressgateway}}\nspec: {containers: [{name: p, ports: [{name: web, containerPort: 8443}]}]}\n";
    let rules = format!(
        "  - match: [{{port: 80, uri: {{prefix: /80}}}}]\n    {}\n  - match: [{{port: 8080}}]\n    {}",
        to("a"),
        to("b")
    );
    for (target, want) in [("8080", 8080), ("web", 8443)] {
        let world = World::new(&[
            services().concat(),
            gateway("a.example.com"),
            virtual_service("a", &bound("a.example.com", &rules)),
            front.replace("TARGET", target),
        ]);
        assert_eq!(world.listener(mesh_proxy_core::snapshot::Role::Gateway).key.port, want);
        check(
            "ROUTE-APPLY-49",
            |request| world.door(request),
            &[("a.example.com/80", "|80|a.default"), ("a.example.com/x", "404")],
        );
    }
}

/// What is not served yet is said, and costs only itself.
#[test]
fn other_protocols_route_gw_01_02() {
    let mixed = istio(
        "Gateway",
        "default",
        "door",
        "  selector: {istio: ingressgateway}\n  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    \
         tls: {mode: SIMPLE, credentialName: c}\n    hosts: [a.example.com]\n  - port: {number: 9000, name: tcp, \
         protocol: TCP}\n    hosts: ['*']\n  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: \
         [a.example.com]\n  - port: {number: 8080, name: grpc, protocol: GRPC}\n    bind: 127.0.0.1\n    hosts: \
         [a.example.com]",
    );
    let later =
        gateway("a.example.com").replace("name: door", "name: later").replace("number: 80", "number: 443");
    let world = World::new(&[
        services().concat(),
        mixed,
        later,
        virtual_service("a", &bound("a.example.com", &prefix("/", "a"))),
    ]);
    let keys: Vec<_> =
        world.compiled.snapshot.listeners().iter().map(|listener| listener.key.to_string()).collect();
    assert_eq!(keys, ["0.0.0.0:80", "127.0.0.1:8080"]);
    assert!(world.says(&["warning", "Gateway default/door", "spec.servers[0].port", "HTTPS"]));
    assert!(world.says(&["warning", "Gateway default/door", "spec.servers[1].port", "TCP"]));
    assert!(world.says(&["warning", "Gateway default/later", "only one is TLS"]), "{:?}", world.issues());
}

/// Visibility is that of the gateway's pod.
#[test]
fn exports_are_seen_from_the_proxy_route_apply_07() {
    let rule = bound("a.example.com", &prefix("/", "a")).replace("  http:", "  exportTo: ['.']\n  http:");
    let parts = [services().concat(), gateway("a.example.com"), virtual_service("a", &rule)];
    assert_eq!(World::new(&parts).door("a.example.com"), "|80|a.default");
    let mut elsewhere = Context::default();
    elsewhere.gateway = Some(ProxyIdentity::new("istio-system").label("istio", "ingressgateway"));
    assert_eq!(World::of(&parts, &elsewhere).door("a.example.com"), "404");
}
