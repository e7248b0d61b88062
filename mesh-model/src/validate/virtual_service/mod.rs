//! VirtualService (MODEL-VS).

mod action;
mod content;
mod cors;
mod headers;
mod http;
mod matching;
mod overlap;
mod resilience;
mod tcp;

pub(super) use resilience::retries;

use super::names::{fqdn, is_dns_label, is_ip, is_port, not_a_port, sni_domain, wildcard_domain};
use super::report::{At, Report, show};
use super::selector::export_to;
use crate::networking::VirtualService;
use crate::networking::virtual_service::Destination;
use crate::resolve::names::{by_specificity, overlaps};

/// What the rules of one VirtualService need to know about it.
#[derive(Clone, Copy)]
struct Whole<'v> {
    hosts: &'v [String],
    /// No hosts: other VirtualServices hand over to it.
    delegate: bool,
    /// Bound to sidecars.
    mesh: bool,
}

impl Whole<'_> {
    fn gateway_only(self) -> bool {
        !self.mesh
    }
}

pub(super) fn check(report: &mut Report<'_>, service: &VirtualService) {
    let spec = At::OBJECT.field("spec");
    let whole = Whole {
        hosts: &service.hosts,
        delegate: service.hosts.is_empty(),
        mesh: service.gateways.is_empty() || service.gateways.iter().any(|gateway| gateway == "mesh"),
    };
    if service.http.is_empty() && service.tls.is_empty() && service.tcp.is_empty() {
        report
            .error("MODEL-VS-1", &spec, "none of `http`, `tls` and `tcp` is given")
            .help("add a route")
            .absent();
    }
    if whole.delegate {
        for (name, set) in [
            ("gateways", !service.gateways.is_empty()),
            ("tls", !service.tls.is_empty()),
            ("tcp", !service.tcp.is_empty()),
        ] {
            if set {
                report
                    .error(
                        "MODEL-VS-2",
                        &spec.field(name),
                        format!("without `hosts` it is a delegate, which has no `{name}`"),
                    )
                    .help(format!("add `hosts`, or remove `{name}`"))
                    .at_key();
            }
        }
    }
    hosts(report, &spec.field("hosts"), service, whole);
    gateways(report, &spec.field("gateways"), &service.gateways);
    export_to(report, &spec.field("exportTo"), &service.export_to, false);
    let at = spec.field("http");
    for (index, route) in service.http.iter().enumerate() {
        http::route(report, &at.index(index), route, whole);
    }
    overlap::http(report, &at, &service.http);
    tcp::tls_routes(report, &spec.field("tls"), &service.tls, whole);
    tcp::tcp_routes(report, &spec.field("tcp"), &service.tcp);
}

fn hosts(report: &mut Report<'_>, at: &At<'_>, service: &VirtualService, whole: Whole<'_>) {
    // The names that multi-cluster gateways use are recognised only beside SNI matches.
    let sni = whole.gateway_only()
        && service.tls.iter().any(|route| route.matches.iter().any(|entry| !entry.sni_hosts.is_empty()));
    let mut valid = true;
    for (index, host) in service.hosts.iter().enumerate() {
        let at = at.index(index);
        let result = if sni { sni_domain(host) } else { wildcard_domain(host) };
        match result {
            Err(fault) if !is_ip(host) => {
                valid = false;
                let added =
                    report.error("MODEL-VS-3", &at, format!("`{}` is not a host: {fault}", show(host)));
                host_help(added, host);
            }
            _ if host == "*" && whole.mesh => {
                valid = false;
                report
                    .error("MODEL-VS-4", &at, "`*` is not allowed for sidecars")
                    .help("name the hosts, or bind it to a gateway with `gateways`");
            }
            _ if host.bytes().any(|c| c.is_ascii_uppercase()) => {
                report
                    .warning("MODEL-TYPE-17", &at, format!("`{}` has upper-case letters", show(host)))
                    .help("write it in lower case, which is how hosts are compared");
            }
            _ if whole.mesh && host.bytes().filter(|c| *c == b'.').count() == 1 && !host.contains('*') => {
                two_labels(report, &at, host);
            }
            _ => {}
        }
    }
    if valid && service.hosts.len() > 1 {
        overlapping_hosts(report, at, &service.hosts);
    }
}

