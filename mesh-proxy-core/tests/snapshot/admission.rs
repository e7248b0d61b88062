//! What Istio does not admit denies here (section 1.3 of the authorization reference).

use mesh_authz::{HttpAttributes, Peer, Reason, Request};
use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::Role;

use crate::world::{World, istio};

fn policy(spec: &str) -> String {
    istio("AuthorizationPolicy", "default", "p", spec)
}

/// What the sidecar labelled `app: me` says to `GET /`.
fn ask(world: &World) -> String {
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    let request = request.http(HttpAttributes::new("GET", "/"));
    match world.compiled.snapshot.protection(Role::Sidecar).policies.evaluate(&request).reason {
        Reason::InvalidPolicy { policy } => format!("invalid {policy}"),
        other => format!("{other:?}"),
    }
}

/// AUTHZ-VAL-01 to AUTHZ-VAL-09, AUTHZ-VAL-11: each of these objects is refused, and denies.
#[test]
fn refused_objects_deny_authz_val_01() {
    let source = |fields: &str| format!("  action: DENY\n  rules: [{{from: [{{source: {{{fields}}}}}]}}]");
    let operation =
        |fields: &str| format!("  action: DENY\n  rules: [{{to: [{{operation: {{{fields}}}}}]}}]");
    let when = |fields: &str| format!("  action: DENY\n  rules: [{{when: [{{{fields}}}]}}]");
    let custom = |rule: &str| format!("  action: CUSTOM\n  provider: {{name: opa}}\n  rules: [{rule}]");
    let many_rules = format!("  rules: [{}]", vec!["{}"; 513].join(", "));
    let many_accounts: Vec<_> = (0..17).map(|n| format!("a{n}")).collect();
    let mut wrong = Vec::new();
    for (rule, spec) in [
        // AUTHZ-VAL-01
        (
            "01",
            "  selector: {matchLabels: {app: me}}\n  targetRefs: [{kind: Service, group: '', name: a}]"
                .to_owned(),
        ),
        ("01", "  selector: {matchLabels: {app: '*'}}".to_owned()),
        // AUTHZ-VAL-02
        ("02", "  action: DENY".to_owned()),
        ("02", "  action: CUSTOM\n  provider: {name: opa}".to_owned()),
        ("02", "  action: CUSTOM\n  rules: [{}]".to_owned()),
        ("02", "  action: DENY\n  provider: {name: opa}\n  rules: [{}]".to_owned()),
        // AUTHZ-VAL-03
        ("03", "  rules: [null]".to_owned()),
        ("03", "  rules: [{from: []}]".to_owned()),
        ("03", "  rules: [{to: []}]".to_owned()),
        ("03", "  rules: [{from: [{source: {}}]}]".to_owned()),
        ("03", "  rules: [{to: [{operation: {}}]}]".to_owned()),
        // AUTHZ-VAL-04
        ("04", source("namespaces: ['']")),
        ("04", source("ipBlocks: [10.0.0.0/33]")),
        ("04", operation("ports: ['65536']")),
        ("04", operation("ports: [http]")),
        // AUTHZ-VAL-05
        ("05", source("serviceAccounts: [a/b/c]")),
        ("05", source("serviceAccounts: ['a*']")),
        ("05", source("serviceAccounts: [a], namespaces: [b]")),
        ("05", source(&format!("serviceAccounts: [{}]", many_accounts.join(", ")))),
        // AUTHZ-VAL-06
        ("06", source("trustDomains: ['a*b']")),
        ("06", source("trustDomains: [a/b]")),
        // AUTHZ-VAL-07
        ("07", operation("paths: ['/a/{x}']")),
        // AUTHZ-VAL-08
        ("08", when("key: '', values: [a]")),
        ("08", when("key: source.foo, values: [a]")),
        ("08", when("key: source.ip")),
        ("08", when("key: destination.user, values: [a]")),
        ("08", when("key: 'request.headers[]', values: [a]")),
        // AUTHZ-VAL-09
        ("09", custom("{from: [{source: {principals: [a]}}]}")),
        ("09", custom("{when: [{key: request.auth.principal, values: [a]}]}")),
        // AUTHZ-VAL-11
        ("11", many_rules),
    ] {
        let world = World::tolerant(&[policy(&spec)]);
        let said = world.says(&["error: AuthorizationPolicy default/p", "deny every request"]);
        if ask(&world) != "invalid default/p" || !said {
            wrong.push(format!("AUTHZ-VAL-{rule}: {spec}: {}, {:?}", ask(&world), world.issues()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Warnings leave a policy as it is.
#[test]
fn warnings_leave_a_policy_in_force_authz_val_10() {
    for spec in [
        "  action: DENY\n  rules: [{to: [{operation: {methods: [POST]}}]}]",
        "  action: DENY\n  rules: [{from: [{source: {requestPrincipals: ['x/*']}}]}]",
    ] {
        let text = policy(spec);
        let loaded = load([Source::new("case.yaml", &text)], &Options::default());
        assert!(!loaded.has_errors() && !loaded.diagnostics.is_empty(), "{spec}: {:?}", loaded.diagnostics);
        assert_eq!(ask(&World::new(&[text])), "NoAllowPolicies", "{spec}");
    }
}

/// AUTHZ-GEN-06: a number where text belongs is taken with a warning or refused, and never means anything else.
#[test]
fn numbers_for_text_authz_gen_06() {
    let world = World::tolerant(&[policy("  action: DENY\n  rules: [{to: [{operation: {ports: [80]}}]}]")]);
    let found = ask(&world);
    assert!(found.starts_with("DeniedBy") || found == "invalid default/p", "{found}");
}
