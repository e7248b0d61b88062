//! Virtual hosts with their rules, and the table that finds one for a request.

use std::fmt;

use crate::domain::{DomainIndex, HostPattern};
use crate::error::{BuildError, BuildErrorKind};
use crate::explain::Explanation;
use crate::head::{Headers, RequestHead};
use crate::index::{Budget, MAX_RULES, PathIndex};
use crate::path::PathMatch;
use crate::rule::{Conditions, RuleId};

/// A named group of domains and the ordered rules that serve them.
#[derive(Debug)]
pub struct VirtualHost<A> {
    name: Box<str>,
    domains: Vec<HostPattern>,
    tls_required: bool,
    rules: Vec<Rule<A>>,
}

#[derive(Debug)]
pub(crate) struct Rule<A> {
    pub(crate) when: Conditions,
    pub(crate) action: A,
}

impl<A> VirtualHost<A> {
    /// A virtual host without rules: every request for it ends in [`Lookup::NoRoute`].
    ///
    /// `name` identifies it in logs and explanations, for example `reviews.default.svc.cluster.local:9080`.
    pub fn new(name: &str, domains: impl IntoIterator<Item = HostPattern>) -> Self {
        Self {
            name: name.into(),
            domains: domains.into_iter().collect(),
            tls_required: false,
            rules: Vec::new(),
        }
    }

    /// Answers requests whose scheme is not `https` with a redirect, before any rule is tried (`httpsRedirect`,
    /// ROUTE-RDR-11).
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.tls_required = true;
        self
    }

    /// Adds a rule after the others: rules are tried in this order and the first match wins (ROUTE-MATCH-01).
    #[must_use]
    pub fn rule(mut self, when: Conditions, action: A) -> Self {
        self.push(when, action);
        self
    }

    /// Adds a rule, like [`rule`](Self::rule), and tells the number it got.
    pub fn push(&mut self, when: Conditions, action: A) -> RuleId {
        // More rules than numbers are refused by `TableBuilder::build`.
        let id = RuleId(u32::try_from(self.rules.len()).unwrap_or(u32::MAX));
        self.rules.push(Rule { when, action });
        id
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The domains, as given.
    pub fn domains(&self) -> &[HostPattern] {
        &self.domains
    }

    /// Whether plain-text requests are redirected.
    pub fn tls_required(&self) -> bool {
        self.tls_required
    }

    /// The rules in order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = (&Conditions, &A)> {
        self.rules.iter().map(|rule| (&rule.when, &rule.action))
    }

    /// The rule of that number.
    pub fn action(&self, rule: RuleId) -> Option<&A> {
        self.rules.get(rule.index()).map(|rule| &rule.action)
    }
}

/// Collects virtual hosts for a [`RouteTable`].
#[derive(Debug)]
pub struct TableBuilder<A> {
    hosts: Vec<VirtualHost<A>>,
    hash_seed: u64,
}

impl<A> TableBuilder<A> {
    /// Adds a virtual host.
    #[must_use]
    pub fn virtual_host(mut self, host: VirtualHost<A>) -> Self {
        self.hosts.push(host);
        self
    }

    /// Seeds the hash maps. Only keys of the table are ever inserted, so this matters only to those who let
    /// strangers write routes and fear crafted collisions at build time. No answer depends on it.
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.hash_seed = seed;
        self
    }

    /// Builds the table. Cost: `n log n` in the number of rules.
    ///
    /// # Errors
    /// When two virtual hosts share a domain (ROUTE-HOST-29; whoever merges configuration drops the later one
    /// first), or one has rules or path texts beyond what 30 bits count.
    pub fn build(self) -> Result<RouteTable<A>, BuildError> {
        let too_many = |host: &str| {
            BuildError::new(BuildErrorKind::TooManyRules, format!("virtual host `{host}` has too many rules"))
        };
        let mut domains = DomainIndex::new(self.hash_seed);
        let mut hosts = Vec::with_capacity(self.hosts.len());
        let mut budget = Budget::new();
        for (number, host) in self.hosts.into_iter().enumerate() {
            let number = u32::try_from(number).map_err(|_| too_many(&host.name))?;
            for domain in &host.domains {
                domains.insert(domain, number)?;
            }
            let bytes = host.rules.iter().filter_map(|rule| rule.when.path_match()).map(PathMatch::key_len);
            if host.rules.len() >= MAX_RULES || bytes.sum::<usize>() >= MAX_RULES {
                return Err(too_many(&host.name));
            }
            let rules: Vec<&Conditions> = host.rules.iter().map(|rule| &rule.when).collect();
            let index = PathIndex::new(&rules, self.hash_seed, &mut budget);
            hosts.push(IndexedHost { host, index });
        }
        domains.finish();
        Ok(RouteTable { hosts: hosts.into(), domains })
    }
}

