//! Objects as YAML that Kubernetes and this crate read alike (MODEL-DOC-10).

use crate::common::Value;
use crate::load::is_yaml11;
use std::fmt::Write as _;

impl crate::Object {
    /// The object as a YAML document, without `---`.
    ///
    /// In blocks, with two blanks a level; a text is in quotes only where it must be, which is wherever YAML 1.1 or
    /// YAML 1.2 would read it as something else (`"on"`, `"1.0"`).
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        if let Some(value) = self.whole_value() {
            block(&value, 0, &mut out);
        }
        out
    }
}

/// Writes a value that starts on a line of its own.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let _ = write!(out, "{pad}{}:", text(key));
                match value {
                    Value::Map(entries) if !entries.is_empty() => {
                        out.push('\n');
                        block(value, indent + 2, out);
                    }
                    Value::List(items) if !items.is_empty() => {
                        out.push('\n');
                        block(value, indent, out);
                    }
                    _ => {
                        let _ = writeln!(out, " {}", scalar(value, indent + 2));
                    }
                }
            }
        }
        Value::List(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(item, indent + 2, &mut inner);
                // The dash stands where the first two blanks of the item are.
                let _ = write!(out, "{pad}- {}", inner.get(indent + 2..).unwrap_or_default());
            }
        }
        _ => {
            let _ = writeln!(out, "{pad}{}", scalar(value, indent));
        }
    }
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) if value.is_nan() => ".nan".to_owned(),
        Value::Float(value) if value.is_infinite() => if *value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        Value::Float(value) => value.to_string(),
        Value::String(text) if is_block(text) => literal(text, indent),
        Value::String(value) => text(value),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Several lines that may stand as they are.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n', '\t'])
        && text.lines().all(|line| {
            !line.ends_with([' ', '\t'])
                && !line.chars().any(|c| (c.is_control() && c != '\t') || is_special(c))
        })
}

fn literal(text: &str, indent: usize) -> String {
    let pad = " ".repeat(indent.max(2));
    let mut out = if text.ends_with('\n') { "|".to_owned() } else { "|-".to_owned() };
    for line in text.lines() {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
    }
    out
}

/// What some readers take for a line break or drop.
fn is_special(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text on one line.
fn text(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    // JSON's strings are YAML's, but for a few characters.
    for c in serde_json::Value::from(text).to_string().chars() {
        if is_special(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// True for a text that no reader takes for anything else.
fn is_plain(text: &str) -> bool {
    let tame = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let mut chars = text.chars();
    let begins = match chars.next() {
        Some('/') => true,
        Some(c) if c.is_ascii_alphabetic() => {
            !["true", "false", "null", "nan", "inf"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        // `10s`, `10.0.0.1` and `10.0.0.0/8` are no numbers, `1e3`, `0x1f` and `2024-01-01` may be something.
        Some(c) if c.is_ascii_digit() => {
            text.matches('.').count() > 1
                || text.contains('/')
                || text.chars().any(|c| matches!(c, 'g'..='n' | 'p'..='w' | 'y' | 'z'))
        }
        _ => false,
    };
    begins && chars.all(tame) && !is_yaml11(text)
}
