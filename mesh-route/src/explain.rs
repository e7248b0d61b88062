//! Why a request went where it went.

use std::fmt;

use crate::domain::{HostPattern, split_port};
use crate::head::{Headers, RequestHead};
use crate::near::{self, NearMiss};
use crate::rule::{RuleId, Unmet};
use crate::table::{VirtualHost, is_routable};

/// What a table thought about a request, rule by rule.
///
/// `Display` prints one line a rule.
///
/// # Examples
/// ```
/// use mesh_route::{Conditions, NoHeaders, PathMatch, RequestHead, RouteTable, VirtualHost};
///
/// let host = VirtualHost::new("web", ["*".parse()?])
///     .rule(Conditions::any().path(PathMatch::prefix("/service/")), "service");
/// let table = RouteTable::builder().virtual_host(host).build()?;
/// let head = RequestHead::new("GET", "a.example", "/service", &NoHeaders);
/// assert_eq!(
///     table.explain(&head).to_string(),
///     "virtual host web: no rule matches\n  \
///      0: path `/service` is not prefix `/service/` (the trailing slash is missing)\n",
/// );
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation<'t> {
    /// The name of the virtual host that was chosen.
    pub virtual_host: Option<&'t str>,
    /// How the lookup ends.
    pub outcome: Outcome,
    /// Every rule of the virtual host, in order; empty when none was tried.
    pub rules: Vec<RuleTrace>,
    /// Domains of other virtual hosts that may have been meant, at most five; only where no rule matches.
    pub nearest: Vec<NearDomain<'t>>,
}

/// A domain that looks like the host of the request and does not cover it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearDomain<'t> {
    /// The domain.
    pub domain: &'t HostPattern,
    /// The name of its virtual host.
    pub virtual_host: &'t str,
    /// Why it does not cover the host.
    pub near: NearMiss,
}

/// How a lookup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// This rule wins.
    Route(RuleId),
    /// The virtual host insists on TLS.
    TlsRequired,
    /// The virtual host has rules, or none, and no rule accepts.
    NoRoute,
    /// The target is no path, or the method is `CONNECT`: no rule can accept that.
    NotRoutable,
    /// No domain covers the authority.
    NoVirtualHost,
}

/// What one rule made of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleId,
    /// Why it does not accept; `None` if it does. Only the first rule that accepts counts.
    pub refusal: Option<Refusal>,
}

/// The first condition of a rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Which part of the rule it is.
    pub condition: Condition,
    /// What was found and what was wanted, in words. Values of headers and claims are not quoted: they may be
    /// secrets.
    pub reason: String,
    /// Why that is nearly right, if it is.
    pub near: Option<NearMiss>,
}

/// The parts of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// `uri`
    Path,
    /// `method`
    Method,
    /// `scheme`
    Scheme,
    /// `authority`
    Authority,
    /// An entry of `headers`.
    Header,
    /// An entry of `withoutHeaders`.
    WithoutHeader,
    /// An entry of `queryParams`.
    QueryParam,
    /// A claim, in `headers` or `withoutHeaders`.
    Claim,
}

impl<'t> Explanation<'t> {
    pub(crate) fn no_virtual_host<A: 't>(
        hosts: impl Iterator<Item = &'t VirtualHost<A>>,
        authority: &str,
    ) -> Self {
        Self {
            virtual_host: None,
            outcome: Outcome::NoVirtualHost,
            rules: Vec::new(),
            nearest: nearest(hosts, authority),
        }
    }

    pub(crate) fn of_host<A, H: Headers + ?Sized>(
        host: &'t VirtualHost<A>,
        hosts: impl Iterator<Item = &'t VirtualHost<A>>,
        head: &RequestHead<'_, H>,
    ) -> Self {
        let virtual_host = Some(host.name());
        if host.tls_required() && head.scheme() != "https" {
            return Self::without_rules(virtual_host, Outcome::TlsRequired);
        }
        if !is_routable(head) {
            return Self::without_rules(virtual_host, Outcome::NotRoutable);
        }
        let trace = |(number, (when, _)): (u32, (&crate::Conditions, _))| RuleTrace {
            rule: RuleId(number),
            refusal: when.unmet(head).map(|unmet| Refusal::new(unmet, head)),
        };
        let rules: Vec<RuleTrace> = (0..).zip(host.rules()).map(trace).collect();
        let winner = rules.iter().find(|trace| trace.refusal.is_none()).map(|trace| trace.rule);
        let nearest = match winner {
            Some(_) => Vec::new(),
            None => nearest(hosts.filter(|other| !std::ptr::eq(*other, host)), head.authority()),
        };
        Self { virtual_host, outcome: winner.map_or(Outcome::NoRoute, Outcome::Route), rules, nearest }
    }

    fn without_rules(virtual_host: Option<&'t str>, outcome: Outcome) -> Self {
        Self { virtual_host, outcome, rules: Vec::new(), nearest: Vec::new() }
    }
}

