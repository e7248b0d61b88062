//! Turns a [`Value`] into a typed message, repairs what can be repaired and reports every problem.
//!
//! This is a serde deserializer over the tree. A scalar of the wrong type is reported and read as its default, so
//! one attempt finds all of them. What only the type itself can refuse (a bad duration, an unknown enum name) ends
//! the attempt; the place is then left out and the attempt repeated.

use super::context::{Context, Path, Step};
use super::suggest;
use crate::common::{Duration, Value};
use crate::diagnostic::Diagnostic;
use crate::path::FieldPath;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use std::fmt;

/// So many problems of the kind that needs another attempt are reported before the object is given up.
const MAX_ATTEMPTS: usize = 64;

/// Reads a `T` at `base`. `None` when the object had to be given up; the context then says why.
pub(super) fn decode<T: for<'de> Deserialize<'de>>(
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
    context.reject(Diagnostic::error(
        "MODEL-API-2",
        base.to_field_path(),
        format!("more than {MAX_ATTEMPTS} fields cannot be read, the rest is not examined"),
    ));
    None
}

/// A problem found by a type's own `Deserialize`. A message may begin with the id of its rule and `: `.
#[derive(Debug)]
pub(super) struct DecodeError {
    path: Option<FieldPath>,
    code: &'static str,
    message: String,
    help: Option<String>,
}

/// Ids that types put in front of their messages.
const CODES: &[&str] = &["MODEL-TYPE-12", "MODEL-AP-6"];

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (code, message) = CODES
            .iter()
            .find_map(|code| Some((*code, text.strip_prefix(code)?.strip_prefix(": ")?.to_owned())))
            .unwrap_or(("MODEL-TYPE-18", text));
        Self { path: None, code, message, help: None }
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

#[derive(Clone, Copy)]
struct Decoder<'a, 'de> {
    value: &'de Value,
    path: &'a Path<'a>,
    context: &'a Context,
}

