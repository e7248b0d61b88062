//! The view of an endpoint set under the health of the moment.

use std::collections::BTreeMap;

use crate::endpoint::Health;
use crate::health::Usable;
use crate::priority::{Availability, HostList, ListKind, LocalityWeights, PriorityHealth, PriorityLoad};
use crate::set::{EndpointIndex, EndpointSet};
use crate::time::Monotonic;
use crate::warmup::{FirstHealthy, Warming, Warmup};
use crate::zone::{Zone, ZoneAware, ZonePlan, ZoneRoute};

use super::{PrioritySetConfig, Standing};

/// The endpoint a pick chose, and how it came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Picked {
    /// The endpoint.
    pub endpoint: EndpointIndex,
    /// The priority the endpoint was chosen from.
    pub priority: u8,
    /// Whether health was ignored because too little of the priority was healthy. Envoy counts these picks
    /// as `lb_healthy_panic` (LB-PANIC-05).
    pub panic: bool,
}

/// Who is eligible now: the lists of each priority, the load of each priority, the weights of localities.
///
/// Immutable. Build one from the [`EndpointSet`] and the verdicts of the moment, share it in an `Arc`
/// between the workers, and build the next when a verdict changes (LB-PRIO-10); the keys are not copied.
/// Every algorithm picks from such a view.
///
/// Cost: linear in the number of endpoints to build.
///
/// ```
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, HealthStatus, PrioritySet, PrioritySetConfig, Weight};
/// let set = EndpointSet::new([
///     Endpoint::new("a:80", Weight::ONE),
///     Endpoint::new("b:80", Weight::ONE).health(HealthStatus::Unhealthy),
///     Endpoint::new("c:80", Weight::ONE).priority(1),
/// ])?;
/// let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
/// assert_eq!(view.load().healthy(0), 70); // one of two healthy, overprovisioned by 1.4
/// assert_eq!(view.load().healthy(1), 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PrioritySet {
    load: PriorityLoad,
    lists: Box<[HostList]>,
    /// Two a priority, healthy then degraded, indexed like the entries of [`PriorityLoad`].
    targets: Box<[Target]>,
    schedules: Box<[LocalitySchedule]>,
    /// The view's copy of the weights in configuration order, for the hash algorithms.
    priorities: Box<[PriorityHosts]>,
    /// One an endpoint of the set.
    standings: Box<[Standing]>,
    zones: Box<[ZoneRoute]>,
    warming: Option<Warming>,
    /// The list that all picks are from, if all are from one (LB-DES-20).
    sole_list: Option<usize>,
}

/// Where a choice of priority and availability leads. The number is a position in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    List(usize),
    /// First a locality, then a list in it (LB-LOC-04).
    Localities(usize),
    /// First a zone, then its list.
    Zones(usize),
    /// No endpoint, although there are some.
    Nothing,
}

/// The localities that a priority serves from, with their effective weights (LB-LOC-02).
#[derive(Debug)]
pub(crate) struct LocalitySchedule {
    /// INVARIANT: not empty, every weight above 0.
    pub(crate) weights: Box<[f64]>,
    /// Parallel to `weights`: the list of each locality.
    pub(crate) lists: Box<[usize]>,
}

/// What the hash algorithms build from: the eligible hosts of a priority in configuration order.
#[derive(Debug)]
pub(crate) struct PriorityHosts {
    pub(crate) panic: bool,
    /// One group with everything, or one a locality when localities are weighted (LB-RING-01).
    pub(crate) groups: Box<[LocalityGroup]>,
}

#[derive(Debug)]
pub(crate) struct LocalityGroup {
    /// The share of the whole that the group gets.
    pub(crate) share: f64,
    pub(crate) hosts: Box<[(EndpointIndex, u32)]>,
}

impl PrioritySet {
    /// The view of `set` when `usable` is the verdict on each endpoint.
    ///
    /// An endpoint that is not usable is unhealthy, whatever discovery says (LB-HOST-03).
    #[must_use]
    pub fn new<K>(set: &EndpointSet<K>, config: &PrioritySetConfig, usable: &impl Usable) -> Self {
        Self::of_members(set, config, usable, |_| true, false)
    }

