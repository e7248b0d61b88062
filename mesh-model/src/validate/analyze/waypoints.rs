//! DestinationRules for chosen workloads, and services behind waypoints (MODEL-ANA-40).

use super::by_host::ByHost;
use super::index::Index;
use crate::networking::DestinationRule;
use crate::object::{Body, Object};
use crate::validate::report::{At, Report, show};
use std::collections::HashSet;

const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// Hosts of the services that a waypoint serves.
#[derive(Default)]
pub(super) struct Waypoints {
    hosts: ByHost<()>,
    /// Wildcards of the rules in question that cover one of them.
    wider: HashSet<String>,
}

impl Waypoints {
    pub(super) fn new(index: &Index<'_>) -> Self {
        let mut rules = ByHost::default();
        for object in index.objects {
            if let Body::DestinationRule(rule) = &object.body
                && rule.workload_selector.is_some()
            {
                rules.add(&index.full_name(&rule.host, &object.metadata.namespace), ());
            }
        }
        let mut new = Self::default();
        if rules.is_empty() {
            return new;
        }
        for object in index.objects {
            let metadata = &object.metadata;
            match &object.body {
                Body::Service(_) if has_waypoint(object, index) => {
                    new.add(&index.service_name(&metadata.name, &metadata.namespace), &rules);
                }
                Body::ServiceEntry(entry) if has_waypoint(object, index) => {
                    entry.hosts.iter().for_each(|host| new.add(host, &rules));
                }
                _ => {}
            }
        }
        new
    }

    fn add(&mut self, host: &str, rules: &ByHost<()>) {
        let host = host.to_ascii_lowercase();
        self.wider.extend(rules.wider_hosts(&host));
        self.hosts.add(&host, ());
    }

    /// Whether a rule for `host` is for one of the services; Istio does not ask who sees whom.
    fn serve(&self, host: &str) -> bool {
        self.wider.contains(host) || self.hosts.covering(host).next().is_some()
    }

    pub(super) fn check(&self, report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
        let host = index.full_name(&rule.host, report.namespace());
        if rule.workload_selector.is_none() || !self.serve(&host) {
            return;
        }
        let spec = At::OBJECT.field("spec");
        let message =
            format!("`{}` is served by a waypoint, which ignores rules with `workloadSelector`", show(&host));
        report
            .warning("MODEL-ANA-40", &spec.field("workloadSelector"), message)
            .help("put what the waypoint is to do into a rule without `workloadSelector`")
            .at_key();
    }
}

/// The service's own label counts, also to opt out, and without it that of its namespace.
fn has_waypoint(service: &Object, index: &Index<'_>) -> bool {
    let own = service.metadata.labels.get(USE_WAYPOINT);
    let of_namespace =
        || index.workloads.namespace(&service.metadata.namespace)?.metadata.labels.get(USE_WAYPOINT);
    own.or_else(of_namespace).is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("none"))
}
