//! Fills in the line and column of findings.

use crate::diagnostic::Diagnostic;
use crate::load::Source;
use crate::spans::Document;
use std::collections::HashMap;

/// Fills in [`Diagnostic::span`] of every finding that has an origin in `sources` and no span yet.
///
/// Each document with findings is parsed once more. A field that is not there (because it is missing) is located at
/// the nearest field around it that is. Texts that are not YAML locate nothing.
pub fn locate(diagnostics: &mut [Diagnostic], sources: &[Source<'_>]) {
    let mut documents: HashMap<(usize, (usize, usize)), Vec<usize>> = HashMap::new();
    for (index, found) in diagnostics.iter().enumerate() {
        if let (None, Some(origin)) = (found.span, &found.origin) {
            documents.entry((origin.source_index, origin.bytes)).or_default().push(index);
        }
    }
    for ((source, (start, end)), findings) in documents {
        let Some(text) = sources.get(source).and_then(|source| source.text.get(start..end)) else { continue };
        let Some(document) = Document::parse(text) else { continue };
        let first_line = findings
            .first()
            .and_then(|index| diagnostics.get(*index))
            .and_then(|found| found.origin.as_ref())
            .map_or(1, |origin| origin.line);
        for index in findings {
            let Some(found) = diagnostics.get_mut(index) else { continue };
            let inside = found.origin.as_ref().map_or(&[][..], |origin| origin.path.segments());
            let path = document.written(inside, found.path.segments());
            let range = document.nearest(&path, found.target);
            found.span = Some(document.span(range, start, first_line));
        }
    }
}
