//! Where endpoints run, and the labels that they have because of it (MODEL-RES-25).

use super::ResourceSet;
use crate::common::StringMap;
use std::fmt;

/// Label of the region.
pub(crate) const REGION: &str = "topology.kubernetes.io/region";
/// Label of the zone.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// Label of the subzone.
pub(crate) const SUBZONE: &str = "topology.istio.io/subzone";
/// Label of the network.
pub(crate) const NETWORK: &str = "topology.istio.io/network";
/// Label of the cluster.
pub(crate) const CLUSTER: &str = "topology.istio.io/cluster";
/// Label of the node.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

/// `region/zone/subzone`; unknown parts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Locality {
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Subzone; further parts stay in it.
    pub subzone: String,
}

impl Locality {
    fn split(text: &str, separator: char) -> Self {
        let mut parts = text.splitn(3, separator).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), subzone: next() }
    }

    /// Reads `region/zone/subzone`.
    pub fn parse(text: &str) -> Self {
        Self::split(text, '/')
    }

    /// What the own labels of a pod or WorkloadEntry say, which is stronger than its node.
    pub(crate) fn of_workload<'l>(label: impl Fn(&str) -> Option<&'l str>) -> Option<Self> {
        let text = label("topology.istio.io/locality").or_else(|| label("istio-locality"))?;
        // Values of labels have no `/` in Kubernetes, so `.` stands for it.
        (!text.is_empty()).then(|| Self::split(text, if text.contains('/') { '/' } else { '.' }))
    }

    /// What the labels of a Node say.
    pub(crate) fn of_node(labels: &StringMap) -> Self {
        let label = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)).cloned().unwrap_or_default();
        Self {
            region: label(&[REGION, "failure-domain.beta.kubernetes.io/region"]),
            zone: label(&[ZONE, "failure-domain.beta.kubernetes.io/zone"]),
            subzone: label(&[SUBZONE]),
        }
    }

    /// Its parts by the labels that endpoints have for them.
    pub(crate) fn labels(&self) -> [(&'static str, &str); 3] {
        [(REGION, &self.region), (ZONE, &self.zone), (SUBZONE, &self.subzone)]
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.region)?;
        if !self.zone.is_empty() || !self.subzone.is_empty() {
            write!(f, "/{}", self.zone)?;
        }
        if !self.subzone.is_empty() {
            write!(f, "/{}", self.subzone)?;
        }
        Ok(())
    }
}

/// Gives an endpoint the labels that follow from where it runs; what is empty is not known.
///
/// The place is stronger than a label of the same name, except for the network.
// DIFFERENCE: MODEL-RES-25: the name of the cluster is nowhere among the objects, so no endpoint has the label for it.
pub(super) fn augment(labels: &mut StringMap, locality: &Locality, node: &str, network: &str) {
    let place = locality.labels().into_iter().chain([(HOSTNAME, node)]);
    for (key, value) in place.filter(|(_, value)| !value.is_empty()) {
        labels.insert(key.to_owned(), value.to_owned());
    }
    if !network.is_empty() && labels.get(NETWORK).is_none_or(String::is_empty) {
        labels.insert(NETWORK.to_owned(), network.to_owned());
    }
}

impl ResourceSet {
    /// Where a node is; nothing is known of a node that is not among the objects.
    pub(super) fn node_locality(&self, node: &str) -> Locality {
        let found = self.index.node(node).and_then(|at| self.objects().get(at));
        found.map(|object| Locality::of_node(&object.metadata.labels)).unwrap_or_default()
    }
}
