//! Parts of objects, as documentation shows them (MODEL-SEED-25).

use super::{Loaded, Options, Source, load};
use crate::diagnostic::{Position, Span};
use crate::kind::{Kind, stored_api_version};
use crate::path::{FieldPath, Segment};
use std::fmt::Write as _;

/// Reads a part of an object of `kind`: `text` is what stands at `path` in it.
///
/// The object is named `fragment` and has nothing else in it, so it is not validated. The findings have the whole path
/// and the positions within `text`.
///
/// ```
/// use mesh_model::{Kind, parse_fragment};
/// let text = "- uri: {prefix: /api}\n  headers: {end-user: {exact: jason}}\n";
/// let loaded = parse_fragment(&Kind::VirtualService, &"spec.http[0].match".parse()?, text);
/// assert!(loaded.diagnostics.is_empty());
/// let service = loaded.objects[0].as_virtual_service().ok_or("another kind")?;
/// assert_eq!(service.http[0].matches[0].headers.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_fragment(kind: &Kind, path: &FieldPath, text: &str) -> Loaded {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut whole =
        format!("apiVersion: {}\nkind: {kind}\nmetadata: {{name: fragment}}\n", stored_api_version(kind));
    let mut indent = 0;
    for segment in path.segments() {
        let pad = " ".repeat(indent);
        // Writing to a string cannot fail.
        let _ = match segment {
            Segment::Field(name) | Segment::Key(name) => {
                writeln!(whole, "{pad}{}:", serde_json::Value::from(name.as_str()))
            }
            Segment::Index(_) => writeln!(whole, "{pad}-"),
        };
        indent += 1;
    }
    let above = whole.matches('\n').count();
    for line in body.split_inclusive('\n') {
        // A separator in front of the part says nothing.
        let blank = line.trim_end() == "---";
        whole.push_str(&" ".repeat(indent));
        whole.push_str(if blank { "\n" } else { line });
    }
    let options = Options { validate: false, ..Options::default() };
    let mut loaded = load([Source::new("fragment", &whole)], &options);
    let position = |at: Position| {
        let line = at.line.saturating_sub(above).max(1);
        let column = if at.line > above { at.column.saturating_sub(indent).max(1) } else { 1 };
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let rest = text.get(start..).unwrap_or("");
        let byte = start + rest.char_indices().nth(column - 1).map_or(rest.len(), |(at, _)| at);
        Position { line, column, byte }
    };
    for found in &mut loaded.diagnostics {
        found.span = found.span.map(|span| Span { start: position(span.start), end: position(span.end) });
        if let Some(origin) = &mut found.origin {
            origin.bytes = (0, text.len());
        }
        found.path = renumbered(&found.path, path);
    }
    for object in &mut loaded.objects {
        object.origin = None;
    }
    loaded
}

/// The path with the indexes of `place`; the text had the part as the first of each list.
fn renumbered(found: &FieldPath, place: &FieldPath) -> FieldPath {
    let same = |(a, b): (&Segment, &Segment)| match (a, b) {
        (Segment::Index(_), Segment::Index(_)) => true,
        (Segment::Field(a) | Segment::Key(a), Segment::Field(b) | Segment::Key(b)) => a == b,
        _ => false,
    };
    let (long, short) = (found.segments(), place.segments());
    if long.len() < short.len() || !long.iter().zip(short).all(same) {
        return found.clone();
    }
    FieldPath::from_segments(short.iter().chain(long.iter().skip(short.len())).cloned().collect())
}
