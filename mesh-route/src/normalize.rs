//! Path normalization, before everything else (section 3.5 of the reference).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The mesh's `pathNormalization`.
///
/// | mode | dot segments, unreserved escapes | merges `//` | `%2F`, `%5C` |
/// |---|---|---|---|
/// | `None` | kept | no | kept |
/// | `Base` (the default) | resolved, decoded | no | kept |
/// | `MergeSlashes` | resolved, decoded | yes | kept |
/// | `DecodeAndMergeSlashes` | resolved, decoded | yes | decoded first |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathNormalization {
    /// The path is taken as it comes.
    None,
    /// What Istio's `DEFAULT` and `BASE` mean.
    #[default]
    Base,
    /// `Base`, then runs of slashes become one.
    MergeSlashes,
    /// Escaped slashes are decoded, then `MergeSlashes`.
    DecodeAndMergeSlashes,
}

/// A request target to be answered with status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetError {
    /// There is a `#` (ROUTE-PATH-02).
    Fragment,
    /// The path has a `%00` (ROUTE-PATH-04).
    EscapedNul,
    /// There is a blank, a control character or a byte above 0x7F (ROUTE-PATH-05).
    InvalidByte,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragment => "request target contains `#`",
            Self::EscapedNul => "path contains `%00`",
            Self::InvalidByte => "request target contains a blank, a control character or a byte above 0x7F",
        })
    }
}

impl Error for TargetError {}

/// Brings the path of a request target into the form that is matched, rewritten, logged and forwarded
/// (ROUTE-PATH-01). The query is never changed.
///
/// Borrows when nothing changes, after one pass over the bytes. Applying it twice gives the same as once.
/// A target that does not start with `/` (`*` of OPTIONS) is returned as it is; no rule matches it.
///
/// # Errors
/// [`TargetError`] for targets Envoy answers with 400, in every mode.
///
/// # Examples
/// ```
/// use mesh_route::{PathNormalization, normalize_path};
///
/// assert_eq!(normalize_path("/x/../%61dmin?a=/../b", PathNormalization::Base)?, "/admin?a=/../b");
/// assert_eq!(normalize_path("//a", PathNormalization::MergeSlashes)?, "/a");
/// # Ok::<(), mesh_route::TargetError>(())
/// ```
pub fn normalize_path(raw: &str, mode: PathNormalization) -> Result<Cow<'_, str>, TargetError> {
    normalize(raw, mode, false)
}

/// Normalizes; on request, dot segments with parameters stay ([`Compat`](crate::Compat)).
pub(crate) fn normalize(
    raw: &str,
    mode: PathNormalization,
    keep_parameters: bool,
) -> Result<Cow<'_, str>, TargetError> {
    let (mut query_at, mut suspect, mut previous) = (None, false, 0);
    for (at, &byte) in raw.as_bytes().iter().enumerate() {
        match byte {
            b'#' => return Err(TargetError::Fragment),
            0..=b' ' | 0x7F.. => return Err(TargetError::InvalidByte),
            b'?' if query_at.is_none() => query_at = Some(at),
            // Only these can change a path: a dot after a slash, two slashes, and what is escaped or decoded.
            b'.' | b'/' | b'\\' => suspect |= query_at.is_none() && (previous == b'/' || byte == b'\\'),
            b'%' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => suspect |= query_at.is_none(),
            _ => {}
        }
        previous = byte;
    }
    if !suspect || mode == PathNormalization::None || !raw.starts_with('/') {
        return Ok(Cow::Borrowed(raw));
    }
    let (path, query) = raw.split_at_checked(query_at.unwrap_or(raw.len())).unwrap_or((raw, ""));
    let decode_slashes = mode == PathNormalization::DecodeAndMergeSlashes;
    let mut normalized = resolve_dots(&canonical(path, decode_slashes)?, keep_parameters);
    if mode != PathNormalization::Base {
        merge_slashes(&mut normalized);
    }
    if normalized == path {
        return Ok(Cow::Borrowed(raw));
    }
    normalized.push_str(query);
    Ok(Cow::Owned(normalized))
}

