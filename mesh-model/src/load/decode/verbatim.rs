//! A tree that is kept as it is: no key in it is unknown, and no `null` is out of place.

use super::DecodeError;
use crate::common::Value;
use serde::de::{Deserializer, IntoDeserializer, Visitor, value};

pub(super) struct Verbatim<'de>(pub(super) &'de Value);

impl<'de> IntoDeserializer<'de, DecodeError> for Verbatim<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Verbatim<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::UInt(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(value::SeqDeserializer::new(items.iter().map(Verbatim))),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.as_str(), Verbatim(value)));
                visitor.visit_map(value::MapDeserializer::new(entries))
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
