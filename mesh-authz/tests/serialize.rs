//! The form in which decisions and explanations are written to logs: it is part of the API.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use mesh_authz::{
    Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, PolicySetBuilder, Request, Rule,
};
use serde_json::{Value, json};

fn policy(name: &str, action: Action) -> Policy {
    Policy::new(PolicyId::new("shop", name), action)
}

fn id(name: &str) -> Value {
    json!({"namespace": "shop", "name": name})
}

fn path(path: &str) -> Rule {
    Rule::new().to(Operation::new().paths([path]))
}

fn builder() -> PolicySetBuilder {
    PolicySet::builder()
        .provider("opa")
        .policy(policy("a", Action::Allow).rule(Rule::new().to(Operation::new().methods(["GET"]))))
        .policy(policy("d", Action::Deny).rule(path("/admin*")))
        .policy(policy("u", Action::Audit).rule(path("/admin*")))
        .policy(policy("try", Action::Deny).rule(path("/x")).dry_run())
        .policy(policy("ask", Action::Custom("opa".into())).rule(path("/ask")))
}

fn with<T>(method: &str, path: &str, then: impl FnOnce(&Request<'_>) -> T) -> T {
    let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    then(&connection.http(HttpAttributes::new(method, path)))
}

#[test]
fn decisions() {
    // AUTHZ-EVAL-10, AUTHZ-EVAL-01
    let set = builder().build().unwrap();
    let decision =
        |method, path| with(method, path, |request| serde_json::to_value(set.evaluate(request)).unwrap());
    assert_eq!(
        decision("GET", "/x"),
        json!({
            "verdict": "allow",
            "reason": {"kind": "allowed_by", "policy": id("a"), "rule": 0},
            "access_log_hint": false,
        })
    );
    assert_eq!(
        decision("GET", "/admin"),
        json!({
            "verdict": "deny",
            "reason": {"kind": "denied_by", "policy": id("d"), "rule": 0},
            "audited_by": id("u"),
            "access_log_hint": true,
        })
    );
    assert_eq!(
        decision("PUT", "/"),
        json!({"verdict": "deny", "reason": {"kind": "no_allow_matched"}, "access_log_hint": false})
    );
    assert_eq!(
        decision("GET", "/ask"),
        json!({
            "verdict": "deny",
            "reason": {"kind": "not_delegated", "policy": id("ask"), "rule": 0, "provider": "opa"},
        })
    );
}

#[test]
fn dry_runs() {
    let set = builder().build().unwrap();
    let got = with("GET", "/x", |request| serde_json::to_value(set.dry_run(request)).unwrap());
    assert_eq!(
        got,
        json!({
            "decision": {
                "verdict": "deny",
                "reason": {"kind": "denied_by", "policy": id("try"), "rule": 0},
                "access_log_hint": false,
            },
            "deny": {"verdict": "deny", "matched": "ns[shop]-policy[try]-rule[0]"},
        })
    );
}

#[test]
fn explanations() {
    let set = builder().policy(Policy::invalid(PolicyId::new("shop", "bad"), Action::Allow, "what is it"));
    let set = set.build().unwrap();
    let got = with("POST", "/ask", |request| serde_json::to_value(set.explain(request)).unwrap());
    let failed = |name: &str, field: &str, why: &str| {
        json!({
            "name": format!("ns[shop]-policy[{name}]-rule[0]"),
            "outcome": "failed",
            "detail": [{"field": field, "why": why}],
        })
    };
    let paths = "to[0].operation.paths";
    assert_eq!(got["delegated_to"], json!([{"provider": "opa", "policy": id("ask"), "rule": 0}]));
    assert_eq!(
        got["stages"],
        json!([
            {
                "stage": "custom",
                "provider": "opa",
                "rules": [
                    {"name": "istio-ext-authz-opa-ns[shop]-policy[ask]-rule[0]", "outcome": "matched"},
                ],
            },
            {"stage": "audit", "rules": [failed("u", paths, "found `/ask`, wanted `/admin*`")]},
            {"stage": "dry_run_deny", "rules": [failed("try", paths, "found `/ask`, wanted `/x`")]},
            {"stage": "deny", "rules": [failed("d", paths, "found `/ask`, wanted `/admin*`")]},
            {
                "stage": "allow",
                "rules": [
                    failed("a", "to[0].operation.methods", "found `POST`, wanted `GET`"),
                    {
                        "name": "ns[shop]-policy[bad]-rule[0]",
                        "outcome": "invalid",
                        "detail": {
                            "policy": id("bad"),
                            "field": "spec",
                            "kind": "unreadable",
                            "value": "what is it",
                            "message": "AuthorizationPolicy shop/bad: what is it",
                        },
                    },
                ],
            },
        ])
    );
}
