//! Outlier detection that keeps traffic in one zone (MODEL-PIT-15).

use super::index::Index;
use crate::networking::DestinationRule;
use crate::object::{Body, Object};
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeSet, HashMap};

/// How many zones are told apart.
const ZONES: usize = 4;

/// Zones of endpoints, by namespace and name of the Service.
pub(super) struct Zones<'o> {
    slices: HashMap<(&'o str, &'o str), BTreeSet<&'o str>>,
}

impl<'o> Zones<'o> {
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let mut slices: HashMap<(&'o str, &'o str), BTreeSet<&'o str>> = HashMap::new();
        for object in objects {
            let Some(slice) = object.as_endpoint_slice() else { continue };
            let Some(service) = object.metadata.labels.get("kubernetes.io/service-name") else { continue };
            let zones = slices.entry((&object.metadata.namespace, service)).or_default();
            let found = slice.endpoints.iter().map(|endpoint| endpoint.zone.as_str());
            add(zones, found);
        }
        Self { slices }
    }

    pub(super) fn check(&self, report: &mut Report<'_>, rule: &DestinationRule, index: &Index<'_>) {
        let Some(policy) = &rule.traffic_policy else { return };
        let balancer = policy.load_balancer.as_ref();
        let told =
            balancer.is_some_and(|lb| lb.locality_lb_setting.is_some() || lb.zone_aware_lb_setting.is_some());
        let off = index.mesh.locality_lb_setting.as_ref().is_some_and(|found| found.enabled == Some(false));
        if policy.outlier_detection.is_none() || told || off || index.mesh.zone_aware_lb_setting.is_some() {
            return;
        }
        let host = index.full_name(&rule.host, report.namespace());
        let mut zones = BTreeSet::new();
        for service in index.services(&host, report.namespace()) {
            let metadata = &service.object.metadata;
            match &service.object.body {
                Body::Service(_) => {
                    let found = self.slices.get(&(metadata.namespace.as_str(), metadata.name.as_str()));
                    add(&mut zones, found.into_iter().flatten().copied());
                }
                Body::ServiceEntry(entry) => {
                    add(&mut zones, entry.endpoints.iter().map(|endpoint| endpoint.locality.as_str()));
                }
                _ => {}
            }
        }
        if zones.len() < 2 {
            return;
        }
        let spec = At::OBJECT.field("spec");
        let at = spec.field("trafficPolicy");
        let zones: Vec<_> = zones.into_iter().map(|zone| format!("`{}`", show(zone))).collect();
        let message = format!(
            "with it each client keeps to the endpoints of its own place, of {}, while those are healthy",
            zones.join(", ")
        );
        report
            .info("MODEL-PIT-15", &at.field("outlierDetection"), message)
            .help("set loadBalancer.localityLbSetting.enabled: false to keep spreading");
    }
}

fn add<'z>(zones: &mut BTreeSet<&'z str>, found: impl Iterator<Item = &'z str>) {
    for zone in found.filter(|zone| !zone.is_empty()) {
        if zones.len() < ZONES {
            zones.insert(zone);
        }
    }
}