    /// The view of a subset: the endpoints that `belongs` accepts. `scale` scales locality weights by how much of a
    /// locality belongs (LB-SUB-01).
    pub(crate) fn of_members<K>(
        set: &EndpointSet<K>,
        config: &PrioritySetConfig,
        usable: &impl Usable,
        belongs: impl Fn(EndpointIndex) -> bool,
        scale: bool,
    ) -> Self {
        let verdict_degrades = |index| usable.is_degraded(index);
        let members: Box<[Member]> = set
            .iter()
            .map(|(index, endpoint)| {
                let usable = usable.is_usable(index);
                Member {
                    index,
                    weight: endpoint.weight().get(),
                    locality: set.locality_of(index),
                    usable,
                    health: match endpoint.status().coarse() {
                        _ if !usable => Health::Unhealthy,
                        Health::Healthy if verdict_degrades(index) => Health::Degraded,
                        health => health,
                    },
                    excluded: endpoint.status().is_excluded(),
                }
            })
            .collect();
        let highest = set.iter().map(|(_, endpoint)| endpoint.level()).max().unwrap_or(0);
        // LB-HOST-06: priorities are contiguous; a missing number is an empty host set.
        let mut by_priority: Vec<Vec<&Member>> = (0..=highest).map(|_| Vec::new()).collect();
        let mut totals = BTreeMap::<(u8, usize), u64>::new();
        for ((index, endpoint), member) in set.iter().zip(&members) {
            if scale {
                *totals.entry((endpoint.level(), member.locality)).or_default() += 1;
            }
            if !belongs(index) {
                continue;
            }
            if let Some(priority) = by_priority.get_mut(usize::from(endpoint.level())) {
                priority.push(member);
            }
        }
        let counts: Vec<PriorityHealth> =
            by_priority.iter().map(|members| count(members, config.weighted_priority_health)).collect();
        let load =
            PriorityLoad::new(&counts, config.overprovisioning_percent, config.panic_threshold_percent);
        let mut builder = Builder::default();
        for (priority, members) in (0..=highest).zip(&by_priority) {
            let localities = config.locality_weights.as_ref().map(|weights| {
                let total = |locality| totals.get(&(priority, locality)).copied();
                place_members(set, priority, members, weights, total, config.overprovisioning_percent)
            });
            let zones = config.zone_aware.as_ref();
            builder.add(priority, load.is_panicking(priority), members, localities.as_deref(), zones);
            if let Some(zones) = zones.filter(|_| priority == 0 && localities.is_none()) {
                builder.add_zones(set, load.is_panicking(priority), members, zones);
            }
        }
        let standings = set.iter().zip(&members).map(|((index, endpoint), member)| {
            let priority = endpoint.level();
            let panic = load.is_panicking(priority);
            let all = load.healthy(priority) + load.degraded(priority);
            let of_health = match member.health {
                Health::Degraded => load.degraded(priority),
                Health::Healthy | Health::Unhealthy => load.healthy(priority),
            };
            Standing {
                status: endpoint.status(),
                usable: member.usable,
                health: member.health,
                priority,
                load: if panic { all } else { of_health },
                panic,
                in_subset: belongs(index),
                locality_weight: config
                    .locality_weights
                    .as_ref()
                    .map(|weights| weights.get(priority, endpoint.location())),
                is_passed_over: builder.passes_over(priority, member),
            }
        });
        let sole_list = load.sole_entry().and_then(|entry| match builder.targets.get(entry) {
            Some(Target::List(list)) => Some(*list),
            _ => None,
        });
        Self {
            standings: standings.collect(),
            zones: builder.zones.into(),
            warming: None,
            sole_list,
            load,
            lists: builder.lists.into(),
            targets: builder.targets.into(),
            schedules: builder.schedules.into(),
            priorities: builder.priorities.into(),
        }
    }

