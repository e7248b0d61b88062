//! Subset balancing inside one cluster (spec 2.14), which Istio does with a cluster for each subset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::health::Usable;
use crate::priority::{PrioritySet, PrioritySetConfig};
use crate::set::{EndpointIndex, EndpointSet};

/// What a subset is chosen by: pairs of a metadata key and its value, in the order of the keys.
type Criteria = BTreeMap<Box<str>, Box<str>>;

/// What happens to a request whose criteria select no subset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubsetFallback {
    /// There is no endpoint for it.
    #[default]
    NoFallback,
    /// Any endpoint serves.
    AnyEndpoint,
    /// The endpoints of [`SubsetConfig::default_subset`] serve.
    DefaultSubset,
}

/// A set of metadata keys that subsets are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsetSelector {
    keys: BTreeSet<Box<str>>,
    single_host: bool,
    fallback: SelectorFallback,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SelectorFallback {
    /// That of the cluster.
    Cluster,
    Own(SubsetFallback),
    /// Try again with fewer keys.
    Keys(BTreeSet<Box<str>>),
}

impl SubsetSelector {
    /// A selector for these keys, with the fallback of the cluster.
    #[must_use]
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let keys = keys.into_iter().map(Box::from).collect();
        Self { keys, single_host: false, fallback: SelectorFallback::Cluster }
    }

    /// Keeps one endpoint in each subset, the first.
    #[must_use]
    pub fn single_host_per_subset(self) -> Self {
        Self { single_host: true, ..self }
    }

    /// Sets the fallback of requests with these keys.
    #[must_use]
    pub fn fallback(self, fallback: SubsetFallback) -> Self {
        Self { fallback: SelectorFallback::Own(fallback), ..self }
    }

    /// Lets requests with these keys try again with only some of them (Envoy's `KEYS_SUBSET`). Keys that are not the
    /// selector's count for nothing.
    #[must_use]
    pub fn fallback_keys<'k>(self, keys: impl IntoIterator<Item = &'k str>) -> Self {
        let keys = keys.into_iter().map(Box::from).collect();
        Self { fallback: SelectorFallback::Keys(keys), ..self }
    }
}

/// Settings of [`Subsets`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubsetConfig {
    selectors: Vec<SubsetSelector>,
    fallback: SubsetFallback,
    default_subset: Criteria,
    panic_mode_any: bool,
    scale_locality_weight: bool,
}

impl SubsetConfig {
    /// Subsets for these selectors.
    #[must_use]
    pub fn new(selectors: impl IntoIterator<Item = SubsetSelector>) -> Self {
        Self { selectors: selectors.into_iter().collect(), ..Self::default() }
    }

    /// Sets the fallback.
    #[must_use]
    pub fn fallback(self, fallback: SubsetFallback) -> Self {
        Self { fallback, ..self }
    }

    /// Sets what the endpoints of the default subset have.
    #[must_use]
    pub fn default_subset<'t>(self, criteria: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        Self { default_subset: owned(criteria), ..self }
    }

    /// Lets any endpoint serve when nothing else does, the last resort.
    #[must_use]
    pub fn panic_mode_any(self) -> Self {
        Self { panic_mode_any: true, ..self }
    }

    /// Scales locality weights by how much of a locality is in the subset.
    #[must_use]
    pub fn scale_locality_weight(self) -> Self {
        Self { scale_locality_weight: true, ..self }
    }
}

fn owned<'t>(criteria: impl IntoIterator<Item = (&'t str, &'t str)>) -> Criteria {
    criteria.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// A view for each subset of the endpoints: any algorithm picks from the one that [`find`](Self::find) gives.
