//! The detector of one cluster.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::draw::Draw;
use crate::error::BuildError;
use crate::health::Usable;
use crate::set::{EndpointIndex, EndpointSet};
use crate::time::Monotonic;

use super::event::Effect;
use super::ledger::{Cluster, Host, Record, count};
use super::{EjectionCause, Outcome, OutlierConfig, OutlierStats};

/// Watches the outcomes of requests and ejects endpoints that fail too often in a row.
///
/// Shared by all workers. Counting is relaxed atomics; a success on a healthy endpoint only reads (LB-DES-18).
/// A lock is taken when a threshold is reached and by the sweep, never by a pick. The detector owns no timer:
/// call [`sweep`](Self::sweep) every [`sweep_interval`](OutlierConfig::sweep_interval).
///
/// It is also the verdict ([`Usable`]) that views are built with: when [`generation`](Self::generation) has
/// changed, build the next [`PrioritySet`](crate::PrioritySet).
///
/// Three detections are there: consecutive 5xx, gateway errors and local-origin failures. Istio never
/// enforces Envoy's success rate and failure percentage, and they are left out.
///
/// ```
/// use mesh_lb::{EndpointIndex, Monotonic, OutlierConfig, OutlierDetector, Outcome, SplitMix64, Usable};
/// use std::time::Duration;
/// let config = OutlierConfig::new().consecutive_5xx_errors(2).max_ejection_percent(50);
/// let detector = OutlierDetector::new(config, 2)?;
/// let (bad, mut draw) = (EndpointIndex::new(1).ok_or("out of range")?, SplitMix64::new(1));
/// let at = |seconds| Monotonic::new(Duration::from_secs(seconds));
/// assert!(detector.record(bad, Outcome::Status(503), at(0), &mut draw).is_none());
/// assert!(detector.record(bad, Outcome::Status(500), at(1), &mut draw).is_some());
/// assert!(!detector.is_usable(bad));
/// assert!(detector.sweep(at(30)).returned.is_empty()); // out for 29 of 30 seconds
/// assert_eq!(detector.sweep(at(40)).returned, [bad]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OutlierDetector {
    config: OutlierConfig,
    cluster: Arc<Cluster>,
    hosts: Box<[Arc<Host>]>,
}

/// An endpoint was taken out. What a log entry needs (LB-OD-71).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejection {
    /// The endpoint.
    pub endpoint: EndpointIndex,
    /// Why.
    pub cause: EjectionCause,
    /// How often this endpoint has been ejected, this time included.
    pub ejections: u32,
    /// For how long at least; the return comes with the first sweep after that.
    pub duration: Duration,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// The endpoints that may be used again.
    pub returned: Vec<EndpointIndex>,
}

impl OutlierDetector {
    /// A detector for a set of `endpoints` endpoints, none of which has failed.
    ///
    /// # Errors
    /// If a setting is outside its range or lacks another (LB-OD-04).
    pub fn new(config: OutlierConfig, endpoints: usize) -> Result<Self, BuildError> {
        config.check()?;
        let cluster = Cluster::default();
        cluster.ledger().hosts = u32::try_from(endpoints).unwrap_or(u32::MAX);
        let hosts = (0..endpoints).map(|_| Arc::default()).collect();
        Ok(Self { config, cluster: Arc::new(cluster), hosts })
    }

    /// The detector for the next set of the same cluster: endpoints that stay keep their state (LB-HOST-02).
    ///
    /// From here on reports about endpoints that left are dropped, also when they come to the old detector
    /// (LB-OD-21, LB-OD-38). The counters of both are the same.
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(&self, set: &EndpointSet<K>, next: &EndpointSet<K>) -> Self {
        let old = |key| set.find(key).and_then(|index| self.hosts.get(index.get()));
        let hosts = next.iter().map(|(_, endpoint)| old(endpoint.key()).cloned().unwrap_or_default());
        let hosts = hosts.collect::<Box<[Arc<Host>]>>();
        let mut ledger = self.cluster.ledger();
        for ((_, endpoint), host) in set.iter().zip(&self.hosts) {
            if next.find(endpoint.key()).is_none() {
                let mut record = host.record();
                if !record.gone && record.ejected_since.is_some() {
                    ledger.ejected = ledger.ejected.saturating_sub(1);
                }
                record.gone = true;
            }
        }
        ledger.hosts = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        drop(ledger);
        self.cluster.changed();
        Self { config: self.config.clone(), cluster: Arc::clone(&self.cluster), hosts }
    }

