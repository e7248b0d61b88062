//! Path rewrites (section 4.5 of the reference).

use std::borrow::Cow;

use crate::error::{BuildError, BuildErrorKind};
use crate::path::{Covered, PathMatch};
use crate::pattern::{Limits, Pattern};

/// A new path for the request that is forwarded. The query is always kept.
///
/// # Examples
/// ```
/// use mesh_route::{Limits, PathMatch, PathRewrite};
///
/// let ratings = PathMatch::prefix("/ratings");
/// let rewrite = PathRewrite::uri(Some(&ratings), "/v1/bookRatings");
/// assert_eq!(rewrite.apply("/ratings/1?q"), "/v1/bookRatings/1?q");
///
/// let rewrite = PathRewrite::regex("/v[0-9]+/", "/", &Limits::new())?;
/// assert_eq!(rewrite.apply("/v1/a?x=/v2/"), "/a?x=/v2/");
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PathRewrite(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// The first bytes give way to the text, nothing is repaired.
    Prefix(usize, Box<str>),
    /// As `Prefix`, and never an empty path; the text has no slash at its end.
    Segments(usize, Box<str>),
    Whole(Box<str>),
    Regex(Box<Pattern>, Box<[Part]>),
}

/// A piece of a substitution text.
#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    Group(usize),
}

impl PathRewrite {
    /// `rewrite.uri`: what is replaced depends on how the rule's path condition matched.
    ///
    /// | matched by | replaced | source |
    /// |---|---|---|
    /// | prefix | as many bytes as the prefix has | ROUTE-RWR-01, ROUTE-RWR-04 |
    /// | exact, regex | the whole path | ROUTE-RWR-02 |
    /// | nothing | the leading `/` | ROUTE-RWR-03 |
    /// | segment prefix | the prefix, without making a double slash or an empty path | ROUTE-RWR-11 |
    ///
    /// `uri` is inserted verbatim (ROUTE-RWR-05).
    pub fn uri(matched: Option<&PathMatch>, uri: &str) -> Self {
        Self(match matched.map_or(Covered::Prefix(1), PathMatch::covered) {
            Covered::Prefix(length) => Kind::Prefix(length, uri.into()),
            Covered::Segments(length) => Kind::Segments(length, uri.trim_end_matches('/').into()),
            Covered::Whole => Kind::Whole(uri.into()),
        })
    }

    /// `uriRegexRewrite`: every match of `pattern` anywhere in the path is replaced, leftmost first and without
    /// overlap (ROUTE-RWR-06). In `substitution`, `\0` to `\9` are groups and `\\` is a backslash.
    ///
    /// # Errors
    /// When the pattern does not compile, or the substitution has another escape or a group the pattern lacks.
    pub fn regex(pattern: &str, substitution: &str, limits: &Limits) -> Result<Self, BuildError> {
        let pattern = Pattern::anywhere(pattern, limits)?;
        let parts = parse_substitution(substitution, pattern.groups())?;
        Ok(Self(Kind::Regex(Box::new(pattern), parts)))
    }

    /// The new target for the normalized target `path_and_query`. Borrows if a regex matches nowhere.
    pub fn apply<'p>(&self, path_and_query: &'p str) -> Cow<'p, str> {
        let (path, query) = match memchr::memchr(b'?', path_and_query.as_bytes()) {
            Some(at) => path_and_query.split_at_checked(at).unwrap_or((path_and_query, "")),
            None => (path_and_query, ""),
        };
        let tail = |length: usize| path.get(length..).unwrap_or_default();
        Cow::Owned(match &self.0 {
            Kind::Prefix(length, uri) => [uri, tail(*length), query].concat(),
            Kind::Segments(length, uri) => {
                let root = if uri.is_empty() && tail(*length).is_empty() { "/" } else { "" };
                [root, uri, tail(*length), query].concat()
            }
            Kind::Whole(uri) => [uri, query].concat(),
            Kind::Regex(pattern, parts) => match substitute(pattern, parts, path) {
                Some(mut path) => {
                    path.push_str(query);
                    path
                }
                None => return Cow::Borrowed(path_and_query),
            },
        })
    }
}

