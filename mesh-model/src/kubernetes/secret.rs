//! Secret.

use crate::macros::spec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// The entries of a Secret, in byte order of the key.
pub type SecretMap = BTreeMap<String, SecretText>;

spec! {
    /// A Secret: certificates and keys by name.
    ///
    /// Its `Debug` shows the names of the entries and never a value. Serializing it writes the values.
    pub struct Secret {
        /// Such as `kubernetes.io/tls`; empty is `Opaque`.
        #[serde(rename = "type")]
        pub secret_type: String,
        /// Values in base64.
        pub data: SecretMap,
        /// Values as they are; they win over `data`.
        pub string_data: SecretMap,
    }
}

/// A text nobody should see: `Debug` hides it.
///
/// ```
/// use mesh_model::kubernetes::SecretText;
/// assert_eq!(format!("{:?}", SecretText::new("hunter2")), "SecretText(..)");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Does not say what it found: that is the secret.
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_unit<E>(self) -> Result<SecretText, E> {
                Ok(SecretText::default())
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a boolean"))
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretText, E> {
                Err(E::custom("expected a string, found a number"))
            }
            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<SecretText, E> {
                Ok(SecretText(text))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
