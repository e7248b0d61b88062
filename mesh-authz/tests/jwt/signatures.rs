//! Real signatures, by keys made here, through key sets as issuers publish them.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_authz::HttpAttributes;
use mesh_authz::jwt::{
    Algorithm, AwsLc, JwtContext, JwtFailure, JwtOutcome, JwtRule, KeyMaterial, KeySet, SignatureVerifier,
};
use proptest::prelude::*;

use crate::common::{NOW, answer, base64url, build, meaning};

const SECRET: &[u8] = b"a secret that is long enough for any of the digests, which is to say 64 bytes";

/// One key of each type.
struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    p521: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    p256: EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
    p384: EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
    p521: EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
    edwards: Ed25519KeyPair::generate().unwrap(),
});

fn sign(algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let rsa = |encoding: &'static dyn RsaEncoding| {
        let mut signature = vec![0; KEYS.rsa.public_modulus_len()];
        KEYS.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    let ecdsa = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    let mac = |digest| hmac::sign(&hmac::Key::new(digest, SECRET), message).as_ref().to_vec();
    match algorithm {
        Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => rsa(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => rsa(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => rsa(&signature::RSA_PSS_SHA512),
        Algorithm::Es256 => ecdsa(&KEYS.p256),
        Algorithm::Es384 => ecdsa(&KEYS.p384),
        Algorithm::Es512 => ecdsa(&KEYS.p521),
        Algorithm::Hs256 => mac(hmac::HMAC_SHA256),
        Algorithm::Hs384 => mac(hmac::HMAC_SHA384),
        Algorithm::Hs512 => mac(hmac::HMAC_SHA512),
        Algorithm::EdDsa => KEYS.edwards.sign(message).as_ref().to_vec(),
        other => panic!("{other}"),
    }
}

fn token(algorithm: Algorithm) -> String {
    let header = format!(r#"{{"alg":"{algorithm}"}}"#);
    let message = format!("{}.{}", base64url(header), base64url(r#"{"iss":"a","sub":"s"}"#));
    let signature = sign(algorithm, message.as_bytes());
    format!("{message}.{}", base64url(signature))
}

/// Modulus and exponent out of PKCS #1 DER: a sequence of two integers, of which the first is long.
fn rsa_numbers() -> (Vec<u8>, Vec<u8>) {
    let der = KEYS.rsa.public_key().as_ref();
    // 30 82 LL LL 02 82 LL LL n... 02 LL e...
    let len = usize::from(u16::from_be_bytes([der[6], der[7]]));
    let (n, rest) = der[8..].split_at(len);
    (n.to_vec(), rest[2..].to_vec())
}

/// A key as a member of `keys`, without `alg` and `kid`.
fn jwk(algorithm: Algorithm) -> String {
    let point = |curve: &str, key: &EcdsaKeyPair| {
        let point = &key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        format!(r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#, base64url(x), base64url(y))
    };
    match algorithm.name() {
        "ES256" => point("P-256", &KEYS.p256),
        "ES384" => point("P-384", &KEYS.p384),
        "ES512" => point("P-521", &KEYS.p521),
        "HS256" | "HS384" | "HS512" => format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url(SECRET)),
        "EdDSA" => {
            let x = base64url(KEYS.edwards.public_key().as_ref());
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
        }
        _ => {
            let (n, e) = rsa_numbers();
            format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, base64url(n), base64url(e))
        }
    }
}

fn run(jwks: &str, token: &str) -> JwtOutcome {
    let lines = [("authorization", format!("Bearer {token}"))];
    let http = HttpAttributes::new("GET", "/").headers(&lines);
    let authentication = build([JwtRule::new("a").jwks(jwks)]);
    authentication.authenticate(&http, &JwtContext::new(NOW, &AwsLc::new()))
}

#[test]
fn every_algorithm_with_its_own_key_and_no_other() {
    // AUTHZ-JWT-26, AUTHZ-JWT-27
    for algorithm in Algorithm::ALL {
        let token = token(algorithm);
        for other in Algorithm::ALL {
            let expected = if jwk(algorithm) == jwk(other) { "ok" } else { "Jwt verification fails" };
            let expected = match (expected, algorithm, other) {
                // ES256 and EdDSA signatures have 64 bytes, all others end at an Ed25519 key (AUTHZ-JWT-25).
                ("ok", ..) | (_, Algorithm::Es256 | Algorithm::Hs512, _) => expected,
                (_, _, Algorithm::EdDsa) => "Jwt ED25519 signature is wrong length",
                _ => expected,
            };
            let jwks = format!("{{\"keys\":[{}]}}", jwk(other));
            assert_eq!(answer(&run(&jwks, &token)), expected, "{algorithm} with the key of {other}");
        }
    }
}

#[test]
fn the_right_key_among_many() {
    // AUTHZ-JWT-25
    let with = |key: &str, members: &str| key.replacen('{', &format!("{{{members},"), 1);
    let keys: Vec<_> =
        Algorithm::ALL.iter().map(|a| with(&jwk(*a), &format!(r#""alg":"{a}","kid":"{a}""#))).collect();
    let jwks = format!("{{\"keys\":[{}]}}", keys.join(","));
    for algorithm in Algorithm::ALL {
        let outcome = run(&jwks, &token(algorithm));
        assert_eq!(outcome.token().unwrap().principal().as_deref(), Some("a/s"), "{algorithm}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    // AUTHZ-JWT-27: the classic forgery, HS256 with what everybody knows of an RSA key.
    let (n, _) = rsa_numbers();
    let der: PublicKeyX509Der<'_> = KEYS.rsa.public_key().as_der().unwrap();
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
    let jwks = format!("{{\"keys\":[{}]}}", jwk(Algorithm::Rs256));
    for known in [&n[..], der.as_ref(), pem.as_bytes(), KEYS.rsa.public_key().as_ref()] {
        let message = format!("{}.{}", base64url(r#"{"alg":"HS256"}"#), base64url(r#"{"iss":"a"}"#));
        let forged = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, known), message.as_bytes());
        let token = format!("{message}.{}", base64url(forged.as_ref()));
        assert_eq!(answer(&run(&jwks, &token)), "Jwt verification fails");
    }
}

#[test]
fn ecdsa_signatures_are_two_numbers_and_not_der() {
    // AUTHZ-JWT-26
    let key = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(32);
    let jwks =
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}]}}"#, base64url(x), base64url(y));
    let message = format!("{}.{}", base64url(r#"{"alg":"ES256"}"#), base64url(r#"{"iss":"a"}"#));
    let der = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let with =
        |signature: &[u8]| answer(&run(&jwks, &format!("{message}.{}", base64url(signature)))).to_owned();
    assert_eq!(with(der.as_ref()), "Jwt verification fails");
    assert_eq!(with(&[0; 64]), "Jwt verification fails");
    assert_eq!(with(&[1]), "Jwt verification fails");
}

#[test]
fn keys_that_are_none() {
    // Anything unexpected is false, and nothing panics.
    let verifier = AwsLc::new();
    let off_curve =
        |curve, len: usize| KeyMaterial::Ec { curve, x: vec![1; len].into(), y: vec![2; len].into() };
    use mesh_authz::jwt::Curve;
    let keys = [
        KeyMaterial::Rsa { n: [].into(), e: [].into() },
        KeyMaterial::Rsa { n: [0].into(), e: [0].into() },
        KeyMaterial::Rsa { n: [3].into(), e: [3].into() },
        KeyMaterial::Rsa { n: vec![255; 256].into(), e: vec![255; 256].into() },
        KeyMaterial::Rsa { n: vec![254; 256].into(), e: [2].into() },
        KeyMaterial::Rsa { n: vec![255; 100_000].into(), e: [1, 0, 1].into() },
        KeyMaterial::RsaDer([].into()),
        KeyMaterial::RsaDer(vec![0x30; 300].into()),
        off_curve(Curve::P256, 32),
        off_curve(Curve::P384, 48),
        off_curve(Curve::P521, 66),
        off_curve(Curve::P256, 0),
        KeyMaterial::Ed25519(Box::new([0xff; 32])),
        KeyMaterial::Hmac([].into()),
    ];
    for key in keys {
        for algorithm in Algorithm::ALL {
            for len in [0, 1, 63, 64, 96, 132, 256] {
                assert!(!verifier.verify(algorithm, &key, b"m", &vec![0; len]), "{algorithm} {key:?} {len}");
            }
        }
    }
}

#[test]
fn short_rsa_keys_verify_nothing() {
    // A difference from AUTHZ-JWT-26. Nothing here makes such keys any more, so the length decides before the numbers.
    let n: Vec<u8> = vec![0xff; 128];
    let key = KeyMaterial::Rsa { n: n.into(), e: [1, 0, 1].into() };
    assert!(!AwsLc::new().verify(Algorithm::Rs256, &key, b"m", &[1; 128]));
}

/// One DER value.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(len) if len < 128 => out.push(len),
        _ => {
            out.push(0x82);
            out.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// A certificate around a public key, signed by nobody.
fn certificate(public_key: &[u8]) -> String {
    let name = der(0x30, &[]);
    let algorithm =
        der(0x30, &[der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]), der(5, &[])].concat());
    let times = der(0x30, &[der(0x17, b"200101000000Z"), der(0x17, b"200102000000Z")].concat());
    let fields = [
        der(0xa0, &der(2, &[2])),
        der(2, &[1]),
        algorithm.clone(),
        name.clone(),
        times,
        name,
        public_key.to_vec(),
    ];
    let body = der(0x30, &fields.concat());
    let all = der(0x30, &[body, algorithm, der(3, &[0, 1])].concat());
    format!("-----BEGIN CERTIFICATE-----\\n{}\\n-----END CERTIFICATE-----\\n", STANDARD.encode(all))
}

#[test]
fn keys_in_certificates() {
    // AUTHZ-JWKS-05: an object that maps key ids to certificates of RSA keys.
    let rsa: PublicKeyX509Der<'_> = KEYS.rsa.public_key().as_der().unwrap();
    let curve: PublicKeyX509Der<'_> = KEYS.p256.public_key().as_der().unwrap();
    let jwks = |text: &str| format!("{{\"r\":\"{}\",\"c\":\"{text}\"}}", certificate(rsa.as_ref()));
    for beside in ["nonsense", "-----BEGIN CERTIFICATE-----", &certificate(curve.as_ref())] {
        let set = KeySet::parse(&jwks(beside)).unwrap();
        assert_eq!(set.keys().len(), 1, "{beside}");
        for algorithm in
            [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps512]
        {
            assert_eq!(answer(&run(&jwks(beside), &token(algorithm))), "ok", "{algorithm}");
        }
        assert_eq!(answer(&run(&jwks(beside), &token(Algorithm::Es256))), "Jwt verification fails");
    }
    let without = format!("{{\"c\":\"{}\"}}", certificate(curve.as_ref()));
    assert_eq!(KeySet::parse(&without), Err(JwtFailure::NoValidKeys));
    assert_eq!(KeySet::parse(r#"{"a":"b"}"#), Err(JwtFailure::KeysMissing));
    assert_eq!(KeySet::parse(r#"{"a":1}"#), Err(JwtFailure::KeysMissing));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_token_never_verifies(
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        at in any::<prop::sample::Index>(),
        put in "[A-Za-z0-9_.-]",
    ) {
        let good = token(algorithm);
        let jwks = format!("{{\"keys\":[{}]}}", jwk(algorithm));
        prop_assert_eq!(answer(&run(&jwks, &good)), "ok");
        let at = at.index(good.len());
        let replaced = format!("{}{put}{}", &good[..at], &good[at + 1..]);
        let inserted = format!("{}{put}{}", &good[..=at], &good[at + 1..]);
        for changed in [replaced, inserted] {
            if meaning(&changed) != meaning(&good) {
                prop_assert_ne!(answer(&run(&jwks, &changed)), "ok", "{}", changed);
            }
        }
    }

    #[test]
    fn any_signature(
        algorithm in prop::sample::select(&Algorithm::ALL[..]),
        signature in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let jwks = format!("{{\"keys\":[{}]}}", jwk(algorithm));
        let good = token(algorithm);
        let message = &good[..good.rfind('.').unwrap()];
        let forged = format!("{message}.{}", base64url(signature));
        prop_assert_ne!(answer(&run(&jwks, &forged)), "ok");
    }
}
