//! Latency-aware choice: peak EWMA (spec 2.15), which no Istio setting reaches.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::draw::{Draw, distinct_pair, halves};
use crate::health::ActiveRequests;
use crate::locality_scheduler::LocalityScheduler;
use crate::priority::{Picked, PriorityLoad, PrioritySet};
use crate::set::{EndpointIndex, EndpointSet};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Monotonic;

/// Settings of [`LatencyEstimates`]. The default is linkerd's: 30 ms to begin with, at least 1 ms, a decay of 10 s
/// (LB-EWMA-02).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakEwmaConfig {
    default: Duration,
    floor: Duration,
    decay: Duration,
}

impl Default for PeakEwmaConfig {
    fn default() -> Self {
        Self {
            default: Duration::from_millis(30),
            floor: Duration::from_millis(1),
            decay: Duration::from_secs(10),
        }
    }
}

impl PeakEwmaConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what an endpoint is thought to take before it has answered once.
    #[must_use]
    pub fn default_latency(self, latency: Duration) -> Self {
        Self { default: latency, ..self }
    }

    /// Sets the least that an estimate can be, so that pending requests count however fast an endpoint is.
    #[must_use]
    pub fn floor(self, latency: Duration) -> Self {
        Self { floor: latency, ..self }
    }

    /// Sets how long it takes until an old measurement weighs 1/e of what it did. Less than a millisecond counts
    /// as one.
    #[must_use]
    pub fn decay(self, time: Duration) -> Self {
        Self { decay: time, ..self }
    }
}

/// How long each endpoint takes to answer, shared by all workers.
///
/// An estimate jumps up to any longer round trip and sinks slowly (LB-EWMA-01): a slow endpoint is noticed at once,
/// and forgiven after some time. Times are kept in milliseconds, round trips in 32-bit floats: one relaxed atomic an
/// endpoint, in which concurrent measurements may overwrite one another, never mix.
///
/// ```
/// use std::time::Duration;
/// use mesh_lb::{EndpointIndex, LatencyEstimates, Monotonic, PeakEwmaConfig};
/// let estimates = LatencyEstimates::new(PeakEwmaConfig::default(), 2, Monotonic::ZERO);
/// let first = EndpointIndex::new(0).ok_or("out of range")?;
/// estimates.record(first, Duration::from_millis(500), Monotonic::ZERO);
/// assert_eq!(estimates.get(first, Monotonic::ZERO), Duration::from_millis(500));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LatencyEstimates {
    config: PeakEwmaConfig,
    /// One an endpoint: the nanoseconds as a float above the time of the last update in milliseconds.
    estimates: Box<[AtomicU64]>,
}

/// A moment in milliseconds, which comes round after 49 days.
fn stamp(now: Monotonic) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "it comes round")]
    let stamp = now.since_start().as_millis() as u32;
    stamp
}

fn pack(nanoseconds: f32, stamp: u32) -> u64 {
    (u64::from(nanoseconds.to_bits()) << 32) | u64::from(stamp)
}

fn unpack(bits: u64) -> (f32, u32) {
    let (high, low) = halves(bits);
    (f32::from_bits(high), low)
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "24 bits are precise enough")]
fn nanoseconds(latency: Duration) -> f32 {
    latency.as_nanos() as f64 as f32
}

impl LatencyEstimates {
    /// How long a failure counts as (LB-EWMA-03).
    const PENALTY: Duration = Duration::from_secs(5);
    /// The most that a `retry-after` can ask for.
    const MAX_PENALTY: Duration = Duration::from_mins(5);

    /// Estimates for a set of `endpoints` endpoints, all at the default.
    #[must_use]
    pub fn new(config: PeakEwmaConfig, endpoints: usize, now: Monotonic) -> Self {
        let fresh = pack(nanoseconds(config.default), stamp(now));
        Self { config, estimates: (0..endpoints).map(|_| AtomicU64::new(fresh)).collect() }
    }

    /// Estimates for `next` in which the endpoints that were in `set` keep theirs (LB-HOST-02).
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(
        &self,
        set: &EndpointSet<K>,
        next: &EndpointSet<K>,
        now: Monotonic,
    ) -> Self {
        let fresh = pack(nanoseconds(self.config.default), stamp(now));
        let estimate = |key| set.find(key).and_then(|index| self.load(index)).unwrap_or(fresh);
        let estimates = next.iter().map(|(_, endpoint)| AtomicU64::new(estimate(endpoint.key())));
        Self { config: self.config, estimates: estimates.collect() }
    }

    /// Records that an endpoint answered after `round_trip` (LB-EWMA-01).
    pub fn record(&self, index: EndpointIndex, round_trip: Duration, now: Monotonic) {
        let Some(estimate) = self.estimates.get(index.get()) else { return };
        let (old, at) = unpack(estimate.load(Ordering::Relaxed));
        let new = nanoseconds(round_trip);
        let new = if new > old {
            new
        } else {
            let kept = self.kept(at, now);
            old * kept + new * (1.0 - kept)
        };
        estimate.store(pack(new, stamp(now)), Ordering::Relaxed);
    }

