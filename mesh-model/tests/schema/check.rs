//! A small, strict reader of JSON Schema: it knows exactly the keywords that the schemas use and fails on any other.

use regex::Regex;
use serde_json::{Map, Value};

/// Problems of `document` under `schema`, each with the place in the document.
pub(crate) fn problems(schema: &Value, document: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(schema, schema, document, "$", &mut out);
    out
}

fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut out = Vec::new();
    check(root, schema, value, "", &mut out);
    out.is_empty()
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        other => panic!("no type `{other}`"),
    }
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    let schema = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return out.push(format!("{at}: not allowed")),
        Value::Object(schema) => schema,
        other => panic!("not a schema: {other}"),
    };
    for (keyword, rule) in schema {
        let mut refuse = |why: String| out.push(format!("{at}: {why}"));
        match keyword.as_str() {
            "$schema"
            | "$defs"
            | "title"
            | "description"
            | "default"
            | "format"
            | "markdownEnumDescriptions"
            | "then" => {}
            "$ref" => check(root, resolve(root, rule), value, at, out),
            "type" => {
                let fits = match rule {
                    Value::Array(names) => names.iter().any(|name| is_type(name, value)),
                    name => is_type(name, value),
                };
                if !fits {
                    refuse(format!("{value} is not of type {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                refuse(format!("{value} is none of {rule}"));
            }
            "const" if rule != value => refuse(format!("{value} is not {rule}")),
            "enum" | "const" => {}
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.as_object().is_some_and(|map| !map.contains_key(name.as_str().unwrap())) {
                        refuse(format!("{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(root, rule, value, &format!("{at}.{name}"), out);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().unwrap_or(&Map::new()) {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        check(root, rule, value, &format!("{at}.{name}"), out);
                    }
                }
            }
            "maxProperties" => {
                if value.as_object().is_some_and(|map| map.len() as u64 > rule.as_u64().unwrap()) {
                    refuse(format!("more than {rule} fields"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().unwrap_or(&Vec::new()).iter().enumerate() {
                    check(root, rule, item, &format!("{at}[{index}]"), out);
                }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    refuse(format!("{value} does not match {rule}"));
                }
            }
            "maxLength" => {
                if value.as_str().is_some_and(|text| text.chars().count() as u64 > rule.as_u64().unwrap()) {
                    refuse(format!("longer than {rule}"));
                }
            }
            "minItems" => {
                if value.as_array().is_some_and(|list| (list.len() as u64) < rule.as_u64().unwrap()) {
                    refuse(format!("fewer than {rule}"));
                }
            }
            "minimum" if value.as_f64().is_some_and(|n| n < rule.as_f64().unwrap()) => {
                refuse(format!("{value} is below {rule}"));
            }
            "maximum" if value.as_f64().is_some_and(|n| n > rule.as_f64().unwrap()) => {
                refuse(format!("{value} is above {rule}"));
            }
            "minimum" | "maximum" => {}
            "allOf" => {
                rule.as_array().unwrap().iter().for_each(|rule| check(root, rule, value, at, out));
            }
            "anyOf" if !rule.as_array().unwrap().iter().any(|rule| accepts(root, rule, value)) => {
                refuse(format!("{value} fits no choice"));
            }
            "oneOf"
                if rule.as_array().unwrap().iter().filter(|rule| accepts(root, rule, value)).count() != 1 =>
            {
                refuse(format!("{value} does not fit exactly one choice"));
            }
            "anyOf" | "oneOf" => {}
            "not" if accepts(root, rule, value) => refuse(format!("excluded by {rule}")),
            "not" => {}
            "if" => {
                if accepts(root, rule, value) {
                    check(root, schema.get("then").unwrap(), value, at, out);
                }
            }
            other => panic!("the keyword `{other}` is not known: {rule}"),
        }
    }
}

/// What `{"$ref": "#/$defs/Name"}` refers to.
pub(crate) fn resolve<'s>(root: &'s Value, reference: &Value) -> &'s Value {
    let text = reference.as_str().unwrap();
    let pointer = text.strip_prefix('#').unwrap_or_else(|| panic!("`{text}` leaves the schema"));
    root.pointer(pointer).unwrap_or_else(|| panic!("`{text}` leads nowhere"))
}

/// Fails unless `schema` is one: every keyword known and of the right form, every reference found, every pattern one
/// that compiles.
pub(crate) fn check_schema(root: &Value, schema: &Value) {
    let Value::Object(map) = schema else { return assert!(schema.is_boolean(), "{schema}") };
    for (keyword, rule) in map {
        match keyword.as_str() {
            "$schema" => assert_eq!(rule, "https://json-schema.org/draft/2020-12/schema"),
            "$ref" => {
                resolve(root, rule);
            }
            // What an absent member means.
            "default" => assert!(!rule.is_null() && !rule.is_object(), "{schema}"),
            "title" | "description" | "format" => {
                let text = rule.as_str().unwrap();
                assert!(!text.is_empty() && !text.contains("MODEL-") && !text.contains("[`"), "{text}");
            }
            "$defs" | "properties" => {
                rule.as_object().unwrap().values().for_each(|rule| check_schema(root, rule));
            }
            "additionalProperties" | "items" | "not" | "if" | "then" => check_schema(root, rule),
            "allOf" | "anyOf" | "oneOf" => {
                assert!(!rule.as_array().unwrap().is_empty(), "{schema}");
                rule.as_array().unwrap().iter().for_each(|rule| check_schema(root, rule));
            }
            "type" => match rule {
                Value::Array(names) => names.iter().for_each(|name| {
                    is_type(name, &Value::Null);
                }),
                name => {
                    is_type(name, &Value::Null);
                }
            },
            "enum" => {
                let values = rule.as_array().unwrap();
                assert!(!values.is_empty() && values.iter().all(Value::is_string), "{schema}");
                if let Some(texts) = map.get("markdownEnumDescriptions") {
                    assert_eq!(texts.as_array().unwrap().len(), values.len(), "{schema}");
                }
            }
            "markdownEnumDescriptions" => assert!(map.contains_key("enum"), "{schema}"),
            "const" => assert!(rule.is_string()),
            "required" => {
                let names = rule.as_array().unwrap();
                assert!(!names.is_empty() && names.iter().all(Value::is_string), "{schema}");
            }
            "maxProperties" | "maxLength" | "minItems" => assert!(rule.is_u64(), "{schema}"),
            "minimum" | "maximum" => assert!(rule.is_number(), "{schema}"),
            "pattern" => {
                Regex::new(rule.as_str().unwrap()).unwrap();
            }
            other => panic!("the keyword `{other}` is not known: {schema}"),
        }
    }
}
