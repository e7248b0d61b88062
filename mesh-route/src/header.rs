//! Header conditions: `headers` and `withoutHeaders`.

use crate::head::{Headers, RequestHead};
use crate::index;
use crate::string_match::StringMatch;

#[derive(Clone, Debug)]
pub(crate) struct HeaderMatch {
    pub(crate) subject: Subject,
    pub(crate) value: StringMatch,
    pub(crate) invert: bool,
}

/// What a header key addresses (ROUTE-MATCH-27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Method,
    Scheme,
    Authority,
    /// With the query.
    Path,
    /// A header line; the name is lower-case.
    Line(Box<str>),
}

impl Subject {
    fn new(key: &str) -> Self {
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            ":method" => Self::Method,
            ":scheme" => Self::Scheme,
            ":authority" | "host" => Self::Authority,
            ":path" => Self::Path,
            // `method`, `uri`, `scheme` and `authority` without a colon are ordinary names.
            _ => Self::Line(key.into()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Method => ":method",
            Self::Scheme => ":scheme",
            Self::Authority => ":authority",
            Self::Path => ":path",
            Self::Line(name) => name,
        }
    }
}

impl HeaderMatch {
    pub(crate) fn new(key: &str, value: StringMatch, invert: bool) -> Self {
        Self { subject: Subject::new(key), value, invert }
    }

    /// What must have which value, if only one will do.
    pub(crate) fn exact(&self) -> Option<(index::Subject<'_>, &[u8])> {
        let subject = match &self.subject {
            Subject::Method => index::Subject::Method,
            Subject::Scheme => index::Subject::Scheme,
            Subject::Authority => index::Subject::Authority,
            Subject::Path => index::Subject::Target,
            Subject::Line(name) => index::Subject::Header(name),
        };
        if self.invert { None } else { Some((subject, self.value.exact_text()?)) }
    }

    pub(crate) fn holds<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> bool {
        let matched = match &self.subject {
            Subject::Method => self.value.matches(head.method().as_bytes()),
            Subject::Scheme => self.value.matches(head.scheme().as_bytes()),
            Subject::Authority => self.value.matches(head.authority().as_bytes()),
            Subject::Path => self.value.matches(head.path_and_query().as_bytes()),
            Subject::Line(name) => {
                let mut lines = head.headers().values(name);
                if !self.invert || self.value.is_presence() {
                    // A missing header fails every kind (ROUTE-MATCH-22).
                    lines.any(|line| self.value.matches(line))
                } else {
                    // But under inversion a value kind sees an empty text instead (ROUTE-MATCH-26).
                    let mut lines = lines.peekable();
                    if lines.peek().is_none() {
                        self.value.matches(b"")
                    } else {
                        lines.any(|line| self.value.matches(line))
                    }
                }
            }
        };
        matched != self.invert
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Limits;

    fn regex(pattern: &str) -> StringMatch {
        StringMatch::regex(pattern, &Limits::new()).unwrap()
    }

    fn holds(key: &str, value: StringMatch, invert: bool, lines: &[(&str, &str)]) -> bool {
        let head = RequestHead::new("GET", "X.com:81", "/p?q=1", lines).with_scheme("https");
        HeaderMatch::new(key, value, invert).holds(&head)
    }

    // ROUTE-MATCH-25.
    #[test]
    fn without_headers_route_match_25() {
        // Columns: missing, present and empty, `v`, another value that starts with `v`, another value.
        let table: [(&str, StringMatch, [bool; 5]); 5] = [
            ("exact v", StringMatch::exact("v"), [true, true, false, true, true]),
            ("exact empty", StringMatch::exact(""), [false, false, true, true, true]),
            ("prefix v", StringMatch::prefix("v"), [true, true, false, false, true]),
            ("regex .*", regex(".*"), [false; 5]),
            ("regex *", regex("*"), [true, false, false, false, false]),
        ];
        let lines: [&[(&str, &str)]; 5] = [&[], &[("x", "")], &[("x", "v")], &[("x", "vw")], &[("x", "w")]];
        for (name, value, want) in table {
            let got = lines.map(|lines| holds("x", value.clone(), true, lines));
            assert_eq!(got, want, "{name}");
        }
        assert_eq!(
            lines.map(|lines| holds("x", StringMatch::present(), true, lines)),
            [true, false, false, false, false]
        );
    }

    // ROUTE-MATCH-22.
    #[test]
    fn a_missing_header_fails_every_kind_route_match_22() {
        for value in
            [StringMatch::exact(""), StringMatch::prefix(""), regex(".*"), StringMatch::present(), regex("*")]
        {
            assert!(!holds("x", value.clone(), false, &[]), "{value}");
            assert!(holds("x", value.clone(), false, &[("x", "")]), "{value}");
        }
    }

    // ROUTE-MATCH-23.
    #[test]
    fn repeated_lines_route_match_23() {
        let lines = [("x", "v"), ("X", "w")];
        assert!(holds("x", StringMatch::exact("w"), false, &lines));
        assert!(!holds("x", StringMatch::exact("v,w"), false, &lines), "the joined text is not tried");
        assert!(!holds("x", StringMatch::exact("w"), true, &lines), "not any, under inversion");
        assert!(!holds("x", StringMatch::exact("v"), false, &[("x", "v,w")]));
    }

    // ROUTE-MATCH-21, ROUTE-MATCH-27, ROUTE-MATCH-28.
    #[test]
    fn keys_route_match_21_27_28() {
        assert!(holds("X-User", StringMatch::exact("ann"), false, &[("x-uSER", "ann")]), "names fold");
        assert!(!holds("x-user", StringMatch::exact("Ann"), false, &[("x-user", "ann")]), "values do not");
        assert!(holds(":method", StringMatch::exact("GET"), false, &[]));
        assert!(holds(":scheme", StringMatch::exact("https"), false, &[]));
        assert!(holds(":path", StringMatch::exact("/p?q=1"), false, &[]), "with the query");
        assert!(holds("Host", StringMatch::exact("X.com:81"), false, &[]), "raw, with port");
        assert!(!holds("host", StringMatch::exact("x.com"), false, &[]));
        assert!(!holds("host", StringMatch::exact("y"), false, &[("host", "y")]), "the authority decides");
        assert!(!holds("method", StringMatch::exact("GET"), false, &[]), "an ordinary name");
        assert!(holds("authority", StringMatch::exact("a"), false, &[("authority", "a")]));
    }
}
