//! `StringMatch`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

/// How a string is compared; the `StringMatch` message of VirtualService.
///
/// In YAML `{exact: a}`, `{prefix: a}` or `{regex: a}`; `{}` and `null` are [`StringMatch::Unset`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StringMatch {
    /// No kind given: presence, on a header or query parameter; no condition elsewhere (MODEL-TYPE-11).
    #[default]
    Unset,
    /// Equal, byte for byte.
    Exact(String),
    /// Starts with.
    Prefix(String),
    /// RE2, against the whole string (MODEL-TYPE-15).
    Regex(String),
}

impl StringMatch {
    /// The text compared with, if any.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Unset => None,
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => Some(text),
        }
    }
}

impl Serialize for StringMatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = match self {
            Self::Unset => None,
            Self::Exact(text) => Some(("exact", text)),
            Self::Prefix(text) => Some(("prefix", text)),
            Self::Regex(text) => Some(("regex", text)),
        };
        let mut map = serializer.serialize_map(Some(usize::from(entry.is_some())))?;
        if let Some((key, text)) = entry {
            map.serialize_entry(key, text)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for StringMatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(rename = "StringMatch", default)]
        struct Raw {
            exact: Option<String>,
            prefix: Option<String>,
            regex: Option<String>,
        }
        match Raw::deserialize(deserializer)? {
            Raw { exact: None, prefix: None, regex: None } => Ok(Self::Unset),
            Raw { exact: Some(text), prefix: None, regex: None } => Ok(Self::Exact(text)),
            Raw { exact: None, prefix: Some(text), regex: None } => Ok(Self::Prefix(text)),
            Raw { exact: None, prefix: None, regex: Some(text) } => Ok(Self::Regex(text)),
            _ => {
                Err(de::Error::custom("MODEL-TYPE-12: only one of `exact`, `prefix` and `regex` may be set"))
            }
        }
    }
}
