//! Trees that are kept as they are, or that nobody reads.

use super::Document;
use super::access::{Key, Seen};
use super::scalar::give_up;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of any kind. Only its keys are looked at, which must be different strings.
pub(super) struct Free<'a, D> {
    pub(super) inner: D,
    pub(super) document: &'a Document<'a>,
    pub(super) depth: usize,
    /// As in [`Strict`](super::strict::Strict).
    pub(super) present: bool,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Free<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, document, depth, present } = self;
        inner.deserialize_any(Any { visitor, document, depth, present })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Seed<'a, S> {
    target: S,
    document: &'a Document<'a>,
    depth: usize,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self { target, document, depth } = self;
        target.deserialize(Free { inner, document, depth, present: false })
    }
}

/// Visits for another visitor.
struct Any<'a, V> {
    visitor: V,
    document: &'a Document<'a>,
    depth: usize,
    present: bool,
}

/// Elements or entries.
struct Elements<'a, 'de, A> {
    inner: A,
    document: &'a Document<'a>,
    depth: usize,
    seen: Seen<'de>,
}

impl<'a, V> Any<'a, V> {
    fn enter<'de, A, E: de::Error>(self, inner: A) -> Result<(V, Elements<'a, 'de, A>), E> {
        if self.depth >= self.document.max_depth {
            return Err(give_up());
        }
        let Self { visitor, document, depth, .. } = self;
        Ok((visitor, Elements { inner, document, depth: depth + 1, seen: Seen::default() }))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Any<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        if self.present { Err(give_up()) } else { self.visitor.visit_unit() }
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(value)
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.visitor.visit_i64(value)
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visitor.visit_i64(value),
            Err(_) => self.visitor.visit_u64(value),
        }
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.visitor.visit_f64(value)
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.visitor.visit_borrowed_str(text)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.visitor.visit_str(text)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let (visitor, items) = self.enter(access)?;
        visitor.visit_seq(items)
    }
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let (visitor, entries) = self.enter(access)?;
        visitor.visit_map(entries)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Seed { target: seed, document: self.document, depth: self.depth })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(Key {
            inner: seed,
            document: self.document,
            old: &[],
            seen: Some(&mut self.seen),
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Seed { target: seed, document: self.document, depth: self.depth })
    }
}
