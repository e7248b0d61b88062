//! Rules, where they look, where their keys come from, and what is wrong with them.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use mesh_authz::jwt::{
    JwtAuthentication, JwtBuildError, JwtBuildErrorKind as Kind, JwtContext, JwtFailure, JwtOutcome, JwtRule,
    KeyLookup, KeySet, KeySource, KeyStore, RequestAuthentication, is_blocked_key_host,
};
use mesh_authz::{Headers, HttpAttributes, NoHeaders, PolicyId};

use crate::common::{NOW, Toy, answer, bearer, build, secret_set, token};

fn rule(issuer: &str) -> JwtRule {
    JwtRule::new(issuer).keys(secret_set())
}

fn policy(name: &str, rules: impl IntoIterator<Item = JwtRule>) -> RequestAuthentication {
    let policy = RequestAuthentication::new(PolicyId::new("foo", name));
    rules.into_iter().fold(policy, RequestAuthentication::rule)
}

fn run(authentication: &JwtAuthentication, path: &str, headers: &dyn Headers) -> JwtOutcome {
    let http = HttpAttributes::new("GET", path).headers(headers);
    authentication.authenticate(&http, &JwtContext::new(NOW, &Toy))
}

#[test]
fn rules_of_all_policies_are_united_and_sorted_by_issuer() {
    // AUTHZ-JWT-01: the same outcome in whatever order policies and rules are added, where issuers differ.
    let b_first = [policy("a", [rule("b").audiences(["x"])]), policy("b", [rule("a").audiences(["x"])])];
    let a_first = [b_first[1].clone(), b_first[0].clone()];
    for policies in [b_first, a_first] {
        let authentication = JwtAuthentication::builder().policies(policies).build().unwrap();
        // For each issuer some rule is there; the other says "issuer is not configured", which counts less.
        for issuer in ["a", "b"] {
            let outcome = bearer(&authentication, &token(&format!(r#"{{"iss":"{issuer}"}}"#)));
            assert_eq!(answer(&outcome), "Audiences in Jwt are not allowed");
        }
    }
    // Two failures of the same weight: that of the first issuer counts.
    let rules = [rule("b").from_header("x-b", ""), rule("a").from_header("x-a", "")];
    let authentication = build(rules);
    let lines = [("x-a", token(r#"{"iss":"a","exp":1}"#)), ("x-b", token(r#"{"iss":"b","nbf":9e10}"#))];
    assert_eq!(answer(&run(&authentication, "/", &lines)), "Jwt is expired");
    // Of one issuer the rule added first goes first.
    let rules = [rule("a").from_header("x-b", ""), rule("a").from_header("x-a", "")];
    let lines = [("x-a", token(r#"{"iss":"a","exp":1}"#)), ("x-b", token(r#"{"iss":"a","nbf":9e10}"#))];
    assert_eq!(answer(&run(&build(rules), "/", &lines)), "Jwt not yet valid");
}

#[test]
fn rules_of_one_issuer_are_alternatives() {
    // AUTHZ-JWT-05
    let authentication = build([rule("a").audiences(["x"]), rule("a").audiences(["y"])]);
    for (audience, expected) in [("x", "ok"), ("y", "ok"), ("z", "Audiences in Jwt are not allowed")] {
        let token = token(&format!(r#"{{"iss":"a","aud":"{audience}"}}"#));
        assert_eq!(answer(&bearer(&authentication, &token)), expected);
    }
}

#[test]
fn without_rules_nothing_is_looked_at() {
    // AUTHZ-JWT-02
    assert_eq!(answer(&bearer(&build([]), "nonsense")), "Jwt is missing");
    assert!(build([]).key_sources().is_empty());
}

#[test]
fn places() {
    // AUTHZ-JWT-10, AUTHZ-JWT-12, AUTHZ-JWT-14
    let token = token(r#"{"iss":"a"}"#);
    let header = build([rule("a").from_header("X-Token", "")]);
    let param = build([rule("a").from_param("t")]);
    let cookie = build([rule("a").from_cookie("t")]);
    let in_header = [("x-token", token.clone())];
    let in_cookie = [("cookie", format!("a=1; t={token}"))];
    let in_default = [("authorization", format!("Bearer {token}"))];
    let in_param = format!("/?t={token}");
    for (authentication, expected) in [
        (&header, [true, false, false, false]),
        (&param, [false, true, false, false]),
        (&cookie, [false, false, true, false]),
    ] {
        let found = [
            run(authentication, "/", &in_header),
            run(authentication, &in_param, &NoHeaders),
            run(authentication, "/", &in_cookie),
            run(authentication, "/", &in_default),
        ];
        assert_eq!(found.map(|outcome| outcome.token().is_some()), expected);
    }
}

#[test]
fn what_is_removed() {
    // AUTHZ-JWT-15
    let token = token(r#"{"iss":"a"}"#);
    let authorization = [("authorization", format!("Bearer {token}"))];
    let edits = |rule: JwtRule, path: &str, headers: &dyn Headers| {
        let outcome = run(&build([rule]), path, headers);
        let edits = outcome.edits().unwrap();
        let removed: Vec<String> = edits.removed_headers().map(str::to_owned).collect();
        (removed, edits.path().map(|path| String::from_utf8_lossy(path).into_owned()))
    };
    let in_param = format!("/p?x=%20&access_token={token}");
    assert_eq!(edits(rule("a"), "/p?x", &authorization), (vec!["authorization".to_owned()], None));
    assert_eq!(edits(rule("a"), &in_param, &NoHeaders), (vec![], Some("/p?x=%20".to_owned())));
    assert_eq!(edits(rule("a").forward_original_token(), &in_param, &authorization), (vec![], None));
    let in_cookie = [("cookie", format!("t={token}"))];
    assert_eq!(edits(rule("a").from_cookie("t"), "/", &in_cookie), (vec![], None));
}

#[test]
fn only_the_verifying_rule_writes_and_all_are_stripped() {
    // AUTHZ-JWT-04, AUTHZ-JWT-31
    let rules = [
        rule("a").output_claim_to_header("X-A", "sub").output_payload_to_header("x-payload"),
        rule("b").output_claim_to_header("x-b", "sub"),
    ];
    let authentication = build(rules);
    let text = r#"{"iss":"b","sub":"s"}"#;
    let outcome = bearer(&authentication, &token(text));
    let edits = outcome.edits().unwrap();
    assert_eq!(edits.removed_headers().collect::<Vec<_>>(), ["x-a", "x-b", "x-payload", "authorization"]);
    assert_eq!(edits.added_headers().collect::<Vec<_>>(), [("x-b", "s")]);

    let payload = r#"{"iss":"a","sub":"s"}"#;
    let outcome = bearer(&authentication, &token(payload));
    let added: Vec<_> = outcome.edits().unwrap().added_headers().collect();
    assert_eq!(added, [("x-payload", &*crate::common::base64url(payload)), ("x-a", "s")]);
}

#[test]
fn a_rejected_request_has_no_edits_and_no_claims() {
    // AUTHZ-JWT-03
    let outcome = bearer(&build([rule("a")]), "nonsense");
    assert!(outcome.edits().is_none() && outcome.token().is_none());
    let lines = [("x", "1")];
    let claims = mesh_authz::Claims::new();
    let http = HttpAttributes::new("GET", "/p?q").headers(&lines).claims(&claims);
    let headers = outcome.headers(&http);
    assert!(headers.any("x", &mut |value| value == b"1"));
    assert!(format!("{:?}", outcome.attributes(http, &headers)).contains("/p"));
}

#[test]
fn sources_of_keys() {
    // AUTHZ-JWKS-01
    let jwks = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    let authentication = build([
        JwtRule::new("inline").jwks(jwks),
        JwtRule::new("https://c/").jwks_uri("https://c/keys"),
        JwtRule::new("https://b/x/"),
        JwtRule::new("https://b/x/").audiences(["y"]),
    ]);
    let sources = authentication.key_sources();
    assert_eq!(
        sources,
        [&KeySource::new("https://b/x/", None), &KeySource::new("https://c/", Some("https://c/keys"))],
    );
    assert_eq!(sources[0].discovery_uri(), "https://b/x/.well-known/openid-configuration");
    assert_eq!((sources[0].jwks_uri(), sources[1].jwks_uri()), (None, Some("https://c/keys")));
    assert_eq!(sources[1].issuer(), "https://c/");
    assert_eq!(answer(&bearer(&authentication, &token(r#"{"iss":"inline"}"#))), "ok");
}

#[test]
fn without_keys_tokens_are_refused_and_nothing_else() {
    // AUTHZ-JWKS-03, AUTHZ-JWKS-04
    let authentication = build([JwtRule::new("https://a").jwks_uri("https://a/keys")]);
    let source = authentication.key_sources()[0].clone();
    let lines = [("authorization", format!("Bearer {}", token(r#"{"iss":"https://a"}"#)))];
    let http = HttpAttributes::new("GET", "/").headers(&lines);
    let with = |store: &KeyStore, now| {
        answer(&authentication.authenticate(&http, &JwtContext::new(now, &Toy).keys(store)))
    };

    let mut store = KeyStore::new();
    assert_eq!(with(&store, NOW), "Jwks remote fetch is failed");
    store.failed(source.clone(), NOW);
    assert_eq!(with(&store, NOW), "Jwks remote fetch is failed");
    assert_eq!(answer(&run(&authentication, "/", &NoHeaders)), "Jwt is missing");
    store.fetched(source.clone(), KeySet::default(), NOW);
    assert_eq!(with(&store, NOW), "Jwks doesn't have any valid public key");
    store.fetched(source, secret_set(), NOW);
    assert_eq!(with(&store, NOW), "ok");
    let week = Duration::from_hours(7 * 24);
    assert_eq!(with(&store, NOW + week), "ok");
    assert_eq!(with(&store, NOW + week + Duration::from_secs(1)), "Jwks remote fetch is failed");
}

#[test]
fn fresh_stale_absent() {
    // AUTHZ-JWKS-02, AUTHZ-JWKS-07
    let (a, b) = (KeySource::new("a", None), KeySource::new("a", Some("https://a")));
    let keys = secret_set();
    let at = |minutes| NOW + Duration::from_mins(minutes);
    let mut store = KeyStore::new();
    assert!(store.is_due(&a, NOW));
    store.fetched(a.clone(), keys.clone(), NOW);
    assert_eq!(store.lookup(&b, NOW), KeyLookup::Absent, "issuer and address are the key");
    assert_eq!(store.lookup(&a, at(20)), KeyLookup::Ready(&keys));
    assert_eq!(store.lookup(&a, at(21)), KeyLookup::Stale(&keys));
    assert_eq!(store.lookup(&a, at(7 * 24 * 60)), KeyLookup::Stale(&keys));
    assert_eq!(store.lookup(&a, at(7 * 24 * 60 + 1)), KeyLookup::Absent);
    assert_eq!([19, 20].map(|minutes| store.is_due(&a, at(minutes))), [false, true]);

    // After failures: 1 minute, doubled each time, an hour at most; the keys stay.
    let mut now = at(20);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        store.failed(a.clone(), now);
        let wait = Duration::from_mins(wait);
        assert!(!store.is_due(&a, now + wait.saturating_sub(Duration::from_secs(1))));
        now += wait;
        assert!(store.is_due(&a, now));
    }
    assert_eq!(store.lookup(&a, now).keys(), Some(&keys));
    for _ in 0..100 {
        store.failed(a.clone(), now);
    }
    assert!(store.is_due(&a, now + Duration::from_hours(1)));
    store.fetched(a.clone(), keys, now);
    assert!(!store.is_due(&a, now + Duration::from_mins(19)));

    store.retain(now, |source| *source != a);
    assert_eq!(store.lookup(&a, now), KeyLookup::Absent);
}

#[test]
fn fetching_for_an_unknown_kid() {
    // AUTHZ-JWKS-02, AUTHZ-JWKS-07: off by default.
    let source = KeySource::new("a", None);
    let fill = |mut store: KeyStore| {
        store.fetched(source.clone(), secret_set(), NOW);
        store
    };
    let later = NOW + Duration::from_secs(45);
    assert!(!fill(KeyStore::new()).is_due_for_unknown_kid(&source, later));
    let store = fill(KeyStore::new().refetch_on_unknown_kid(Duration::from_secs(45)));
    assert!(store.is_due_for_unknown_kid(&source, later));
    assert!(!store.is_due_for_unknown_kid(&source, NOW + Duration::from_secs(44)));
}

#[test]
fn where_keys_are_not_fetched() {
    // AUTHZ-JWKS-06
    let blocked = [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "100.100.100.200",
    ];
    let open = ["10.0.0.1", "8.8.8.8", "::1", "fd00:ec2::255", "100.100.100.201"];
    let is_blocked = |text: &str| is_blocked_key_host(text.parse::<IpAddr>().unwrap());
    assert!(blocked.into_iter().all(is_blocked));
    assert!(!open.into_iter().any(is_blocked));
}

fn error(rule: JwtRule) -> JwtBuildError {
    JwtAuthentication::builder().policy(policy("p", [self::rule("first"), rule])).build().unwrap_err()
}

#[test]
fn faults_are_named_with_their_place() {
    // AUTHZ-VAL-11, AUTHZ-VAL-13
    let uri = "https://a/keys";
    let many: Vec<String> = (0..65).map(|i| format!("c{i}")).collect();
    let cases = [
        (JwtRule::new("").keys(secret_set()), "issuer", Kind::IssuerOrUriRequired),
        (JwtRule::new("a").jwks_uri(uri).jwks("{}"), "jwksUri", Kind::JwksAndUri),
        (JwtRule::new("a").jwks_uri("a/keys"), "jwksUri", Kind::InvalidUri),
        (JwtRule::new("a").jwks("{"), "jwks", Kind::InvalidJwks(JwtFailure::KeysJson)),
        (JwtRule::new("a").jwks("{\"keys\":[]}"), "jwks", Kind::InvalidJwks(JwtFailure::NoValidKeys)),
        (rule("a").audiences(["x", ""]), "audiences[1]", Kind::EmptyValue),
        (rule("a").from_header("a", "").from_header("", "p"), "fromHeaders[1].name", Kind::EmptyValue),
        (rule("a").from_param(""), "fromParams[0]", Kind::EmptyValue),
        (rule("a").from_cookie(""), "fromCookies[0]", Kind::EmptyValue),
        (rule("a").space_delimited_claims([""]), "spaceDelimitedClaims[0]", Kind::EmptyValue),
        (
            rule("a").space_delimited_claims(many.iter().map(String::as_str)),
            "spaceDelimitedClaims[64]",
            Kind::TooManyClaims,
        ),
        (rule("a").output_claim_to_header("x", ""), "outputClaimToHeaders[0].claim", Kind::EmptyValue),
        (
            rule("a").output_claim_to_header("x y", "sub"),
            "outputClaimToHeaders[0].header",
            Kind::InvalidHeaderName,
        ),
        (rule("a").output_payload_to_header(":path"), "outputPayloadToHeader", Kind::InvalidHeaderName),
        (rule("a").output_payload_to_header(""), "outputPayloadToHeader", Kind::InvalidHeaderName),
    ];
    for (rule, field, kind) in cases {
        let error = error(rule);
        assert_eq!((error.kind(), error.field()), (kind, format!("spec.jwtRules[1].{field}")));
        assert_eq!((error.rule(), error.policy()), (1, &PolicyId::new("foo", "p")));
    }
    let too_many = policy("p", (0..4097).map(|_| rule("a")));
    let error = JwtAuthentication::builder().policy(too_many).build().unwrap_err();
    assert_eq!((error.kind(), error.rule()), (Kind::TooManyRules, 4096));
    assert!(build((0..4096).map(|_| rule("a"))).invalid().is_empty());
}

#[test]
fn texts_of_errors() {
    // AUTHZ-VAL-13
    let texts = [
        (
            rule("a").output_claim_to_header("x y", "sub"),
            "RequestAuthentication foo/p: spec.jwtRules[1].outputClaimToHeaders[0].header: `x y` is not a header \
             name of letters, digits, `-` and `_`",
        ),
        (
            JwtRule::new("a").jwks("secret"),
            "RequestAuthentication foo/p: spec.jwtRules[1].jwks: is not a JSON Web Key Set with a usable key",
        ),
    ];
    for (rule, text) in texts {
        assert_eq!(error(rule).to_string(), text);
    }
    let error = error(JwtRule::new("a").jwks("secret"));
    assert_eq!(error.source().unwrap().to_string(), "Jwks is an invalid JSON");
    assert_eq!(error.value(), "", "a key set may hold secrets");
}

#[test]
fn a_rule_that_means_nothing_refuses_on_request() {
    // AUTHZ-VAL-13: never thinned out to a rule that verifies less, or looks elsewhere.
    let broken = rule("a").audiences([""]).from_header("x-a", "").output_claim_to_header("x y", "sub");
    let authentication =
        JwtAuthentication::builder().policy(policy("p", [broken, rule("b")])).keep_invalid().build().unwrap();
    assert_eq!(authentication.invalid().len(), 1);
    let lines = [("x-a", token(r#"{"iss":"a","aud":""}"#))];
    assert_eq!(answer(&run(&authentication, "/", &lines)), "Jwks doesn't have any valid public key");
    assert_eq!(answer(&run(&authentication, "/", &NoHeaders)), "Jwt is missing");
    assert_eq!(answer(&bearer(&authentication, &token(r#"{"iss":"b"}"#))), "ok");
}
