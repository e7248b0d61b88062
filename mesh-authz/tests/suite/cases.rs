//! The worked cases of the reference, section 11, and more of their kind, from `testdata/authz`.

use std::fmt::Write as _;
use std::path::Path;

use mesh_authz::{ForwardedFor, Outcome, PolicySet, RuleName, Shadow, Verdict};
use serde::Deserialize;

use crate::case::{Call, Http, Names, PolicyCase, SetCase};
use crate::oracle;

#[derive(Debug, Deserialize)]
struct File {
    test: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    spec: String,
    #[serde(default)]
    set: SetCase,
    policies: Vec<PolicyCase>,
    refused: Option<String>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    http: Option<String>,
    host: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    claims: Option<toml::Table>,
    peer: Option<String>,
    names: Option<Names>,
    #[serde(default = "ip")]
    ip: String,
    forwarded_for: Option<String>,
    #[serde(default = "destination")]
    destination: String,
    #[serde(default = "port")]
    port: u16,
    #[serde(default)]
    sni: String,
    #[serde(default)]
    metadata: Vec<(String, String, toml::Value)>,
    want: String,
    by: Option<String>,
    audit: Option<bool>,
    shadow_allow: Option<String>,
    shadow_deny: Option<String>,
    asks: Option<Vec<String>>,
    #[serde(rename = "why")]
    _why: Option<String>,
}

fn ip() -> String {
    "10.0.0.7".to_owned()
}

fn destination() -> String {
    "10.0.0.9".to_owned()
}

fn port() -> u16 {
    8080
}

impl Case {
    fn call(&self) -> Call {
        let names = match (&self.peer, &self.names) {
            (Some(peer), None) => Some(Names { uri: vec![format!("spiffe://{peer}")], ..Names::default() }),
            (None, names) => names.clone(),
            (Some(_), Some(_)) => panic!("either `peer` or `names`"),
        };
        let ip = self.ip.parse().unwrap();
        Call {
            names,
            ip,
            remote_ip: ForwardedFor::Sidecar.client_address(ip, &self.forwarded_for),
            destination: (self.destination.parse::<std::net::IpAddr>().unwrap(), self.port).into(),
            sni: self.sni.clone(),
            http: self.http.as_ref().map(|http| {
                let (method, path) = http.split_once(' ').unwrap();
                Http {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    host: self.host.clone(),
                    headers: self.headers.clone(),
                    claims: self.claims.clone(),
                }
            }),
            metadata: self.metadata.clone(),
        }
    }
}

/// What is wrong with the answers to one case.
fn check(test: &Test, case: &Case, set: &PolicySet) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, want: &str, got: &str| {
        if want != got {
            wrong.push(format!("{what}: want {want}, got {got}"));
        }
    };
    let call = case.call();
    call.with(|request| {
        if let Some(want) = &case.asks {
            let asks: Vec<_> = set.delegated_to(request).map(|d| d.provider.to_string()).collect();
            compare("asks", &want.join(" "), &asks.join(" "));
            if !asks.is_empty() {
                compare("before they allow", "Deny", &format!("{:?}", set.evaluate(request).verdict));
            }
        }
        let request = &if case.asks.is_some() { request.allowed_by_providers() } else { *request };
        let decision = set.evaluate(request);
        compare("verdict", &case.want, if decision.is_allowed() { "allow" } else { "deny" });
        // AUTHZ-RESP-05: what Envoy writes as `enforced_effective_policy_id`.
        let by = decision.effective_policy_id().map_or("none".to_owned(), |rule| rule.to_string());
        if let Some(want) = &case.by {
            compare("by", want, &by);
        }
        // AUTHZ-RESP-03, AUTHZ-RESP-04: the same text for requests and connections.
        let details = decision.response_code_details().map(|d| d.to_string());
        let want = format!("rbac_access_denied_matched_policy[{by}]");
        compare(
            "details",
            &format!("{:?}", (!decision.is_allowed()).then_some(want)),
            &format!("{details:?}"),
        );
        if let Some(want) = case.audit {
            compare(
                "audit",
                &format!("{want}"),
                &decision.access_log_hint.map_or("absent".into(), |h| h.to_string()),
            );
        }
        let dry_run = set.dry_run(request);
        let shadow = |shadow: Option<Shadow<'_>>| match shadow.map(|s| s.verdict) {
            None => "absent",
            Some(Verdict::Allow) => "allowed",
            Some(Verdict::Deny) => "denied",
        };
        for (what, want, got) in [
            ("shadow-allow", &case.shadow_allow, dry_run.allow),
            ("shadow-deny", &case.shadow_deny, dry_run.deny),
        ] {
            compare(what, want.as_deref().unwrap_or("absent"), shadow(got));
        }
        // The long answer names the same rule.
        let explanation = set.explain(request);
        let matched = explanation.stages.iter().flat_map(|stage| &stage.rules);
        let matched = matched.filter(|rule| matches!(rule.outcome, Outcome::Matched | Outcome::Invalid(_)));
        let names: Vec<_> = matched.map(|rule| RuleName::to_string(&rule.name)).collect();
        if by != "none" && !names.contains(&by) {
            compare("explain", &by, &names.join(" "));
        }
        // The model, which the random tests trust, is held to the reference as well.
        if !test.set.keep_invalid && test.policies.iter().all(|policy| policy.action != "CUSTOM") {
            let model = oracle::answer_by_profile(&test.set, &test.policies, &call);
            compare("model", &case.want, if model.allowed { "allow" } else { "deny" });
            compare("model's rule", &by, model.rule.as_deref().unwrap_or("none"));
        }
    });
    wrong
}

#[test]
fn worked_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/authz");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let (mut failures, mut count) = (String::new(), 0);
    for path in &paths {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let tests: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        for test in &tests.test {
            let mut fail = |case: &str, what: &str| {
                writeln!(failures, "{file}: {} ({}): {case}: {what}", test.name, test.spec).unwrap();
            };
            let set = match (test.set.builder(&test.policies).build(), &test.refused) {
                (Ok(set), None) => set,
                (Err(error), Some(want)) if error.to_string() == *want => {
                    count += 1;
                    continue;
                }
                (Ok(_), Some(_)) => {
                    fail("build", "is not refused");
                    continue;
                }
                (Err(error), want) => {
                    fail("build", &format!("want {want:?}, got {error}"));
                    continue;
                }
            };
            assert!(!test.cases.is_empty(), "{file}: {}: no cases", test.name);
            for case in &test.cases {
                count += 1;
                for what in check(test, case, &set) {
                    fail(&format!("{case:?}"), &what);
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(count > 200, "only {count} cases were found");
}
