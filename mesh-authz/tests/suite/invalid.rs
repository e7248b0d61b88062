//! Policies that could not be understood.

use mesh_authz::{
    Action, BuildErrorKind, HttpAttributes, Peer, Policy, PolicyId, PolicySet, Reason, Request, Rule, Verdict,
};

fn invalid(name: &str, action: Action) -> Policy {
    Policy::invalid(PolicyId::new("shop", name), action, "line 7: `pahts` is no field")
}

/// The set's answer to some request; every one would do.
fn decide(set: &PolicySet) -> (Verdict, Reason<'_>) {
    let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    let (tcp, request) = (connection, connection.http(HttpAttributes::new("GET", "/")));
    let decision = set.evaluate(&request.allowed_by_providers());
    assert_eq!(decision.reason, set.evaluate(&tcp.allowed_by_providers()).reason);
    (decision.verdict, decision.reason)
}

#[test]
fn an_invalid_policy_denies_by_its_action() {
    // AUTHZ-EVAL-06, AUTHZ-GEN-05: what skipped validation has a defined meaning, which denies.
    let everything = || Policy::new(PolicyId::new("shop", "all"), Action::Allow).rule(Rule::new());
    let set =
        |policies: Vec<Policy>| PolicySet::builder().provider("opa").policies(policies).build().unwrap();
    let id = PolicyId::new("shop", "bad");
    for action in [Action::Deny, Action::Custom("opa".into())] {
        let set = set(vec![everything(), invalid("bad", action)]);
        assert_eq!(decide(&set), (Verdict::Deny, Reason::InvalidPolicy { policy: &id }));
    }
    // As the only ALLOW policy it closes everything; beside another it adds nothing.
    assert_eq!(decide(&set(vec![invalid("bad", Action::Allow)])), (Verdict::Deny, Reason::NoAllowMatched));
    assert_eq!(decide(&set(vec![invalid("bad", Action::Allow), everything()])).0, Verdict::Allow);
    assert_eq!(decide(&set(vec![invalid("bad", Action::Audit)])), (Verdict::Allow, Reason::NoAllowPolicies));
    // A dry run stays one.
    let tried = set(vec![invalid("bad", Action::Deny).dry_run()]);
    assert_eq!(decide(&tried).0, Verdict::Allow);
    let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    assert_eq!(tried.dry_run(&connection).decision.reason, Reason::InvalidPolicy { policy: &id });
}

#[test]
fn it_is_listed_with_its_reason() {
    let set = PolicySet::builder().policy(invalid("bad", Action::Deny)).build().unwrap();
    let [error] = set.invalid() else { panic!("{:?}", set.invalid()) };
    assert_eq!((error.kind(), error.field(), error.rule()), (BuildErrorKind::Unreadable, "spec", None));
    assert_eq!(error.to_string(), "AuthorizationPolicy shop/bad: line 7: `pahts` is no field");
}
