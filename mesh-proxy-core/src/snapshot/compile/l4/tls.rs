//! `tls` rules of one service port on a sidecar (ROUTE-L4-13, ROUTE-L4-14).

use std::collections::BTreeSet;

use mesh_model::resolve::entry_applies;

use super::super::hosts::domains;
use super::super::issues::spec;
use super::draft::Criteria;
use super::forward::{Rule, forward, subnets, to_service};
use super::sidecar::{Chain, ServicePortView, Tools};
use crate::snapshot::{ConnectionAction, Next};

/// The chains of a port that is declared HTTPS or TLS: one for each block that applies, else one to the service.
pub(super) fn chains(view: &ServicePortView<'_>, tools: &mut Tools<'_>) -> Vec<Chain> {
    let mut out = Vec::new();
    let mut handled = BTreeSet::new();
    let mut destinations = view.cidrs.clone();
    for found in view.virtual_services {
        let source = found.reference();
        for (index, tls) in found.spec.tls.iter().enumerate() {
            // ROUTE-L4-17
            if tls.route.is_empty() {
                continue;
            }
            let at = spec().field("tls").index(index);
            for (number, block) in tls.matches.iter().enumerate() {
                // ROUTE-L4-12
                let applies = (block.port == 0 || block.port == view.scope.port)
                    && entry_applies(&block.into(), false, found.namespace(), view.scope.proxy, None);
                if !applies {
                    continue;
                }
                let at_block = at.clone().field("match").index(number);
                let name = format!("{source} tls[{index}].match[{number}]");
                let mut broken = None;
                if !block.destination_subnets.is_empty() {
                    // Blocks after this one inherit it.
                    match subnets(&block.destination_subnets, &at_block) {
                        Ok(found) => destinations = found,
                        Err((at, message)) => {
                            let message = format!("{message}: connections for these server names are closed");
                            tools.issues.error(&source, at, message);
                            broken = Some(ConnectionAction::plain(Next::BlackHole));
                        }
                    }
                }
                if !handled.insert((block.sni_hosts.clone(), block.destination_subnets.clone())) {
                    continue;
                }
                let rule = Rule { source: &source, namespace: found.namespace(), at: &at, route: &tls.route };
                let action =
                    broken.unwrap_or_else(|| forward(rule, &view.scope, tools.clusters, tools.issues));
                let criteria = Criteria {
                    destinations: destinations.clone(),
                    server_names: block.sni_hosts.clone(),
                    ..Criteria::default()
                };
                out.push(Chain { name, criteria, action });
            }
        }
    }
    if !out.is_empty() {
        return out;
    }
    // On a listener that other services may share, the server name tells them apart (ROUTE-L4-14).
    let server_names = if view.by_address { Vec::new() } else { own_names(view) };
    let action = to_service(view.service, view.port.number, "", &view.scope, tools.clusters, tools.issues);
    let criteria = Criteria { destinations: view.cidrs.clone(), server_names, ..Criteria::default() };
    out.push(Chain { name: view.service.hostname.clone(), criteria, action });
    out
}

/// The service's name, and all forms of the names of its aliases.
fn own_names(view: &ServicePortView<'_>) -> Vec<String> {
    let (namespace, domain) = (&view.scope.proxy.namespace, view.scope.set.cluster_domain());
    let mut names = vec![view.service.hostname.clone()];
    for alias in view.aliases {
        names.extend(domains(alias, &[], namespace, domain).all);
    }
    names
}