    /// The next view, which takes over from this one what did not change: lists of the same endpoints and weights
    /// keep their weighted rounds, and [`Random`](crate::Random) keeps its tables for them.
    ///
    /// `set` need not be the set of this view. The result equals that of [`new`](Self::new); warm-up is not taken
    /// over. Linear in the endpoints, like `new`; what it saves is the sorting of weighted rounds.
    #[must_use]
    pub fn rebuilt<K>(&self, set: &EndpointSet<K>, config: &PrioritySetConfig, usable: &impl Usable) -> Self {
        let mut next = Self::new(set, config, usable);
        for list in &mut next.lists {
            let before = self.lists.iter().find(|old| (old.priority, old.kind) == (list.priority, list.kind));
            if let Some(before) = before {
                list.take_over(before);
            }
        }
        next
    }

    /// The load of each priority.
    #[must_use]
    pub fn load(&self) -> &PriorityLoad {
        &self.load
    }

    /// The number of endpoints in the set the view was made of, eligible or not.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.standings.len()
    }

    /// The endpoints that a list of a priority holds, in configuration order. In panic the healthy list is
    /// still the healthy endpoints; picks then come from all of them.
    #[must_use]
    pub fn eligible(&self, priority: u8, availability: Availability) -> &[EndpointIndex] {
        let kind = match availability {
            Availability::Healthy => ListKind::Healthy,
            Availability::Degraded => ListKind::Degraded,
        };
        self.lists
            .iter()
            .find(|list| list.priority == priority && list.kind == kind)
            .map_or(&[], |list| &list.hosts)
    }

    /// Why an endpoint can be picked from the view or not; `None` if the index is not of its set.
    #[must_use]
    pub fn explain(&self, index: EndpointIndex) -> Option<Standing> {
        self.standings.get(index.get()).copied()
    }

    /// The same view with endpoints warming up at `now` (LB-SLOW-03).
    ///
    /// ROUND_ROBIN and LEAST_REQUEST then go by the shares that the endpoints have at the moment last given to
    /// their `advance`; the other algorithms, and the choice of priority and locality, do not (LB-SLOW-05).
    #[must_use]
    pub fn warming_up(mut self, warmup: Warmup, first_healthy: &FirstHealthy, now: Monotonic) -> Self {
        let warming = Warming { warmup, first_healthy: first_healthy.clone() };
        for list in &mut self.lists {
            list.warming = list.hosts.iter().any(|&host| warming.is_warming(host, now));
        }
        self.warming = Some(warming);
        self
    }

    pub(crate) fn warming(&self) -> Option<&Warming> {
        self.warming.as_ref()
    }

    pub(crate) fn sole_list(&self) -> Option<usize> {
        self.sole_list
    }

    #[inline]
    pub(crate) fn zone(&self, at: usize) -> Option<&ZoneRoute> {
        self.zones.get(at)
    }

    pub(crate) fn lists(&self) -> &[HostList] {
        &self.lists
    }

    pub(crate) fn schedules(&self) -> &[LocalitySchedule] {
        &self.schedules
    }

    pub(crate) fn priorities(&self) -> &[PriorityHosts] {
        &self.priorities
    }

    #[inline]
    pub(crate) fn target(&self, entry: usize) -> Option<Target> {
        self.targets.get(entry).copied()
    }
}

/// An endpoint with what its list membership depends on.
struct Member {
    index: EndpointIndex,
    weight: u32,
    locality: usize,
    usable: bool,
    health: Health,
    excluded: bool,
}

fn count(members: &[&Member], by_weight: bool) -> PriorityHealth {
    let mut count = PriorityHealth::default();
    for member in members {
        let amount = if by_weight { u64::from(member.weight) } else { 1 };
        count.hosts += amount;
        match member.health {
            Health::Healthy => count.healthy += amount,
            Health::Degraded => count.degraded += amount,
            Health::Unhealthy => {}
        }
        if member.excluded {
            count.excluded += amount;
        }
    }
    count
}

/// The members of one locality in one priority.
struct Place<'m> {
    locality: usize,
    weight: u32,
    healthy_weight: f64,
    degraded_weight: f64,
    members: Vec<&'m Member>,
}

