//! ROUND_ROBIN, plain and weighted (spec 2.2 and 2.3).

use std::sync::Arc;

use crate::draw::Draw;
use crate::edf::Edf;
use crate::locality_scheduler::LocalityScheduler;
use crate::priority::{HostList, ListKind, Picked, PriorityLoad, PrioritySet};
use crate::set::EndpointIndex;
use crate::time::Monotonic;
use crate::warmup::Warming;

/// ROUND_ROBIN: one endpoint after the other; with unequal weights, each as often as its weight says, spread
/// evenly (LB-RR-01, LB-EDF-02).
///
/// Per worker: any *n* picks in a row from an unchanged list of *n* equal endpoints hit each once
/// (LB-RR-03). Workers start at independent random positions, so that they do not move in step; nothing is
/// shared between them. A rotation goes on where it was when the view is replaced (LB-RR-02).
///
/// Weighted: the order of Envoy's earliest-deadline-first schedule in exact arithmetic. One round of it is
/// laid out when the view is taken over and shared by the workers; only when a round is longer than 65,536
/// picks is the schedule run pick by pick.
///
/// Cost: constant for a pick and no allocation (logarithmic for the very long rounds). Taking a view over is
/// linear in the endpoints, plus the sorting of a weighted round once a view.
///
/// ```
/// use std::sync::Arc;
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, PrioritySet, PrioritySetConfig, RoundRobin, SplitMix64, Weight};
/// let set = EndpointSet::new([
///     Endpoint::new("a:80", Weight::ONE),
///     Endpoint::new("b:80", Weight::new(2)?),
/// ])?;
/// let view = Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable));
/// let mut draw = SplitMix64::new(1);
/// let mut balancer = RoundRobin::new(view, &mut draw);
/// let mut seen = [0; 2];
/// for _ in 0..30 {
///     let picked = balancer.pick(&mut draw).ok_or("no healthy endpoint")?;
///     seen[picked.endpoint.get()] += 1;
/// }
/// assert_eq!(seen, [10, 20]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RoundRobin {
    view: Arc<PrioritySet>,
    /// The random start of every counter (LB-RR-01).
    start: u64,
    localities: LocalityScheduler,
    /// One a list of the view.
    rotations: Box<[Rotation]>,
    /// For warm-up.
    now: Monotonic,
}

impl RoundRobin {
    /// A balancer over `view` that starts at a random position. Draws one value.
    #[must_use]
    pub fn new(view: Arc<PrioritySet>, draw: &mut impl Draw) -> Self {
        Self::at(view, Monotonic::ZERO, draw)
    }

    /// The same at a moment, for a view in which endpoints warm up.
    #[must_use]
    pub fn at(view: Arc<PrioritySet>, now: Monotonic, draw: &mut impl Draw) -> Self {
        let start = draw.next_u64();
        let localities = LocalityScheduler::new(&view, start);
        let rotations = view.lists().iter().map(|list| Rotation::new(&view, list, start, now)).collect();
        Self { view, start, localities, rotations, now }
    }

    /// Tells the time, for endpoints that warm up. Their weights are read for their next turn only, so nothing is
    /// computed here: call it as often as the clock is read anyway (LB-DES-22).
    #[inline]
    pub fn advance(&mut self, now: Monotonic) {
        self.now = now;
    }

    /// Goes over to another view, after a change of membership or health.
    ///
    /// The counter of a list goes on (LB-RR-02); lists that are new begin at the start of this balancer.
    pub fn update(&mut self, view: Arc<PrioritySet>) {
        let rotations = view.lists().iter().map(|list| {
            let same = |old: &&Rotation| (old.priority, old.kind) == (list.priority, list.kind);
            let counter = self.rotations.iter().find(same).map_or(self.start, |old| old.counter);
            Rotation::new(&view, list, counter, self.now)
        });
        self.rotations = rotations.collect();
        self.localities = LocalityScheduler::new(&view, self.start);
        self.view = view;
    }

