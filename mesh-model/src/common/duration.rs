//! Durations in Go's notation.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A signed number of nanoseconds, written as `1.5s`, `1h30m` or `100ms` (MODEL-TYPE-1).
///
/// Units are `ns us µs μs ms s m h`; every term may have a fraction; case matters and blanks are not allowed.
///
/// ```
/// use mesh_model::common::Duration;
/// let timeout: Duration = "1h30m".parse()?;
/// assert_eq!(timeout.to_string(), "5400s");
/// assert_eq!(timeout.to_std(), Some(std::time::Duration::from_secs(5400)));
/// assert!("5".parse::<Duration>().is_err()); // a unit is required
/// # Ok::<(), mesh_model::common::ParseDurationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(i64);

impl Duration {
    /// A duration of that many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The signed number of nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// As the standard type; `None` when negative.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0).ok().map(std::time::Duration::from_nanos)
    }

    /// True when the value is at least 1 ms and a whole number of milliseconds: what Istio asks of nearly every
    /// duration field (MODEL-TYPE-5).
    pub const fn is_whole_positive_millis(self) -> bool {
        self.0 >= NANOS_PER_MILLI && self.0 % NANOS_PER_MILLI == 0
    }

    /// Like [`FromStr`], and also reads a leading term in days such as `1d12h`; the flag says whether it did
    /// (MODEL-TYPE-2).
    pub(crate) fn parse_with_days(text: &str) -> Result<(Self, bool), ParseDurationError> {
        let (negative, rest) = split_sign(text);
        let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let Some(after_days) = tail.strip_prefix('d') else {
            return text.parse().map(|value| (value, false));
        };
        let fail = |kind| Err(ParseDurationError { kind, text: shorten(text) });
        let Some(days) = decimal_nanos(number, 24 * NANOS_PER_HOUR) else {
            return fail(DurationErrorKind::Syntax);
        };
        let sub = if after_days.is_empty() { 0 } else { after_days.parse::<Self>()?.0 };
        if sub < 0 || after_days.starts_with(['+', '-']) {
            return fail(DurationErrorKind::Syntax);
        }
        let total = days + i128::from(sub);
        match i64::try_from(if negative { -total } else { total }) {
            Ok(nanos) => Ok((Self(nanos), true)),
            Err(_) => fail(DurationErrorKind::Overflow),
        }
    }
}

const NANOS_PER_MILLI: i64 = 1_000_000;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_HOUR: i64 = 3600 * NANOS_PER_SECOND;

/// Longest prefix first where one unit starts another.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", NANOS_PER_MILLI),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", NANOS_PER_HOUR),
];

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `number` × `unit`, truncated to nanoseconds; `None` unless it is digits with at most one point and one digit.
fn decimal_nanos(number: &str, unit: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let mut nanos: i128 = 0;
    for digit in whole.bytes() {
        // Saturating: whatever is beyond 64 bits is refused by the caller.
        nanos = nanos.saturating_mul(10).saturating_add(i128::from(digit.wrapping_sub(b'0')));
    }
    nanos = nanos.saturating_mul(i128::from(unit));
    let (mut numerator, mut scale): (i128, i128) = (0, 1);
    // 18 digits are more than the 13 that can matter for a day in nanoseconds.
    for digit in fraction.bytes().take(18) {
        numerator = numerator * 10 + i128::from(digit.wrapping_sub(b'0'));
        scale *= 10;
    }
    Some(nanos.saturating_add(numerator * i128::from(unit) / scale))
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let fail = |kind| ParseDurationError { kind, text: shorten(text) };
        let (negative, mut rest) = split_sign(text);
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(fail(DurationErrorKind::Empty));
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let unit_len = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_len);
            if number.is_empty() {
                return Err(fail(DurationErrorKind::Syntax));
            }
            if unit.is_empty() {
                return Err(fail(DurationErrorKind::NoUnit));
            }
            let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(fail(DurationErrorKind::Unit));
            };
            let Some(term) = decimal_nanos(number, *nanos) else {
                return Err(fail(DurationErrorKind::Syntax));
            };
            total = total.saturating_add(term);
            rest = next;
        }
        i64::try_from(if negative { -total } else { total })
            .map(Self)
            .map_err(|_| fail(DurationErrorKind::Overflow))
    }
}

impl fmt::Display for Duration {
    /// The shortest exact form in a single unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0;
        for (divisor, unit) in [(NANOS_PER_SECOND, "s"), (NANOS_PER_MILLI, "ms"), (1_000, "us")] {
            if nanos % divisor == 0 {
                return write!(f, "{}{unit}", nanos / divisor);
            }
        }
        write!(f, "{nanos}ns")
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `10s`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Duration, D::Error> {
                inner.deserialize_str(self)
            }
        }
        // The name lets the loader recognise the field; other formats see a plain string.
        deserializer.deserialize_newtype_struct("Duration", Visitor)
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: {kind}")]
pub struct ParseDurationError {
    kind: DurationErrorKind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DurationErrorKind {
    Empty,
    Syntax,
    NoUnit,
    Unit,
    Overflow,
}

impl fmt::Display for DurationErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::Syntax => "expected numbers with units, such as `1h30m`",
            Self::NoUnit => "a number has no unit",
            Self::Unit => "unknown unit, expected one of ns, us, ms, s, m, h",
            Self::Overflow => "beyond 292 years",
        })
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}