/// Splits a priority by locality, in the order of the localities' texts.
fn place_members<'m, K>(
    set: &EndpointSet<K>,
    priority: u8,
    members: &[&'m Member],
    weights: &LocalityWeights,
    total: impl Fn(usize) -> Option<u64>,
    overprovisioning_percent: u32,
) -> Vec<Place<'m>> {
    let mut sorted = members.to_vec();
    sorted.sort_by_key(|member| member.locality); // stable: configuration order inside a locality
    sorted
        .chunk_by(|a, b| a.locality == b.locality)
        .filter_map(|members| {
            let locality = members.first()?.locality;
            let weight = weights.get(priority, set.localities().get(locality)?);
            let counts = count(members, false);
            let weight = match total(locality) {
                Some(total) => scaled(weight, counts.hosts, total),
                None => weight,
            };
            let effective = |eligible| effective_weight(weight, overprovisioning_percent, eligible, &counts);
            Some(Place {
                locality,
                weight,
                healthy_weight: effective(counts.healthy),
                degraded_weight: effective(counts.degraded),
                members: members.to_vec(),
            })
        })
        .collect()
}

/// The part of a locality's weight that its part in a subset has, rounded.
fn scaled(weight: u32, part: u64, total: u64) -> u32 {
    let doubled = (2 * u128::from(weight) * u128::from(part)).checked_div(u128::from(total)).unwrap_or(0);
    u32::try_from(doubled.div_ceil(2)).unwrap_or(weight)
}

/// LB-LOC-02.
fn effective_weight(
    weight: u32,
    overprovisioning_percent: u32,
    eligible: u64,
    counts: &PriorityHealth,
) -> f64 {
    let denominator = counts.hosts.saturating_sub(counts.excluded);
    if denominator == 0 || eligible == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let available = eligible as f64 / denominator as f64;
    f64::from(weight) * (f64::from(overprovisioning_percent) / 100.0 * available).min(1.0)
}

#[derive(Default)]
struct Builder {
    lists: Vec<HostList>,
    targets: Vec<Target>,
    schedules: Vec<LocalitySchedule>,
    priorities: Vec<PriorityHosts>,
    zones: Vec<ZoneRoute>,
}

