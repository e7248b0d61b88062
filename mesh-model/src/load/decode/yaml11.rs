//! What YAML 1.1, which Kubernetes reads, takes for a boolean or a number and YAML 1.2 for a string (MODEL-DOC-10).

/// What a text without quotes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load) enum Kind {
    Bool(bool),
    Number(i64),
}

/// `None` for nearly every text, and then at no cost worth naming.
pub(in crate::load) fn kind(text: &str) -> Option<Kind> {
    match text.as_bytes() {
        [] => None,
        [b'y' | b'Y' | b'n' | b'N' | b'o' | b'O', rest @ ..] if rest.len() <= 2 => match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Kind::Bool(true)),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Kind::Bool(false)),
            _ => None,
        },
        [b'0'..=b'9' | b'-' | b'+', ..] if text.len() <= 24 => number(text),
        _ => None,
    }
}

/// `0755` in octal, `08` in decimal because 8 is no octal digit, and `1_000`.
fn number(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let odd = digits.contains('_') || (digits.len() > 1 && digits.starts_with('0'));
    if !odd || !digits.bytes().all(|c| c.is_ascii_digit() || c == b'_') || digits.starts_with('_') {
        return None;
    }
    let plain = digits.replace('_', "");
    let octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|c| c < b'8');
    let value = i64::from_str_radix(&plain, if octal { 8 } else { 10 }).ok()?;
    Some(Kind::Number(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_reads_model_doc_10() {
        for (text, want) in [
            ("yes", Some(Kind::Bool(true))),
            ("ON", Some(Kind::Bool(true))),
            ("y", Some(Kind::Bool(true))),
            ("off", Some(Kind::Bool(false))),
            ("n", Some(Kind::Bool(false))),
            ("0755", Some(Kind::Number(493))),
            ("-010", Some(Kind::Number(-8))),
            ("080", Some(Kind::Number(80))),
            ("1_000", Some(Kind::Number(1000))),
        ] {
            assert_eq!(kind(text), want, "{text}");
        }
        for text in
            ["", "oN", "yEs", "new", "v1", "1.0", "10.0.0.1", "0", "7", "-", "_1", "0x1f", "1-2", "no-one"]
        {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
