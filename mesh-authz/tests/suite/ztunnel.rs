//! The model of ztunnel, read off section 4.2 of the reference, and the evaluator's agreement with it.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::case::{Call, Fields, PolicyCase, RuleCase, SetCase};
use crate::generate;
use crate::model;
use crate::oracle::{self, Answer, identities, in_block};

/// AUTHZ-ZT-11
pub fn answer(policies: &[PolicyCase], call: &Call) -> Answer {
    oracle::combine(policies, |policy| {
        let matching = policy.rules.iter().enumerate().filter(|(_, rule)| group(policy, rule, call));
        matching.map(|(index, _)| policy.rule_name(index)).collect()
    })
}

/// AUTHZ-ZT-01, AUTHZ-ZT-02: a group is all of its clauses, a clause any of its blocks.
fn group(policy: &PolicyCase, rule: &RuleCase, call: &Call) -> bool {
    let fields = rule.from.iter().chain(&rule.to).flatten();
    let l7 = fields.filter(|(name, values)| !values.is_empty() && is_l7(name)).count() > 0
        || rule
            .when
            .iter()
            .any(|c| !(c.values.is_empty() && c.not_values.is_empty()) && condition_field(&c.key).is_none());
    // AUTHZ-ZT-04
    if policy.action == "ALLOW" && l7 {
        return false;
    }
    let clause =
        |blocks: &[Fields]| blocks.is_empty() || blocks.iter().any(|fields| block(policy, fields, call));
    clause(&rule.from)
        && clause(&rule.to)
        && rule.when.iter().all(|c| {
            let Some(field) = condition_field(&c.key) else { return false };
            let any = |values: &[String]| values.iter().any(|value| matches(policy, field, value, call));
            !(c.values.is_empty() && c.not_values.is_empty())
                && (c.values.is_empty() || any(&c.values))
                && !any(&c.not_values)
        })
}

/// AUTHZ-ZT-05: a block without constraints is passed over.
fn block(policy: &PolicyCase, fields: &Fields, call: &Call) -> bool {
    let mut constraints = 0;
    let mut holds = true;
    for (name, values) in fields.iter().filter(|(_, values)| !values.is_empty()) {
        let (negated, field) = positive(name);
        if FIELDS.contains(&field.as_str()) {
            constraints += 1;
            holds &= values.iter().any(|value| matches(policy, &field, value, call)) != negated;
        }
    }
    constraints > 0 && holds
}

const FIELDS: [&str; 5] = ["principals", "namespaces", "serviceAccounts", "ipBlocks", "ports"];

fn positive(name: &str) -> (bool, String) {
    match name.strip_prefix("not") {
        Some(rest) => (true, rest[..1].to_lowercase() + &rest[1..]),
        None => (false, name.to_owned()),
    }
}

/// AUTHZ-ZT-03, AUTHZ-ZT-06
fn is_l7(name: &str) -> bool {
    let field = positive(name).1;
    !FIELDS.contains(&field.as_str()) && field != "trustDomains"
}

/// AUTHZ-ZT-03
fn condition_field(key: &str) -> Option<&'static str> {
    Some(match key {
        "source.ip" => "ipBlocks",
        "source.namespace" => "namespaces",
        "source.principal" => "principals",
        "destination.ip" => "destination.ip",
        "destination.port" => "ports",
        _ => return None,
    })
}

/// AUTHZ-ZT-07 to AUTHZ-ZT-09
fn matches(policy: &PolicyCase, field: &str, value: &str, call: &Call) -> bool {
    let id = identities(call).into_iter().find_map(|name| {
        let parts: Vec<_> = name.strip_prefix("spiffe://")?.split('/').collect();
        (parts.len() == 5 && parts[1] == "ns" && parts[3] == "sa").then_some(parts)
    });
    let form = |text: &str| match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(""), _) => !text.is_empty(),
        (Some(suffix), _) => text.ends_with(suffix),
        (None, Some(prefix)) => text.starts_with(prefix),
        (None, None) => text == value,
    };
    match field {
        "principals" => id.is_some_and(|id| form(&id.join("/"))),
        "namespaces" => form(id.map_or("", |id| id[2])),
        "serviceAccounts" => {
            let (namespace, account) = value.split_once('/').unwrap_or((&policy.namespace, value));
            id.is_some_and(|id| (id[2], id[4]) == (namespace, account))
        }
        "ipBlocks" => in_block(value, call.ip),
        "destination.ip" => in_block(value, call.destination.ip()),
        _ => value.parse() == Ok(call.destination.port()),
    }
}

fn set(trust_domains: &[&str]) -> SetCase {
    let trust_domains = trust_domains.iter().map(|&domain| domain.to_owned()).collect();
    SetCase { ztunnel: true, trust_domains, ..SetCase::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// AUTHZ-ZT-01 to AUTHZ-ZT-09, AUTHZ-ZT-11, AUTHZ-GEN-02
    #[test]
    fn the_evaluator_agrees(
        policies in vec(generate::policy(&["ALLOW", "DENY"]), 0..5),
        uniform in generate::uniform_rules(),
        calls in vec(generate::call(), 16),
    ) {
        let mut policies = policies;
        policies.push(PolicyCase { rules: uniform, ..PolicyCase::named("uniform", "DENY") });
        // Aliases make no difference (AUTHZ-ZT-07), nor does what an HTTP proxy would see.
        let sets = [set(&[]).build(&policies), set(&["td1", "old"]).build(&policies)];
        for call in &calls {
            let want = answer(&policies, call);
            for set in &sets {
                prop_assert_eq!(&model::answer(set, call), &want, "{:?}", call);
                prop_assert_eq!(&model::answer(set, &Call { http: None, ..call.clone() }), &want, "{:?}", call);
            }
        }
    }

    /// Explanations find the same rules.
    #[test]
    fn explanations_agree(
        policies in vec(generate::policy(&["ALLOW", "DENY"]), 1..4),
        calls in vec(generate::call(), 8),
    ) {
        let set = set(&[]).build(&policies);
        for call in &calls {
            let matched = call.with(|request| {
                let explanation = set.explain(request);
                let rules = explanation.stages.iter().flat_map(|stage| &stage.rules);
                rules.filter(|rule| matches!(rule.outcome, mesh_authz::Outcome::Matched)).count()
            });
            let rules = |policy: &PolicyCase| policy.rules.iter().filter(|rule| group(policy, rule, call)).count();
            prop_assert_eq!(matched, policies.iter().map(rules).sum::<usize>());
        }
    }
}

/// AUTHZ-LAW-11: the half that ztunnel breaks. What Envoy denies for some HTTP request, ztunnel lets pass.
#[test]
fn a_deny_rule_with_http_fields_denies_no_connection() {
    let methods = [("methods".to_owned(), vec!["GET".to_owned()])].into_iter().collect();
    let rule = RuleCase { to: vec![methods], ..RuleCase::default() };
    let policies = [PolicyCase { rules: vec![rule], ..PolicyCase::named("d", "DENY") }];
    let connection = Call {
        names: None,
        ip: [10, 0, 0, 1].into(),
        remote_ip: [10, 0, 0, 1].into(),
        destination: ([10, 0, 0, 2], 80).into(),
        sni: String::new(),
        http: None,
        metadata: Vec::new(),
    };
    assert!(!model::answer(&SetCase::default().build(&policies), &connection).allowed);
    assert!(model::answer(&set(&[]).build(&policies), &connection).allowed);
}
