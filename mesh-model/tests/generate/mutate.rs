//! Changes to trees: what was valid and one step after another is not.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// One step.
#[derive(Clone, Debug)]
pub enum Change {
    Delete(Index),
    Swap(Index, Index),
    Replace(Index, Value),
    Repeat(Index),
    Rename(Index, &'static str),
}

/// Keys that mean something at other places.
const KEYS: &[&str] =
    &["", "spec", "host", "hosts", "selector", "action", "mode", "Mode", "port", "x", "@type", "<<"];

/// Values of every type, and texts that are something at other places.
fn odd() -> impl Strategy<Value = Value> {
    const TEXTS: &[&str] = &[
        "",
        "*",
        "yes",
        "null",
        "{{ x }}",
        "a/b/c",
        "99999999999999999999",
        "0x1f",
        "1d",
        "DENY",
        "ALLOW",
        "é\u{0}\u{feff}",
        "a: b\n- c",
        "&a *a",
        "!!int",
        "-1",
        "1e400",
        ".inf",
        "{**}",
        "(",
        "unix://",
        "@",
        "%REQ(",
    ];
    prop_oneof![
        prop::sample::select(TEXTS).prop_map(|text| json!(text)),
        prop::sample::select(vec![
            Value::Null,
            json!(true),
            json!([]),
            json!({}),
            json!(-1),
            json!(0),
            json!(0.5),
            json!(1e300),
            json!(i64::MIN),
            json!(u64::MAX),
            json!([null]),
            json!([[]]),
            json!([{}]),
            json!({"": null}),
            json!("x".repeat(5_000)),
            (0..70).fold(json!(1), |inner, _| json!([inner])),
        ]),
    ]
}

pub fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Change::Delete),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        (at(), odd()).prop_map(|(at, value)| Change::Replace(at, value)),
        at().prop_map(Change::Repeat),
        (at(), prop::sample::select(KEYS)).prop_map(|(at, key)| Change::Rename(at, key)),
    ]
}

fn step(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

fn collect(tree: &Value, at: &str, found: &mut Vec<String>) {
    let mut inner = |key: &str, value: &Value| {
        let at = format!("{at}/{}", step(key));
        found.push(at.clone());
        collect(value, &at, found);
    };
    match tree {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| inner(&index.to_string(), value));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| inner(key, value)),
        _ => {}
    }
}

/// Where every node below the root is.
pub fn places(tree: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(tree, "", &mut found);
    found
}

/// Takes the node out of its list or map.
fn remove(tree: &mut Value, at: &str) -> Option<(String, Value)> {
    let (parent, last) = at.rsplit_once('/')?;
    let key = last.replace("~1", "/").replace("~0", "~");
    match tree.pointer_mut(parent)? {
        Value::Array(list) => {
            let index: usize = key.parse().ok().filter(|index| *index < list.len())?;
            Some((key, list.remove(index)))
        }
        Value::Object(map) => map.remove(&key).map(|value| (key, value)),
        _ => None,
    }
}

impl Change {
    /// Changes the tree; nothing happens where it does not fit.
    pub fn apply(&self, tree: &mut Value) {
        let places = places(tree);
        if places.is_empty() {
            return;
        }
        let at = |index: &Index| places[index.index(places.len())].as_str();
        match self {
            Self::Delete(node) => drop(remove(tree, at(node))),
            Self::Swap(one, other) => {
                let (one, other) = (at(one), at(other));
                let values = (tree.pointer(one).cloned(), tree.pointer(other).cloned());
                // Not a node with what lies in it.
                let within = one.starts_with(other) || other.starts_with(one);
                if let ((Some(first), Some(second)), false) = (values, within) {
                    tree.pointer_mut(one).into_iter().for_each(|node| *node = second.clone());
                    tree.pointer_mut(other).into_iter().for_each(|node| *node = first.clone());
                }
            }
            Self::Replace(node, value) => {
                tree.pointer_mut(at(node)).into_iter().for_each(|node| *node = value.clone());
            }
            Self::Repeat(node) => {
                if let Some(Value::Array(list)) = tree.pointer_mut(at(node)) {
                    list.extend(list.first().cloned());
                }
            }
            Self::Rename(node, key) => {
                let at = at(node);
                let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
                if tree.pointer(parent).is_some_and(Value::is_object)
                    && let Some((_, value)) = remove(tree, at)
                {
                    tree.pointer_mut(parent).into_iter().for_each(|map| map[*key] = value.clone());
                }
            }
        }
    }
}