///
/// Immutable, made when the view would be made. Cost: to build, that of a view for each combination of values; to
/// find, one look-up for each key, no allocation.
///
/// ```
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, PrioritySetConfig, SubsetConfig, SubsetSelector, Subsets, Weight};
/// let set = EndpointSet::new(["v1", "v2", "v2"].into_iter().enumerate().map(|(at, version)| {
///     Endpoint::new((at, version), Weight::ONE)
/// }))?;
/// let config = SubsetConfig::new([SubsetSelector::new(["version"])]);
/// let metadata = |key: &(usize, &str), name: &str| {
///     if name == "version" { vec![key.1.to_owned()] } else { Vec::new() }
/// };
/// let subsets = Subsets::new(&set, &PrioritySetConfig::default(), &config, &AllUsable, metadata);
/// let view = subsets.find(&[("version", "v2")]).ok_or("no such subset")?;
/// assert_eq!(view.eligible(0, mesh_lb::Availability::Healthy).len(), 2);
/// assert!(subsets.find(&[("version", "v3")]).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subsets {
    /// One a selector, in order.
    selectors: Box<[SelectorViews]>,
    fallback: SubsetFallback,
    panic_mode_any: bool,
    all: Arc<PrioritySet>,
    default: Arc<PrioritySet>,
}

#[derive(Clone, Debug)]
struct SelectorViews {
    /// Sorted.
    keys: Box<[Box<str>]>,
    /// The values, in the order of the keys, and the view.
    views: Tree,
    fallback: SelectorFallback,
}

/// The values of the first key, then those of the second, and so on.
#[derive(Clone, Debug)]
enum Tree {
    Keys(BTreeMap<Box<str>, Tree>),
    View(Arc<PrioritySet>),
}

impl Subsets {
    /// The subsets of `set` when `usable` is the verdict on each endpoint.
    ///
    /// `metadata` gives the values that an endpoint has for a key: one, none, or several if the metadata is a list
    /// and each element is to match (Envoy's `list_as_any`).
    #[must_use]
    pub fn new<K>(
        set: &EndpointSet<K>,
        priorities: &PrioritySetConfig,
        config: &SubsetConfig,
        usable: &impl Usable,
        metadata: impl Fn(&K, &str) -> Vec<String>,
    ) -> Self {
        let view = |members: &BTreeSet<EndpointIndex>| {
            let belongs = |index: EndpointIndex| members.contains(&index);
            let scale = config.scale_locality_weight;
            Arc::new(PrioritySet::of_members(set, priorities, usable, belongs, scale))
        };
        let has = |key: &K, criteria: &Criteria| {
            criteria.iter().all(|(name, value)| metadata(key, name).iter().any(|have| **have == **value))
        };
        let of_default = set.iter().filter(|(_, endpoint)| has(endpoint.key(), &config.default_subset));
        let default = view(&of_default.map(|(index, _)| index).collect());
        let selectors = config.selectors.iter().map(|selector| {
            // A selector without keys selects nothing.
            let mut members = BTreeMap::<Vec<String>, BTreeSet<EndpointIndex>>::new();
            for (index, endpoint) in set.iter().filter(|_| !selector.keys.is_empty()) {
                let values = selector.keys.iter().map(|name| metadata(endpoint.key(), name));
                for combination in combinations(values) {
                    let members = members.entry(combination).or_default();
                    if !selector.single_host || members.is_empty() {
                        members.insert(index);
                    }
                }
            }
            let mut views = Tree::Keys(BTreeMap::new());
            for (values, members) in &members {
                views.insert(values, view(members));
            }
            SelectorViews {
                keys: selector.keys.iter().cloned().collect(),
                views,
                fallback: selector.fallback.clone(),
            }
        });
        Self {
            selectors: selectors.collect(),
            fallback: config.fallback.clone(),
            panic_mode_any: config.panic_mode_any,
            all: Arc::new(PrioritySet::new(set, priorities, usable)),
            default,
        }
    }

