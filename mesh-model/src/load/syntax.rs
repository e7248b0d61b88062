//! Where a person must look when a text is not YAML, and what to do there.
//!
//! The parser reports where it gave up, which is often far behind the mistake: a bracket that is never closed is noticed
//! at the next key, a quote at the end of the text. What it says besides, the construct that it was in, leads back.

use super::tree::TreeError;
use saphyr_parser::{Event, Parser};
use std::ops::Range;

/// A syntax error put in place.
#[derive(Debug, PartialEq)]
pub(super) struct Syntax {
    pub(super) message: String,
    pub(super) help: String,
    /// Bytes of the document; never more than a line.
    pub(super) range: Range<usize>,
    /// From 1, within the document.
    pub(super) line: usize,
    /// Of the begin and the end, from 1, in characters.
    pub(super) columns: (usize, usize),
}

/// A line from 1 and a column from 1.
type Mark = (usize, usize);

/// Improves on what the parser said about `text`.
pub(super) fn explain(text: &str, error: &TreeError) -> Syntax {
    let Some((line, column, _)) = error.position else { return unplaced(text, &error.message) };
    let at = (line, column);
    let context = error.context.as_ref();
    let of =
        |what: &str| context.filter(|(words, _)| words.contains(what)).map(|(_, mark)| mark.unwrap_or(at));
    let found = &error.message;

    if let Some(found) = conflict(text) {
        return found;
    }
    if let Some(quote) = of("quoted scalar").filter(|_| found.contains("unexpected")) {
        let mark = char_at(text, quote).unwrap_or('"');
        return place(
            text,
            quote,
            1,
            format!("the quote `{mark}` is never closed"),
            format!("add the closing `{mark}`"),
        );
    }
    if of("an alias").is_some() || of("an anchor").is_some() {
        let start = of("an alias").or_else(|| of("an anchor")).unwrap_or(at);
        let sign = char_at(text, start).unwrap_or('*');
        let word = word_at(text, start);
        let message = format!("a value cannot begin with `{sign}`");
        return place(text, start, word.chars().count(), message, format!("put it into quotes: `'{word}'`"));
    }
    if char_at(text, at) == Some('\t') || found.contains("tab character") {
        let message = "a tab in the indentation".to_owned();
        return place(text, at, 1, message, "YAML is indented with blanks, not tabs".to_owned());
    }
    if let Some(found) = misplaced_quote(text, at) {
        return found;
    }
    if found.contains("mapping values are not allowed")
        && let Some(found) = misplaced_colon(text, at)
    {
        return found;
    }
    let in_flow = found.contains("',' or")
        || ["flow sequence", "flow mapping", "flow node"].iter().any(|flow| of(flow).is_some());
    let opened = of("flow sequence")
        .or_else(|| of("flow mapping"))
        .filter(|mark| *mark != at)
        .or_else(|| open_bracket(text));
    if let Some(open) =
        opened.filter(|open| in_flow && open.0 < line || at_end(text, at) && in_flow && *open < at)
    {
        let bracket = char_at(text, open).unwrap_or('[');
        let close = if bracket == '{' { '}' } else { ']' };
        return place(text, open, 1, format!("the `{bracket}` is not closed"), format!("add `{close}`"));
    }
    if let Some(key) = of("simple key") {
        let word = word_at(text, key);
        let message = format!("expected `:` after `{word}`");
        let help = "a line of a mapping is `key: value`, with a blank after the colon".to_owned();
        return place(text, key, word.chars().count(), message, help);
    }
    let help = help(text, found, at, context);
    let end = last_mark(text);
    let at = if at_end(text, at) { end.min(at) } else { at };
    place(text, at, 1, found.clone(), help)
}

/// The markers that `git merge` leaves, wherever the parser stumbled over them.
fn conflict(text: &str) -> Option<Syntax> {
    let line = text.lines().position(|line| line.starts_with("<<<<<<< "))?;
    let message = "a merge conflict is left in the text".to_owned();
    let help =
        "keep one of the two sides, and remove the lines `<<<<<<<`, `=======` and `>>>>>>>`".to_owned();
    Some(place(text, (line + 1, 1), 7, message, help))
}

