//! Destinations of VirtualServices: services, their ports and subsets (MODEL-ANA-2 to 6, MODEL-PIT-1, MODEL-PIT-29).

use super::clients::Clients;
use super::index::{Definition, Index, Service};
use super::ingress_subsets::IngressSubsets;
use crate::networking::VirtualService;
use crate::networking::virtual_service::Destination;
use crate::validate::report::{At, Report, show};
use std::collections::BTreeSet;

/// How many names a help lists.
const LISTED: usize = 12;

/// The destinations of one VirtualService.
struct Check<'c, 'o> {
    index: &'c Index<'o>,
    subsets: &'c IngressSubsets<'o>,
    clients: Clients<'c>,
    /// It is for gateways too.
    ingress: bool,
    /// Sidecars may use it.
    inside: bool,
}

pub(super) fn virtual_service(
    report: &mut Report<'_>,
    service: &VirtualService,
    index: &Index<'_>,
    subsets: &IngressSubsets<'_>,
) {
    let check = Check {
        index,
        subsets,
        clients: Clients::of(report.object, index),
        ingress: service.gateways.iter().any(|gateway| gateway != "mesh"),
        inside: super::conflicts::is_for_mesh(service),
    };
    let spec = At::OBJECT.field("spec");
    let at = spec.field("http");
    for (number, rule) in service.http.iter().enumerate() {
        let at = at.index(number);
        if let Some(found) = &rule.delegate {
            super::delegates::check(report, &at.field("delegate"), found, index);
        }
        let routes = at.field("route");
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        check.all(report, &routes, targets.clone());
        for (number, target) in targets.enumerate() {
            if let Some(found) = target.filter(|_| check.ingress) {
                check.ingress_subset(report, &routes.index(number).field("destination"), found);
            }
        }
        if let Some(mirror) = &rule.mirror {
            check.one(report, &at.field("mirror"), mirror);
        }
        let targets = rule.mirrors.iter().map(|mirror| mirror.destination.as_ref());
        check.all(report, &at.field("mirrors"), targets);
    }
    let at = spec.field("tls");
    for (number, rule) in service.tls.iter().enumerate() {
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        check.all(report, &at.index(number).field("route"), targets);
    }
    let at = spec.field("tcp");
    for (number, rule) in service.tcp.iter().enumerate() {
        let targets = rule.route.iter().map(|target| target.destination.as_ref());
        check.all(report, &at.index(number).field("route"), targets);
    }
    hosts(report, &spec.field("hosts"), service, index);
}

/// Hosts that look like a Service's but are not completed (MODEL-RES-1).
fn hosts(report: &mut Report<'_>, at: &At<'_>, service: &VirtualService, index: &Index<'_>) {
    let own = report.namespace().to_owned();
    for (number, host) in service.hosts.iter().enumerate() {
        // MODEL-SEED-22 has said it of these, without knowing the services.
        let told = host.split_once('.').is_some_and(|(_, rest)| rest == own || rest == "default");
        if told {
            continue;
        }
        if let Some(full) = index.half_named(&host.to_ascii_lowercase()) {
            let message = format!("`{}` is not completed to the Service `{}`", show(host), show(&full));
            report.info("MODEL-RES-1", &at.index(number), message).help(format!("write {}", show(&full)));
        }
    }
}

