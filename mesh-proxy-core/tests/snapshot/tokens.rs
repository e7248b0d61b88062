//! RequestAuthentication as compiled (sections 1.1 and 7 of the authorization reference). That tokens are verified with
//! it is tested over sockets.

use mesh_authz::jwt::{AwsLc, JwtAuthentication, JwtContext};
use mesh_authz::{HttpAttributes, Peer, Request};
use mesh_proxy_core::snapshot::{Protection, Role};
use std::time::Duration;

use crate::world::{World, istio};

/// A key that verifies none of the tokens here.
const JWKS: &str = r#"{"keys": [{"kty": "oct", "k": "YSBrZXk"}]}"#;

fn request_authentication(namespace: &str, name: &str, spec: &str) -> String {
    istio("RequestAuthentication", namespace, name, spec)
}

fn rule(issuer: &str, more: &str) -> String {
    format!("{{issuer: {issuer}, jwks: '{JWKS}'{more}}}")
}

fn protection(world: &World) -> &Protection {
    world.compiled.snapshot.protection(Role::Sidecar)
}

/// The message with which a token is refused; `None` when no rule finds one.
fn refusal(tokens: &JwtAuthentication, lines: &[(&str, &str)]) -> Option<&'static str> {
    let verifier = AwsLc::new();
    let context = JwtContext::new(Duration::from_secs(1_700_000_000), &verifier);
    let lines = lines.to_vec();
    let http = HttpAttributes::new("GET", "/").headers(&lines);
    tokens.authenticate(&http, &context).rejection().map(mesh_authz::jwt::Rejection::message)
}

/// `{"alg":"HS256"}.{"iss":"a"}` and `{"iss":"b"}` with no good signature.
const OF_A: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA";
const OF_B: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJiIn0.AAAA";