/// Backslashes turned, unreserved escapes decoded, unsafe characters escaped (ROUTE-PATH-04, ROUTE-PATH-05).
fn canonical(path: &str, decode_slashes: bool) -> Result<String, TargetError> {
    let mut out = String::with_capacity(path.len() + 8);
    // A `%` that starts no escape stays. When what follows it is decoded, it must not come to start one, or a
    // second pass would decode further: `%%36%31` becomes `%2561`, not `%61`.
    let mut stray_percent = None;
    let mut rest = path.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => out.push('/'),
            b'%' => match escape(rest.as_slice()) {
                Some(0) => return Err(TargetError::EscapedNul),
                Some(b'/' | b'\\') if decode_slashes => {
                    out.push('/');
                    let _digits = rest.nth(1);
                }
                Some(value) if is_unreserved(value) => {
                    out.push(char::from(value));
                    let _digits = rest.nth(1);
                }
                Some(_) => {
                    out.push('%');
                    for &digit in rest.by_ref().take(2) {
                        out.push(char::from(digit));
                    }
                }
                None => {
                    stray_percent = Some(out.len());
                    out.push('%');
                }
            },
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                use fmt::Write as _;
                let _infallible = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(byte)),
        }
        if let Some(at) = stray_percent
            && out.get(at + 1..).is_some_and(|tail| tail.len() == 2 && escape(tail.as_bytes()).is_some())
        {
            out.insert_str(at + 1, "25");
            stray_percent = None;
        }
    }
    Ok(out)
}

