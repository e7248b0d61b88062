//! Routing by claims (AUTHZ-JWT-32).

use crate::claims::Claims;

/// Starts the name of a header match that is about a claim, in any letter case.
const PREFIX: &str = "@request.auth.claims";

/// A claim that a route of a gateway matches on in the place of a header: `@request.auth.claims.group`, or
/// `@request.auth.claims[o.k]` for names with dots (AUTHZ-JWT-32).
///
/// The embedder asks it with the route's own string match. Istio allows such routes on gateways only, where they are
/// looked up again after the token has been verified.
///
/// ```
/// use mesh_authz::{Claims, Value};
/// use mesh_authz::jwt::ClaimHeader;
///
/// let claims = Claims::new().claim("group", Value::list(["dev", "ops"]));
/// let header = ClaimHeader::parse("@request.auth.claims.group").unwrap();
/// assert!(header.matches(&claims, |value| value == b"ops"));
/// assert_eq!(ClaimHeader::parse("x-group"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimHeader {
    path: Vec<Box<str>>,
}

impl ClaimHeader {
    /// The claim that the header name `name` stands for; `None` if it is an ordinary header name, or names no claim.
    pub fn parse(name: &str) -> Option<Self> {
        let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return None;
        }
        let path: Vec<Box<str>> = if let Some(names) = rest.strip_prefix('.') {
            names.split('.').map(Box::from).collect()
        } else {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            inner.split("][").map(Box::from).collect()
        };
        path.iter().all(|name| !name.is_empty()).then_some(Self { path })
    }

    /// The names from the outermost object inwards.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map(|name| &**name)
    }

    /// Whether the claim is a string that passes `test`, or a list with such a string (AUTHZ-COND-05).
    pub fn matches(&self, claims: &Claims, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        claims.at(&self.path).is_some_and(|value| value.any_string(&mut test))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Value;

    #[test]
    fn names() {
        // AUTHZ-JWT-32
        let cases: [(&str, Option<&[&str]>); 11] = [
            ("@request.auth.claims.a", Some(&["a"])),
            ("@request.auth.claims.a.b", Some(&["a", "b"])),
            ("@Request.Auth.Claims.A", Some(&["A"])),
            ("@request.auth.claims[a]", Some(&["a"])),
            ("@request.auth.claims[a.x][b]", Some(&["a.x", "b"])),
            ("@request.auth.claims", None),
            ("@request.auth.claims.", None),
            ("@request.auth.claims[]", None),
            ("@request.auth.claims[a", None),
            ("@request.auth.claimsa", None),
            ("authorization", None),
        ];
        for (name, expected) in cases {
            let path =
                ClaimHeader::parse(name).map(|header| header.path().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(path, expected.map(|path| path.iter().map(ToString::to_string).collect()), "{name}");
        }
    }

    #[test]
    fn strings_and_lists_match() {
        // AUTHZ-JWT-32, AUTHZ-COND-05
        let claims = Claims::new()
            .claim("o", Value::object([("k", "v".into())]))
            .claim("o.k", "w")
            .claim("n", Value::Other);
        let is = |name: &str, text: &str| {
            ClaimHeader::parse(name).unwrap().matches(&claims, |value| value == text.as_bytes())
        };
        assert!(is("@request.auth.claims.o.k", "v"));
        assert!(is("@request.auth.claims[o.k]", "w"));
        assert!(!is("@request.auth.claims.o.K", "v"), "claims are matched in their own letter case");
        assert!(!ClaimHeader::parse("@request.auth.claims.n").unwrap().matches(&claims, |_| true));
    }
}