impl Check<'_, '_> {
    fn all<'d>(
        &self,
        report: &mut Report<'_>,
        at: &At<'_>,
        list: impl Iterator<Item = Option<&'d Destination>>,
    ) {
        for (number, found) in list.enumerate() {
            if let Some(found) = found {
                self.one(report, &at.index(number).field("destination"), found);
            }
        }
    }

    fn one(&self, report: &mut Report<'_>, at: &At<'_>, destination: &Destination) {
        let host = self.index.full_name(&destination.host, report.namespace());
        if host.is_empty() || self.clients.is_empty() {
            return;
        }
        if !destination.subset.is_empty() {
            self.subset(report, at, &host, &destination.subset);
        }
        if !self.index.knows_services(&host) {
            return;
        }
        let services = self.index.services_of(&host, &self.clients);
        if services.is_empty() {
            self.no_service(report, at, destination, &host);
            return;
        }
        let ports = || -> String {
            let ports: BTreeSet<u32> =
                services.iter().flat_map(|service| service.ports.iter().map(|(number, _)| *number)).collect();
            ports.iter().take(LISTED).map(u32::to_string).collect::<Vec<_>>().join(", ")
        };
        match destination.port {
            None if services.iter().all(|service| service.ports.len() > 1) => {
                let message = format!("`{}` has several ports, and none is chosen (IST0112)", show(&host));
                let help = format!("add port: {{number: ...}}; its ports are {}", ports());
                report.error("MODEL-ANA-3", at, message).help(help);
            }
            Some(port) if !services.iter().any(|service| service.has_port(port.number)) => {
                let message = format!("`{}` has no port {} (IST0101)", show(&host), port.number);
                let at = at.field("port");
                let added = report.error("MODEL-ANA-4", &at.field("number"), message);
                match ports().as_str() {
                    "" => added.help("it has no ports at all"),
                    ports => added.help(format!("its ports are {ports}")),
                };
            }
            _ => {}
        }
    }

    /// MODEL-ANA-2, with what may have been meant.
    fn no_service(&self, report: &mut Report<'_>, at: &At<'_>, destination: &Destination, host: &str) {
        let namespace = report.namespace();
        let clients = self.clients.subject();
        let message = format!("there is no service `{}` that {clients} sees (IST0101)", show(host));
        let added = report.error("MODEL-ANA-2", &at.field("host"), message);
        let hidden = self.index.services_named(host).first();
        let full = self.index.half_named(host);
        let elsewhere = self.index.service_elsewhere(&destination.host, namespace);
        if let Some(hidden) = hidden {
            let hidden = hidden.object.reference();
            added.help(format!("{hidden} has the name, but is not exported to {}", self.clients.names()));
        } else if let Some(full) = full {
            added.help(format!("a name with a dot is not completed, write {}", show(&full)));
        } else if let Some(other) = elsewhere {
            let full = self.index.service_name(&destination.host, other);
            added.help(format!("there is one in the namespace `{other}`, write {}", show(&full)));
        } else if destination.host.contains('.') {
            added.help("check the name; for a host outside of the cluster add a ServiceEntry");
        } else {
            added.help("check the name and the namespace");
        }
    }

    /// MODEL-ANA-6
    fn subset(&self, report: &mut Report<'_>, at: &At<'_>, host: &str, name: &str) {
        // A rule for gateways is looked up in their namespace, not in this one.
        let clients = self.inside.then_some(&self.clients);
        let hidden = match self.index.subset(host, name, clients) {
            Definition::Seen => return,
            Definition::Hidden(rule) => Some(rule.reference()),
            Definition::Nobody => None,
        };
        let seen =
            hidden.as_ref().map(|_| format!(" that {} sees", self.clients.subject())).unwrap_or_default();
        let message = format!(
            "no DestinationRule{seen} defines the subset `{}` of `{}` (IST0101)",
            show(name),
            show(host)
        );
        let added = report.error("MODEL-ANA-6", &at.field("subset"), message);
        if let Some(hidden) = hidden {
            added.help(format!("{hidden} defines it, but is not exported to {}", self.clients.names()));
            return;
        }
        let names: Vec<&str> = self.index.subset_names(host, clients, LISTED).into_iter().collect();
        if names.is_empty() {
            added.help("requests to it are answered with 503; add a DestinationRule with the subset");
        } else {
            added.help(format!("requests to it are answered with 503; defined are {}", names.join(", ")));
        }
    }

    /// MODEL-ANA-5
    fn ingress_subset(&self, report: &mut Report<'_>, at: &At<'_>, destination: &Destination) {
        if !destination.subset.is_empty() {
            return;
        }
        let host = self.index.full_name(&destination.host, report.namespace());
        let Some(other) = self.subsets.other(&host, report.object) else { return };
        let message = format!(
            "{} chooses subsets of `{}`, which this route through a gateway does not (IST0140)",
            other.reference(),
            show(&host)
        );
        report
            .warning("MODEL-ANA-5", at, message)
            .help("its rules are for sidecars; name a subset here, or put its rules behind the gateway too");
    }
}

impl Service<'_> {
    fn has_port(&self, number: u32) -> bool {
        self.ports.iter().any(|(port, _)| *port == number)
    }
}
