//! The setting as a whole, and what it makes of a list of endpoints.

use std::collections::BTreeMap;

use crate::endpoint::{Endpoint, Locality};
use crate::error::{BuildError, BuildErrorKind};
use crate::priority::LocalityWeights;

use super::failover::{
    NETWORK, NODE, REGION, SUB_ZONE, ZONE, distance, key_of, label_distance, label_is_equal,
};
use super::pattern::LocalityPattern;
use super::{Distribute, Failover};

/// Istio's `localityLbSetting`. The default, which every mesh has, is failover by distance (LB-ILOC-01).
///
/// Failover changes priorities only together with outlier detection (LB-ILOC-02): without it, nothing would tell
/// that a locality fails.
///
/// ```
/// use mesh_lb::{Endpoint, Locality, LocalityLbSetting, ProxyPlace, Weight};
/// let at = |key, place| Endpoint::new(key, Weight::ONE).locality(Locality::parse(place));
/// let endpoints = vec![at("far:80", "us/x"), at("near:80", "eu/a"), at("next:80", "eu/b")];
/// let proxy = ProxyPlace::new(Locality::parse("eu/a"));
/// let placed = LocalityLbSetting::new().place(endpoints, &proxy, true, |_, _| None)?;
/// let levels: Vec<_> = placed.endpoints.iter().map(|e| (*e.key(), e.level())).collect();
/// assert_eq!(levels, [("far:80", 2), ("near:80", 0), ("next:80", 1)]);
/// # Ok::<(), mesh_lb::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalityLbSetting {
    distribute: Vec<Distribute>,
    failover: Vec<Failover>,
    failover_priority: Box<[Box<str>]>,
    forced: bool,
}

/// Where a proxy runs.
#[derive(Clone, Debug, Default)]
pub struct ProxyPlace {
    locality: Locality,
    labels: BTreeMap<Box<str>, Box<str>>,
}

impl ProxyPlace {
    /// A proxy without labels.
    #[must_use]
    pub fn new(locality: Locality) -> Self {
        Self { locality, labels: BTreeMap::new() }
    }

    pub(super) fn locality(&self) -> &Locality {
        &self.locality
    }

    /// Adds a label of the proxy's workload, for `failoverPriority`.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }
}

/// What became of a list of endpoints.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Placement<K> {
    /// The endpoints that keep traffic, in the order given, with their priorities.
    pub endpoints: Vec<Endpoint<K>>,
    /// The weights to configure the [`PrioritySet`](crate::PrioritySet) with; `None` leaves locality weighting off
    /// (LB-ILOC-04).
    pub locality_weights: Option<LocalityWeights>,
}

impl LocalityLbSetting {
    /// Failover by distance.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `distribute`: fixed shares.
    ///
    /// # Errors
    /// If the `from` of two entries overlap (LB-ILOC-07).
    pub fn distribute(entries: impl IntoIterator<Item = Distribute>) -> Result<Self, BuildError> {
        let distribute: Vec<Distribute> = entries.into_iter().collect();
        LocalityPattern::check_apart("distribute.from", distribute.iter().map(|entry| &entry.from))?;
        Ok(Self { distribute, ..Self::default() })
    }

    /// `failover` and `failoverPriority`, each possibly empty.
    ///
    /// # Errors
    /// If both are given and the list names region, zone or sub-zone, which `failover` decides (LB-ILOC-07).
    pub fn failover<'t>(
        failover: impl IntoIterator<Item = Failover>,
        failover_priority: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, BuildError> {
        let failover: Vec<Failover> = failover.into_iter().collect();
        let failover_priority: Box<[Box<str>]> = failover_priority.into_iter().map(Box::from).collect();
        let place = failover_priority.iter().find(|item| [REGION, ZONE, SUB_ZONE].contains(&key_of(item)));
        if let Some(item) = place.filter(|_| !failover.is_empty()) {
            let (field, problem) = ("failoverPriority", "cannot be combined with failover");
            return Err(BuildErrorKind::Locality { field, text: item.as_ref().into(), problem }.into());
        }
        Ok(Self { failover, failover_priority, ..Self::default() })
    }

    /// The traffic distribution `PreferSameZone`, also called `PreferClose`, of a service (LB-ILOC-03).
    #[must_use]
    pub fn prefer_same_zone() -> Self {
        Self::prefer(&[NETWORK, REGION, ZONE])
    }

    /// The traffic distribution `PreferSameNode` of a service (LB-ILOC-03).
    #[must_use]
    pub fn prefer_same_node() -> Self {
        Self::prefer(&[NETWORK, REGION, ZONE, SUB_ZONE, NODE])
    }

    fn prefer(labels: &[&str]) -> Self {
        let failover_priority = labels.iter().copied().map(Box::from).collect();
        Self { failover_priority, forced: true, ..Self::default() }
    }

