//! The compiled evaluator agrees with the model (AUTHZ-LAW-13).

use mesh_authz::{DryRun, PolicySet, RuleName, Shadow, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::case::{Call, PolicyCase, SetCase};
use crate::generate;
use crate::oracle::{self, Answer};

fn shadow(shadow: Option<Shadow<'_>>) -> Option<(bool, Option<String>)> {
    shadow.map(|s| (s.verdict == Verdict::Allow, s.matched.as_ref().map(RuleName::to_string)))
}

/// What the evaluator says, in the words of the model.
pub fn answer(set: &PolicySet, call: &Call) -> Answer {
    call.with(|request| {
        let decision = set.evaluate(request);
        let DryRun { deny, allow, .. } = set.dry_run(request);
        Answer {
            allowed: decision.is_allowed(),
            rule: decision.effective_policy_id().map(|rule| rule.to_string()),
            audit: decision.access_log_hint,
            shadow_deny: shadow(deny),
            shadow_allow: shadow(allow),
        }
    })
}

/// The decision as if dry-run policies were enforced is that of a set in which they are.
fn dry_run_is_enforcement(settings: &SetCase, policies: &[PolicyCase], set: &PolicySet, call: &Call) {
    let enforced: Vec<_> = policies.iter().map(|p| PolicyCase { dry_run: false, ..p.clone() }).collect();
    let enforced = settings.build(&enforced);
    call.with(|request| assert_eq!(set.dry_run(request).decision, enforced.evaluate(request)));
}

fn settings() -> impl Strategy<Value = SetCase> {
    let domains = prop_oneof![Just(vec![]), Just(vec!["td1"]), Just(vec!["td1", "old"])];
    let rarely = || prop::bool::weighted(0.2);
    (domains, rarely(), rarely()).prop_map(|(domains, strict_namespaces, joined_headers)| SetCase {
        trust_domains: domains.into_iter().map(str::to_owned).collect(),
        strict_namespaces,
        joined_headers,
        ..SetCase::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn mixed_policies(
        settings in settings(),
        policies in vec(generate::policy(&["ALLOW", "ALLOW", "DENY", "AUDIT"]), 0..6),
        calls in vec(generate::call(), 24),
    ) {
        let set = settings.build(&policies);
        for call in &calls {
            prop_assert_eq!(answer(&set, call), oracle::answer(&settings, &policies, call), "{:?}", call);
            dry_run_is_enforcement(&settings, &policies, &set, call);
        }
    }

    #[test]
    fn many_rules_of_one_shape(
        settings in settings(),
        rules in generate::uniform_rules(),
        more in generate::uniform_rules(),
        odd in vec(generate::rule(), 0..8),
        action in prop_oneof![Just("ALLOW"), Just("DENY"), Just("AUDIT")],
        calls in vec(generate::call(), 12),
    ) {
        let mut policies = Vec::new();
        for (index, rule) in rules.into_iter().chain(more).chain(odd).enumerate() {
            policies.push(PolicyCase {
                namespace: "foo".to_owned(),
                name: format!("p{}", index / 3),
                action: action.to_owned(),
                provider: String::new(),
                dry_run: false,
                rules: vec![rule],
            });
        }
        let set = settings.build(&policies);
        for call in &calls {
            prop_assert_eq!(answer(&set, call), oracle::answer(&settings, &policies, call), "{:?}", call);
        }
    }
}

/// AUTHZ-LAW-13, AUTHZ-TEST-01: many more cases than the tests above can afford, which make new calls for each
/// set and shrink what fails. Here all sets meet the same calls.
#[test]
fn a_hundred_thousand_cases() {
    const CALLS: usize = 512;
    const SETS: usize = 200;
    let mut runner = TestRunner::default();
    let mut some = |strategy: &BoxedStrategy<(SetCase, Vec<PolicyCase>)>| {
        strategy.new_tree(&mut runner).unwrap().current()
    };
    let mixed = (settings(), vec(generate::policy(&["ALLOW", "ALLOW", "DENY", "AUDIT"]), 0..6)).boxed();
    let uniform = (settings(), generate::uniform_rules())
        .prop_map(|(settings, rules)| {
            let action = if rules.len() % 2 == 0 { "ALLOW" } else { "DENY" };
            (settings, vec![PolicyCase { rules, ..PolicyCase::named("uniform", action) }])
        })
        .boxed();
    let sets: Vec<_> = (0..SETS).map(|i| some(if i % 16 == 0 { &uniform } else { &mixed })).collect();
    let calls: Vec<_> =
        (0..CALLS).map(|_| generate::call().new_tree(&mut runner).unwrap().current()).collect();
    let (mut allowed, mut cases) = (0, 0);
    for (settings, policies) in &sets {
        let set = settings.build(policies);
        for call in &calls {
            let got = answer(&set, call);
            assert_eq!(got, oracle::answer(settings, policies, call), "{settings:?} {policies:?} {call:?}");
            allowed += usize::from(got.allowed && got.rule.is_some());
            cases += 1;
        }
    }
    assert!(cases >= 100_000);
    assert!(allowed > cases / 100, "only {allowed} of {cases} cases were allowed by a rule");
}
