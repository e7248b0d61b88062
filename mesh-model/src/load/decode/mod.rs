//! Turns a [`Value`] into a typed message, repairs what can be repaired and reports every problem.
//!
//! This is a serde deserializer over the tree. A scalar of the wrong type is reported and read as its default, so
//! one attempt finds all of them. What only the type itself can refuse (a bad duration, an unknown enum name) ends
//! the attempt; the place is then left out and the attempt repeated.

mod access;
mod free;
mod scalar;
pub(in crate::load) mod yaml11;

use super::context::{Context, Path, Step};
use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::path::FieldPath;
use access::{Entries, Fields, InPlace, Items, NoEntries, Single, one_entry};
use free::Free;
pub(in crate::load) use scalar::is_placeholder;
use scalar::{duration_text, names, shorten};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, Visitor};
use std::fmt;

/// True for a text that must be in quotes for a reader of YAML 1.1 (MODEL-DOC-10).
pub(crate) fn is_yaml11(text: &str) -> bool {
    yaml11::kind(text).is_some()
}

/// So many problems of the kind that needs another attempt are reported before the object is given up.
const MAX_ATTEMPTS: usize = 64;

/// Reads a `T` at `base`. `None` when the object had to be given up; the context then says why.
pub(in crate::load) fn decode<T: for<'de> Deserialize<'de>>(
    value: &Value,
    base: &Path<'_>,
    context: &Context,
) -> Option<T> {
    for _ in 0..MAX_ATTEMPTS {
        let mark = context.mark();
        match T::deserialize(Decoder { value, path: base, context }) {
            Ok(decoded) => return Some(decoded),
            Err(error) => {
                let path = error.path.clone().unwrap_or_else(|| base.to_field_path());
                let whole = error.path.is_none() || path == base.to_field_path();
                context.rewind(mark);
                let found = Diagnostic {
                    help: error.help,
                    ..Diagnostic::error(error.code, path.clone(), error.message)
                };
                if whole {
                    context.reject(found);
                    return None;
                }
                context.lost(found);
                context.poison(path);
            }
        }
    }
    context.reject(
        Diagnostic::error(
            "MODEL-API-2",
            base.to_field_path(),
            format!("more than {MAX_ATTEMPTS} fields cannot be read, the rest is not examined"),
        )
        .help("correct those that are named, and check again"),
    );
    None
}

/// A problem found by a type's own `Deserialize`. A message may begin with the id of its rule and `: `, and have a
/// second line that says what to do.
#[derive(Debug)]
pub(in crate::load) struct DecodeError {
    path: Option<FieldPath>,
    code: &'static str,
    message: String,
    help: Option<String>,
}

/// Ids that types put in front of their messages.
const CODES: &[&str] = &[
    "MODEL-TYPE-12",
    "MODEL-STLS-7",
    "MODEL-AP-6",
    "MODEL-PA-2",
    "MODEL-RA-2",
    "MODEL-RA-3",
    "MODEL-WASM-3",
];

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let mut text = message.to_string();
        let help = text.split_once('\n').map(|(_, help)| help.to_owned());
        text.truncate(text.find('\n').unwrap_or(text.len()));
        let (code, message) = CODES
            .iter()
            .find_map(|code| Some((*code, text.strip_prefix(code)?.strip_prefix(": ")?.to_owned())))
            .unwrap_or_else(|| ("MODEL-TYPE-18", text.clone()));
        let usual = match code {
            "MODEL-TYPE-12" => "keep one of the three",
            _ if text.contains("time") => "write a time such as 2024-05-01T12:00:00Z",
            _ => "write a value of the kind that is expected",
        };
        Self { path: None, code, message, help: help.or_else(|| Some(usual.to_owned())) }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    fn at(mut self, path: &Path<'_>) -> Self {
        if self.path.is_none() {
            self.path = Some(path.to_field_path());
        }
        self
    }

    fn new(code: &'static str, message: String, help: Option<String>) -> Self {
        Self { path: None, code, message, help }
    }
}