    /// Sets priorities and locality weights for a proxy.
    ///
    /// `outlier_detection` says whether the cluster has it. `label` gives a label of an endpoint, for
    /// `failoverPriority`. For building clusters, not for requests.
    ///
    /// # Errors
    /// [`LocalityWeightOverflow`](BuildErrorKind::LocalityWeightOverflow).
    pub fn place<K>(
        &self,
        endpoints: Vec<Endpoint<K>>,
        proxy: &ProxyPlace,
        outlier_detection: bool,
        label: impl Fn(&K, &str) -> Option<String>,
    ) -> Result<Placement<K>, BuildError> {
        if !self.distribute.is_empty() {
            return self.place_distributed(endpoints, &proxy.locality);
        }
        if !outlier_detection && !self.forced {
            return Ok(Placement { endpoints, locality_weights: None }); // LB-ILOC-02
        }
        let mut endpoints = endpoints;
        set_label_priorities(&mut endpoints, &self.failover_priority, proxy, label);
        if self.failover_priority.is_empty() || !self.failover.is_empty() {
            set_priorities(&mut endpoints, |endpoint| {
                // LB-ILOC-09
                u32::from(endpoint.level()) * 5
                    + distance(&proxy.locality, endpoint.location(), &self.failover)
            });
        }
        let explicit = !self.failover.is_empty() || !self.failover_priority.is_empty();
        let weights = group_weights(&endpoints)
            .into_iter()
            .map(|((priority, place), weight)| (priority, place, weight));
        let locality_weights = explicit.then(|| LocalityWeights::new(weights)).transpose()?; // LB-ILOC-04
        Ok(Placement { endpoints, locality_weights })
    }

    fn place_distributed<K>(
        &self,
        endpoints: Vec<Endpoint<K>>,
        proxy: &Locality,
    ) -> Result<Placement<K>, BuildError> {
        let Some(entry) = self.distribute.iter().find(|entry| entry.from.matches(proxy)) else {
            return Ok(Placement { endpoints, locality_weights: None }); // LB-ILOC-05
        };
        let groups = group_weights(&endpoints);
        let sums: Vec<(Locality, u32)> =
            groups.iter().map(|((_, place), sum)| (place.clone(), *sum)).collect();
        let weights: BTreeMap<(u8, Locality), u32> = groups
            .into_keys()
            .zip(entry.weights(&sums))
            .filter_map(|(group, weight)| Some((group, weight?)))
            .collect();
        let keeps =
            |endpoint: &Endpoint<K>| weights.contains_key(&(endpoint.level(), endpoint.location().clone()));
        let endpoints = endpoints.into_iter().filter(keeps).collect();
        let weights = weights.into_iter().map(|((priority, place), weight)| (priority, place, weight));
        Ok(Placement { endpoints, locality_weights: Some(LocalityWeights::new(weights)?) })
    }
}

/// The weight of each locality in each priority: the sum of its endpoints' (LB-HOST-10).
fn group_weights<K>(endpoints: &[Endpoint<K>]) -> BTreeMap<(u8, Locality), u32> {
    let mut groups = BTreeMap::<_, u32>::new();
    for endpoint in endpoints {
        let sum = groups.entry((endpoint.level(), endpoint.location().clone())).or_default();
        *sum = sum.saturating_add(endpoint.weight().get());
    }
    groups
}

/// LB-ILOC-10: by how many labels of a list an endpoint shares with the proxy. A proxy without labels changes nothing.
pub(super) fn set_label_priorities<K>(
    endpoints: &mut Vec<Endpoint<K>>,
    items: &[Box<str>],
    proxy: &ProxyPlace,
    label: impl Fn(&K, &str) -> Option<String>,
) {
    if items.is_empty() || proxy.labels.is_empty() {
        return;
    }
    set_priorities(endpoints, |endpoint| {
        label_distance(items, |item| {
            let proxy_label = |key: &str| proxy.labels.get(key).map(AsRef::as_ref);
            label_is_equal(item, proxy_label, |key| label(endpoint.key(), key))
        })
    });
}

/// Gives each endpoint its priority and closes the gaps, keeping the order (LB-ILOC-09).
pub(super) fn set_priorities<K>(endpoints: &mut Vec<Endpoint<K>>, priority: impl Fn(&Endpoint<K>) -> u32) {
    let wanted: Vec<u32> = endpoints.iter().map(priority).collect();
    let mut levels = wanted.clone();
    levels.sort_unstable();
    levels.dedup();
    // INVARIANT: a new level is never above the number of levels, which the old levels and five distances, or
    // the length of the label list, bound; beyond 255 the last ones share a level.
    let level = |wanted: &u32| {
        let at = levels.binary_search(wanted).unwrap_or_default();
        u8::try_from(at).unwrap_or(u8::MAX)
    };
    let levels: Vec<u8> = wanted.iter().map(level).collect();
    *endpoints = std::mem::take(endpoints)
        .into_iter()
        .zip(levels)
        .map(|(endpoint, level)| endpoint.priority(level))
        .collect();
}

#[cfg(test)]
#[path = "../tests/locality.rs"]
mod tests;
