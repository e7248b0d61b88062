//! Claims on the command line.

use mesh_authz::{Claims, Value};
use serde_json::{Map, Value as Json};

/// `NAME=VALUE`
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// A JSON object.
pub(super) fn object(text: &str) -> Result<Map<String, Json>, String> {
    match serde_json::from_str(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("it is JSON, but no object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The object with the single claims put over it; a claim that is named twice becomes a list. `None` without any.
pub(super) fn merge(
    object: Option<&Map<String, Json>>,
    pairs: &[(String, String)],
) -> Option<Map<String, Json>> {
    if object.is_none() && pairs.is_empty() {
        return None;
    }
    let mut single: Map<String, Json> = Map::new();
    for (name, value) in pairs {
        let value = Json::String(value.clone());
        match single.get_mut(name) {
            None => drop(single.insert(name.clone(), value)),
            Some(Json::Array(list)) => list.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    let mut all = object.cloned().unwrap_or_default();
    all.extend(single);
    Some(all)
}

/// The claims as policies see them.
pub(super) fn claims(object: &Map<String, Json>) -> Claims {
    object.iter().fold(Claims::new(), |claims, (name, found)| claims.claim(name, value(found)))
}

fn value(json: &Json) -> Value {
    match json {
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(members) => {
            Value::object(members.iter().map(|(name, found)| (name.as_str(), value(found))))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_claims_go_over_the_object() {
        let pairs: Vec<_> =
            ["a=1", "b=2", "b=3", "b=4"].map(|text| pair(text).expect("a pair")).into_iter().collect();
        let given = object(r#"{"a": "x", "c": {"d": ["e", 5]}, "f": true}"#).expect("an object");
        let merged = merge(Some(&given), &pairs).expect("claims");
        let want = serde_json::json!({"a": "1", "b": ["2", "3", "4"], "c": {"d": ["e", 5]}, "f": true});
        assert_eq!(Json::Object(merged.clone()), want);
        let claims = claims(&merged);
        assert_eq!(claims.get("b"), Some(&Value::list(["2", "3", "4"])));
        assert_eq!(claims.get("f"), Some(&Value::Other));
        let inner = Value::List(vec!["e".into(), Value::Other]);
        assert_eq!(claims.get("c"), Some(&Value::object([("d", inner)])));
        assert_eq!(merge(None, &[]), None);
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        for text in ["=1", "a"] {
            assert!(pair(text).expect_err(text).contains("NAME=VALUE"));
        }
        assert!(object("[1]").expect_err("a list").contains("no object"));
        assert!(object("{").is_err());
    }
}
