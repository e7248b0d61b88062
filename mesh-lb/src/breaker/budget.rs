//! Retries as a share of the requests (spec 4.4).

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};
use crate::time::Monotonic;

/// The limit on retries as a share of the requests (LB-RET-02). Default: 20 percent, at least 3 at a time.
///
/// The base is the requests active and pending at the moment or, with an interval, the requests started during
/// the last interval. Retries are requests and count in the base too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    percent: f64,
    min_concurrency: u32,
    interval: Option<Duration>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20.0, min_concurrency: 3, interval: None }
    }
}

impl RetryBudget {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the share in percent, taken as at least 0 and at most 100; what is not a number counts as 0.
    #[must_use]
    pub fn percent(self, percent: f64) -> Self {
        Self { percent: if percent > 0.0 { percent.min(100.0) } else { 0.0 }, ..self }
    }

    /// Sets how many retries may run at a time however few requests there are.
    #[must_use]
    pub fn min_retry_concurrency(self, retries: u32) -> Self {
        Self { min_concurrency: retries, ..self }
    }

    /// Measures the base over the last `interval`, in ten steps. An interval under 10 ns counts as 10 ns.
    #[must_use]
    pub fn budget_interval(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// The most retries at a time for this many requests.
    #[must_use]
    pub fn allowed(&self, base: u64) -> u32 {
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let share = self.percent / 100.0 * base as f64;
        // A float outside the range becomes its end: truncation as LB-RET-02 wants it.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let share = share as u32;
        share.max(self.min_concurrency)
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        self.interval
    }
}

/// How many requests started during the last interval, in ten slots.
///
/// Each slot is one atomic word: in the upper half the number of the step it counts for, in the lower half the
/// count. So a slot can be restarted for a new step and counted up in one exchange, and no two words need to
/// agree.
#[derive(Debug, Default)]
pub(super) struct RecentRequests {
    slots: [AtomicU64; 10],
}

/// The number of the tenth of an interval that `now` is in, from 1, so that an untouched slot is of no step.
fn step(now: Monotonic, interval: Duration) -> u32 {
    let tenth = (interval.as_nanos() / 10).max(1);
    #[allow(clippy::cast_possible_truncation, reason = "steps are compared by their distance, which wraps")]
    let step = (now.since_start().as_nanos() / tenth) as u32;
    step.wrapping_add(1)
}

fn unpack(word: u64) -> (u32, u32) {
    crate::draw::halves(word)
}

fn pack(step: u32, count: u32) -> u64 {
    (u64::from(step) << 32) | u64::from(count)
}

impl RecentRequests {
    pub(super) fn record(&self, now: Monotonic, interval: Duration) {
        let step = step(now, interval);
        let Some(slot) = self.slots.get(step as usize % 10) else { return };
        let counted = |word| {
            let (of_step, count) = unpack(word);
            Some(if of_step == step { pack(step, count.saturating_add(1)) } else { pack(step, 1) })
        };
        // The closure always has an answer, so the update always succeeds.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
    }

    pub(super) fn count(&self, now: Monotonic, interval: Duration) -> u64 {
        let step = step(now, interval);
        let recent = |slot: &AtomicU64| {
            let (of_step, count) = unpack(slot.load(Ordering::Relaxed));
            if of_step != 0 && step.wrapping_sub(of_step) < 10 { u64::from(count) } else { 0 }
        };
        self.slots.iter().map(recent).sum()
    }
}
