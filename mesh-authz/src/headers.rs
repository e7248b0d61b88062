//! Access to the headers of a request, wherever the embedder keeps them.

/// The header lines of a request.
///
/// The evaluator asks for one name at a time and wants every line of that name, because each line's
/// value is tested on its own (AUTHZ-HDR-02). Pseudo headers are not asked for; they are
/// [`HttpAttributes`](crate::HttpAttributes).
///
/// Implemented for slices of name and value, and for `http::HeaderMap` with the feature `http`.
pub trait Headers: Sync {
    /// Calls `test` with the value of each line called `name` until it returns true, and returns whether
    /// it did.
    ///
    /// `name` is in lower case; the names of the request match it in any case. Must not panic.
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// No headers at all.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "there is nothing to add to nothing")]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

impl<N, V> Headers for [(N, V)]
where
    N: AsRef<str> + Sync,
    V: AsRef<[u8]> + Sync,
{
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.iter().any(|(n, v)| n.as_ref().eq_ignore_ascii_case(name) && test(v.as_ref()))
    }
}

impl<N, V, const LINES: usize> Headers for [(N, V); LINES]
where
    N: AsRef<str> + Sync,
    V: AsRef<[u8]> + Sync,
{
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.as_slice().any(name, test)
    }
}

impl<N, V> Headers for Vec<(N, V)>
where
    N: AsRef<str> + Sync,
    V: AsRef<[u8]> + Sync,
{
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.as_slice().any(name, test)
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.get_all(name).iter().any(|value| test(value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(headers: &dyn Headers, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        headers.any(name, &mut |value| {
            found.push(String::from_utf8_lossy(value).into_owned());
            false
        });
        found
    }

    #[test]
    fn every_line_of_a_name_in_any_case() {
        // AUTHZ-HDR-01, AUTHZ-HDR-02
        let lines = [("X-A", "1"), ("x-b", "2"), ("x-a", "3, 4")];
        assert_eq!(values(&lines, "x-a"), ["1", "3, 4"]);
        assert_eq!(values(&lines.to_vec(), "x-b"), ["2"]);
        assert_eq!(values(&NoHeaders, "x-a"), [""; 0]);
        let mut asked = 0;
        assert!(lines.any("x-a", &mut |_| {
            asked += 1;
            true
        }));
        assert_eq!(asked, 1, "the first hit ends the search");
    }

    #[cfg(feature = "http")]
    #[test]
    fn header_map() {
        let mut map = http::HeaderMap::new();
        map.append("X-A", http::HeaderValue::from_static("1"));
        map.append("x-a", http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(values(&map, "x-a"), ["1", "\u{fffd}"]);
        assert_eq!(values(&map, "not a name"), [""; 0]);
    }
}
