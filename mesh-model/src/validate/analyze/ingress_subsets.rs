//! VirtualServices that choose subsets of a host which is among their own (MODEL-ANA-5).

use super::index::Index;
use super::scope::Two;
use crate::object::Object;
use std::collections::{HashMap, HashSet};

/// By full name of the host, the VirtualServices that choose subsets of it.
pub(super) struct IngressSubsets<'o> {
    objects: &'o [Object],
    hosts: HashMap<String, Two<usize>>,
}

impl<'o> IngressSubsets<'o> {
    pub(super) fn new(index: &Index<'o>) -> Self {
        let mut hosts: HashMap<String, Two<usize>> = HashMap::new();
        for (at, object) in index.objects.iter().enumerate() {
            let Some(service) = object.as_virtual_service() else { continue };
            let namespace = &object.metadata.namespace;
            let targets = service.http.iter().flat_map(|rule| &rule.route);
            let targets = targets.filter_map(|target| target.destination.as_ref());
            let mut targets = targets.filter(|target| !target.subset.is_empty()).peekable();
            if targets.peek().is_none() {
                continue;
            }
            let own: HashSet<String> =
                service.hosts.iter().map(|host| index.full_name(host, namespace)).collect();
            for target in targets {
                let host = index.full_name(&target.host, namespace);
                if own.contains(&host) {
                    hosts.entry(host).or_default().add(at);
                }
            }
        }
        Self { objects: index.objects, hosts }
    }

    /// A VirtualService other than `object` that chooses subsets of `host`.
    pub(super) fn other(&self, host: &str, object: &Object) -> Option<&'o Object> {
        let found = self.hosts.get(host)?;
        let not_it = |at: usize| self.objects.get(at).filter(|other| !std::ptr::eq(*other, object));
        found.both().find_map(not_it)
    }
}
