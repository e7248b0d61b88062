//! Refuses what is nested too deeply before the parser sees it: its cost grows with the square of the open brackets.

use saphyr_parser::{Event, Parser};

/// True when collections of `text` lie deeper than `limit` in one another. Nearly always a count of brackets tells.
pub(super) fn exceeds(text: &str, limit: usize) -> bool {
    let is_open = |byte: &u8| matches!(byte, b'[' | b'{');
    if text.as_bytes().iter().filter(|byte| is_open(byte)).count() <= limit {
        return false;
    }
    match brackets(text.as_bytes()) {
        Some(depth) => depth > limit,
        None => parsed(text, limit),
    }
}

/// How deep the brackets of a text in JSON's style lie; `None` where only a parser can tell which brackets are text.
fn brackets(text: &[u8]) -> Option<usize> {
    let (mut depth, mut deepest) = (0_usize, 0);
    // What stands before, without blanks: a quote opens a value only behind one of these.
    let mut before = b'\n';
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' if matches!(before, b'[' | b'{' | b',' | b':' | b'-' | b'\n') => loop {
                match bytes.next()? {
                    b'\\' => drop(bytes.next()),
                    b'"' => break,
                    // At the beginning of a line it may be within a plain text that goes on.
                    b'\n' if depth == 0 => return None,
                    _ => {}
                }
            },
            // Texts, tags, anchors and comments in which brackets mean nothing.
            b'\'' | b'|' | b'>' | b'&' | b'!' | b'#' => return None,
            _ => {}
        }
        if !(byte.is_ascii_whitespace() && (byte != b'\n' || depth > 0)) {
            before = byte;
        }
    }
    Some(deepest)
}

/// Asks a parser that can stop half way.
fn parsed(text: &str, limit: usize) -> bool {
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), _)) => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_texts_do_not_count() {
        let open = "[".repeat(200);
        for text in [
            format!("a: \"{open}\"\n"),
            format!("{{\"a\": \"\\\"{open}\"}}"),
            format!("a: |\n  {open}\n"),
            format!("# {open}\na: 1\n"),
            format!("a: '{open}'\n"),
            "a: [1]\n".repeat(200),
        ] {
            assert!(!exceeds(&text, 100), "{text}");
        }
    }

    #[test]
    fn hidden_nesting_is_found() {
        let hidden = ["[", "{a: ", "[\"]\", ", "['] ', ", "[&a \"]\", ", "[!t \"]\", "];
        for piece in hidden {
            assert!(exceeds(&piece.repeat(200), 100), "{piece}");
        }
        for before in ["a: |\n  \"\nb: ", "a: b\n  \"\nc: ", "a: b # \"\nc: "] {
            assert!(exceeds(&format!("{before}{}", "[".repeat(200)), 100), "{before}");
        }
    }
}