    /// The view for a request with these criteria, whose keys must differ; `None` if there is no endpoint for it.
    ///
    /// A subset is selected by a selector with exactly the criteria's keys; without one the fallback decides
    /// (LB-SUB-01).
    #[must_use]
    pub fn find(&self, criteria: &[(&str, &str)]) -> Option<&Arc<PrioritySet>> {
        self.select(criteria).or_else(|| self.panic_mode_any.then_some(&self.all))
    }

    /// The view for the first of some alternative criteria that selects a subset, else the fallback for the last
    /// (Envoy's `metadata_fallback_policy`).
    #[must_use]
    pub fn find_first(&self, alternatives: &[&[(&str, &str)]]) -> Option<&Arc<PrioritySet>> {
        let exact = |criteria: &&[(&str, &str)]| self.exact(criteria, None)?.1;
        alternatives.iter().find_map(exact).or_else(|| self.find(alternatives.last()?))
    }

    fn select(&self, criteria: &[(&str, &str)]) -> Option<&Arc<PrioritySet>> {
        let mut kept: Option<&BTreeSet<Box<str>>> = None;
        // Each turn drops a key, so that this ends; Envoy refuses settings that do not.
        for _ in 0..=criteria.len() {
            let fallback = match self.exact(criteria, kept) {
                Some((_, Some(view))) => return Some(view),
                Some((SelectorFallback::Keys(keys), None)) => {
                    kept = Some(keys);
                    continue;
                }
                Some((SelectorFallback::Own(fallback), None)) => fallback,
                Some((SelectorFallback::Cluster, None)) | None => &self.fallback,
            };
            return self.fall_back(fallback);
        }
        self.fall_back(&self.fallback)
    }

    fn fall_back(&self, fallback: &SubsetFallback) -> Option<&Arc<PrioritySet>> {
        match fallback {
            SubsetFallback::NoFallback => None,
            SubsetFallback::AnyEndpoint => Some(&self.all),
            SubsetFallback::DefaultSubset => Some(&self.default),
        }
    }

    /// The selector with exactly the criteria's keys, of those that are kept, and its view for the values.
    fn exact(
        &self,
        criteria: &[(&str, &str)],
        kept: Option<&BTreeSet<Box<str>>>,
    ) -> Option<(&SelectorFallback, Option<&Arc<PrioritySet>>)> {
        let is_kept = |key: &str| kept.is_none_or(|kept| kept.contains(key));
        let count = criteria.iter().filter(|(key, _)| is_kept(key)).count();
        let value = |key: &str| criteria.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let selector = self.selectors.iter().find(|selector| {
            selector.keys.len() == count
                && selector.keys.iter().all(|key| is_kept(key) && value(key).is_some())
        })?;
        let mut tree = &selector.views;
        for key in &selector.keys {
            let Tree::Keys(next) = tree else { return Some((&selector.fallback, None)) };
            let Some(next) = value(key).and_then(|value| next.get(value)) else {
                return Some((&selector.fallback, None));
            };
            tree = next;
        }
        let view = match tree {
            Tree::View(view) => Some(view),
            Tree::Keys(_) => None,
        };
        Some((&selector.fallback, view))
    }
}

impl Tree {
    fn insert(&mut self, values: &[String], view: Arc<PrioritySet>) {
        let Some((first, rest)) = values.split_first() else {
            *self = Self::View(view);
            return;
        };
        if let Self::Keys(next) = self {
            next.entry(first.as_str().into())
                .or_insert_with(|| Self::Keys(BTreeMap::new()))
                .insert(rest, view);
        }
    }
}

/// Every choice of one value for each key; none if a key has no value.
fn combinations(values: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    values.fold(vec![Vec::new()], |combinations, values| {
        let extended = |combination: Vec<String>| {
            let with = move |value: &String| {
                let mut longer = combination.clone();
                longer.push(value.clone());
                longer
            };
            values.iter().map(with).collect::<Vec<_>>()
        };
        combinations.into_iter().flat_map(extended).collect()
    })
}

#[cfg(test)]
#[path = "tests/subset.rs"]
mod tests;
