//! From match blocks to routes (section 3 of the route reference).

use mesh_proxy_core::snapshot::Role;

use crate::world::{World, check, gateway, service, sidecar, to, virtual_service};

/// A sidecar's listener on port 80 with services a to c and one VirtualService for `m`.
fn world(rules: &str) -> World {
    World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        ["a", "b", "c", "m"].map(|name| service("default", name, "80")).concat(),
        virtual_service("m", &format!("  hosts: [m]\n  http:\n{rules}")),
    ])
}

fn rule(block: &str, host: &str) -> String {
    format!("  - match: [{{{block}}}]\n    {}\n", to(host))
}

#[test]
fn prefixes_in_order_route_case_20() {
    let (long, short) =
        (rule("uri: {prefix: /service/api/public/}", "b"), rule("uri: {prefix: /service/}", "a"));
    check(
        "ROUTE-CASE-20, ROUTE-MATCH-01",
        |request| world(&[long.clone(), short.clone()].concat()).mesh(request),
        &[
            ("m/service/api/public/t", "|80|b.default"),
            ("m/service/dashboard", "|80|a.default"),
            ("m/service", "404"),
        ],
    );
    let swapped = world(&[short, long].concat());
    assert_eq!(swapped.mesh("m/service/api/public/t"), "|80|a.default", "ROUTE-CASE-20");
}

#[test]
fn paths_route_case_21_22_24() {
    check(
        "ROUTE-CASE-21",
        |request| world(&rule("uri: {prefix: /pfx}", "a")).mesh(request),
        &[("m/pfxx", "|80|a.default"), ("m/PFX", "404")],
    );
    let folded = world(&rule("uri: {prefix: /pfx}, ignoreUriCase: true", "a"));
    assert_eq!(folded.mesh("m/PFX"), "|80|a.default", "ROUTE-CASE-21, ROUTE-MATCH-14");
    check(
        "ROUTE-CASE-22",
        |request| world(&rule("uri: {exact: /e}", "a")).mesh(request),
        &[("m/e?a=1", "|80|a.default"), ("m/e?", "|80|a.default"), ("m/e/", "404")],
    );
    check(
        "ROUTE-CASE-23",
        |request| world(&rule("uri: {exact: '/lq?x=1'}", "a")).mesh(request),
        &[("m/lq?x=1", "404")],
    );
    check(
        "ROUTE-CASE-24",
        |request| world(&rule("uri: {regex: '/rx/[0-9]+'}", "a")).mesh(request),
        &[("m/rx/12?q", "|80|a.default"), ("m/rx/12a", "404"), ("m/a/rx/12", "404")],
    );
    assert_eq!(world(&rule("uri: {regex: '/a|/b'}", "a")).mesh("m/ab"), "404", "ROUTE-CASE-24");
}

#[test]
fn every_field_of_a_block_route_match_02() {
    let block = "uri: {prefix: /x}, method: {exact: GET}, scheme: {exact: http}, authority: {prefix: m}, headers: \
                 {x-a: {exact: '1'}}, withoutHeaders: {x-b: {}}, queryParams: {q: {regex: '[0-9]+'}}";
    check(
        "ROUTE-MATCH-02, ROUTE-MATCH-20, ROUTE-MATCH-25, ROUTE-MATCH-43",
        |request| world(&rule(block, "a")).mesh(request),
        &[
            ("m/x?q=1 x-a:1", "|80|a.default"),
            ("m/y?q=1 x-a:1", "404"),
            ("m/x?q=z x-a:1", "404"),
            ("m/x?q=1 x-a:2", "404"),
            ("m/x?q=1 x-a:1 x-b:", "404"),
            ("m/x?q=1", "404"),
        ],
    );
    for other in ["method: {exact: POST}", "scheme: {exact: https}", "authority: {exact: M}"] {
        assert_eq!(world(&rule(other, "a")).mesh("m/"), "404", "{other}");
    }
}

