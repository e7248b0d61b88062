//! What is done once an interval: returns, rates, forgetting (spec 3.4 and 3.5).

use crate::draw::{Draw, SplitMix64};
use crate::set::EndpointIndex;
use crate::time::Monotonic;

use super::ledger::{Host, Ledger};
use super::log::OutlierAction;
use super::rates::{Rate, RateEvidence};
use super::{Ejection, EjectionCause, OutlierDetector, OutlierEvent};

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Sweep {
    /// The endpoints that may be used again.
    pub returned: Vec<EndpointIndex>,
    /// The endpoints taken out for their success rate or failure percentage.
    pub ejected: Vec<Ejection>,
    /// All of that and the ejections that were not enforced, in order, for the log.
    pub events: Vec<OutlierEvent>,
    /// When the next sweep is due: one interval after this one (LB-OD-50).
    pub next: Monotonic,
}

/// A source of requests with its two causes.
#[derive(Clone, Copy)]
struct Origin {
    success_rate: EjectionCause,
    failure_percentage: EjectionCause,
}

const EXTERNAL: Origin =
    Origin { success_rate: EjectionCause::SuccessRate, failure_percentage: EjectionCause::FailurePercentage };

const LOCAL: Origin = Origin {
    success_rate: EjectionCause::LocalOriginSuccessRate,
    failure_percentage: EjectionCause::LocalOriginFailurePercentage,
};

impl OutlierDetector {
    /// When the first sweep is due for a detector made at `start`: one interval later (LB-OD-50).
    #[must_use]
    pub fn first_sweep(&self, start: Monotonic) -> Monotonic {
        start.after(self.config().sweep_interval())
    }

    /// Gives back the endpoints whose time is over, ejects by success rate and failure percentage if that is asked
    /// for, and forgets old ejections one by one (LB-OD-51).
    ///
    /// To be called by one thread, at [`first_sweep`](Self::first_sweep) and then at [`Sweep::next`]. Takes one draw
    /// if rates are looked at, none otherwise.
    ///
    /// Cost: linear in the endpoints, under the lock that triggers also take.
    pub fn sweep(&self, now: Monotonic, draw: &mut impl Draw) -> Sweep {
        let mut sweep = Sweep { next: now.after(self.config.interval), ..Sweep::default() };
        // The caller's generator runs before the lock is taken.
        let mut inner = self.config.measures_rates().then(|| SplitMix64::new(draw.next_u64()));
        let mut ledger = self.cluster.ledger();
        let (mut external, mut local) = (Vec::new(), Vec::new());
        let mut changed = false;
        for (at, host) in self.hosts.iter().enumerate() {
            changed |= self.return_if_due(at, host, now, &mut ledger, &mut sweep);
            if inner.is_some() {
                let rate =
                    |closed: Option<(f64, u32)>| closed.map(|(percent, volume)| Rate { at, percent, volume });
                let (of_external, of_local) = (rate(host.external.close()), rate(host.local_origin.close()));
                let record = host.record();
                if !record.gone && record.ejected_since.is_none() {
                    external.extend(of_external);
                    local.extend(of_local);
                }
            }
        }
        if let Some(inner) = &mut inner {
            for (origin, rates) in [(EXTERNAL, external), (LOCAL, local)] {
                self.eject_by_rates(origin, &rates, now, inner, &mut ledger, &mut sweep);
            }
        }
        for host in &self.hosts {
            self.forget(host, now);
        }
        drop(ledger);
        if changed || !sweep.ejected.is_empty() {
            self.cluster.changed();
        }
        sweep
    }

    /// Step 1; whether a verdict changed.
    fn return_if_due(
        &self,
        at: usize,
        host: &Host,
        now: Monotonic,
        ledger: &mut Ledger,
        sweep: &mut Sweep,
    ) -> bool {
        let Some(endpoint) = EndpointIndex::new(at) else { return false };
        let mut record = host.record();
        if record.gone {
            return false;
        }
        let mut changed = false;
        if let Some(since) = record.ejected_since
            && self.duration(&record) <= now.since(since)
        {
            host.give_back(&mut record, now);
            ledger.ejected = ledger.ejected.saturating_sub(1);
            sweep.returned.push(endpoint);
            sweep.events.push(OutlierEvent {
                at: now,
                endpoint,
                action: OutlierAction::Uneject,
                since_last_action: Some(now.since(since)),
                ejections: record.ejections,
            });
            changed = true;
        }
        if let Some(since) = record.degraded_since
            && self.nominal(record.degraded_backoff) <= now.since(since)
        {
            host.recover(&mut record, now);
            changed = true;
        }
        changed
    }

    /// Step 2.
    fn eject_by_rates(
        &self,
        origin: Origin,
        rates: &[Rate],
        now: Monotonic,
        draw: &mut SplitMix64,
        ledger: &mut Ledger,
        sweep: &mut Sweep,
    ) {
        let by_success_rate = self.config.success_rate.map(|mode| mode.outliers(rates)).unwrap_or_default();
        let by_percentage =
            self.config.failure_percentage.map(|mode| mode.outliers(rates)).unwrap_or_default();
        for (cause, found) in
            [(origin.success_rate, by_success_rate), (origin.failure_percentage, by_percentage)]
        {
            for (at, evidence) in found {
                self.eject_for_rate(at, cause, evidence, now, draw, ledger, sweep);
            }
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the state of one sweep, taken apart for the borrow checker"
    )]
    fn eject_for_rate(
        &self,
        at: usize,
        cause: EjectionCause,
        evidence: RateEvidence,
        now: Monotonic,
        draw: &mut SplitMix64,
        ledger: &mut Ledger,
        sweep: &mut Sweep,
    ) {
        let (Some(host), Some(endpoint)) = (self.hosts.get(at), EndpointIndex::new(at)) else { return };
        let luck = self.draw_luck(cause, draw);
        let mut record = host.record();
        // The other rate may have taken it out a moment ago.
        if record.ejected_since.is_some() {
            return;
        }
        let rates = Some(evidence);
        let event = self.try_eject(endpoint, host, cause, rates, luck, now, ledger, &mut record);
        sweep.events.extend(event);
        if event.is_some_and(|event| event.is_ejection()) {
            let (ejections, duration) = (record.ejections, self.duration(&record));
            sweep.ejected.push(Ejection { endpoint, cause, ejections, duration });
        }
    }

    /// Step 3.
    fn forget(&self, host: &Host, now: Monotonic) {
        let quiet =
            |last: Option<Monotonic>| last.is_some_and(|last| now.since(last) >= self.config.interval);
        let mut record = host.record();
        if record.ejected_since.is_none() && quiet(record.last_return) {
            record.backoff = record.backoff.saturating_sub(1);
        }
        if record.degraded_since.is_none() && quiet(record.last_recovery) {
            record.degraded_backoff = record.degraded_backoff.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[path = "../tests/outlier_rates.rs"]
mod tests;
