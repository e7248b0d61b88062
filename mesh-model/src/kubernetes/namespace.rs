//! Namespace.

use crate::macros::spec;

spec! {
    /// A Namespace: only its metadata matters.
    pub struct Namespace {}
}