    /// Records a failure, which must not look like a fast answer: as a peak of five seconds or of what the endpoint
    /// asked for in `retry-after`, at most five minutes (LB-EWMA-03).
    pub fn record_failure(&self, index: EndpointIndex, retry_after: Option<Duration>, now: Monotonic) {
        let penalty = retry_after.unwrap_or(Self::PENALTY).min(Self::MAX_PENALTY);
        let Some(estimate) = self.estimates.get(index.get()) else { return };
        let (old, _) = unpack(estimate.load(Ordering::Relaxed));
        estimate.store(pack(nanoseconds(penalty).max(old), stamp(now)), Ordering::Relaxed);
    }

    /// Whether a response is such a failure: status 429 or 5xx, or one of the gRPC statuses unknown, deadline
    /// exceeded, resource exhausted, internal, unavailable and data loss (LB-EWMA-03).
    #[must_use]
    pub const fn is_failure(status: u16, grpc_status: Option<u32>) -> bool {
        matches!(status, 429 | 500..=599) || matches!(grpc_status, Some(2 | 4 | 8 | 13 | 14 | 15))
    }

    /// The estimate of an endpoint at a moment.
    #[must_use]
    pub fn get(&self, index: EndpointIndex, now: Monotonic) -> Duration {
        Duration::from_secs_f64(f64::from(self.nanoseconds(index, now)) / 1e9)
    }

    fn load(&self, index: EndpointIndex) -> Option<u64> {
        self.estimates.get(index.get()).map(|estimate| estimate.load(Ordering::Relaxed))
    }

    /// A reading decays towards nothing since the last update, down to the floor.
    #[inline]
    fn nanoseconds(&self, index: EndpointIndex, now: Monotonic) -> f32 {
        let (estimate, at) = unpack(self.load(index).unwrap_or_default());
        (estimate * self.kept(at, now)).max(nanoseconds(self.config.floor))
    }

    /// How much of an estimate from `at` is left. A moment before `at` is no time passed.
    #[inline]
    fn kept(&self, at: u32, now: Monotonic) -> f32 {
        let passed = stamp(now).wrapping_sub(at);
        if passed == 0 || passed > u32::MAX / 2 {
            return 1.0;
        }
        #[allow(clippy::cast_precision_loss, reason = "24 bits are precise enough")]
        let periods = passed as f32 / self.config.decay.as_millis().max(1) as f32;
        (-periods).exp()
    }

    /// LB-EWMA-01.
    #[inline]
    fn cost(&self, index: EndpointIndex, load: &impl ActiveRequests, now: Monotonic) -> f64 {
        let pending = f64::from(load.active_requests(index)) + 1.0;
        f64::from(self.nanoseconds(index, now)) * pending
    }
}

/// Of two different random endpoints the one with the lower cost: estimated latency times active requests plus one.
///
/// Endpoint weights are ignored, like in tower, linkerd and Envoy's experimental policy of this name (LB-EWMA-04).
/// Priorities, panic, locality weights and zones are honoured.
///
/// Cost: constant for a pick, one exponential for each of the two; no allocation.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    view: Arc<PrioritySet>,
    start: u64,
    localities: LocalityScheduler,
}

impl PeakEwma {
    /// A balancer over `view`. Draws one value.
    #[must_use]
    pub fn new(view: Arc<PrioritySet>, draw: &mut impl Draw) -> Self {
        let start = draw.next_u64();
        Self { localities: LocalityScheduler::new(&view, start), start, view }
    }

    /// Goes over to another view.
    pub fn update(&mut self, view: Arc<PrioritySet>) {
        self.localities = LocalityScheduler::new(&view, self.start);
        self.view = view;
    }

    /// The view in use.
    #[must_use]
    pub fn view(&self) -> &Arc<PrioritySet> {
        &self.view
    }

    /// The endpoint that is likely to answer first; `None` if no endpoint is eligible.
    ///
    /// `load` must not yet count the request that is being placed.
    #[inline]
    pub fn pick(
        &mut self,
        estimates: &LatencyEstimates,
        load: &impl ActiveRequests,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Picked> {
        let at = self.localities.next(&self.view, draw)?;
        self.pick_in(at, estimates, load, now, draw)
    }

    /// The same under another distribution over priorities (LB-RSEL-04).
    #[inline]
    pub fn pick_with(
        &mut self,
        priorities: &PriorityLoad,
        estimates: &LatencyEstimates,
        load: &impl ActiveRequests,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Picked> {
        let at = self.localities.next_list(&self.view, priorities, draw)?;
        self.pick_in(at, estimates, load, now, draw)
    }

    #[inline]
    fn pick_in(
        &self,
        at: usize,
        estimates: &LatencyEstimates,
        load: &impl ActiveRequests,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Picked> {
        let list = self.view.lists().get(at)?;
        let picked = |endpoint| Picked { endpoint, priority: list.priority, panic: list.panic };
        let (first, second) = distinct_pair(draw.next_u64(), list.hosts.len());
        let first = *list.hosts.get(first)?;
        let Some(&second) = list.hosts.get(second) else { return Some(picked(first)) };
        let is_lower = estimates.cost(second, load, now) < estimates.cost(first, load, now);
        Some(picked(std::hint::select_unpredictable(is_lower, second, first)))
    }
}

#[cfg(test)]
#[path = "tests/ewma.rs"]
mod tests;
