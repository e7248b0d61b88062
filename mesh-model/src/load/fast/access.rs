//! Lists, maps and messages in plain form.

use super::scalar::give_up;
use super::strict::Seed;
use super::{Document, current};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// Visits for another visitor a list, a map whose keys are data, or a message.
pub(super) struct Container<'a, V> {
    pub(super) visitor: V,
    pub(super) document: &'a Document<'a>,
    pub(super) depth: usize,
    pub(super) present: bool,
    /// The name of the message, if it is one.
    pub(super) message: Option<&'static str>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Container<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a mapping")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, document, depth, present, .. } = self;
        visitor.visit_seq(Items { inner, document, depth: depth + 1, present, empty: true })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { visitor, document, depth, present, message } = self;
        let depth = depth + 1;
        match message {
            // A key that the type knows is refused by the type when it comes again, and others give up where they
            // are looked for.
            Some(name) if document.check_unknown => {
                let old = current::old_fields(name);
                visitor.visit_map(Fields { inner, document, depth, present, empty: true, old })
            }
            _ => visitor.visit_map(Entries {
                inner,
                document,
                depth,
                present,
                value_present: message.is_none(),
                seen: Seen::default(),
            }),
        }
    }
}

/// Elements of a list.
struct Items<'a, A> {
    inner: A,
    document: &'a Document<'a>,
    depth: usize,
    present: bool,
    empty: bool,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let (document, depth) = (self.document, self.depth);
        let element = self.inner.next_element_seed(Seed { target: seed, document, depth, present: true })?;
        if element.is_none() && self.empty && self.present {
            return Err(give_up());
        }
        self.empty = false;
        Ok(element)
    }

    /// Most lists have one element; a list that starts with room for four of them would be most of the memory.
    fn size_hint(&self) -> Option<usize> {
        Some(1)
    }
}

/// Entries of a map, or fields of a message that may have others than its type.
struct Entries<'a, 'de, A> {
    inner: A,
    document: &'a Document<'a>,
    depth: usize,
    present: bool,
    value_present: bool,
    seen: Seen<'de>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let empty = self.seen.len == 0;
        let key = self.inner.next_key_seed(Key {
            inner: seed,
            document: self.document,
            old: &[],
            seen: Some(&mut self.seen),
        })?;
        if key.is_none() && empty && self.present {
            return Err(give_up());
        }
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let (document, depth) = (self.document, self.depth);
        self.inner.next_value_seed(Seed { target: seed, document, depth, present: self.value_present })
    }
}

/// Fields of a message.
struct Fields<'a, A> {
    inner: A,
    document: &'a Document<'a>,
    depth: usize,
    present: bool,
    empty: bool,
    old: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let key = Key { inner: seed, document: self.document, old: self.old, seen: None };
        let key = self.inner.next_key_seed(key)?;
        if key.is_none() && self.empty && self.present {
            return Err(give_up());
        }
        self.empty = false;
        Ok(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let (document, depth) = (self.document, self.depth);
        self.inner.next_value_seed(Seed { target: seed, document, depth, present: false })
    }
}

/// Keys of one map.
#[derive(Default)]
pub(super) struct Seen<'de> {
    first: [&'de str; 8],
    len: usize,
    others: BTreeSet<&'de str>,
}

impl<'de> Seen<'de> {
    /// False when the key was seen before.
    pub(super) fn insert(&mut self, key: &'de str) -> bool {
        let known = self.first.get(..self.len).unwrap_or(&self.first);
        if known.contains(&key) {
            return false;
        }
        self.len += 1;
        match self.first.get_mut(self.len - 1) {
            Some(place) => {
                *place = key;
                true
            }
            None => self.others.insert(key),
        }
    }
}

/// A key: the seed for it, the deserializer that the seed is given, and the visitor of that.
pub(super) struct Key<'a, 'm, 'de, I> {
    pub(super) inner: I,
    pub(super) document: &'a Document<'a>,
    pub(super) old: &'static [&'static str],
    /// Where keys are not only those of a type: they must be strings, and different.
    pub(super) seen: Option<&'m mut Seen<'de>>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, '_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self { inner: seed, document, old, seen } = self;
        seed.deserialize(Key { inner, document, old, seen })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Key<'_, '_, 'de, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, document, old, seen } = self;
        inner.deserialize_str(Key { inner: visitor, document, old, seen })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Key<'_, '_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<V::Value, E> {
        let odd = match self.seen {
            Some(seen) => key == "<<" || !self.document.is_string(key) || !seen.insert(key),
            None => self.old.contains(&key),
        };
        if odd {
            return Err(give_up());
        }
        self.inner.visit_borrowed_str(key)
    }
}
