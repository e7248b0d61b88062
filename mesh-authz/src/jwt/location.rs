//! Where a rule looks for tokens (AUTHZ-JWT-10 to 14).

use crate::headers::Headers;
use crate::request::HttpAttributes;

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A header, its name in lower case, and what must stand in front of the token; empty: the value is the token.
    Header { name: String, prefix: String },
    /// A parameter of the query.
    Param(String),
    /// A cookie.
    Cookie(String),
}

/// A token and where it was.
#[derive(Debug)]
pub(crate) struct Found<'r> {
    pub(crate) place: &'r Place,
    pub(crate) token: Vec<u8>,
}

impl Place {
    /// `Authorization: Bearer TOKEN`, then `?access_token=TOKEN` (AUTHZ-JWT-10).
    pub(crate) fn defaults() -> Vec<Self> {
        vec![
            Self::Header { name: "authorization".into(), prefix: "Bearer ".into() },
            Self::Param("access_token".into()),
        ]
    }

    /// Adds the tokens at this place. Headers called as one of `stripped` do not count: they are gone before any
    /// token is looked for (AUTHZ-JWT-31).
    pub(crate) fn tokens<'r>(
        &'r self,
        http: &HttpAttributes<'_>,
        stripped: &[String],
        into: &mut Vec<Found<'r>>,
    ) {
        let mut add = |token| into.push(Found { place: self, token });
        match self {
            Self::Header { name, .. } if stripped.contains(name) => {}
            Self::Header { name, prefix } => {
                header_values(http.headers, name, &mut |value| {
                    if let Some(token) = after_prefix(value, prefix.as_bytes()) {
                        add(token.to_vec());
                    }
                });
            }
            Self::Param(name) => {
                let (_, query, _) = split_path(http.path_and_query);
                let mut params = params(query.unwrap_or_default());
                if let Some(param) = params.find(|param| param.is_called(name)) {
                    add(percent_decoded(param.value).collect());
                }
            }
            Self::Cookie(_) if stripped.iter().any(|name| name == "cookie") => {}
            Self::Cookie(name) => {
                if let Some(value) = cookie(http.headers, name.as_bytes()) {
                    add(value);
                }
            }
        }
    }
}

/// Each line of a header is a value; those of `Authorization` are one, with commas between them (AUTHZ-JWT-13).
fn header_values(headers: &dyn Headers, name: &str, take: &mut dyn FnMut(&[u8])) {
    if name != "authorization" {
        headers.any(name, &mut |value| {
            take(value);
            false
        });
        return;
    }
    let mut folded: Option<Vec<u8>> = None;
    headers.any(name, &mut |value| {
        match &mut folded {
            None => folded = Some(value.to_vec()),
            Some(folded) => {
                folded.push(b',');
                folded.extend_from_slice(value);
            }
        }
        false
    });
    if let Some(value) = folded {
        take(&value);
    }
}

/// What follows the first `prefix`, from the first character on that a token can have (AUTHZ-JWT-11). `None` if the
/// prefix does not occur. If nothing like a token follows, the whole value stands for one, so that it is refused.
fn after_prefix<'v>(value: &'v [u8], prefix: &[u8]) -> Option<&'v [u8]> {
    if prefix.is_empty() {
        return Some(value);
    }
    let rest = value.get(memchr::memmem::find(value, prefix)? + prefix.len()..)?;
    let start = rest.iter().position(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    Some(start.and_then(|start| rest.get(start..)).unwrap_or(value))
}

/// The path, the query without `?`, and the fragment with `#`.
fn split_path(path: &[u8]) -> (&[u8], Option<&[u8]>, &[u8]) {
    let end = memchr::memchr(b'#', path).unwrap_or(path.len());
    let (path, fragment) = path.split_at_checked(end).unwrap_or((path, &[]));
    match memchr::memchr(b'?', path) {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..), fragment),
        None => (path, None, fragment),
    }
}

/// One parameter of a query, as it is written (AUTHZ-JWT-14).
struct Param<'q> {
    whole: &'q [u8],
    name: &'q [u8],
    value: &'q [u8],
}

impl Param<'_> {
    fn is_called(&self, name: &str) -> bool {
        percent_decoded(self.name).eq(name.bytes())
    }
}

fn params(query: &[u8]) -> impl Iterator<Item = Param<'_>> {
    query.split(|b| *b == b'&').map(|whole| {
        let end = memchr::memchr(b'=', whole).unwrap_or(whole.len());
        let name = whole.get(..end).unwrap_or_default();
        Param { whole, name, value: whole.get(end + 1..).unwrap_or_default() }
    })
}

/// `%XX` decoded; what is no such escape stays. A plus stays a plus.
fn percent_decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        let escape = match after {
            [high, low, ..] if byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let Some((high, low)) = escape else {
            rest = after;
            return Some(byte);
        };
        rest = after.get(2..).unwrap_or_default();
        Some(high << 4 | low)
    })
}

/// The path without the parameters called as one of `names`; every one of them, so that no second token goes on to
/// the upstream. What is left keeps its order and spelling. Without parameters the `?` goes as well.
pub(crate) fn without_params(path: &[u8], names: &[&str]) -> Vec<u8> {
    let (before, query, fragment) = split_path(path);
    let mut out = before.to_vec();
    let removed = |param: &Param<'_>| names.iter().any(|name| param.is_called(name));
    let mut separator = b'?';
    for param in params(query.unwrap_or_default()).filter(|param| !param.whole.is_empty() && !removed(param))
    {
        out.push(separator);
        out.extend_from_slice(param.whole);
        separator = b'&';
    }
    out.extend_from_slice(fragment);
    out
}

