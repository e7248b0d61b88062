//! From planned virtual hosts to a route table.

use std::collections::HashSet;

use mesh_model::ObjectRef;
use mesh_route::{HostPattern, RouteTable, VirtualHost};

use super::issues::{Issues, refusal, spec};
use super::rules::Rule;
use crate::snapshot::Route;

/// A virtual host before its domains are settled.
#[derive(Debug)]
pub(super) struct Plan {
    /// `reviews.default.svc.cluster.local:9080`
    pub(super) name: String,
    /// In order of precedence.
    pub(super) domains: Vec<String>,
    /// `httpsRedirect`
    pub(super) tls_required: bool,
    pub(super) rules: Vec<Rule>,
}

/// The table of these virtual hosts. A domain belongs to the first that names it, and one that is left without any
/// disappears (ROUTE-APPLY-28).
pub(super) fn table(plans: Vec<Plan>, listener: &ObjectRef, issues: &mut Issues) -> RouteTable<Route> {
    let mut taken = HashSet::new();
    let mut builder = RouteTable::builder();
    for plan in plans {
        let mut domains = Vec::new();
        for domain in &plan.domains {
            match domain.parse::<HostPattern>() {
                Ok(pattern) if taken.insert(pattern.as_str().to_owned()) => domains.push(pattern),
                Ok(_) => {}
                Err(error) => issues.error(listener, spec(), format!("{error}, it is left out")),
            }
        }
        if domains.is_empty() {
            continue;
        }
        let mut host = VirtualHost::new(&plan.name, domains);
        if plan.tls_required {
            host = host.require_tls();
        }
        for rule in plan.rules {
            host.push(rule.when, rule.route);
        }
        builder = builder.virtual_host(host);
    }
    builder.build().unwrap_or_else(|error| {
        issues.error(listener, spec(), format!("{}, every request is answered with 404", refusal(&error)));
        empty()
    })
}

/// A table in which no request finds anything.
fn empty() -> RouteTable<Route> {
    // INVARIANT: a table without virtual hosts has nothing that could be refused.
    #[allow(clippy::expect_used, reason = "nothing is built, so nothing can fail")]
    RouteTable::builder().build().expect("an empty table")
}
