//! Where objects stand in their files, and what was found wrong with them.

use mesh_model::{Diagnostic, FieldPath, Kind, Object, ObjectRef, locate};
use serde::Serialize;

use crate::config::Findings;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Finds places and faults of objects.
pub(super) struct Places<'a> {
    objects: &'a [Object],
    findings: &'a Findings,
}

impl<'a> Places<'a> {
    pub(super) fn new(objects: &'a [Object], findings: &'a Findings) -> Self {
        Self { objects, findings }
    }

    /// The policy of that namespace and name: an AuthorizationPolicy, else a RequestAuthentication, which takes the
    /// form of a policy when it denies.
    pub(super) fn policy(&self, namespace: &str, name: &str) -> Option<&'a Object> {
        let find = |kind: Kind| {
            self.objects.iter().find(move |object| {
                object.kind == kind && object.metadata.name == name && object.metadata.namespace == namespace
            })
        };
        find(Kind::AuthorizationPolicy).or_else(|| find(Kind::RequestAuthentication))
    }

    /// The object of that name.
    pub(super) fn find(&self, object: &ObjectRef) -> Option<&'a Object> {
        self.objects.iter().find(|found| found.reference() == *object)
    }

    /// Where the object begins.
    pub(super) fn of(&self, object: &Object) -> Option<Place> {
        self.at(object, FieldPath::new())
    }

    /// Where a rule of a policy begins.
    pub(super) fn rule(&self, object: &Object, rule: usize) -> Option<Place> {
        self.at(object, FieldPath::new().field("spec").field("rules").index(rule))
    }

    fn at(&self, object: &Object, path: FieldPath) -> Option<Place> {
        self.all([(object, path)]).into_iter().next().flatten()
    }

    /// Where parts of objects stand, in that order; the files are read once.
    pub(super) fn all<'o>(
        &self,
        parts: impl IntoIterator<Item = (&'o Object, FieldPath)>,
    ) -> Vec<Option<Place>> {
        let wanted = parts.into_iter().map(|(object, path)| {
            let mut wanted = Diagnostic::info("", path, "");
            wanted.origin.clone_from(&object.origin);
            wanted
        });
        let mut wanted: Vec<_> = wanted.collect();
        let texts = self.findings.texts.iter();
        let sources: Vec<_> = texts.map(|text| mesh_model::Source::new(&text.name, &text.text)).collect();
        locate(&mut wanted, &sources);
        let place = |found: Diagnostic| {
            let origin = found.origin?;
            let line = found.span.map_or(origin.line, |span| span.start.line);
            Some(Place { file: origin.source.to_string(), line })
        };
        wanted.into_iter().map(place).collect()
    }

    /// The errors in an object, each with its place.
    pub(super) fn faults(&self, object: &ObjectRef) -> Vec<String> {
        let errors = self.findings.diagnostics.iter().filter(|found| found.is_error());
        errors
            .filter(|found| found.object.as_ref() == Some(object))
            .map(|found| {
                let line = found.span.map(|span| format!("line {}: ", span.start.line)).unwrap_or_default();
                let path = if found.path.is_empty() { String::new() } else { format!("{}: ", found.path) };
                format!("{line}{path}{}", found.message)
            })
            .collect()
    }
}
