//! YAML text to a [`Value`], within limits.

use super::Limits;
use crate::common::Value;
use crate::path::{FieldPath, Segment};
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess};
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

const TOO_DEEP: &str = "the document is nested too deeply";

/// Each has to be told; a document with more is refused.
const MAX_DUPLICATES: usize = 10_000;

/// Why a document is not a tree.
#[derive(Debug)]
pub(super) struct TreeError {
    pub(super) message: String,
    /// Line and column from 1, and byte offset, within the document.
    pub(super) position: Option<(usize, usize, usize)>,
    /// What the parser was reading, and where that begins.
    pub(super) context: Option<(String, Option<(usize, usize)>)>,
    pub(super) limit: bool,
}

/// A tree and the keys that occurred twice, as paths.
pub(super) struct Tree {
    pub(super) value: Value,
    pub(super) duplicates: Vec<FieldPath>,
}

struct Budget {
    depth: usize,
    left: Cell<usize>,
    /// Set when a limit was hit, so that the message survives the parser's own error type.
    exceeded: Cell<Option<&'static str>>,
    needs_fixing: Cell<bool>,
}

/// Parses one document.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Tree, TreeError> {
    if text.len() > limits.max_document_bytes {
        return Err(TreeError {
            message: format!(
                "the document has {} bytes, at most {} are read",
                text.len(),
                limits.max_document_bytes
            ),
            position: None,
            context: None,
            limit: true,
        });
    }
    if super::depth::exceeds(text, limits.max_depth) {
        return Err(TreeError { message: TOO_DEEP.to_owned(), position: None, context: None, limit: true });
    }
    let budget = Budget {
        depth: limits.max_depth,
        left: Cell::new(limits.max_nodes),
        exceeded: Cell::new(None),
        needs_fixing: Cell::new(false),
    };
    let seed = Seed { budget: &budget, depth: 0 };
    match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(mut value) => {
            let mut duplicates = Vec::new();
            if budget.needs_fixing.get() {
                fix(&mut value, &mut Vec::new(), &mut duplicates);
                if duplicates.len() > MAX_DUPLICATES {
                    return Err(TreeError {
                        message: format!("more than {MAX_DUPLICATES} keys of the document are given twice"),
                        position: None,
                        context: None,
                        limit: true,
                    });
                }
            }
            Ok(Tree { value, duplicates })
        }
        Err(error) => {
            let position = error.location().map(|at| (at.line(), at.column(), at.index()));
            if let Some(what) = budget.exceeded.get() {
                return Err(TreeError { message: what.to_owned(), position, context: None, limit: true });
            }
            let full = error.to_string();
            let recursion = full.starts_with("recursion limit") || full.starts_with("repetition limit");
            let message = match full.split_once(" at line ") {
                Some((head, _)) if position.is_some() => head.to_owned(),
                _ => full.clone(),
            };
            let context = full.get(message.len()..).and_then(context);
            Err(TreeError { message, position, context, limit: recursion })
        }
    }
}

/// The construct that the parser names behind its complaint: ` at line 3 column 1, while parsing a flow sequence at line
/// 2 column 8`.
fn context(tail: &str) -> Option<(String, Option<(usize, usize)>)> {
    let (_, words) = tail.split_once(", ")?;
    let mark = words.rsplit_once(" at line ").and_then(|(words, mark)| {
        let (line, column) = mark.split_once(" column ")?;
        Some((words, (line.parse().ok()?, column.parse().ok()?)))
    });
    Some(match mark {
        Some((words, mark)) => (words.to_owned(), Some(mark)),
        None => (words.to_owned(), None),
    })
}

#[derive(Clone, Copy)]
struct Seed<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Seed<'_> {
    fn child(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Pays for one node holding `bytes` of text. Aliases are paid for at each use, which bounds what an alias
    /// bomb can unfold to.
    fn pay<E: de::Error>(self, bytes: usize) -> Result<(), E> {
        let price = 1 + bytes / 64;
        match self.budget.left.get().checked_sub(price) {
            Some(left) => {
                self.budget.left.set(left);
                Ok(())
            }
            None => self.exceed("the document is too large once its aliases are unfolded"),
        }
    }

    fn enter<E: de::Error>(self) -> Result<(), E> {
        if self.depth >= self.budget.depth {
            return self.exceed(TOO_DEEP);
        }
        self.pay(0)
    }

    fn exceed<E: de::Error>(self, what: &'static str) -> Result<(), E> {
        self.budget.exceeded.set(Some(what));
        Err(E::custom(what))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.pay(0)?;
        Ok(Value::Null)
    }
    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        self.deserialize(inner)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.pay(0)?;
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.pay(0)?;
        Ok(Value::Int(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.pay(0)?;
        Ok(i64::try_from(value).map_or(Value::UInt(value), Value::Int))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.pay(0)?;
        Ok(Value::Float(value))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.pay(text.len())?;
        Ok(Value::String(text.to_owned()))
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        self.pay(text.len())?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.child())? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some(key) = access.next_key_seed(self.child())? {
            let key = match key {
                Value::String(text) => text,
                // Integer keys are legal YAML and mean their decimal text (MODEL-TYPE-24).
                other => match other.scalar_text() {
                    Some(text) => text,
                    None if other.is_null() => "null".to_owned(),
                    None => return Err(de::Error::custom("a mapping key must be a scalar")),
                },
            };
            let value = access.next_value_seed(self.child())?;
            entries.push((key, value));
        }
        if has_duplicates(&entries) || entries.iter().any(|(key, _)| key == "<<") {
            self.budget.needs_fixing.set(true);
        }
        Ok(Value::Map(entries))
    }

    /// A tag such as `!foo`: the value counts, the tag does not.
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let ((), content) = access.variant_seed(Tag)?;
        content.newtype_variant_seed(self)
    }
}

