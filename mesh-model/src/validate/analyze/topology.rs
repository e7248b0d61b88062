//! The labels that endpoints have because of where they run, as far as the objects say it (MODEL-RES-25).

use super::workloads::Workload;
use crate::networking::WorkloadEntry;
use crate::object::{Body, Object};
use crate::resolve::Locality;
use crate::resolve::topology::{CLUSTER, HOSTNAME, NETWORK, REGION, SUBZONE, ZONE};
use std::collections::HashMap;

/// True for a label that endpoints have because of where they run.
pub(super) fn is_topology(key: &str) -> bool {
    matches!(key, REGION | ZONE | SUBZONE | NETWORK | CLUSTER | HOSTNAME)
}

/// The Nodes by name.
pub(super) struct Nodes<'o>(HashMap<&'o str, &'o Object>);

impl<'o> Nodes<'o> {
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let nodes = objects.iter().filter(|object| object.kind == crate::kind::Kind::Node);
        Self(nodes.map(|object| (object.metadata.name.as_str(), object)).collect())
    }

    /// Where a workload runs.
    pub(super) fn place(&self, workload: &Workload<'o>) -> Place<'o> {
        if let Body::WorkloadEntry(entry) = &workload.object.body {
            return Place::of_entry(entry, |key| workload.label(key));
        }
        let node = workload.spec.map(|spec| spec.node_name.as_str()).filter(|node| !node.is_empty());
        let at_node = || {
            let object = self.0.get(node?)?;
            Some(Locality::of_node(&object.metadata.labels))
        };
        let locality = Locality::of_workload(|key| workload.label(key)).or_else(at_node);
        Place { locality, node, network: None }
    }
}

/// Where an endpoint runs; what is absent cannot be known.
pub(super) struct Place<'o> {
    locality: Option<Locality>,
    /// Empty where there is no node.
    node: Option<&'o str>,
    network: Option<&'o str>,
}

impl<'o> Place<'o> {
    /// Where an endpoint runs that a WorkloadEntry describes, or a ServiceEntry.
    pub(super) fn of_entry(entry: &'o WorkloadEntry, label: impl Fn(&str) -> Option<&'o str>) -> Self {
        let locality = match entry.locality.as_str() {
            "" => Locality::of_workload(label).unwrap_or_default(),
            text => Locality::parse(text),
        };
        let network = Some(entry.network.as_str()).filter(|network| !network.is_empty());
        Self { locality: Some(locality), node: Some(""), network }
    }

    /// What is known of a label of the endpoint, where `own` is what its object says.
    pub(super) fn label<'p>(&'p self, key: &str, own: Option<&'p str>) -> Label<'p> {
        let own = own.map_or(Label::Absent, Label::Value);
        let part = |locality: &'p Locality| {
            let labels = locality.labels().into_iter();
            labels.filter(|(label, _)| *label == key).map(|(_, value)| value).next()
        };
        let stated = match key {
            CLUSTER => None,
            // The own label is stronger, if it is not empty.
            NETWORK if !matches!(own, Label::Absent | Label::Value("")) => return own,
            NETWORK => self.network,
            HOSTNAME => self.node,
            _ if !is_topology(key) => return own,
            _ => self.locality.as_ref().and_then(part),
        };
        match stated {
            None => Label::Unknown,
            Some("") => own,
            Some(stated) => Label::Value(stated),
        }
    }
}

/// What is known of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label<'l> {
    Value(&'l str),
    Absent,
    /// The objects do not tell.
    Unknown,
}
