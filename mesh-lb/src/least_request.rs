//! LEAST_REQUEST, also known as LEAST_CONN (spec 2.4).

use std::sync::Arc;

use crate::draw::{Draw, distinct_pair, halves, scale_u32, scale_u64};
use crate::edf::Edf;
use crate::health::ActiveRequests;
use crate::locality_scheduler::LocalityScheduler;
use crate::priority::{HostList, Picked, PriorityLoad, PrioritySet};
use crate::set::EndpointIndex;
use crate::time::Monotonic;
use crate::warmup::Warming;
use crate::weighted_draw::WeightedDraw;

/// Settings of [`LeastRequest`]. The default is what Istio always means: two choices, bias 1 (LB-MAP-03).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeastRequestConfig {
    choices: u32,
    bias: f64,
    full_scan: bool,
    weighted_draw: bool,
    distinct: bool,
}

impl Default for LeastRequestConfig {
    fn default() -> Self {
        Self { choices: 2, bias: 1.0, full_scan: false, weighted_draw: false, distinct: false }
    }
}

impl LeastRequestConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many endpoints are compared; fewer than 2 count as 2 (LB-LR-01).
    #[must_use]
    pub fn choice_count(self, choices: u32) -> Self {
        Self { choices: choices.max(2), ..self }
    }

    /// Sets how strongly load lowers the weight when weights differ: `weight / (active + 1)^bias`. A bias that
    /// is negative or not a number counts as 1 (LB-LR-03).
    #[must_use]
    pub fn active_request_bias(self, bias: f64) -> Self {
        Self { bias: if bias >= 0.0 { bias } else { 1.0 }, ..self }
    }

    /// Compares all endpoints in place of a few, where weights are equal (LB-LR-04). Linear in their number.
    #[must_use]
    pub fn full_scan(self) -> Self {
        Self { full_scan: true, ..self }
    }

    /// Draws pairs of two different endpoints, where weights are equal: a busy one of two then gets nothing in place
    /// of a quarter, which many users of small clusters ask for. tower and linkerd draw like this (LB-EWMA-05).
    //
    // DIFFERENCE LB-LR-01: opt-in; the default draws with replacement.
    #[must_use]
    pub fn distinct_choices(self) -> Self {
        Self { distinct: true, ..self }
    }

    /// Draws by effective weight in place of scheduling, where weights differ.
    ///
    /// The share of each endpoint is the schedule's, `weight / (active + 1)^bias` over the sum, but picks are
    /// independent of one another: counts spread as with RANDOM, and the order is not Envoy's. It costs half
    /// of the schedule, keeps no state that grows, and loads count at the pick, not one turn earlier.
    //
    // DIFFERENCE LB-LR-03: opt-in; the default is the schedule.
    #[must_use]
    pub fn weighted_draw(self) -> Self {
        Self { weighted_draw: true, ..self }
    }
}

/// LEAST_REQUEST: of a few random endpoints, the one with the fewest active requests.
///
/// Equal weights: `choices` endpoints are drawn *with replacement* and the least loaded is taken, the first
/// drawn on a tie (LB-LR-01). With two endpoints, a busy one so still gets a quarter of the picks (LB-LR-02).
///
/// Unequal weights: an earliest-deadline-first schedule whose weights are `weight / (active + 1)^bias`, each
/// read when the endpoint has just been picked (LB-LR-03). It is not a comparison of two. The same while endpoints
/// warm up (LB-SLOW-03).
///
/// The counts are shared by all workers and come in through [`ActiveRequests`]; the schedule is the worker's own.
///
/// Cost: constant for a pick, several times as much with unequal weights as with equal ones
/// ([`weighted_draw`](LeastRequestConfig::weighted_draw) lies between), linear with full scan; no allocation.
///
/// ```
/// use std::sync::Arc;
/// use mesh_lb::{AllUsable, Endpoint, EndpointIndex, EndpointSet, LeastRequest, LeastRequestConfig, PrioritySet,
///               PrioritySetConfig, SplitMix64, Weight};
/// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let view = Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable));
/// let load = |index: EndpointIndex| if index.get() == 0 { 9 } else { 0 };
/// let mut draw = SplitMix64::new(1);
/// let mut balancer = LeastRequest::new(view, LeastRequestConfig::default(), &load, &mut draw);
/// let busy = (0..1000).filter_map(|_| balancer.pick(&load, &mut draw)).filter(|p| p.endpoint.get() == 0);
/// assert!((200..300).contains(&busy.count())); // both draws hit the busy one: a quarter
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LeastRequest {
    view: Arc<PrioritySet>,
    config: LeastRequestConfig,
    start: u64,
    localities: LocalityScheduler,
    /// One a list of the view.
    lists: Box<[List]>,
    /// For warm-up.
    now: Monotonic,
}

