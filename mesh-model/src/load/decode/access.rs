//! Lists, maps and messages, element by element.

use super::scalar::shorten;
use super::{DecodeError, Decoder};
use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::load::context::{Context, Path, Step};
use crate::load::suggest;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// A map of one entry that stands for a shorter spelling.
pub(super) fn one_entry<'de, V: Visitor<'de>, T: IntoDeserializer<'de, DecodeError>>(
    visitor: V,
    key: &'static str,
    value: T,
) -> Result<V::Value, DecodeError> {
    visitor.visit_map(de::value::MapDeserializer::new(std::iter::once((key, value))))
}

/// A message of one field, whose value was written in its place.
pub(super) struct InPlace<'a, 'de> {
    pub(super) field: Option<&'static str>,
    pub(super) value: Decoder<'a, 'de>,
}

impl<'de> MapAccess<'de> for InPlace<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(field) = self.field.take() else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        seed.deserialize(self.value)
    }
}

/// A message of which nothing could be read.
pub(super) struct NoEntries;

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
pub(super) struct Single<'a, 'de> {
    pub(super) item: Option<Decoder<'a, 'de>>,
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

/// Elements of a list.
pub(super) struct Items<'a, 'de> {
    pub(super) rest: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    pub(super) path: &'a Path<'a>,
    pub(super) context: &'a Context,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        for (index, value) in self.rest.by_ref() {
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
                self.context.left_out(&path.to_field_path());
                continue;
            }
            if self.context.is_poisoned(&path) {
                self.context.left_out(&path.to_field_path());
                continue;
            }
            let decoder = Decoder { value, path: &path, context: self.context };
            return seed.deserialize(decoder).map(Some).map_err(|error| error.at(&path));
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// Entries of a map whose keys are data.
pub(super) struct Entries<'a, 'de> {
    pub(super) rest: std::slice::Iter<'de, (String, Value)>,
    pub(super) current: Option<&'de (String, Value)>,
    pub(super) path: &'a Path<'a>,
    pub(super) context: &'a Context,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        for entry in self.rest.by_ref() {
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
pub(super) struct Fields<'a, 'de> {
    pub(super) rest: std::slice::Iter<'de, (String, Value)>,
    pub(super) all: &'de [(String, Value)],
    pub(super) current: Option<&'de (String, Value)>,
    pub(super) path: &'a Path<'a>,
    pub(super) context: &'a Context,
    pub(super) name: &'static str,
    pub(super) known: &'static [&'static str],
}

impl Fields<'_, '_> {
    /// The field that `key` names, if any; reports what is odd about the spelling.
    fn field(&self, key: &str) -> Option<&'static str> {
        if let Some(field) = self.known.iter().find(|field| **field == key) {
            return Some(field);
        }
        if !self.context.check_unknown {
            return None;
        }
        let path = self.path.in_message(Step::Field(key), self.name, self.known);
        if let Some(field) = suggest::camel_case(key)
            .and_then(|camel| self.known.iter().find(|field| **field == camel).copied())
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
        let found = match suggest::suggest(key, self.name, self.known, outer) {
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
            None if self.known.len() < 12 => {
                let valid: Vec<_> = self.known.iter().map(|field| format!("`{field}`")).collect();
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
            let Some(entry) = self.rest.next() else { return Ok(None) };
            let Some(field) = self.field(&entry.0) else { continue };
            // `field: null` is an absent field (MODEL-TYPE-20).
            let path = self.path.in_message(Step::Field(&entry.0), self.name, self.known);
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
        let path = self.path.in_message(Step::Field(key), self.name, self.known);
        seed.deserialize(Decoder { value, path: &path, context: self.context })
            .map_err(|error| error.at(&path))
    }
}
