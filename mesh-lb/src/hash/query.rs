//! The query parameter a request is hashed by.

/// The raw value of the first parameter with this name; an empty one for `k=` and for a bare `k` (LB-HASH-07).
pub(crate) fn query_parameter<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query.split(|&byte| byte == b'&').find_map(|piece| {
        let equals = piece.iter().position(|&byte| byte == b'=');
        let (key, value) = match equals.and_then(|at| piece.split_at_checked(at)) {
            Some((key, value)) => (key, value.get(1..).unwrap_or_default()),
            None => (piece, [].as_slice()),
        };
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_raw_value_counts() {
        // LB-HASH-07
        let cases: [(&[u8], Option<&[u8]>); 8] = [
            (b"a=1&k=x&z=2", Some(b"x")),
            (b"k=x&k=y", Some(b"x")),
            (b"k=", Some(b"")),
            (b"k", Some(b"")),
            (b"k=%20a=b", Some(b"%20a=b")),
            (b"K=x", None),
            (b"", None),
            (b"&&kk=1&=k", None),
        ];
        for (query, want) in cases {
            assert_eq!(query_parameter(query, b"k"), want, "{}", String::from_utf8_lossy(query));
        }
    }
}
