//! `tcp` rules of one service port on a sidecar (ROUTE-L4-16).

use std::collections::BTreeSet;

use mesh_model::FieldPath;
use mesh_model::networking::VirtualService;
use mesh_model::networking::virtual_service::L4MatchAttributes;
use mesh_model::resolve::{Resource, entry_applies};
use mesh_route::IpPrefix;

use super::super::issues::spec;
use super::draft::Criteria;
use super::forward::{Rule, forward, subnets, to_service};
use super::sidecar::{Chain, ServicePortView, Tools};
use crate::snapshot::{ConnectionAction, Next};

/// The chains of a port that is declared TCP, or nothing.
///
/// Rules in order, until one takes everything; the service itself is last, unless the subnets before it are its own.
pub(super) fn chains(view: &ServicePortView<'_>, tools: &mut Tools<'_>) -> Vec<Chain> {
    let mut out = Vec::new();
    for found in view.virtual_services {
        let source = found.reference();
        for (index, tcp) in found.spec.tcp.iter().enumerate() {
            // ROUTE-L4-17
            if tcp.route.is_empty() {
                continue;
            }
            let at = spec().field("tcp").index(index);
            let rule = Rule { source: &source, namespace: found.namespace(), at: &at, route: &tcp.route };
            let name = format!("{source} tcp[{index}]");
            let kept = kept(view, *found, &tcp.matches, &at, tools);
            match kept {
                Kept::Nothing => {}
                Kept::Everything => {
                    let action = forward(rule, &view.scope, tools.clusters, tools.issues);
                    out.push(Chain { name, criteria: on(view.cidrs.clone()), action });
                    return out;
                }
                Kept::Subnets(subnets) => {
                    let action = forward(rule, &view.scope, tools.clusters, tools.issues);
                    let same = same_set(&subnets, &view.cidrs);
                    out.push(Chain { name, criteria: on(subnets), action });
                    if same {
                        return out;
                    }
                }
                Kept::Broken => {
                    let action = ConnectionAction::plain(Next::BlackHole);
                    out.push(Chain { name, criteria: on(view.cidrs.clone()), action });
                    return out;
                }
            }
        }
    }
    let action = to_service(view.service, view.port.number, "", &view.scope, tools.clusters, tools.issues);
    out.push(Chain { name: view.service.hostname.clone(), criteria: on(view.cidrs.clone()), action });
    out
}

fn on(destinations: Vec<IpPrefix>) -> Criteria {
    Criteria { destinations, ..Criteria::default() }
}

fn same_set(a: &[IpPrefix], b: &[IpPrefix]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect()
}

/// What the blocks of a rule that can apply here ask for.
enum Kept {
    /// No block applies.
    Nothing,
    /// The rule has no blocks, or one that applies asks for no subnet.
    Everything,
    /// All subnets of those that apply.
    Subnets(Vec<IpPrefix>),
    /// A subnet that cannot be read: what it was for is not known.
    Broken,
}

fn kept(
    view: &ServicePortView<'_>,
    found: Resource<'_, VirtualService>,
    blocks: &[L4MatchAttributes],
    at: &FieldPath,
    tools: &mut Tools<'_>,
) -> Kept {
    if blocks.is_empty() {
        return Kept::Everything;
    }
    let mut all = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        // ROUTE-L4-12
        let applies = (block.port == 0 || block.port == view.scope.port)
            && entry_applies(&block.into(), false, found.namespace(), view.scope.proxy, None);
        if !applies {
            continue;
        }
        if block.destination_subnets.is_empty() {
            return Kept::Everything;
        }
        match subnets(&block.destination_subnets, &at.clone().field("match").index(index)) {
            Ok(found) => all.extend(found),
            Err((at, message)) => {
                let message = format!("{message}: connections to this port are closed");
                tools.issues.error(&found.reference(), at, message);
                return Kept::Broken;
            }
        }
    }
    if all.is_empty() { Kept::Nothing } else { Kept::Subnets(all) }
}
