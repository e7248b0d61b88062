//! The analyzers of routing: which objects name which others, and which keep others from being used.

use super::certificates::Certificates;
use super::claim_routes::Authenticated;
use super::conflicts::Conflicts;
use super::gateway_conflicts::GatewayConflicts;
use super::gateway_pods::GatewayPods;
use super::gateway_secrets::Secrets;
use super::index::Index;
use super::ingress_subsets::IngressSubsets;
use super::rule_order::RuleOrder;
use super::service_entries::ServiceEntries;
use super::services::Services;
use super::waypoints::Waypoints;
use super::zones::Zones;
use super::{destination_hosts, destinations, gateways, servers, subset_pods};
use crate::object::Body;
use crate::validate::Settings;
use crate::validate::report::Report;

pub(super) struct Routing<'i, 'o> {
    index: &'i Index<'o>,
    conflicts: Conflicts<'o>,
    subsets: IngressSubsets<'o>,
    pods: GatewayPods<'i>,
    authenticated: Authenticated<'i>,
    secrets: Secrets<'o>,
    certificates: Certificates<'o>,
    gateway_conflicts: GatewayConflicts<'o>,
    entries: ServiceEntries<'o>,
    rules: RuleOrder<'o>,
    zones: Zones<'o>,
    waypoints: Waypoints,
}

impl<'i, 'o> Routing<'i, 'o> {
    pub(super) fn new(index: &'i Index<'o>, settings: &Settings, services: &Services<'o>) -> Self {
        let pods = GatewayPods::new(index, services);
        Self {
            index,
            conflicts: Conflicts::new(index),
            subsets: IngressSubsets::new(index),
            authenticated: Authenticated::new(index),
            secrets: Secrets::new(index.objects),
            certificates: Certificates::new(index.objects),
            gateway_conflicts: GatewayConflicts::new(index, &pods),
            entries: ServiceEntries::new(index, settings),
            rules: RuleOrder::new(index),
            zones: Zones::new(index.objects),
            waypoints: Waypoints::new(index),
            pods,
        }
    }

    /// Reports what was found about the object at `at`.
    pub(super) fn report(&mut self, at: usize, report: &mut Report<'_>) {
        let index = self.index;
        self.conflicts.report(at, report);
        match &report.object.body {
            Body::VirtualService(service) => {
                gateways::check(report, service, index);
                servers::check(report, service, index);
                destinations::virtual_service(report, service, index, &self.subsets);
                self.authenticated.check(report, service, index, &self.pods);
            }
            Body::DestinationRule(rule) => {
                destination_hosts::check(report, rule, index);
                subset_pods::check(report, rule, index);
                self.rules.report(at, report, rule, index);
                self.zones.check(report, rule, index);
                self.waypoints.check(report, rule, index);
            }
            Body::Gateway(gateway) => {
                self.pods.check(report, gateway);
                self.secrets.check(report, gateway, &self.pods);
                self.certificates.check(report, at, gateway);
                self.gateway_conflicts.report(at, report, &gateway.servers);
            }
            Body::ServiceEntry(entry) => self.entries.report(at, report, entry),
            _ => {}
        }
    }
}
