//! Laws that hold for every policy and request (section 10 of the reference).

use mesh_authz::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::{Call, ConditionCase, PolicyCase, RuleCase, SetCase};
use crate::generate;
use crate::model::answer;
use crate::oracle;

const ANY: &[&str] = &["ALLOW", "ALLOW", "DENY", "AUDIT"];

fn allowed(policies: &[PolicyCase], call: &Call) -> bool {
    call.with(|request| SetCase::default().build(policies).evaluate(request).is_allowed())
}

fn enforced(policies: &[PolicyCase], action: &str) -> bool {
    policies.iter().any(|policy| policy.action == action && !policy.dry_run)
}

/// A policy with one rule.
fn policy_with(action: &str, rule: RuleCase) -> PolicyCase {
    PolicyCase { rules: vec![rule], ..PolicyCase::named("law", action) }
}

fn policies_with(action: &str, rules: Vec<RuleCase>) -> Vec<PolicyCase> {
    rules.into_iter().map(|rule| policy_with(action, rule)).collect()
}

fn when(condition: ConditionCase) -> RuleCase {
    RuleCase { when: vec![condition], ..RuleCase::default() }
}

fn on(call: &Call, rule: RuleCase) -> bool {
    allowed(&[policy_with("ALLOW", rule)], call)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// AUTHZ-LAW-01, AUTHZ-LAW-02: a DENY dominates and never widens.
    #[test]
    fn deny_never_widens(
        policies in vec(generate::policy(ANY), 0..4),
        deny in generate::policy(&["DENY"]),
        calls in vec(generate::call(), 8),
    ) {
        let deny = PolicyCase { dry_run: false, ..deny };
        let mut more = policies.clone();
        more.push(deny.clone());
        for call in &calls {
            let matches = !oracle::matching_rules(&SetCase::default(), &deny, call).is_empty();
            prop_assert_eq!(allowed(&more, call), allowed(&policies, call) && !matches);
        }
    }

    /// AUTHZ-LAW-03: a further ALLOW policy never closes, the first one never opens.
    #[test]
    fn allow_only_widens_after_the_first(
        policies in vec(generate::policy(ANY), 0..4),
        allow in generate::policy(&["ALLOW"]),
        calls in vec(generate::call(), 8),
    ) {
        let allow = PolicyCase { dry_run: false, ..allow };
        let mut more = policies.clone();
        more.push(allow);
        for call in &calls {
            let (before, after) = (allowed(&policies, call), allowed(&more, call));
            if enforced(&policies, "ALLOW") {
                prop_assert!(after || !before);
            } else {
                prop_assert!(before || !after);
            }
        }
    }

    /// AUTHZ-LAW-04, AUTHZ-SEL-10: neither order nor repetition matters.
    #[test]
    fn order_is_irrelevant(
        policies in vec(generate::policy(ANY), 1..5),
        calls in vec(generate::call(), 8),
    ) {
        let mut turned = policies.clone();
        turned.reverse();
        turned.push(policies[0].clone());
        for rule in turned.iter_mut().flat_map(|policy| &mut policy.rules) {
            rule.from.reverse();
            rule.to.reverse();
            rule.when.reverse();
            let again = rule.from.first().cloned();
            rule.from.extend(again);
            let again = rule.when.last().cloned();
            rule.when.extend(again);
            for values in rule.from.iter_mut().chain(&mut rule.to).flat_map(|fields| fields.values_mut()) {
                values.reverse();
                let again = values.first().cloned();
                values.extend(again);
            }
        }
        for call in &calls {
            let mut turned_call = call.clone();
            if let Some(names) = &mut turned_call.names {
                names.uri.reverse();
                let again = names.uri.first().cloned();
                names.uri.extend(again);
            }
            if let Some(http) = &mut turned_call.http {
                http.headers.reverse();
            }
            let set = SetCase::default();
            prop_assert_eq!(answer(&set.build(&policies), call), answer(&set.build(&turned), &turned_call));
        }
    }

    /// AUTHZ-LAW-05: a rule splits into one rule for each source and operation, and a policy into one
    /// policy for each rule.
    #[test]
    fn rules_and_policies_split(
        rules in vec(generate::rule(), 1..4),
        action in select(&["ALLOW", "DENY"][..]),
        calls in vec(generate::call(), 8),
    ) {
        let mut parts = Vec::new();
        for rule in &rules {
            let one = |entry: &_| vec![Clone::clone(entry)];
            let from = if rule.from.is_empty() { vec![vec![]] } else { rule.from.iter().map(one).collect() };
            let to = if rule.to.is_empty() { vec![vec![]] } else { rule.to.iter().map(one).collect() };
            for from in &from {
                for to in &to {
                    let part = RuleCase { from: from.clone(), to: to.clone(), when: rule.when.clone() };
                    parts.push(part);
                }
            }
        }
        let whole = PolicyCase { rules, ..policy_with(action, RuleCase::default()) };
        // On TCP an HTTP field of one entry takes the whole ALLOW rule away, but only its own part.
        let calls = calls.iter().filter(|call| call.http.is_some());
        for call in calls {
            let (whole, parts) = ([whole.clone()], policies_with(action, parts.clone()));
            prop_assert_eq!(allowed(&whole, call), allowed(&parts, call));
        }
    }

    /// AUTHZ-LAW-06, AUTHZ-LAW-07: values are alternatives, and `not` is the complement.
    #[test]
    fn values_are_alternatives_and_not_is_complement(
        condition in generate::condition(),
        call in generate::call(),
    ) {
        prop_assume!(!condition.values.is_empty());
        // HTTP conditions make no difference on TCP.
        prop_assume!(call.http.is_some());
        let values = &condition.values;
        let positive = ConditionCase { not_values: vec![], ..condition.clone() };
        let negative = ConditionCase { values: vec![], not_values: values.clone(), ..condition.clone() };
        prop_assert_ne!(on(&call, when(positive.clone())), on(&call, when(negative)));
        let single = |value: &String| {
            on(&call, when(ConditionCase { values: vec![value.clone()], ..positive.clone() }))
        };
        prop_assert_eq!(on(&call, when(positive.clone())), values.iter().any(single));
    }

    /// AUTHZ-LAW-08: what is present and absent never matches, and a value implies presence except for
    /// globs of namespaces and addresses, which have no presence, and a request principal that is written as an issuer
    /// alone, which stands for an empty subject (AUTHZ-SRC-08).
    #[test]
    fn presence(condition in generate::condition(), call in generate::call()) {
        prop_assume!(!["source.ip", "remote.ip", "destination.ip", "destination.port"].contains(&&*condition.key));
        prop_assume!(condition.key != "source.serviceAccount" && call.http.is_some());
        let issuer_alone = |value: &String| !value.contains(['/', '*']);
        prop_assume!(condition.key != "request.auth.principal" || !condition.values.iter().any(issuer_alone));
        let star = vec!["*".to_owned()];
        let never = ConditionCase { values: star.clone(), not_values: star.clone(), ..condition.clone() };
        prop_assert!(!on(&call, when(never)));
        let some = ConditionCase { not_values: vec![], ..condition.clone() };
        let listed = condition.values.iter().any(|value| value.starts_with('['));
        if !condition.values.is_empty() && !listed && on(&call, when(some)) {
            let present = ConditionCase { values: star, not_values: vec![], ..condition };
            prop_assert!(on(&call, when(present)));
        }
    }

    /// AUTHZ-LAW-09: what a value matches, so does each of its prefixes and suffixes.
    #[test]
    fn patterns_contain_one_another(condition in generate::condition(), call in generate::call(), cut in 0..6_usize) {
        const STRINGS: [&str; 4] = ["request.headers", "request.auth.claims", "connection.sni", "request.auth.audiences"];
        prop_assume!(STRINGS.iter().any(|key| condition.key.starts_with(key)) && call.http.is_some());
        for value in condition.values.iter().filter(|value| !value.contains('*')) {
            let cut = cut.min(value.len());
            let with = |value: String| {
                on(&call, when(ConditionCase { values: vec![value], not_values: vec![], ..condition.clone() }))
            };
            if with(value.clone()) {
                prop_assert!(with(format!("{}*", &value[..cut])), "prefix of {value}");
                prop_assert!(with(format!("*{}", &value[cut..])), "suffix of {value}");
            }
        }
    }

    /// AUTHZ-LAW-10: AUDIT and dry-run policies, and CUSTOM policies whose providers allow, change no
    /// verdict.
    #[test]
    fn audit_dry_run_and_allowing_providers_change_nothing(
        policies in vec(generate::policy(ANY), 0..4),
        more in vec(generate::policy(&["ALLOW", "DENY", "AUDIT"]), 1..4),
        custom in vec(generate::condition(), 1..3),
        calls in vec(generate::call(), 8),
    ) {
        let mut all = policies.clone();
        all.extend(more.into_iter().map(|policy| PolicyCase { dry_run: policy.action != "AUDIT", ..policy }));
        let identity = ["source.na", "source.se", "source.t", "source.p", "request.auth"];
        for condition in custom {
            if !identity.iter().any(|key| condition.key.starts_with(key)) {
                all.push(policy_with("CUSTOM", when(condition)));
            }
        }
        let settings = SetCase { providers: vec!["p".to_owned()], ..SetCase::default() };
        let set = settings.build(&all);
        for call in &calls {
            let verdict = call.with(|request| set.evaluate(&request.allowed_by_providers()).verdict);
            prop_assert_eq!(verdict == Verdict::Allow, allowed(&policies, call));
            // And without their word, a question that has to be asked is a denial.
            call.with(|request| {
                if set.delegated_to(request).next().is_some() {
                    assert_eq!(set.evaluate(request).verdict, Verdict::Deny);
                }
            });
        }
    }

    /// AUTHZ-LAW-11: a connection is never treated better than its requests.
    #[test]
    fn tcp_is_never_wider(policies in vec(generate::policy(&["ALLOW", "DENY"]), 0..4), calls in vec(generate::call(), 8)) {
        for call in &calls {
            let connection = Call { http: None, ..call.clone() };
            if allowed(&policies, &connection) {
                prop_assert!(allowed(&policies, call));
            }
        }
    }

    /// AUTHZ-LAW-14: rewriting principals for aliases does not depend on the order of the aliases, and
    /// changes nothing for the one domain of the mesh itself.
    #[test]
    fn aliases_are_a_set(
        policies in vec(generate::policy(ANY), 1..4),
        calls in vec(generate::call(), 8),
    ) {
        let set = |domains: &[&str]| {
            let trust_domains = domains.iter().map(|&domain| domain.to_owned()).collect();
            SetCase { trust_domains, ..SetCase::default() }.build(&policies)
        };
        let (one, other) = (set(&["td1", "old", "x"]), set(&["x", "old", "td1", "old"]));
        for call in &calls {
            prop_assert_eq!(answer(&one, call), answer(&other, call));
        }
    }

    /// AUTHZ-LAW-16: letter case of hosts and header names never matters.
    #[test]
    fn letter_case_of_hosts_and_header_names(
        policies in vec(generate::policy(ANY), 1..4),
        calls in vec(generate::call(), 8),
    ) {
        // The pseudo header compares the host byte by byte (AUTHZ-HDR-01).
        let by_host = |policy: &PolicyCase| {
            policy.rules.iter().flat_map(|rule| &rule.when).any(|c| c.key == "request.headers[host]")
        };
        let policies: Vec<_> = policies.into_iter().filter(|policy| !by_host(policy)).collect();
        let set = SetCase::default().build(&policies);
        for call in &calls {
            let mut other = call.clone();
            if let Some(http) = &mut other.http {
                http.host = http.host.as_ref().map(|host| host.to_ascii_uppercase());
                for (name, _) in &mut http.headers {
                    *name = name.to_ascii_uppercase();
                }
            }
            prop_assert_eq!(answer(&set, call), answer(&set, &other));
        }
    }

    /// AUTHZ-LAW-17: neither query nor fragment matters to `paths`.
    #[test]
    fn query_and_fragment(
        policies in vec(generate::policy(ANY), 1..4),
        calls in vec(generate::call(), 8),
        tail in select(&["?q", "#f", "?/x", "#/x?"][..]),
    ) {
        let by_path = |policy: &PolicyCase| {
            policy.rules.iter().flat_map(|rule| &rule.when).any(|c| c.key == "request.headers[:path]")
        };
        let policies: Vec<_> = policies.into_iter().filter(|policy| !by_path(policy)).collect();
        let set = SetCase::default().build(&policies);
        for call in &calls {
            let mut other = call.clone();
            if let Some(http) = &mut other.http {
                http.path.push_str(tail);
            }
            prop_assert_eq!(answer(&set, call), answer(&set, &other));
        }
    }

    /// AUTHZ-EXPL-01, AUTHZ-EXPL-06: the long answer finds the rules that the model finds.
    #[test]
    fn explanations_agree_with_the_model(
        policies in vec(generate::policy(ANY), 0..5),
        calls in vec(generate::call(), 8),
    ) {
        let set = SetCase::default().build(&policies);
        for call in &calls {
            let mut want: Vec<_> = policies
                .iter()
                .flat_map(|policy| oracle::matching_rules(&SetCase::default(), policy, call))
                .collect();
            want.sort();
            let mut got = call.with(|request| {
                let explanation = set.explain(request);
                assert_eq!(explanation.decision, set.evaluate(request));
                let rules = explanation.stages.iter().flat_map(|stage| &stage.rules);
                let matched = rules.filter(|rule| matches!(rule.outcome, mesh_authz::Outcome::Matched));
                matched.map(|rule| rule.name.to_string()).collect::<Vec<_>>()
            });
            got.sort();
            prop_assert_eq!(got, want);
        }
    }
}
