//! A YAML or JSON tree.

use crate::path::Segment;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::fmt;

/// What a deserializer is asked for, so that the loader knows a free-form subtree.
pub(crate) const NAME: &str = "mesh_model::Value";

/// A parsed YAML or JSON value: the content of a kind that is kept opaque.
///
/// Maps keep the order of the document.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping; keys are unique.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The value of `key` if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// True for [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Self> {
        match self {
            Self::Map(entries) => {
                let at = entries.iter().position(|(name, _)| name == key)?;
                Some(entries.remove(at).1)
            }
            _ => None,
        }
    }

    /// Sets `key`, replacing what was there. Does nothing unless this is a map.
    pub(crate) fn set(&mut self, key: &str, new: Self) {
        if let Some(old) = self.get_mut(key) {
            *old = new;
        } else if let Self::Map(entries) = self {
            entries.push((key.to_owned(), new));
        }
    }

    /// The value at a path.
    pub(crate) fn at(&self, path: &[Segment]) -> Option<&Self> {
        path.iter().try_fold(self, |at, segment| match (segment, at) {
            (Segment::Index(index), Self::List(items)) => items.get(*index),
            (Segment::Field(name) | Segment::Key(name), Self::Map(_)) => at.get(name),
            _ => None,
        })
    }

    /// Puts `new` back to where it stood before it could not be read.
    ///
    /// Lists that were given as their only element, and the other way round, are passed through. An element that was
    /// left out of its list goes before the one that is now in its place.
    pub(crate) fn put(&mut self, path: &[Segment], new: Self, left_out: bool) {
        let Some((first, rest)) = path.split_first() else {
            *self = new;
            return;
        };
        match (first, &mut *self) {
            (Segment::Index(0), Self::Map(_)) => self.put(rest, new, left_out),
            (Segment::Index(index), Self::List(items)) => match items.get_mut(*index) {
                Some(item) if !(rest.is_empty() && left_out) => item.put(rest, new, left_out),
                _ => {
                    let mut item = Self::Null;
                    item.put(rest, new, left_out);
                    items.insert((*index).min(items.len()), item);
                }
            },
            (Segment::Field(_) | Segment::Key(_), Self::List(items)) => {
                if items.is_empty() {
                    items.push(Self::Map(Vec::new()));
                }
                if let Some(item) = items.first_mut() {
                    item.put(path, new, left_out);
                }
            }
            (Segment::Field(name) | Segment::Key(name), Self::Map(_)) => {
                if self.get(name).is_none() {
                    self.set(name, Self::Null);
                }
                if let Some(inner) = self.get_mut(name) {
                    inner.put(rest, new, left_out);
                }
            }
            (Segment::Index(_), _) => {
                *self = Self::List(Vec::new());
                self.put(path, new, left_out);
            }
            _ => {
                *self = Self::Map(Vec::new());
                self.put(path, new, left_out);
            }
        }
    }

    /// What a reader would call it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// A scalar as the text it would have as a string.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::UInt(value) => Some(value.to_string()),
            Self::Float(value) => Some(value.to_string()),
            Self::String(text) => Some(text.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
                Value::deserialize(inner)
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
                inner.deserialize_any(self)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(i64::try_from(value).map_or(Value::UInt(value), Value::Int))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::String(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::String(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Value::Map(entries))
            }
        }
        deserializer.deserialize_newtype_struct(NAME, Visitor)
    }
}
