//! Pods, by their labels.

use crate::common::StringMap;
use crate::kubernetes::PodSpec;
use crate::object::{Body, Object};
use crate::resolve::selects;
use std::collections::HashMap;

/// A Pod, or the pods of a Deployment, StatefulSet or DaemonSet.
#[derive(Clone, Copy)]
pub(super) struct Workload<'o> {
    pub(super) object: &'o Object,
    pub(super) spec: &'o PodSpec,
    /// Labels of the pod.
    pub(super) labels: &'o StringMap,
}

impl<'o> Workload<'o> {
    fn of(object: &'o Object) -> Option<Self> {
        let template = match &object.body {
            Body::Pod(pod) => return Some(Self { object, spec: &pod.spec, labels: &object.metadata.labels }),
            Body::Deployment(found) => &found.spec.template,
            Body::StatefulSet(found) => &found.spec.template,
            Body::DaemonSet(found) => &found.spec.template,
            _ => return None,
        };
        Some(Self { object, spec: &template.spec, labels: &template.metadata.labels })
    }

    pub(super) fn namespace(&self) -> &'o str {
        &self.object.metadata.namespace
    }
}

/// Workloads by label.
#[derive(Default)]
struct Labelled<'o> {
    all: Vec<usize>,
    by_label: HashMap<&'o str, HashMap<&'o str, Vec<usize>>>,
}

impl<'o> Labelled<'o> {
    fn add(&mut self, at: usize, labels: &'o StringMap) {
        self.all.push(at);
        for (key, value) in labels {
            self.by_label.entry(key).or_default().entry(value).or_default().push(at);
        }
    }

    /// All that can have the labels of `selector`: those that have its rarest one.
    fn candidates(&self, selector: &StringMap) -> &[usize] {
        let lists = selector.iter().map(|(key, value)| self.with(key, value));
        lists.min_by_key(|list| list.len()).unwrap_or(&self.all)
    }

    fn with(&self, key: &str, value: &str) -> &[usize] {
        self.by_label.get(key).and_then(|values| values.get(value)).map_or(&[], Vec::as_slice)
    }
}

/// All workloads, in order of input.
#[derive(Default)]
pub(super) struct Workloads<'o> {
    list: Vec<Workload<'o>>,
    namespaces: HashMap<&'o str, Labelled<'o>>,
    anywhere: Labelled<'o>,
    pods: bool,
}

impl<'o> Workloads<'o> {
    pub(super) fn add(&mut self, object: &'o Object) {
        let Some(workload) = Workload::of(object) else { return };
        let at = self.list.len();
        self.pods |= object.as_pod().is_some();
        self.namespaces.entry(workload.namespace()).or_default().add(at, workload.labels);
        self.anywhere.add(at, workload.labels);
        self.list.push(workload);
    }

    /// True when Pods are among the objects: what no pod has is then known to be nowhere.
    pub(super) fn knows_pods(&self) -> bool {
        self.pods
    }

    /// The workloads of a namespace that a selector selects; an empty one selects all.
    pub(super) fn selected<'s>(
        &'s self,
        namespace: &str,
        selector: &'s StringMap,
    ) -> impl Iterator<Item = Workload<'o>> + 's {
        let candidates = self.namespaces.get(namespace).map_or(&[][..], |found| found.candidates(selector));
        self.of(candidates, selector)
    }

    /// The workloads of any namespace that a selector selects, as a Gateway's does (MODEL-RES-30).
    pub(super) fn selected_anywhere<'s>(
        &'s self,
        selector: &'s StringMap,
    ) -> impl Iterator<Item = Workload<'o>> + 's {
        self.of(self.anywhere.candidates(selector), selector)
    }

    fn of<'s>(
        &'s self,
        candidates: &'s [usize],
        selector: &'s StringMap,
    ) -> impl Iterator<Item = Workload<'o>> + 's {
        let found = candidates.iter().filter_map(|at| self.list.get(*at).copied());
        found.filter(move |workload| selects(selector, workload.labels))
    }
}
