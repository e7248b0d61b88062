//! Zone-aware routing (spec 1.5).

use std::collections::BTreeMap;

use crate::draw::{Draw, scale_u64};
use crate::endpoint::Locality;

/// The peers of the caller: the endpoints of the workload it belongs to, its own locality, and whether so few of
/// them are healthy that their distribution says nothing.
///
/// Zone-aware routing keeps traffic local as far as the zones of callers and of endpoints are equally large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalCluster {
    locality: Locality,
    peers: BTreeMap<Locality, u64>,
    panicking: bool,
}

impl LocalCluster {
    /// A caller in `locality` whose workload has so many endpoints, or so much weight, in each locality, its own
    /// included. Several numbers for one locality add up.
    #[must_use]
    pub fn new(locality: Locality, peers: impl IntoIterator<Item = (Locality, u64)>) -> Self {
        let mut by_locality = BTreeMap::<Locality, u64>::new();
        for (place, count) in peers {
            let sum = by_locality.entry(place).or_default();
            *sum = sum.saturating_add(count);
        }
        by_locality.retain(|_, count| *count > 0);
        Self { locality, peers: by_locality, panicking: false }
    }

    /// Marks the caller's own cluster as panicking (LB-ZONE-02).
    #[must_use]
    pub fn panicking(self) -> Self {
        Self { panicking: true, ..self }
    }
}

/// Settings of zone-aware routing, Envoy's `zone_aware_lb_config` and Istio's `zoneAwareLbSetting` (LB-ILOC-11).
///
/// It applies to healthy picks of ROUND_ROBIN, LEAST_REQUEST and RANDOM in priority 0, where no locality weights
/// are configured (LB-ZONE-01).
///
/// ```
/// use mesh_lb::{LocalCluster, Locality, PrioritySetConfig, ZoneAware};
/// let [a, b] = ["eu/a", "eu/b"].map(Locality::parse);
/// let callers = LocalCluster::new(a.clone(), [(a, 3), (b, 1)]);
/// let config = PrioritySetConfig::new().zone_aware(ZoneAware::new(callers));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneAware {
    local: LocalCluster,
    routing_enabled_percent: u32,
    min_cluster_size: u64,
    fail_traffic_on_panic: bool,
    force_local_min_size: Option<u64>,
    by_weight: bool,
}

impl ZoneAware {
    /// Envoy's defaults: always on, from 6 healthy endpoints.
    #[must_use]
    pub fn new(local: LocalCluster) -> Self {
        Self {
            local,
            routing_enabled_percent: 100,
            min_cluster_size: 6,
            fail_traffic_on_panic: false,
            force_local_min_size: None,
            by_weight: false,
        }
    }

    /// Sets for how many percent of the picks zones count; more than 100 counts as 100.
    #[must_use]
    pub fn routing_enabled_percent(self, percent: u32) -> Self {
        Self { routing_enabled_percent: percent.min(100), ..self }
    }

    /// Sets from how many healthy endpoints on zones count. Istio's `minClusterSize`.
    #[must_use]
    pub fn min_cluster_size(self, endpoints: u64) -> Self {
        Self { min_cluster_size: endpoints, ..self }
    }

    /// Answers "no endpoint" in place of ignoring health, when this priority or the local cluster panics
    /// (LB-PANIC-05).
    #[must_use]
    pub fn fail_traffic_on_panic(self) -> Self {
        Self { fail_traffic_on_panic: true, ..self }
    }

    /// Keeps all traffic local as soon as the caller's locality has this many healthy endpoints, whatever the
    /// peers' distribution (LB-ZONE-07).
    #[must_use]
    pub fn force_local_min_size(self, endpoints: u64) -> Self {
        Self { force_local_min_size: Some(endpoints), ..self }
    }

    /// Measures the zones of the endpoints by their weights in place of their number.
    #[must_use]
    pub fn by_weight(self) -> Self {
        Self { by_weight: true, ..self }
    }

    pub(crate) fn fails_on_panic(&self) -> bool {
        self.fail_traffic_on_panic
    }
}

/// The healthy endpoints of a locality in priority 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zone<'l> {
    pub(crate) locality: &'l Locality,
    pub(crate) healthy: u64,
    pub(crate) healthy_weight: u64,
    /// The position of the list of the healthy ones.
    pub(crate) list: usize,
}