    /// The same detector under other settings; what happened so far stays.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_config(&self, config: OutlierConfig) -> Result<Self, BuildError> {
        config.check()?;
        Ok(Self { config, cluster: Arc::clone(&self.cluster), hosts: self.hosts.clone() })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &OutlierConfig {
        &self.config
    }

    /// A number that grows whenever a verdict changes. One relaxed load, so a worker can look at every request.
    #[inline]
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.cluster.generation.load(Ordering::Acquire)
    }

    /// The counters of the cluster.
    #[must_use]
    pub fn stats(&self) -> OutlierStats {
        OutlierStats::of(&self.cluster)
    }

    /// Takes note of an outcome; the ejection, if it led to one.
    ///
    /// Draws only where a setting leaves it to chance, which Istio's never do.
    pub fn record(
        &self,
        endpoint: EndpointIndex,
        outcome: Outcome,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Ejection> {
        let host = self.hosts.get(endpoint.get())?;
        let mut failed = |cause| self.failed(endpoint, host, cause, now, draw);
        match outcome.effect(self.config.split, self.config.error_codes.as_deref()) {
            Effect::Nothing => None,
            Effect::Status(502..=504) => {
                // LB-OD-12: the gateway trigger comes first.
                let by_gateway = failed(EjectionCause::ConsecutiveGatewayFailure);
                by_gateway.or(failed(EjectionCause::Consecutive5xx))
            }
            Effect::Status(500..=599) => {
                clear(&host.consecutive_gateway);
                failed(EjectionCause::Consecutive5xx)
            }
            Effect::LocalFailure => failed(EjectionCause::ConsecutiveLocalOriginFailure),
            Effect::Status(_) => {
                clear(&host.consecutive_5xx);
                clear(&host.consecutive_gateway);
                None
            }
            Effect::LocalSuccess => {
                clear(&host.consecutive_local_origin);
                None
            }
            Effect::Success => {
                clear(&host.consecutive_5xx);
                clear(&host.consecutive_gateway);
                clear(&host.consecutive_local_origin);
                None
            }
        }
    }

    /// Counts a failure. LB-OD-13: the trigger is equality, so exactly one of several threads gets it.
    fn failed(
        &self,
        endpoint: EndpointIndex,
        host: &Host,
        cause: EjectionCause,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Ejection> {
        let counter = host.counter(cause);
        let count = counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let threshold = self.config.trigger(cause).threshold;
        if threshold == 0 || count != threshold {
            return None;
        }
        let Triggered { ejection } = self.triggered(endpoint, host, cause, now, draw)?;
        counter.store(0, Ordering::Relaxed);
        ejection
    }

    /// Section 3.7; `None` if the endpoint is gone or out already.
    fn triggered(
        &self,
        endpoint: EndpointIndex,
        host: &Host,
        cause: EjectionCause,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Triggered> {
        // The caller's generator runs before the locks are taken.
        let enforced = match self.config.trigger(cause).enforcing {
            0 => false,
            100.. => true,
            percent => draw.next_u64() % 100 < u64::from(percent),
        };
        let jitter_millis = match self.config.max_ejection_time_jitter.as_millis() {
            0 => 0,
            most => draw.next_u64() % u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1),
        };
        let mut ledger = self.cluster.ledger();
        let mut record = host.record();
        if record.gone || record.ejected_since.is_some() {
            return None;
        }
        count(&self.cluster.detected, cause);
        if !self.may_eject(ledger.ejected, ledger.hosts) {
            self.cluster.overflow.fetch_add(1, Ordering::Relaxed);
            return Some(Triggered { ejection: None });
        }
        if !enforced {
            return Some(Triggered { ejection: None });
        }
        ledger.ejected += 1;
        count(&self.cluster.enforced, cause);
        record.ejected_since = Some(now);
        record.ejections = record.ejections.saturating_add(1);
        record.jitter_millis = jitter_millis;
        // LB-OD-33: the multiplier stops growing once it has passed the maximum.
        let base = self.config.base_ejection_time;
        if base.saturating_mul(record.backoff) < self.config.longest().saturating_add(base) {
            record.backoff = record.backoff.saturating_add(1);
        }
        host.ejected.store(true, Ordering::Relaxed);
        let (ejections, duration) = (record.ejections, self.duration(&record));
        drop(record);
        drop(ledger);
        self.cluster.changed();
        Some(Triggered { ejection: Some(Ejection { endpoint, cause, ejections, duration }) })
    }

    /// LB-OD-30.
    fn may_eject(&self, ejected: u32, hosts: u32) -> bool {
        let most = f64::from(self.config.max_ejection_percent.min(100));
        let share = 100.0 * (f64::from(ejected) + 1.0) / f64::from(hosts);
        share <= most || (self.config.always_eject_one && ejected == 0)
    }

    /// LB-OD-34.
    fn duration(&self, record: &Record) -> Duration {
        let nominal =
            self.config.base_ejection_time.saturating_mul(record.backoff).min(self.config.longest());
        nominal.saturating_add(Duration::from_millis(record.jitter_millis))
    }

    /// Gives back the endpoints whose time is over, and forgets old ejections one by one (LB-OD-51).
    ///
    /// To be called by one thread, one interval after the detector was made and one after each sweep
    /// (LB-OD-50).
    pub fn sweep(&self, now: Monotonic) -> Sweep {
        let mut sweep = Sweep::default();
        let mut ledger = self.cluster.ledger();
        for (at, host) in self.hosts.iter().enumerate() {
            let mut record = host.record();
            if record.gone {
                continue;
            }
            let over = record.ejected_since.is_some_and(|since| self.duration(&record) <= now.since(since));
            if over {
                host.give_back(&mut record, now);
                ledger.ejected = ledger.ejected.saturating_sub(1);
                sweep.returned.extend(EndpointIndex::new(at));
            }
            let quiet = record.last_return.is_some_and(|at| now.since(at) >= self.config.interval);
            if record.ejected_since.is_none() && quiet {
                record.backoff = record.backoff.saturating_sub(1);
            }
        }
        drop(ledger);
        if !sweep.returned.is_empty() {
            self.cluster.changed();
        }
        sweep
    }

    /// Gives an endpoint back at once because it passed an active health check (LB-OD-36); whether it was out.
    pub fn passed_health_check(&self, endpoint: EndpointIndex, now: Monotonic) -> bool {
        let Some(host) = self.hosts.get(endpoint.get()) else { return false };
        let mut ledger = self.cluster.ledger();
        let mut record = host.record();
        if record.gone || record.ejected_since.is_none() {
            return false;
        }
        host.give_back(&mut record, now);
        ledger.ejected = ledger.ejected.saturating_sub(1);
        drop(record);
        drop(ledger);
        self.cluster.changed();
        true
    }
}

/// A trigger that was handled, with the ejection if it was enforced.
struct Triggered {
    ejection: Option<Ejection>,
}

/// LB-DES-18: no store when there is nothing to clear, so that the line stays shared.
#[inline]
fn clear(counter: &AtomicU32) {
    if counter.load(Ordering::Relaxed) != 0 {
        counter.store(0, Ordering::Relaxed);
    }
}

impl Usable for OutlierDetector {
    #[inline]
    fn is_usable(&self, index: EndpointIndex) -> bool {
        self.hosts.get(index.get()).is_none_or(|host| !host.ejected.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "../tests/outlier.rs"]
mod tests;
