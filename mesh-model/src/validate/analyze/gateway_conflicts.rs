//! Servers of two Gateways for the same port and host (MODEL-ANA-18, MODEL-PIT-19).

use super::conflicts::seniority;
use super::gateway_pods::GatewayPods;
use super::index::Index;
use crate::common::{Protocol, StringMap};
use crate::networking::gateway::Server;
use crate::object::Object;
use crate::resolve::{ServerHost, server_hosts};
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};

/// Who serves a Gateway: the pods of its selector where they are known, else the selector itself.
#[derive(PartialEq, Eq, Hash)]
enum Group<'p, 'o> {
    Pods(&'p [usize]),
    Selector(&'o StringMap),
}

/// A host that an older Gateway serves on the same port.
struct Shared {
    server: usize,
    host: usize,
    other: usize,
}

pub(super) struct GatewayConflicts<'o> {
    objects: &'o [Object],
    /// By place of the Gateway.
    shared: BTreeMap<usize, Vec<Shared>>,
}

impl<'o> GatewayConflicts<'o> {
    /// Cost: linear in the hosts of all servers.
    pub(super) fn new(index: &Index<'o>, pods: &GatewayPods<'_>) -> Self {
        let objects = index.objects;
        let mut groups: HashMap<Group<'_, 'o>, usize> = HashMap::new();
        let mut owners: HashMap<(usize, u32, &'o str, ServerHost), usize> = HashMap::new();
        let mut shared: BTreeMap<usize, Vec<Shared>> = BTreeMap::new();
        for at in index.by_age.iter().copied() {
            let Some(object) = objects.get(at) else { continue };
            let Some(gateway) = object.as_gateway() else { continue };
            let group = match pods.of(gateway).list.as_slice() {
                [] => Group::Selector(&gateway.selector),
                pods => Group::Pods(pods),
            };
            let next = groups.len();
            let group = *groups.entry(group).or_insert(next);
            for (number, server) in gateway.servers.iter().enumerate() {
                let Some(port) = &server.port else { continue };
                let hosts = server_hosts(&server.hosts, &object.metadata.namespace);
                for (host, mut name) in hosts.into_iter().enumerate() {
                    name.host.make_ascii_lowercase();
                    let key = (group, port.number, server.bind.as_str(), name);
                    let first = *owners.entry(key).or_insert(at);
                    if first != at {
                        shared.entry(at).or_default().push(Shared { server: number, host, other: first });
                    }
                }
            }
        }
        Self { objects, shared }
    }

    /// Reports what was found about the Gateway at `at`.
    pub(super) fn report(&mut self, at: usize, report: &mut Report<'_>, servers: &[Server]) {
        let spec = At::OBJECT.field("spec");
        let list = spec.field("servers");
        for Shared { server: number, host, other } in self.shared.remove(&at).into_iter().flatten() {
            let (Some(server), Some(other)) = (servers.get(number), self.objects.get(other)) else {
                continue;
            };
            let Some(text) = server.hosts.get(host) else { continue };
            let port = server.port.as_ref().map_or(0, |port| port.number);
            let protocol = server.port.as_ref().and_then(|port| Protocol::parse(&port.protocol));
            let named = other.reference();
            let message = format!("{named} serves `{}` on port {port} already (IST0145)", show(text));
            let server = list.index(number);
            let hosts = server.field("hosts");
            if protocol.is_some_and(Protocol::is_http) {
                // DIFFERENCE: MODEL-ANA-18: Istio calls this an error too, but plain HTTP servers are merged, and no
                // host is lost.
                report
                    .info("MODEL-ANA-18", &hosts.index(host), message)
                    .help("the routes of both are used; one of the two servers is enough");
            } else {
                report.error("MODEL-ANA-18", &hosts.index(host), message).help(format!(
                    "the server here is left out, as {named} {}; remove one",
                    seniority(other)
                ));
            }
        }
    }
}
