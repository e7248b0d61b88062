//! The report as JSON: a stable shape, described in `docs/VALIDATE.md`.

use mesh_model::{Diagnostic, Position, Severity};
use serde::Serialize;

use super::{Report, istio_code};

/// Grows with new members; a change of the meaning of one would be version 2.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Root<'r> {
    version: u32,
    summary: Summary,
    findings: Vec<Finding<'r>>,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    objects: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'r> {
    code: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    istio_code: Option<&'r str>,
    severity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object<'r>>,
    /// Empty for the document itself.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Place>,
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'r str>,
}

#[derive(Serialize)]
struct Object<'r> {
    kind: &'r str,
    namespace: &'r str,
    name: &'r str,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
}

impl From<Position> for Place {
    fn from(at: Position) -> Self {
        Self { line: at.line, column: at.column }
    }
}

fn finding(found: &Diagnostic) -> Finding<'_> {
    let line = found.origin.as_ref().map(|origin| Place { line: origin.line, column: 1 });
    Finding {
        code: found.code,
        istio_code: istio_code(found),
        severity: found.severity.to_string(),
        object: found.object.as_ref().map(|object| Object {
            kind: object.kind.as_str(),
            namespace: &object.namespace,
            name: &object.name,
        }),
        path: found.path.to_string(),
        file: found.origin.as_ref().map(|origin| &*origin.source),
        start: found.span.map(|span| span.start.into()).or(line),
        end: found.span.map(|span| span.end.into()),
        message: &found.message,
        help: found.help.as_deref(),
    }
}

impl Report {
    /// As JSON.
    ///
    /// # Errors
    ///
    /// None in practice: the report is plain data.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Root {
            version: VERSION,
            summary: Summary {
                files: self.texts().len(),
                objects: self.objects,
                errors: self.count(Severity::Error),
                warnings: self.count(Severity::Warning),
                infos: self.count(Severity::Info),
            },
            findings: self.diagnostics().iter().map(finding).collect(),
        })
    }
}