impl<'de> Decoder<'_, 'de> {
    fn mismatch(&self, expected: &str) {
        let found = match self.value.scalar_text() {
            Some(text) => format!("`{}`", shorten(&text)),
            None => self.value.type_name().to_owned(),
        };
        let path = self.path.to_field_path();
        // `name: [my-name]` is how some authors mark what is to be filled in (MODEL-SEED-11).
        if let (true, Value::List(items)) = (expected.starts_with("a string"), self.value) {
            if let [Value::String(text)] = items.as_slice() {
                self.context.lost(Diagnostic::error(
                    "MODEL-DOC-12",
                    path,
                    format!(
                        "expected a string, found a list; `[{}]` looks like an unexpanded placeholder",
                        shorten(text)
                    ),
                ));
                return;
            }
        }
        let code = if matches!(self.value, Value::List(_) | Value::Map(_)) {
            "MODEL-TYPE-25"
        } else {
            "MODEL-TYPE-18"
        };
        self.context.lost(Diagnostic::error(code, path, format!("expected {expected}, found {found}")));
    }

    fn integer(&self, low: i128, high: i128) -> i128 {
        let number = match self.value {
            Value::Int(value) => i128::from(*value),
            Value::UInt(value) => i128::from(*value),
            #[allow(clippy::cast_possible_truncation, reason = "only whole numbers that fit take this arm")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => *value as i128,
            Value::String(text) => match text.parse::<i64>() {
                Ok(value) => {
                    self.context.repair(
                        Diagnostic::warning(
                            "MODEL-TYPE-18",
                            self.path.to_field_path(),
                            format!("expected a number, found the string `{}`", shorten(text)),
                        )
                        .help(format!("write {value} without quotes")),
                    );
                    i128::from(value)
                }
                Err(_) => {
                    self.mismatch("a whole number");
                    return low.max(0);
                }
            },
            _ => {
                self.mismatch("a whole number");
                return low.max(0);
            }
        };
        if (low..=high).contains(&number) {
            return number;
        }
        self.context.lost(Diagnostic::error(
            "MODEL-TYPE-18",
            self.path.to_field_path(),
            format!("{number} is outside {low}..{high}"),
        ));
        low.max(0)
    }

    fn string(&self) -> Option<String> {
        let text = match self.value {
            Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => self.value.scalar_text()?,
            _ => return None,
        };
        let code = match self.path.last_field() {
            "ports" | "notPorts" | "values" | "notValues" => "MODEL-TYPE-19",
            _ if self.path.is_map_entry_of(&["labels", "annotations", "matchLabels"]) => "MODEL-META-4",
            _ => "MODEL-DOC-10",
        };
        self.context.repair(
            Diagnostic::warning(
                code,
                self.path.to_field_path(),
                format!("expected a string, found {} `{text}`", self.value.type_name()),
            )
            .help(format!("write \"{text}\" in quotes")),
        );
        Some(text)
    }

    fn wrapped(&self, code: &'static str, found: String, help: &str) {
        self.context.repair(Diagnostic::warning(code, self.path.to_field_path(), found).help(help));
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
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

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::UInt(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = match self.value {
            Value::Bool(value) => *value,
            Value::String(text) => {
                // The Kubernetes reader follows YAML 1.1 (MODEL-DOC-10).
                let meant = match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" => Some(true),
                    "false" | "no" | "off" | "n" => Some(false),
                    _ => None,
                };
                if let Some(meant) = meant {
                    self.context.repair(
                        Diagnostic::warning(
                            "MODEL-DOC-10",
                            self.path.to_field_path(),
                            format!("expected a boolean, found `{}`", shorten(text)),
                        )
                        .help(format!("write {meant} without quotes")),
                    );
                } else {
                    self.mismatch("a boolean");
                }
                meant.unwrap_or(false)
            }
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
                if self.context.check_unknown && is_placeholder(text) {
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
            _ => match self.string() {
                Some(text) => visitor.visit_string(text),
                None => {
                    self.mismatch("a string");
                    visitor.visit_borrowed_str("")
                }
            },
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
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
                path: self.path,
                context: self.context,
            }),
            Value::Null => visitor.visit_seq(Items {
                items: [].iter().enumerate(),
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
            entries: entries.iter(),
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
            (Value::Null, _) => &[],
            (Value::String(text), "StringMatch") => {
                let help = if text.ends_with(['*', '/']) {
                    format!("write {{prefix: \"{}\"}} or {{exact: \"{text}\"}}", text.trim_end_matches('*'))
                } else {
                    format!("write {{exact: \"{text}\"}}")
                };
                self.wrapped(
                    "MODEL-TYPE-13",
                    format!(
                        "expected one of `exact`, `prefix` and `regex`, found the string `{}`",
                        shorten(text)
                    ),
                    &help,
                );
                return one_entry(visitor, "exact", text.clone());
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
            (Value::List(items), _) => match items.as_slice() {
                [only @ Value::Map(entries)] => {
                    let _ = only;
                    self.wrapped(
                        "MODEL-TYPE-25",
                        "expected a mapping, found a list of one".to_owned(),
                        "remove the `- ` before it",
                    );
                    let inner = self.path.child(Step::Index(0));
                    let access = Fields {
                        entries: entries.iter(),
                        all: entries,
                        current: None,
                        path: &inner,
                        context: self.context,
                        name,
                        fields,
                    };
                    return visitor.visit_map(access);
                }
                _ => {
                    self.mismatch("a mapping");
                    &[]
                }
            },
            _ => {
                self.mismatch("a mapping");
                &[]
            }
        };
        visitor.visit_map(Fields {
            entries: entries.iter(),
            all: entries,
            current: None,
            path: self.path,
            context: self.context,
            name,
            fields,
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

fn names(variants: &[&str]) -> String {
    variants.join(", ")
}

/// A duration in a form the type accepts, or the error with the nearest valid form.
fn duration_text(decoder: Decoder<'_, '_>) -> Result<String, DecodeError> {
    let fail = |message: String, help: Option<String>| Err(DecodeError::new("MODEL-TYPE-3", message, help));
    match decoder.value {
        Value::String(text) => match Duration::parse_with_days(text) {
            Ok((value, false)) => Ok(value.to_string()),
            Ok((value, true)) => {
                decoder.wrapped(
                    "MODEL-TYPE-2",
                    format!("`{}` uses days, which Istio does not read", shorten(text)),
                    &format!("write {}h", value.as_nanos() / 3_600_000_000_000),
                );
                Ok(value.to_string())
            }
            Err(error) => {
                let help = if text.parse::<f64>().is_ok() {
                    Some(format!("write {text}s for seconds"))
                } else {
                    // Readers of other tools write `5 sec` or `1min`.
                    humantime::parse_duration(text)
                        .ok()
                        .and_then(|value| i64::try_from(value.as_nanos()).ok())
                        .map(|nanos| format!("write {}", Duration::from_nanos(nanos)))
                };
                fail(error.to_string(), help)
            }
        },
        Value::Int(number) => fail(
            format!("`{number}` is not a duration: a unit is missing"),
            Some(format!("write {number}s for seconds")),
        ),
        other => fail(format!("expected a duration such as `10s`, found {}", other.type_name()), None),
    }
}

/// `{{ .Values.x }}`, `${VAR}` and `<name>` (MODEL-DOC-12).
pub(super) fn is_placeholder(text: &str) -> bool {
    let word = |inner: &str| {
        !inner.is_empty()
            && inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))
    };
    let helm = text.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}"));
    let shell = text
        .split_once("${")
        .and_then(|(_, rest)| rest.split_once('}'))
        .is_some_and(|(inner, _)| word(inner) && !inner.contains(' '));
    let angle = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).is_some_and(word);
    helm || shell || angle
}

fn one_entry<'de, V: Visitor<'de>, T: IntoDeserializer<'de, DecodeError>>(
    visitor: V,
    key: &'static str,
    value: T,
) -> Result<V::Value, DecodeError> {
    visitor.visit_map(de::value::MapDeserializer::new(std::iter::once((key, value))))
}