/// What helps against the parser's other complaints.
fn help(text: &str, found: &str, at: Mark, context: Option<&(String, Option<Mark>)>) -> String {
    if found.contains("mapping values are not allowed") {
        return "put a value that holds `: ` into quotes, or check the indentation of this line".to_owned();
    }
    if found.contains("block sequence entries are not allowed") {
        return "begin a list on a line of its own".to_owned();
    }
    if found.contains("cannot start any token") {
        return format!("put the value into quotes: `'{}'`", word_at(text, at).trim_end_matches(':'));
    }
    if found.contains("',' or") {
        return "put a `,` between two values, and quotes around one that holds `: ` or a bracket".to_owned();
    }
    if found.contains("escape") {
        return "in double quotes a backslash is written twice; single quotes leave it as it is".to_owned();
    }
    if found.contains("expected key") && char_at(text, at) == Some('-') {
        return "an item of a list cannot stand among keys: compare its indentation with the list's"
            .to_owned();
    }
    if found.contains("mapping key must be a scalar") {
        return "write a name before the `:`".to_owned();
    }
    if found.contains("anchor") {
        return "an alias `*name` needs an anchor `&name` before it in the same document".to_owned();
    }
    let said = context.map_or("", |(words, _)| words.as_str());
    let others = if said.contains("block mapping") {
        "the keys before it"
    } else if said.contains("block collection") {
        "the items before it"
    } else {
        "its neighbours"
    };
    format!("compare the indentation of this line with that of {others}")
}

/// The parser named no place.
fn unplaced(text: &str, message: &str) -> Syntax {
    let odd =
        text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'));
    if let Some((byte, c)) = odd {
        let message = format!("the control character U+{:04X} is not allowed in YAML", u32::from(c));
        return place(text, mark_of(text, byte), 1, message, "remove it".to_owned());
    }
    let first =
        text.lines().position(|line| !line.trim().is_empty() && !line.starts_with("---")).unwrap_or(0);
    let help = help(text, message, (first + 1, 1), None);
    place(text, (first + 1, 1), 1, message.to_owned(), help)
}

/// A mark as bytes: where its line begins, and where it stands. A mark behind the end of its line is at the end.
fn bytes_of(text: &str, (line, column): Mark) -> (usize, usize) {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(breaks).nth(line.saturating_sub(1)).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or("");
    let width = rest.find('\n').unwrap_or(rest.len());
    let skipped = rest.char_indices().nth(column.saturating_sub(1)).map_or(width, |(at, _)| at.min(width));
    (start, start + skipped)
}

/// `length` characters at a mark, so far as the line has them.
fn place(text: &str, mark: Mark, length: usize, message: String, help: String) -> Syntax {
    let (start, from) = bytes_of(text, mark);
    let line = text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or("");
    let to = from + line.char_indices().nth(length).map_or(line.len(), |(at, _)| at);
    let column = |byte: usize| text.get(start..byte).map_or(1, |before| before.chars().count() + 1);
    Syntax { message, help, range: from..to, line: mark.0, columns: (column(from), column(to)) }
}

fn char_at(text: &str, mark: Mark) -> Option<char> {
    let (_, byte) = bytes_of(text, mark);
    text.get(byte..)?.chars().next().filter(|c| *c != '\n')
}

/// The word that begins at a mark, at most 40 characters.
fn word_at(text: &str, mark: Mark) -> String {
    let (_, byte) = bytes_of(text, mark);
    let rest = text.get(byte..).unwrap_or("").chars();
    rest.take_while(|c| !c.is_whitespace() && !",[]{}".contains(*c)).take(40).collect()
}

/// True behind the last character that is not blank.
fn at_end(text: &str, at: Mark) -> bool {
    at > last_mark(text)
}

/// The last character that is not blank.
fn last_mark(text: &str) -> Mark {
    let trimmed = text.trim_end();
    let last = trimmed.char_indices().next_back().map_or(0, |(byte, _)| byte);
    mark_of(text, last)
}

fn mark_of(text: &str, byte: usize) -> Mark {
    let before = text.get(..byte).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}

/// Text behind a quoted value: the quote was closed by one that was meant to open, or to be part of the text.
fn misplaced_quote(text: &str, at: Mark) -> Option<Syntax> {
    let (_, byte) = bytes_of(text, at);
    let before = text.get(..byte)?.trim_end_matches([' ', '\t']);
    let mark = before.chars().next_back().filter(|c| matches!(c, '"' | '\''))?;
    let close = before.len().checked_sub(1)?;
    let open = mark_of(text, opening_quote(text, close)?);
    if open.0 < at.0 {
        let message =
            format!("the quote `{mark}` is closed only on line {} of the document, by one that opens", at.0);
        return Some(place(text, open, 1, message, format!("add the closing `{mark}` on this line")));
    }
    let inside = if mark == '"' { "\\\"" } else { "''" };
    let message = format!("text behind the closing `{mark}`");
    Some(place(
        text,
        mark_of(text, close),
        1,
        message,
        format!("a `{mark}` inside the value is written `{inside}`"),
    ))
}

