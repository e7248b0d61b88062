//! Scalars: what may stand for what, and how it is reported.

use super::yaml11::{self, Kind};
use super::{DecodeError, Decoder};
use crate::common::{Duration, Value};
use crate::diagnostic::Diagnostic;

impl Decoder<'_, '_> {
    pub(super) fn mismatch(&self, expected: &str) {
        let found = match self.value.scalar_text() {
            Some(text) => format!("`{}`", shorten(&text)),
            None => self.value.type_name().to_owned(),
        };
        let path = self.path.to_field_path();
        if let Value::String(text) = self.value
            && is_placeholder(text)
        {
            let message = format!("expected {expected}, found the unexpanded placeholder {found}");
            self.context.lost(Diagnostic::error("MODEL-DOC-12", path, message).help("fill it in"));
            return;
        }
        // `name: [my-name]` is how some authors mark what is to be filled in (MODEL-SEED-11).
        if let (true, Value::List(items)) = (expected.starts_with("a string"), self.value)
            && let [Value::String(text)] = items.as_slice()
        {
            self.context.lost(
                Diagnostic::error(
                    "MODEL-DOC-12",
                    path,
                    format!(
                        "expected a string, found a list; `[{}]` looks like an unexpanded placeholder",
                        shorten(text)
                    ),
                )
                .help("fill it in, and write it without brackets"),
            );
            return;
        }
        let code = if matches!(self.value, Value::List(_) | Value::Map(_)) {
            "MODEL-TYPE-25"
        } else {
            "MODEL-TYPE-18"
        };
        let help = match expected {
            "a boolean" => "write true or false",
            "a string" => "write one text, in quotes where it has special characters",
            "a whole number" if found.trim_matches('`').parse::<f64>().is_ok() => {
                "write it without a fraction or an exponent"
            }
            "a whole number" | "a number" => "write it in digits, without a unit",
            "a port number" => "write a number of 1..65535",
            _ => "write its fields below it, further in, one `name: value` a line",
        };
        let found = Diagnostic::error(code, path, format!("expected {expected}, found {found}"));
        self.context.lost(found.help(help));
    }

    /// `true` and `false`, and what else YAML 1.1 reads as them (MODEL-DOC-10).
    pub(super) fn boolean(&self, text: &str) -> bool {
        let meant = match yaml11::kind(text) {
            Some(Kind::Bool(meant)) => Some(meant),
            _ => match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
        };
        let Some(meant) = meant else {
            self.mismatch("a boolean");
            return false;
        };
        // Without quotes it is a boolean for the Kubernetes reader.
        if self.context.spelling(self.path) != Some(text) {
            let message = format!("expected a boolean, found the string `{}`", shorten(text));
            self.context.repair(
                Diagnostic::warning("MODEL-DOC-10", self.path.to_field_path(), message)
                    .help(format!("write {meant} without quotes")),
            );
        }
        meant
    }

    /// A text that the Kubernetes reader, which follows YAML 1.1, takes for something else unless it is in quotes.
    pub(super) fn not_a_string(&self, text: &str) {
        if self.context.spelling(self.path) != Some(text) {
            return;
        }
        let what = match yaml11::kind(text) {
            Some(Kind::Bool(meant)) => format!("the boolean {meant}"),
            Some(Kind::Number(number)) => format!("the number {number}"),
            None => return,
        };
        let message = format!("expected a string, found `{}`, which is read as {what}", shorten(text));
        self.context.repair(
            Diagnostic::warning(self.string_code(), self.path.to_field_path(), message)
                .help(format!("write \"{text}\" in quotes")),
        );
    }

