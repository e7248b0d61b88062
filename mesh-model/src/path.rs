//! Paths to fields.

use std::fmt;
use std::str::FromStr;

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Segment {
    /// A field of a message.
    Field(String),
    /// A list element, from 0.
    Index(usize),
    /// An entry of a map.
    Key(String),
}

/// Path to a field by its JSON names: `spec.http[0].match[1].headers{cookie}`.
///
/// ```
/// use mesh_model::FieldPath;
/// let path = FieldPath::new().field("spec").field("http").index(0).field("headers").key("cookie");
/// assert_eq!(path.to_string(), "spec.http[0].headers{cookie}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The object itself.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// This path, then the field `name`.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        self.0.push(Segment::Field(name.to_owned()));
        self
    }

    /// This path, then a list index.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// This path, then a map key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned()));
        self
    }

    /// The steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// True for the object itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn from_segments(segments: Vec<Segment>) -> Self {
        Self(segments)
    }
}

/// A text is not a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path at `{rest}`: write it like spec.http[0].headers{{name}}")]
pub struct ParseFieldPathError {
    text: String,
    rest: String,
}

impl FromStr for FieldPath {
    type Err = ParseFieldPathError;

    /// Reads what [`Display`](fmt::Display) writes, as long as no name has a dot or a bracket in it.
    fn from_str(text: &str) -> Result<Self, ParseFieldPathError> {
        let mut path = Self::new();
        let mut rest = text;
        while !rest.is_empty() {
            let fail = || ParseFieldPathError { text: text.to_owned(), rest: rest.to_owned() };
            if let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or_else(fail)?;
                path = path.index(index.parse().map_err(|_| fail())?);
                rest = after;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let (key, after) = inner.split_once('}').ok_or_else(fail)?;
                path = path.key(key);
                rest = after;
            } else {
                let from = if path.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(fail)? };
                let (name, after) = from.split_at(from.find(['.', '[', '{']).unwrap_or(from.len()));
                if name.is_empty() {
                    return Err(fail());
                }
                path = path.field(name);
                rest = after;
            }
        }
        Ok(path)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if at == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => write!(f, "{{{key}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in ["", "spec", "spec.http[0].match[12].headers{x-user.name}", "[3].spec", "items[0].spec"] {
            assert_eq!(text.parse::<FieldPath>().map(|path| path.to_string()).as_deref(), Ok(text));
        }
        for text in [".spec", "spec.", "spec..http", "spec[x]", "spec[0", "spec{a", "spec[0]x"] {
            assert!(text.parse::<FieldPath>().is_err(), "{text}");
        }
    }
}