/// A map's entry whose value must not be null.
fn null_entry(code: &'static str) -> DecodeError {
    let help = "remove the entry, or indent what follows under it".to_owned();
    DecodeError::new(code, "the entry may not be null".to_owned(), Some(help))
}

#[derive(Clone, Copy)]
struct Decoder<'a, 'de> {
    value: &'de Value,
    path: &'a Path<'a>,
    context: &'a Context,
}

macro_rules! integers {
    ($($method:ident, $visit:ident, $ty:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let number = self.integer(i128::from(<$ty>::MIN), i128::from(<$ty>::MAX));
            visitor.$visit(<$ty>::try_from(number).unwrap_or_default())
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_, 'de> {
    type Error = DecodeError;

    /// Only a tree that is kept as it is asks for this; nothing in it is checked (MODEL-UNK-3).
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        Free(self.value).deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = match self.value {
            Value::Bool(value) => *value,
            Value::String(text) => self.boolean(text),
            _ => {
                self.mismatch("a boolean");
                false
            }
        };
        visitor.visit_bool(value)
    }

    integers! {
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        #[allow(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
        let value = match self.value {
            Value::Float(value) => *value,
            Value::Int(value) => *value as f64,
            Value::UInt(value) => *value as f64,
            Value::String(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                self.context.repair(
                    Diagnostic::warning(
                        "MODEL-TYPE-18",
                        self.path.to_field_path(),
                        format!("expected a number, found the string `{}`", shorten(text)),
                    )
                    .help("remove the quotes"),
                );
                text.parse().unwrap_or_default()
            }
            _ => {
                self.mismatch("a number");
                0.0
            }
        };
        visitor.visit_f64(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => {
                if yaml11::kind(text).is_some() {
                    self.not_a_string(text);
                } else if self.context.check_unknown && is_placeholder(text) {
                    self.context.lost(
                        Diagnostic::error(
                            "MODEL-DOC-12",
                            self.path.to_field_path(),
                            format!("`{}` is an unexpanded placeholder", shorten(text)),
                        )
                        .help("render the template before it is read"),
                    );
                }
                visitor.visit_borrowed_str(text)
            }
            Value::Null => visitor.visit_borrowed_str(""),
            _ => {
                if let Some(text) = self.string() {
                    visitor.visit_string(text)
                } else {
                    self.mismatch("a string");
                    visitor.visit_borrowed_str("")
                }
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == "Duration" {
            let text = duration_text(self)?;
            return visitor.visit_newtype_struct(IntoDeserializer::<DecodeError>::into_deserializer(text));
        }
        if name == crate::common::FREE_FORM {
            return Free(self.value).deserialize_any(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::List(items) => visitor.visit_seq(Items {
                rest: items.iter().enumerate(),
                path: self.path,
                context: self.context,
            }),
            Value::Null => visitor.visit_seq(Items {
                rest: [].iter().enumerate(),
                path: self.path,
                context: self.context,
            }),
            single => {
                self.wrapped(
                    "MODEL-TYPE-25",
                    format!("expected a list, found {}", single.type_name()),
                    "put `- ` before it",
                );
                visitor.visit_seq(Single { item: Some(self) })
            }
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = match self.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                self.mismatch("a mapping");
                &[]
            }
        };
        visitor.visit_map(Entries {
            rest: entries.iter(),
            current: None,
            path: self.path,
            context: self.context,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let entries = match (self.value, name) {
            (Value::Map(entries), _) => entries.as_slice(),
            (Value::Null, "CustomTag") => return Err(null_entry("MODEL-TEL-5")),
            (Value::Null, "TagOverride") => return Err(null_entry("MODEL-TEL-6")),
            (Value::Null, _) => &[],
            (Value::String(text), "StringMatch") => {
                let found = format!(
                    "expected one of `exact`, `prefix` and `regex`, found the string `{}`",
                    shorten(text)
                );
                if self.path.last_field() == "uri" && text.ends_with(['*', '/']) {
                    // As an exact path it would hardly ever match; what was meant is not certain.
                    let help = format!(
                        "write {{prefix: \"{}\"}}, or {{exact: \"{text}\"}} for that path alone",
                        text.trim_end_matches('*')
                    );
                    return Err(DecodeError::new("MODEL-TYPE-13", found, Some(help)));
                }
                let code =
                    if self.path.last_field() == "allowOrigins" { "MODEL-LEG-5" } else { "MODEL-TYPE-13" };
                self.wrapped(code, found, &format!("write {{exact: \"{text}\"}}"));
                return visitor.visit_map(InPlace { field: Some("exact"), value: self });
            }
            (Value::String(text), "PortSelector") if text.parse::<u32>().is_ok() => {
                self.wrapped(
                    "MODEL-TYPE-18",
                    format!("expected `number`, found the string `{}`", shorten(text)),
                    &format!("write {{number: {text}}}"),
                );
                return one_entry(visitor, "number", text.parse::<u32>().unwrap_or_default());
            }
            (Value::Int(number), "PortSelector") => {
                let help = format!("write {{number: {number}}}");
                self.wrapped("MODEL-TYPE-18", format!("expected `number`, found the number {number}"), &help);
                let Ok(number) = u32::try_from(*number) else {
                    self.mismatch("a port number");
                    return visitor.visit_map(NoEntries);
                };
                return one_entry(visitor, "number", number);
            }
            (Value::Int(_) | Value::Float(_), "Percent") => {
                #[allow(clippy::cast_precision_loss, reason = "percentages are small")]
                let share = match self.value {
                    Value::Int(value) => *value as f64,
                    Value::Float(value) => *value,
                    _ => 0.0,
                };
                let help = format!("write {{value: {share}}}");
                self.wrapped("MODEL-TYPE-9", format!("expected `value`, found the number {share}"), &help);
                return one_entry(visitor, "value", share);
            }
            (Value::List(items), _) => {
                if let [Value::Map(entries)] = items.as_slice() {
                    self.wrapped(
                        "MODEL-TYPE-25",
                        "expected a mapping, found a list of one".to_owned(),
                        "remove the `- ` before it",
                    );
                    let inner = self.path.child(Step::Index(0));
                    let access = Fields {
                        rest: entries.iter(),
                        all: entries,
                        current: None,
                        path: &inner,
                        context: self.context,
                        name,
                        known: fields,
                    };
                    return visitor.visit_map(access);
                }
                self.mismatch("a mapping");
                &[]
            }
            _ => {
                self.mismatch("a mapping");
                &[]
            }
        };
        visitor.visit_map(Fields {
            rest: entries.iter(),
            all: entries,
            current: None,
            path: self.path,
            context: self.context,
            name,
            known: fields,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Some(text) = self.value.scalar_text() else {
            return Err(DecodeError::new(
                "MODEL-TYPE-21",
                format!("expected a name, found {}", self.value.type_name()),
                Some(format!("valid names are {}", names(variants))),
            ));
        };
        if let Some(exact) = variants.iter().find(|name| **name == text) {
            return visitor.visit_enum((*exact).into_deserializer());
        }
        let mut near = variants.iter().filter(|name| name.eq_ignore_ascii_case(&text.replace('-', "_")));
        if let (Some(name), None) = (near.next(), near.next()) {
            self.wrapped(
                "MODEL-TYPE-21",
                format!("`{}` is not a valid name", shorten(&text)),
                &format!("write {name}"),
            );
            return visitor.visit_enum((*name).into_deserializer());
        }
        Err(DecodeError::new(
            "MODEL-TYPE-21",
            format!("`{}` is not a valid name", shorten(&text)),
            Some(format!("valid names are {}", names(variants))),
        ))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}
