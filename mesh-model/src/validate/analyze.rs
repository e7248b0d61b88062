//! References between objects.

use crate::diagnostic::Diagnostic;
use crate::object::Object;

/// stub
pub fn analyze(_: &[Object]) -> Vec<Diagnostic> {
    Vec::new()
}
