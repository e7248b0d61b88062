//! ConfigMap.

use crate::common::StringMap;
use crate::macros::spec;

spec! {
    /// A ConfigMap; the mesh configuration is the key `mesh` of the one named `istio`.
    pub struct ConfigMap {
        /// Text by key.
        pub data: StringMap,
    }
}