#[derive(Debug)]
struct IndexedHost<A> {
    host: VirtualHost<A>,
    index: PathIndex,
}

/// All virtual hosts of one listener, immutable. Share it behind an `Arc` and swap it as a whole.
///
/// # Examples
/// ```
/// use mesh_route::{Conditions, Lookup, NoHeaders, PathMatch, RequestHead, RouteTable, VirtualHost};
///
/// let shop = VirtualHost::new("shop", ["shop.example.com".parse()?])
///     .rule(Conditions::any().path(PathMatch::prefix("/api")), "api")
///     .rule(Conditions::any(), "web");
/// let table = RouteTable::builder().virtual_host(shop).build()?;
///
/// let head = RequestHead::new("GET", "SHOP.example.com:8080", "/apiary", &NoHeaders);
/// assert_eq!(table.lookup(&head).route().map(|found| *found.action), Some("api")); // text, not segments
///
/// let head = RequestHead::new("GET", "example.com", "/", &NoHeaders);
/// assert!(matches!(table.lookup(&head), Lookup::NoVirtualHost));
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Debug)]
pub struct RouteTable<A> {
    hosts: Box<[IndexedHost<A>]>,
    domains: DomainIndex,
}

/// What a table says about a request. Closed on purpose: a caller must think about each answer.
#[derive(Debug)]
#[must_use]
pub enum Lookup<'t, A> {
    /// A rule accepted the request.
    Route(Match<'t, A>),
    /// The virtual host insists on TLS and the request came without: answer 301 to
    /// [`https_location`](crate::https_location) (ROUTE-RDR-11). No rule was tried.
    TlsRequired(&'t VirtualHost<A>),
    /// All rules of the virtual host refused. No other virtual host is tried (ROUTE-HOST-27).
    NoRoute(&'t VirtualHost<A>),
    /// No domain covers the authority.
    NoVirtualHost,
}

/// The rule that accepted a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Match<'t, A> {
    /// What the rule's author attached.
    pub action: &'t A,
    /// Where the rule was found.
    pub virtual_host: &'t VirtualHost<A>,
    /// Which rule it was.
    pub rule: RuleId,
}

impl<A> Clone for Match<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Match<'_, A> {}

impl<'t, A> Lookup<'t, A> {
    /// The match, if there is one. Everything else is answered without a route: 301 where TLS is required, else
    /// 404.
    pub fn route(self) -> Option<Match<'t, A>> {
        match self {
            Self::Route(found) => Some(found),
            Self::TlsRequired(_) | Self::NoRoute(_) | Self::NoVirtualHost => None,
        }
    }
}

impl<A> RouteTable<A> {
    /// A builder without virtual hosts.
    pub fn builder() -> TableBuilder<A> {
        TableBuilder { hosts: Vec::new(), hash_seed: 0 }
    }

    /// The virtual hosts in the order they were added.
    pub fn virtual_hosts(&self) -> impl ExactSizeIterator<Item = &VirtualHost<A>> {
        self.hosts.iter().map(|indexed| &indexed.host)
    }

