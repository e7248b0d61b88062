//! Istio's `zoneAwareLbSetting` (LB-ILOC-11).

use crate::endpoint::{Endpoint, Locality};
use crate::zone::{LocalCluster, ZoneAware};

use super::ProxyPlace;
use super::failover::Failover;
use super::setting::{set_label_priorities, set_priorities};

/// Istio's `zoneAwareLbSetting`: regions become priorities, and inside the nearest one traffic goes by zone.
///
/// ```
/// use mesh_lb::{Endpoint, LocalCluster, Locality, ProxyPlace, Weight, ZoneAwareLbSetting};
/// let at = |key, place| Endpoint::new(key, Weight::ONE).locality(Locality::parse(place));
/// let proxy = ProxyPlace::new(Locality::parse("eu/a"));
/// let endpoints = vec![at("far:80", "us/x"), at("near:80", "eu/b")];
/// let placed = ZoneAwareLbSetting::new().place(endpoints, &proxy, |_, _| None);
/// assert_eq!(placed.iter().map(Endpoint::level).collect::<Vec<_>>(), [1, 0]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneAwareLbSetting {
    enabled: bool,
    min_cluster_size: u64,
    failover: Vec<Failover>,
    failover_priority: Box<[Box<str>]>,
}

impl Default for ZoneAwareLbSetting {
    fn default() -> Self {
        Self { enabled: true, min_cluster_size: 6, failover: Vec::new(), failover_priority: Box::default() }
    }
}

impl ZoneAwareLbSetting {
    /// Enabled, from 6 endpoints.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the priorities and lets no pick go by zone.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }

    /// Sets `minClusterSize`; 0 is the default of 6.
    #[must_use]
    pub fn min_cluster_size(self, endpoints: u64) -> Self {
        Self { min_cluster_size: if endpoints == 0 { 6 } else { endpoints }, ..self }
    }

    /// Sets the regions that take over for others.
    #[must_use]
    pub fn failover(self, entries: impl IntoIterator<Item = Failover>) -> Self {
        Self { failover: entries.into_iter().collect(), ..self }
    }

    /// Sets the labels of `failoverPriority`, which come before regions.
    #[must_use]
    pub fn failover_priority<'t>(self, labels: impl IntoIterator<Item = &'t str>) -> Self {
        Self { failover_priority: labels.into_iter().map(Box::from).collect(), ..self }
    }

    /// Sets the priorities of endpoints for a proxy: by labels first, then by region, the proxy's own before the
    /// one that takes over before all others.
    pub fn place<K>(
        &self,
        mut endpoints: Vec<Endpoint<K>>,
        proxy: &ProxyPlace,
        label: impl Fn(&K, &str) -> Option<String>,
    ) -> Vec<Endpoint<K>> {
        set_label_priorities(&mut endpoints, &self.failover_priority, proxy, label);
        set_priorities(&mut endpoints, |endpoint| {
            u32::from(endpoint.level()) * 3 + self.bucket(proxy.locality(), endpoint.location())
        });
        endpoints
    }

    fn bucket(&self, proxy: &Locality, other: &Locality) -> u32 {
        if proxy.region() == other.region() {
            return 0;
        }
        let takes_over = Failover::region_after(&self.failover, proxy.region());
        if takes_over == Some(other.region()) { 1 } else { 2 }
    }

    /// How picks go by zone, for a caller in `local`: the endpoints of the proxy's own workload, of the same
    /// template and region.
    #[must_use]
    pub fn zone_aware(&self, local: LocalCluster) -> ZoneAware {
        let percent = if self.enabled { 100 } else { 0 };
        ZoneAware::new(local).min_cluster_size(self.min_cluster_size).routing_enabled_percent(percent)
    }
}
