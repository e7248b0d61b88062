//! Key sets.

use mesh_authz::jwt::{Algorithm, Curve, JwtFailure, JwtRule, Key, KeyMaterial, KeySet};

use crate::common::base64url;

fn parse(keys: &str) -> Result<KeySet, JwtFailure> {
    KeySet::parse(&format!("{{\"keys\":[{keys}]}}"))
}

fn one(key: &str) -> Option<Key> {
    parse(key).ok().map(|set| set.keys()[0].clone())
}

#[test]
fn what_is_no_key_set() {
    // AUTHZ-JWKS-05, AUTHZ-JWT-29
    let cases = [
        ("", JwtFailure::KeysJson),
        ("[]", JwtFailure::KeysJson),
        ("null", JwtFailure::KeysJson),
        (r#"{"keys":[],"keys":[]}"#, JwtFailure::KeysJson),
        ("{}", JwtFailure::KeysMissing),
        (r#"{"a":"b"}"#, JwtFailure::KeysMissing),
        (r#"{"keys":{}}"#, JwtFailure::KeysNotArray),
        (r#"{"keys":null}"#, JwtFailure::KeysNotArray),
        (r#"{"keys":[]}"#, JwtFailure::NoValidKeys),
        (r#"{"keys":[1,{}]}"#, JwtFailure::NoValidKeys),
    ];
    for (text, failure) in cases {
        assert_eq!(KeySet::parse(text), Err(failure), "{text}");
    }
    assert_eq!(KeySet::parse(&" ".repeat(2_000_000)), Err(JwtFailure::KeysJson));
}

#[test]
fn bad_keys_are_skipped_beside_a_good_one() {
    // AUTHZ-JWKS-05
    let good = r#"{"kty":"oct","k":"AQ","use":"enc","x5t":"ignored"}"#;
    let bad = [
        "{}",
        r#"{"kty":1}"#,
        r#"{"kty":"oct"}"#,
        r#"{"kty":"oct","k":""}"#,
        r#"{"kty":"oct","k":"*"}"#,
        r#"{"kty":"oct","k":1}"#,
        r#"{"kty":"oct","k":"AQ","kid":1}"#,
        r#"{"kty":"oct","k":"AQ","alg":1}"#,
        r#"{"kty":"oct","k":"AQ","alg":"RS256"}"#,
        r#"{"kty":"oct","k":"AQ","alg":"none"}"#,
        r#"{"kty":"RSA","n":"AQ"}"#,
        r#"{"kty":"RSA","e":"AQ"}"#,
        r#"{"kty":"RSA","n":"AAAA","e":"AQAB"}"#,
        r#"{"kty":"RSA","n":"AQ","e":"AQAB","alg":"ES256"}"#,
        r#"{"kty":"RSA","n":"AQ","e":"AQAB","alg":"RSA-OAEP"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AQ"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","alg":"ES384"}"#,
        r#"{"kty":"EC","x":"AQ","y":"AQ","alg":"RS256"}"#,
        r#"{"kty":"OKP","x":"AQ"}"#,
        r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"AQ"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"RS256"}"#,
        r#"{"kty":"rsa","n":"AQ","e":"AQAB"}"#,
    ];
    for key in bad {
        assert_eq!(parse(key), Err(JwtFailure::NoValidKeys), "{key}");
        let both = parse(&format!("{key},{good},{key}")).unwrap();
        assert_eq!(both, KeySet::new([Key::new(KeyMaterial::Hmac([1].into()))]), "{key}");
    }
}

#[test]
fn types_of_keys() {
    // AUTHZ-JWKS-05, AUTHZ-JWT-26
    let rsa = one(r#"{"kty":"RSA","n":"AAEC","e":"Aw==","kid":"a","alg":"PS512"}"#);
    let material = KeyMaterial::Rsa { n: [1, 2].into(), e: [3].into() };
    assert_eq!(rsa, Some(Key::new(material).kid("a").algorithm(Algorithm::Ps512)));

    // Leading zeros may be missing, or be too many.
    for (curve, name, len) in
        [(Curve::P256, "P-256", 32), (Curve::P384, "P-384", 48), (Curve::P521, "P-521", 66)]
    {
        let mut expected = vec![0; len];
        expected[len - 1] = 5;
        let material = KeyMaterial::Ec { curve, x: expected.clone().into(), y: expected.into() };
        let key = |len: usize| {
            let mut bytes = vec![0; len];
            bytes[len - 1] = 5;
            let number = base64url(&bytes);
            one(&format!(r#"{{"kty":"EC","crv":"{name}","x":"{number}","y":"{number}"}}"#))
        };
        assert_eq!([key(1), key(len), key(len + 1)], [(); 3].map(|()| Some(Key::new(material.clone()))));
        let long = base64url(vec![1; len + 1]);
        assert_eq!(one(&format!(r#"{{"kty":"EC","crv":"{name}","x":"{long}","y":"{long}"}}"#)), None);
    }
    // The curve by the algorithm, and without either P-256.
    for (member, curve) in [
        ("", Curve::P256),
        (r#","alg":"ES384""#, Curve::P384),
        (r#","alg":"ES512""#, Curve::P521),
        (r#","crv":"""#, Curve::P256),
    ] {
        let key = one(&format!(r#"{{"kty":"EC","x":"AQ","y":"AQ"{member}}}"#)).unwrap();
        assert!(
            matches!(key.material(), KeyMaterial::Ec { curve: found, .. } if *found == curve),
            "{member}"
        );
    }
    let edwards = one(
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}"#,
    );
    assert!(matches!(edwards.unwrap().material(), KeyMaterial::Ed25519(_)));
}

#[test]
fn which_key_fits_which_algorithm() {
    // AUTHZ-JWT-26
    let point = |curve| KeyMaterial::Ec { curve, x: [1].into(), y: [1].into() };
    let table = [
        (KeyMaterial::Rsa { n: [1].into(), e: [1].into() }, "RS256 RS384 RS512 PS256 PS384 PS512"),
        (KeyMaterial::RsaDer([1].into()), "RS256 RS384 RS512 PS256 PS384 PS512"),
        (point(Curve::P256), "ES256"),
        (point(Curve::P384), "ES384"),
        (point(Curve::P521), "ES512"),
        (KeyMaterial::Hmac([1].into()), "HS256 HS384 HS512"),
        (KeyMaterial::Ed25519(Box::new([1; 32])), "EdDSA"),
    ];
    for (key, expected) in table {
        let fits: Vec<_> = Algorithm::ALL.into_iter().filter(|a| key.fits(*a)).map(Algorithm::name).collect();
        assert_eq!(fits.join(" "), expected, "{key:?}");
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(&algorithm.to_string()), Some(algorithm));
    }
    assert_eq!(["none", "", "rs256", "ES256K"].map(Algorithm::parse), [None; 4]);
}

#[test]
fn secrets_are_not_printed() {
    // AUTHZ-JWT-27
    let set = parse(r#"{"kty":"oct","k":"c2VjcmV0"}"#).unwrap();
    let printed = format!("{set:?}");
    assert!(printed.contains("Hmac") && !printed.contains("115"), "{printed}");
    let rule = JwtRule::new("a").jwks(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#);
    let printed = format!("{rule:?} {:?}", crate::common::build([rule.clone()]));
    assert!(
        printed.contains("bytes") && !printed.contains("c2VjcmV0") && !printed.contains("115"),
        "{printed}"
    );
}

#[cfg(not(feature = "jwt"))]
#[test]
fn certificates_need_the_feature() {
    // AUTHZ-JWKS-05
    assert_eq!(KeySet::parse(r#"{"a":"-----BEGIN CERTIFICATE-----"}"#), Err(JwtFailure::KeysMissing));
}
