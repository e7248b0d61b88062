//! LEAST_REQUEST, also known as LEAST_CONN (spec 2.4).

use std::sync::Arc;

use crate::draw::{Draw, halves, scale_u32, scale_u64};
use crate::edf::Edf;
use crate::health::ActiveRequests;
use crate::locality_scheduler::LocalityScheduler;
use crate::priority::{HostList, Picked, PriorityLoad, PrioritySet};
use crate::set::EndpointIndex;

/// Settings of [`LeastRequest`]. The default is what Istio always means: two choices, bias 1 (LB-MAP-03).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeastRequestConfig {
    choices: u32,
    bias: f64,
    full_scan: bool,
}

impl Default for LeastRequestConfig {
    fn default() -> Self {
        Self { choices: 2, bias: 1.0, full_scan: false }
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
}

/// LEAST_REQUEST: of a few random endpoints, the one with the fewest active requests.
///
/// Equal weights: `choices` endpoints are drawn *with replacement* and the least loaded is taken, the first
/// drawn on a tie (LB-LR-01). With two endpoints, a busy one so still gets a quarter of the picks (LB-LR-02).
///
/// Unequal weights: an earliest-deadline-first schedule whose weights are `weight / (active + 1)^bias`, each
/// read when the endpoint has just been picked (LB-LR-03). It is not a comparison of two.
///
/// The counts are shared by all workers and come in through [`ActiveRequests`]; the schedule is the worker's own.
///
/// Cost: constant for a pick with equal weights, logarithmic with unequal ones, linear with full scan; no
/// allocation.
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
    /// One a list of the view; `None` where the weights are equal.
    schedules: Box<[Option<Edf>]>,
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
        let start = draw.next_u64();
        let mut balancer = Self {
            view: Arc::clone(&view),
            config,
            start,
            localities: LocalityScheduler::default(),
            schedules: Box::default(),
        };
        balancer.update(view, load);
        balancer
    }

    /// Goes over to another view, after a change of membership or health. Schedules start afresh (LB-EDF-03).
    pub fn update(&mut self, view: Arc<PrioritySet>, load: &impl ActiveRequests) {
        self.localities = LocalityScheduler::new(&view, self.start);
        let (bias, start) = (self.config.bias, self.start);
        let schedule = |list: &HostList| {
            let weights = list.weights.as_deref()?;
            let weight = |at: usize| effective_weight(&list.hosts, weights, at, bias, load);
            Some(Edf::new(weights.len(), start, weight))
        };
        self.schedules = view.lists().iter().map(schedule).collect();
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
        let at = self.localities.next_list(&self.view, self.view.load(), draw)?;
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
        let list = self.view.lists().get(at)?;
        let endpoint = match (self.schedules.get_mut(at), &list.weights) {
            (Some(Some(schedule)), Some(weights)) => {
                let bias = self.config.bias;
                let position = schedule.next(|at| effective_weight(&list.hosts, weights, at, bias, load))?;
                *list.hosts.get(position)?
            }
            _ if self.config.full_scan => least_of_all(&list.hosts, load, draw)?,
            _ => least_of_some(&list.hosts, self.config.choices, load, draw)?,
        };
        Some(Picked { endpoint, priority: list.priority, panic: list.panic })
    }
}

/// LB-LR-03.
#[inline]
fn effective_weight(
    hosts: &[EndpointIndex],
    weights: &[u32],
    at: usize,
    bias: f64,
    load: &impl ActiveRequests,
) -> f64 {
    let weight = weights.get(at).copied().map_or(1.0, f64::from);
    #[allow(clippy::float_cmp, reason = "1 and 0 are exact settings, not results")]
    let (plain, ignored) = (bias == 1.0, bias == 0.0);
    if ignored {
        return weight;
    }
    let active = hosts.get(at).map_or(0, |&host| load.active_requests(host));
    let busy = f64::from(active) + 1.0;
    if plain { weight / busy } else { weight / busy.powf(bias) }
}

/// LB-LR-01: two indices come out of one draw.
#[inline]
fn least_of_some(
    hosts: &[EndpointIndex],
    choices: u32,
    load: &impl ActiveRequests,
    draw: &mut impl Draw,
) -> Option<EndpointIndex> {
    let pair = |value: u64| {
        let (high, low) = halves(value);
        let first = *hosts.get(scale_u32(high, hosts.len()))?;
        let second = *hosts.get(scale_u32(low, hosts.len()))?;
        Some((first, second))
    };
    let (first, second) = pair(draw.next_u64())?;
    let (mut best, mut least) = (first, load.active_requests(first));
    let mut consider = |host: EndpointIndex| {
        let active = load.active_requests(host);
        if active < least {
            (best, least) = (host, active);
        }
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