/// Where the quoted text begins that ends with the quote at `close`.
fn opening_quote(text: &str, close: usize) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    let mut before = '\n';
    while let Some((at, c)) = chars.next() {
        let starts = before.is_whitespace() || "[{,:".contains(before);
        match c {
            '#' if before.is_whitespace() => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '"' | '\'' if starts => {
                let end = loop {
                    match chars.next() {
                        Some((_, '\\')) if c == '"' => drop(chars.next()),
                        Some((_, '\''))
                            if c == '\'' && chars.next_if(|(_, next)| *next == '\'').is_some() => {}
                        Some((end, next)) if next == c => break end,
                        Some(_) => {}
                        None => return None,
                    }
                };
                if end >= close {
                    return (end == close).then_some(at);
                }
            }
            _ => {}
        }
        before = c;
    }
    None
}

/// A colon where no key can be: the indentation is too deep, the line before lacks a blank, or the value has a colon.
fn misplaced_colon(text: &str, at: Mark) -> Option<Syntax> {
    let (start, byte) = bytes_of(text, at);
    let head = text.get(start..byte)?;
    let indent = head.len() - head.trim_start_matches([' ', '-']).len();
    if let Some((key, value)) = head.trim_start_matches([' ', '-']).split_once(": ") {
        let rest = text.get(byte..)?.lines().next().unwrap_or("");
        let value: String = value.trim_start().chars().chain(rest.trim_end().chars()).take(40).collect();
        let message = format!("the value of `{key}` holds a second `: `");
        return Some(place(text, at, 1, message, format!("put the value into quotes: `'{value}'`")));
    }
    let lines = || text.get(..start).unwrap_or("").lines();
    let (number, last) = lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).last()?;
    let content = last.trim_start_matches([' ', '-']);
    let its_indent = last.len() - content.len();
    let key = head.get(indent..)?;
    if indent == its_indent && !content.contains(": ") && content.contains(':') && !content.contains("://") {
        let (name, value) = content.split_once(':')?;
        let column = last.get(..its_indent)?.chars().count() + 1;
        let message = format!("there is no blank behind the colon of `{}`", name.trim());
        let help = format!("write `{}: {}`", name.trim(), value.trim());
        return Some(place(text, (number + 1, column), content.trim_end().chars().count(), message, help));
    }
    if indent > its_indent && content.contains(": ") {
        let message = format!("the key `{key}` is indented deeper than the key before it, which has a value");
        let column = head.get(..indent)?.chars().count() + 1;
        let help = "put it in line with the keys that it belongs to".to_owned();
        return Some(place(text, (at.0, column), key.chars().count(), message, help));
    }
    None
}

/// The innermost bracket that is open where the text ends, as another parser sees it, which keeps positions.
fn open_bracket(text: &str) -> Option<Mark> {
    let mut open: Vec<Option<Mark>> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            // A collection in block style is as wide as nothing.
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let start = (span.start.line(), span.start.col() + 1);
                open.push((span.end != span.start).then_some(start));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().flatten().next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Limits, tree};

    /// Whatever the text, the place is inside it and on character boundaries.
    #[test]
    fn places_are_inside_the_text() {
        let pieces = [
            "a", ":", " ", "\n", "[", "{", "\"", "'", "é", "\t", "- ", ",", "*", "#", "\r", "\u{0}", "|", "]",
        ];
        let mut broken = 0;
        for seed in 0..20_000_usize {
            let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
            let text: String = (0..12)
                .filter_map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    pieces.get(state % (pieces.len() + 2)).copied()
                })
                .collect();
            if let Err(error) = tree::parse(&text, &Limits::default()) {
                broken += 1;
                let found = explain(&text, &error);
                assert!(text.get(found.range.clone()).is_some(), "{text:?}: {found:?}");
                assert!(
                    found.line >= 1 && found.columns.0 >= 1 && found.columns.0 <= found.columns.1,
                    "{found:?}"
                );
                assert!(!found.message.contains('\n') && !found.help.is_empty(), "{found:?}");
            }
        }
        assert!(broken > 5_000, "{broken}");
    }
}
