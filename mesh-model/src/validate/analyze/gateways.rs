//! Gateways that VirtualServices name (MODEL-ANA-7, MODEL-ANA-8).

use super::index::Index;
use crate::networking::VirtualService;
use crate::resolve::names::{GatewayReference, gateway_reference, overlaps};
use crate::resolve::server_hosts;
use crate::validate::report::{At, Report, show};

pub(super) fn check(report: &mut Report<'_>, service: &VirtualService, index: &Index<'_>) {
    let spec = At::OBJECT.field("spec");
    list(report, &spec.field("gateways"), &service.gateways, &service.hosts, index);
    let http = service.http.iter().map(|rule| rule.matches.iter().map(|entry| &entry.gateways));
    rules(report, &spec.field("http"), http, index);
    let tls = service.tls.iter().map(|rule| rule.matches.iter().map(|entry| &entry.gateways));
    rules(report, &spec.field("tls"), tls, index);
    let tcp = service.tcp.iter().map(|rule| rule.matches.iter().map(|entry| &entry.gateways));
    rules(report, &spec.field("tcp"), tcp, index);
}

/// The `gateways` of every match of every rule.
fn rules<'m>(
    report: &mut Report<'_>,
    at: &At<'_>,
    rules: impl Iterator<Item = impl Iterator<Item = &'m Vec<String>>>,
    index: &Index<'_>,
) {
    for (number, matches) in rules.enumerate() {
        let rule = at.index(number);
        let at = rule.field("match");
        for (number, gateways) in matches.enumerate() {
            list(report, &at.index(number).field("gateways"), gateways, &[], index);
        }
    }
}

fn list(report: &mut Report<'_>, at: &At<'_>, names: &[String], hosts: &[String], index: &Index<'_>) {
    let own = report.namespace();
    for (number, text) in names.iter().enumerate() {
        let GatewayReference::Gateway { namespace, name } = gateway_reference(text, own) else { continue };
        let at = at.index(number);
        let Some(gateway) = index.gateway(&namespace, &name) else {
            if index.is_foreign_gateway(&namespace, &name) {
                continue;
            }
            let added = report.warning(
                "MODEL-ANA-7",
                &at,
                format!(
                    "there is no Gateway `{}` in the namespace `{}` (IST0101)",
                    show(&name),
                    show(&namespace)
                ),
            );
            if let Some(other) = index.gateway_named(&name) {
                added.help(format!("there is one in `{other}`, write {other}/{name}"));
            }
            continue;
        };
        let served = gateway
            .servers
            .iter()
            .flat_map(|server| server_hosts(&server.hosts, &namespace))
            .filter(|server| server.admits(own))
            .any(|server| hosts.iter().any(|host| overlaps(host, &server.host)));
        if !hosts.is_empty() && !served {
            report
                .warning(
                    "MODEL-ANA-8",
                    &at,
                    format!("the Gateway `{}` serves none of the hosts (IST0132)", show(&name)),
                )
                .help("add the hosts to one of its servers");
        }
    }
}
