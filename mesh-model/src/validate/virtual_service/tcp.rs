//! TLS and TCP rules (MODEL-VS-53 to 57).

use super::{Whole, destination, gateways, matching, overlap, weights};
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
            subnets(report, &at.field("destinationSubnets"), &entry.destination_subnets);
            matching::port(report, "MODEL-VS-56", &at, entry.port);
            matching::source(
                report,
                &at,
                &entry.source_labels,
                &entry.source_namespace,
                "MODEL-VS-56",
                false,
            );
            gateways(report, &at.field("gateways"), &entry.gateways);
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
            subnets(report, &at.field("destinationSubnets"), &entry.destination_subnets);
            matching::port(report, "MODEL-VS-56", &at, entry.port);
            matching::source(
                report,
                &at,
                &entry.source_labels,
                &entry.source_namespace,
                "MODEL-VS-56",
                false,
            );
            gateways(report, &at.field("gateways"), &entry.gateways);
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
            report.error("MODEL-VS-54", &at, format!("`{}` is not a host: {fault}", show(host)));
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

fn subnets(report: &mut Report<'_>, at: &At<'_>, list: &[String]) {
    for (index, subnet) in list.iter().enumerate() {
        if !is_subnet(subnet) {
            report
                .error(
                    "MODEL-VS-56",
                    &at.index(index),
                    format!("`{}` is not an address or a CIDR", show(subnet)),
                )
                .help("write one such as 10.0.0.0/8");
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
        match &target.destination {
            Some(found) => destination(report, &at.field("destination"), found),
            None => {
                report
                    .error("MODEL-VS-50", &at.field("destination"), "the destination is missing")
                    .help("add destination: {host: ...}")
                    .absent();
            }
        }
    }
    weights(report, at, list.iter().map(|target| target.weight));
}