struct Tag;

impl<'de> DeserializeSeed<'de> for Tag {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        de::IgnoredAny::deserialize_ignored(deserializer)
    }
}

/// `IgnoredAny` under a name that returns nothing.
trait Ignore<'de>: Sized {
    fn deserialize_ignored<D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error>;
}

impl<'de> Ignore<'de> for de::IgnoredAny {
    fn deserialize_ignored<D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_ignored_any(Self).map(|_| ())
    }
}

fn has_duplicates(entries: &[(String, Value)]) -> bool {
    if entries.len() <= 8 {
        return entries.iter().enumerate().any(|(at, (key, _))| {
            entries.get(..at).is_some_and(|before| before.iter().any(|(earlier, _)| earlier == key))
        });
    }
    let mut seen = HashSet::with_capacity(entries.len());
    entries.iter().any(|(key, _)| !seen.insert(key.as_str()))
}

/// Keeps the last of each duplicated key, and unfolds merge keys (`<<: *defaults`), as the Kubernetes reader does.
fn fix(value: &mut Value, path: &mut Vec<Segment>, duplicates: &mut Vec<FieldPath>) {
    match value {
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(Segment::Index(index));
                fix(item, path, duplicates);
                path.pop();
            }
        }
        Value::Map(entries) => {
            let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
            let mut merged: Vec<(String, Value)> = Vec::new();
            let mut index = std::collections::HashMap::new();
            for (key, value) in std::mem::take(entries) {
                if key == "<<" {
                    match value {
                        Value::Map(more) => merged.extend(more),
                        Value::List(maps) => {
                            merged.extend(
                                maps.into_iter()
                                    .filter_map(|map| match map {
                                        Value::Map(more) => Some(more),
                                        _ => None,
                                    })
                                    .flatten(),
                            );
                        }
                        other => kept.push((key, other)),
                    }
                    continue;
                }
                if let Some(at) = index.get(&key).copied() {
                    // One more than is allowed tells that there were too many.
                    if duplicates.len() <= MAX_DUPLICATES {
                        duplicates.push(FieldPath::from_segments(path.clone()).field(&key));
                    }
                    if let Some(slot) = kept.get_mut::<usize>(at) {
                        slot.1 = value;
                    }
                } else {
                    index.insert(key.clone(), kept.len());
                    kept.push((key, value));
                }
            }
            for (key, value) in merged {
                if !index.contains_key(&key) {
                    index.insert(key.clone(), kept.len());
                    kept.push((key, value));
                }
            }
            for (key, value) in &mut kept {
                path.push(Segment::Field(key.clone()));
                fix(value, path, duplicates);
                path.pop();
            }
            *entries = kept;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_ok(text: &str) -> Tree {
        parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {}", error.message))
    }

    #[test]
    fn model_type_24_integer_keys_become_text() {
        let tree = parse_ok("8080: a\ntrue: b\n");
        assert_eq!(tree.value.get("8080").and_then(Value::as_str), Some("a"));
        assert_eq!(tree.value.get("true").and_then(Value::as_str), Some("b"));
    }

    #[test]
    fn model_doc_3_duplicate_keys_are_found_and_the_last_is_kept() {
        let tree = parse_ok("a: {b: 1, b: 2}\n");
        assert_eq!(tree.duplicates.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.b"]);
        assert_eq!(tree.value.get("a").and_then(|a| a.get("b")), Some(&Value::Int(2)));
    }

    #[test]
    fn merge_keys_are_unfolded_and_explicit_keys_win() {
        let tree = parse_ok("base: &base {a: 1, b: 1}\nuse:\n  <<: *base\n  b: 2\n");
        let used = tree.value.get("use").unwrap();
        assert_eq!((used.get("a"), used.get("b")), (Some(&Value::Int(1)), Some(&Value::Int(2))));
    }

    #[test]
    fn tags_are_dropped() {
        assert_eq!(parse_ok("a: !mine 5\n").value.get("a"), Some(&Value::Int(5)));
    }

    #[test]
    fn alias_bombs_depth_and_size_end_in_a_clear_error() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let refs = vec![format!("*a{}", level - 1); 9].join(",");
            bomb = format!("{bomb}a{level}: &a{level} [{refs}]\n");
        }
        assert!(parse(&bomb, &Limits::default()).is_err_and(|error| error.limit));
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        assert!(parse(&deep, &Limits::default()).is_err_and(|error| error.limit));
        let limits = Limits { max_document_bytes: 10, ..Limits::default() };
        assert!(parse("a: 123456789\n", &limits).is_err_and(|error| error.limit));
    }
}
