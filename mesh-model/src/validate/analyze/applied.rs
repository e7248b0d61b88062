//! The analyzers of workloads and policies: which object applies to which workload, and what comes of it.

use super::authorization::{Authorization, Known};
use super::fronts::{self, Clashes};
use super::imports::Imports;
use super::index::Index;
use super::peers::Peers;
use super::selectors::{GatewayPods, Selectors};
use super::services::Services;
use super::tokens::Tokens;
use super::{conditions, imports, injection};
use crate::object::Body;
use crate::validate::report::Report;

pub(super) struct Applied<'o> {
    index: &'o Index<'o>,
    pub(super) services: Services<'o>,
    peers: Peers<'o>,
    selectors: Selectors<'o>,
    gateway_pods: GatewayPods<'o>,
    authorization: Authorization<'o>,
    tokens: Tokens<'o>,
    clashes: Clashes,
    imports: Imports<'o>,
}

impl<'o> Applied<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let services = Services::new(index);
        Self {
            peers: Peers::new(index),
            selectors: Selectors::new(index),
            gateway_pods: GatewayPods::default(),
            authorization: Authorization::new(index),
            tokens: Tokens::new(index),
            clashes: Clashes::new(&index.workloads, &services),
            imports: Imports::new(index),
            services,
            index,
        }
    }

    /// Reports what was found about the object at `at`.
    pub(super) fn report(&mut self, at: usize, report: &mut Report<'_>) {
        let Some(object) = self.index.objects.get(at) else { return };
        let (index, services) = (self.index, &self.services);
        let workloads = &index.workloads;
        self.selectors.check(report, at);
        self.gateway_pods.check(report, object, workloads);
        conditions::check(report);
        self.clashes.report(at, report);
        match &object.body {
            Body::PeerAuthentication(policy) => self.peers.check(report, at, policy, services),
            Body::AuthorizationPolicy(policy) => {
                let known = Known { workloads, services, peers: &self.peers };
                self.authorization.check(report, (at, object), policy, known);
            }
            Body::RequestAuthentication(policy) => self.tokens.check(report, object, policy, workloads),
            Body::DestinationRule(rule) => {
                self.peers.destination_rule(report, rule, services);
                fronts::headless(report, rule, services, index);
            }
            Body::ServiceEntry(entry) => imports::service_entry(report, entry, services),
            Body::Sidecar(sidecar) => self.imports.check(report, sidecar),
            Body::Namespace(_) => injection::namespace(report, &index.root, workloads),
            Body::Pod(pod) => {
                injection::pod(report, pod, workloads);
                injection::host_network(report, workloads);
            }
            Body::Deployment(_) | Body::StatefulSet(_) | Body::DaemonSet(_) => {
                injection::host_network(report, workloads);
            }
            _ => {}
        }
    }
}
