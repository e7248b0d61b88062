//! Which DestinationRule applies (MODEL-RES-18 to 22).

use super::{Proxy, Resource, ResourceSet, Visibility, names, selects};
use crate::common::StringMap;
use crate::meta::ObjectRef;
use crate::networking::DestinationRule;
use crate::networking::destination_rule::{Subset, TrafficPolicy};
use std::collections::HashMap;

/// The rule in force for a host: one DestinationRule, or several for the same host merged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DestinationRuleView {
    /// Full name of the host, possibly a wildcard, in lower case.
    pub host: String,
    /// Namespace of the rules.
    pub namespace: String,
    /// Policy of the first rule that has one.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Subsets of all rules; of one name the first.
    pub subsets: Vec<Subset>,
    /// The rules, in order.
    pub sources: Vec<ObjectRef>,
    selector: Option<StringMap>,
    visibility: Visibility,
}

impl DestinationRuleView {
    /// The subset of that name.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }
}

/// Rules of one namespace by host.
#[derive(Clone, Debug, Default)]
struct Bucket {
    by_host: HashMap<String, Vec<DestinationRuleView>>,
    /// Wildcard hosts, the most specific first.
    wildcards: Vec<String>,
}

impl Bucket {
    fn add(&mut self, view: &DestinationRuleView) {
        let rules = self.by_host.entry(view.host.clone()).or_default();
        let mut merged = false;
        for present in rules.iter_mut().filter(|present| present.selector == view.selector) {
            let wider = view.visibility == Visibility::Public
                || matches!((&view.visibility, &present.visibility), (Visibility::Namespaces(new), Visibility::Namespaces(old)) if new.is_superset(old));
            if !wider {
                continue;
            }
            for subset in &view.subsets {
                if present.subset(&subset.name).is_none() {
                    present.subsets.push(subset.clone());
                }
            }
            if present.traffic_policy.is_none() {
                present.traffic_policy.clone_from(&view.traffic_policy);
            }
            present.sources.extend(view.sources.iter().cloned());
            // One seen by more namespaces is also kept by itself, for those that do not see the older one.
            merged |= present.visibility == view.visibility;
        }
        if !merged {
            rules.push(view.clone());
        }
    }

    fn sort(&mut self) {
        self.wildcards = self.by_host.keys().filter(|host| host.starts_with('*')).cloned().collect();
        self.wildcards.sort_by(|a, b| names::by_specificity(a, b));
    }

    /// The rules of the most specific host that means `host` (MODEL-RES-7).
    fn most_specific(&self, host: &str) -> Option<&[DestinationRuleView]> {
        if let Some(rules) = self.by_host.get(host) {
            return Some(rules);
        }
        let wildcard = self.wildcards.iter().find(|wildcard| names::is_subset_of(host, wildcard))?;
        self.by_host.get(wildcard).map(Vec::as_slice)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Rules a namespace may use itself.
    local: HashMap<String, Bucket>,
    /// Rules that others may use, by the rules' namespace.
    exported: HashMap<String, Bucket>,
    /// Rules of the root namespace for itself alone.
    root_private: Bucket,
}

impl Index {
    pub(super) fn build(set: &ResourceSet) -> Self {
        let mut index = Self::default();
        let root = set.mesh().root_namespace();
        let mut views: Vec<DestinationRuleView> =
            set.all::<DestinationRule>().map(|rule| view(set, rule)).collect();
        // Stable: within each group the oldest stays first.
        views.sort_by_key(|view| view.selector.is_none());
        for view in &views {
            if view.visibility.includes(&view.namespace) {
                index.local.entry(view.namespace.clone()).or_default().add(view);
            }
            if !view.visibility.is_only(&view.namespace) {
                index.exported.entry(view.namespace.clone()).or_default().add(view);
            } else if view.namespace == root {
                index.root_private.add(view);
            }
        }
        index.local.values_mut().chain(index.exported.values_mut()).for_each(Bucket::sort);
        index.root_private.sort();
        index
    }
}

fn view(set: &ResourceSet, rule: Resource<'_, DestinationRule>) -> DestinationRuleView {
    let selector = rule.spec.workload_selector.as_ref().map(|selector| selector.match_labels.clone());
    let mut subsets: Vec<Subset> = Vec::with_capacity(rule.spec.subsets.len());
    for subset in &rule.spec.subsets {
        if !subsets.iter().any(|present| present.name == subset.name) {
            subsets.push(subset.clone());
        }
    }
    DestinationRuleView {
        host: set.full_name(&rule.host, rule.namespace()).to_ascii_lowercase(),
        namespace: rule.namespace().to_owned(),
        traffic_policy: rule.spec.traffic_policy.clone(),
        subsets,
        sources: vec![rule.reference()],
        selector: selector.filter(|labels| !labels.is_empty()),
        visibility: set.visibility(rule.object),
    }
}

impl ResourceSet {
    /// The rule for traffic of `client` to the service `host` of `service_namespace`.
    ///
    /// Looked for in the client's own namespace, then in the service's, then in the root namespace; the first that
    /// has any rule for the host decides, even if a later one has a more specific rule (MODEL-RES-18, 19). Rules with
    /// a workload selector are for clients in their own namespace whose labels fit (MODEL-RES-22).
    ///
    /// Cost: a hash lookup a stage, linear in the wildcard hosts of the namespace when there is no exact rule.
    pub fn destination_rule(
        &self,
        client: &Proxy,
        host: &str,
        service_namespace: &str,
    ) -> Option<&DestinationRuleView> {
        let host = host.to_ascii_lowercase();
        let root = self.mesh().root_namespace();
        let own = if client.namespace == root {
            Some(&self.rules.root_private)
        } else {
            self.rules.local.get(&client.namespace)
        };
        if let Some(rules) = own.and_then(|bucket| bucket.most_specific(&host)) {
            return select(rules.iter(), client);
        }
        [service_namespace, root].into_iter().find_map(|namespace| {
            let rules = self.rules.exported.get(namespace)?.most_specific(&host)?;
            select(rules.iter().filter(|rule| rule.visibility.includes(&client.namespace)), client)
        })
    }
}

fn select<'r>(
    rules: impl Iterator<Item = &'r DestinationRuleView> + Clone,
    client: &Proxy,
) -> Option<&'r DestinationRuleView> {
    let fits = |rule: &&DestinationRuleView| {
        rule.namespace == client.namespace
            && rule.selector.as_ref().is_some_and(|selector| selects(selector, &client.labels))
    };
    let mut again = rules.clone();
    again.find(fits).or_else(|| rules.into_iter().find(|rule| rule.selector.is_none()))
}
