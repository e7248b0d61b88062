//! The HTTP rules of a VirtualService as an ordered list of routes for one listener (sections 1.8 and 3.1 of the
//! route reference).

use std::borrow::Cow;
use std::sync::Arc;

use mesh_model::ObjectRef;
use mesh_model::networking::VirtualService;
use mesh_model::networking::virtual_service::HttpMatchRequest;
use mesh_model::resolve::{EffectiveRoute, Resource, entry_applies};
use mesh_route::{Conditions, PathMatch};

use super::actions::{self, Context};
use super::clusters::Clusters;
use super::conditions::{conditions, is_catch_all};
use super::issues::{Fault, Issues, spec};
use super::scope::Scope;
use crate::snapshot::{Route, RouteSource};

/// One route and when it applies.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) when: Conditions,
    pub(super) route: Route,
    /// Gateways move those behind the others (ROUTE-APPLY-43).
    pub(super) catch_all: bool,
}

/// The routes of `found` on the listener of `scope`.
///
/// None when the VirtualService has nothing for this listener, or when a part of it cannot be built: then it is left
/// out whole, as Envoy refuses a table with a bad route (ROUTE-RX-08), and reported.
pub(super) fn rules(
    found: Resource<'_, VirtualService>,
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Vec<Rule> {
    report_lost_delegates(found, scope, issues);
    let mut out = Vec::new();
    let mut intact = true;
    for http in scope.set.http_routes(found) {
        let blocks = &http.route.matches;
        let kept = blocks.iter().enumerate().filter(|(_, block)| applies(block, &http, scope));
        let mut whole = blocks.is_empty();
        let object = Arc::new(http.source.clone());
        if blocks.is_empty() {
            intact &= push(&mut out, route(&http, &object, None, scope, clusters, issues), &http, issues);
        }
        for (index, block) in kept {
            let made = route(&http, &object, Some((index, block)), scope, clusters, issues);
            intact &= push(&mut out, made, &http, issues);
            if is_catch_all(block) {
                whole = true;
                break;
            }
        }
        // Nothing behind a rule that matches everything can be reached; a block that was filtered out does not
        // count (ROUTE-MATCH-05).
        if whole {
            break;
        }
    }
    if intact { out } else { Vec::new() }
}

/// Adds what could be made and reports what could not.
fn push(
    out: &mut Vec<Rule>,
    made: Result<Rule, Fault>,
    http: &EffectiveRoute<'_>,
    issues: &mut Issues,
) -> bool {
    match made {
        Ok(rule) => {
            out.push(rule);
            true
        }
        Err(fault) => {
            issues.error(
                &http.source,
                fault.path,
                format!("{}, the VirtualService is left out", fault.message),
            );
            false
        }
    }
}

/// Whether a match block can apply on this listener at all (ROUTE-MATCH-03, ROUTE-MATCH-04).
fn applies(block: &HttpMatchRequest, http: &EffectiveRoute<'_>, scope: &Scope<'_>) -> bool {
    (block.port == 0 || block.port == scope.port)
        && entry_applies(&block.into(), true, http.namespace, scope.proxy, scope.gateway)
}

fn route(
    http: &EffectiveRoute<'_>,
    object: &Arc<ObjectRef>,
    block: Option<(usize, &HttpMatchRequest)>,
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> Result<Rule, Fault> {
    let at = spec().field("http").index(http.index);
    let merged = matches!(http.route, Cow::Owned(_));
    let source = RouteSource {
        object: Arc::clone(object),
        rule: http.index,
        block: block.map(|(index, _)| index).filter(|_| !merged),
    };
    let when = match block {
        Some((index, block)) => conditions(block, &at.clone().field("match").index(index))?,
        None => Conditions::any(),
    };
    let block = block.map(|(_, block)| block);
    let name = name(&http.route.name, block.map_or("", |block| &block.name));
    let mut context = Context { scope, http, at: &at, clusters, issues };
    let (action, fault) = actions::action(&mut context, when.path_match())?;
    Ok(Rule {
        when,
        route: Route { name: name.into(), action, fault, source: Some(source) },
        catch_all: block.is_none_or(is_catch_all),
    })
}

/// `%ROUTE_NAME%` (ROUTE-MATCH-07).
fn name(rule: &str, block: &str) -> String {
    if block.is_empty() { rule.to_owned() } else { format!("{rule}.{block}") }
}

/// A rule whose delegate cannot be followed vanishes (ROUTE-DELEG-02); somebody should know.
fn report_lost_delegates(found: Resource<'_, VirtualService>, scope: &Scope<'_>, issues: &mut Issues) {
    for (index, rule) in found.spec.http.iter().enumerate() {
        let Some(delegate) = &rule.delegate else { continue };
        let namespace = if delegate.namespace.is_empty() { found.namespace() } else { &delegate.namespace };
        let name = format!("{namespace}/{}", delegate.name);
        let lost = match scope.set.find::<VirtualService>(namespace, &delegate.name) {
            None => format!("there is no usable VirtualService `{name}`"),
            Some(target) if !target.hosts.is_empty() => {
                format!("VirtualService `{name}` has hosts, a delegate must have none")
            }
            Some(target) if !scope.set.visibility(target.object).includes(found.namespace()) => {
                format!("VirtualService `{name}` is not exported to namespace `{}`", found.namespace())
            }
            Some(target) if target.http.iter().any(|inner| inner.delegate.is_some()) => {
                format!("VirtualService `{name}` delegates again, only one level is allowed")
            }
            Some(_) => continue,
        };
        let at = spec().field("http").index(index).field("delegate");
        issues.warning(&found.reference(), at, format!("{lost}, this rule is left out"));
    }
}

/// A prefix that every path has: what a rule without conditions is in Envoy's terms.
pub(super) fn everything() -> Conditions {
    Conditions::any().path(PathMatch::prefix("/"))
}
