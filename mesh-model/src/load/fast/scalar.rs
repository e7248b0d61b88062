//! Scalars in plain form.

use super::{Document, current};
use crate::load::decode::{is_placeholder, yaml11};
use serde::de::{self, IntoDeserializer, Visitor};
use std::fmt;

/// The fast path gives up. Nobody reads the message.
pub(super) fn give_up<E: de::Error>() -> E {
    E::custom("")
}

/// True when a scalar without quotes may be something else than a string, in YAML 1.2 or 1.1. May also be true of
/// strings.
pub(super) fn may_be_other(text: &str) -> bool {
    if yaml11::kind(text).is_some() {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.as_bytes() {
        [] | b"~" => true,
        [b'n' | b'N' | b't' | b'T' | b'f' | b'F', ..] => {
            ["null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        [b'0', b'x' | b'o' | b'b', ..] => true,
        [b'.', b'i' | b'I' | b'n' | b'N', ..] => true,
        [b'0'..=b'9' | b'.' | b'-' | b'+', ..] => {
            let of_numbers = |c: &u8| c.is_ascii_digit() || b".eE+-".contains(c);
            text.as_bytes().iter().all(of_numbers) && text.parse::<f64>().is_ok()
        }
        _ => false,
    }
}

/// Digits, perhaps behind a `-`, as everybody writes a number.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // 18 digits always fit.
    let short = matches!(digits.len(), 1..=18) && digits.bytes().all(|c| c.is_ascii_digit());
    short && (!digits.starts_with('0') || text == "0")
}

/// A string.
pub(super) struct Text<'a, V> {
    pub(super) visitor: V,
    pub(super) document: &'a Document<'a>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Text<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        if !self.document.is_string(text) || (self.document.placeholders && is_placeholder(text)) {
            return Err(give_up());
        }
        self.visitor.visit_borrowed_str(text)
    }

    /// Not a part of the document as it stands there: it had escapes or several lines.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        if may_be_other(text) || (self.document.check_unknown && is_placeholder(text)) {
            return Err(give_up());
        }
        self.visitor.visit_str(text)
    }
}

/// A whole number.
pub(super) struct Integer<'a, V> {
    pub(super) visitor: V,
    pub(super) document: &'a Document<'a>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Integer<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        if !is_integer(text) || self.document.is_quoted(text) {
            return Err(give_up());
        }
        let number: i64 = text.parse().map_err(|_| give_up())?;
        match u64::try_from(number) {
            Ok(number) => self.visitor.visit_u64(number),
            Err(_) => self.visitor.visit_i64(number),
        }
    }
}

/// A number.
pub(super) struct Number<'a, V> {
    pub(super) visitor: V,
    pub(super) document: &'a Document<'a>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Number<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        let plain = match text.split_once('.') {
            None => is_integer(text),
            Some((whole, part)) => {
                (is_integer(whole) || whole == "-0")
                    && !part.is_empty()
                    && part.bytes().all(|c| c.is_ascii_digit())
            }
        };
        if !plain || self.document.is_quoted(text) {
            return Err(give_up());
        }
        self.visitor.visit_f64(text.parse().map_err(|_| give_up())?)
    }
}

/// The name of a variant.
pub(super) struct Name<'a, V> {
    pub(super) visitor: V,
    pub(super) document: &'a Document<'a>,
    pub(super) variants: &'static [&'static str],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        if !self.variants.contains(&text) || !self.document.is_string(text) || current::is_old_name(text) {
            return Err(give_up());
        }
        self.visitor.visit_enum(text.into_deserializer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `may_be_other` is never false for what YAML takes for something else than a string.
    #[test]
    fn what_may_be_no_string() {
        for text in [
            "",
            "~",
            "null",
            "Null",
            "NULL",
            "true",
            "True",
            "FALSE",
            "0",
            "-1",
            "+5",
            "007",
            "0x1f",
            "0o7",
            "0b1",
            "1.5",
            ".5",
            "-.5",
            "1e3",
            "1E-3",
            "+1.",
            ".inf",
            "-.INF",
            "+.inf",
            ".nan",
            "-0x1",
            "-0o7",
            "+0b1",
            "99999999999999999999999",
            "1.",
            "-0",
        ] {
            assert!(may_be_other(text), "{text}");
            assert!(
                !matches!(serde_yaml::from_str(text), Ok(serde_yaml::Value::String(_))) || text == "007",
                "{text}"
            );
        }
        assert!(["yes", "Off", "1_000", "-0_1"].into_iter().all(may_be_other));
        for text in [
            "a",
            "10.0.0.1",
            "1s",
            "500ms",
            "5xx,reset",
            "1.2.3",
            "2001:db8::1",
            "nullable",
            "-a-",
            "./*",
            ".",
            "..",
        ] {
            assert!(!may_be_other(text), "{text}");
        }
    }

    #[test]
    fn plain_integers() {
        assert!(["0", "1", "-1", "999999999999999999"].into_iter().all(is_integer));
        assert!(
            !["", "-", "00", "-0", "01", "1.0", "+1", "9999999999999999999", "1_0"]
                .into_iter()
                .any(is_integer)
        );
    }
}