impl Builder {
    fn add(
        &mut self,
        priority: u8,
        panic: bool,
        members: &[&Member],
        places: Option<&[Place<'_>]>,
        zones: Option<&ZoneAware>,
    ) {
        let all = self.list(priority, ListKind::All, panic, members, |_| true);
        let is_healthy = |member: &Member| member.health == Health::Healthy;
        let is_degraded = |member: &Member| member.health == Health::Degraded;
        let healthy = self.list(priority, ListKind::Healthy, false, members, is_healthy);
        let degraded = self.list(priority, ListKind::Degraded, false, members, is_degraded);
        if panic && zones.is_some_and(ZoneAware::fails_on_panic) {
            self.targets.extend([Target::Nothing, Target::Nothing]);
        } else if panic {
            // LB-PANIC-05: locality weighting is skipped.
            self.targets.extend([Target::List(all), Target::List(all)]);
        } else {
            for (flat, availability) in [(healthy, Availability::Healthy), (degraded, Availability::Degraded)]
            {
                let scheduled = places.and_then(|places| self.schedule(priority, availability, places));
                self.targets.push(scheduled.unwrap_or(Target::List(flat)));
            }
        }
        let eligible = |member: &Member| panic || is_healthy(member);
        self.priorities.push(PriorityHosts { panic, groups: hash_groups(members, places, eligible) });
    }

    /// Whether picks do not reach a member although it is healthy or degraded and its priority has traffic.
    fn passes_over(&self, priority: u8, member: &Member) -> bool {
        let (entry, kind) = match member.health {
            Health::Degraded => (1, ListKind::LocalityDegraded(member.locality)),
            Health::Healthy | Health::Unhealthy => (0, ListKind::LocalityHealthy(member.locality)),
        };
        match self.targets.get(2 * usize::from(priority) + entry) {
            Some(Target::Localities(at)) => self.schedules.get(*at).is_some_and(|localities| {
                let mut lists = localities.lists.iter().filter_map(|&list| self.lists.get(list));
                !lists.any(|list| list.kind == kind)
            }),
            Some(Target::Nothing) => true,
            _ => false,
        }
    }

    /// LB-ZONE-01: makes the healthy picks of priority 0 go by zone.
    fn add_zones<K>(&mut self, set: &EndpointSet<K>, panic: bool, members: &[&Member], config: &ZoneAware) {
        let Some(healthy) = self.targets.first_mut().filter(|_| !panic) else { return };
        let Target::List(flat) = *healthy else { return };
        let mut sorted = members.to_vec();
        sorted.sort_by_key(|member| member.locality); // stable: configuration order inside a locality
        let mut zones = Vec::new();
        for members in sorted.chunk_by(|a, b| a.locality == b.locality) {
            let Some(at) = members.first().map(|member| member.locality) else { continue };
            let Some(locality) = set.localities().get(at) else { continue };
            let healthy = || members.iter().filter(|member| member.health == Health::Healthy);
            zones.push(Zone {
                locality,
                healthy: healthy().count() as u64,
                healthy_weight: healthy().map(|member| u64::from(member.weight)).sum(),
                list: self.list(0, ListKind::LocalityHealthy(at), false, members, |member| {
                    member.health == Health::Healthy
                }),
            });
        }
        let target = match config.plan(&zones, flat) {
            ZonePlan::Off => return,
            ZonePlan::Fail => Target::Nothing,
            ZonePlan::On(route) => {
                self.zones.push(route);
                Target::Zones(self.zones.len() - 1)
            }
        };
        if let Some(healthy) = self.targets.first_mut() {
            *healthy = target;
        }
    }

    fn list(
        &mut self,
        priority: u8,
        kind: ListKind,
        panic: bool,
        members: &[&Member],
        belongs: impl Fn(&Member) -> bool,
    ) -> usize {
        let hosts =
            members.iter().filter(|member| belongs(member)).map(|member| (member.index, member.weight));
        self.lists.push(HostList::new(priority, kind, panic, hosts.collect()));
        self.lists.len() - 1
    }

    /// LB-LOC-04; `None` if no locality is eligible, and the flat list of the priority serves.
    fn schedule(&mut self, priority: u8, availability: Availability, places: &[Place<'_>]) -> Option<Target> {
        let (mut weights, mut lists) = (Vec::new(), Vec::new());
        for place in places {
            let (weight, kind, health) = match availability {
                Availability::Healthy => {
                    (place.healthy_weight, ListKind::LocalityHealthy(place.locality), Health::Healthy)
                }
                Availability::Degraded => {
                    (place.degraded_weight, ListKind::LocalityDegraded(place.locality), Health::Degraded)
                }
            };
            if weight > 0.0 {
                weights.push(weight);
                lists
                    .push(self.list(priority, kind, false, &place.members, |member| member.health == health));
            }
        }
        if weights.is_empty() {
            return None;
        }
        self.schedules.push(LocalitySchedule { weights: weights.into(), lists: lists.into() });
        Some(Target::Localities(self.schedules.len() - 1))
    }
}

/// LB-LOC-06: raw locality weights over their sum; a locality without eligible hosts keeps its share unused.
fn hash_groups(
    members: &[&Member],
    places: Option<&[Place<'_>]>,
    eligible: impl Fn(&Member) -> bool,
) -> Box<[LocalityGroup]> {
    let hosts_of = |members: &[&Member]| {
        members.iter().filter(|member| eligible(member)).map(|member| (member.index, member.weight)).collect()
    };
    let Some(places) = places else {
        return Box::new([LocalityGroup { share: 1.0, hosts: hosts_of(members) }]);
    };
    let sum: u32 = places.iter().map(|place| place.weight).fold(0, u32::saturating_add);
    places
        .iter()
        .filter(|place| place.weight > 0)
        .map(|place| LocalityGroup {
            share: f64::from(place.weight) / f64::from(sum),
            hosts: hosts_of(&place.members),
        })
        .collect()
}
