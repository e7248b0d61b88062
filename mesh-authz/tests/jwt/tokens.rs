//! One token against one rule.

use std::time::Duration;

use mesh_authz::jwt::{Algorithm, JwtFailure, JwtRule, Key, KeyMaterial, KeySet, Rejection};
use mesh_authz::{Claims, HttpAttributes, Value};

use crate::common::{
    answer, base64url, bearer, bearer_at, build, secret, secret_set, token, token_with, toy_signature,
};

fn rule() -> JwtRule {
    JwtRule::new("iss1").keys(secret_set())
}

/// What becomes of a payload that is the issuer and `more`.
fn payload(more: &str) -> &'static str {
    answer(&bearer(&build([rule()]), &token(&format!(r#"{{"iss":"iss1"{more}}}"#))))
}

#[test]
fn form() {
    // AUTHZ-JWT-21
    let malformed = JwtFailure::Malformed.message();
    let good = token(r#"{"iss":"iss1"}"#);
    let parts: Vec<&str> = good.split('.').collect();
    let (header, body, signature) = (parts[0], parts[1], parts[2]);
    let authentication = build([rule()]);
    let cases = [
        (good.clone(), "ok"),
        ("a".into(), malformed),
        ("a.b".into(), malformed),
        (format!("{header}.{body}."), malformed),
        (format!(".{body}.{signature}"), malformed),
        (format!("{header}..{signature}"), malformed),
        (format!("{good}.x"), malformed),
        (format!(".{good}"), "ok"),
        (format!("{good}.."), "ok"),
        (format!("{header}..{body}.{signature}"), "ok"),
        (format!("{header}.{body}. {signature} "), "ok"),
        (format!("{header}.{body}\n.{signature}"), malformed),
        (format!("{header}.{body}.{}", "A".repeat(70_000)), malformed),
        (format!("{header}*.{body}.{signature}"), "Jwt header is an invalid Base64url encoded"),
        (format!("{header}.{body}===.{signature}"), "Jwt payload is an invalid Base64url encoded"),
        (format!("{header}.{body}.{signature}+"), "Jwt signature is an invalid Base64url encoded"),
        (format!("{}.{body}.{signature}", base64url("[]")), "Jwt header is an invalid JSON"),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"alg":"HS256","alg":"HS256"}"#)),
            "Jwt header is an invalid JSON",
        ),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"kid":"a"}"#)),
            "Jwt header [alg] field is required and must be a string",
        ),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"alg":1}"#)),
            "Jwt header [alg] field is required and must be a string",
        ),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"alg":"none"}"#)),
            "Jwt header [alg] is not supported",
        ),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"alg":"hs256"}"#)),
            "Jwt header [alg] is not supported",
        ),
        (
            format!("{}.{body}.{signature}", base64url(r#"{"alg":"HS256","kid":1}"#)),
            "Jwt header [kid] field is not a string",
        ),
        (format!("{header}.{}.{signature}", base64url("{")), "Jwt payload is an invalid JSON"),
        (
            format!("{header}.{}.{signature}", base64url(r#"{"iss":"iss1","iss":"iss1"}"#)),
            "Jwt payload is an invalid JSON",
        ),
        (
            format!("{header}.{}.{signature}", base64url(b"{\"iss\":\"\xff\"}")),
            "Jwt payload is an invalid JSON",
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(answer(&bearer(&authentication, &token)), expected, "{token}");
    }
}

#[test]
fn types_of_claims() {
    // AUTHZ-JWT-21, AUTHZ-JWT-29
    let cases = [
        (r#","sub":"s","jti":"j","iat":1,"nbf":1.9,"exp":99999999999,"aud":"a""#, "ok"),
        (r#","aud":["a","b"]"#, "ok"),
        (r#","aud":[]"#, "ok"),
        (r#","sub":1"#, "Jwt payload [sub] field is not a string"),
        (r#","sub":null"#, "Jwt payload [sub] field is not a string"),
        (r#","jti":[]"#, "Jwt payload [jti] field is not a string"),
        (r#","iat":"1""#, "Jwt payload [iat] field is not an integer"),
        (r#","iat":-1"#, "Jwt payload [iat] field is not a positive 64 bit integer"),
        (r#","nbf":true"#, "Jwt payload [nbf] field is not an integer"),
        (r#","nbf":-0.5"#, "Jwt payload [nbf] field is not a positive 64 bit integer"),
        (r#","exp":"x""#, "Jwt payload [exp] field is not an integer"),
        (r#","exp":18446744073709551616"#, "Jwt payload [exp] field is not a positive 64 bit integer"),
        (r#","exp":1e300"#, "Jwt payload [exp] field is not a positive 64 bit integer"),
        (r#","exp":18446744073709549568"#, "ok"),
        (r#","aud":1"#, "Jwt payload [aud] field is not a string or string list"),
        (r#","aud":["a",1]"#, "Jwt payload [aud] field is not a string or string list"),
    ];
    for (more, expected) in cases {
        assert_eq!(payload(more), expected, "{more}");
    }
    let iss = token(r#"{"iss":1}"#);
    assert_eq!(answer(&bearer(&build([rule()]), &iss)), "Jwt payload [iss] field is not a string");
}

#[test]
fn crit_and_typ_are_ignored() {
    // AUTHZ-JWT-21
    let header = r#"{"typ":7,"crit":["exp"],"alg":"HS256"}"#;
    let token = token_with(header, r#"{"iss":"iss1"}"#, Algorithm::Hs256, &secret());
    assert_eq!(answer(&bearer(&build([rule()]), &token)), "ok");
}

#[test]
fn the_first_failure_in_order() {
    // AUTHZ-JWT-20: parse, issuer, times, audiences, signature. Each token has all the later faults as well.
    let authentication = build([rule().audiences(["svc"])]);
    let bad = |payload: &str| {
        let token = token(payload);
        let signed = &token[..token.rfind('.').unwrap()];
        answer(&bearer(&authentication, &format!("{signed}.AAAA"))).to_owned()
    };
    assert_eq!(bad(r#"{"iss":"zzz","exp":-1}"#), "Jwt payload [exp] field is not a positive 64 bit integer");
    assert_eq!(bad(r#"{"iss":"zzz","nbf":9e10,"exp":1}"#), "Jwt issuer is not configured");
    assert_eq!(bad(r#"{"iss":"iss1","nbf":9e10,"exp":1}"#), "Jwt not yet valid");
    assert_eq!(bad(r#"{"iss":"iss1","exp":1}"#), "Jwt is expired");
    assert_eq!(bad(r#"{"iss":"iss1"}"#), "Audiences in Jwt are not allowed");
    assert_eq!(bad(r#"{"iss":"iss1","aud":"svc"}"#), "Jwt verification fails");
}

#[test]
fn issuers() {
    // AUTHZ-JWT-22
    let named = build([rule()]);
    let any = build([JwtRule::new("").jwks_uri("https://a/keys")]);
    for (payload, expected) in
        [(r#"{"iss":"iss1"}"#, "ok"), (r#"{"iss":"iss1/"}"#, "Jwt issuer is not configured")]
    {
        assert_eq!(answer(&bearer(&named, &token(payload))), expected);
        // Goes on to the keys, which are not there.
        assert_eq!(answer(&bearer(&any, &token(payload))), "Jwks remote fetch is failed");
    }
    assert_eq!(answer(&bearer(&any, &token("{}"))), "Jwks remote fetch is failed");
}

#[test]
fn times_with_a_minute_of_skew() {
    // AUTHZ-JWT-23
    let authentication = build([rule()]);
    let token = token(r#"{"iss":"iss1","iat":99999999999,"nbf":1000,"exp":2000.9}"#);
    for (now, expected) in [
        (939, "Jwt not yet valid"),
        (940, "ok"),
        (2060, "ok"),
        (2061, "Jwt is expired"),
        (0, "Jwt not yet valid"),
    ] {
        assert_eq!(answer(&bearer_at(&authentication, &token, Duration::from_secs(now))), expected, "{now}");
    }
    assert_eq!(answer(&bearer_at(&authentication, &token, Duration::MAX)), "Jwt is expired");
}

#[test]
fn audiences() {
    // AUTHZ-JWT-24
    let authentication = build([rule().audiences(["https://svc.example/", "other"])]);
    for (audience, expected) in [
        ("svc.example", true),
        ("http://svc.example", true),
        ("https://svc.example/", true),
        ("other/", true),
        ("svc.example//", false),
        ("https://http://svc.example", false),
        ("SVC.example", false),
        ("svc", false),
        ("", false),
    ] {
        for audience in [format!("\"{audience}\""), format!("[\"x\",\"{audience}\"]")] {
            let token = token(&format!(r#"{{"iss":"iss1","aud":{audience}}}"#));
            assert_eq!(answer(&bearer(&authentication, &token)) == "ok", expected, "{audience}");
        }
    }
    let without = bearer(&authentication, &token(r#"{"iss":"iss1"}"#));
    assert_eq!(without.rejection().map(Rejection::status), Some(403));
}

#[test]
fn which_keys_are_tried() {
    // AUTHZ-JWT-25
    let other = KeyMaterial::Hmac(Box::from(&b"other"[..]));
    let no_match = "Jwks doesn't have key to match kid or alg from Jwt";
    let fails = "Jwt verification fails";
    let header = |kid: &str| format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
    let cases = [
        (vec![Key::new(secret())], header("a"), "ok"),
        (vec![Key::new(secret()).kid("a")], header("a"), "ok"),
        (vec![Key::new(secret()).kid("a")], header(""), "ok"),
        (vec![Key::new(secret()).kid("b")], header("a"), no_match),
        (vec![Key::new(secret()).kid("a").algorithm(Algorithm::Hs512)], header("a"), no_match),
        (vec![Key::new(other.clone()).kid("a"), Key::new(secret()).kid("a")], header("a"), "ok"),
        (vec![Key::new(other.clone()), Key::new(secret()).kid("b")], header("a"), fails),
        (vec![Key::new(other)], header("a"), fails),
        (vec![], header("a"), "Jwks doesn't have any valid public key"),
    ];
    for (keys, header, expected) in cases {
        let authentication = build([JwtRule::new("iss1").keys(KeySet::new(keys.clone()))]);
        let token = token_with(&header, r#"{"iss":"iss1"}"#, Algorithm::Hs256, &secret());
        assert_eq!(answer(&bearer(&authentication, &token)), expected, "{header} {keys:?}");
    }
}

#[test]
fn an_ed25519_key_ends_the_search() {
    // AUTHZ-JWT-25, the trap.
    let rsa = KeyMaterial::Rsa { n: Box::new([1; 256]), e: Box::new([1, 0, 1]) };
    let edwards = Key::new(KeyMaterial::Ed25519(Box::new([7; 32])));
    let short = |keys: &[Key]| {
        let authentication = build([JwtRule::new("iss1").keys(KeySet::new(keys.to_vec()))]);
        let message =
            format!("{}.{}", base64url(r#"{"alg":"RS256","kid":"r"}"#), base64url(r#"{"iss":"iss1"}"#));
        // 63 bytes: not the toy's signature, so that only the order of the keys counts.
        let signature = toy_signature(Algorithm::Rs256, &rsa, message.as_bytes());
        let short = format!("{message}.{}", base64url(&signature[..63]));
        let good = format!("{message}.{}", base64url(&signature));
        [answer(&bearer(&authentication, &short)), answer(&bearer(&authentication, &good))]
    };
    let wrong_length = "Jwt ED25519 signature is wrong length";
    let fails = "Jwt verification fails";
    assert_eq!(short(&[Key::new(rsa.clone())]), [fails, "ok"]);
    assert_eq!(short(&[edwards.clone(), Key::new(rsa.clone())]), [wrong_length, "ok"]);
    assert_eq!(short(&[Key::new(rsa.clone()), edwards.clone()]), [wrong_length, "ok"]);
    assert_eq!(short(&[edwards.clone().kid("e"), Key::new(rsa.clone())]), [fails, "ok"]);
    assert_eq!(short(&[edwards.algorithm(Algorithm::EdDsa), Key::new(rsa.clone())]), [fails, "ok"]);
}

#[test]
fn a_key_verifies_the_algorithms_of_its_type_only() {
    // AUTHZ-JWT-26, AUTHZ-JWT-27: an HMAC over the numbers of a public key is nothing.
    let n: Box<[u8]> = Box::new([9; 256]);
    let public = KeyMaterial::Rsa { n: n.clone(), e: Box::new([1, 0, 1]) };
    let authentication = build([JwtRule::new("iss1").keys(KeySet::new([Key::new(public)]))]);
    let forged =
        token_with(r#"{"alg":"HS256"}"#, r#"{"iss":"iss1"}"#, Algorithm::Hs256, &KeyMaterial::Hmac(n));
    assert_eq!(answer(&bearer(&authentication, &forged)), "Jwt verification fails");
}

#[test]
fn the_answer_to_a_bad_token() {
    // AUTHZ-JWT-28
    let rejection = Rejection::new(JwtFailure::Expired);
    let http = HttpAttributes::new("GET", "/p?access_token=a.b.c").host("shop.example:8080").scheme("https");
    assert_eq!(
        rejection.www_authenticate(&http),
        "Bearer realm=\"https://shop.example:8080/p?access_token=a.b.c\", error=\"invalid_token\"",
    );
    assert_eq!((rejection.status(), rejection.grpc_status()), (401, 16));
    assert_eq!(rejection.response_code_details(), "jwt_authn_access_denied{Jwt_is_expired}");
    let missing = Rejection::new(JwtFailure::Missing);
    assert_eq!(missing.www_authenticate(&HttpAttributes::new("GET", "/")), "Bearer realm=\"http:///\"");

    let long = format!("/{}?{}", "p".repeat(200), "q".repeat(200));
    let value = missing.www_authenticate(&HttpAttributes::new("GET", &long).host("h"));
    assert_eq!(value, format!("Bearer realm=\"http://h{}\"", &long[..256]));

    let odd = HttpAttributes::new("GET", b"/\"\\\r\n\xff").host("h\"");
    assert_eq!(missing.www_authenticate(&odd), "Bearer realm=\"http://h%22/%22%5C%0D%0A%FF\"");
}

#[test]
fn what_a_token_says() {
    // AUTHZ-JWT-30, AUTHZ-COND-07
    let authentication = build([rule().space_delimited_claims(["roles"])]);
    let text = r#"{"iss":"iss1","sub":"s1","aud":"a","azp":"cli","roles":"x y","other":"x y","n":1,"o":{"k":["v",1]}}"#;
    let outcome = bearer(&authentication, &token(text));
    let verified = outcome.token().unwrap();
    assert_eq!(verified.principal().as_deref(), Some("iss1/s1"));
    assert_eq!((verified.issuer(), verified.subject()), (Some("iss1"), Some("s1")));
    assert_eq!(verified.audiences().collect::<Vec<_>>(), ["a"]);
    assert_eq!(verified.presenter(), Some("cli"));
    let expected = Claims::new()
        .space_delimited(["roles"])
        .claim("iss", "iss1")
        .claim("sub", "s1")
        .claim("aud", "a")
        .claim("azp", "cli")
        .claim("roles", Value::list(["x", "y"]))
        .claim("other", "x y")
        .claim("n", Value::Other)
        .claim("o", Value::object([("k", Value::List(vec!["v".into(), Value::Other]))]));
    assert_eq!(verified.claims(), &expected);

    let outcome = bearer(&authentication, &token(r#"{"iss":"iss1","aud":["a","b"]}"#));
    let verified = outcome.token().unwrap();
    assert_eq!(verified.audiences().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((verified.principal(), verified.presenter()), (None, None));
}

#[test]
fn thousands_of_claims_cost_what_they_weigh() {
    // AUTHZ-FUZZ-05: nothing quadratic in a token of the longest length.
    let members: Vec<String> = (0..6_000).map(|i| format!("\"c{i}\":0")).collect();
    let with = |members: &[String]| token(&format!(r#"{{"iss":"iss1",{}}}"#, members.join(",")));
    let (fits, too_long) = (with(&members[..4_000]), with(&members));
    assert!(fits.len() > 50_000 && too_long.len() > 65_536);
    assert_eq!(answer(&bearer(&build([rule()]), &fits)), "ok");
    assert_eq!(answer(&bearer(&build([rule()]), &too_long)), JwtFailure::Malformed.message());
}
