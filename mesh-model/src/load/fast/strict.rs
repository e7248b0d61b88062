//! A deserializer around another that lets only plain spellings pass.

use super::Document;
use super::access::Container;
use super::free::Free;
use super::scalar::{Integer, Name, Number, Text, give_up};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A value in plain form.
pub(super) struct Strict<'a, D> {
    pub(super) inner: D,
    pub(super) document: &'a Document<'a>,
    /// Levels of nesting above the value.
    pub(super) depth: usize,
    /// An element of a list or a map's entry: `null` is not what an absent one means.
    pub(super) present: bool,
}

/// Reads what `target` stands for as a [`Strict`] value.
pub(super) struct Seed<'a, S> {
    pub(super) target: S,
    pub(super) document: &'a Document<'a>,
    pub(super) depth: usize,
    pub(super) present: bool,
}

impl<'a, T> Seed<'a, PhantomData<T>> {
    /// The value of a key of the document itself.
    pub(super) fn top(document: &'a Document<'a>) -> Self {
        Self { target: PhantomData, document, depth: 1, present: true }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Self { target, document, depth, present } = self;
        target.deserialize(Strict { inner, document, depth, present })
    }
}

impl<D> Strict<'_, D> {
    /// Before a list or a map.
    fn enter<E: de::Error>(&self) -> Result<(), E> {
        if self.depth >= self.document.max_depth { Err(give_up()) } else { Ok(()) }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.deserialize_str(Integer { visitor, document: self.document })
        }
    )*};
}

macro_rules! unknown {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
            Err(give_up())
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    /// A free-form tree, or a type that takes several.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self { inner, document, depth, present } = self;
        Free { inner, document, depth, present }.deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bool(visitor)
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Number { visitor, document: self.document })
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Text { visitor, document: self.document })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        struct Maybe<'a, V> {
            visitor: V,
            document: &'a Document<'a>,
            depth: usize,
            present: bool,
        }
        impl<'de, V: Visitor<'de>> Visitor<'de> for Maybe<'_, V> {
            type Value = V::Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or nothing")
            }
            fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
                if self.present { Err(give_up()) } else { self.visitor.visit_none() }
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
                let Self { visitor, document, depth, present } = self;
                visitor.visit_some(Strict { inner, document, depth, present })
            }
        }
        let Self { inner, document, depth, present } = self;
        inner.deserialize_option(Maybe { visitor, document, depth, present })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == crate::common::FREE_FORM {
            return self.deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.enter()?;
        let Self { inner, document, depth, present } = self;
        inner.deserialize_seq(Container { visitor, document, depth, present, message: None })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.enter()?;
        let Self { inner, document, depth, present } = self;
        inner.deserialize_map(Container { visitor, document, depth, present, message: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.enter()?;
        let Self { inner, document, depth, present } = self;
        inner.deserialize_struct(
            name,
            fields,
            Container { visitor, document, depth, present, message: Some(name) },
        )
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Name { visitor, document: self.document, variants })
    }

    /// The value of a key that the message does not have.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.document.check_unknown {
            return Err(give_up());
        }
        let Self { inner, document, depth, .. } = self;
        // Unlike a parser, the other path looks for keys given twice even in what nobody reads.
        de::IgnoredAny::deserialize(Free { inner, document, depth, present: false })?;
        visitor.visit_unit()
    }

    unknown! {
        deserialize_char deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, D::Error> {
        Err(give_up())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, D::Error> {
        Err(give_up())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, D::Error> {
        Err(give_up())
    }
}
