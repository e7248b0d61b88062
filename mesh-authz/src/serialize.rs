//! How names and errors are written to logs, with the feature `serde`. Types with public fields derive it.

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::decision::RuleName;
use crate::error::BuildError;
use crate::policy::{PolicyId, ProviderId};

impl Serialize for PolicyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("PolicyId", 2)?;
        fields.serialize_field("namespace", self.namespace())?;
        fields.serialize_field("name", self.name())?;
        fields.end()
    }
}

impl Serialize for ProviderId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// As Envoy writes the name (AUTHZ-EVAL-10).
impl Serialize for RuleName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for BuildError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("BuildError", 5)?;
        fields.serialize_field("policy", self.policy())?;
        fields.serialize_field("field", self.field())?;
        fields.serialize_field("kind", &self.kind())?;
        fields.serialize_field("value", self.value())?;
        fields.serialize_field("message", &self.to_string())?;
        fields.end()
    }
}