/// The first cookie of that name, without the quotes around its value.
fn cookie(headers: &dyn Headers, name: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    headers.any("cookie", &mut |line| {
        found = line.split(|b| *b == b';').find_map(|pair| {
            let pair = pair.trim_ascii();
            let at = memchr::memchr(b'=', pair)?;
            let value = pair.get(at + 1..)?;
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            (pair.get(..at)? == name).then(|| inner.unwrap_or(value).to_vec())
        });
        found.is_some()
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(place: &Place, path: &str, headers: &dyn Headers) -> Vec<String> {
        let http = HttpAttributes::new("GET", path).headers(headers);
        let mut found = Vec::new();
        place.tokens(&http, &[], &mut found);
        found.into_iter().map(|found| String::from_utf8(found.token).unwrap()).collect()
    }

    fn header(name: &str, prefix: &str) -> Place {
        Place::Header { name: name.into(), prefix: prefix.into() }
    }

    #[test]
    fn bearer() {
        // AUTHZ-JWT-11, AUTHZ-JWT-12
        let cases: [(&str, &[&str]); 9] = [
            ("Bearer a.b.c", &["a.b.c"]),
            ("bearer a.b.c", &[]),
            ("Basic a.b.c", &[]),
            ("xx Bearer a.b.c", &["a.b.c"]),
            ("Bearer   a.b.c", &["a.b.c"]),
            ("Bearer a.b.c junk", &["a.b.c junk"]),
            ("Bearer", &[]),
            ("Bearer ,,", &["Bearer ,,"]),
            ("", &[]),
        ];
        for (value, expected) in cases {
            assert_eq!(tokens(&Place::defaults()[0], "/", &[("Authorization", value)]), expected, "{value}");
        }
    }

    #[test]
    fn without_prefix_the_whole_value() {
        // AUTHZ-JWT-12
        assert_eq!(tokens(&header("x-a", ""), "/", &[("x-a", "a b")]), ["a b"]);
        assert_eq!(tokens(&header("x-a", ""), "/", &[("x-a", "")]), [""]);
        assert_eq!(tokens(&header("x-a", ""), "/", &[("x-b", "a")]), [""; 0]);
    }

    #[test]
    fn repeated_lines() {
        // AUTHZ-JWT-13
        let lines = [("x-a", "Bearer 1"), ("x-a", "2"), ("X-A", "Bearer 3")];
        assert_eq!(tokens(&header("x-a", "Bearer "), "/", &lines), ["1", "3"]);
        let lines = [("authorization", "Bearer 1"), ("authorization", "Bearer 2")];
        assert_eq!(tokens(&Place::defaults()[0], "/", &lines), ["1,Bearer 2"]);
    }

    #[test]
    fn query_parameters() {
        // AUTHZ-JWT-14
        let cases: [(&str, &[&str]); 8] = [
            ("/p?x=1&access_token=a.b&access_token=c", &["a.b"]),
            ("/p?access%5ftoken=a%2Eb%zz+%4", &["a.b%zz+%4"]),
            ("/p?Access_token=a", &[]),
            ("/p?access_token=", &[""]),
            ("/p?access_token", &[""]),
            ("/p?access_token=a=b", &["a=b"]),
            ("/p#?access_token=a", &[]),
            ("/p", &[]),
        ];
        for (path, expected) in cases {
            assert_eq!(tokens(&Place::defaults()[1], path, &crate::NoHeaders), expected, "{path}");
        }
    }

    #[test]
    fn cookies() {
        // AUTHZ-JWT-14
        let lines = [("cookie", "a=1; T=no ;t=\"x.y\"; t=2"), ("cookie", "u=3; v=")];
        let of = |name: &str| tokens(&Place::Cookie(name.into()), "/", &lines);
        assert_eq!((of("t"), of("u"), of("v")), (vec!["x.y".into()], vec!["3".into()], vec![String::new()]));
        assert_eq!(of("w"), [""; 0]);
    }

    #[test]
    fn parameters_are_removed() {
        // AUTHZ-JWT-15
        let cases = [
            ("/p?access_token=a", "/p"),
            ("/p?x=1&access_token=a&y", "/p?x=1&y"),
            ("/p?access%5Ftoken=a&x=%41&access_token=b#f", "/p?x=%41#f"),
            ("/p?x=1", "/p?x=1"),
            ("/p", "/p"),
        ];
        for (path, expected) in cases {
            let left = without_params(path.as_bytes(), &["access_token"]);
            assert_eq!(String::from_utf8(left).unwrap(), expected);
        }
    }

    #[test]
    fn stripped_headers_hold_no_token() {
        // AUTHZ-JWT-31
        let http_headers = [("x-a", "a.b.c"), ("cookie", "t=1")];
        let http = HttpAttributes::new("GET", "/").headers(&http_headers);
        let mut found = Vec::new();
        let stripped = ["x-a".to_owned(), "cookie".to_owned()];
        let (place, cookie) = (header("x-a", ""), Place::Cookie("t".into()));
        place.tokens(&http, &stripped, &mut found);
        cookie.tokens(&http, &stripped, &mut found);
        assert!(found.is_empty());
    }
}
