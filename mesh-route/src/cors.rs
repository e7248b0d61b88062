//! Cross-origin requests (section 4.11 of the reference).

use std::time::Duration;

use crate::string_match::StringMatch;

/// A CORS policy of a forwarding route. Redirects and direct responses ignore theirs (ROUTE-CORS-01).
///
/// # Examples
/// ```
/// use mesh_route::{CorsDecision, CorsPolicy, StringMatch};
///
/// let policy = CorsPolicy::new().allow_origin(StringMatch::exact("https://cors.com")).allow_methods(["POST", "GET"]);
/// let CorsDecision::Preflight(reply) = policy.decide("OPTIONS", Some(b"https://cors.com"), Some(b"DELETE")) else {
///     panic!("a preflight is answered");
/// };
/// let headers: Vec<_> = reply.headers().collect();
/// assert_eq!(headers, [
///     ("access-control-allow-origin", &b"https://cors.com"[..]),
///     ("access-control-allow-methods", b"POST,GET"),
/// ]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CorsPolicy {
    origins: Vec<StringMatch>,
    any_origin: bool,
    methods: Option<Box<str>>,
    headers: Option<Box<str>>,
    expose: Option<Box<str>>,
    max_age: Option<Box<str>>,
    credentials: bool,
    ignore_unmatched: bool,
}

/// What CORS does to a request.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum CorsDecision<'p> {
    /// Nothing: forward, and leave the response alone.
    Nothing,
    /// Answer with 200, these headers and no body; do not forward.
    Preflight(CorsHeaders<'p>),
    /// Forward, and set these headers on the response, replacing the upstream's own of the same names; also on
    /// a reply the proxy makes because the cluster is missing (ROUTE-CORS-07).
    Forward(CorsHeaders<'p>),
}

/// Response headers to set. Names are lower-case.
#[derive(Clone, Copy, Debug)]
pub struct CorsHeaders<'p> {
    policy: &'p CorsPolicy,
    /// `None` for a preflight that is answered although its origin is not allowed.
    origin: Option<&'p [u8]>,
    preflight: bool,
}

impl CorsPolicy {
    /// A policy that allows no origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows origins; exactly `*` allows any. Compared to the full `Origin`, case-sensitive (ROUTE-CORS-02).
    #[must_use]
    pub fn allow_origin(mut self, origin: StringMatch) -> Self {
        self.any_origin |= origin.is_exactly(b"*");
        self.origins.push(origin);
        self
    }

    /// Sets `access-control-allow-methods`.
    #[must_use]
    pub fn allow_methods<S: AsRef<str>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods = joined(methods);
        self
    }

    /// Sets `access-control-allow-headers`.
    #[must_use]
    pub fn allow_headers<S: AsRef<str>>(mut self, headers: impl IntoIterator<Item = S>) -> Self {
        self.headers = joined(headers);
        self
    }

    /// Sets `access-control-expose-headers`.
    #[must_use]
    pub fn expose_headers<S: AsRef<str>>(mut self, headers: impl IntoIterator<Item = S>) -> Self {
        self.expose = joined(headers);
        self
    }

    /// Sets `access-control-max-age`, in whole seconds; the rest is cut off.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age.as_secs().to_string().into());
        self
    }

    /// Sends `access-control-allow-credentials: true`. Without, there is no such header (ROUTE-CORS-10).
    #[must_use]
    pub fn allow_credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// Answers a preflight from an origin that is not allowed instead of forwarding it
    /// (`unmatchedPreflights: IGNORE`, ROUTE-CORS-06).
    #[must_use]
    pub fn ignore_unmatched_preflights(mut self) -> Self {
        self.ignore_unmatched = true;
        self
    }

    /// Decides for one request, from its method and the headers `origin` and `access-control-request-method`.
    ///
    /// What a preflight asks for is not compared to the lists (ROUTE-CORS-05): the browser does that.
    pub fn decide<'p>(
        &'p self,
        method: &str,
        origin: Option<&'p [u8]>,
        request_method: Option<&[u8]>,
    ) -> CorsDecision<'p> {
        let Some(origin) = origin.filter(|origin| !origin.is_empty()) else { return CorsDecision::Nothing };
        let allowed = self.any_origin || self.origins.iter().any(|allowed| allowed.matches(origin));
        let preflight = method == "OPTIONS" && request_method.is_some_and(|method| !method.is_empty());
        let headers = CorsHeaders { policy: self, origin: allowed.then_some(origin), preflight };
        match (preflight, allowed) {
            (true, true) => CorsDecision::Preflight(headers),
            (true, false) if self.ignore_unmatched => CorsDecision::Preflight(headers),
            (false, true) => CorsDecision::Forward(headers),
            (_, false) => CorsDecision::Nothing,
        }
    }
}