struct NoEntries;

impl<'de> MapAccess<'de> for NoEntries {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, DecodeError> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, DecodeError> {
        Err(DecodeError::new("MODEL-TYPE-25", "no value".to_owned(), None))
    }
}

/// A value that stands where a list of it is expected.
struct Single<'a, 'de> {
    item: Option<Decoder<'a, 'de>>,
}

impl<'de> SeqAccess<'de> for Single<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(item) = self.item.take() else { return Ok(None) };
        seed.deserialize(item).map(Some).map_err(|error| error.at(item.path))
    }
}

struct Items<'a, 'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'a Path<'a>,
    context: &'a Context,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        for (index, value) in self.items.by_ref() {
            let path = self.path.child(Step::Index(index));
            if value.is_null() {
                // A null rule or match would read as one that accepts everything, so it is left out.
                self.context.lost(
                    Diagnostic::error(
                        "MODEL-TYPE-20",
                        path.to_field_path(),
                        "a list element may not be null",
                    )
                    .help("remove the lone `-`, or indent what follows under it"),
                );
                continue;
            }
            if self.context.is_poisoned(&path) {
                continue;
            }
            let decoder = Decoder { value, path: &path, context: self.context };
            return seed.deserialize(decoder).map(Some).map_err(|error| error.at(&path));
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Entries of a map whose keys are data.
struct Entries<'a, 'de> {
    entries: std::slice::Iter<'de, (String, Value)>,
    current: Option<&'de (String, Value)>,
    path: &'a Path<'a>,
    context: &'a Context,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        for entry in self.entries.by_ref() {
            if self.context.is_poisoned(&self.path.child(Step::Key(&entry.0))) {
                continue;
            }
            self.current = Some(entry);
            return seed.deserialize(de::value::BorrowedStrDeserializer::new(&entry.0)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some((key, value)) = self.current.take() else {
            return Err(DecodeError::new("MODEL-TYPE-25", "no value".to_owned(), None));
        };
        let path = self.path.child(Step::Key(key));
        seed.deserialize(Decoder { value, path: &path, context: self.context })
            .map_err(|error| error.at(&path))
    }
}

