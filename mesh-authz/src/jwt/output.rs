//! What a verified token puts into the request (AUTHZ-JWT-30, AUTHZ-JWT-31).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::build::Rule;
use super::json::Json;
use super::token::Token;
use crate::claims::{Claims, Value};

/// 2⁶⁴, the first number that Envoy's conversion to an integer does not take; a power of two, so exact.
const TWO_TO_THE_64: f64 = 18_446_744_073_709_551_616.0;

/// The claims as policies see them (AUTHZ-COND-07, AUTHZ-JWT-30).
pub(crate) fn claims(token: &Token, space_delimited: &[String]) -> Claims {
    let members = match &token.payload {
        Json::Object(members) => members.as_slice(),
        _ => &[],
    };
    Claims::from_distinct(
        space_delimited,
        members.iter().map(|(name, json)| (name.as_str().into(), value(json))),
    )
}

fn value(json: &Json) -> Value {
    match json {
        Json::String(text) => Value::String(text.as_str().into()),
        Json::List(items) => Value::List(items.iter().map(value).collect()),
        // The reader has made sure that the names are distinct.
        Json::Object(members) => {
            Value::Object(members.iter().map(|(name, json)| (name.as_str().into(), value(json))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Value::Other,
    }
}

/// The header lines to add.
pub(crate) fn headers(token: &Token, rule: &Rule, into: &mut Vec<(String, String)>) {
    if let Some(name) = &rule.payload_header {
        into.push((name.clone(), token.payload_text().to_owned()));
    }
    for (name, path) in &rule.claim_headers {
        let claim = path.iter().try_fold(&token.payload, |json, name| json.get(name));
        if let Some(text) = claim.and_then(header_value) {
            into.push((name.clone(), text));
        }
    }
}

fn header_value(claim: &Json) -> Option<String> {
    match claim {
        Json::Null => None,
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(value) if value.fract() == 0.0 && (0.0..TWO_TO_THE_64).contains(value) => {
            Some(format!("{:.0}", value.abs())) // -0 is 0
        }
        Json::Number(value) => Some(format!("{value:.6}")),
        // A claim with a line break would write headers of its own, so no header can carry it.
        Json::String(text)
            if text.is_empty() || text.chars().any(|c| c < ' ' && c != '\t' || c == '\u{7f}') =>
        {
            None
        }
        Json::String(text) => Some(text.clone()),
        Json::List(_) | Json::Object(_) => Some(STANDARD.encode(claim.to_compact())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_as_header_values() {
        // AUTHZ-JWT-31
        let cases = [
            ("\"alice\"", Some("alice")),
            ("\"\"", None),
            ("\"a\\r\\nx-admin: true\"", None),
            ("7", Some("7")),
            ("7.0", Some("7")),
            ("-0", Some("0")),
            ("1e15", Some("1000000000000000")),
            ("1.5", Some("1.500000")),
            ("-5", Some("-5.000000")),
            ("1e20", Some("100000000000000000000.000000")),
            ("true", Some("true")),
            ("false", Some("false")),
            ("null", None),
            ("[\"a\", 1]", Some("WyJhIiwxXQ==")),
            ("{\"k\": null}", Some("eyJrIjpudWxsfQ==")),
        ];
        for (json, expected) in cases {
            let json = Json::parse(json.as_bytes()).unwrap();
            assert_eq!(header_value(&json).as_deref(), expected, "{json:?}");
        }
    }
}
