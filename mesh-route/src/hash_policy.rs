//! What of a request decides which endpoint it sticks to (ROUTE-ACT-10). The hashing is not done here.

use std::time::Duration;

use crate::{Headers, RequestHead};

/// The input of consistent hashing: the `consistentHash` of a DestinationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashPolicy {
    /// The value of a header; the name is lower-case.
    Header(Box<str>),
    /// The value of a cookie. With a `ttl`, a request without the cookie gets a new one.
    Cookie {
        /// The cookie's name, case-sensitive.
        name: Box<str>,
        /// The path a new cookie is for.
        path: Option<Box<str>>,
        /// How long a new cookie lives; zero is until the browser closes. Without it none is made.
        ttl: Option<Duration>,
    },
    /// The address of the client, which the caller knows.
    SourceIp,
    /// The first value of a query parameter, raw.
    QueryParameter(Box<str>),
}

impl HashPolicy {
    /// The value of a header.
    pub fn header(name: &str) -> Self {
        Self::Header(name.to_ascii_lowercase().into())
    }

    /// The text to hash, as far as the request head has it: `None` for the client's address and for what is
    /// missing. Of a repeated header, the first line counts.
    pub fn input<'r, H: Headers + ?Sized>(&'r self, head: &RequestHead<'r, H>) -> Option<&'r [u8]> {
        match self {
            Self::Header(name) => head.headers().first(name),
            Self::Cookie { name, .. } => head.headers().values("cookie").find_map(|line| cookie(line, name)),
            Self::QueryParameter(name) => crate::query::first_value(head.query()?, name).map(str::as_bytes),
            Self::SourceIp => None,
        }
    }
}

fn cookie<'l>(line: &'l [u8], name: &str) -> Option<&'l [u8]> {
    line.split(|byte| *byte == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-ACT-10.
    #[test]
    fn inputs_route_act_10() {
        let lines =
            [("X-User", "ann"), ("x-user", "bob"), ("cookie", "a=1; sid=\"7\""), ("cookie", "sid=8;x")];
        let head = RequestHead::new("GET", "", "/?k=v&k=w", &lines);
        let cookie = |name: &str| HashPolicy::Cookie { name: name.into(), path: None, ttl: None };
        assert_eq!(HashPolicy::header("X-USER").input(&head), Some(&b"ann"[..]));
        assert_eq!(cookie("sid").input(&head), Some(&b"7"[..]));
        assert_eq!(cookie("s").input(&head), None);
        assert_eq!(HashPolicy::QueryParameter("k".into()).input(&head), Some(&b"v"[..]));
        assert_eq!(HashPolicy::SourceIp.input(&head), None);
    }
}
