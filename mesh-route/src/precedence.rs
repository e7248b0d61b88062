//! Gateway API's order of rules, as a key to sort by.

use std::cmp::Reverse;
use std::time::Duration;

use crate::error::PatternError;
use crate::path::PathMatch;
use crate::pattern::Limits;
use crate::rule::Conditions;

/// Where one match of an HTTPRoute or GRPCRoute stands among the others of a listener: the smaller is tried first.
///
/// A table tries its rules in the order they were added (ROUTE-MATCH-01), which is what a VirtualService means. Gateway
/// API means the most specific rule, wherever it is written. Sort by this once, while building, and the same table serves
/// both.
///
/// HTTPRoute and GRPCRoute rules are compared, on ties by the next line:
///
/// | | HTTPRoute | GRPCRoute |
/// |---|---|---|
/// | 1 | characters of the hostname, of one without wildcard first | the same |
/// | 2 | exact path, then the longest prefix | characters of the service |
/// | 3 | a method is asked for | characters of the method |
/// | 4 | number of headers | number of headers |
/// | 5 | number of query parameters | |
/// | 6 | the oldest route | the same |
/// | 7 | `namespace/name` of the route, in alphabetical order | the same |
/// | 8 | the rule's place in its route, then the match's in its rule | the same |
///
/// That is the text of the two resources' `hostnames` and `matches`. It leaves regular expressions to implementations:
/// as in Istio they come after all prefixes, the longest first, so a prefix `/` hides them. The two kinds of route are
/// never merged on one hostname; if they are here, HTTPRoutes come first.
///
/// Two matches are equal only if they agree in all of that, their place included.
///
/// # Examples
/// ```
/// use mesh_route::{Conditions, NoHeaders, PathMatch, Precedence, RequestHead, RouteTable, StringMatch, VirtualHost};
///
/// // In the order written: the general rule first.
/// let written = [
///     (Conditions::any().path(PathMatch::segment_prefix("/")), "web"),
///     (Conditions::any().path(PathMatch::segment_prefix("/api")), "api"),
///     (Conditions::any().path(PathMatch::segment_prefix("/api")).header("x-beta", StringMatch::exact("1")), "beta"),
///     (Conditions::any().path(PathMatch::exact("/api/health")), "health"),
/// ];
/// let mut rules: Vec<_> = written
///     .into_iter()
///     .enumerate()
///     .map(|(place, (when, action))| (Precedence::http(&when).place(place, 0), when, action))
///     .collect();
/// rules.sort_by(|a, b| a.0.cmp(&b.0));
///
/// let mut host = VirtualHost::new("shop", ["shop.example.com".parse()?]);
/// for (_, when, action) in rules {
///     host.push(when, action);
/// }
/// let table = RouteTable::builder().virtual_host(host).build()?;
/// let beta = [("x-beta", "1")];
/// for (target, want) in [("/api/health", "health"), ("/api/1", "beta"), ("/apiary", "web")] {
///     let head = RequestHead::new("GET", "shop.example.com", target, &beta);
///     assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some(want));
/// }
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precedence {
    // INVARIANT: the derived order goes field by field, from the first criterion to the last.
    plain_hostname: Reverse<usize>,
    hostname: Reverse<usize>,
    specifics: Specifics,
    created: Duration,
    route: Box<str>,
    place: (usize, usize),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Specifics {
    Http { path: PathRank, method: Reverse<bool>, headers: Reverse<usize>, query: Reverse<usize> },
    Grpc { service: Reverse<usize>, method: Reverse<usize>, headers: Reverse<usize> },
}

/// How specific a path condition is, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PathRank {
    Exact,
    Prefix(Reverse<usize>),
    Regex(Reverse<usize>),
}

impl Precedence {
    /// Of a match of an HTTPRoute, from its conditions. Without a path it counts as the prefix `/`.
    ///
    /// Claims count as headers; `withoutHeaders`, which Gateway API does not have, too.
    pub fn http(when: &Conditions) -> Self {
        let tally = when.tally();
        Self::of(Specifics::Http {
            path: when.path_match().map_or(PathRank::Prefix(Reverse(0)), PathMatch::rank),
            method: Reverse(tally.method),
            headers: Reverse(tally.headers),
            query: Reverse(tally.query),
        })
    }

    /// Of a match of a GRPCRoute: its service and method, if it names them, and its number of headers.
    ///
    /// [`PathMatch::grpc`] is the condition that goes with it.
    pub fn grpc(service: Option<&str>, method: Option<&str>, headers: usize) -> Self {
        let length = |text: Option<&str>| Reverse(text.map_or(0, |text| text.chars().count()));
        let (service, method) = (length(service), length(method));
        Self::of(Specifics::Grpc { service, method, headers: Reverse(headers) })
    }

    fn of(specifics: Specifics) -> Self {
        Self {
            plain_hostname: Reverse(0),
            hostname: Reverse(0),
            specifics,
            created: Duration::MAX,
            route: Box::default(),
            place: (0, 0),
        }
    }

    /// Sets the hostname through which the route is reached. A route without hostnames has none.
    ///
    /// Where each hostname is a virtual host of its own, as in Istio, this decides nothing: the table has chosen the
    /// virtual host before. It matters to those who put the rules of overlapping hostnames into one.
    #[must_use]
    pub fn hostname(mut self, hostname: &str) -> Self {
        let length = hostname.chars().count();
        self.plain_hostname = Reverse(if hostname.starts_with('*') { 0 } else { length });
        self.hostname = Reverse(length);
        self
    }

    /// Sets when the route was created, counted from any moment that all share, such as 1970. Without, it counts as the
    /// youngest.
    #[must_use]
    pub fn created(mut self, since: Duration) -> Self {
        self.created = since;
        self
    }

    /// Names the route.
    #[must_use]
    pub fn route(mut self, namespace: &str, name: &str) -> Self {
        // One text, since the specification orders the text: `a-b/c` comes before `a/c`.
        self.route = [namespace, "/", name].concat().into();
        self
    }

    /// Sets the number of the rule in its route and of the match in its rule.
    #[must_use]
    pub fn place(mut self, rule: usize, number: usize) -> Self {
        self.place = (rule, number);
        self
    }
}

impl PathMatch {
    /// The path of gRPC calls, `/service/method`, where either may be left open; both open is every path.
    ///
    /// # Errors
    /// When only the method is given and it makes no pattern within the default [`Limits`].
    ///
    /// # Examples
    /// ```
    /// use mesh_route::PathMatch;
    ///
    /// assert!(PathMatch::grpc(Some("shop.Cart"), Some("Add"))?.matches("/shop.Cart/Add"));
    /// assert!(PathMatch::grpc(Some("shop.Cart"), None)?.matches("/shop.Cart/Remove"));
    /// assert!(PathMatch::grpc(None, Some("Add"))?.matches("/shop.Orders/Add"));
    /// # Ok::<(), mesh_route::PatternError>(())
    /// ```
    pub fn grpc(service: Option<&str>, method: Option<&str>) -> Result<Self, PatternError> {
        Ok(match (service, method) {
            (Some(service), Some(method)) => Self::exact(&["/", service, "/", method].concat()),
            (Some(service), None) => Self::prefix(&["/", service, "/"].concat()),
            (None, Some(method)) => {
                // Quoted, so that the text stands for itself.
                let quoted = regex_syntax::escape(method);
                Self::regex(&["/[^/]+/", &quoted].concat(), &Limits::new())?
            }
            (None, None) => Self::prefix("/"),
        })
    }
}

#[cfg(test)]
mod tests;
