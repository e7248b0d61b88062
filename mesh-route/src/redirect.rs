//! Redirects: the status and the `location` (section 4.3 of the reference).

use std::fmt::Write as _;

use crate::domain::split_port;
use crate::error::{BuildError, BuildErrorKind};
use crate::path::{Covered, PathMatch};
use crate::{Headers, RequestHead};

/// A redirect, complete but for the request.
///
/// # Examples
/// ```
/// use mesh_route::{NoHeaders, Redirect, RequestHead};
///
/// let redirect = Redirect::new(0)?.scheme("https").uri("/new");
/// let head = RequestHead::new("GET", "x.com:80", "/foo?key=v", &NoHeaders);
/// assert_eq!((redirect.status(), redirect.location(&head)), (301, "https://x.com/new?key=v".to_owned()));
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redirect {
    status: u16,
    scheme: Option<Box<str>>,
    authority: Option<Box<str>>,
    port: Option<(u16, ServerScheme)>,
    path: RedirectPath,
}

#[derive(Clone, Debug)]
enum RedirectPath {
    Keep,
    Replace(Box<str>),
    ReplacePrefix(usize, Box<str>),
    /// As `ReplacePrefix`, and neither a double slash nor an empty path; the text has no slash at its end.
    ReplaceSegments(usize, Box<str>),
}

/// Whether the server that received the request speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there is no third kind of transport to redirect from")]
pub enum ServerScheme {
    /// Plain text.
    Http,
    /// TLS ends at the server.
    Https,
}

impl Redirect {
    /// A redirect that changes nothing yet.
    ///
    /// # Errors
    /// When `status` is not 301, 302, 303, 307, 308, or 0, which means 301 (ROUTE-RDR-01).
    pub fn new(status: u16) -> Result<Self, BuildError> {
        let status = match status {
            0 => 301,
            301 | 302 | 303 | 307 | 308 => status,
            _ => {
                let message = format!("redirect status is {status}, must be 301, 302, 303, 307 or 308");
                return Err(BuildError::new(BuildErrorKind::Status, message));
            }
        };
        Ok(Self { status, scheme: None, authority: None, port: None, path: RedirectPath::Keep })
    }

    /// Sets the scheme (ROUTE-RDR-03).
    #[must_use]
    pub fn scheme(mut self, scheme: &str) -> Self {
        self.scheme = Some(scheme.into());
        self
    }

    /// Sets the authority, verbatim (ROUTE-RDR-04).
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// Sets the port: the field `port`, or for `derivePort: FROM_REQUEST_PORT` the number of the listener's
    /// service port or gateway server (ROUTE-RDR-05). For `FROM_PROTOCOL_DEFAULT` do not call this.
    ///
    /// The default port of the scheme is not written; without a scheme field, `server` says which it is.
    #[must_use]
    pub fn port(mut self, port: u16, server: ServerScheme) -> Self {
        self.port = Some((port, server));
        self
    }

    /// Replaces the whole path, and the query too if `uri` has a `?`. An empty `uri` keeps the path
    /// (ROUTE-RDR-08).
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        self.path = if uri.is_empty() { RedirectPath::Keep } else { RedirectPath::Replace(uri.into()) };
        self
    }

    /// Replaces as much of the path as the rule's prefix covers (ROUTE-RDR-09). For other kinds of match the
    /// whole path is replaced; without a match, the leading `/`.
    ///
    /// A segment prefix is replaced as Gateway API has it: without making a double slash or an empty path.
    #[must_use]
    pub fn prefix_rewrite(mut self, matched: Option<&PathMatch>, replacement: &str) -> Self {
        self.path = match matched.map_or(Covered::Prefix(1), PathMatch::covered) {
            Covered::Prefix(length) => RedirectPath::ReplacePrefix(length, replacement.into()),
            Covered::Segments(length) => {
                RedirectPath::ReplaceSegments(length, replacement.trim_end_matches('/').into())
            }
            Covered::Whole => RedirectPath::Replace(replacement.into()),
        };
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of the `location` header (ROUTE-RDR-02).
    pub fn location<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(head.scheme());
        let mut location = String::with_capacity(scheme.len() + head.authority().len() + 64);
        location.push_str(scheme);
        location.push_str("://");
        self.push_authority(&mut location, head.scheme(), head.authority());
        let (path, query) = (head.path(), head.query());
        let mut keep_query = true;
        match &self.path {
            RedirectPath::Keep => location.push_str(path),
            RedirectPath::Replace(uri) => {
                keep_query = !uri.contains('?');
                location.push_str(uri);
            }
            RedirectPath::ReplacePrefix(length, replacement) => {
                location.push_str(replacement);
                location.push_str(path.get(*length..).unwrap_or_default());
            }
            RedirectPath::ReplaceSegments(length, replacement) => {
                let rest = path.get(*length..).unwrap_or_default();
                location.push_str(if replacement.is_empty() && rest.is_empty() { "/" } else { replacement });
                location.push_str(rest);
            }
        }
        if let Some(query) = query.filter(|_| keep_query) {
            location.push('?');
            location.push_str(query);
        }
        location
    }

    fn push_authority(&self, out: &mut String, request_scheme: &str, request_authority: &str) {
        let port = self.port.filter(|(port, server)| {
            let by_server = if *server == ServerScheme::Https { "https" } else { "http" };
            !matches!((self.scheme.as_deref().unwrap_or(by_server), port), ("http", 80) | ("https", 443))
        });
        match (&self.authority, port) {
            // Appended as text: `o.com:99` and 444 give `o.com:99:444` (ROUTE-RDR-06).
            (Some(authority), _) => out.push_str(authority),
            (None, Some(_)) => out.push_str(split_port(request_authority).0),
            (None, None) => out.push_str(self.without_old_default_port(request_scheme, request_authority)),
        }
        if let Some((port, _)) = port {
            let _infallible = write!(out, ":{port}");
        }
    }

    /// When the scheme changes, the old scheme's default port goes; any other port stays (ROUTE-RDR-07).
    fn without_old_default_port<'a>(&self, request_scheme: &str, authority: &'a str) -> &'a str {
        let (host, port) = split_port(authority);
        match (request_scheme, self.scheme.as_deref(), port) {
            ("http", Some("https"), Some("80")) | ("https", Some("http"), Some("443")) => host,
            _ => authority,
        }
    }
}

