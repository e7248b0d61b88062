//! Rules that hand over to another VirtualService (section 1.8 of the route reference).

use mesh_proxy_core::snapshot::Role;

use crate::world::{World, check, istio, service, sidecar, to, virtual_service};

/// A root for `m` with `root` as match block, and the rules of its delegate in namespace `other`.
fn world(root: &str, rules: &str) -> World {
    exported(root, rules, "'*'")
}

fn exported(root: &str, rules: &str, export: &str) -> World {
    World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "m", "80"),
        service("default", "rest", "80"),
        ["a", "b"].map(|name| service("other", name, "80")).concat(),
        virtual_service(
            "m",
            &format!(
                "  hosts: [m]\n  http:\n  - name: root\n    match: [{{{root}}}]\n    delegate: {{name: d, namespace: \
                 other}}\n  - name: rest\n    {}",
                to("rest")
            ),
        ),
        istio("VirtualService", "other", "d", &format!("  exportTo: [{export}]\n  http:\n{rules}")),
    ])
}

fn rule(block: &str, host: &str) -> String {
    format!("  - match: [{{{block}}}]\n    {}\n", to(host))
}

#[test]
fn rules_of_the_delegate_take_its_place_route_case_40() {
    let rules = format!("{}  - {}", rule("uri: {prefix: /productpage/v1/}", "a"), to("b"));
    let found = world("uri: {prefix: /productpage}", &rules);
    check(
        "ROUTE-CASE-40, ROUTE-DELEG-04, ROUTE-DELEG-05",
        |request| found.mesh(request),
        &[
            // Short names are completed with the delegate's namespace (ROUTE-APPLY-36).
            ("m/productpage/v1/x", "|80|a.other"),
            ("m/productpage", "|80|b.other"),
            ("m/else", "|80|rest.default"),
        ],
    );
}

#[test]
fn a_regex_can_only_be_inherited_route_case_41() {
    let found = world("uri: {regex: '^/p.*'}", &rule("uri: {prefix: /p/a}", "a"));
    assert_eq!(found.mesh("m/p/a"), "|80|rest.default", "ROUTE-CASE-41");
    let found = world("uri: {regex: '^/p.*'}", &rule("headers: {x: {exact: y}}", "a"));
    check(
        "ROUTE-CASE-41",
        |request| found.mesh(request),
        &[("m/p/q x:y", "|80|a.other"), ("m/q x:y", "|80|rest.default")],
    );
}

#[test]
fn a_wider_prefix_contradicts_route_case_42() {
    let found = world("uri: {prefix: /v2/x}", &rule("uri: {prefix: /v2}", "a"));
    assert_eq!(found.mesh("m/v2/x"), "|80|rest.default", "ROUTE-CASE-42");
    let found = world("uri: {prefix: /v2/x}", &rule("uri: {exact: /v2/x}", "a"));
    assert_eq!(found.mesh("m/v2/x"), "|80|a.other", "ROUTE-CASE-42");
}

#[test]
fn the_roots_namespace_condition_route_case_43() {
    let found = world("sourceNamespace: default", &rule("uri: {prefix: /x}", "a"));
    assert_eq!(found.mesh("m/x"), "|80|rest.default", "ROUTE-CASE-43, ROUTE-DELEG-09");
    let found = world("sourceNamespace: default", &format!("  - {}", to("a")));
    assert_eq!(found.mesh("m/x"), "|80|a.other", "ROUTE-DELEG-09");
}

#[test]
fn a_delegate_that_is_not_exported_route_case_44() {
    let found = exported("uri: {prefix: /x}", &format!("  - {}", to("a")), "'.'");
    assert_eq!(found.mesh("m/x"), "|80|rest.default", "ROUTE-CASE-44, ROUTE-DELEG-02");
    assert!(
        found.says(&["warning", "VirtualService default/m", "spec.http[0].delegate", "not exported"]),
        "{:?}",
        found.issues()
    );
}

#[test]
fn letter_case_must_agree_route_case_45() {
    let found = world("uri: {prefix: /x}, ignoreUriCase: true", &rule("headers: {x: {exact: y}}", "a"));
    assert_eq!(found.mesh("m/x x:y"), "|80|rest.default", "ROUTE-CASE-45, ROUTE-DELEG-07");
}

#[test]
fn names_are_joined_route_deleg_12() {
    let found = world("uri: {prefix: /x}", &format!("  - name: inner\n    {}", to("a")));
    let head = mesh_route::RequestHead::new("GET", "m", "/x", &mesh_route::NoHeaders);
    let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
    assert_eq!(&*lookup.route().unwrap().action.name, "root-inner");
}

/// What is cut off is decided by the merged rules: a delegate's rule without conditions is a catch-all only where the
/// root gives it none either.
#[test]
fn truncation_of_merged_rules_route_deleg_15() {
    let rules = format!("  - {}\n{}", to("a"), rule("uri: {prefix: /x/cut}", "b"));
    for (root, cut, rest) in [
        ("uri: {prefix: /x}", "|80|a.other", "|80|rest.default"),
        ("uri: {prefix: /}", "|80|a.other", "|80|a.other"),
    ] {
        let found = world(root, &rules);
        let listener = found.listener(Role::Sidecar);
        let count = listener.routes.virtual_host("m").unwrap().rules().len();
        assert_eq!(count, if root.ends_with("/}") { 1 } else { 3 }, "{root}");
        assert_eq!(
            (found.mesh("m/x/cut"), found.mesh("m/else")),
            (cut.to_owned(), rest.to_owned()),
            "{root}"
        );
    }
}