/// What zone-aware routing does with a pick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ZonePlan {
    /// Zones do not count: the flat list.
    Off,
    /// No endpoint.
    Fail,
    /// Zones count.
    On(ZoneRoute),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ZoneRoute {
    enabled_percent: u64,
    flat: usize,
    /// The caller's list.
    local: Option<usize>,
    /// How many of 10,000 picks stay local.
    stay: u64,
    /// The other localities with the sums, up to each, of what they have more than their callers.
    spare: Box<[(u64, usize)]>,
    /// The localities to fall back to when none has anything to spare.
    all: Box<[usize]>,
}

/// 100 % in the units of LB-ZONE-03.
const WHOLE: u64 = 10_000;

fn share(part: u64, total: u64) -> u64 {
    let share = (u128::from(part) * u128::from(WHOLE)).checked_div(u128::from(total)).unwrap_or(0);
    u64::try_from(share).unwrap_or(WHOLE)
}

impl ZoneAware {
    /// LB-ZONE-02 to LB-ZONE-05, and LB-ZONE-07. `zones` are the localities with endpoints, healthy or not.
    pub(crate) fn plan(&self, zones: &[Zone<'_>], flat: usize) -> ZonePlan {
        let local = &self.local;
        let healthy: u64 = zones.iter().map(|zone| zone.healthy).sum();
        let own = zones.iter().find(|zone| *zone.locality == local.locality && zone.healthy > 0);
        let forced =
            matches!((self.force_local_min_size, own), (Some(least), Some(own)) if own.healthy >= least);
        if local.panicking && !forced {
            return if self.fail_traffic_on_panic { ZonePlan::Fail } else { ZonePlan::Off };
        }
        let unknown = local.peers.len() < 2 || !local.peers.contains_key(&local.locality);
        if zones.len() < 2 || (unknown && !forced) || healthy < self.min_cluster_size {
            return ZonePlan::Off;
        }
        let amount = |zone: &Zone<'_>| if self.by_weight { zone.healthy_weight } else { zone.healthy };
        let (amounts, peers) = (zones.iter().map(amount).sum(), local.peers.values().sum());
        let of_callers = |place| share(local.peers.get(place).copied().unwrap_or(0), peers);
        let of_upstream = |zone: &Zone<'_>| share(amount(zone), amounts);
        let (mine, callers) = (own.map_or(0, of_upstream), of_callers(&local.locality));
        let direct = forced || (own.is_some() && mine >= callers);
        let mut sum = 0;
        let others = zones.iter().filter(|zone| *zone.locality != local.locality && zone.healthy > 0);
        let spare = others.filter_map(|zone| {
            let more = of_upstream(zone).saturating_sub(of_callers(zone.locality));
            sum += more;
            (more > 0).then_some((sum, zone.list))
        });
        ZonePlan::On(ZoneRoute {
            enabled_percent: u64::from(self.routing_enabled_percent),
            flat,
            local: own.map(|own| own.list),
            stay: if direct { WHOLE } else { (WHOLE * mine).checked_div(callers).unwrap_or(0) },
            spare: spare.collect(),
            // DIFFERENCE LB-ZONE-05: a locality without a healthy endpoint is not drawn. Envoy draws it too and then
            // has no endpoint.
            all: zones.iter().filter(|zone| zone.healthy > 0).map(|zone| zone.list).collect(),
        })
    }
}

impl ZoneRoute {
    /// The position of the list to pick from. Draws up to three values.
    pub(crate) fn list(&self, draw: &mut impl Draw) -> usize {
        if self.enabled_percent < 100 && draw.next_u64() % 100 >= self.enabled_percent {
            return self.flat;
        }
        if let Some(local) = self.local
            && (self.stay >= WHOLE || draw.next_u64() % WHOLE < self.stay)
        {
            return local;
        }
        let value = draw.next_u64();
        let Some(&(total, _)) = self.spare.last() else {
            return self.all.get(scale_u64(value, self.all.len())).copied().unwrap_or(self.flat);
        };
        let at = value.checked_rem(total).unwrap_or(0);
        self.spare.iter().find(|(sum, _)| at < *sum).map_or(self.flat, |&(_, list)| list)
    }
}

#[cfg(test)]
#[path = "tests/zone.rs"]
mod tests;
