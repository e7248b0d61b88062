//! Rules for another kind of traffic than the gateway's servers take in (MODEL-VS-61, MODEL-PIT-33).

use super::index::Index;
use crate::common::{Protocol, ServerTlsMode};
use crate::networking::VirtualService;
use crate::networking::gateway::Server;
use crate::resolve::names::{GatewayReference, gateway_reference, overlaps};
use crate::resolve::server_hosts;
use crate::validate::report::{At, Report, show};

/// What the servers for a VirtualService's hosts do with connections.
#[derive(Default)]
struct Taken {
    /// They see requests.
    http: bool,
    /// They forward TLS as it is.
    passthrough: bool,
    /// They take TLS off.
    terminated: bool,
    /// The first server that cannot use the rules, for the message: its Gateway and port.
    server: Option<(String, u32)>,
}

/// The rule's list, and the `gateways` of each of its matches.
type Rule<'r> = (usize, Vec<&'r [String]>);

pub(super) fn check(report: &mut Report<'_>, service: &VirtualService, index: &Index<'_>) {
    let spec = At::OBJECT.field("spec");
    let tls =
        service.tls.iter().map(|rule| rule.matches.iter().map(|entry| entry.gateways.as_slice()).collect());
    for (number, gateways) in tls.enumerate().collect::<Vec<Rule<'_>>>() {
        let Some(taken) = taken(report.namespace(), service, &gateways, index) else { continue };
        if let Some((gateway, port)) = taken.server.filter(|_| taken.terminated && !taken.passthrough) {
            report
                .warning(
                    "MODEL-VS-61",
                    &spec.field("tls").index(number),
                    format!("never used, `{}` takes TLS off on port {port}", show(&gateway)),
                )
                .help("write the rule under `http`, or set the server's mode to PASSTHROUGH");
        }
    }
    let http =
        service.http.iter().map(|rule| rule.matches.iter().map(|entry| entry.gateways.as_slice()).collect());
    for (number, gateways) in http.enumerate().collect::<Vec<Rule<'_>>>() {
        let Some(taken) = taken(report.namespace(), service, &gateways, index) else { continue };
        if let Some((gateway, port)) = taken.server.filter(|_| taken.passthrough && !taken.http) {
            report
                .warning(
                    "MODEL-VS-61",
                    &spec.field("http").index(number),
                    format!("never used, `{}` passes TLS on as it is on port {port}", show(&gateway)),
                )
                .help("write the rule under `tls` with `sniHosts`, or set the server's mode to SIMPLE with a certificate");
        }
    }
}

/// What the servers of the rule's gateways do; `None` when sidecars use the rule too, or when a gateway is not known.
fn taken(own: &str, service: &VirtualService, matches: &[&[String]], index: &Index<'_>) -> Option<Taken> {
    let mut out = Taken::default();
    let all = service.gateways.as_slice();
    let lists = matches.iter().map(|list| if list.is_empty() { all } else { list });
    let lists: Vec<&[String]> = if matches.is_empty() { vec![all] } else { lists.collect() };
    for list in lists {
        if list.is_empty() {
            return None;
        }
        for text in list {
            let GatewayReference::Gateway { namespace, name } = gateway_reference(text, own) else {
                return None;
            };
            let (_, gateway) = index.gateway(&namespace, &name)?;
            for server in &gateway.servers {
                let hosts = server_hosts(&server.hosts, &namespace);
                let mut hosts = hosts.iter().filter(|host| host.admits(own));
                if hosts.any(|host| service.hosts.iter().any(|name| overlaps(name, &host.host))) {
                    out.add(server, &name);
                }
            }
        }
    }
    Some(out)
}

impl Taken {
    fn add(&mut self, server: &Server, gateway: &str) {
        let Some(port) = &server.port else { return };
        let protocol = Protocol::parse(&port.protocol).unwrap_or_default();
        let mode = server.tls.as_ref().map(|tls| tls.mode);
        let passes = matches!(mode, Some(ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
        if protocol.is_http() {
            self.http = true;
        } else if protocol.is_tls() && passes {
            self.passthrough = true;
        } else if protocol.is_tls() && mode.is_some() {
            self.terminated = true;
            self.http |= protocol == Protocol::Https;
        } else {
            return;
        }
        if protocol.is_tls() {
            self.server.get_or_insert_with(|| (gateway.to_owned(), port.number));
        }
    }
}