    fn string_code(&self) -> &'static str {
        match self.path.last_field() {
            "ports" | "notPorts" | "values" | "notValues" => "MODEL-TYPE-19",
            _ if self.path.is_map_entry_of(&["labels", "annotations", "matchLabels"]) => "MODEL-META-4",
            _ => "MODEL-DOC-10",
        }
    }

    pub(super) fn integer(&self, low: i128, high: i128) -> i128 {
        let number = match self.value {
            Value::Int(value) => i128::from(*value),
            Value::UInt(value) => i128::from(*value),
            #[allow(clippy::cast_possible_truncation, reason = "only whole numbers that fit take this arm")]
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => *value as i128,
            Value::String(text) => {
                if let (Some(Kind::Number(value)), true) =
                    (yaml11::kind(text), self.context.spelling(self.path) == Some(text))
                {
                    self.octal(text, value);
                    i128::from(value)
                } else if let Ok(value) = text.parse::<i64>() {
                    self.context.repair(
                        Diagnostic::warning(
                            "MODEL-TYPE-18",
                            self.path.to_field_path(),
                            format!("expected a number, found the string `{}`", shorten(text)),
                        )
                        .help(format!("write {value} without quotes")),
                    );
                    i128::from(value)
                } else {
                    self.mismatch("a whole number");
                    return low.max(0);
                }
            }
            _ => {
                self.mismatch("a whole number");
                return low.max(0);
            }
        };
        if (low..=high).contains(&number) {
            return number;
        }
        self.context.lost(
            Diagnostic::error(
                "MODEL-TYPE-18",
                self.path.to_field_path(),
                format!("{number} is outside {low}..{high}"),
            )
            .help("write a number of that range"),
        );
        low.max(0)
    }

    /// `0755` is 493, which is seldom known.
    fn octal(&self, text: &str, value: i64) {
        let plain = text.replace('_', "");
        if plain.parse() != Ok(value) {
            let message =
                format!("`{}` begins with 0 and is read as the octal number {value}", shorten(text));
            let help = format!("write {value}, or {} if that is meant", plain.trim_start_matches(['0', '+']));
            self.context
                .note(Diagnostic::warning("MODEL-DOC-10", self.path.to_field_path(), message).help(help));
        }
    }

    pub(super) fn string(&self) -> Option<String> {
        let text = match self.value {
            Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => self.value.scalar_text()?,
            _ => return None,
        };
        // `1.0` is another number's text than `1`, and as a text it is what was meant.
        let text = self.context.spelling(self.path).map_or(text, str::to_owned);
        self.context.repair(
            Diagnostic::warning(
                self.string_code(),
                self.path.to_field_path(),
                format!("expected a string, found {} `{}`", self.value.type_name(), shorten(&text)),
            )
            .help(format!("write \"{text}\" in quotes")),
        );
        Some(text)
    }

    pub(super) fn wrapped(&self, code: &'static str, found: String, help: &str) {
        self.context.repair(Diagnostic::warning(code, self.path.to_field_path(), found).help(help));
    }
}

pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The names to choose from; INVALID stands for none.
pub(super) fn names(variants: &[&str]) -> String {
    let mut names = variants.to_vec();
    names.retain(|name| *name != "INVALID");
    names.join(", ")
}

/// A duration in a form the type accepts, or the error with the nearest valid form.
pub(super) fn duration_text(decoder: Decoder<'_, '_>) -> Result<String, DecodeError> {
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
                        .or_else(|| {
                            Some("write a number and a unit, such as 500ms, 10s, 5m or 1h".to_owned())
                        })
                };
                fail(error.to_string(), help)
            }
        },
        Value::Int(number) => fail(
            format!("`{number}` is not a duration: a unit is missing"),
            Some(format!("write {number}s for seconds")),
        ),
        Value::Float(number) => fail(
            format!("`{number}` is not a duration: a unit is missing"),
            Some(format!("write {number}s for seconds")),
        ),
        other => fail(
            format!("expected a duration such as `10s`, found {}", other.type_name()),
            Some("write a number and a unit, such as 500ms, 10s, 5m or 1h".to_owned()),
        ),
    }
}

/// `{{ .Values.x }}`, `${VAR}` and `<name>` (MODEL-DOC-12).
pub(in crate::load) fn is_placeholder(text: &str) -> bool {
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
