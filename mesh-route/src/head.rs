//! What is known of a request when it is routed.

use std::fmt;

use crate::claim::Claims;

/// A request's header lines, as far as matching needs them.
///
/// Implemented for slices of pairs, for [`NoHeaders`], and under the feature `http` for `http::HeaderMap`.
/// To match against a map of your own, implement the one method.
///
/// # Examples
/// ```
/// use mesh_route::Headers;
///
/// let lines = [("Accept", "text/html"), ("x-user", "ann"), ("x-user", "bob")];
/// let users: Vec<&[u8]> = lines.values("x-user").collect();
/// assert_eq!(users, [&b"ann"[..], b"bob"]);
/// assert_eq!(lines.first("accept"), Some(&b"text/html"[..]));
/// ```
pub trait Headers {
    /// Every value of the header `name`, one item a line, in the order received.
    ///
    /// `name` is lower-case. Repeated lines are *not* joined: Envoy matches each on its own
    /// (ROUTE-MATCH-23). An implementation must find the header in any letter case.
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]>;

    /// The first line of the header `name`.
    fn first<'h>(&'h self, name: &'h str) -> Option<&'h [u8]> {
        self.values(name).next()
    }

    /// The names of all headers, in any letter case, also more than once. Only explanations ask, for names that look like
    /// a missing one; without it they cannot tell.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.iter()
            // Most often the letter case is right as well, which is faster to see.
            .filter(move |(key, _)| key.as_ref() == name || key.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name.as_ref())
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const LEN: usize> Headers for [(N, V); LEN] {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.as_slice().values(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.as_slice().names()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.as_slice().values(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.as_slice().names()
    }
}

impl<H: Headers + ?Sized> Headers for &H {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        (**self).values(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        (**self).names()
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.keys().map(http::HeaderName::as_str)
    }
}

/// A request without header lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn values<'h>(&'h self, _: &'h str) -> impl Iterator<Item = &'h [u8]> {
        std::iter::empty()
    }
}

/// The facts of one request that routing looks at. Borrows everything, copies nothing.
///
/// The path must already be normalized (see [`normalize_path`](crate::normalize_path)): what is matched is
/// what will be forwarded (ROUTE-PATH-01). The authority is the raw one, letter case and port included
/// (ROUTE-MATCH-28); the table folds and cuts its own copy to choose a virtual host.
///
/// # Examples
/// ```
/// use mesh_route::{NoHeaders, RequestHead};
///
/// let head = RequestHead::new("GET", "shop.example.com:8080", "/cart?item=1&item=2", &NoHeaders);
/// assert_eq!(head.path(), "/cart");
/// assert_eq!(head.query(), Some("item=1&item=2"));
/// assert_eq!(head.scheme(), "http");
/// ```
pub struct RequestHead<'r, H: ?Sized = NoHeaders> {
    method: &'r str,
    scheme: &'r str,
    authority: &'r str,
    path_and_query: &'r str,
    path: &'r str,
    headers: &'r H,
    claims: Option<&'r dyn Claims>,
}

impl<'r, H: Headers + ?Sized> RequestHead<'r, H> {
    /// A request head with scheme `http` and no verified token.
    ///
    /// `authority` is the HTTP/2 `:authority`, else the host of an absolute-form target, else the `Host` line
    /// (ROUTE-HOST-20); pass `""` when there is none.
    pub fn new(method: &'r str, authority: &'r str, path_and_query: &'r str, headers: &'r H) -> Self {
        let path = match memchr::memchr(b'?', path_and_query.as_bytes()) {
            Some(at) => path_and_query.get(..at).unwrap_or(path_and_query),
            None => path_and_query,
        };
        Self { method, scheme: "http", authority, path_and_query, path, headers, claims: None }
    }

    /// Sets the scheme: `x-forwarded-proto` where it is trusted, else the transport's (ROUTE-MATCH-30).
    #[must_use]
    pub fn with_scheme(mut self, scheme: &'r str) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets the claims of the verified token (ROUTE-MATCH-32). Never pass claims nobody verified.
    #[must_use]
    pub fn with_claims(mut self, claims: &'r dyn Claims) -> Self {
        self.claims = Some(claims);
        self
    }

    /// The method, as received: case-sensitive.
    pub fn method(&self) -> &'r str {
        self.method
    }

    /// The scheme.
    pub fn scheme(&self) -> &'r str {
        self.scheme
    }

    /// The raw authority, port included.
    pub fn authority(&self) -> &'r str {
        self.authority
    }

    /// Path, and query if there is one.
    pub fn path_and_query(&self) -> &'r str {
        self.path_and_query
    }

    /// The text before the first `?` (ROUTE-MATCH-10).
    pub fn path(&self) -> &'r str {
        self.path
    }

    /// The text after the first `?`; `Some("")` when the target ends there.
    pub fn query(&self) -> Option<&'r str> {
        self.path_and_query.get(self.path.len()..)?.strip_prefix('?')
    }

    /// The header lines.
    pub fn headers(&self) -> &'r H {
        self.headers
    }

    /// The verified claims.
    pub fn claims(&self) -> Option<&'r dyn Claims> {
        self.claims
    }
}

impl<H: ?Sized> Clone for RequestHead<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for RequestHead<'_, H> {}

impl<H: ?Sized> fmt::Debug for RequestHead<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and claims stay out: they carry credentials.
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("scheme", &self.scheme)
            .field("authority", &self.authority)
            .field("path_and_query", &self.path_and_query)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &(impl Headers + ?Sized)) {
        let values: Vec<&[u8]> = lines.values("x-user").collect();
        assert_eq!(values, [&b"ann"[..], b"\xFF"], "line by line, in order (ROUTE-MATCH-23)");
        assert_eq!(lines.first("accept"), Some(&b""[..]));
        assert_eq!(lines.first("x-none"), None);
        assert_eq!(lines.names().filter(|name| name.eq_ignore_ascii_case("accept")).count(), 1);
        // No request can carry it, so it is missing; it must not make a lookup fail either.
        assert_eq!(lines.first("not a name@"), None);
    }

    const LINES: [(&str, &[u8]); 3] = [("X-User", b"ann"), ("accept", b""), ("x-user", b"\xFF")];

    #[test]
    fn pairs_are_headers() {
        check(&LINES);
        check(&LINES.to_vec());
        check(&LINES.as_slice());
        check(&LINES[..]);
        assert_eq!(NoHeaders.first("x-user"), None);
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_header_map_is_headers() {
        let mut map = http::HeaderMap::new();
        for (name, value) in LINES {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, http::HeaderValue::from_bytes(value).unwrap());
        }
        check(&map);
    }

    #[test]
    fn the_query_starts_at_the_first_mark() {
        // ROUTE-MATCH-10, ROUTE-MATCH-40.
        for (target, path, query) in [
            ("/a", "/a", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c", "/a", Some("b?c")),
            ("?b", "", Some("b")),
            ("", "", None),
        ] {
            let head = RequestHead::new("GET", "h", target, &NoHeaders);
            assert_eq!((head.path(), head.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn debug_output_keeps_secrets() {
        let head = RequestHead::new("GET", "h", "/", &LINES);
        assert!(!format!("{head:?}").contains("ann"));
    }
}
