//! The conditions of one rule: one match block of a VirtualService, all of them ANDed.

use std::fmt;

use crate::claim::{ClaimMatch, ClaimPath};
use crate::head::{Headers, RequestHead};
use crate::header::HeaderMatch;
use crate::index::Subject;
use crate::path::PathMatch;
use crate::query::QueryMatch;
use crate::string_match::StringMatch;

/// The place of a rule in its virtual host, counted from zero in the order the rules were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// The number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a request must look like for a rule to apply. All conditions must hold (ROUTE-MATCH-02).
///
/// Several match blocks of one rule are several rules in a row with the same action.
///
/// # Examples
/// ```
/// use mesh_route::{Conditions, PathMatch, RequestHead, StringMatch};
///
/// let when = Conditions::any()
///     .path(PathMatch::prefix("/api"))
///     .method(StringMatch::exact("GET"))
///     .header("x-user", StringMatch::exact("ann"))
///     .without_header("x-blocked", StringMatch::present())
///     .query_param("debug", StringMatch::exact(""));
///
/// let lines = [("x-user", "ann")];
/// assert!(when.matches(&RequestHead::new("GET", "a.example", "/api/v1?debug", &lines)));
/// assert!(!when.matches(&RequestHead::new("GET", "a.example", "/api/v1", &lines)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    path: Option<PathMatch>,
    /// Apart, so that the common rule stays small.
    guards: Option<Box<Guards>>,
}

#[derive(Clone, Debug, Default)]
struct Guards {
    method: Option<StringMatch>,
    scheme: Option<StringMatch>,
    authority: Option<StringMatch>,
    headers: Vec<HeaderMatch>,
    query: Vec<QueryMatch>,
    claims: Vec<ClaimMatch>,
}

/// What Gateway API's order counts.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) method: bool,
    pub(crate) headers: usize,
    pub(crate) query: usize,
}

