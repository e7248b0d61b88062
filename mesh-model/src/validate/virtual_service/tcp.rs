//! TLS and TCP rules (MODEL-VS-53 to 57).

use super::{Whole, gateways, matching, overlap, required_destination, weights};
use crate::common::StringMap;
use crate::networking::virtual_service::{RouteDestination, TcpRoute, TlsMatchAttributes, TlsRoute};
use crate::resolve::names::is_subset_of;
use crate::validate::names::{is_ip, is_subnet, sni_domain, wildcard_domain};
use crate::validate::report::{At, Report, show};

pub(super) fn tls_routes(report: &mut Report<'_>, at: &At<'_>, list: &[TlsRoute], whole: Whole<'_>) {
    for (index, route) in list.iter().enumerate() {
        let at = at.index(index);
        if route.matches.is_empty() {
            report
                .error("MODEL-VS-53", &at.field("match"), "a TLS rule needs a match")
                .help("add match: [{sniHosts: [...]}]")
                .absent();
        }
        let matches = at.field("match");
        for (index, entry) in route.matches.iter().enumerate() {
            let at = matches.index(index);
            sni_hosts(report, &at.field("sniHosts"), entry, whole);
            connection(
                report,
                &at,
                &Connection {
                    subnets: &entry.destination_subnets,
                    port: entry.port,
                    labels: &entry.source_labels,
                    namespace: &entry.source_namespace,
                    gateways: &entry.gateways,
                },
            );
        }
        destinations(report, "MODEL-VS-53", &at.field("route"), &route.route);
    }
    overlap::tls(report, at, list);
}

pub(super) fn tcp_routes(report: &mut Report<'_>, at: &At<'_>, list: &[TcpRoute]) {
    for (index, route) in list.iter().enumerate() {
        let at = at.index(index);
        let matches = at.field("match");
        for (index, entry) in route.matches.iter().enumerate() {
            let at = matches.index(index);
            connection(
                report,
                &at,
                &Connection {
                    subnets: &entry.destination_subnets,
                    port: entry.port,
                    labels: &entry.source_labels,
                    namespace: &entry.source_namespace,
                    gateways: &entry.gateways,
                },
            );
            if !entry.source_subnet.is_empty() {
                report
                    .warning("MODEL-LEG-25", &at.field("sourceSubnet"), "`sourceSubnet` has no effect")
                    .help("write an AuthorizationPolicy with `ipBlocks` to refuse clients")
                    .at_key();
            }
        }
        destinations(report, "MODEL-VS-57", &at.field("route"), &route.route);
    }
    overlap::tcp(report, at, list);
}

/// What TLS and TCP matches ask of a connection.
struct Connection<'m> {
    subnets: &'m [String],
    port: u32,
    labels: &'m StringMap,
    namespace: &'m str,
    gateways: &'m [String],
}

/// MODEL-VS-56.
fn connection(report: &mut Report<'_>, at: &At<'_>, asked: &Connection<'_>) {
    const CODE: &str = "MODEL-VS-56";
    let at_subnets = at.field("destinationSubnets");
    for (index, subnet) in asked.subnets.iter().enumerate() {
        if !is_subnet(subnet) {
            report
                .error(
                    CODE,
                    &at_subnets.index(index),
                    format!("`{}` is not an address or a CIDR", show(subnet)),
                )
                .help("write one such as 10.0.0.0/8");
        }
    }
    matching::port(report, CODE, at, asked.port);
    matching::source(report, at, asked.labels, asked.namespace, CODE, false);
    gateways(report, &at.field("gateways"), asked.gateways);
}

fn sni_hosts(report: &mut Report<'_>, at: &At<'_>, entry: &TlsMatchAttributes, whole: Whole<'_>) {
    if entry.sni_hosts.is_empty() {
        report.error("MODEL-VS-53", at, "the match has no `sniHosts`").help("add sniHosts: [...]").absent();
    }
    for (index, host) in entry.sni_hosts.iter().enumerate() {
        let at = at.index(index);
        if is_ip(host) {
            report
                .warning("MODEL-VS-54", &at, format!("`{}` is an address, clients send a name", show(host)))
                .help("match `destinationSubnets` instead");
            continue;
        }
        let result = if whole.gateway_only() { sni_domain(host) } else { wildcard_domain(host) };
        if let Err(fault) = result {
            report
                .error("MODEL-VS-54", &at, format!("`{}` is not a host: {fault}", show(host)))
                .help("write a DNS name, or *.<domain>");
        } else if !whole.hosts.iter().any(|wide| is_subset_of(host, wide)) {
            report
                .error(
                    "MODEL-VS-55",
                    &at,
                    format!("`{}` is not among the hosts of the VirtualService", show(host)),
                )
                .help("add it to `spec.hosts`");
        }
    }
}

fn destinations(report: &mut Report<'_>, code: &'static str, at: &At<'_>, list: &[RouteDestination]) {
    if list.is_empty() {
        report
            .error(code, at, "the rule has no `route`")
            .help("add route: [{destination: {host: ...}}]")
            .absent();
    }
    for (index, target) in list.iter().enumerate() {
        let at = at.index(index);
        required_destination(report, "MODEL-VS-50", &at, target.destination.as_ref());
    }
    weights(report, at, list.iter().map(|target| target.weight));
}