fn host_help(added: super::report::Added<'_>, host: &str) {
    if let Some((_, rest)) = host.split_once("://") {
        added.help(format!("write {} without scheme", show(rest.split('/').next().unwrap_or(rest))));
    } else if let Some((name, _)) = host.rsplit_once(':') {
        added.help(format!("write {} without port", show(name)));
    } else if host.contains('/') {
        added.help("a host has no namespace or path here");
    } else {
        added.help("write a DNS name: letters, digits and inner `-` between dots, `*` only at the start");
    }
}

/// `a.b` could be meant as a service name, and is not completed (MODEL-RES-1).
fn two_labels(report: &mut Report<'_>, at: &At<'_>, host: &str) {
    let Some((name, namespace)) = host.split_once('.') else { return };
    // Only a service's namespace tells such a name from a domain like `test.com`.
    if namespace != report.namespace() && namespace != "default" {
        return;
    }
    report
        .info(
            "MODEL-SEED-22",
            at,
            format!("`{}` is taken as it is and not completed to a service", show(host)),
        )
        .help(format!("write {}.{}.svc.cluster.local if a service is meant", show(name), show(namespace)));
}

/// Two hosts that mean a common name (MODEL-VS-5).
fn overlapping_hosts(report: &mut Report<'_>, at: &At<'_>, hosts: &[String]) {
    // The broadest wildcards first.
    let mut wildcards: Vec<&String> = hosts.iter().filter(|host| host.starts_with('*')).collect();
    wildcards.sort_by(|a, b| by_specificity(b, a));
    let mut seen = std::collections::HashMap::new();
    for (index, host) in hosts.iter().enumerate() {
        let twin = seen.insert(host.to_ascii_lowercase(), index).is_some();
        let wide = wildcards.iter().take(MAX_WILDCARDS).find(|wide| **wide != host && overlaps(wide, host));
        if twin {
            report
                .error("MODEL-VS-5", &at.index(index), format!("`{}` is listed twice", show(host)))
                .help("remove one of the two");
        } else if let Some(wide) = wide {
            // The pair is reported once, at the narrower of the two.
            if !host.starts_with('*') || host.len() > wide.len() {
                report
                    .error(
                        "MODEL-VS-5",
                        &at.index(index),
                        format!("`{}` is covered by `{}`", show(host), show(wide)),
                    )
                    .help("remove one of the two");
            }
        }
    }
}

/// More wildcards than this in one object are not compared with each other, so that the cost stays linear.
const MAX_WILDCARDS: usize = 256;

/// An entry of `gateways` (MODEL-VS-7).
fn gateways(report: &mut Report<'_>, at: &At<'_>, list: &[String]) {
    for (index, name) in list.iter().enumerate() {
        let at = at.index(index);
        match name.split_once('/') {
            Some((".", gateway)) if is_dns_label(gateway) => {
                // It works at run time, and still Istio does not admit it.
                report
                    .error("MODEL-VS-7", &at, format!("`{}`: `.` is not a namespace here", show(name)))
                    .help(format!("write {}", show(gateway)));
            }
            Some((namespace, gateway)) => {
                if !is_dns_label(namespace) || !is_dns_label(gateway) {
                    report
                        .error("MODEL-VS-7", &at, format!("`{}` is not a gateway's name", show(name)))
                        .help("write <namespace>/<name>");
                }
            }
            None => {
                if let Err(fault) = fqdn(name) {
                    report
                        .error(
                            "MODEL-VS-7",
                            &at,
                            format!("`{}` is not a gateway's name: {fault}", show(name)),
                        )
                        .help("write <name> or <namespace>/<name>");
                } else if let Some((gateway, rest)) = name.split_once('.') {
                    let namespace = rest.split('.').next().unwrap_or(rest);
                    report
                        .warning(
                            "MODEL-VS-7",
                            &at,
                            format!("`{}` is an old form of a gateway's name", show(name)),
                        )
                        .help(format!("write {}/{}", show(namespace), show(gateway)));
                }
            }
        }
    }
}

