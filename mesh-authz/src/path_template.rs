//! Path templates: `{*}` for one segment, `{**}` for any number.

const ONE: &str = "{*}";
const ANY: &str = "{**}";

/// Whether a value of `paths` is meant as a template (AUTHZ-PATH-08).
pub(crate) fn is_template(value: &str) -> bool {
    value.contains(ONE) || value.contains(ANY)
}

/// Whether a template is well formed (AUTHZ-PATH-09).
pub(crate) fn is_valid(template: &str) -> bool {
    let mut any_seen = false;
    template.trim_matches('/').split('/').all(|segment| match segment {
        ONE => !any_seen,
        ANY => !std::mem::replace(&mut any_seen, true),
        literal => !literal.is_empty() && literal.bytes().all(is_literal),
    })
}

/// Characters of a literal segment. Other than operators, literals have no `*`.
fn is_literal(byte: u8) -> bool {
    byte != b'*' && is_operator_content(byte)
}

/// Characters that an operator takes (AUTHZ-PATH-10).
fn is_operator_content(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=*".contains(&byte)
}

/// Whether `path`, without its query, matches a valid template as a whole (AUTHZ-PATH-08,
/// AUTHZ-PATH-11). Linear in the length of the path: an operator fills a segment, and nothing but
/// literals follows `{**}`, so there is never a choice to come back to.
pub(crate) fn matches(template: &[u8], path: &[u8]) -> bool {
    let (mut template, mut path) = (template, path);
    while let Some(at) = memchr::memchr(b'{', template) {
        let (literal, operator) = template.split_at(at);
        let Some(rest) = path.strip_prefix(literal) else { return false };
        if let Some(tail) = operator.strip_prefix(ANY.as_bytes()) {
            let content = rest.strip_suffix(tail);
            return content.is_some_and(|c| c.iter().all(|&b| b == b'/' || is_operator_content(b)));
        }
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let (segment, rest) = rest.split_at(end);
        if segment.is_empty() || !segment.iter().copied().all(is_operator_content) {
            return false;
        }
        template = operator.strip_prefix(ONE.as_bytes()).unwrap_or_default();
        path = rest;
    }
    template == path
}

/// The literal in front of the first operator: every matching path starts with it.
pub(crate) fn literal_prefix(template: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'{', template).unwrap_or(template.len());
    template.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slash_arithmetic_is_literal() {
        // AUTHZ-PATH-11, AUTHZ-PATH-10, AUTHZ-CASE-44 to AUTHZ-CASE-48
        for (template, path, want) in [
            ("/f/{**}", "/f/", true),
            ("/f/{**}", "/f/a/b", true),
            ("/f/{**}", "/f", false),
            ("/s/{**}/c", "/s//c", true),
            ("/s/{**}/c", "/s/a/c", true),
            ("/s/{**}/c", "/s/a/b/c", true),
            ("/s/{**}/c", "/s/c", false),
            ("/{**}/x", "/x", false),
            ("/a/{**}/", "/a/b", false),
            ("/a/{**}/", "/a/b/", true),
            ("/u/{*}", "/u/", false),
            ("/u/{*}", "/u/a", true),
            ("/u/{*}", "/u/a/", false),
            ("/u/{*}/p", "/u/7/p", true),
            ("/u/{*}/p", "/u/7/8/p", false),
            ("/u/{*}", "/u/a[1]", false),
            ("/u/{*}", "/u/a*%5B", true),
            ("/u/{*}", "/u/a|b", false),
            ("/{*}/{*}/{**}", "/a/b/", true),
            ("/{*}/{*}/{**}", "/a/b", false),
        ] {
            assert!(is_template(template) && is_valid(template), "{template}");
            assert_eq!(matches(template.as_bytes(), path.as_bytes()), want, "{template} {path}");
        }
    }

    #[test]
    fn templates_that_are_refused() {
        // AUTHZ-PATH-09
        for template in [
            "/{**}/{*}",
            "/{**}/{**}",
            "/a{*}",
            "/{*}b",
            "/{*}/{a}",
            "/{*}/*",
            "/a//{*}",
            "/{*}{*}",
            "/{*}/a b",
            "*/{*}",
        ] {
            assert!(is_template(template) && !is_valid(template), "{template}");
        }
    }
}
