//! Numbers that keep the way they were written.
//!
//! Istio's generator treats ports, ids and marks as text and copies them into the rules, so `010`
//! reaches the kernel tool as `010` (which that tool reads as 8). Text that is not a plain number is
//! therefore kept; a plain number costs no allocation.

use std::fmt;
use std::sync::Arc;

/// A number of an option together with its spelling.
///
/// # Examples
/// ```
/// use mesh_iptables::Numeral;
/// assert_eq!(Numeral::parse("1337").value(), Some(1337));
/// assert_eq!(Numeral::parse("0x539").value(), Some(1337));
/// assert_eq!(Numeral::parse("010").value(), Some(8)); // octal, as iptables and nft read it
/// assert_eq!(Numeral::parse("010").to_string(), "010");
/// assert_eq!(Numeral::parse("ssh").value(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Numeral(Form);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Form {
    /// Written as the shortest decimal.
    Decimal(u32),
    /// Written as `0x` and the shortest lower-case hexadecimal.
    Hex(u32),
    /// Anything else, copied as it is.
    Verbatim(Arc<str>),
}

impl Numeral {
    /// A number written in decimal.
    pub const fn decimal(value: u32) -> Self {
        Self(Form::Decimal(value))
    }

    /// A number written as `0x…`.
    pub const fn hex(value: u32) -> Self {
        Self(Form::Hex(value))
    }

    /// Takes any text; never fails. Text other than a canonical number is kept verbatim.
    pub fn parse(text: &str) -> Self {
        if is_canonical(text, 10) {
            if let Ok(value) = text.parse() {
                return Self::decimal(value);
            }
        } else if let Some(digits) = text.strip_prefix("0x")
            && is_canonical(digits, 16)
            && let Ok(value) = u32::from_str_radix(digits, 16)
        {
            return Self::hex(value);
        }
        Self(Form::Verbatim(text.into()))
    }

    /// The number the kernel tools read from the text (rule `IPT-VAL-01`): decimal, `0x` hexadecimal,
    /// or octal after a leading zero. `None` when they refuse it or would look up a name.
    pub fn value(&self) -> Option<u32> {
        match &self.0 {
            Form::Decimal(value) | Form::Hex(value) => Some(*value),
            Form::Verbatim(text) => {
                let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
                    Some(digits) => (digits, 16),
                    None if text.starts_with('0') => (&**text, 8),
                    None => (&**text, 10),
                };
                let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
                plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
            }
        }
    }

    /// The number if it is written as the shortest decimal, the only form every tool agrees on.
    pub fn as_decimal(&self) -> Option<u32> {
        match self.0 {
            Form::Decimal(value) => Some(value),
            _ => None,
        }
    }

    /// Appends the spelling to `out`. Unlike `Display` it avoids the formatting machinery, because a
    /// plan of thousands of ports is rendered in one go.
    pub(crate) fn write(&self, out: &mut String) {
        match &self.0 {
            Form::Decimal(value) => write_decimal(*value, out),
            Form::Hex(value) => {
                out.push_str("0x");
                write_radix::<16>(*value, out);
            }
            Form::Verbatim(text) => out.push_str(text),
        }
    }
}

impl fmt::Display for Numeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Decimal(value) => write!(f, "{value}"),
            Form::Hex(value) => write!(f, "{value:#x}"),
            Form::Verbatim(text) => f.write_str(text),
        }
    }
}

impl From<u32> for Numeral {
    fn from(value: u32) -> Self {
        Self::decimal(value)
    }
}

fn is_canonical(digits: &str, radix: u32) -> bool {
    !digits.is_empty()
        && (digits.len() == 1 || !digits.starts_with('0'))
        && digits.chars().all(|c| c.is_digit(radix) && !c.is_ascii_uppercase())
}

/// Appends the shortest decimal of `value`.
pub(crate) fn write_decimal(value: u32, out: &mut String) {
    write_radix::<10>(value, out);
}

/// Written for plans of thousands of ports: digits are collected from the right.
fn write_radix<const RADIX: u32>(value: u32, out: &mut String) {
    // A u32 has at most ten decimal digits.
    let mut digits = [b'0'; 10];
    let mut rest = value;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        let low = rest % RADIX;
        *digit = b"0123456789abcdef".get(low as usize).copied().unwrap_or(b'0');
        length += 1;
        rest /= RADIX;
        if rest == 0 {
            break;
        }
    }
    for digit in digits.get(digits.len() - length..).unwrap_or_default() {
        out.push(char::from(*digit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_kept() {
        for text in [
            "0",
            "80",
            "4294967295",
            "0x539",
            "0X539",
            "010",
            " 80",
            "80 ",
            "+1",
            "ssh",
            "",
            "*",
            "4294967296",
        ] {
            let mut out = String::new();
            Numeral::parse(text).write(&mut out);
            assert_eq!(out, text);
            assert_eq!(Numeral::parse(text).to_string(), text);
        }
    }

    #[test]
    fn ipt_val_01_value_is_what_the_tools_read() {
        let cases = [
            ("0", Some(0)),
            ("010", Some(8)),
            ("08080", None),
            ("0x539", Some(1337)),
            ("0X539", Some(1337)),
            ("80 ", None),
            ("-1", None),
            ("", None),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
        ];
        for (text, want) in cases {
            assert_eq!(Numeral::parse(text).value(), want, "{text}");
        }
    }
}
