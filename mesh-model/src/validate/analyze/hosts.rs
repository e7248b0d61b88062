//! Destinations: services, their ports and subsets (MODEL-ANA-2 to 4, MODEL-ANA-6, MODEL-ANA-13), and delegates.

use super::index::{DOMAIN, Index};
use crate::networking::virtual_service::{Delegate, Destination};
use crate::networking::{DestinationRule, VirtualService};
use crate::resolve::names::{full_name, service_name};
use crate::validate::report::{At, Report, show};

pub(super) fn virtual_service(report: &mut Report<'_>, service: &VirtualService, index: &Index<'_>) {
    let spec = At::OBJECT.field("spec");
    let at = spec.field("http");
    for (number, rule) in service.http.iter().enumerate() {
        let at = at.index(number);
        if let Some(found) = &rule.delegate {
            delegate(report, &at.field("delegate"), found, index);
        }
        let routes = at.field("route");
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        destinations(report, &routes, targets, index);
        if let Some(mirror) = &rule.mirror {
            destination(report, &at.field("mirror"), mirror, index);
        }
        let targets = rule.mirrors.iter().map(|mirror| mirror.destination.as_ref());
        destinations(report, &at.field("mirrors"), targets, index);
    }
    let at = spec.field("tls");
    for (number, rule) in service.tls.iter().enumerate() {
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        destinations(report, &at.index(number).field("route"), targets, index);
    }
    let at = spec.field("tcp");
    for (number, rule) in service.tcp.iter().enumerate() {
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        destinations(report, &at.index(number).field("route"), targets, index);
    }
}

fn destinations<'d>(
    report: &mut Report<'_>,
    at: &At<'_>,
    list: impl Iterator<Item = Option<&'d Destination>>,
    index: &Index<'_>,
) {
    for (number, found) in list.enumerate() {
        if let Some(found) = found {
            destination(report, &at.index(number).field("destination"), found, index);
        }
    }
}

fn destination(report: &mut Report<'_>, at: &At<'_>, destination: &Destination, index: &Index<'_>) {
    let namespace = report.namespace();
    let host = full_name(&destination.host, namespace, DOMAIN).to_ascii_lowercase();
    if host.is_empty() {
        return;
    }
    if !destination.subset.is_empty() {
        subset(report, at, &host, &destination.subset, index);
    }
    if !index.knows_services() {
        return;
    }
    let services = index.services(&host, namespace);
    if services.is_empty() {
        let added = report.warning(
            "MODEL-ANA-2",
            &at.field("host"),
            format!("there is no service `{}` that this namespace sees (IST0101)", show(&host)),
        );
        // `name.namespace` is not completed (MODEL-RES-1).
        if let Some((name, other)) = host.split_once('.').filter(|(_, rest)| !rest.contains('.')) {
            let full = service_name(name, other, DOMAIN);
            if !index.services(&full, namespace).is_empty() {
                added.help(format!("write {}", show(&full)));
            }
        }
        return;
    }
    match destination.port {
        None => {
            if services.iter().all(|service| service.ports.len() > 1) {
                report
                    .warning(
                        "MODEL-ANA-3",
                        at,
                        format!("`{}` has several ports, and none is chosen (IST0112)", show(&host)),
                    )
                    .help("add port: {number: ...}");
            }
        }
        Some(port) => {
            if !services.iter().any(|service| service.ports.contains(&port.number)) {
                let ports: std::collections::BTreeSet<u32> =
                    services.iter().flat_map(|service| service.ports.iter().copied()).collect();
                let ports: Vec<String> = ports.iter().take(12).map(u32::to_string).collect();
                let at = at.field("port");
                report
                    .warning(
                        "MODEL-ANA-4",
                        &at.field("number"),
                        format!("`{}` has no port {} (IST0101)", show(&host), port.number),
                    )
                    .help(format!("its ports are {}", ports.join(", ")));
            }
        }
    }
}

fn subset(report: &mut Report<'_>, at: &At<'_>, host: &str, name: &str, index: &Index<'_>) {
    let defined = index.subsets(host);
    if defined.contains(name) {
        return;
    }
    let added = report.warning(
        "MODEL-ANA-6",
        &at.field("subset"),
        format!("no DestinationRule defines the subset `{}` of `{}` (IST0101)", show(name), show(host)),
    );
    let names: Vec<&str> = defined.into_iter().take(12).collect();
    if names.is_empty() {
        added.help("requests to it are answered with 503; add a DestinationRule with the subset");
    } else {
        added.help(format!("requests to it are answered with 503; defined are {}", names.join(", ")));
    }
}

fn delegate(report: &mut Report<'_>, at: &At<'_>, delegate: &Delegate, index: &Index<'_>) {
    if delegate.name.is_empty() {
        return;
    }
    let own = report.namespace();
    let namespace = if delegate.namespace.is_empty() { own } else { &delegate.namespace };
    let message = match index.virtual_service(namespace, &delegate.name) {
        None => format!(
            "there is no VirtualService `{}` in the namespace `{}`",
            show(&delegate.name),
            show(namespace)
        ),
        Some((_, target)) if !target.hosts.is_empty() => {
            format!("`{}` has hosts, so it is not a delegate", show(&delegate.name))
        }
        Some((_, target)) if target.http.iter().any(|rule| rule.delegate.is_some()) => {
            format!("`{}` delegates itself, which is one level too many", show(&delegate.name))
        }
        Some((object, _)) => {
            let visibility = crate::resolve::Visibility::of(object, &index.mesh);
            if visibility.includes(own) {
                return;
            }
            format!("`{}` is not exported to the namespace `{own}`", show(&delegate.name))
        }
    };
    report.warning("MODEL-VS-14", &at.field("name"), message).help("the rule is left out");
}

pub(super) fn destination_rule(report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
    let namespace = report.namespace();
    let host = full_name(&rule.host, namespace, DOMAIN).to_ascii_lowercase();
    // A wildcard is for services to come as well.
    if !index.knows_services() || host.is_empty() || host.starts_with('*') {
        return;
    }
    if index.services(&host, namespace).is_empty() {
        let spec = At::OBJECT.field("spec");
        report
            .warning(
                "MODEL-ANA-13",
                &spec.field("host"),
                format!("there is no service `{}` that this namespace sees (IST0174)", show(&host)),
            )
            .help("the rule applies to nothing");
    }
}
