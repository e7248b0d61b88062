//! Names, labels and where an object came from.

use crate::common::{StringMap, Timestamp};
use crate::kind::Kind;
use crate::macros::spec;
use std::fmt;
use std::sync::Arc;

spec! {
    /// `metadata` of an object. Fields that only a server writes are not kept.
    pub struct ObjectMeta {
        /// Required.
        pub name: String,
        /// Never empty after loading, except on cluster-scoped kinds.
        pub namespace: String,
        /// Labels.
        pub labels: StringMap,
        /// Annotations, verbatim.
        pub annotations: StringMap,
        /// Orders conflicting objects (MODEL-META-5).
        pub creation_timestamp: Option<Timestamp>,
    }
}

/// Names an object: what diagnostics and decisions refer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ObjectRef {
    /// The kind.
    pub kind: Kind,
    /// Empty for a cluster-scoped kind.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectRef {
    /// Names the object `namespace/name` of `kind`.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    /// `VirtualService shop/reviews`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Where an object was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Origin {
    /// The name given with the text, usually a path.
    pub source: Arc<str>,
    /// Index of the source in the input.
    pub source_index: usize,
    /// Index of the document in the source, counted over non-empty documents from 0.
    pub document: usize,
    /// Line the document starts on, from 1.
    pub line: usize,
    /// Byte range of the document in the source.
    pub bytes: (usize, usize),
    /// Where in the document the object lies; not empty only for items of a list.
    pub path: crate::FieldPath,
}