/// Where a plain-text request for a virtual host that requires TLS is sent, with status 301: the same authority,
/// port kept, and the same target (ROUTE-RDR-11).
pub fn https_location<H: ?Sized + Headers>(head: &RequestHead<'_, H>) -> String {
    format!("https://{}{}", head.authority(), head.path_and_query())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoHeaders;

    fn redirect() -> Redirect {
        Redirect::new(0).unwrap()
    }

    #[track_caller]
    fn check(redirect: &Redirect, from: &str, want: &str) {
        let (scheme, rest) = from.split_once("://").unwrap();
        let (authority, target) = rest.split_at(rest.find('/').unwrap());
        let head = RequestHead::new("GET", authority, target, &NoHeaders).with_scheme(scheme);
        assert_eq!(redirect.location(&head), want, "{from}");
    }

    // ROUTE-RDR-01.
    #[test]
    fn statuses_route_rdr_01() {
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(Redirect::new(status).map(|redirect| redirect.status()), Ok(status));
        }
        assert_eq!(redirect().status(), 301);
        let error = Redirect::new(304).unwrap_err();
        assert_eq!(error.to_string(), "redirect status is 304, must be 301, 302, 303, 307 or 308");
    }

    // ROUTE-RDR-08, ROUTE-RDR-09.
    #[test]
    fn paths_route_rdr_08_09() {
        check(&redirect().uri("/new"), "http://host/foo?key=v", "http://host/new?key=v");
        check(&redirect().uri("/new?z=9"), "http://host/foo?key=v", "http://host/new?z=9");
        check(&redirect().uri(""), "http://host/foo?key=v", "http://host/foo?key=v");
        let old = PathMatch::prefix("/old/");
        check(
            &redirect().prefix_rewrite(Some(&old), "/new/"),
            "http://host/old/bar?x=1",
            "http://host/new/bar?x=1",
        );
        let foo = PathMatch::prefix("/foo");
        check(&redirect().prefix_rewrite(Some(&foo), "/"), "http://host/foo/baz", "http://host//baz");
        check(&redirect().prefix_rewrite(None, "/x/"), "http://host/baz", "http://host/x/baz");
    }

    // The table of Gateway API's `ReplacePrefixMatch`.
    #[test]
    fn segment_prefixes_leave_no_double_slash() {
        for (path, prefix, replacement, want) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
        ] {
            let matched = PathMatch::segment_prefix(prefix);
            let moved = redirect().prefix_rewrite(Some(&matched), replacement);
            check(&moved, &format!("http://h{path}?q"), &format!("http://h{want}?q"));
            let rewrite = crate::PathRewrite::uri(Some(&matched), replacement);
            assert_eq!(rewrite.apply(path), want, "a rewrite does the same");
        }
    }

    // ROUTE-RDR-03, ROUTE-RDR-04, ROUTE-RDR-07.
    #[test]
    fn schemes_and_authorities_route_rdr_03_04_07() {
        let https = redirect().scheme("https");
        check(&https, "http://x.com:80/a", "https://x.com/a");
        check(&https, "http://x.com:8080/a", "https://x.com:8080/a");
        check(&https, "http://X.com/a", "https://X.com/a");
        check(&https, "https://x.com:80/a", "https://x.com:80/a");
        check(&https, "http://[fd00::1]:80/a", "https://[fd00::1]/a");
        check(&https, "http://[fd00::80]/a", "https://[fd00::80]/a");
        check(&redirect().scheme("http"), "https://x.com:443/a", "http://x.com/a");
        check(&https.clone().authority("o.com:80"), "http://x.com/a", "https://o.com:80/a");
        check(&redirect().authority("O.com:99"), "http://x.com:1/a", "http://O.com:99/a");
    }

    // ROUTE-RDR-05, ROUTE-RDR-06.
    #[test]
    fn ports_route_rdr_05_06() {
        use ServerScheme::{Http, Https};
        check(&redirect().scheme("https").port(80, Http), "http://host/foo", "https://host:80/foo");
        check(&redirect().port(80, Http), "http://host/foo", "http://host/foo");
        check(&redirect().port(80, Http), "http://b:80/foo", "http://b:80/foo");
        check(&redirect().port(85, Http), "http://b:80/foo", "http://b:85/foo");
        check(&redirect().port(443, Https), "https://b:8443/foo", "https://b:8443/foo");
        check(&redirect().port(443, Http), "http://b/foo", "http://b:443/foo");
        check(&redirect().port(444, Http), "http://[::1]:80/", "http://[::1]:444/");
        check(&redirect().authority("o.com:99").port(444, Http), "http://b/", "http://o.com:99:444/");
    }

    // ROUTE-RDR-11.
    #[test]
    fn tls_required_route_rdr_11() {
        let head = RequestHead::new("POST", "x.com:80", "/a?b", &NoHeaders);
        assert_eq!(https_location(&head), "https://x.com:80/a?b");
    }
}
