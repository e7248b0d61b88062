//! Collects findings, each once.

use std::collections::HashSet;

use mesh_model::{FieldPath, ObjectRef, Severity};

use crate::snapshot::Issue;

/// Findings in the order they were made. One rule is compiled for several listeners and hosts: what is said about it
/// again is left out.
#[derive(Debug, Default)]
pub(super) struct Issues {
    list: Vec<Issue>,
    seen: HashSet<(ObjectRef, FieldPath, String)>,
}

impl Issues {
    /// Something that was asked for is lost.
    pub(super) fn error(&mut self, object: &ObjectRef, path: FieldPath, message: impl Into<String>) {
        self.add(Severity::Error, object, path, message.into());
    }

    /// Probably not what was meant.
    pub(super) fn warning(&mut self, object: &ObjectRef, path: FieldPath, message: impl Into<String>) {
        self.add(Severity::Warning, object, path, message.into());
    }

    fn add(&mut self, severity: Severity, object: &ObjectRef, path: FieldPath, message: String) {
        if self.seen.insert((object.clone(), path.clone(), message.clone())) {
            self.list.push(Issue { severity, object: object.clone(), path, message });
        }
    }

    pub(super) fn into_vec(self) -> Vec<Issue> {
        self.list
    }
}

/// The path `spec`.
pub(super) fn spec() -> FieldPath {
    FieldPath::new().field("spec")
}

/// What makes a rule unusable: where in its object, and why.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) path: FieldPath,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(path: FieldPath, message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

/// The text of a refusal by `mesh-route`, with its cause.
pub(super) fn refusal(error: &mesh_route::BuildError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}
