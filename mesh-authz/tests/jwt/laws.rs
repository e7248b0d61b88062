//! Laws that hold for any token.

use mesh_authz::HttpAttributes;
use mesh_authz::jwt::{JwtContext, JwtOutcome, JwtRule, KeySet, Rejection};
use proptest::prelude::*;

use crate::common::{NOW, Toy, answer, bearer, build, meaning, secret_set, token};

fn rule(issuer: &str) -> JwtRule {
    JwtRule::new(issuer).keys(secret_set())
}

/// One of a few rules that get in each other's way.
fn any_rule() -> impl Strategy<Value = JwtRule> {
    let audiences = prop_oneof![Just(vec![]), Just(vec!["x"]), Just(vec!["x", "y"])];
    let place = prop_oneof![Just(None), Just(Some("x-a")), Just(Some("x-b"))];
    (prop_oneof![Just("a"), Just("b")], audiences, place).prop_map(|(issuer, audiences, place)| {
        let rule = rule(issuer).audiences(audiences);
        match place {
            Some(header) => rule.from_header(header, ""),
            None => rule,
        }
    })
}

fn any_token() -> impl Strategy<Value = String> {
    let payload = (
        prop_oneof![Just("a"), Just("b"), Just("c")],
        prop_oneof![Just(""), Just(r#","aud":"x""#), Just(r#","aud":["y"]"#)],
        prop_oneof![4 => Just(""), 1 => Just(r#","exp":1"#)],
    );
    prop_oneof![
        6 => payload.prop_map(|(iss, aud, exp)| token(&format!("{{\"iss\":\"{iss}\"{aud}{exp}}}"))),
        1 => Just("a.b".to_owned()),
    ]
}

fn any_headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![Just("authorization"), Just("x-a"), Just("x-b")];
    let line = (name, any_token()).prop_map(|(name, token)| {
        let prefix = if name == "authorization" { "Bearer " } else { "" };
        (name.to_owned(), format!("{prefix}{token}"))
    });
    prop::collection::vec(line, 0..4)
}

/// What AUTHZ-JWT-03, 04 and 06 say, each rule asked alone.
fn model(rules: &[JwtRule], issuers: &[&str], headers: &[(String, String)]) -> String {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|i| issuers[*i]);
    let alone = |i: &usize| run(&[rules[*i].clone()], headers);
    let outcomes: Vec<JwtOutcome> = order.iter().map(alone).collect();
    if let Some(verified) = outcomes.iter().find(|outcome| outcome.token().is_some()) {
        return format!("ok {:?}", verified.token().unwrap().claims());
    }
    let failures: Vec<_> =
        outcomes.iter().filter_map(JwtOutcome::rejection).map(Rejection::message).collect();
    let unknown = "Jwt issuer is not configured";
    let specific = failures.iter().find(|message| **message != unknown);
    specific.or(failures.first()).map_or("Jwt is missing", |message| message).to_owned()
}

fn run(rules: &[JwtRule], headers: &[(String, String)]) -> JwtOutcome {
    let headers = headers.to_vec();
    let http = HttpAttributes::new("GET", "/").headers(&headers);
    build(rules.iter().cloned()).authenticate(&http, &JwtContext::new(NOW, &Toy))
}

fn summary(outcome: &JwtOutcome) -> String {
    match outcome.token() {
        Some(token) => format!("ok {:?}", token.claims()),
        None => answer(outcome).to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_text_is_no_token(text in any::<String>()) {
        // AUTHZ-FUZZ-05
        prop_assert_ne!(answer(&bearer(&build([rule("a")]), &text)), "ok");
    }

    #[test]
    fn any_three_parts_are_no_token(parts in prop::array::uniform3("[A-Za-z0-9_-]{0,40}")) {
        // AUTHZ-FUZZ-05
        prop_assert_ne!(answer(&bearer(&build([rule("a")]), &parts.join("."))), "ok");
    }

    #[test]
    fn a_changed_token_never_verifies(at in any::<prop::sample::Index>(), put in "[A-Za-z0-9_.=-]") {
        let good = token(r#"{"iss":"a","sub":"s"}"#);
        let authentication = build([rule("a")]);
        prop_assert_eq!(answer(&bearer(&authentication, &good)), "ok");
        let at = at.index(good.len());
        let replaced = format!("{}{put}{}", &good[..at], &good[at + 1..]);
        let inserted = format!("{}{put}{}", &good[..=at], &good[at + 1..]);
        for changed in [replaced, inserted, good[..at].to_owned()] {
            if meaning(&changed) != meaning(&good) {
                prop_assert_ne!(answer(&bearer(&authentication, &changed)), "ok", "{}", changed);
            }
        }
    }

    #[test]
    fn rules_together_are_what_they_are_alone(rules in prop::collection::vec(any_rule(), 0..5), headers in any_headers()) {
        // AUTHZ-JWT-03, AUTHZ-JWT-04, AUTHZ-JWT-06, AUTHZ-LAW-18: verified by some rule, absent, or rejected.
        let printed: Vec<String> = rules.iter().map(|rule| format!("{rule:?}")).collect();
        let issuers: Vec<&str> =
            printed.iter().map(|text| if text.contains("issuer: \"a\"") { "a" } else { "b" }).collect();
        prop_assert_eq!(summary(&run(&rules, &headers)), model(&rules, &issuers, &headers));
    }

    #[test]
    fn another_rule_breaks_no_verified_token(
        rules in prop::collection::vec(any_rule(), 1..4),
        more in any_rule(),
        headers in any_headers(),
    ) {
        // AUTHZ-LAW-18
        if run(&rules, &headers).token().is_some() {
            let all: Vec<_> = rules.into_iter().chain([more]).collect();
            prop_assert!(run(&all, &headers).token().is_some());
        }
    }

    #[test]
    fn without_tokens_nothing_happens(rules in prop::collection::vec(any_rule(), 0..4)) {
        // AUTHZ-LAW-18
        prop_assert!(matches!(run(&rules, &[]), JwtOutcome::NoToken(_)));
    }

    #[test]
    fn any_text_as_key_set(text in any::<String>(), json in r#"\{"keys":\[(\{"kty":"(RSA|EC|oct|OKP)"(,"(n|e|x|y|k|crv|kid|alg)":("[A-Za-z0-9_-]{0,90}"|1)){0,5}\},?){1,3}\]\}"#) {
        // AUTHZ-FUZZ-05
        for text in [text, json] {
            if let Ok(set) = KeySet::parse(&text) {
                prop_assert!(!set.keys().is_empty());
            }
        }
    }
}
