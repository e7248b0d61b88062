//! Building policies: every set either builds or says which field of which policy is at fault, the fault is in the
//! policy, and a set that keeps invalid policies always builds and lists as many.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_authz::{
    Action, Condition, Operation, Policy, PolicyId, PolicySet, Profile, Rule, Source, TrustDomains,
};
use mesh_fuzz::fold;

#[derive(Arbitrary, Debug)]
struct RuleInput {
    field: u8,
    negated: bool,
    value: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
struct Input {
    policies: Vec<(u8, bool, Vec<RuleInput>)>,
    domains: Vec<Vec<u8>>,
    ztunnel: bool,
}

const WORDS: &[&str] = &[
    "*",
    "/",
    "a",
    "{*}",
    "{**}",
    "{",
    "}",
    "spiffe://",
    "td",
    "cluster.local",
    "/ns/",
    "/sa/",
    "10.0.0.0",
    "/8",
    "::1",
    "/129",
    "+",
    "8",
    "0",
    "65536",
    "[",
    "]",
    "[a]",
    "?",
    "#",
    "é",
    " ",
];
const KEYS: &[&str] = &[
    "request.headers",
    "request.auth.claims",
    "request.auth.principal",
    "request.auth.audiences",
    "source.ip",
    "source.principal",
    "source.namespace",
    "source.serviceAccount",
    "source.trustDomain",
    "remote.ip",
    "destination.ip",
    "destination.port",
    "connection.sni",
    "experimental.",
    "envoy.filters.",
    "[",
    "]",
    "[a]",
    "[]",
    ".",
    "x",
];

fn rule(input: &RuleInput) -> Rule {
    let value = [fold(&input.value, WORDS)];
    let (source, operation) = (Source::new(), Operation::new());
    let from = |source| Rule::new().from(source);
    let to = |operation| Rule::new().to(operation);
    match (input.field % 12, input.negated) {
        (0, false) => from(source.principals(value)),
        (0, true) => from(source.not_principals(value)),
        (1, _) => from(source.request_principals(value)),
        (2, false) => from(source.namespaces(value)),
        (2, true) => from(source.not_namespaces(value)),
        (3, _) => from(source.service_accounts(value)),
        (4, _) => from(source.trust_domains(value)),
        (5, false) => from(source.ip_blocks(value)),
        (5, true) => from(source.not_remote_ip_blocks(value)),
        (6, _) => to(operation.hosts(value)),
        (7, _) => to(operation.ports(value)),
        (8, _) => to(operation.methods(value)),
        (9, _) => to(operation.paths(value)),
        (_, negated) => {
            let condition = Condition::new(fold(&input.key, KEYS));
            Rule::new().when(if negated { condition.not_values(value) } else { condition.values(value) })
        }
    }
}

fuzz_target!(|input: Input| {
    let policies: Vec<Policy> = (input.policies.iter().enumerate())
        .map(|(number, (action, dry_run, rules))| {
            let action = match action % 4 {
                0 => Action::Allow,
                1 => Action::Deny,
                2 => Action::Audit,
                _ => Action::Custom("opa".into()),
            };
            let policy = Policy::new(PolicyId::new("n", &number.to_string()), action);
            let policy = if *dry_run { policy.dry_run() } else { policy };
            rules.iter().map(rule).fold(policy, Policy::rule)
        })
        .collect();
    let domains: Vec<String> = input.domains.iter().map(|domain| fold(domain, WORDS)).collect();
    let builder = || {
        let profile = if input.ztunnel { Profile::Ztunnel } else { Profile::Envoy };
        PolicySet::builder()
            .provider("opa")
            .profile(profile)
            .trust_domains(TrustDomains::new("td").aliases(domains.iter().cloned()))
    };
    // Policies are valid or not whatever stands beside them.
    let alone = |policy: &Policy| builder().policy(policy.clone()).build();
    let faults: Vec<_> = policies.iter().filter_map(|policy| alone(policy).err()).collect();
    for error in &faults {
        assert!(!error.field().is_empty());
        assert!(error.to_string().contains(error.value()), "{error}");
        if let Some(at) = error.rule() {
            assert!(error.field().starts_with(&format!("spec.rules[{at}].")), "{error}");
        }
    }
    let strict = builder().policies(policies.clone()).build();
    assert_eq!(strict.err().as_ref(), faults.first());
    let kept = builder().keep_invalid().policies(policies).build().expect("small enough");
    assert_eq!(kept.invalid(), faults);
});