    /// Finds the first rule that accepts `head`.
    ///
    /// The authority decides first: an exact domain, else the longest `*suffix`, else the longest `prefix*`,
    /// else `*`; its port and letter case are ignored (ROUTE-HOST-21 to -24). Then the rules of that one virtual
    /// host count, in list order. A target that is no path (`*`), and `CONNECT`, match no rule
    /// (ROUTE-HOST-28).
    ///
    /// Never panics. Does not allocate, except that the regex engine fills its caches at first use and a host name
    /// above 256 bytes with capitals is copied.
    ///
    /// # Cost
    /// A hash probe for the host, or a comparison where there are few, and one probe for each distinct wildcard
    /// length at a dot of the host. Then, for more than four rules, one hash probe for the path, a walk down the
    /// path, and the other conditions of those rules before the winner whose path fits. No rule is tried that a
    /// scan in list order would not try; where an index would not pay, the lookup is that scan.
    ///
    /// How many rules share a path is what counts, and rules without a path share the empty one. Per lookup at the
    /// last of 10,000 rules, on one core of a small server:
    ///
    /// | rules | cost | a scan |
    /// |---|---|---|
    /// | a prefix or an exact path for each | 45 ns | 200 µs |
    /// | the same, each with a header | 65 ns | 200 µs |
    /// | one path or none, each another exact value of one header, method or query parameter | 60 to 120 ns | 130 to 650 µs |
    /// | one path or none, each a prefix or regex of a header's value | 220 µs | 220 µs |
    /// | one path or none, each another header name | 130 µs | 130 µs |
    /// | 1,000 regexes that share a literal beginning, or none, and have a text of their own | 0.1 µs | 170 to 290 µs |
    /// | 1,000 regexes such as `.*text.*` or with nested counted repetitions | a scan | 1 to 120 µs |
    ///
    /// The regexes of one literal beginning are run as one automaton, built in full under limits of memory and work
    /// that hold for the table as a whole; what exceeds them is tried regex by regex. A request that repeats a
    /// header more than four times, and a path under which more than 32 lists of rules lie, are scanned from there
    /// on.
    pub fn lookup<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> Lookup<'_, A> {
        let Some(IndexedHost { host, index }) = self.indexed(head.authority()) else {
            return Lookup::NoVirtualHost;
        };
        if host.tls_required && head.scheme() != "https" {
            return Lookup::TlsRequired(host);
        }
        if !is_routable(head) {
            return Lookup::NoRoute(host);
        }
        let holds = |rule: u32, path_proved: bool| match host.rules.get(rule as usize) {
            Some(rule) if path_proved => rule.when.guards_hold(head),
            Some(rule) => rule.when.matches(head),
            None => false,
        };
        let found = index.first(head, holds);
        match found.and_then(|number| Some((number, host.rules.get(number as usize)?))) {
            Some((number, rule)) => {
                Lookup::Route(Match { action: &rule.action, virtual_host: host, rule: RuleId(number) })
            }
            None => Lookup::NoRoute(host),
        }
    }

    /// The virtual host that owns `authority`, whose port and letter case are ignored.
    pub fn virtual_host(&self, authority: &str) -> Option<&VirtualHost<A>> {
        self.indexed(authority).map(|indexed| &indexed.host)
    }

    /// Says for every rule of the chosen virtual host whether it accepts, and if not, which condition refused.
    ///
    /// Says what is nearly right, too: a slash, letter case, a port, a name with a slip. Where no rule matches, also which
    /// domains look like the host that was asked for.
    ///
    /// Walks the same conditions as [`lookup`](Self::lookup), one by one and without the index. Allocates, and compiles
    /// anew each regular expression that refuses: it is for one request that somebody asks about, not for all.
    pub fn explain<H: Headers + ?Sized>(&self, head: &RequestHead<'_, H>) -> Explanation<'_> {
        match self.virtual_host(head.authority()) {
            Some(host) => Explanation::of_host(host, self.virtual_hosts(), head),
            None => Explanation::no_virtual_host(self.virtual_hosts(), head.authority()),
        }
    }

    fn indexed(&self, authority: &str) -> Option<&IndexedHost<A>> {
        self.hosts.get(self.domains.find(authority)? as usize)
    }
}

/// Whether any rule may be tried (ROUTE-HOST-28).
pub(crate) fn is_routable<H: Headers + ?Sized>(head: &RequestHead<'_, H>) -> bool {
    head.path().starts_with('/') && head.method() != "CONNECT"
}

impl<A> fmt::Display for VirtualHost<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
