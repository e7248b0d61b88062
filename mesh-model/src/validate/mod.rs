//! Validation of single objects.

use crate::diagnostic::Diagnostic;
use crate::object::Object;

/// What validation depends on besides the object.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Settings {}

/// All findings about one object.
pub fn validate(object: &Object, settings: &Settings) -> Vec<Diagnostic> {
    let _ = (object, settings);
    Vec::new()
}
