//! JSON Web Key Sets (MODEL-RA-5): structure and material, not the cryptography.

use super::names::Fault;
use super::report::show;
use serde_json::Value;

/// A key that gives away more than is needed to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// The private part of a key pair.
    Private,
    /// Whoever verifies with it can also sign.
    Symmetric,
}

/// A set that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) count: usize,
    /// The keys that are secrets, from 0.
    pub(super) secrets: Vec<(usize, Secret)>,
}

/// Reads `{"keys": [...]}`, or one key alone. Cost: linear; the nesting is bounded by the JSON reader.
pub(super) fn check(text: &str) -> Result<Keys, Fault> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON, {error}"))?;
    let list = match (&value, value.get("keys")) {
        (_, Some(Value::Array(list))) => list.as_slice(),
        (_, Some(_)) => return Err("`keys` is not a list".to_owned()),
        (Value::Object(_), None) if value.get("kty").is_some() => std::slice::from_ref(&value),
        (Value::Object(_), None) => return Err("it has no `keys`".to_owned()),
        _ => return Err("it is not an object".to_owned()),
    };
    let mut found = Keys { count: list.len(), secrets: Vec::new() };
    for (index, key) in list.iter().enumerate() {
        if let Some(secret) = key_of(key).map_err(|fault| format!("key {index} {fault}"))? {
            found.secrets.push((index, secret));
        }
    }
    Ok(found)
}

const EC_CURVES: &[&str] = &["P-256", "P-384", "P-521", "secp256k1"];
const OKP_CURVES: &[&str] = &["Ed25519", "Ed448", "X25519", "X448"];

fn key_of(key: &Value) -> Result<Option<Secret>, Fault> {
    let Value::Object(_) = key else { return Err("is not an object".to_owned()) };
    let Some(kty) = key.get("kty") else { return Err("has no type, `kty`".to_owned()) };
    let (required, curves): (&[&str], &[&str]) = match kty.as_str() {
        Some("RSA") => (&["n", "e"], &[]),
        Some("EC") => (&["x", "y"], EC_CURVES),
        Some("OKP") => (&["x"], OKP_CURVES),
        Some("oct") => (&["k"], &[]),
        Some(other) => {
            return Err(format!("has the type `{}`, known are RSA, EC, OKP and oct", show(other)));
        }
        None => return Err("has a type that is not a text".to_owned()),
    };
    if !curves.is_empty() {
        match key.get("crv").and_then(Value::as_str) {
            Some(curve) if curves.contains(&curve) => {}
            Some(curve) => {
                return Err(format!("has the curve `{}`, known are {}", show(curve), curves.join(", ")));
            }
            None => return Err("has no curve, `crv`".to_owned()),
        }
    }
    for name in required {
        match key.get(name) {
            None => return Err(format!("has no `{name}`")),
            Some(Value::String(text)) if is_base64(text) => {}
            Some(_) => return Err(format!("has a `{name}` that is not base64")),
        }
    }
    Ok(match kty.as_str() {
        Some("oct") => Some(Secret::Symmetric),
        _ => key.get("d").is_some_and(|private| !private.is_null()).then_some(Secret::Private),
    })
}

/// Either alphabet, with or without padding.
fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    !bare.is_empty()
        && text.len() - bare.len() <= 2
        && bare.len() % 4 != 1
        && bare.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_+/".contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_single_keys_model_ra_5() {
        let key = r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#;
        let count = |text: &str| check(text).map(|keys| keys.count);
        assert_eq!(count(key), Ok(1));
        assert_eq!(count(&format!(r#"{{"keys": [{key}, {key}]}}"#)), Ok(2));
        assert_eq!(count(r#"{"keys": []}"#), Ok(0));
        assert_eq!(count(r#"{"kty": "OKP", "crv": "Ed25519", "x": "AQ=="}"#), Ok(1));
        assert_eq!(count(r#"{"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "A-_B"}"#), Ok(1));
    }

    #[test]
    fn secrets_are_found_model_ra_5() {
        let text = r#"{"keys": [{"kty": "oct", "k": "AQAB"}, {"kty": "RSA", "n": "AQ", "e": "AQ", "d": "AQ"},
            {"kty": "RSA", "n": "AQ", "e": "AQ", "d": null}]}"#;
        assert_eq!(check(text).unwrap().secrets, [(0, Secret::Symmetric), (1, Secret::Private)]);
    }

    #[test]
    fn what_is_no_set_model_ra_5() {
        for (bad, fault) in [
            ("", "it is not JSON, EOF while parsing a value at line 1 column 0"),
            ("[]", "it is not an object"),
            ("{}", "it has no `keys`"),
            (r#"{"keys": {}}"#, "`keys` is not a list"),
            (r#"{"keys": [1]}"#, "key 0 is not an object"),
            (r#"{"keys": [{}]}"#, "key 0 has no type, `kty`"),
            (r#"{"keys": [{"kty": 1}]}"#, "key 0 has a type that is not a text"),
            (r#"{"kty": "rsa"}"#, "key 0 has the type `rsa`, known are RSA, EC, OKP and oct"),
            (r#"{"kty": "RSA", "e": "AQAB"}"#, "key 0 has no `n`"),
            (r#"{"kty": "RSA", "n": "", "e": "AQAB"}"#, "key 0 has a `n` that is not base64"),
            (r#"{"kty": "RSA", "n": "a b", "e": "AQAB"}"#, "key 0 has a `n` that is not base64"),
            (r#"{"kty": "EC", "x": "AQ", "y": "AQ"}"#, "key 0 has no curve, `crv`"),
            (
                r#"{"kty": "EC", "crv": "P-255", "x": "AQ", "y": "AQ"}"#,
                "key 0 has the curve `P-255`, known are P-256, P-384, P-521, secp256k1",
            ),
        ] {
            assert_eq!(check(bad).unwrap_err(), fault, "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(check(&deep).is_err());
    }
}