/// A list of the view, close at hand, with the state of picking from it.
#[derive(Clone, Debug)]
struct List {
    priority: u8,
    panic: bool,
    hosts: Arc<[EndpointIndex]>,
    /// `None` where they are equal.
    weights: Option<Arc<[u32]>>,
    way: Way,
}

/// How a list is picked from.
#[derive(Clone, Debug)]
enum Way {
    /// A comparison: weights are equal and nobody warms up.
    Compare,
    Schedule(Edf),
    Draw(WeightedDraw),
}

impl LeastRequest {
    /// A balancer over `view`. Draws one value; reads the load once an endpoint where weights differ.
    #[must_use]
    pub fn new(
        view: Arc<PrioritySet>,
        config: LeastRequestConfig,
        load: &impl ActiveRequests,
        draw: &mut impl Draw,
    ) -> Self {
        Self::at(view, config, Monotonic::ZERO, load, draw)
    }

    /// The same at a moment, for a view in which endpoints warm up.
    #[must_use]
    pub fn at(
        view: Arc<PrioritySet>,
        config: LeastRequestConfig,
        now: Monotonic,
        load: &impl ActiveRequests,
        draw: &mut impl Draw,
    ) -> Self {
        let start = draw.next_u64();
        let mut balancer = Self {
            view: Arc::clone(&view),
            config,
            start,
            localities: LocalityScheduler::default(),
            lists: Box::default(),
            now,
        };
        balancer.update(view, load);
        balancer
    }

    /// Tells the time, for endpoints that warm up. Nothing is computed here: call it as often as the clock is read
    /// anyway (LB-DES-22).
    #[inline]
    pub fn advance(&mut self, now: Monotonic) {
        self.now = now;
    }

    /// Goes over to another view, after a change of membership or health. Schedules start afresh (LB-EDF-03).
    pub fn update(&mut self, view: Arc<PrioritySet>, load: &impl ActiveRequests) {
        self.localities = LocalityScheduler::new(&view, self.start);
        let (config, start, now) = (&self.config, self.start, self.now);
        let list = |list: &HostList| {
            let (hosts, weights) = (&list.hosts, list.weights.as_ref());
            let way = if weights.is_none() && !list.warming {
                Way::Compare
            } else if config.weighted_draw {
                Way::Draw(WeightedDraw::new(weights.map(AsRef::as_ref)))
            } else {
                let warming = view.warming();
                let weight = |at: usize| {
                    let weight = weights.and_then(|weights| weights.get(at)).copied().map_or(1.0, f64::from);
                    effective_weight(weight, hosts, at, config.bias, warming, now, load)
                };
                Way::Schedule(Edf::new(hosts.len(), start, weight))
            };
            List {
                priority: list.priority,
                panic: list.panic,
                hosts: Arc::clone(hosts),
                weights: weights.cloned(),
                way,
            }
        };
        self.lists = view.lists().iter().map(list).collect();
        self.view = view;
    }

    /// The view in use.
    #[must_use]
    pub fn view(&self) -> &Arc<PrioritySet> {
        &self.view
    }

    /// An endpoint with few active requests; `None` if no endpoint is eligible.
    ///
    /// `load` must not yet count the request that is being placed.
    #[inline]
    pub fn pick(&mut self, load: &impl ActiveRequests, draw: &mut impl Draw) -> Option<Picked> {
        let at = self.localities.next(&self.view, draw)?;
        self.pick_in(at, load, draw)
    }

    /// The same under another distribution over priorities (LB-RSEL-04).
    #[inline]
    pub fn pick_with(
        &mut self,
        priorities: &PriorityLoad,
        load: &impl ActiveRequests,
        draw: &mut impl Draw,
    ) -> Option<Picked> {
        let at = self.localities.next_list(&self.view, priorities, draw)?;
        self.pick_in(at, load, draw)
    }