/// The destination of a route or a mirror, which must be given (`code`).
fn required_destination(
    report: &mut Report<'_>,
    code: &'static str,
    at: &At<'_>,
    found: Option<&Destination>,
) {
    let at = at.field("destination");
    match found {
        Some(found) => destination(report, &at, found),
        None => {
            report
                .error(code, &at, "the destination is missing")
                .help("add destination: {host: ...}")
                .absent();
        }
    }
}

/// A destination of any protocol, or a mirror (MODEL-VS-51).
fn destination(report: &mut Report<'_>, at: &At<'_>, destination: &Destination) {
    let host = &destination.host;
    let host_at = at.field("host");
    if host.is_empty() {
        report.error("MODEL-VS-51", &host_at, "the destination has no host").help("add `host`").absent();
    } else if host == "*" {
        report.error("MODEL-VS-51", &host_at, "`*` is not a destination").help("name a service");
    } else if let Err(fault) = wildcard_domain(host) {
        let added = report.error("MODEL-VS-51", &host_at, format!("`{}` is not a host: {fault}", show(host)));
        if is_ip(host) {
            added.help("declare the address in a ServiceEntry, and name that one's host");
        } else {
            host_help(added, host);
        }
    }
    if !destination.subset.is_empty() && !is_dns_label(&destination.subset) {
        report
            .error(
                "MODEL-VS-51",
                &at.field("subset"),
                format!("`{}` is not a subset's name", show(&destination.subset)),
            )
            .help("letters, digits and inner `-`, at most 63 characters");
    }
    if let Some(port) = destination.port
        && !is_port(port.number)
    {
        let at = at.field("port");
        not_a_port(report, "MODEL-VS-51", &at.field("number"), port.number);
    }
}

/// Destinations and their weights (MODEL-VS-50, MODEL-VS-52).
fn weights(report: &mut Report<'_>, at: &At<'_>, weights: impl Iterator<Item = i32>) {
    let mut total: i64 = 0;
    let mut count = 0;
    let mut none = None;
    for (index, weight) in weights.enumerate() {
        count += 1;
        if weight == 0 {
            none = none.or(Some(index));
        }
        total += i64::from(weight);
        if weight < 0 {
            let at = at.index(index);
            report
                .error("MODEL-VS-50", &at.field("weight"), format!("the weight `{weight}` is negative"))
                .help("write 0 for no requests, or a positive number");
        }
    }
    if count > 1 && total == 0 {
        report
            .error("MODEL-VS-50", at, "the weights add up to 0, at least one must be positive")
            .help(format!("write weight: {} for each", 100 / count.min(100)));
        return;
    }
    if count == 1 && total != 0 && total != 100 {
        let at = at.index(0);
        report
            .info(
                "MODEL-VS-52",
                &at.field("weight"),
                format!("a single destination gets everything, not {total} %"),
            )
            .help("remove `weight`, or add the other destinations");
    }
    if count > 1 {
        if let Some(index) = none {
            let at = at.index(index);
            report
                .info("MODEL-VS-52", &at.field("weight"), "a destination of weight 0 gets nothing")
                .help("remove the destination, or give it a weight");
        } else if total != 100 {
            report
                .info(
                    "MODEL-VS-52",
                    at,
                    format!("the weights add up to {total}, they are shares and not percentages"),
                )
                .help("let them add up to 100 if percentages are meant");
        }
    }
}
