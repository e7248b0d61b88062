//! Tokens signed with a toy, so that everything but signatures is tested without cryptography.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_authz::jwt::{
    Algorithm, JwtAuthentication, JwtContext, JwtFailure, JwtOutcome, JwtRule, Key, KeyMaterial, KeySet,
    RequestAuthentication, SignatureVerifier,
};
use mesh_authz::{HttpAttributes, PolicyId};

pub const NOW: Duration = Duration::from_secs(1_700_000_000);

/// A verifier whose signatures are a checksum over algorithm, key and message. It protects nothing.
pub struct Toy;

impl SignatureVerifier for Toy {
    fn verify(&self, algorithm: Algorithm, key: &KeyMaterial, message: &[u8], signature: &[u8]) -> bool {
        assert!(key.fits(algorithm), "keys that do not fit are not tried");
        signature == toy_signature(algorithm, key, message)
    }
}

pub fn toy_signature(algorithm: Algorithm, key: &KeyMaterial, message: &[u8]) -> Vec<u8> {
    let key: Vec<u8> = match key {
        KeyMaterial::Rsa { n, e } => [&**n, &**e].concat(),
        KeyMaterial::Ec { x, y, .. } => [&**x, &**y].concat(),
        KeyMaterial::Hmac(secret) => secret.to_vec(),
        KeyMaterial::Ed25519(x) => x.to_vec(),
        other => panic!("{other:?}"),
    };
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in algorithm.name().bytes().chain(key).chain(message.iter().copied()) {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // 64 bytes, as Ed25519 has them.
    (0..8_u64).flat_map(|i| sum.rotate_left(u32::try_from(i).unwrap() * 7).to_be_bytes()).collect()
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn secret() -> KeyMaterial {
    KeyMaterial::Hmac(Box::from(&b"secret"[..]))
}

pub fn secret_set() -> KeySet {
    KeySet::new([Key::new(secret())])
}

/// A token with any header and payload, signed with `key`.
pub fn token_with(header: &str, payload: &str, algorithm: Algorithm, key: &KeyMaterial) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let signature = toy_signature(algorithm, key, message.as_bytes());
    format!("{message}.{}", base64url(signature))
}

/// A token with this payload, signed with [`secret`].
pub fn token(payload: &str) -> String {
    token_with(r#"{"alg":"HS256"}"#, payload, Algorithm::Hs256, &secret())
}

pub fn build(rules: impl IntoIterator<Item = JwtRule>) -> JwtAuthentication {
    let policy = RequestAuthentication::new(PolicyId::new("foo", "tokens"));
    let policy = rules.into_iter().fold(policy, RequestAuthentication::rule);
    JwtAuthentication::builder().policy(policy).build().unwrap()
}

/// The outcome for a token after `Bearer `.
pub fn bearer(authentication: &JwtAuthentication, token: &str) -> JwtOutcome {
    bearer_at(authentication, token, NOW)
}

pub fn bearer_at(authentication: &JwtAuthentication, token: &str, now: Duration) -> JwtOutcome {
    let lines = [("authorization", format!("Bearer {token}"))];
    authentication.authenticate(&HttpAttributes::new("GET", "/").headers(&lines), &JwtContext::new(now, &Toy))
}

/// `ok`, or the message of the failure.
pub fn answer(outcome: &JwtOutcome) -> &'static str {
    match outcome {
        JwtOutcome::Verified(_) => "ok",
        JwtOutcome::NoToken(_) => JwtFailure::Missing.message(),
        JwtOutcome::Rejected(rejection) => rejection.message(),
    }
}

/// What a token says, however it is written: the text that is signed, and the signature. Dots with nothing between them,
/// padding, and loose bits at the end of the signature say nothing (AUTHZ-JWT-21).
pub fn meaning(token: &str) -> Option<(String, Vec<u8>)> {
    let parts: Vec<&str> = token.split('.').filter(|part| !part.is_empty()).collect();
    let [header, payload, signature] = parts[..] else { return None };
    let digit = |c: u8| {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        digits.iter().position(|digit| *digit == c)
    };
    let digits: Vec<usize> = signature.trim_end_matches('=').bytes().map(digit).collect::<Option<_>>()?;
    let bits: Vec<bool> =
        digits.iter().flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    Some((format!("{header}.{payload}"), bits.chunks_exact(8).map(byte).collect()))
}
