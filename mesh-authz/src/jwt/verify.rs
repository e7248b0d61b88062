//! Choosing keys and checking signatures.

use super::algorithm::Algorithm;
use super::failure::JwtFailure;
use super::keys::{KeyMaterial, KeySet};
use super::token::Token;

/// Checks signatures. The crate does everything else itself, and no cryptography.
///
/// With the feature `jwt` there is `AwsLc`. Another implementation brings an embedder's own library,
/// or its hardware. There is no default and none that accepts: a token is verified because a verifier said so, or it
/// is refused.
pub trait SignatureVerifier: Sync {
    /// Whether `signature` is the signature of `message` that the holder of `key` made with `algorithm`.
    ///
    /// It is only called with a key that [`fits`](KeyMaterial::fits) the algorithm. ECDSA signatures are `r` and
    /// `s`, each as long as the curve's numbers, and not DER (AUTHZ-JWT-26). An HMAC must be compared in constant
    /// time (AUTHZ-JWT-27). Anything unexpected (a point that is not on its curve, a key that is too short) is
    /// `false`. Must not panic.
    fn verify(&self, algorithm: Algorithm, key: &KeyMaterial, message: &[u8], signature: &[u8]) -> bool;
}

/// Whether one of the keys has signed the token (AUTHZ-JWT-25).
pub(crate) fn check(
    token: &Token,
    keys: &KeySet,
    verifier: &dyn SignatureVerifier,
) -> Result<(), JwtFailure> {
    if keys.keys().is_empty() {
        return Err(JwtFailure::NoValidKeys);
    }
    let candidates = keys.keys().iter().filter(|key| key.is_candidate(&token.kid, token.algorithm));
    let mut failure = JwtFailure::NoMatchingKey;
    for key in candidates {
        failure = JwtFailure::VerificationFails;
        // The trap of AUTHZ-JWT-25, reproduced: whoever rotates from RSA to Ed25519 sees the same here as in Envoy.
        // It only ever refuses.
        if matches!(key.material(), KeyMaterial::Ed25519(_)) && token.signature.len() != 64 {
            return Err(JwtFailure::Ed25519Length);
        }
        if key.material().fits(token.algorithm)
            && verifier.verify(token.algorithm, key.material(), token.signed.as_bytes(), &token.signature)
        {
            return Ok(());
        }
    }
    Err(failure)
}