/// `None` when nothing matches.
fn substitute(pattern: &Pattern, parts: &[Part], path: &str) -> Option<String> {
    let path = path.as_bytes();
    let mut matches = pattern.regex().captures_iter(path).peekable();
    matches.peek()?;
    let mut out = Vec::with_capacity(path.len() + 32);
    let mut end = 0;
    for groups in matches {
        let Some(whole) = groups.get(0) else { continue };
        out.extend_from_slice(path.get(end..whole.start()).unwrap_or_default());
        for part in parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                // A group that took no part is empty.
                Part::Group(number) => {
                    out.extend_from_slice(groups.get(*number).map_or(b"", |group| group.as_bytes()));
                }
            }
        }
        end = whole.end();
    }
    out.extend_from_slice(path.get(end..).unwrap_or_default());
    // A normalized path is ASCII, so nothing is lost; this is for callers who skip normalization.
    Some(
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

fn parse_substitution(text: &str, groups: usize) -> Result<Box<[Part]>, BuildError> {
    let fault =
        |what: String| BuildError::new(BuildErrorKind::Substitution, format!("substitution `{text}` {what}"));
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            literal.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => literal.push(b'\\'),
            Some(digit @ b'0'..=b'9') => {
                let number = usize::from(digit - b'0');
                if number > groups {
                    return Err(fault(format!("names group {number}, the pattern has {groups}")));
                }
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal).into()));
                }
                parts.push(Part::Group(number));
            }
            _ => return Err(fault("has a `\\` that is followed by neither a digit nor `\\`".into())),
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Text(literal.into()));
    }
    Ok(parts.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn uri(matched: Option<&PathMatch>, uri: &str, cases: &[(&str, &str)]) {
        for (from, want) in cases {
            assert_eq!(PathRewrite::uri(matched, uri).apply(from), *want, "{from}");
        }
    }

    fn regex(pattern: &str, substitution: &str) -> PathRewrite {
        PathRewrite::regex(pattern, substitution, &Limits::new()).unwrap()
    }

    // ROUTE-RWR-01, ROUTE-RWR-04, ROUTE-RWR-05.
    #[test]
    fn prefixes_route_rwr_01_04_05() {
        uri(Some(&PathMatch::prefix("/foo")), "/", &[("/foo/a", "//a"), ("/foo", "/"), ("/foox?q", "/x?q")]);
        uri(Some(&PathMatch::prefix("/ns2/")), "/z", &[("/ns2/a", "/za")]);
        uri(Some(&PathMatch::prefix("/Svc/").ignore_case()), "/", &[("/sVC/aB", "/aB")]);
        uri(Some(&PathMatch::prefix("/a")), "b?c", &[("/a/x?y", "b?c/x?y")]);
    }

    // ROUTE-RWR-02, ROUTE-RWR-03.
    #[test]
    fn whole_paths_route_rwr_02_03() {
        uri(Some(&PathMatch::exact("/a")), "/b", &[("/a", "/b"), ("/a?q=1", "/b?q=1")]);
        let any = PathMatch::regex("/a/.*", &Limits::new()).unwrap();
        uri(Some(&any), "/b", &[("/a/x", "/b"), ("/a/x?q=1", "/b?q=1")]);
        uri(None, "/base", &[("/anything", "/baseanything")]);
    }

    // ROUTE-RWR-11.
    #[test]
    fn segments_route_rwr_11() {
        let gw = PathMatch::segment_prefix("/gw");
        uri(Some(&gw), "/", &[("/gw", "/"), ("/gw/", "/"), ("/gw/a", "/a"), ("/gw?q", "/?q")]);
        uri(Some(&gw), "/x/", &[("/gw", "/x"), ("/gw/a", "/x/a")]);
    }

    // ROUTE-RWR-06, ROUTE-RWR-07.
    #[test]
    fn regexes_route_rwr_06_07() {
        let service = regex("^/service/([^/]+)(/.*)$", r"/customprefix/\2/\1");
        assert_eq!(
            service.apply("/service/update/v1/api?x=/service/"),
            "/customprefix//v1/api/update?x=/service/"
        );
        assert!(matches!(service.apply("/other"), Cow::Borrowed("/other")));
        assert_eq!(regex("x*", "-").apply("/zero/xx"), "-/-z-e-r-o-/-");
        assert_eq!(regex("a|ab", "_").apply("/abab"), "/_b_b", "leftmost first");
        assert_eq!(regex("(a)|b", r"[\1\0$1\\]").apply("/ab"), r"/[aa$1\][b$1\]");
        assert_eq!(regex("^/a", "/b").apply("/a/a"), "/b/a", "`^` is the start of the path");
    }

    // ROUTE-RWR-06.
    #[test]
    fn refused_substitutions_route_rwr_06() {
        let message = |pattern: &str, text: &str| {
            PathRewrite::regex(pattern, text, &Limits::new()).unwrap_err().to_string()
        };
        assert_eq!(message("(a)", r"\2"), r"substitution `\2` names group 2, the pattern has 1");
        let escape = r"substitution `\x` has a `\` that is followed by neither a digit nor `\`";
        assert_eq!(message("a", r"\x"), escape);
        let error = PathRewrite::regex("(", "x", &Limits::new()).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::Pattern);
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "`(` does not compile: group not closed");
    }
}
