//! Claims of a verified token, addressed from header matches (ROUTE-MATCH-32).

use crate::string_match::StringMatch;

/// The claims of a token that was verified before routing.
///
/// Implemented by the embedder over whatever its token library yields.
pub trait Claims {
    /// Whether the claim at `path` is a string that passes `test`, or a list with such a string.
    ///
    /// A missing claim, and one of any other type, is `false`. The value is not split at blanks: that is the
    /// token step's business, and only for `scope` and `permission`.
    fn any_string(&self, path: &ClaimPath, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// The way to a claim through nested objects, such as `a` then `b` in `@request.auth.claims.a.b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath(Box<[Box<str>]>);

const START: &str = "@request.auth.claims";

impl ClaimPath {
    /// Reads a header key that addresses a claim: `@request.auth.claims` in any letter case, followed by
    /// `.a.b` or `[a][b]`. Anything else is an ordinary header key and yields `None`.
    ///
    /// # Examples
    /// ```
    /// use mesh_route::ClaimPath;
    ///
    /// let path = ClaimPath::from_header_key("@request.auth.claims[realm.access][roles]");
    /// let names: Vec<String> = path.iter().flat_map(|p| p.names()).map(String::from).collect();
    /// assert_eq!(names, ["realm.access", "roles"]);
    /// assert!(ClaimPath::from_header_key("@request.auth.claims").is_none());
    /// ```
    pub fn from_header_key(key: &str) -> Option<Self> {
        let (start, rest) = key.split_at_checked(START.len())?;
        if !start.eq_ignore_ascii_case(START) {
            return None;
        }
        let names: Option<Vec<Box<str>>> = if let Some(dotted) = rest.strip_prefix('.') {
            dotted.split('.').map(|name| (!name.is_empty()).then(|| name.into())).collect()
        } else {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            inner
                .split("][")
                .map(|name| (!name.is_empty() && !name.contains(['[', ']'])).then(|| name.into()))
                .collect()
        };
        Some(Self(names?.into_boxed_slice()))
    }

    /// The names on the way, outermost first; at least one.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// One claim condition of a rule.
#[derive(Clone, Debug)]
pub(crate) struct ClaimMatch {
    pub(crate) key: Box<str>,
    pub(crate) path: ClaimPath,
    pub(crate) value: StringMatch,
    pub(crate) invert: bool,
}

impl ClaimMatch {
    pub(crate) fn holds(&self, claims: Option<&dyn Claims>) -> bool {
        // There is no presence form for claims: it matches nothing, so a rule that asks for it fails closed.
        let matched = !self.value.is_presence()
            && claims.is_some_and(|claims| {
                claims.any_string(&self.path, &mut |text| self.value.matches(text.as_bytes()))
            });
        matched != self.invert
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static [&'static str], &'static [&'static str]);

    impl Claims for One {
        fn any_string(&self, path: &ClaimPath, test: &mut dyn FnMut(&str) -> bool) -> bool {
            path.names().eq(self.0.iter().copied()) && self.1.iter().any(|value| test(value))
        }
    }

    fn claim(key: &str, value: StringMatch, invert: bool) -> ClaimMatch {
        ClaimMatch { key: key.into(), path: ClaimPath::from_header_key(key).unwrap(), value, invert }
    }

    // ROUTE-MATCH-32.
    #[test]
    fn keys_route_match_32() {
        for (key, want) in [
            ("@request.auth.claims.a.b", Some(vec!["a", "b"])),
            ("@REQUEST.auth.Claims.a", Some(vec!["a"])),
            ("@request.auth.claims[a][b.c]", Some(vec!["a", "b.c"])),
            ("@request.auth.claims", None),
            ("@request.auth.claims.", None),
            ("@request.auth.claims.a..b", None),
            ("@request.auth.claims[]", None),
            ("@request.auth.claims[a", None),
            ("@request.auth.claims[a]b", None),
            ("@request.auth.claimsa", None),
            ("@request.auth.principal", None),
        ] {
            let got = ClaimPath::from_header_key(key);
            let got = got.as_ref().map(|path| path.names().collect::<Vec<_>>());
            assert_eq!(got, want, "{key}");
        }
    }

    // ROUTE-MATCH-32.
    #[test]
    fn values_route_match_32() {
        let list = One(&["groups"], &["dev", "ops"]);
        let key = "@request.auth.claims.groups";
        assert!(claim(key, StringMatch::exact("ops"), false).holds(Some(&list)));
        assert!(!claim(key, StringMatch::exact("qa"), false).holds(Some(&list)));
        assert!(claim(key, StringMatch::exact("qa"), true).holds(Some(&list)));
        assert!(!claim(key, StringMatch::exact("ops"), false).holds(None), "a missing claim is false");
        assert!(claim(key, StringMatch::exact("ops"), true).holds(None), "and true under withoutHeaders");
        assert!(!claim(key, StringMatch::present(), false).holds(Some(&list)), "no presence form");
    }
}
