//! Limits too large for a text.

use crate::Object;
use crate::security::AuthorizationPolicy;
use crate::security::authorization_policy::{From, Rule, Source};
use crate::validate::{Settings, validate};

fn told(policy: AuthorizationPolicy) -> Vec<String> {
    let found = validate(&Object::new("shop", "own", policy), &Settings::default());
    found.iter().map(|found| format!("{} {}: {}", found.code, found.path, found.message)).collect()
}

#[test]
fn a_policy_has_at_most_512_rules_and_a_rule_512_sources_model_ap_16() {
    let rules = |count: usize| AuthorizationPolicy {
        rules: vec![Rule::default(); count],
        ..AuthorizationPolicy::default()
    };
    assert!(told(rules(512)).is_empty());
    assert_eq!(told(rules(513)), ["MODEL-AP-16 spec.rules: 513 rules are given, at most 512 are allowed"]);
    let sources = |count: usize| {
        let source = Source { namespaces: vec!["a".to_owned()], ..Source::default() };
        let rule = Rule { from: vec![From { source: Some(source) }; count], ..Rule::default() };
        AuthorizationPolicy { rules: vec![rule], ..AuthorizationPolicy::default() }
    };
    assert!(told(sources(512)).is_empty());
    let want = "MODEL-AP-16 spec.rules[0].from: 513 sources are given, at most 512 are allowed";
    assert_eq!(told(sources(513)), [want]);
}
