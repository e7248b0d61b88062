//! The Kubernetes Services in front of workloads.

use super::index::Index;
use super::workloads::Workload;
use crate::common::StringMap;
use crate::kubernetes::{IntOrString, Service, ServicePort};
use crate::object::Object;
use std::collections::HashMap;

/// A Service and its object.
#[derive(Clone, Copy)]
pub(super) struct Front<'o> {
    /// Its place among the objects.
    pub(super) at: usize,
    pub(super) object: &'o Object,
    pub(super) service: &'o Service,
}

impl Front<'_> {
    /// Its name, as messages give it.
    pub(super) fn name(&self) -> String {
        self.object.reference().to_string()
    }
}

/// Services with one selector, which are in front of the same workloads.
pub(super) struct Group<'o> {
    pub(super) services: Vec<Front<'o>>,
    /// What they select.
    pub(super) workloads: Vec<usize>,
}

pub(super) struct Services<'o> {
    pub(super) groups: Vec<Group<'o>>,
    /// The groups in front of a workload.
    of_workload: HashMap<usize, Vec<usize>>,
    by_host: HashMap<String, (Front<'o>, Option<usize>)>,
}

impl<'o> Services<'o> {
    /// Cost: linear in the workloads that each different selector selects.
    pub(super) fn new(index: &Index<'o>) -> Self {
        let workloads = &index.workloads;
        let mut new = Self { groups: Vec::new(), of_workload: HashMap::new(), by_host: HashMap::new() };
        let mut seen: HashMap<(&str, &StringMap), usize> = HashMap::new();
        for (at, object) in index.objects.iter().enumerate() {
            let Some(service) = object.as_service() else { continue };
            let front = Front { at, object, service };
            let (namespace, selector) = (object.metadata.namespace.as_str(), &service.spec.selector);
            let host = index.service_name(&object.metadata.name, namespace);
            // Without selector the endpoints are given by hand.
            if selector.is_empty() {
                new.by_host.insert(host, (front, None));
                continue;
            }
            let next = new.groups.len();
            let group = *seen.entry((namespace, selector)).or_insert(next);
            if let Some(group) = new.groups.get_mut(group) {
                group.services.push(front);
            } else {
                let selected: Vec<usize> =
                    workloads.select(Some(namespace), selector).map(|(at, _)| at).collect();
                for workload in &selected {
                    new.of_workload.entry(*workload).or_default().push(group);
                }
                new.groups.push(Group { services: vec![front], workloads: selected });
            }
            new.by_host.insert(host, (front, Some(group)));
        }
        new
    }

    /// The groups in front of a workload.
    pub(super) fn groups_of(&self, workload: usize) -> &[usize] {
        self.of_workload.get(&workload).map_or(&[], Vec::as_slice)
    }

    /// The Services in front of a workload.
    pub(super) fn of(&self, workload: usize) -> impl Iterator<Item = Front<'o>> {
        let groups = self.groups_of(workload).iter().filter_map(|group| self.groups.get(*group));
        groups.flat_map(|group| group.services.iter().copied())
    }

    /// The Service of a full name in lower case, and what it selects.
    pub(super) fn by_host(&self, host: &str) -> Option<(Front<'o>, &[usize])> {
        let (front, group) = self.by_host.get(host)?;
        let group = group.and_then(|group| self.groups.get(group));
        Some((*front, group.map_or(&[][..], |group| &group.workloads)))
    }
}

/// The port of a workload that a Service's port leads to.
pub(super) fn target(port: &ServicePort, workload: Option<&Workload<'_>>) -> Option<u32> {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let mut ports = workload?.ports();
            ports.find(|(found, _)| found == name).map(|(_, number)| number)
        }
    }
}