/// Fields of a message.
struct Fields<'a, 'de> {
    entries: std::slice::Iter<'de, (String, Value)>,
    all: &'de [(String, Value)],
    current: Option<&'de (String, Value)>,
    path: &'a Path<'a>,
    context: &'a Context,
    name: &'static str,
    fields: &'static [&'static str],
}

impl Fields<'_, '_> {
    /// The field that `key` names, if any; reports what is odd about the spelling.
    fn field(&self, key: &str) -> Option<&'static str> {
        if let Some(field) = self.fields.iter().find(|field| **field == key) {
            return Some(field);
        }
        if !self.context.check_unknown {
            return None;
        }
        let path = self.path.in_message(Step::Field(key), self.name, self.fields);
        if let Some(field) = suggest::camel_case(key)
            .and_then(|camel| self.fields.iter().find(|field| **field == camel).copied())
        {
            if self.all.iter().any(|(other, _)| other == field) {
                self.context.lost(
                    Diagnostic::error(
                        "MODEL-UNK-5",
                        path.to_field_path(),
                        format!("`{key}` and `{field}` are the same field"),
                    )
                    .help(format!("remove `{key}`"))
                    .at_key(),
                );
                return None;
            }
            if !matches!(key, "mirror_percent" | "jwks_uri") {
                self.context.repair(
                    Diagnostic::warning(
                        "MODEL-UNK-5",
                        path.to_field_path(),
                        format!("`{key}` is not the name in YAML"),
                    )
                    .help(format!("write `{field}`"))
                    .at_key(),
                );
            }
            return Some(field);
        }
        self.unknown(key, &path)
    }

    /// Reports an unknown key. The field it stands for, when only the plural or the case is wrong (MODEL-SEED-4).
    fn unknown(&self, key: &str, path: &Path<'_>) -> Option<&'static str> {
        let ancestors = path.ancestors();
        let outer = ancestors.get(1..).unwrap_or(&[]);
        let message = format!("unknown field `{}`", shorten(key));
        let at = path.to_field_path();
        let found = match suggest::suggest(key, self.name, self.fields, outer) {
            Some(suggestion) => {
                let found = Diagnostic::error("MODEL-UNK-2", at, message).help(suggestion.help).at_key();
                if let Some(field) = suggestion.rename.filter(|field| {
                    suggestion.certain
                        && self.context.may_guess()
                        && !self.all.iter().any(|(other, _)| other == field)
                }) {
                    self.context.repair(found);
                    return Some(field);
                }
                found
            }
            None if self.fields.len() < 12 => {
                let valid: Vec<_> = self.fields.iter().map(|field| format!("`{field}`")).collect();
                Diagnostic::warning("MODEL-UNK-2", at, message)
                    .help(format!("valid fields are {}", valid.join(", ")))
            }
            None => Diagnostic::warning("MODEL-UNK-2", at, message),
        };
        self.context.dropped(found.at_key());
        None
    }
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        loop {
            let Some(entry) = self.entries.next() else { return Ok(None) };
            let Some(field) = self.field(&entry.0) else { continue };
            // `field: null` is an absent field (MODEL-TYPE-20).
            let path = self.path.in_message(Step::Field(&entry.0), self.name, self.fields);
            if entry.1.is_null() || self.context.is_poisoned(&path) {
                continue;
            }
            self.current = Some(entry);
            return seed.deserialize(de::value::BorrowedStrDeserializer::new(field)).map(Some);
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Some((key, value)) = self.current.take() else {
            return Err(DecodeError::new("MODEL-TYPE-25", "no value".to_owned(), None));
        };
        let path = self.path.in_message(Step::Field(key), self.name, self.fields);
        seed.deserialize(Decoder { value, path: &path, context: self.context })
            .map_err(|error| error.at(&path))
    }
}