    /// The view in use.
    #[must_use]
    pub fn view(&self) -> &Arc<PrioritySet> {
        &self.view
    }

    /// The next endpoint; `None` if no endpoint is eligible (LB-PANIC-08).
    ///
    /// Draws only if the traffic is spread over several priorities.
    #[inline]
    pub fn pick(&mut self, draw: &mut impl Draw) -> Option<Picked> {
        let list = self.localities.next(&self.view, draw)?;
        self.rotations.get_mut(list)?.next(&self.view, self.now)
    }

    /// The next endpoint under another distribution over priorities, made with [`PriorityLoad::without`] for
    /// a retry (LB-RSEL-04).
    #[inline]
    pub fn pick_with(&mut self, load: &PriorityLoad, draw: &mut impl Draw) -> Option<Picked> {
        let list = self.localities.next_list(&self.view, load, draw)?;
        self.rotations.get_mut(list)?.next(&self.view, self.now)
    }
}

/// The position in one list.
#[derive(Clone, Debug)]
struct Rotation {
    priority: u8,
    kind: ListKind,
    panic: bool,
    /// The picks so far, from a random start.
    counter: u64,
    order: Order,
}

#[derive(Clone, Debug)]
enum Order {
    /// INVARIANT: `cursor` is `counter % round.len()`, or 0 if the round is empty.
    Round { round: Arc<[EndpointIndex]>, cursor: usize },
    Running {
        hosts: Arc<[EndpointIndex]>,
        /// `None` if they are equal and an endpoint warms up.
        weights: Option<Arc<[u32]>>,
        schedule: Edf,
    },
}

/// The weight of a turn, reduced while the endpoint warms up.
#[inline]
fn weight(
    hosts: &[EndpointIndex],
    weights: Option<&[u32]>,
    warming: Option<&Warming>,
    now: Monotonic,
    at: usize,
) -> f64 {
    let weight = weights.and_then(|weights| weights.get(at)).copied().map_or(1.0, f64::from);
    match (warming, hosts.get(at)) {
        (Some(warming), Some(&host)) => weight * warming.factor(host, now),
        _ => weight,
    }
}

impl Rotation {
    fn new(view: &PrioritySet, list: &HostList, counter: u64, now: Monotonic) -> Self {
        let (hosts, weights) = (&list.hosts, list.weights.as_ref());
        let round = if list.warming { None } else { list.round() };
        let order = if let Some(round) = round {
            let cursor = counter.checked_rem(round.len() as u64).unwrap_or(0);
            Order::Round { round, cursor: usize::try_from(cursor).unwrap_or(0) }
        } else {
            let weight = |at| weight(hosts, weights.map(AsRef::as_ref), view.warming(), now, at);
            Order::Running {
                hosts: Arc::clone(hosts),
                weights: weights.cloned(),
                schedule: Edf::new(hosts.len(), counter, weight),
            }
        };
        Self { priority: list.priority, kind: list.kind, panic: list.panic, counter, order }
    }

    #[inline]
    fn next(&mut self, view: &PrioritySet, now: Monotonic) -> Option<Picked> {
        let endpoint = match &mut self.order {
            Order::Round { round, cursor } => {
                let endpoint = *round.get(*cursor)?;
                self.counter = self.counter.wrapping_add(1);
                *cursor += 1;
                // The counter's own overflow starts the list over too, as the remainder would (LB-TEST-45).
                if *cursor == round.len() || self.counter == 0 {
                    *cursor = 0;
                }
                endpoint
            }
            Order::Running { hosts, weights, schedule } => {
                let at = schedule.next(|at| weight(hosts, weights.as_deref(), view.warming(), now, at))?;
                self.counter = self.counter.wrapping_add(1);
                *hosts.get(at)?
            }
        };
        Some(Picked { endpoint, priority: self.priority, panic: self.panic })
    }
}

#[cfg(test)]
#[path = "tests/round_robin.rs"]
mod tests;