fn nearest<'t, A: 't>(
    hosts: impl Iterator<Item = &'t VirtualHost<A>>,
    authority: &str,
) -> Vec<NearDomain<'t>> {
    const MOST: usize = 5;
    let wanted = split_port(authority).0;
    let domains = hosts.flat_map(|host| host.domains().iter().map(move |domain| (host, domain)));
    let near = domains.filter_map(|(host, domain)| {
        let near = near::domain(domain.as_str(), wanted)?;
        Some(NearDomain { domain, virtual_host: host.name(), near })
    });
    // What is only spelt alike comes last.
    let (mut likely, guesses): (Vec<_>, Vec<_>) = near.partition(|near| near.near != NearMiss::Misspelt);
    likely.extend(guesses);
    likely.truncate(MOST);
    likely
}

impl Refusal {
    fn new<H: Headers + ?Sized>(unmet: Unmet<'_>, head: &RequestHead<'_, H>) -> Self {
        let (condition, reason, near) = match unmet {
            Unmet::Path(want) => {
                (Condition::Path, format!("path `{}` is not {want}", head.path()), near::path(want, head))
            }
            Unmet::Method(want) => (
                Condition::Method,
                format!("method `{}` is not {want}", head.method()),
                near::text(want, head.method().as_bytes()),
            ),
            Unmet::Scheme(want) => (
                Condition::Scheme,
                format!("scheme `{}` is not {want}", head.scheme()),
                near::text(want, head.scheme().as_bytes()),
            ),
            Unmet::Authority(want) => (
                Condition::Authority,
                format!("authority `{}` is not {want}", head.authority()),
                near::authority(want, head.authority()),
            ),
            Unmet::Header(header) if header.invert => {
                let (name, value) = (header.subject.name(), &header.value);
                (
                    Condition::WithoutHeader,
                    format!("header `{name}` counts as {value}, which is excluded"),
                    None,
                )
            }
            Unmet::Header(header) => {
                let name = header.subject.name();
                let missing = matches!(&header.subject, crate::header::Subject::Line(name) if head.headers().first(name).is_none());
                let found = if missing { "is missing" } else { "is different" };
                let reason = format!("header `{name}` {found}, wanted {}", header.value);
                (Condition::Header, reason, near::header(header, head))
            }
            Unmet::Query(query) => {
                let found = head.query().and_then(|text| crate::query::first_value(text, &query.name));
                let found = found.map_or_else(|| "is missing".into(), |value| format!("is `{value}`"));
                let reason = format!("query parameter `{}` {found}, wanted {}", query.name, query.value);
                (Condition::QueryParam, reason, near::query(query, head.query()))
            }
            Unmet::Claim(claim) => {
                let found = if head.claims().is_none() { "no verified token" } else { "no such value" };
                let what = if claim.invert { "is excluded" } else { found };
                let reason = format!("claim `{}`: {what}, condition is {}", claim.key, claim.value);
                (Condition::Claim, reason, None)
            }
        };
        Self { condition, reason, near }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.near {
            Some(near) => write!(f, " ({near})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NearDomain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain `{}` of virtual host {}: {}", self.domain, self.virtual_host, self.near)
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.virtual_host {
            Some(host) => write!(f, "virtual host {host}: "),
            None => f.write_str("no virtual host covers the authority"),
        }?;
        match self.outcome {
            Outcome::Route(rule) => writeln!(f, "rule {rule} matches"),
            Outcome::TlsRequired => writeln!(f, "TLS is required and the scheme is not https"),
            Outcome::NotRoutable => writeln!(f, "the target is no path, no rule can match"),
            Outcome::NoRoute => writeln!(f, "no rule matches"),
            Outcome::NoVirtualHost => writeln!(f),
        }?;
        for RuleTrace { rule, refusal } in &self.rules {
            match refusal {
                Some(refusal) => writeln!(f, "  {rule}: {refusal}")?,
                None if self.outcome == Outcome::Route(*rule) => writeln!(f, "  {rule}: matches")?,
                None => writeln!(f, "  {rule}: would match, an earlier rule already did")?,
            }
        }
        for near in &self.nearest {
            writeln!(f, "  perhaps meant: {near}")?;
        }
        Ok(())
    }
}
