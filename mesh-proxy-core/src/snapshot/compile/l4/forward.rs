//! Destinations of `tls` and `tcp` rules, and the addresses that rules and services name.

use std::sync::Arc;

use mesh_model::networking::virtual_service::RouteDestination;
use mesh_model::resolve::{Service, names};
use mesh_model::{FieldPath, ObjectRef};
use mesh_route::{IpPrefix, WeightedSplit};

use super::super::clusters::{Clusters, Origin, reference};
use super::super::issues::{Issues, refusal, spec};
use super::super::scope::{Scope, Target};
use crate::snapshot::{ConnectionAction, Next, TcpDestination, TcpForward};

/// What a route to a missing cluster does (ROUTE-L4-06).
const NO_CLUSTER: &str = "connections are closed (NC)";

/// A rule of a VirtualService.
#[derive(Clone, Copy)]
pub(super) struct Rule<'r> {
    pub(super) source: &'r ObjectRef,
    pub(super) namespace: &'r str,
    pub(super) at: &'r FieldPath,
    pub(super) route: &'r [RouteDestination],
}

/// Forwards by weight. A rule that cannot be understood closes, so that nothing goes where it was not meant to.
pub(super) fn forward(
    rule: Rule<'_>,
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> ConnectionAction {
    let at = rule.at.clone().field("route");
    let mut broken = |at: FieldPath, message: String| {
        issues.error(rule.source, at, format!("{message}, connections of this rule are closed"));
        ConnectionAction::plain(Next::BlackHole)
    };
    let mut weighted = Vec::with_capacity(rule.route.len());
    for (index, entry) in rule.route.iter().enumerate() {
        let at = at.clone().index(index);
        let Some(destination) = &entry.destination else {
            return broken(at, "there is no `destination`".to_owned());
        };
        let Ok(weight) = u32::try_from(entry.weight) else {
            return broken(at.field("weight"), format!("weight is {}, must be 0 or more", entry.weight));
        };
        weighted.push((index, destination, weight));
    }
    let split = match WeightedSplit::new(
        weighted.iter().map(|(index, destination, weight)| ((*index, *destination), *weight)),
    ) {
        Ok(split) => split,
        Err(error) => return broken(at, refusal(&error)),
    };
    let mut found = Vec::new();
    for (index, destination) in split.targets() {
        let host = scope.set.full_name(&destination.host, rule.namespace).into_owned();
        let target = whole(scope.target(host.into(), destination.port), destination.port.is_some());
        let at = at.clone().index(*index).field("destination");
        let origin = Origin { source: rule.source, at, cost: NO_CLUSTER };
        let (cluster_name, cluster) = clusters.find(scope, &target, &destination.subset, origin, issues);
        found.push((*index, TcpDestination { cluster, cluster_name }));
    }
    // No entry was passed over, so each stands at its index.
    let weight_of = |index: usize| weighted.get(index).map_or(1, |(_, _, weight)| *weight);
    let destinations =
        WeightedSplit::new(found.into_iter().map(|(index, target)| (target, weight_of(index))));
    match destinations {
        Ok(destinations) => ConnectionAction::plain(Next::Forward(Arc::new(TcpForward { destinations }))),
        Err(error) => {
            issues.error(
                rule.source,
                at,
                format!("{}, connections of this rule are closed", refusal(&error)),
            );
            ConnectionAction::plain(Next::BlackHole)
        }
    }
}

/// Without an explicit port the only port of the service counts, on sidecars too (ROUTE-ACT-03, ROUTE-L4-17).
fn whole(target: Target<'_>, explicit: bool) -> Target<'_> {
    match target.service.map(|service| service.ports.as_slice()) {
        Some([only]) if !explicit => Target { port: only.number, ..target },
        _ => target,
    }
}

/// Forwards to a port and subset of a service itself.
pub(super) fn to_service(
    service: &Service,
    port: u32,
    subset: &str,
    scope: &Scope<'_>,
    clusters: &mut Clusters,
    issues: &mut Issues,
) -> ConnectionAction {
    let target = Target { port, ..scope.target(service.hostname.as_str().into(), None) };
    let source = reference(scope, service);
    let origin = Origin { source: &source, at: spec(), cost: NO_CLUSTER };
    let (cluster_name, cluster) = clusters.find(scope, &target, subset, origin, issues);
    let destinations = WeightedSplit::single(TcpDestination { cluster, cluster_name });
    ConnectionAction::plain(Next::Forward(Arc::new(TcpForward { destinations })))
}

/// The subnets of a block; `Err` is the place and the text of one that cannot be read.
pub(super) fn subnets(list: &[String], at: &FieldPath) -> Result<Vec<IpPrefix>, (FieldPath, String)> {
    let read = |(index, text): (usize, &String)| {
        text.parse().map_err(|error| (at.clone().field("destinationSubnets").index(index), refusal(&error)))
    };
    list.iter().enumerate().map(read).collect()
}

/// Whether one of the hosts, written in a rule of that namespace, names `service` (ROUTE-L4-11).
pub(super) fn touches(hosts: &[String], service: &str) -> bool {
    hosts.iter().any(|host| names::overlaps(host, service))
}
