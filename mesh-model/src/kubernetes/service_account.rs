//! ServiceAccount.

use crate::macros::spec;

spec! {
    /// A ServiceAccount: only its name and namespace matter, which are the identity of the pods that use it.
    pub struct ServiceAccount {}
}