/// The rules of all that apply are one list, sorted by issuer.
#[test]
fn rules_are_united_authz_jwt_01() {
    let spec = |rule: String| format!("  jwtRules: [{rule}]");
    let world = World::new(&[
        request_authentication("istio-system", "root", &spec(rule("b", ""))),
        request_authentication("default", "own", &spec(rule("a", ""))),
        request_authentication("other", "far", &spec(rule("c", ""))),
        request_authentication(
            "default",
            "others",
            &format!("  selector: {{matchLabels: {{app: other}}}}\n{}", spec(rule("d", ""))),
        ),
    ]);
    let protection = protection(&world);
    let names: Vec<_> = protection.token_sources.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["root", "own"]);
    let tokens = protection.tokens.as_deref().expect("rules");
    let bearer = |token: &str| refusal(tokens, &[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(bearer(OF_A), Some("Jwt verification fails"));
    assert_eq!(bearer(OF_B), Some("Jwt verification fails"));
    assert_eq!(bearer("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJjIn0.AAAA"), Some("Jwt issuer is not configured"));
    assert_eq!(refusal(tokens, &[]), None);
}

/// Every field of a rule arrives.
#[test]
fn fields_authz_jwt_10() {
    let more = ", fromHeaders: [{name: X-One, prefix: 'T '}], fromCookies: [c], audiences: [svc]";
    let world =
        World::new(&[request_authentication("default", "p", &format!("  jwtRules: [{}]", rule("a", more)))]);
    let tokens = protection(&world).tokens.as_deref().expect("rules");
    let with = |name: &str, value: String| refusal(tokens, &[(name, value.as_str())]);
    // The audience is looked at before the signature.
    let found = Some("Audiences in Jwt are not allowed");
    assert_eq!(with("x-one", format!("T {OF_A}")), found);
    assert_eq!(with("cookie", format!("c={OF_A}")), found);
    assert_eq!(with("x-one", OF_A.to_owned()), None);
    assert_eq!(with("authorization", format!("Bearer {OF_A}")), None, "named places replace the defaults");
}

/// Without rules nothing is looked at.
#[test]
fn no_rules_authz_jwt_02() {
    let world = World::new(&[request_authentication("default", "p", "  {}")]);
    assert!(protection(&world).tokens.is_none());
    assert!(protection(&World::new::<&str>(&[])).tokens.is_none());
}

/// Keys that have to be fetched are told about; every token of the rule is refused, and nothing else.
#[test]
fn keys_to_fetch_authz_jwks_01_03() {
    let spec = "  jwtRules: [{issuer: a, jwksUri: 'https://keys.example.com'}, {issuer: 'https://b'}]";
    let world = World::new(&[request_authentication("default", "p", spec)]);
    let tokens = protection(&world).tokens.as_deref().expect("rules");
    let sources: Vec<_> =
        tokens.key_sources().iter().map(|found| (found.issuer(), found.jwks_uri())).collect();
    assert_eq!(sources, [("a", Some("https://keys.example.com")), ("https://b", None)]);
    let bearer = format!("Bearer {OF_A}");
    assert_eq!(refusal(tokens, &[("authorization", &bearer)]), Some("Jwks remote fetch is failed"));
    assert_eq!(refusal(tokens, &[]), None);
    for index in [0, 1] {
        let at = format!("error: RequestAuthentication default/p: spec.jwtRules[{index}]");
        assert!(world.says(&[&at, "not fetched yet"]), "{:?}", world.issues());
    }
    // For workloads it has no effect anyway, as connections to them are not received.
    let spec = format!("  selector: {{matchLabels: {{app: me}}}}\n{spec}");
    let world = World::new(&[request_authentication("default", "p", &spec)]);
    assert!(protection(&world).tokens.is_some());
    assert!(world.says(&["has no effect"]) && !world.says(&["fetched"]), "{:?}", world.issues());
}

/// A rule that breaks the rules of its kind refuses every token, and the finding says why (AUTHZ-VAL-13).
#[test]
fn invalid_rules_authz_val_13() {
    for (rule, words) in [
        ("{jwks: '{}', issuer: a}", "JSON Web Key Set"),
        ("{issuer: a, jwks: 'nonsense'}", "JSON Web Key Set"),
        ("{issuer: a, jwksUri: 'ftp://x/y'}", "jwksUri"),
        ("{issuer: a, jwksUri: 'https://x', audiences: ['']}", "audiences"),
        ("{issuer: a, jwksUri: 'https://x', fromHeaders: [{name: ''}]}", "fromHeaders"),
        ("{issuer: a, jwksUri: 'https://x', fromParams: ['']}", "fromParams"),
        (
            "{issuer: a, jwksUri: 'https://x', outputClaimToHeaders: [{header: 'a b', claim: c}]}",
            "outputClaimToHeaders",
        ),
        ("{audiences: [x]}", "issuer"),
    ] {
        let world =
            World::tolerant(&[request_authentication("default", "p", &format!("  jwtRules: [{rule}]"))]);
        let protection = protection(&world);
        let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
        let open = protection.policies.evaluate(&request).is_allowed();
        // Either the rule refuses tokens, or the whole object was refused and everything is denied.
        assert!(
            !open || protection.tokens.as_ref().is_some_and(|tokens| tokens.invalid().len() == 1),
            "{rule}"
        );
        if open {
            assert!(world.says(&["RequestAuthentication default/p", words]), "{rule}: {:?}", world.issues());
        }
    }
}

/// An object that was not read whole, or whose selector cannot be trusted, denies.
#[test]
fn broken_objects_deny_proxy_feat_04() {
    let open = |spec: &str| {
        let world = World::tolerant(&[request_authentication("default", "p", spec)]);
        let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
        protection(&world).policies.evaluate(&request).is_allowed()
    };
    assert!(!open("  jwtRulez: []"));
    assert!(!open("  selector: {matchLabels: {app: [me]}}\n  jwtRules: []"));
    assert!(open("  selector: {matchLabels: {app: other}}\n  jwtRulez: []"));
    assert!(open("  jwtRules: []"));
}

/// What the gateway does not use is told about once.
#[test]
fn objects_for_workloads_have_no_effect_yet_proxy_feat_04() {
    let spec = format!("  selector: {{matchLabels: {{app: me}}}}\n  jwtRules: [{}]", rule("a", ""));
    let world = World::new(&[request_authentication("default", "p", &spec)]);
    let found =
        world.issues().iter().filter(|issue| issue.contains("RequestAuthentication default/p")).count();
    assert_eq!(found, 1, "{:?}", world.issues());
    assert!(world.says(&["warning: RequestAuthentication default/p", "no effect"]));
    assert!(protection(&world).tokens.is_some());
    assert!(world.compiled.snapshot.protection(Role::Gateway).tokens.is_none());
}
