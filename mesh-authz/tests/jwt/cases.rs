//! `testdata/authz/jwt`: requests with tokens, through authentication and policies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use mesh_authz::jwt::{JwtContext, JwtOutcome, JwtRule};
use mesh_authz::{Headers, HttpAttributes, Peer, Request};
use serde::Deserialize;

use crate::case::{PolicyCase, SetCase};
use crate::common::{NOW, Toy, build, secret_set, token};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: BTreeMap<String, Vec<RuleCase>>,
    tokens: BTreeMap<String, toml::Table>,
    test: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleCase {
    issuer: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    from_headers: Vec<(String, String)>,
    output_payload_to_header: Option<String>,
    #[serde(default)]
    output_claim_to_headers: Vec<(String, String)>,
}

impl RuleCase {
    fn rule(&self) -> JwtRule {
        let rule = JwtRule::new(&self.issuer).keys(secret_set());
        let rule = rule.audiences(self.audiences.iter().map(String::as_str));
        let rule = self.from_headers.iter().fold(rule, |rule, (name, prefix)| rule.from_header(name, prefix));
        let outputs = self.output_claim_to_headers.iter();
        let rule = outputs.fold(rule, |rule, (header, claim)| rule.output_claim_to_header(header, claim));
        match &self.output_payload_to_header {
            Some(name) => rule.output_payload_to_header(name),
            None => rule,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    spec: String,
    rules: String,
    #[serde(default)]
    policies: Vec<PolicyCase>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    #[serde(default = "get")]
    method: String,
    #[serde(default = "slash")]
    path: String,
    token: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    want: String,
    principal: Option<String>,
    path_after: Option<String>,
    #[serde(default)]
    headers_after: Vec<(String, String)>,
    #[serde(default)]
    gone: Vec<String>,
    #[serde(rename = "why")]
    _why: Option<String>,
}

fn get() -> String {
    "GET".into()
}

fn slash() -> String {
    "/".into()
}

fn values(headers: &dyn Headers, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    headers.any(name, &mut |value| {
        found.push(String::from_utf8_lossy(value).into_owned());
        false
    });
    found
}

fn check(test: &Test, case: &Case, rules: &[RuleCase], tokens: &BTreeMap<String, String>) -> Vec<String> {
    let fill = |text: &str| {
        tokens.iter().fold(text.to_owned(), |text, (name, token)| text.replace(&format!("{{{name}}}"), token))
    };
    let mut lines: Vec<_> = case.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
    if let Some(name) = &case.token {
        lines.push(("Authorization".into(), format!("Bearer {}", tokens[name])));
    }
    let path = fill(&case.path);

    let authentication = build(rules.iter().map(RuleCase::rule));
    let policies = SetCase::default().build(&test.policies);
    let http = HttpAttributes::new(&case.method, &path).headers(&lines);
    let outcome = authentication.authenticate(&http, &JwtContext::new(NOW, &Toy));
    let headers = outcome.headers(&http);
    let edited = outcome.attributes(http, &headers);
    let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    let got = match &outcome {
        JwtOutcome::Rejected(rejection) => format!("{} {}", rejection.status(), rejection.message()),
        _ if policies.evaluate(&connection.http(edited)).is_allowed() => "200".to_owned(),
        _ => "403".to_owned(),
    };

    let mut wrong = Vec::new();
    let mut compare = |what: &str, want: String, got: String| {
        if want != got {
            wrong.push(format!("{what}: want {want}, got {got}"));
        }
    };
    compare("answer", case.want.clone(), got);
    let principal = outcome.token().and_then(mesh_authz::jwt::VerifiedToken::principal);
    if let Some(want) = &case.principal {
        compare("principal", want.clone(), principal.unwrap_or_default());
    } else if case.token.is_none() && case.headers.is_empty() && path == "/" {
        compare("principal", String::new(), principal.unwrap_or_default());
    }
    if let Some(want) = &case.path_after {
        let path = outcome.edits().unwrap().path().unwrap_or(path.as_bytes());
        compare("path", want.clone(), String::from_utf8_lossy(path).into_owned());
    }
    for (name, want) in &case.headers_after {
        compare(name, want.clone(), values(&headers, name).join("|"));
        let added = outcome.edits().unwrap().added_headers().find(|(added, _)| added == name);
        compare(name, want.clone(), added.map_or_else(String::new, |(_, value)| value.to_owned()));
    }
    for name in &case.gone {
        compare(name, String::new(), values(&headers, name).join("|"));
    }
    wrong
}

#[test]
fn worked_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/authz/jwt/cases.toml");
    let file: File = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let payload = |table: &toml::Table| serde_json::to_string(table).unwrap();
    let tokens = file.tokens.iter().map(|(name, table)| (name.clone(), token(&payload(table)))).collect();
    let (mut failures, mut count) = (String::new(), 0);
    for test in &file.test {
        for case in &test.cases {
            count += 1;
            for what in check(test, case, &file.rules[&test.rules], &tokens) {
                writeln!(failures, "{} ({}): {case:?}: {what}", test.name, test.spec).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count > 50, "only {count} cases were found");
}
