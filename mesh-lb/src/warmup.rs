//! Warm-up, which Envoy calls slow start (spec 2.6).

use std::hash::Hash;
use std::time::Duration;

use crate::endpoint::{Endpoint, Health};
use crate::set::{EndpointIndex, EndpointSet};
use crate::time::Monotonic;

/// How a new endpoint's share grows to full: Istio's `warmup`, and the older `warmupDurationSecs`, which is the
/// window alone (LB-MAP-13).
///
/// It applies to ROUND_ROBIN and LEAST_REQUEST; RANDOM and the hash algorithms ignore it.
///
/// ```
/// use std::time::Duration;
/// use mesh_lb::Warmup;
/// let warmup = Warmup::new(Duration::from_secs(60)).aggression(2.0);
/// assert_eq!(warmup.factor(Duration::from_secs(15)), 0.5); // (15 / 60) ^ (1 / 2)
/// assert_eq!(warmup.factor(Duration::from_secs(60)), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    window: Duration,
    minimum_percent: u32,
    aggression: f64,
}

impl Warmup {
    /// Warm-up over `window`, from 10 % and linearly. A window of 0 is none.
    #[must_use]
    pub const fn new(window: Duration) -> Self {
        Self { window, minimum_percent: 10, aggression: 1.0 }
    }

    /// Sets the share of its weight, in percent, that an endpoint begins with. More than 100 counts as 100.
    #[must_use]
    pub fn minimum_percent(self, percent: u32) -> Self {
        Self { minimum_percent: percent.min(100), ..self }
    }

    /// Sets how fast the share grows at first. What is not above 0 counts as 1, which is linear (LB-SLOW-01).
    #[must_use]
    pub fn aggression(self, aggression: f64) -> Self {
        Self { aggression: if aggression > 0.0 { aggression } else { 1.0 }, ..self }
    }

    /// How long an endpoint warms up.
    #[must_use]
    pub const fn window(&self) -> Duration {
        self.window
    }

    /// The part of its weight that an endpoint of this age has (LB-SLOW-01). Between 0 and 1.
    #[must_use]
    pub fn factor(&self, age: Duration) -> f64 {
        if age >= self.window {
            return 1.0;
        }
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of any real duration are below 2^53")]
        let milliseconds = |duration: Duration| duration.as_millis().max(1) as f64;
        let passed = milliseconds(age) / milliseconds(self.window);
        #[allow(clippy::float_cmp, reason = "1 is an exact setting, not a result")]
        let linear = self.aggression == 1.0;
        let grown = if linear { passed } else { passed.powf(1.0 / self.aggression) };
        grown.max(f64::from(self.minimum_percent) / 100.0)
    }
}

/// When each endpoint of a set was first seen healthy, which is when it began to warm up (LB-SLOW-02).
///
/// The owner keeps it beside the set and carries it over to the next set. An ejection and the return from it do
/// not touch it.
#[derive(Clone, Debug)]
pub struct FirstHealthy {
    /// One an endpoint; `None` if it never was healthy.
    since: Box<[Option<Monotonic>]>,
}

impl FirstHealthy {
    /// For a set that is seen for the first time at `now`.
    #[must_use]
    pub fn new<K>(set: &EndpointSet<K>, now: Monotonic) -> Self {
        Self { since: set.iter().map(|(_, endpoint)| first_seen(endpoint, now)).collect() }
    }

    /// For `next`, seen for the first time at `now`, in which the endpoints that were in `set` keep their times.
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(
        &self,
        set: &EndpointSet<K>,
        next: &EndpointSet<K>,
        now: Monotonic,
    ) -> Self {
        let since = |endpoint: &Endpoint<K>| {
            let before = set.find(endpoint.key()).and_then(|index| self.since(index));
            before.or_else(|| first_seen(endpoint, now))
        };
        Self { since: next.iter().map(|(_, endpoint)| since(endpoint)).collect() }
    }

    /// Starts the warm-up of an endpoint over: an active health check turned it healthy.
    pub fn passed_health_check(&mut self, index: EndpointIndex, now: Monotonic) {
        if let Some(since) = self.since.get_mut(index.get()) {
            *since = Some(now);
        }
    }

    /// When the endpoint was first seen healthy.
    #[must_use]
    pub fn since(&self, index: EndpointIndex) -> Option<Monotonic> {
        self.since.get(index.get()).copied().flatten()
    }
}

fn first_seen<K>(endpoint: &Endpoint<K>, now: Monotonic) -> Option<Monotonic> {
    (endpoint.status().coarse() == Health::Healthy).then_some(now)
}

/// What a view knows of warm-up.
#[derive(Clone, Debug)]
pub(crate) struct Warming {
    pub(crate) warmup: Warmup,
    pub(crate) first_healthy: FirstHealthy,
}

impl Warming {
    #[inline]
    pub(crate) fn factor(&self, host: EndpointIndex, now: Monotonic) -> f64 {
        self.first_healthy.since(host).map_or(1.0, |since| self.warmup.factor(now.since(since)))
    }

    pub(crate) fn is_warming(&self, host: EndpointIndex, now: Monotonic) -> bool {
        self.first_healthy.since(host).is_some_and(|since| now.since(since) < self.warmup.window)
    }
}

#[cfg(test)]
#[path = "tests/warmup.rs"]
mod tests;
