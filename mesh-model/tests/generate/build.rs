//! Trees from parts: messages of required and optional fields, lists, choices.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Generates a tree.
pub type Tree = BoxedStrategy<Value>;

/// A field of a message.
pub struct Field {
    key: &'static str,
    share: Option<f64>,
    tree: Tree,
}

/// A field that is always there.
pub fn must(key: &'static str, tree: impl Strategy<Value = Value> + 'static) -> Field {
    Field { key, share: None, tree: tree.boxed() }
}

/// A field that is sometimes there.
pub fn may(key: &'static str, tree: impl Strategy<Value = Value> + 'static) -> Field {
    Field { key, share: Some(0.35), tree: tree.boxed() }
}

pub fn message<const N: usize>(fields: [Field; N]) -> Tree {
    let parts: Vec<BoxedStrategy<Option<(String, Value)>>> = fields
        .into_iter()
        .map(|Field { key, share, tree }| {
            let entry = tree.prop_map(move |value| (key.to_owned(), value));
            match share {
                None => entry.prop_map(Some).boxed(),
                Some(share) => prop::option::weighted(share, entry).boxed(),
            }
        })
        .collect();
    parts.prop_map(|entries| Value::Object(entries.into_iter().flatten().collect())).boxed()
}

/// As [`message`], with one of the optional fields at least: where an empty message is refused.
pub fn something<const N: usize>(fields: [Field; N]) -> Tree {
    message(fields).prop_filter("an empty message", |value| value != &json!({})).boxed()
}

pub fn list(tree: impl Strategy<Value = Value> + 'static, len: std::ops::RangeInclusive<usize>) -> Tree {
    prop::collection::vec(tree, len).prop_map(Value::Array).boxed()
}

/// A list whose elements differ in what `key` finds.
pub fn distinct(
    tree: impl Strategy<Value = Value> + 'static,
    len: std::ops::RangeInclusive<usize>,
    key: fn(&Value) -> Value,
) -> Tree {
    prop::collection::vec(tree, len)
        .prop_map(move |mut list| {
            let mut seen = Vec::new();
            list.retain(|value| {
                let key = key(value);
                let new = !seen.contains(&key);
                seen.push(key);
                new
            });
            Value::Array(list)
        })
        .boxed()
}

/// A map with keys of a pattern.
pub fn map(
    key: &'static str,
    tree: impl Strategy<Value = Value> + 'static,
    len: std::ops::RangeInclusive<usize>,
) -> Tree {
    prop::collection::btree_map(pattern(key), tree, len)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
        .boxed()
}

pub fn one_of<const N: usize>(choices: [Tree; N]) -> Tree {
    prop::strategy::Union::new(choices).boxed()
}

/// One of the given texts.
pub fn words(texts: &'static [&'static str]) -> Tree {
    prop::sample::select(texts).prop_map(|text| json!(text)).boxed()
}

/// The one value.
pub fn only(value: Value) -> Tree {
    Just(value).boxed()
}

/// Texts of a regular expression, which is read once.
pub fn pattern(pattern: &'static str) -> BoxedStrategy<String> {
    prop::string::string_regex(pattern).unwrap().boxed()
}

/// A text of the given pattern.
pub fn text(pattern: &'static str) -> Tree {
    self::pattern(pattern).prop_map(Value::from).boxed()
}

pub fn flag() -> Tree {
    any::<bool>().prop_map(Value::from).boxed()
}

pub fn whole(range: std::ops::RangeInclusive<i64>) -> Tree {
    range.prop_map(Value::from).boxed()
}

/// The message with more fields.
pub fn with(tree: Tree, more: Tree) -> Tree {
    (tree, more)
        .prop_map(|(mut whole, more)| {
            if let (Value::Object(whole), Value::Object(more)) = (&mut whole, more) {
                whole.extend(more);
            }
            whole
        })
        .boxed()
}
