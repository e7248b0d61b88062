//! What a running Envoy answered to tokens (`AUTHZ-JWT-03..07`, `AUTHZ-JWT-10..14`, `AUTHZ-JWT-20..25`,
//! `AUTHZ-JWT-28..29`), recorded by `testdata/authz/envoy/record_jwt.py`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext, JwtRule, RequestAuthentication};
use mesh_authz::{HttpAttributes, PolicyId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    envoy: String,
    now: u64,
    jwks: String,
    rules: BTreeMap<String, Vec<Rule>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    issuer: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    from_headers: Vec<FromHeader>,
    #[serde(default)]
    from_params: Vec<String>,
    #[serde(default)]
    from_cookies: Vec<String>,
}

#[derive(Deserialize)]
struct FromHeader {
    name: String,
    prefix: String,
}

#[derive(Debug, Deserialize)]
struct Case {
    method: Option<String>,
    path: String,
    headers: Vec<(String, String)>,
    /// Status, body and `www-authenticate`.
    answer: (u16, String, Option<String>),
}

/// `{"iss":"iss1",}` and `null`, which `src/jwt/token.rs` refuses on purpose (AUTHZ-JWT-21).
const READ_BY_ENVOY_ALONE: [&str; 2] = ["eyJpc3MiOiJpc3MxIix9", "bnVsbA"];

fn authentication(rules: &[Rule], jwks: &str) -> JwtAuthentication {
    let mut policy = RequestAuthentication::new(PolicyId::new("foo", "tokens"));
    for written in rules {
        let mut rule =
            JwtRule::new(&written.issuer).jwks(jwks).audiences(written.audiences.iter().map(String::as_str));
        for header in &written.from_headers {
            rule = rule.from_header(&header.name, &header.prefix);
        }
        rule = written.from_params.iter().fold(rule, |rule, name| rule.from_param(name));
        rule = written.from_cookies.iter().fold(rule, |rule, name| rule.from_cookie(name));
        policy = policy.rule(rule);
    }
    JwtAuthentication::builder().policy(policy).build().unwrap()
}

#[test]
fn the_answers_of_envoy_authz_test_02() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/authz/envoy/tokens.json");
    let record: Record = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rules: BTreeMap<&str, JwtAuthentication> = record
        .rules
        .iter()
        .map(|(path, rules)| (path.as_str(), authentication(rules, &record.jwks)))
        .collect();
    let verifier = AwsLc::new();
    let context = JwtContext::new(Duration::from_secs(record.now), &verifier);
    let (mut passed, mut wrong) = (0, Vec::new());
    for case in &record.cases {
        let first = case.path.split(['/', '?']).nth(1).unwrap();
        let authentication = &rules[format!("/{first}").as_str()];
        // The codec takes blanks around values away.
        let headers: Vec<_> =
            case.headers.iter().map(|(name, value)| (name.as_str(), value.trim())).collect();
        let method = case.method.as_deref().unwrap_or("GET");
        let http =
            HttpAttributes::new(method, &case.path).host("example.com").scheme("http").headers(&headers);
        let outcome = authentication.authenticate(&http, &context);
        let ours = outcome.rejection().map_or((200, String::new(), None), |rejection| {
            (rejection.status(), rejection.message().to_owned(), Some(rejection.www_authenticate(&http)))
        });
        passed += usize::from(case.answer.0 == 200);
        let text = format!("{case:?}");
        if READ_BY_ENVOY_ALONE.iter().any(|part| text.contains(part)) {
            assert_eq!(ours.0, 401, "the difference of AUTHZ-JWT-21 is gone: {text}");
        } else if ours != case.answer {
            wrong.push(format!("{case:?}\n  ours: {ours:?}"));
        }
    }
    assert!((50..record.cases.len() - 50).contains(&passed), "{passed} of {}", record.cases.len());
    assert!(wrong.is_empty(), "{} differ from Envoy {}:\n{}", wrong.len(), record.envoy, wrong.join("\n"));
}
