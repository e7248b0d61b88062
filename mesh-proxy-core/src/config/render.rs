//! Findings for a person: the line of the file, a caret, and what to do.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use mesh_model::{Diagnostic, Segment, Severity};

use super::files::SourceText;
use super::source::Findings;

/// Renders all findings; `styled` adds colours.
pub(crate) fn render(findings: &Findings, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for found in &findings.diagnostics {
        let _ = writeln!(out, "{}\n", diagnostic(found, &findings.texts, &renderer));
    }
    for issue in &findings.issues {
        let title = format!("{}: {}{}", issue.object, path_prefix(&issue.path), issue.message);
        let _ = writeln!(
            out,
            "{}\n",
            renderer.render(&[Group::with_title(level(issue.severity).primary_title(title))])
        );
    }
    for object in &findings.kept {
        let title = format!("{object}: the last good version stays in force");
        let _ =
            writeln!(out, "{}\n", renderer.render(&[Group::with_title(Level::NOTE.primary_title(title))]));
    }
    out
}

fn path_prefix(path: &mesh_model::FieldPath) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        _ => Level::INFO,
    }
}

fn holds_secret(found: &Diagnostic) -> bool {
    let is_secret = found.object.as_ref().is_some_and(|object| object.kind == mesh_model::Kind::Secret);
    is_secret
        && found.path.segments().first().is_some_and(|part| part != &Segment::Field("metadata".to_owned()))
}

fn diagnostic(found: &Diagnostic, texts: &[SourceText], renderer: &Renderer) -> String {
    let object = found.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let title = format!("{object}{}{}", path_prefix(&found.path), found.message);
    let title = level(found.severity).primary_title(title).id(found.code);
    let text = found.origin.as_ref().and_then(|origin| texts.iter().find(|text| text.name == *origin.source));
    let group = match (text, found.span) {
        // Nothing that a Secret holds is repeated, in a log least of all.
        (Some(text), Some(span)) if holds_secret(found) => title.element(
            annotate_snippets::Origin::path(text.name.as_str())
                .line(span.start.line)
                .char_column(span.start.column),
        ),
        (Some(text), Some(span)) => {
            // A position from another version of the file must not end the program.
            let range =
                span.start.byte.min(text.text.len())..span.end.byte.clamp(span.start.byte, text.text.len());
            let range = if text.text.get(range.clone()).is_some() { range } else { 0..0 };
            // The lines around it, or the cost of each finding would grow with the file.
            let from = text.text.get(..range.start).and_then(|head| head.rfind('\n')).map_or(0, |at| at + 1);
            let tail = text.text.get(range.end..).and_then(|tail| tail.find('\n'));
            let to = tail.map_or(text.text.len(), |at| range.end + at);
            let lines = text.text.get(from..to).unwrap_or("");
            let snippet = Snippet::source(lines).line_start(span.start.line).path(text.name.as_str());
            title.element(
                snippet.annotation(AnnotationKind::Primary.span(range.start - from..range.end - from)),
            )
        }
        (Some(text), None) => {
            let line = found.origin.as_ref().map_or(1, |origin| origin.line);
            title.element(annotate_snippets::Origin::path(text.name.as_str()).line(line))
        }
        (None, _) => Group::with_title(title),
    };
    match &found.help {
        Some(help) => {
            renderer.render(&[group, Group::with_title(Level::HELP.secondary_title(help.as_str()))])
        }
        None => renderer.render(&[group]),
    }
}
