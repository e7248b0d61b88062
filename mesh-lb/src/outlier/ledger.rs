//! What is known about each endpoint and about the cluster as a whole.

use std::sync::PoisonError;

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::time::Monotonic;

use super::EjectionCause;
use super::rates::Bucket;

/// How many causes there are.
const CAUSES: usize = EjectionCause::ALL.len();

/// An endpoint. Outlives the set it was made for, while anyone still reports to it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Host {
    pub(super) consecutive_5xx: AtomicU32,
    pub(super) consecutive_gateway: AtomicU32,
    pub(super) consecutive_local_origin: AtomicU32,
    /// A copy of `record.ejected_since.is_some()` that can be read without the lock.
    pub(super) ejected: AtomicBool,
    /// A copy of `record.degraded_since.is_some()`.
    pub(super) degraded: AtomicBool,
    /// Counted only if rates are looked at.
    pub(super) external: Bucket,
    pub(super) local_origin: Bucket,
    /// Taken only while the cluster's ledger is held, so never waited for.
    record: Mutex<Record>,
}

/// What decisions are made of (LB-OD-06).
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) ejected_since: Option<Monotonic>,
    pub(super) last_return: Option<Monotonic>,
    pub(super) degraded_since: Option<Monotonic>,
    pub(super) last_recovery: Option<Monotonic>,
    pub(super) ejections: u32,
    /// The multiplier `k` of the backoff.
    pub(super) backoff: u32,
    /// The same for the time as a degraded endpoint.
    pub(super) degraded_backoff: u32,
    pub(super) jitter_millis: u64,
    /// The endpoint left the set: late events are dropped (LB-OD-21).
    pub(super) gone: bool,
}

impl Host {
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        // A panic cannot happen while the lock is held: nothing of the caller's runs under it.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// LB-OD-35.
    pub(super) fn give_back(&self, record: &mut Record, now: Monotonic) {
        record.ejected_since = None;
        record.last_return = Some(now);
        self.consecutive_5xx.store(0, Ordering::Relaxed);
        self.consecutive_gateway.store(0, Ordering::Relaxed);
        self.consecutive_local_origin.store(0, Ordering::Relaxed);
        self.ejected.store(false, Ordering::Relaxed);
    }

    /// The end of the time as a degraded endpoint.
    pub(super) fn recover(&self, record: &mut Record, now: Monotonic) {
        record.degraded_since = None;
        record.last_recovery = Some(now);
        self.degraded.store(false, Ordering::Relaxed);
    }
}

/// The cluster, over all of its sets.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Decisions are made one at a time (LB-OD-21). Successes and failures short of a trigger do not come here.
    ledger: Mutex<Ledger>,
    /// Grows with every change of a verdict.
    pub(super) generation: AtomicU64,
    pub(super) detected: [AtomicU64; CAUSES],
    pub(super) enforced: [AtomicU64; CAUSES],
    pub(super) overflow: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The endpoints of the cluster, over all priorities.
    pub(super) hosts: u32,
    pub(super) ejected: u32,
}

impl Cluster {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever reads the new number also reads the verdicts that were written before.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

pub(super) fn count(counters: &[AtomicU64; CAUSES], cause: EjectionCause) {
    if let Some(counter) = counters.get(cause.position()) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The counters of one cluster, as Envoy publishes them (LB-OD-70).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutlierStats {
    /// `ejections_active`: endpoints out now.
    pub ejections_active: u32,
    /// `ejections_enforced_total`.
    pub ejections_enforced_total: u64,
    /// `ejections_overflow`: refused, since too many were out already.
    pub ejections_overflow: u64,
    detected: [u64; CAUSES],
    enforced: [u64; CAUSES],
}

impl OutlierStats {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let load = |counters: &[AtomicU64; CAUSES]| {
            counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
        };
        let enforced = load(&cluster.enforced);
        Self {
            ejections_active: cluster.ledger().ejected,
            ejections_enforced_total: enforced.iter().sum(),
            ejections_overflow: cluster.overflow.load(Ordering::Relaxed),
            detected: load(&cluster.detected),
            enforced,
        }
    }

    /// `ejections_detected_<cause>`: the threshold was reached, whatever followed.
    #[must_use]
    pub fn detected(&self, cause: EjectionCause) -> u64 {
        self.detected.get(cause.position()).copied().unwrap_or_default()
    }

    /// `ejections_enforced_<cause>`.
    #[must_use]
    pub fn enforced(&self, cause: EjectionCause) -> u64 {
        self.enforced.get(cause.position()).copied().unwrap_or_default()
    }
}
