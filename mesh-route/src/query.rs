//! Query parameter conditions.

use crate::string_match::StringMatch;

#[derive(Clone, Debug)]
pub(crate) struct QueryMatch {
    pub(crate) name: Box<str>,
    pub(crate) value: StringMatch,
}

impl QueryMatch {
    pub(crate) fn new(name: &str, value: StringMatch) -> Self {
        Self { name: name.into(), value }
    }

    pub(crate) fn holds(&self, query: Option<&str>) -> bool {
        query
            .and_then(|query| first_value(query, &self.name))
            .is_some_and(|value| self.value.matches(value.as_bytes()))
    }
}

/// The raw value of the first parameter of that name (ROUTE-MATCH-40 to ROUTE-MATCH-44).
pub(crate) fn first_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|piece| {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        (key == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{NoHeaders, RequestHead};
    use crate::pattern::Limits;

    fn holds(value: &StringMatch, target: &str) -> bool {
        QueryMatch::new("k", value.clone()).holds(RequestHead::new("GET", "", target, &NoHeaders).query())
    }

    // ROUTE-MATCH-40..44.
    #[test]
    fn values_route_match_40_to_44() {
        let exact = |text: &str| StringMatch::exact(text);
        let regex = |text: &str| StringMatch::regex(text, &Limits::new()).unwrap();
        for (value, target, want) in [
            (exact("1"), "/p?k=1", true),
            (exact("1"), "/p?k=1&k=2", true),
            (exact("1"), "/p?k=2&k=1", false),
            (exact("1"), "/p?K=1", false),
            (exact("1"), "/p?k=%31", false),
            (exact("1"), "/p?%6b=1", false),
            (exact("a b"), "/p?k=a+b", false),
            (exact(""), "/p?k", true),
            (exact(""), "/p?k=", true),
            (exact(""), "/p?a=1&k", true),
            (exact(""), "/p?", false),
            (exact(""), "/p", false),
            (exact("1;x=2"), "/p?k=1;x=2", true),
            (exact("=1"), "/p?k==1", true),
            (exact("1"), "/x?a?k=1", false),
            (StringMatch::present(), "/p?k", true),
            (StringMatch::present(), "/p?kk=1", false),
            (regex("*"), "/p?k=any", true),
            (regex("[0-9]+"), "/p?k=12", true),
            (regex("[0-9]+"), "/p?k=12a", false),
            (StringMatch::prefix("v"), "/p?k=v1", true),
            (StringMatch::prefix("v"), "/p?k", false),
        ] {
            assert_eq!(holds(&value, target), want, "{value} on {target}");
        }
        assert_eq!(first_value("a?k=1", "a?k"), Some("1"));
    }
}
