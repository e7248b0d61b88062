//! What can go wrong while a table or an action is built. Nothing can go wrong later.

use std::error::Error;
use std::fmt;

/// A regular expression that Envoy would refuse too, or that is larger than the [`Limits`] allow.
///
/// [`Limits`]: crate::Limits
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    pattern: Box<str>,
    kind: PatternErrorKind,
    detail: Box<str>,
}

/// Why a regular expression was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// The text is empty (ROUTE-RX-04).
    Empty,
    /// The text has more bytes than allowed (ROUTE-RX-04).
    TooLong,
    /// The text is not RE2 syntax (ROUTE-RX-05, ROUTE-RX-06).
    Syntax,
    /// The text is fine and the program made from it is too large.
    TooLarge,
}

impl PatternError {
    pub(crate) fn new(pattern: &str, kind: PatternErrorKind, detail: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), kind, detail: detail.into().into_boxed_str() }
    }

    /// Why the pattern was refused.
    pub fn kind(&self) -> PatternErrorKind {
        self.kind
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A pattern may be megabytes of somebody else's text; the start is enough to find it.
        let shown: String = self.pattern.chars().take(80).collect();
        let cut = if shown.len() < self.pattern.len() { "…" } else { "" };
        write!(f, "`{shown}{cut}` does not compile: {}", self.detail)
    }
}

impl Error for PatternError {}

/// A table or an action that cannot be built.
///
/// The message says what was found and what is allowed; the caller adds where (object and field path), which
/// only it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    kind: BuildErrorKind,
    message: Box<str>,
    cause: Option<Box<PatternError>>,
}

/// What a [`BuildError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// A domain text that is no host pattern.
    Domain,
    /// Two virtual hosts, or one twice, name the same domain (ROUTE-HOST-29).
    DuplicateDomain,
    /// One virtual host has more rules than an index can number.
    TooManyRules,
    /// Several destinations whose weights are all zero (ROUTE-WGT-03), or none at all.
    EmptySplit,
    /// A status code outside the allowed ones.
    Status,
    /// A body over the allowed size.
    BodyTooLarge,
    /// Text that is no header name.
    HeaderName,
    /// A header value that does not follow the `%…%` grammar or holds control characters (ROUTE-HDR-09).
    HeaderValue,
    /// A regular expression; the cause is a [`PatternError`].
    Pattern,
    /// A substitution text with a wrong escape or a group the pattern does not have.
    Substitution,
    /// A name that is no gRPC status.
    GrpcStatus,
    /// Text that is no address or prefix, or a length that no prefix has.
    Prefix,
    /// A server name with a wildcard in a place that Envoy refuses (ROUTE-L4-04), or an empty one.
    ServerName,
    /// Two filter chains that could claim one connection.
    DuplicateChain,
    /// Two listeners of one address.
    DuplicateListener,
}

impl BuildError {
    pub(crate) fn new(kind: BuildErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into().into_boxed_str(), cause: None }
    }

    /// What the error is about.
    pub fn kind(&self) -> BuildErrorKind {
        self.kind
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<PatternError> for BuildError {
    fn from(cause: PatternError) -> Self {
        Self {
            kind: BuildErrorKind::Pattern,
            message: "a regular expression was refused".into(),
            cause: Some(Box::new(cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small_and_can_cross_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<PatternError>();
        shared::<BuildError>();
        assert!(size_of::<PatternError>() <= 40);
        assert!(size_of::<BuildError>() <= 40);
    }

    #[test]
    fn a_long_pattern_is_cut_in_the_message() {
        let error = PatternError::new(&"a".repeat(2000), PatternErrorKind::TooLong, "too long");
        assert_eq!(error.to_string(), format!("`{}…` does not compile: too long", "a".repeat(80)));
    }
}