    #[inline]
    fn pick_in(&mut self, at: usize, load: &impl ActiveRequests, draw: &mut impl Draw) -> Option<Picked> {
        let List { priority, panic, hosts, weights, way } = self.lists.get_mut(at)?;
        let endpoint = match way {
            Way::Compare if self.config.full_scan => least_of_all(hosts, load, draw)?,
            Way::Compare if self.config.distinct => {
                least_of_some::<true>(hosts, self.config.choices, load, draw)?
            }
            Way::Compare => least_of_some::<false>(hosts, self.config.choices, load, draw)?,
            Way::Schedule(schedule) => {
                let (bias, warming, now) = (self.config.bias, self.view.warming(), self.now);
                let position = schedule.next(|at| {
                    let weight =
                        weights.as_ref().and_then(|weights| weights.get(at)).copied().map_or(1.0, f64::from);
                    effective_weight(weight, hosts, at, bias, warming, now, load)
                })?;
                *hosts.get(position)?
            }
            Way::Draw(weighted) => {
                let (bias, warming, now) = (self.config.bias, self.view.warming(), self.now);
                // How many times too often the endpoint is drawn when it is drawn by its weight alone.
                let excess = |at| {
                    let Some(&host) = hosts.get(at) else { return 1.0 };
                    let busy = busyness(host, bias, load);
                    warming.map_or(busy, |warming| busy / warming.factor(host, now))
                };
                *hosts.get(weighted.next(hosts.len(), excess, draw)?)?
            }
        };
        Some(Picked { endpoint, priority: *priority, panic: *panic })
    }
}

/// LB-LR-03, and LB-SLOW-04.
#[inline]
fn effective_weight(
    weight: f64,
    hosts: &[EndpointIndex],
    at: usize,
    bias: f64,
    warming: Option<&Warming>,
    now: Monotonic,
    load: &impl ActiveRequests,
) -> f64 {
    let Some(&host) = hosts.get(at) else { return weight };
    let weight = match warming {
        Some(warming) => weight * warming.factor(host, now),
        None => weight,
    };
    weight / busyness(host, bias, load)
}

/// `(active + 1)^bias`. A bias of 0 does not read the count, one of 1 takes no power.
#[inline]
fn busyness(host: EndpointIndex, bias: f64, load: &impl ActiveRequests) -> f64 {
    #[allow(clippy::float_cmp, reason = "1 and 0 are exact settings, not results")]
    let (plain, ignored) = (bias == 1.0, bias == 0.0);
    if ignored {
        return 1.0;
    }
    let busy = f64::from(load.active_requests(host)) + 1.0;
    if plain { busy } else { busy.powf(bias) }
}

/// LB-LR-01: two indices come out of one draw.
#[inline]
fn least_of_some<const DISTINCT: bool>(
    hosts: &[EndpointIndex],
    choices: u32,
    load: &impl ActiveRequests,
    draw: &mut impl Draw,
) -> Option<EndpointIndex> {
    let pair = |value: u64| {
        let (high, low) = halves(value);
        let n = hosts.len();
        let (first, second) =
            if DISTINCT { distinct_pair(value, n) } else { (scale_u32(high, n), scale_u32(low, n)) };
        let first = *hosts.get(first)?;
        // Of one endpoint there is no second.
        Some((first, hosts.get(second).copied().unwrap_or(first)))
    };
    let (first, second) = pair(draw.next_u64())?;
    let (mut best, mut least) = (first, load.active_requests(first));
    let mut consider = |host: EndpointIndex| {
        let active = load.active_requests(host);
        // Which of the two is less busy cannot be predicted.
        best = std::hint::select_unpredictable(active < least, host, best);
        least = least.min(active);
    };
    consider(second);
    let mut left = choices.saturating_sub(2);
    while left > 0 {
        let (first, second) = pair(draw.next_u64())?;
        consider(first);
        if left > 1 {
            consider(second);
        }
        left = left.saturating_sub(2);
    }
    Some(best)
}

/// LB-LR-04: the k-th of equals replaces the ones before with probability 1/k.
fn least_of_all(
    hosts: &[EndpointIndex],
    load: &impl ActiveRequests,
    draw: &mut impl Draw,
) -> Option<EndpointIndex> {
    let (&first, rest) = hosts.split_first()?;
    let (mut best, mut least, mut ties) = (first, load.active_requests(first), 1_usize);
    for &host in rest {
        let active = load.active_requests(host);
        if active < least {
            (best, least, ties) = (host, active, 1);
        } else if active == least {
            ties += 1;
            if scale_u64(draw.next_u64(), ties) == 0 {
                best = host;
            }
        }
    }
    Some(best)
}

#[cfg(test)]
#[path = "tests/least_request.rs"]
mod tests;
