//! How a path is compared.

use std::cmp::Reverse;
use std::fmt;

use regex_syntax::hir::Hir;

use crate::error::PatternError;
use crate::pattern::{Limits, Pattern};
use crate::precedence::PathRank;

/// A condition on the path, query not included (ROUTE-MATCH-10).
///
/// | kind | accepts | source |
/// |---|---|---|
/// | [`exact`](Self::exact) | the same bytes | ROUTE-MATCH-11 |
/// | [`prefix`](Self::prefix) | any path that starts with the text, segments or not | ROUTE-MATCH-12 |
/// | [`segment_prefix`](Self::segment_prefix) | the path itself and what lies below it | ROUTE-APPLY-51 |
/// | [`regex`](Self::regex) | the whole path matches | ROUTE-MATCH-13 |
///
/// # Examples
/// ```
/// use mesh_route::PathMatch;
///
/// assert!(PathMatch::prefix("/pfx").matches("/pfxx"));
/// assert!(!PathMatch::prefix("/service/").matches("/service"));
/// assert!(!PathMatch::segment_prefix("/api").matches("/apiary"));
/// assert!(PathMatch::exact("/Login").ignore_case().matches("/login"));
/// ```
#[derive(Clone, Debug)]
pub struct PathMatch {
    kind: Kind,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    SegmentPrefix(Box<[u8]>),
    Regex(Box<Pattern>),
}

/// How an index can find a path condition.
pub(crate) enum Key<'p> {
    /// Only this very path can match.
    Exact(&'p [u8]),
    /// Only paths that start with this can match.
    Prefix(&'p [u8]),
}

/// What the text of a match condition covers, for rewrites that replace it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    /// The first bytes of the path, as many as the prefix has.
    Prefix(usize),
    /// The first bytes, up to a segment's end.
    Segments(usize),
    /// The whole path.
    Whole,
}

impl PathMatch {
    /// The path equals `path`.
    pub fn exact(path: &str) -> Self {
        Self::new(Kind::Exact(path.as_bytes().into()))
    }

    /// The path starts with `prefix`, as text: `/pfx` accepts `/pfxx`. The empty prefix accepts every path.
    pub fn prefix(prefix: &str) -> Self {
        Self::new(Kind::Prefix(prefix.as_bytes().into()))
    }

    /// The path is `prefix` or continues it after a `/`. Slashes at the end of `prefix` mean nothing.
    ///
    /// This is the prefix of Gateway API and Ingress; a hand-written VirtualService never has it.
    pub fn segment_prefix(prefix: &str) -> Self {
        Self::new(Kind::SegmentPrefix(prefix.trim_end_matches('/').as_bytes().into()))
    }

    /// The whole path matches `pattern`, in RE2 syntax over bytes.
    ///
    /// # Errors
    /// When the pattern is empty, is not RE2 syntax, or is larger than `limits` allow.
    pub fn regex(pattern: &str, limits: &Limits) -> Result<Self, PatternError> {
        Ok(Self::new(Kind::Regex(Box::new(Pattern::whole(pattern, limits)?))))
    }

    fn new(kind: Kind) -> Self {
        Self { kind, ignore_case: false }
    }

    /// Folds ASCII letter case. Has no effect on a regex, as in Istio (ROUTE-MATCH-14); write `(?i)` there.
    #[must_use]
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = !matches!(self.kind, Kind::Regex(_));
        self
    }

    /// Whether `path`, without its query, satisfies the condition. Does not allocate.
    pub fn matches(&self, path: &str) -> bool {
        let path = path.as_bytes();
        match &self.kind {
            Kind::Exact(text) => path.len() == text.len() && self.starts(path, text),
            Kind::Prefix(text) => self.starts(path, text),
            Kind::SegmentPrefix(text) => {
                self.starts(path, text) && matches!(path.get(text.len()), None | Some(b'/'))
            }
            Kind::Regex(pattern) => pattern.is_match(path),
        }
    }

    fn starts(&self, path: &[u8], text: &[u8]) -> bool {
        if self.ignore_case {
            path.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text))
        } else {
            path.starts_with(text)
        }
    }

    /// Whether the index must fold case to find this condition.
    pub(crate) fn folds(&self) -> bool {
        self.ignore_case
    }

    /// The key to file this condition under, and whether finding the key already proves the condition.
    pub(crate) fn key(&self) -> (Key<'_>, bool) {
        match &self.kind {
            // The folded index knows prefixes only, so the length is left to check there.
            Kind::Exact(text) if self.ignore_case => (Key::Prefix(text), false),
            Kind::Exact(text) => (Key::Exact(text), true),
            Kind::Prefix(text) => (Key::Prefix(text), true),
            Kind::SegmentPrefix(text) => (Key::Prefix(text), text.is_empty()),
            Kind::Regex(pattern) => (Key::Prefix(pattern.literal()), false),
        }
    }

    /// The syntax tree of a regex that an automaton may take in.
    pub(crate) fn hir(&self) -> Option<&Hir> {
        match &self.kind {
            Kind::Regex(pattern) => pattern.hir(),
            Kind::Exact(_) | Kind::Prefix(_) | Kind::SegmentPrefix(_) => None,
        }
    }

    pub(crate) fn key_len(&self) -> usize {
        match self.key().0 {
            Key::Exact(text) | Key::Prefix(text) => text.len(),
        }
    }

    pub(crate) fn rank(&self) -> PathRank {
        match &self.kind {
            Kind::Exact(_) => PathRank::Exact,
            Kind::Prefix(text) | Kind::SegmentPrefix(text) => PathRank::Prefix(Reverse(text.len())),
            Kind::Regex(pattern) => PathRank::Regex(Reverse(pattern.source().len())),
        }
    }

    pub(crate) fn covered(&self) -> Covered {
        match &self.kind {
            Kind::Prefix(text) => Covered::Prefix(text.len()),
            Kind::SegmentPrefix(text) => Covered::Segments(text.len()),
            Kind::Exact(_) | Kind::Regex(_) => Covered::Whole,
        }
    }

    pub(crate) fn pattern(&self) -> Option<&Pattern> {
        match &self.kind {
            Kind::Regex(pattern) => Some(pattern),
            Kind::Exact(_) | Kind::Prefix(_) | Kind::SegmentPrefix(_) => None,
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Exact(text) => write!(f, "exact `{}`", String::from_utf8_lossy(text)),
            Kind::Prefix(text) => write!(f, "prefix `{}`", String::from_utf8_lossy(text)),
            Kind::SegmentPrefix(text) if text.is_empty() => f.write_str("segment prefix `/`"),
            Kind::SegmentPrefix(text) => write!(f, "segment prefix `{}`", String::from_utf8_lossy(text)),
            Kind::Regex(pattern) => write!(f, "regex `{}`", pattern.source()),
        }?;
        if self.ignore_case { f.write_str(" ignoring case") } else { Ok(()) }
    }
}