#[test]
fn nothing_comes_after_a_catch_all_route_case_25() {
    let rules = [rule("uri: {regex: '.*'}", "a"), rule("uri: {prefix: /v2}", "b")].concat();
    let found = world(&rules);
    assert_eq!(found.mesh("m/v2"), "|80|a.default", "ROUTE-CASE-25");
    let host = found.listener(Role::Sidecar).routes.virtual_host("m").unwrap();
    assert_eq!(host.rules().len(), 1, "ROUTE-MATCH-05");
    // A condition on anything else makes it an ordinary route, and so does an unusual spelling.
    for block in ["uri: {prefix: /}, method: {exact: GET}", "uri: {regex: '/.*'}", "queryParams: {q: {}}"] {
        let rules = [rule(block, "a"), rule("uri: {prefix: /v2}", "b")].concat();
        let found = world(&rules);
        let host = found.listener(Role::Sidecar).routes.virtual_host("m").unwrap();
        assert_eq!(host.rules().len(), 2, "ROUTE-MATCH-06: {block}");
    }
}

/// With `gateways` in a block, labels and namespace are not looked at.
#[test]
fn static_conditions_route_case_26_37() {
    for (block, applies) in [
        ("gateways: [mesh], sourceLabels: {app: other}", true),
        ("gateways: [mesh], sourceNamespace: other", true),
        ("gateways: [door]", false),
        ("sourceLabels: {app: other}", false),
        ("sourceLabels: {app: me}", true),
        ("sourceNamespace: other", false),
        ("sourceNamespace: default", true),
        ("port: 80", true),
        ("port: 8080", false),
    ] {
        let rules = [rule(block, "a"), rule("uri: {prefix: /}", "b")].concat();
        let want = if applies { "|80|a.default" } else { "|80|b.default" };
        assert_eq!(world(&rules).mesh("m/"), want, "ROUTE-CASE-26, ROUTE-CASE-37: {block}");
    }
}

/// A gateway filters by its own pod's labels and by its own name.
#[test]
fn static_conditions_at_a_gateway_route_match_03_04() {
    for (block, applies) in [
        ("gateways: [door]", true),
        ("gateways: [mesh]", false),
        ("sourceLabels: {istio: ingressgateway}", true),
        ("sourceLabels: {app: me}", false),
        ("port: 80", true),
        ("port: 81", false),
    ] {
        let found = World::new(&[
            gateway("m.example.com"),
            service("default", "a", "80"),
            virtual_service(
                "m",
                &format!(
                    "  hosts: [m.example.com]\n  gateways: [mesh, door]\n  http:\n{}",
                    rule(&format!("{block}, uri: {{prefix: /x}}"), "a")
                ),
            ),
        ]);
        assert_eq!(found.door("m.example.com/x"), if applies { "|80|a.default" } else { "404" }, "{block}");
    }
}

#[test]
fn route_names_route_match_07() {
    let named = |rules: &str| {
        let found = world(rules);
        let head = mesh_route::RequestHead::new("GET", "m", "/", &mesh_route::NoHeaders);
        let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
        lookup.route().unwrap().action.name.to_string()
    };
    let block =
        |name: &str| format!("  - match: [{{name: block, uri: {{prefix: /}}}}]\n    {name}{}", to("a"));
    assert_eq!(named(&block("name: rule\n    ")), "rule.block");
    assert_eq!(named(&block("")), ".block");
    assert_eq!(named(&format!("  - name: rule\n    {}", to("a"))), "rule");
    assert_eq!(named(&format!("  - {}", to("a"))), "");
}

/// A pattern that RE2 refuses costs the whole VirtualService, and the service's default route takes over.
#[test]
fn a_bad_pattern_route_rx_08() {
    let found = World::tolerant(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "m", "80"),
        virtual_service(
            "m",
            &format!(
                "  hosts: [m]\n  http:\n{}{}",
                rule("uri: {prefix: /ok}", "nowhere"),
                rule("headers: {x-a: {regex: 'a**'}}", "m")
            ),
        ),
    ]);
    assert_eq!(found.mesh("m/ok"), "|80|m.default");
    assert!(found.says(&["error", "VirtualService default/m"]), "{:?}", found.issues());
}
