//! The detector of one cluster.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::draw::Draw;
use crate::error::BuildError;
use crate::health::Usable;
use crate::set::{EndpointIndex, EndpointSet};
use crate::sync::{AtomicU32, Ordering};
use crate::time::Monotonic;

use super::event::Effect;
use super::ledger::{Cluster, Host, Ledger, Record, count};
use super::rates::{Bucket, RateEvidence};
use super::{Ejection, EjectionCause, Outcome, OutlierAction, OutlierConfig, OutlierEvent, OutlierStats};

/// Watches the outcomes of requests and ejects endpoints that fail: so many times in a row, far more often than the
/// others, or too large a share of their requests (spec section 3).
///
/// Shared by all workers. Counting is relaxed atomics; a success on a healthy endpoint only reads (LB-DES-18).
/// A lock is taken when a threshold is reached and by the sweep, never by a pick. The detector owns no timer:
/// call [`sweep`](Self::sweep) every [`sweep_interval`](OutlierConfig::sweep_interval).
///
/// It is also the verdict ([`Usable`]) that views are built with: when [`generation`](Self::generation) has
/// changed, build the next [`PrioritySet`](crate::PrioritySet).
///
/// Under Istio only failures in a row eject ([`OutlierConfig`]). Success rate and failure percentage cost nothing
/// unless they are asked for.
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
/// assert!(detector.sweep(at(30), &mut draw).returned.is_empty()); // out for 29 of 30 seconds
/// assert_eq!(detector.sweep(at(40), &mut draw).returned, [bad]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OutlierDetector {
    pub(super) config: OutlierConfig,
    pub(super) cluster: Arc<Cluster>,
    pub(super) hosts: Box<[Arc<Host>]>,
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
    ///
    /// Cost: for a success, loads alone, unless there is a count to clear or rates are measured.
    #[inline]
    pub fn record(
        &self,
        endpoint: EndpointIndex,
        outcome: Outcome,
        now: Monotonic,
        draw: &mut impl Draw,
    ) -> Option<Ejection> {
        self.record_with(endpoint, outcome, now, draw, |_| ())
    }

    /// The same, with a log that hears of every threshold reached, enforced or not (LB-OD-71).
    ///
    /// `log` runs after all locks have been released.
    #[inline]
    pub fn record_with(
        &self,
        endpoint: EndpointIndex,
        outcome: Outcome,
        now: Monotonic,
        draw: &mut impl Draw,
        mut log: impl FnMut(OutlierEvent),
    ) -> Option<Ejection> {
        let host = self.hosts.get(endpoint.get())?;
        let effect = outcome.effect(self.config.split, self.config.error_codes.as_deref());
        let measure = |bucket: &Bucket, success| {
            if self.config.measures_rates() {
                bucket.add(success);
            }
        };
        let mut failed = |counter, cause| self.failed(endpoint, host, counter, cause, now, draw, &mut log);
        match effect {
            Effect::Nothing => None,
            Effect::Status(status @ 500..=599) => {
                measure(&host.external, false);
                // LB-OD-12: the gateway trigger comes first.
                let by_gateway = if matches!(status, 502..=504) {
                    failed(&host.consecutive_gateway, EjectionCause::ConsecutiveGatewayFailure)
                } else {
                    clear(&host.consecutive_gateway);
                    None
                };
                let by_5xx = failed(&host.consecutive_5xx, EjectionCause::Consecutive5xx);
                by_gateway.or(by_5xx)
            }
            Effect::LocalFailure => {
                measure(&host.local_origin, false);
                failed(&host.consecutive_local_origin, EjectionCause::ConsecutiveLocalOriginFailure)
            }
            Effect::Status(_) => {
                measure(&host.external, true);
                clear(&host.consecutive_5xx);
                clear(&host.consecutive_gateway);
                None
            }
            Effect::LocalSuccess => {
                measure(&host.local_origin, true);
                clear(&host.consecutive_local_origin);
                None
            }
            Effect::Success => {
                measure(&host.external, true);
                measure(&host.local_origin, true);
                clear(&host.consecutive_5xx);
                clear(&host.consecutive_gateway);
                clear(&host.consecutive_local_origin);
                None
            }
        }
    }

    /// Counts a failure. LB-OD-13: the trigger is equality, so exactly one of several threads gets it.
    #[allow(clippy::too_many_arguments, reason = "the arguments of `record_with` and what they led to")]
    fn failed(
        &self,
        endpoint: EndpointIndex,
        host: &Host,
        counter: &AtomicU32,
        cause: EjectionCause,
        now: Monotonic,
        draw: &mut impl Draw,
        log: &mut impl FnMut(OutlierEvent),
    ) -> Option<Ejection> {
        let count = counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let threshold = match cause {
            EjectionCause::Consecutive5xx => self.config.consecutive_5xx,
            EjectionCause::ConsecutiveGatewayFailure => self.config.consecutive_gateway,
            _ => self.config.consecutive_local_origin,
        };
        if threshold == 0 || count != threshold {
            return None;
        }
        self.triggered(endpoint, host, counter, cause, now, draw, log)
    }

    /// Section 3.7, `on_trigger`.
    #[cold]
    #[allow(clippy::too_many_arguments, reason = "the arguments of `record_with` and what they led to")]
    fn triggered(
        &self,
        endpoint: EndpointIndex,
        host: &Host,
        counter: &AtomicU32,
        cause: EjectionCause,
        now: Monotonic,
        draw: &mut impl Draw,
        log: &mut impl FnMut(OutlierEvent),
    ) -> Option<Ejection> {
        // The caller's generator runs before the locks are taken.
        let luck = self.draw_luck(cause, draw);
        let mut ledger = self.cluster.ledger();
        let mut record = host.record();
        if record.gone || record.ejected_since.is_some() {
            return None;
        }
        let event = self.try_eject(endpoint, host, cause, None, luck, now, &mut ledger, &mut record);
        counter.store(0, Ordering::Relaxed);
        let (ejections, duration) = (record.ejections, self.duration(&record));
        drop(record);
        drop(ledger);
        let event = event?;
        let ejected = event.is_ejection();
        if ejected {
            self.cluster.changed();
        }
        log(event);
        ejected.then_some(Ejection { endpoint, cause, ejections, duration })
    }

    /// What is left to chance, drawn where something is.
    pub(super) fn draw_luck(&self, cause: EjectionCause, draw: &mut impl Draw) -> Luck {
        let enforced = match self.config.enforced_percent(cause) {
            0 => false,
            100.. => true,
            percent => draw.next_u64() % 100 < u64::from(percent),
        };
        let jitter_millis = match self.config.max_ejection_time_jitter.as_millis() {
            0 => 0,
            most => draw.next_u64() % u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1),
        };
        Luck { enforced, jitter_millis }
    }

    /// Section 3.7, `try_eject`; what to log, `None` if too many are out. The endpoint is neither gone nor out.
    #[allow(clippy::too_many_arguments, reason = "all that an ejection is made of")]
    pub(super) fn try_eject(
        &self,
        endpoint: EndpointIndex,
        host: &Host,
        cause: EjectionCause,
        rates: Option<RateEvidence>,
        luck: Luck,
        now: Monotonic,
        ledger: &mut Ledger,
        record: &mut Record,
    ) -> Option<OutlierEvent> {
        count(&self.cluster.detected, cause);
        if !self.may_eject(ledger.ejected, ledger.hosts) {
            self.cluster.overflow.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if luck.enforced {
            ledger.ejected += 1;
            count(&self.cluster.enforced, cause);
            record.ejected_since = Some(now);
            record.ejections = record.ejections.saturating_add(1);
            record.jitter_millis = luck.jitter_millis;
            record.backoff = self.grown(record.backoff);
            host.ejected.store(true, Ordering::Relaxed);
        }
        Some(OutlierEvent {
            at: now,
            endpoint,
            action: OutlierAction::Eject { cause, enforced: luck.enforced, rates },
            since_last_action: record.last_return.map(|last| now.since(last)),
            ejections: record.ejections,
        })
    }

    /// LB-OD-30.
    fn may_eject(&self, ejected: u32, hosts: u32) -> bool {
        let most = f64::from(self.config.max_ejection_percent.min(100));
        let share = 100.0 * (f64::from(ejected) + 1.0) / f64::from(hosts);
        share <= most || (self.config.always_eject_one && ejected == 0)
    }

    /// LB-OD-33: the multiplier stops growing once it has passed the maximum.
    fn grown(&self, backoff: u32) -> u32 {
        let base = self.config.base_ejection_time;
        let grows = base.saturating_mul(backoff) < self.config.longest().saturating_add(base);
        if grows { backoff.saturating_add(1) } else { backoff }
    }

    pub(super) fn nominal(&self, backoff: u32) -> Duration {
        self.config.base_ejection_time.saturating_mul(backoff).min(self.config.longest())
    }

    /// LB-OD-34.
    pub(super) fn duration(&self, record: &Record) -> Duration {
        self.nominal(record.backoff).saturating_add(Duration::from_millis(record.jitter_millis))
    }

    /// Takes note that a response of the endpoint calls it degraded (Envoy: the header `x-envoy-degraded`); whether
    /// that was news (LB-OD-64).
    ///
    /// For a time that grows as that of ejections does, the endpoint is then used only as LB-PRIO-06 has it. It is
    /// not out and takes none of the share that may be. Needs
    /// [`detect_degraded_hosts`](OutlierConfig::detect_degraded_hosts).
    pub fn mark_degraded(&self, endpoint: EndpointIndex, now: Monotonic) -> bool {
        let Some(host) = self.hosts.get(endpoint.get()) else { return false };
        if !self.config.detect_degraded || host.degraded.load(Ordering::Relaxed) {
            return false;
        }
        let ledger = self.cluster.ledger();
        let mut record = host.record();
        if record.gone || record.degraded_since.is_some() {
            return false;
        }
        record.degraded_since = Some(now);
        record.degraded_backoff = self.grown(record.degraded_backoff);
        host.degraded.store(true, Ordering::Relaxed);
        drop(record);
        drop(ledger);
        self.cluster.changed();
        true
    }

    /// Gives an endpoint back at once because it passed an active health check (LB-OD-36); whether it returned.
    pub fn passed_health_check(&self, endpoint: EndpointIndex, now: Monotonic) -> bool {
        let Some(host) = self.hosts.get(endpoint.get()) else { return false };
        if self.config.keep_out_until_sweep {
            return false;
        }
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

/// The dice for one ejection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Luck {
    enforced: bool,
    jitter_millis: u64,
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

    #[inline]
    fn is_degraded(&self, index: EndpointIndex) -> bool {
        self.hosts.get(index.get()).is_some_and(|host| host.degraded.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "../tests/outlier.rs"]
mod tests;
