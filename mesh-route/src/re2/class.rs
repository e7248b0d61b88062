//! Character classes: `[…]`, `\d`, `\pN`, `[:alpha:]`.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, HirKind};

use super::{Fault, Translator};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Reads a bracketed class whose `[` was consumed and writes it.
pub(super) fn bracketed(t: &mut Translator<'_>) -> Result<(), Fault> {
    const OPEN: Fault = "character class not closed";
    t.out.push('[');
    if t.eat(b"^") {
        t.out.push('^');
    }
    let mut first = true;
    loop {
        let byte = t.peek().ok_or(OPEN)?;
        if byte == b']' && !first {
            t.at += 1;
            t.out.push(']');
            return Ok(());
        }
        first = false;
        if byte == b'[' && t.peek_at(1) == Some(b':') && posix(t)? {
            continue;
        }
        if byte == b'\\' {
            t.at += 1;
            if let Some(text) = escape_class(t)? {
                t.out.push_str(&text);
                continue;
            }
            t.at -= 1;
        }
        let low = member(t)?;
        // A `-` before the closing bracket is a member; anywhere else after a member it makes a range.
        let high = if t.peek() == Some(b'-') && t.peek_at(1).is_some_and(|next| next != b']') {
            t.at += 1;
            member(t)?
        } else {
            low
        };
        if high < low {
            return Err("character class range is reversed");
        }
        t.push_escaped(low);
        if high > low {
            t.out.push('-');
            t.push_escaped(high);
        }
    }
}

fn member(t: &mut Translator<'_>) -> Result<u32, Fault> {
    match t.bump().ok_or("character class not closed")? {
        b'\\' => t.escaped_character(),
        byte => Ok(t.character(byte)),
    }
}

/// Reads `[:name:]`; false if there is no `:]` further on, in which case `[` is a member.
fn posix(t: &mut Translator<'_>) -> Result<bool, Fault> {
    let rest = t.input.get(t.at + 2..).unwrap_or_default();
    let Some(length) = rest.windows(2).position(|pair| pair == b":]") else { return Ok(false) };
    let name = rest.get(..length).unwrap_or_default();
    let (negated, name) = match name.strip_prefix(b"^") {
        Some(name) => ("^", name),
        None => ("", name),
    };
    let known = POSIX.iter().find(|known| known.as_bytes() == name).ok_or("unknown class name")?;
    let _infallible = write!(t.out, "[:{negated}{known}:]");
    t.at += 2 + length + 2;
    Ok(true)
}

/// Reads what follows a backslash if it is a class: `d`, `D`, `s`, `S`, `w`, `W`, `pN`, `p{Name}`, `P…`.
///
/// The text is a valid item both inside and outside brackets.
pub(super) fn escape_class(t: &mut Translator<'_>) -> Result<Option<String>, Fault> {
    let text = match t.peek() {
        // Spelt out, since with Unicode on the ones of `regex` are larger (ROUTE-RX-03).
        Some(b'd') => "[0-9]".to_owned(),
        Some(b'D') => "[^0-9]".to_owned(),
        Some(b'w') => "[0-9A-Za-z_]".to_owned(),
        Some(b'W') => "[^0-9A-Za-z_]".to_owned(),
        // RE2's `\s` has no vertical tab, the one of `regex` has.
        Some(b's') => r"[\t\n\f\r\x20]".to_owned(),
        Some(b'S') => r"[^\t\n\f\r\x20]".to_owned(),
        Some(byte @ (b'p' | b'P')) => {
            t.at += 1;
            return property(t, byte == b'P').map(Some);
        }
        _ => return Ok(None),
    };
    t.at += 1;
    Ok(Some(text))
}

fn property(t: &mut Translator<'_>, mut negated: bool) -> Result<String, Fault> {
    const FAULT: Fault = "unknown character property";
    let name = if t.eat(b"{") {
        let rest = t.input.get(t.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'}').ok_or("character property not closed")?;
        t.at += length + 1;
        rest.get(..length).unwrap_or_default()
    } else {
        let start = t.at;
        t.bump().ok_or(FAULT)?;
        t.input.get(start..t.at).unwrap_or_default()
    };
    let name = match name.strip_prefix(b"^") {
        Some(name) => {
            negated = !negated;
            name
        }
        None => name,
    };
    let name = std::str::from_utf8(name).map_err(|_| FAULT)?;
    if t.utf8 {
        let key = if name == "Any" { None } else { Some(unicode_key(name).ok_or(FAULT)?) };
        let prefix = if negated { "\\P" } else { "\\p" };
        let text = key.map_or_else(|| format!("{prefix}{{any}}"), |key| format!("{prefix}{{{key}={name}}}"));
        return if regex_syntax::Parser::new().parse(&text).is_ok() { Ok(text) } else { Err(FAULT) };
    }
    let members = latin1_members(name).ok_or(FAULT)?;
    let mut text = String::from(match (members.is_empty(), negated) {
        (false, false) => "[",
        (false, true) => "[^",
        (true, false) => r"[^\x00-\xFF",
        (true, true) => r"[\x00-\xFF",
    });
    for (low, high) in members {
        let _infallible = write!(text, "\\x{low:02X}-\\x{high:02X}");
    }
    text.push(']');
    Ok(text)
}

/// The part of a Unicode property below U+0100: Envoy's alphabet is Latin-1.
fn latin1_members(name: &str) -> Option<Vec<(u8, u8)>> {
    if name == "Any" {
        return Some(vec![(0, 0xFF)]);
    }
    let key = unicode_key(name)?;
    let hir = regex_syntax::Parser::new().parse(&format!("\\p{{{key}={name}}}")).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => Some(
            class
                .ranges()
                .iter()
                .filter_map(|range| {
                    let low = u8::try_from(u32::from(range.start())).ok()?;
                    Some((low, u8::try_from(u32::from(range.end())).unwrap_or(u8::MAX)))
                })
                .collect(),
        ),
        // A property with one member would come as a literal; no such property lies in Latin-1.
        _ => Some(Vec::new()),
    }
}

/// Whether a property's name is a category's or a script's. RE2 knows the short names of general categories and the
/// names of scripts, both spelt as Unicode does.
fn unicode_key(name: &str) -> Option<&'static str> {
    let mut letters = name.bytes();
    let (first, second) = (letters.next()?, letters.next());
    if !first.is_ascii_uppercase() || !name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
        return None;
    }
    let short = name.len() == 1 || name.len() == 2 && second.is_some_and(|byte| byte.is_ascii_lowercase());
    Some(if short { "gc" } else { "sc" })
}
