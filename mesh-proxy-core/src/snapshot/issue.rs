//! Findings of the compile step.

use std::fmt;

use mesh_model::{FieldPath, ObjectRef, Severity};

/// Something about an object that costs a part of it, printed as one line: `kind namespace/name: path: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issue {
    /// Errors lose something that was asked for; warnings are probably not what was meant.
    pub severity: Severity,
    /// The object.
    pub object: ObjectRef,
    /// Where in it.
    pub path: FieldPath,
    /// What was found, and what to do.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.severity, self.object)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