fn escape(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Resolves `.` and `..` segments, also those with path parameters (ROUTE-PATH-03, -06, -07).
// DIFFERENCE ROUTE-PATH-06: Envoy looks for dot segments with parameters before it decodes escapes and turns
// backslashes, so `/a/%2e%2e;/b` and `/a\..;/b` become `/a/..;/b`, which a second proxy or a server that drops
// parameters reads as `/b`. Here no such segment is left, and a policy sees what the server will serve.
fn resolve_dots(path: &str, keep_parameters: bool) -> String {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let name = segment.split_once(';').map_or(segment, |(name, _)| name);
        match if keep_parameters { segment } else { name } {
            // At the end, a dot segment leaves its slash.
            "." if last => out.push('/'),
            "." => {}
            ".." => {
                out.truncate(out.rfind('/').unwrap_or(0));
                if last {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    out
}

// DIFFERENCE ROUTE-PATH-08: of a path of slashes alone Envoy leaves two, as the first and the last. Here it is `/`, which is
// what it means.
pub(crate) fn merge_slashes(path: &mut String) {
    let mut previous = '\0';
    path.retain(|current| {
        let keep = current != '/' || previous != '/';
        previous = current;
        keep
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::PathNormalization::{
        Base, DecodeAndMergeSlashes as Decode, MergeSlashes as Merge, None as Raw,
    };
    use super::*;

    fn paths(mode: PathNormalization, cases: &[(&str, &str)]) {
        for (raw, want) in cases {
            assert_eq!(normalize_path(raw, mode).as_deref(), Ok(*want), "{mode:?} {raw}");
        }
    }

    // ROUTE-PATH-03, ROUTE-PATH-06, ROUTE-PATH-07, ROUTE-PATH-11.
    #[test]
    fn dots_route_path_03_06_07_11() {
        paths(
            Base,
            &[
                ("/a/../b", "/b"),
                ("/../a", "/a"),
                ("//a", "//a"),
                ("/a/...", "/a/..."),
                ("/.", "/"),
                ("/..", "/"),
                ("/a/b/..", "/a/"),
                ("/a/b/.", "/a/b/"),
                ("/a/./b", "/a/b"),
                ("/a//../b", "/a/b"),
                ("/a/b//..//c", "/a/b//c"),
                ("/a;b/c", "/a;b/c"),
                ("/a/..;x/b", "/b"),
                ("/a/.;/b", "/a/b"),
                ("/a/..;x", "/"),
                ("/.well-known/x", "/.well-known/x"),
                ("/a/..b", "/a/..b"),
                ("/", "/"),
            ],
        );
    }

    // ROUTE-PATH-04, ROUTE-PATH-05, ROUTE-PATH-11.
    #[test]
    fn characters_route_path_04_05_11() {
        paths(
            Base,
            &[
                ("/%61bc", "/abc"),
                ("/%7Euser", "/~user"),
                ("/a\\b", "/a/b"),
                ("/a%5C%2e%2e/b", "/a%5C../b"),
                ("/a/%2e%2e%2fb", "/a/..%2fb"),
                ("/a/%2e%2E/b", "/b"),
                ("/%2f%2F%252e%zz%2", "/%2f%2F%252e%zz%2"),
                ("/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D"),
                ("/!$&'()*+,:;=@[]", "/!$&'()*+,:;=@[]"),
                ("/%%36%31", "/%2561"),
                ("/%%361", "/%2561"),
                ("/%%41", "/%A"),
                ("/a%20b", "/a%20b"),
            ],
        );
    }

    // ROUTE-PATH-08, ROUTE-PATH-09.
    #[test]
    fn slashes_route_path_08_09() {
        paths(
            Merge,
            &[
                ("//a", "/a"),
                ("/a//b///", "/a/b/"),
                ("//", "/"),
                ("/a//../b", "/a/b"),
                ("/a%2F%2Fb", "/a%2F%2Fb"),
                ("/a?b=//c", "/a?b=//c"),
                ("//a?b=//c", "/a?b=//c"),
            ],
        );
        paths(
            Decode,
            &[
                ("/a%2F..%2Fb", "/b"),
                ("/a%5c..%5Cb", "/b"),
                ("/a%2f%2fb", "/a/b"),
                ("/%252F", "/%252F"),
                ("/%%32F", "/%252F"),
            ],
        );
        paths(Raw, &[("/a/../%61//b\\{", "/a/../%61//b\\{")]);
    }

    // ROUTE-PATH-01.
    #[test]
    fn the_query_stays_route_path_01() {
        paths(
            Base,
            &[("/a/../b?x=/../%61{", "/b?x=/../%61{"), ("/a?%00", "/a?%00"), ("/b?", "/b?"), ("*", "*")],
        );
    }

    // ROUTE-PATH-02, ROUTE-PATH-04, ROUTE-PATH-05.
    #[test]
    fn refused_route_path_02_04_05() {
        for mode in [Raw, Base, Merge, Decode] {
            assert_eq!(normalize_path("/e#f", mode), Err(TargetError::Fragment));
            assert_eq!(normalize_path("/e?a#f", mode), Err(TargetError::Fragment));
            assert_eq!(normalize_path("/a b", mode), Err(TargetError::InvalidByte));
            assert_eq!(normalize_path("/é", mode), Err(TargetError::InvalidByte));
            assert_eq!(normalize_path("/a\u{7f}", mode), Err(TargetError::InvalidByte));
        }
        for mode in [Base, Merge, Decode] {
            assert_eq!(normalize_path("/a%00b", mode), Err(TargetError::EscapedNul));
        }
    }

    #[test]
    fn nothing_is_copied_when_nothing_changes() {
        for raw in ["/a/b?c=d/../e", "/a.b/c..d", "/.well-known", "/a//b", "/%2F", "/a/..."] {
            assert!(matches!(normalize_path(raw, Base), Ok(Cow::Borrowed(_))), "{raw}");
        }
    }

    proptest! {
        /// ROUTE-PROP-05.
        #[test]
        fn twice_is_once(raw in "/[a2eEfF%./;\\\\?{0-9]{0,24}", mode in 0..4usize) {
            let mode = [Raw, Base, Merge, Decode][mode];
            if let Ok(once) = normalize_path(&raw, mode) {
                let twice = normalize_path(&once, mode);
                prop_assert_eq!(twice.as_deref(), Ok(&*once));
                let path = once.split('?').next().unwrap_or_default();
                prop_assert!(path.starts_with('/'));
                if mode != Raw {
                    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
                    prop_assert!(!path.split('/').any(dots), "{}", path);
                }
                if mode == Merge || mode == Decode {
                    prop_assert!(!path.contains("//"), "{}", path);
                }
            }
        }

        /// ROUTE-PROP-05, where dot segments with parameters stay.
        #[test]
        fn twice_is_once_in_the_old_reading(raw in "/[a2eEfF%./;\\\\?{0-9]{0,24}", mode in 0..4usize) {
            let mode = [Raw, Base, Merge, Decode][mode];
            if let Ok(once) = normalize(&raw, mode, true) {
                let twice = normalize(&once, mode, true);
                prop_assert_eq!(twice.as_deref(), Ok(&*once));
                let path = once.split('?').next().unwrap_or_default();
                if mode != Raw {
                    prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{}", path);
                }
                // The readings differ in such segments alone.
                if !raw.contains(';') {
                    let today = normalize(&raw, mode, false);
                    prop_assert_eq!(today.as_deref(), Ok(&*once));
                }
            }
        }

        #[test]
        fn never_panics(raw in any::<String>()) {
            for mode in [Raw, Base, Merge, Decode] {
                let _any = normalize_path(&raw, mode);
            }
        }
    }
}
