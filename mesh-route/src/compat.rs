//! Answers that changed from one release to the next, each behind a switch (section 0.3 of the reference).

use std::borrow::Cow;

use crate::domain::split_port;
use crate::head::Headers;
use crate::normalize::{PathNormalization, TargetError, normalize};
use crate::pattern::Limits;
use crate::retry::RetryPolicy;

/// What a routing decision was in older releases of Istio and Envoy, where it was another. A new one has today's answers.
///
/// | switch | today | with it | changed in |
/// |---|---|---|---|
/// | [`join_repeated_headers`](Self::join_repeated_headers) | each line of a repeated header is matched on its own | the lines are joined with `,` and matched once | Envoy 1.39 |
/// | [`utf8_regex`](Self::utf8_regex) | one byte of a text is one character | `.` is a code point and never an invalid byte | Envoy 1.39.1 |
/// | [`keep_dot_segment_parameters`](Self::keep_dot_segment_parameters) | `/a/..;x/b` is `/b` | `/a/..;x/b` stays | Envoy 1.39.1 |
/// | [`shadow_mirrors`](Self::shadow_mirrors) | a mirrored request keeps its `Host` | it gets `-shadow` after the name | Istio 1.28 |
/// | [`retry_503`](Self::retry_503) | status 503 is not retried by default | it is | Istio 1.24 |
///
/// The last two of Envoy's also came to older releases as security fixes.
///
/// It is no setting of a table: each switch acts where the matter is decided, and the functions here are that place.
/// Further changes are not decided by this crate. Which domains a virtual host has (`name.`, `name:port`), the retry
/// policy of inbound traffic and which client may set `x-envoy-*` headers, are the business of whoever compiles
/// configuration and receives requests. [`Redirect::prefix_rewrite`](crate::Redirect::prefix_rewrite) came with the newest
/// releases; for an older one, do not call it.
///
/// # Examples
/// ```
/// use mesh_route::{Compat, PathMatch, PathNormalization};
///
/// let (today, old) = (Compat::new(), Compat::new().keep_dot_segment_parameters().utf8_regex());
/// assert_eq!(today.normalize_path("/a/..;x/b", PathNormalization::Base)?, "/b");
/// assert_eq!(old.normalize_path("/a/..;x/b", PathNormalization::Base)?, "/a/..;x/b");
///
/// assert!(!PathMatch::regex("/.", &today.limits())?.matches("/é")); // two bytes
/// assert!(PathMatch::regex("/.", &old.limits())?.matches("/é"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    join_repeated_headers: bool,
    alphabet: RegexAlphabet,
    keep_dot_segment_parameters: bool,
    shadow_mirrors: bool,
    retry_503: bool,
}

/// What a character is in a regular expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegexAlphabet {
    /// A byte (ROUTE-RX-02).
    #[default]
    Latin1,
    /// A code point of UTF-8; bytes that are none match nothing but `\C`. The classes `\d`, `\s` and `\w` stay ASCII
    /// (ROUTE-RX-03).
    Utf8,
}

impl Compat {
    /// Today's answers throughout.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins the lines of a repeated header with `,` before they are matched (ROUTE-MATCH-23): wrap the headers in
    /// [`JoinedHeaders`] where [`joins_repeated_headers`](Self::joins_repeated_headers) says so.
    #[must_use]
    pub fn join_repeated_headers(mut self) -> Self {
        self.join_repeated_headers = true;
        self
    }

    /// Gives regular expressions the alphabet of code points (ROUTE-RX-03): see [`limits`](Self::limits).
    #[must_use]
    pub fn utf8_regex(mut self) -> Self {
        self.alphabet = RegexAlphabet::Utf8;
        self
    }

    /// Takes `..;x` for an ordinary segment (ROUTE-PATH-06): see [`normalize_path`](Self::normalize_path).
    ///
    /// A server that drops parameters then reads another path than the one that was matched. That is why it was changed.
    #[must_use]
    pub fn keep_dot_segment_parameters(mut self) -> Self {
        self.keep_dot_segment_parameters = true;
        self
    }

    /// Marks the `Host` of mirrored requests (ROUTE-MIR-04): see [`mirror_authority`](Self::mirror_authority).
    #[must_use]
    pub fn shadow_mirrors(mut self) -> Self {
        self.shadow_mirrors = true;
        self
    }

    /// Retries status 503 where nothing says what to retry (ROUTE-RTY-01): see [`retries`](Self::retries).
    #[must_use]
    pub fn retry_503(mut self) -> Self {
        self.retry_503 = true;
        self
    }

    /// Whether the headers of a request must be joined for matching, and only for that.
    pub fn joins_repeated_headers(&self) -> bool {
        self.join_repeated_headers
    }

    /// The limits to build regular expressions with: the usual ones, and the alphabet.
    pub fn limits(&self) -> Limits {
        Limits::new().alphabet(self.alphabet)
    }

    /// As [`normalize_path`](crate::normalize_path).
    ///
    /// # Errors
    /// As there.
    pub fn normalize_path<'p>(
        &self,
        raw: &'p str,
        mode: PathNormalization,
    ) -> Result<Cow<'p, str>, TargetError> {
        normalize(raw, mode, self.keep_dot_segment_parameters)
    }

    /// The authority of the copy of a request whose authority is `authority`: `x.com:80` stays or becomes
    /// `x.com-shadow:80`.
    pub fn mirror_authority<'a>(&self, authority: &'a str) -> Cow<'a, str> {
        if !self.shadow_mirrors {
            return Cow::Borrowed(authority);
        }
        let host = split_port(authority).0;
        let port = authority.get(host.len()..).unwrap_or_default();
        Cow::Owned([host, "-shadow", port].concat())
    }

    /// The retry policy of a route: with `attempts`, or without `retries` at all; the default conditions hold until
    /// [`RetryPolicy::retry_on`] replaces them.
    pub fn retries(&self, attempts: Option<u32>) -> RetryPolicy {
        let policy = attempts.map_or_else(RetryPolicy::mesh_default, RetryPolicy::new);
        if self.retry_503 { policy.and_retry_on(503) } else { policy }
    }
}

/// Headers as older Envoys matched them: a repeated one is one line, its values joined with `,` in the order received.
///
/// For matching alone: edits, hashing and CORS see the lines as they came.
///
/// # Examples
/// ```
/// use mesh_route::{Conditions, JoinedHeaders, RequestHead, StringMatch};
///
/// let lines = [("x", "v"), ("X", "w")];
/// let when = Conditions::any().header("x", StringMatch::exact("v,w"));
/// assert!(!when.matches(&RequestHead::new("GET", "h", "/", &lines)));
///
/// let joined = JoinedHeaders::new(lines.iter().map(|(name, value)| (*name, value.as_bytes())));
/// assert!(when.matches(&RequestHead::new("GET", "h", "/", &joined)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct JoinedHeaders<'h>(Vec<(&'h str, Cow<'h, [u8]>)>);

impl<'h> JoinedHeaders<'h> {
    /// Joins header lines. Copies only values of repeated ones.
    ///
    /// Cost: quadratic in the number of different names, which a proxy bounds.
    pub fn new(lines: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut joined: Vec<(&str, Cow<'_, [u8]>)> = Vec::new();
        for (name, value) in lines {
            if let Some((_, found)) = joined.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                let found = found.to_mut();
                found.push(b',');
                found.extend_from_slice(value);
            } else {
                joined.push((name, Cow::Borrowed(value)));
            }
        }
        Self(joined)
    }
}

impl Headers for JoinedHeaders<'_> {
    fn values<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n [u8]> {
        self.0.values(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests;
