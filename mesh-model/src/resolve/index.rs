//! Objects by what they are looked up by, so that a question does not cost a walk over all of them.

use super::{ResourceSet, selects};
use crate::common::StringMap;
use crate::kind::Kind;
use crate::kubernetes::{EndpointSlice, Pod};
use crate::networking::WorkloadEntry;
use crate::object::Object;
use std::collections::HashMap;

/// Places in [`ResourceSet::objects`]; lists are oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// By kind, namespace and name.
    names: HashMap<Kind, HashMap<String, HashMap<String, usize>>>,
    /// EndpointSlices by namespace and Service.
    slices: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Pods by namespace and address.
    addresses: HashMap<String, HashMap<String, usize>>,
    /// Nodes by name.
    nodes: HashMap<String, usize>,
    pods: HashMap<String, Labelled>,
    workload_entries: HashMap<String, Labelled>,
}

/// Objects of one namespace by their labels.
#[derive(Clone, Debug, Default)]
struct Labelled {
    all: Vec<usize>,
    by_label: HashMap<String, HashMap<String, Vec<usize>>>,
}

impl Labelled {
    fn add(&mut self, at: usize, labels: &StringMap) {
        self.all.push(at);
        for (key, value) in labels {
            self.by_label.entry(key.clone()).or_default().entry(value.clone()).or_default().push(at);
        }
    }

    /// All that can have the labels of `selector`: those that have its rarest one.
    fn candidates(&self, selector: &StringMap) -> &[usize] {
        let with = |(key, value): (&String, &String)| {
            self.by_label.get(key).and_then(|values| values.get(value)).map_or(&[][..], Vec::as_slice)
        };
        selector.iter().map(with).min_by_key(|list| list.len()).unwrap_or(&self.all)
    }
}

impl Index {
    pub(super) fn build(set: &ResourceSet) -> Self {
        let mut index = Self::default();
        for (kind, objects) in &set.by_kind {
            let names = index.names.entry(kind.clone()).or_default();
            for at in objects {
                let Some(object) = set.objects.get(*at) else { continue };
                let metadata = &object.metadata;
                let names = names.entry(metadata.namespace.clone()).or_default();
                names.entry(metadata.name.clone()).or_insert(*at);
            }
        }
        for (at, slice) in set.indexed::<EndpointSlice>() {
            if let Some(service) = slice.object.metadata.labels.get("kubernetes.io/service-name") {
                let services = index.slices.entry(slice.namespace().to_owned()).or_default();
                services.entry(service.clone()).or_default().push(at);
            }
        }
        for (at, pod) in set.indexed::<Pod>() {
            let addresses = index.addresses.entry(pod.namespace().to_owned()).or_default();
            for ip in pod.ips() {
                addresses.entry(ip.to_owned()).or_insert(at);
            }
            let pods = index.pods.entry(pod.namespace().to_owned()).or_default();
            pods.add(at, &pod.object.metadata.labels);
        }
        for (at, entry) in set.indexed::<WorkloadEntry>() {
            let entries = index.workload_entries.entry(entry.namespace().to_owned()).or_default();
            entries.add(at, &workload_labels(entry.spec, entry.object));
        }
        for (at, object) in set.objects.iter().enumerate().filter(|(_, object)| object.kind == Kind::Node) {
            index.nodes.entry(object.metadata.name.clone()).or_insert(at);
        }
        index
    }

    pub(super) fn named(&self, kind: &Kind, namespace: &str, name: &str) -> Option<usize> {
        self.names.get(kind)?.get(namespace)?.get(name).copied()
    }

    pub(super) fn slices(&self, namespace: &str, service: &str) -> &[usize] {
        let found = self.slices.get(namespace).and_then(|services| services.get(service));
        found.map_or(&[], Vec::as_slice)
    }

    pub(super) fn pod_by_ip(&self, namespace: &str, ip: &str) -> Option<usize> {
        self.addresses.get(namespace)?.get(ip).copied()
    }

    pub(super) fn node(&self, name: &str) -> Option<usize> {
        self.nodes.get(name).copied()
    }

    fn candidates<'i>(
        of: &'i HashMap<String, Labelled>,
        namespace: &str,
        selector: &StringMap,
    ) -> &'i [usize] {
        of.get(namespace).map_or(&[], |found| found.candidates(selector))
    }
}

/// Labels of a WorkloadEntry: those of its spec, overlaid by its metadata's (MODEL-RES-38).
pub(super) fn workload_labels(entry: &WorkloadEntry, object: &Object) -> StringMap {
    let mut labels = entry.labels.clone();
    labels.extend(object.metadata.labels.clone());
    labels
}

impl ResourceSet {
    /// The Pods of a namespace that a selector selects, oldest first.
    pub(super) fn pods_selected<'s>(
        &'s self,
        namespace: &str,
        selector: &'s StringMap,
    ) -> impl Iterator<Item = super::Resource<'s, Pod>> {
        let candidates = Index::candidates(&self.index.pods, namespace, selector).iter();
        let pods = candidates.filter_map(|at| self.at::<Pod>(*at));
        pods.filter(move |pod| selects(selector, &pod.object.metadata.labels))
    }

    /// The WorkloadEntries of a namespace that a selector selects, oldest first, with their labels.
    pub(super) fn workload_entries_selected<'s>(
        &'s self,
        namespace: &str,
        selector: &'s StringMap,
    ) -> impl Iterator<Item = (super::Resource<'s, WorkloadEntry>, StringMap)> {
        let candidates = Index::candidates(&self.index.workload_entries, namespace, selector).iter();
        candidates.filter_map(move |at| {
            let found = self.at::<WorkloadEntry>(*at)?;
            let labels = workload_labels(found.spec, found.object);
            selects(selector, &labels).then_some((found, labels))
        })
    }
}
