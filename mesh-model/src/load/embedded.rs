//! Texts within objects: the mesh configuration, which is YAML in a key of a ConfigMap or in an annotation.

use super::context::{Context, Path};
use super::gaps::Gaps;
use super::{Limits, Profile, decode, tree};
use crate::common::Value;
use crate::diagnostic::{Diagnostic, Severity};
use crate::path::FieldPath;
use serde::Deserialize;

/// What a text says. Paths are relative to the text.
pub(crate) struct Embedded<T> {
    /// What could be read; `None` when the text is not YAML.
    pub(crate) value: Option<T>,
    /// What could not.
    pub(crate) findings: Vec<Diagnostic>,
    gaps: Gaps,
}

impl<T> Embedded<T> {
    /// Where in the text a finding about the value at `path` is; `None` when it only follows from what could not be
    /// read, which is reported already.
    pub(crate) fn place(&self, path: &FieldPath, absence: bool) -> Option<FieldPath> {
        let path = self.gaps.in_text(path);
        (!self.gaps.explain(&path, absence)).then_some(path)
    }
}

/// Reads a text whose unknown fields are ignored by Istio, after `prepare` put older spellings right.
pub(crate) fn embedded<T: for<'de> Deserialize<'de> + Default>(
    text: &str,
    prepare: impl FnOnce(&mut Value, &mut Vec<Diagnostic>),
) -> Embedded<T> {
    let tree = match tree::parse(text, &Limits::default()) {
        Ok(tree) => tree,
        Err(error) => {
            let message = match error.position {
                Some((line, column, _)) => {
                    format!("the text is not YAML: {} at its line {line}, column {column}", error.message)
                }
                None => format!("the text is not YAML: {}", error.message),
            };
            let code = if error.limit { "MODEL-DOC-LIMIT" } else { "MODEL-DOC-SYNTAX" };
            return Embedded {
                value: None,
                findings: vec![
                    Diagnostic::error(code, FieldPath::new(), message)
                        .help("correct the text, until then nothing in it counts"),
                ],
                gaps: Gaps::default(),
            };
        }
    };
    let mut value = tree.value;
    let mut findings = Vec::new();
    for path in tree.duplicates {
        findings.push(
            Diagnostic::error("MODEL-DOC-3", path, "the key is given twice, the last one is used").at_key(),
        );
    }
    prepare(&mut value, &mut findings);
    // Nothing is guessed: Istio ignores a field it does not know, and so the field must not count here.
    let context = Context::new(Profile::Compat, true, true);
    let decoded = decode::decode(&value, &Path::root(), &context);
    let (mut found, _, gaps, _) = context.finish();
    for one in &mut found {
        match (one.code, one.severity) {
            ("MODEL-UNK-2", _) => one.severity = Severity::Warning,
            // No CRD prunes a text within an object: Istio reads both names.
            ("MODEL-UNK-5", Severity::Warning) => one.severity = Severity::Info,
            _ => {}
        }
    }
    findings.append(&mut found);
    Embedded { value: Some(decoded.unwrap_or_default()), findings, gaps }
}