/// The first condition of a rule that did not hold.
#[derive(Clone, Copy)]
pub(crate) enum Unmet<'c> {
    Path(&'c PathMatch),
    Method(&'c StringMatch),
    Scheme(&'c StringMatch),
    Authority(&'c StringMatch),
    Header(&'c HeaderMatch),
    Query(&'c QueryMatch),
    Claim(&'c ClaimMatch),
}

impl Conditions {
    /// No condition: every request is accepted (ROUTE-MATCH-08).
    pub fn any() -> Self {
        Self::default()
    }

    /// Sets the condition on the path.
    #[must_use]
    pub fn path(mut self, path: PathMatch) -> Self {
        self.path = Some(path);
        self
    }

    /// Sets the condition on the method, which is case-sensitive (ROUTE-MATCH-29).
    #[must_use]
    pub fn method(mut self, method: StringMatch) -> Self {
        self.guards_mut().method = Some(method);
        self
    }

    /// Sets the condition on the scheme (ROUTE-MATCH-30).
    #[must_use]
    pub fn scheme(mut self, scheme: StringMatch) -> Self {
        self.guards_mut().scheme = Some(scheme);
        self
    }

    /// Sets the condition on the raw authority: case-sensitive, port included (ROUTE-MATCH-28).
    #[must_use]
    pub fn authority(mut self, authority: StringMatch) -> Self {
        self.guards_mut().authority = Some(authority);
        self
    }

    /// Adds a condition on a header. Repeated lines are matched one by one, any may match (ROUTE-MATCH-23).
    ///
    /// The names `:method`, `:authority`, `:scheme`, `:path` and `host` address the request line
    /// (ROUTE-MATCH-27); a name such as `@request.auth.claims.sub` addresses a claim (ROUTE-MATCH-32).
    #[must_use]
    pub fn header(self, name: &str, value: StringMatch) -> Self {
        self.push_header(name, value, false)
    }

    /// Adds an entry of `withoutHeaders`.
    ///
    /// A value condition is inverted with a missing header read as empty; presence is plain absence
    /// (ROUTE-MATCH-25, ROUTE-MATCH-26).
    #[must_use]
    pub fn without_header(self, name: &str, value: StringMatch) -> Self {
        self.push_header(name, value, true)
    }

    /// Adds a condition on the first occurrence of a query parameter, compared raw (ROUTE-MATCH-41, -42).
    #[must_use]
    pub fn query_param(mut self, name: &str, value: StringMatch) -> Self {
        self.guards_mut().query.push(QueryMatch::new(name, value));
        self
    }

    fn push_header(mut self, name: &str, value: StringMatch, invert: bool) -> Self {
        let guards = self.guards_mut();
        match ClaimPath::from_header_key(name) {
            Some(path) => guards.claims.push(ClaimMatch { key: name.into(), path, value, invert }),
            None => guards.headers.push(HeaderMatch::new(name, value, invert)),
        }
        self
    }

    fn guards_mut(&mut self) -> &mut Guards {
        self.guards.get_or_insert_default()
    }

    /// The condition on the path, if there is one. Rewrites of the same rule are built from it.
    pub fn path_match(&self) -> Option<&PathMatch> {
        self.path.as_ref()
    }

    /// How many conditions of each kind there are beside the path.
    pub(crate) fn tally(&self) -> Tally {
        let guards = self.guards.as_deref();
        let count = |of: fn(&Guards) -> usize| guards.map_or(0, of);
        Tally {
            method: guards.is_some_and(|guards| guards.method.is_some()),
            headers: count(|guards| guards.headers.len() + guards.claims.len()),
            query: count(|guards| guards.query.len()),
        }
    }

    /// Whether nothing but the path is asked for.
    pub(crate) fn is_path_only(&self) -> bool {
        self.guards.is_none()
    }

    /// How many conditions there are besides the one on the path.
    pub(crate) fn guard_count(&self) -> usize {
        self.guards.as_deref().map_or(0, Guards::count)
    }

    /// The guards that hold for one value only, by which an index can file the rule.
    pub(crate) fn exact_guards(&self) -> impl Iterator<Item = (Subject<'_>, &[u8])> {
        self.guards.as_deref().into_iter().flat_map(Guards::exact)
    }

    /// Whether the conditions besides the one on the path hold.
    pub(crate) fn guards_hold<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> bool {
        self.guards.as_deref().is_none_or(|guards| guards.unmet(head).is_none())
    }

    /// Whether all conditions hold. Does not allocate; linear in the number of conditions.
    pub fn matches<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> bool {
        self.unmet(head).is_none()
    }

    /// The one walk over the conditions, used by lookup and explanation alike: the first that does not hold.
    #[inline]
    pub(crate) fn unmet<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> Option<Unmet<'_>> {
        if let Some(path) = self.path.as_ref().filter(|path| !path.matches(head.path())) {
            return Some(Unmet::Path(path));
        }
        self.guards.as_deref()?.unmet(head)
    }
}

impl Guards {
    fn count(&self) -> usize {
        let single = [&self.method, &self.scheme, &self.authority];
        single.iter().filter(|guard| guard.is_some()).count()
            + self.headers.len()
            + self.query.len()
            + self.claims.len()
    }

    fn exact(&self) -> impl Iterator<Item = (Subject<'_>, &[u8])> {
        let single = [
            (Subject::Method, &self.method),
            (Subject::Scheme, &self.scheme),
            (Subject::Authority, &self.authority),
        ];
        let single =
            single.into_iter().filter_map(|(subject, guard)| Some((subject, guard.as_ref()?.exact_text()?)));
        let query = self
            .query
            .iter()
            .filter_map(|query| Some((Subject::Query(&query.name), query.value.exact_text()?)));
        single.chain(self.headers.iter().filter_map(HeaderMatch::exact)).chain(query)
    }

    fn unmet<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> Option<Unmet<'_>> {
        let fails = |guard: &&StringMatch, text: &str| !guard.matches(text.as_bytes());
        if let Some(guard) = self.method.as_ref().filter(|guard| fails(guard, head.method())) {
            return Some(Unmet::Method(guard));
        }
        if let Some(guard) = self.scheme.as_ref().filter(|guard| fails(guard, head.scheme())) {
            return Some(Unmet::Scheme(guard));
        }
        if let Some(guard) = self.authority.as_ref().filter(|guard| fails(guard, head.authority())) {
            return Some(Unmet::Authority(guard));
        }
        if let Some(header) = self.headers.iter().find(|header| !header.holds(head)) {
            return Some(Unmet::Header(header));
        }
        if let Some(query) = self.query.iter().find(|query| !query.holds(head.query())) {
            return Some(Unmet::Query(query));
        }
        self.claims.iter().find(|claim| !claim.holds(head.claims())).map(Unmet::Claim)
    }
}