impl<'p> CorsHeaders<'p> {
    /// Names and values.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'p [u8])> + use<'p> {
        let policy = self.policy;
        let text = |value: &'p Option<Box<str>>, wanted: bool| {
            value.as_deref().filter(|_| wanted).map(str::as_bytes)
        };
        [
            ("access-control-allow-origin", self.origin),
            ("access-control-allow-credentials", policy.credentials.then_some(&b"true"[..])),
            ("access-control-allow-methods", text(&policy.methods, self.preflight)),
            ("access-control-allow-headers", text(&policy.headers, self.preflight)),
            ("access-control-max-age", text(&policy.max_age, self.preflight)),
            ("access-control-expose-headers", text(&policy.expose, self.origin.is_some())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

fn joined<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Option<Box<str>> {
    let mut text = String::new();
    for item in items {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(item.as_ref());
    }
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn policy() -> CorsPolicy {
        CorsPolicy::new()
            .allow_origin(StringMatch::exact("cors.com"))
            .allow_methods(["POST", "GET"])
            .allow_headers(["x-a", "x-b"])
            .expose_headers(["x-c"])
            .max_age(Duration::from_millis(1500))
            .allow_credentials()
    }

    fn ask(policy: &CorsPolicy, method: &str, origin: &str, wanted: Option<&str>) -> String {
        let decision = policy.decide(method, Some(origin.as_bytes()), wanted.map(str::as_bytes));
        let (kind, headers) = match decision {
            CorsDecision::Nothing => return "nothing".into(),
            CorsDecision::Preflight(headers) => ("preflight", headers),
            CorsDecision::Forward(headers) => ("forward", headers),
        };
        let short = |name: &'static str| name.strip_prefix("access-control-").unwrap();
        headers.headers().fold(kind.to_owned(), |text, (name, value)| {
            format!("{text} {}={}", short(name), value.escape_ascii())
        })
    }

    // ROUTE-CORS-04, ROUTE-CORS-05, ROUTE-CORS-06.
    #[test]
    fn preflights_route_cors_04_05_06() {
        assert_eq!(
            ask(&policy(), "OPTIONS", "cors.com", Some("DELETE")),
            "preflight allow-origin=cors.com allow-credentials=true allow-methods=POST,GET allow-headers=x-a,x-b \
             max-age=1 expose-headers=x-c"
        );
        assert_eq!(ask(&policy(), "OPTIONS", "evil.com", Some("GET")), "nothing");
        assert_eq!(
            ask(&policy().ignore_unmatched_preflights(), "OPTIONS", "evil.com", Some("GET")),
            "preflight allow-credentials=true allow-methods=POST,GET allow-headers=x-a,x-b max-age=1"
        );
        for wanted in [None, Some("")] {
            let answer = ask(&policy(), "OPTIONS", "cors.com", wanted);
            assert_eq!(answer, "forward allow-origin=cors.com allow-credentials=true expose-headers=x-c");
        }
    }

    // ROUTE-CORS-03, ROUTE-CORS-07, ROUTE-CORS-08, ROUTE-CORS-10.
    #[test]
    fn actual_requests_route_cors_03_07_08_10() {
        let answer = ask(&policy(), "GET", "cors.com", Some("GET"));
        assert_eq!(answer, "forward allow-origin=cors.com allow-credentials=true expose-headers=x-c");
        assert_eq!(ask(&policy(), "GET", "evil.com", None), "nothing");
        assert_eq!(ask(&policy(), "GET", "", None), "nothing");
        assert!(matches!(policy().decide("GET", None, None), CorsDecision::Nothing));
        let bare = CorsPolicy::new().allow_origin(StringMatch::exact("*"));
        assert_eq!(ask(&bare, "GET", "any.org", None), "forward allow-origin=any.org");
        assert_eq!(ask(&bare, "OPTIONS", "any.org", Some("GET")), "preflight allow-origin=any.org");
    }

    // ROUTE-CORS-02.
    #[test]
    fn origins_route_cors_02() {
        let regex =
            |text: &str| CorsPolicy::new().allow_origin(StringMatch::regex(text, &Limits::new()).unwrap());
        assert_eq!(ask(&policy(), "GET", "CORS.com", None), "nothing");
        assert_eq!(
            ask(&regex("https://.*\\.a\\.com"), "GET", "https://x.a.com", None),
            "forward allow-origin=https://x.a.com"
        );
        assert_eq!(ask(&regex("a"), "GET", "ab", None), "nothing");
        assert_eq!(ask(&CorsPolicy::new(), "GET", "cors.com", None), "nothing");
    }
}
