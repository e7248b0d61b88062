//! The document itself: `apiVersion`, `kind`, `metadata`, and what the object says.

use super::Document;
use super::access::{Key, Seen};
use super::free::Free;
use super::scalar::give_up;
use super::strict::Seed;
use crate::common::Value;
use crate::meta::ObjectMeta;
use crate::object::Body;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// What was read.
pub(super) struct Written {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) metadata: ObjectMeta,
    pub(super) status: Option<Value>,
    pub(super) body: Body,
}

/// What all objects have.
#[derive(Default)]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
    metadata: Option<ObjectMeta>,
}

impl Header {
    /// Reads the value of `key` if it is one of these.
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        document: &Document<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "apiVersion" => self.api_version = Some(map.next_value_seed(Seed::top(document))?),
            "kind" => self.kind = Some(map.next_value_seed(Seed::top(document))?),
            "metadata" => self.metadata = Some(map.next_value_seed(Seed::top(&document.metadata()))?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn with<E: de::Error>(self, status: Option<Value>, body: Body) -> Result<Written, E> {
        match self {
            Self { api_version: Some(api_version), kind: Some(kind), metadata: Some(metadata) }
                if !metadata.name.is_empty() =>
            {
                Ok(Written { api_version, kind, metadata, status, body })
            }
            _ => Err(give_up()),
        }
    }
}

fn next_key<'de, A: MapAccess<'de>>(
    map: &mut A,
    document: &Document<'_>,
    seen: &mut Seen<'de>,
) -> Result<Option<&'de str>, A::Error> {
    map.next_key_seed(Key { inner: PhantomData::<&'de str>, document, old: &[], seen: Some(seen) })
}

/// An object whose body is its `spec`.
pub(super) struct Spec<'a, T> {
    document: &'a Document<'a>,
    body: PhantomData<T>,
}

impl<'a, T> Spec<'a, T> {
    pub(super) fn new(document: &'a Document<'a>) -> Self {
        Self { document, body: PhantomData }
    }
}

impl<'de, T: Deserialize<'de> + Into<Body>> Visitor<'de> for Spec<'_, T> {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut seen = Seen::default();
        let mut header = Header::default();
        let (mut spec, mut status) = (None, None);
        while let Some(key) = next_key(&mut map, self.document, &mut seen)? {
            match key {
                "spec" => spec = Some(map.next_value_seed(Seed::top(self.document))?),
                "status" => status = map.next_value_seed(Status(self.document))?,
                _ if header.read(key, &mut map, self.document)? => {}
                _ => return Err(give_up()),
            }
        }
        let spec: T = spec.ok_or_else(give_up)?;
        header.with(status, spec.into())
    }
}

struct Status<'a>(&'a Document<'a>);

impl<'de> DeserializeSeed<'de> for Status<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<Option<Value>, D::Error> {
        let status = Value::deserialize(Free { inner, document: self.0, depth: 1, present: false })?;
        Ok(Some(status).filter(|status| !status.is_null()))
    }
}

/// An object whose body is all but `apiVersion`, `kind` and `metadata`.
pub(super) struct Whole<'a, T> {
    document: &'a Document<'a>,
    body: PhantomData<T>,
}

impl<'a, T> Whole<'a, T> {
    pub(super) fn new(document: &'a Document<'a>) -> Self {
        Self { document, body: PhantomData }
    }
}

impl<'de, T: Deserialize<'de> + Into<Body>> Visitor<'de> for Whole<'_, T> {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut header = Header::default();
        let rest =
            Rest { map: &mut map, document: self.document, header: &mut header, seen: Seen::default() };
        let body = T::deserialize(rest)?;
        header.with(None, body.into())
    }
}

/// A document without what is in its [`Header`], which is read on the way.
struct Rest<'a, 'h, 'de, A> {
    map: &'h mut A,
    document: &'a Document<'a>,
    header: &'h mut Header,
    seen: Seen<'de>,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Rest<'_, '_, 'de, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, '_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = next_key(self.map, self.document, &mut self.seen)? {
            if !self.header.read(key, self.map, self.document)? {
                return seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(Seed { target: seed, document: self.document, depth: 1, present: false })
    }
}
