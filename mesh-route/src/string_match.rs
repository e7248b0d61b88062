//! How a header, a query parameter, the method, scheme or authority is compared.

use std::fmt;

use crate::error::PatternError;
use crate::pattern::{Limits, Pattern};

/// A condition on one text: Istio's `StringMatch`.
///
/// Comparison is by bytes and case-sensitive (ROUTE-MATCH-21).
///
/// # Examples
/// ```
/// use mesh_route::{Limits, StringMatch};
///
/// let canary = StringMatch::regex("v[0-9]+", &Limits::new())?;
/// assert!(canary.matches(b"v12"));
/// assert!(!canary.matches(b"v12-rc1"), "the whole value must match");
/// # Ok::<(), mesh_route::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct StringMatch(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Regex(Box<Pattern>),
    Present,
}

impl StringMatch {
    /// The value equals `text`.
    pub fn exact(text: impl AsRef<[u8]>) -> Self {
        Self(Kind::Exact(text.as_ref().into()))
    }

    /// The value starts with `text`.
    pub fn prefix(text: impl AsRef<[u8]>) -> Self {
        Self(Kind::Prefix(text.as_ref().into()))
    }

    /// The whole value matches `pattern`, in RE2 syntax over bytes (section 3.6 of the reference).
    ///
    /// The pattern `*` alone is Istio's other spelling of [`present`](Self::present) (ROUTE-MATCH-20).
    ///
    /// # Errors
    /// When the pattern is empty, is not RE2 syntax, or is larger than `limits` allow.
    pub fn regex(pattern: &str, limits: &Limits) -> Result<Self, PatternError> {
        if pattern == "*" {
            return Ok(Self::present());
        }
        Ok(Self(Kind::Regex(Box::new(Pattern::whole(pattern, limits)?))))
    }

    /// There is a value, whatever it is, also an empty one.
    pub fn present() -> Self {
        Self(Kind::Present)
    }

    /// Whether `value`, which is there, satisfies the condition. Does not allocate.
    pub fn matches(&self, value: &[u8]) -> bool {
        match &self.0 {
            Kind::Exact(text) => **text == *value,
            Kind::Prefix(text) => value.starts_with(text),
            Kind::Regex(pattern) => pattern.is_match(value),
            Kind::Present => true,
        }
    }

    /// The one value that will do.
    pub(crate) fn exact_text(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Exact(text) => Some(text),
            Kind::Prefix(_) | Kind::Regex(_) | Kind::Present => None,
        }
    }

    pub(crate) fn is_exactly(&self, wanted: &[u8]) -> bool {
        matches!(&self.0, Kind::Exact(text) if **text == *wanted)
    }

    pub(crate) fn pattern(&self) -> Option<&Pattern> {
        match &self.0 {
            Kind::Regex(pattern) => Some(pattern),
            Kind::Exact(_) | Kind::Prefix(_) | Kind::Present => None,
        }
    }

    /// The text of an exact match or a prefix, and whether it is the former.
    pub(crate) fn text(&self) -> Option<(&[u8], bool)> {
        match &self.0 {
            Kind::Exact(text) => Some((text, true)),
            Kind::Prefix(text) => Some((text, false)),
            Kind::Regex(_) | Kind::Present => None,
        }
    }

    /// Whether this asks for presence only.
    pub fn is_presence(&self) -> bool {
        matches!(self.0, Kind::Present)
    }
}

impl fmt::Display for StringMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(text) => write!(f, "exact `{}`", text.escape_ascii()),
            Kind::Prefix(text) => write!(f, "prefix `{}`", text.escape_ascii()),
            Kind::Regex(pattern) => write!(f, "regex `{}`", pattern.source()),
            Kind::Present => f.write_str("present"),
        }
    }
}
