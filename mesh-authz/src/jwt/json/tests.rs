//! The reader against `serde_json`.

use super::*;
use proptest::prelude::*;

/// What `serde_json` makes of it; objects lose their order and names given twice.
fn model(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// `serde_json` may miss a double's last bit, so only the leading ones are compared.
#[allow(clippy::cast_possible_truncation, reason = "that is the point")]
fn rounded(value: f64) -> serde_json::Value {
    (value as f32).into()
}

fn as_model(json: &Json) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Number(value) => rounded(*value),
        Json::String(text) => text.as_str().into(),
        Json::List(items) => items.iter().map(as_model).collect(),
        Json::Object(members) => members.iter().map(|(n, v)| (n.clone(), as_model(v))).collect(),
    }
}

/// Numbers as doubles, as [`Json`] has them.
fn as_doubles(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(n) => rounded(n.as_f64().unwrap()),
        serde_json::Value::Array(items) => items.into_iter().map(as_doubles).collect(),
        serde_json::Value::Object(members) => members.into_iter().map(|(n, v)| (n, as_doubles(v))).collect(),
        other => other,
    }
}

#[test]
fn a_name_given_twice_is_an_error() {
    // AUTHZ-JWT-21
    assert_eq!(Json::parse(br#"{"a":1,"b":2,"a":1}"#), None);
    assert_eq!(Json::parse(br#"{"x":{"a":1,"\u0061":2}}"#), None, "the same name written in two ways");
    assert!(Json::parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_some());
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Json::parse(nested(64).as_bytes()).is_some());
    assert_eq!(Json::parse(nested(65).as_bytes()), None);
    assert_eq!(Json::parse("[".repeat(1_000_000).as_bytes()), None);
    assert_eq!(Json::parse("{\"a\":".repeat(1_000_000).as_bytes()), None);
}

#[test]
fn what_is_no_json() {
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1,}",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x1",
        "nul",
        "nulll",
        "1 2",
        "'a'",
        "\"a",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\u+041\"",
        "\"\\u00\"",
        "1e999",
        "\u{feff}1",
        "[1}",
        "NaN",
        "Infinity",
    ];
    for text in texts {
        assert_eq!(Json::parse(text.as_bytes()), None, "{text}");
        assert_eq!(model(text), None, "{text}");
    }
    assert_eq!(Json::parse(b"\"\xff\""), None);
}

#[test]
fn compact_text() {
    let text = r#" { "b" : [ 1.0, -2.5e0, true, null ] , "a" : "x\u0001\"\\\n\u00e9" } "#;
    let json = Json::parse(text.as_bytes()).unwrap();
    assert_eq!(json.to_compact(), "{\"b\":[1,-2.5,true,null],\"a\":\"x\\u0001\\\"\\\\\\n\u{e9}\"}");
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![any::<i32>().prop_map(f64::from), any::<f64>()]
        .prop_filter("JSON has no infinity", |n: &f64| n.is_finite());
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(Json::Number),
        any::<String>().prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(json in any_json()) {
        let text = json.to_compact();
        prop_assert_eq!(Json::parse(text.as_bytes()), Some(json));
    }

    #[test]
    fn reads_what_serde_json_reads(json in any_json(), cut in any::<prop::sample::Index>(), put in any::<char>()) {
        let mut text = as_model(&json).to_string();
        prop_assert_eq!(as_model(&Json::parse(text.as_bytes()).unwrap()), as_doubles(model(&text).unwrap()));
        // And refuses what it refuses, one character further.
        let at = (0..=cut.index(text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        text.insert(at, put);
        let read = Json::parse(text.as_bytes()).map(|json| as_model(&json));
        if read != model(&text).map(as_doubles) {
            prop_assert_eq!(read, None, "only names given twice are treated differently: {}", text);
            let nested = text.contains('{');
            prop_assert!(nested);
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let read = Json::parse(&bytes).map(|json| as_model(&json));
        prop_assert_eq!(read, serde_json::from_slice(&bytes).ok().map(as_doubles));
    }
}
