//! Why a request went where it went.

use std::fmt;

use crate::head::{Headers, RequestHead};
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
    pub(crate) fn no_virtual_host() -> Self {
        Self { virtual_host: None, outcome: Outcome::NoVirtualHost, rules: Vec::new() }
    }

    pub(crate) fn of_host<A, H: Headers + ?Sized>(
        host: &'t VirtualHost<A>,
        head: &RequestHead<'_, H>,
    ) -> Self {
        let virtual_host = Some(host.name());
        if host.tls_required() && head.scheme() != "https" {
            return Self { virtual_host, outcome: Outcome::TlsRequired, rules: Vec::new() };
        }
        if !is_routable(head) {
            return Self { virtual_host, outcome: Outcome::NotRoutable, rules: Vec::new() };
        }
        let trace = |(number, (when, _)): (u32, (&crate::Conditions, _))| RuleTrace {
            rule: RuleId(number),
            refusal: when.unmet(head).map(|unmet| Refusal::new(unmet, head)),
        };
        let rules: Vec<RuleTrace> = (0..).zip(host.rules()).map(trace).collect();
        let winner = rules.iter().find(|trace| trace.refusal.is_none()).map(|trace| trace.rule);
        Self { virtual_host, outcome: winner.map_or(Outcome::NoRoute, Outcome::Route), rules }
    }
}

impl Refusal {
    fn new<H: Headers + ?Sized>(unmet: Unmet<'_>, head: &RequestHead<'_, H>) -> Self {
        let (condition, reason) = match unmet {
            Unmet::Path(want) => {
                let near = want.near_miss(head.path()).map(|near| format!(" ({near})")).unwrap_or_default();
                (Condition::Path, format!("path `{}` is not {want}{near}", head.path()))
            }
            Unmet::Method(want) => (Condition::Method, format!("method `{}` is not {want}", head.method())),
            Unmet::Scheme(want) => (Condition::Scheme, format!("scheme `{}` is not {want}", head.scheme())),
            Unmet::Authority(want) => {
                (Condition::Authority, format!("authority `{}` is not {want}", head.authority()))
            }
            Unmet::Header(header) if header.invert => {
                let name = header.subject.name();
                (
                    Condition::WithoutHeader,
                    format!("header `{name}` counts as {}, which is excluded", header.value),
                )
            }
            Unmet::Header(header) => {
                let name = header.subject.name();
                let missing = matches!(&header.subject, crate::header::Subject::Line(name) if head.headers().first(name).is_none());
                let found = if missing { "is missing" } else { "is different" };
                (Condition::Header, format!("header `{name}` {found}, wanted {}", header.value))
            }
            Unmet::Query(query) => {
                let found = head.query().and_then(|text| crate::query::first_value(text, &query.name));
                let found = found.map_or_else(|| "is missing".into(), |value| format!("is `{value}`"));
                (
                    Condition::QueryParam,
                    format!("query parameter `{}` {found}, wanted {}", query.name, query.value),
                )
            }
            Unmet::Claim(claim) => {
                let found = if head.claims().is_none() { "no verified token" } else { "no such value" };
                let what = if claim.invert { "is excluded" } else { found };
                (Condition::Claim, format!("claim `{}`: {what}, condition is {}", claim.key, claim.value))
            }
        };
        Self { condition, reason }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(host) = self.virtual_host else {
            return f.write_str("no virtual host covers the authority\n");
        };
        write!(f, "virtual host {host}: ")?;
        match self.outcome {
            Outcome::Route(rule) => writeln!(f, "rule {rule} matches"),
            Outcome::TlsRequired => writeln!(f, "TLS is required and the scheme is not https"),
            Outcome::NotRoutable => writeln!(f, "the target is no path, no rule can match"),
            Outcome::NoRoute | Outcome::NoVirtualHost => writeln!(f, "no rule matches"),
        }?;
        for RuleTrace { rule, refusal } in &self.rules {
            match refusal {
                Some(refusal) => writeln!(f, "  {rule}: {}", refusal.reason)?,
                None if self.outcome == Outcome::Route(*rule) => writeln!(f, "  {rule}: matches")?,
                None => writeln!(f, "  {rule}: would match, an earlier rule already did")?,
            }
        }
        Ok(())
    }
}
