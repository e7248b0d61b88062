//! Cuts a source into documents, so that one broken document costs only itself.

use super::transcript::{Region, Shell, regions};
use std::borrow::Cow;

/// One document of a source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk<'a> {
    /// Its text; owned when something had to be blanked out, then of the same length.
    pub(super) text: Cow<'a, str>,
    /// Byte offset in the source.
    pub(super) start: usize,
    /// Line it starts on, from 1.
    pub(super) line: usize,
    /// How it came out of a shell (MODEL-DOC-11); of all that stood below a command only the first says so.
    pub(super) shell: Shell,
    /// No `---` came before it, though another object did (MODEL-DOC-4).
    pub(super) missing_separator: bool,
    /// Lines that were only an ellipsis were blanked out (MODEL-SEED-5); the first such line.
    pub(super) ellipsis: Option<usize>,
}

impl Chunk<'_> {
    /// Nothing to read stood below a command.
    const fn nothing(region: Region) -> Self {
        Self {
            text: Cow::Borrowed(""),
            start: region.from,
            line: 0,
            shell: region.shell,
            missing_separator: false,
            ellipsis: None,
        }
    }
}

/// All documents of `text` that hold anything, in order.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let skip = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut out = Vec::new();
    for region in regions(text, skip) {
        let before = out.len();
        documents(text, region, &mut out);
        if let Shell::Command(_) = region.shell {
            if out.len() == before {
                out.push(Chunk::nothing(region));
            }
            out.iter_mut().skip(before + 1).for_each(|chunk| chunk.shell = Shell::No);
        }
    }
    let mut line = 1;
    let mut at = 0;
    for chunk in &mut out {
        line += text.get(at..chunk.start).map_or(0, newlines);
        at = chunk.start;
        chunk.line = line;
    }
    out
}

fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

fn documents<'a>(text: &'a str, region: Region, out: &mut Vec<Chunk<'a>>) {
    let Region { from, to, shell } = region;
    let body = text.get(from..to).unwrap_or("");
    let mut start = from;
    for at in three_at_line_start(body) {
        let rest = body.get(at..at + 3);
        if !is_marker(body.get(at..).unwrap_or("")) {
            continue;
        }
        push(text, start, from + at, shell, out);
        start = from + at;
        if rest == Some("...") {
            let line = memchr::memchr(b'\n', body.get(at..).unwrap_or("").as_bytes());
            start = line.map_or(to, |end| start + end + 1);
        }
    }
    push(text, start, to, shell, out);
}

/// Where lines of `text` begin with `---` or `...`.
fn three_at_line_start(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut found: Vec<usize> =
        (text.starts_with("---") || text.starts_with("...")).then_some(0).into_iter().collect();
    for line in [b"\n---", b"\n..."] {
        found.extend(memchr::memmem::find_iter(bytes, line).map(|at| at + 1));
    }
    found.sort_unstable();
    found
}

/// True for text that starts with a marker of three characters followed by blank or nothing: YAML ends a document
/// there, whatever construct is open.
fn is_marker(text: &str) -> bool {
    matches!(text.as_bytes().get(3), None | Some(b' ' | b'\t' | b'\r' | b'\n'))
}

/// Adds `text[start..end]` unless it is empty; cut before a second `apiVersion` or `kind` at column 0.
fn push<'a>(text: &'a str, start: usize, end: usize, shell: Shell, out: &mut Vec<Chunk<'a>>) {
    let Some(body) = text.get(start..end) else { return };
    let second = |at: &usize| *at == 0 || body.as_bytes().get(*at - 1) == Some(&b'\n');
    let starts: Vec<usize> =
        memchr::memmem::find_iter(body.as_bytes(), b"apiVersion:").filter(second).skip(1).collect();
    let ends = starts.iter().copied().chain([body.len()]);
    let pieces = [0].into_iter().chain(starts.iter().copied()).zip(ends);
    for (index, (from, to)) in pieces.into_iter().enumerate() {
        let Some(piece) = body.get(from..to) else { continue };
        let blank = piece.lines().all(|line| {
            let line = line.strip_prefix("---").unwrap_or(line).trim();
            line.is_empty() || line.starts_with('#') || line.starts_with('%')
        });
        if blank {
            continue;
        }
        let (cleaned, ellipsis) = blank_ellipses(piece);
        out.push(Chunk {
            text: cleaned,
            start: start + from,
            line: 0,
            shell,
            missing_separator: index > 0,
            ellipsis,
        });
    }
}

/// Blanks out lines whose only content is `..`, or an indented `...`, which authors write for "and so on".
fn blank_ellipses(text: &str) -> (Cow<'_, str>, Option<usize>) {
    let is_ellipsis = |line: &str| {
        let content = line.trim();
        content == ".." || (content == "..." && line.starts_with([' ', '\t']))
    };
    if memchr::memmem::find(text.as_bytes(), b"..").is_none() {
        return (Cow::Borrowed(text), None);
    }
    // Within a block scalar such a line is content; then the document parses without help and is left alone.
    if !text.lines().any(is_ellipsis) || text.contains(": |") || text.contains(": >") {
        return (Cow::Borrowed(text), None);
    }
    let first = text.lines().position(is_ellipsis);
    let mut cleaned = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if is_ellipsis(line) {
            cleaned.extend(line.chars().map(|c| if c == '.' { ' ' } else { c }));
        } else {
            cleaned.push_str(line);
        }
    }
    (Cow::Owned(cleaned), first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<(usize, String)> {
        chunks(input).into_iter().map(|chunk| (chunk.line, chunk.text.trim_end().to_owned())).collect()
    }

    #[test]
    fn model_doc_1_documents_are_cut_at_markers_and_empty_ones_skipped() {
        let input = "\u{feff}# only a comment\n---\na: 1\n---\n\n---   # x\nb: 2\n...\nc: 3\n";
        let want = [(2, "---\na: 1"), (6, "---   # x\nb: 2"), (9, "c: 3")];
        assert_eq!(texts(input), want.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn model_doc_1_a_marker_needs_column_zero_and_a_blank_behind() {
        assert_eq!(texts("a: |\n  ---\n  ...\nb: ---x\n").len(), 1);
        assert_eq!(texts("----\na: 1\n").len(), 1);
    }

    #[test]
    fn model_doc_4_a_second_api_version_starts_an_object() {
        let input = "apiVersion: v1\nkind: A\napiVersion: v1\nkind: B\n";
        let found = chunks(input);
        assert_eq!(found.len(), 2);
        assert!(!found[0].missing_separator && found[1].missing_separator);
        assert_eq!(found[1].line, 3);
    }

    #[test]
    fn model_doc_11_here_documents_are_taken_out_of_a_transcript() {
        let input = "$ cat <<EOF | istioctl create -f -\na: 1\nEOF\nCreated config\nkubectl apply -f - <<'END'\nb: 2\nEND\n";
        let found = chunks(input);
        assert_eq!(texts(input), [(2, "a: 1".to_owned()), (6, "b: 2".to_owned())]);
        assert!(found.iter().all(|chunk| chunk.shell == Shell::HereDocument));
    }

    #[test]
    fn model_seed_5_a_literal_ellipsis_is_blanked_out_in_place() {
        let input = "a:\n  b: 1\n  ..\n";
        let found = chunks(input);
        assert_eq!(found[0].ellipsis, Some(2));
        assert_eq!(found[0].text.len(), input.len());
        assert_eq!(chunks("lua: |\n  ...\n")[0].ellipsis, None);
    }
}
