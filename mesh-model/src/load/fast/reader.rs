//! Documents of one source, one after the other: a parser for each would be a good part of the cost.

use super::{Plain, may_be_plain, read_as};
use crate::load::Limits;
use crate::load::split::Chunk;
use serde_yaml::Deserializer;
use std::borrow::Cow;

/// So many documents in plain form come before a parser is given what follows: it reads ahead, in vain if it is given
/// up with the next document.
const SETTLED: usize = 8;

/// Reads the documents of a source.
pub(in crate::load) struct Reader<'t> {
    text: &'t str,
    /// No line can end or begin where the documents were not cut, and nothing stands between them.
    cut_at_markers: bool,
    /// A parser whose next document begins at `at`.
    parser: Option<Deserializer<'t>>,
    at: usize,
    /// Documents in plain form since the last that was not.
    plain: usize,
}

impl<'t> Reader<'t> {
    pub(in crate::load) fn new(text: &'t str) -> Self {
        // Line breaks of YAML 1.1, marks of byte order, and directives.
        let bytes = text.as_bytes();
        let cut_at_markers = text.is_ascii()
            && memchr::memchr(b'\r', bytes).is_none()
            && memchr::memmem::find(bytes, b"\n%").is_none();
        Self { text, cut_at_markers, parser: None, at: 0, plain: 0 }
    }

    /// Reads the only object of a document, if it is in plain form.
    pub(in crate::load) fn read(&mut self, chunk: &Chunk<'t>, limits: &Limits) -> Option<Plain> {
        let found = may_be_plain(&chunk.text, limits).and_then(|kind| match self.next(chunk) {
            Some(document) => read_as(kind, document, &chunk.text, limits),
            None => read_as(kind, Deserializer::from_str(&chunk.text), &chunk.text, limits),
        });
        if found.is_some() {
            self.plain += 1;
        } else {
            // After an error the parser is of no use.
            self.parser = None;
            self.plain = 0;
        }
        found
    }

    /// The document out of a parser for several, if it is the same there as alone.
    fn next(&mut self, chunk: &Chunk<'t>) -> Option<Deserializer<'t>> {
        let end = chunk.start + chunk.text.len();
        let as_written = matches!(chunk.text, Cow::Borrowed(_));
        if self.plain < SETTLED
            || !self.cut_at_markers
            || !as_written
            || !is_block_mapping(&chunk.text)
            || !ends_at_marker(self.text, end)
        {
            return None;
        }
        if self.parser.is_none() || self.at != chunk.start {
            self.parser = Some(Deserializer::from_str(self.text.get(chunk.start..)?));
        }
        self.at = end;
        self.parser.as_mut()?.next()
    }
}

/// True when the first that is not a marker, blank or a comment is a key at the beginning of a line: if the document
/// is a mapping at all, it then goes on to the next marker. After another one something else could follow, which only
/// shows when the parser is asked for one more document.
fn is_block_mapping(text: &str) -> bool {
    let mut lines = text.split('\n').enumerate().map(|(index, line)| match line.strip_prefix("---") {
        Some(rest) if index == 0 => rest.trim_start_matches(' '),
        _ => line,
    });
    lines
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()) && text_begins(text, line))
}

/// True when `line` is a whole line of `text`, and not what stands behind a marker.
fn text_begins(text: &str, line: &str) -> bool {
    let at = line.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    at.checked_sub(1).is_none_or(|before| text.as_bytes().get(before) == Some(&b'\n'))
}

/// True when a parser ends a document at this place, whatever it was reading.
fn ends_at_marker(text: &str, at: usize) -> bool {
    let rest = text.get(at..).unwrap_or("");
    let is_line = at.checked_sub(1).is_none_or(|before| text.as_bytes().get(before) == Some(&b'\n'));
    rest.is_empty()
        || (is_line
            && (rest.starts_with("---") || rest.starts_with("..."))
            && matches!(rest.as_bytes().get(3), None | Some(b' ' | b'\t' | b'\n')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::split::chunks;
    use std::fmt::Write as _;

    fn object(number: usize) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata:\n  name: s{number}\nspec:\n  egress:\n  - hosts:\n    - ./*\n"
        )
    }

    /// Whether the documents of `text` are in plain form, and whether a parser for several had read each.
    fn read(text: &str) -> Vec<(bool, bool)> {
        let mut reader = Reader::new(text);
        chunks(text)
            .iter()
            .map(|chunk| {
                let before = reader.at;
                let alone = Reader::new(text).read(chunk, &Limits::default()).is_some();
                let found = reader.read(chunk, &Limits::default()).is_some();
                assert_eq!(alone, found, "{}", chunk.text);
                (found, reader.at != before)
            })
            .collect()
    }

    #[test]
    fn documents_share_a_parser_once_they_are_known_to_be_plain() {
        let mut text = String::new();
        for number in 0..20 {
            write!(text, "---\n{}", object(number)).unwrap();
        }
        let found = read(&text);
        assert!(found.iter().all(|(plain, _)| *plain));
        assert_eq!(found.iter().filter(|(_, shared)| *shared).count(), 20 - SETTLED);
        // A source with other line breaks has a parser for each.
        assert!(read(&text.replace('\n', "\r\n")).iter().all(|(plain, shared)| *plain && !shared));
    }

    #[test]
    fn what_follows_a_document_is_not_passed_over() {
        let many: String = (0..SETTLED).fold(String::new(), |text, number| text + "---\n" + &object(number));
        let flow = "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a}, spec: {}}";
        let indented = object(1).replace('\n', "\n  ");
        for odd in [
            format!("---\n{flow}\nkind: Sidecar\n"),
            format!("--- {flow}\nkind: Sidecar\n"),
            "---\n{\napiVersion: networking.istio.io/v1,\nkind: Sidecar, metadata: {name: a}, spec: {egress: []}\n}\nkind: Sidecar\n".to_owned(),
            format!("---\n  {indented}\nkind: Sidecar\n"),
            format!("---\n{}%YAML 1.1\n", object(1)),
            format!("---\n{}}}\n", object(1)),
            format!("---\n{}a: [\n", object(1)),
            format!("---\n{}a: \"\n", object(1)),
        ] {
            let found = read(&format!("{many}{odd}---\n{}", object(2)));
            assert_eq!(found.get(SETTLED).map(|(plain, _)| *plain), Some(false), "{odd}");
            assert!(found.iter().skip(SETTLED + 1).all(|(plain, _)| *plain), "{odd}");
        }
        // A second object without a marker before it ends the first.
        let found = read(&format!("{many}---\n{}{}", object(1), object(2)));
        assert_eq!(found.len(), SETTLED + 2);
        assert!(found.iter().all(|(plain, _)| *plain));
        // So does a marker with something behind it, blanks and comments.
        let found = read(&format!("{many}---   # x\n\n# y\n{}...\n---\n\n---\n{}", object(1), object(2)));
        assert_eq!(found.len(), SETTLED + 2);
        assert!(found.iter().all(|(plain, _)| *plain));
    }
}
