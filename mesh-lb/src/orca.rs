//! Weights from the load that endpoints report: client-side weighted round robin (LB-ORCA-01), which no Istio setting
//! reaches.

use std::hash::Hash;
use std::time::Duration;

use crate::endpoint::Weight;
use crate::error::BuildError;
use crate::set::{Change, EndpointIndex, EndpointSet};
use crate::time::Monotonic;

/// What an endpoint says of its load, as an ORCA report does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "the fields of the report that the weight is made of")]
pub struct LoadReport {
    /// Requests a second.
    pub rps: f64,
    /// Errors a second.
    pub eps: f64,
    /// The largest of the metrics that the configuration names, if it names any and they were reported.
    pub named_utilization: Option<f64>,
    /// The utilization that the application reports; 0 if it does not.
    pub application_utilization: f64,
    /// The utilization of the processor.
    pub cpu_utilization: f64,
}

/// Settings of [`ReportedWeights`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedWeightsConfig {
    blackout: Duration,
    expiry: Duration,
    error_penalty: f64,
}

impl Default for ReportedWeightsConfig {
    fn default() -> Self {
        Self { blackout: Duration::from_secs(10), expiry: Duration::from_mins(3), error_penalty: 1.0 }
    }
}

impl ReportedWeightsConfig {
    /// A blackout of 10 s, an expiry of 3 min, an error penalty of 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long an endpoint must have been reporting before its reports count.
    #[must_use]
    pub fn blackout(self, time: Duration) -> Self {
        Self { blackout: time, ..self }
    }

    /// Sets after how long a report no longer counts.
    #[must_use]
    pub fn expiry(self, time: Duration) -> Self {
        Self { expiry: time, ..self }
    }

    /// Sets how much errors lower a weight; negative counts as 0.
    #[must_use]
    pub fn error_penalty(self, factor: f64) -> Self {
        Self { error_penalty: factor.max(0.0), ..self }
    }
}

/// The weights that the reports of endpoints lead to. Belongs to one owner, who gets the reports and renews the
/// weights about once a second.
///
/// ```
/// use std::time::Duration;
/// use mesh_lb::{Endpoint, EndpointSet, LoadReport, Monotonic, ReportedWeights, ReportedWeightsConfig, Weight};
/// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let mut weights = ReportedWeights::new(ReportedWeightsConfig::new(), set.len());
/// for second in 0..20 {
///     let now = Monotonic::new(Duration::from_secs(second));
///     for (index, endpoint) in set.iter() {
///         let cpu = if *endpoint.key() == "a:80" { 0.2 } else { 0.8 };
///         weights.report(index, &LoadReport { rps: 100.0, cpu_utilization: cpu, ..LoadReport::default() }, now);
///     }
/// }
/// let set = weights.apply(&set, Monotonic::new(Duration::from_secs(20)))?;
/// let found: Vec<_> = set.iter().map(|(_, endpoint)| endpoint.weight().get()).collect();
/// assert_eq!(found, [500, 125]);
/// # Ok::<(), mesh_lb::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReportedWeights {
    config: ReportedWeightsConfig,
    /// One an endpoint.
    reported: Box<[Option<Reported>]>,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    since: Monotonic,
    last: Monotonic,
    weight: u32,
}

impl ReportedWeights {
    /// Nothing reported yet, for a set of `endpoints` endpoints.
    #[must_use]
    pub fn new(config: ReportedWeightsConfig, endpoints: usize) -> Self {
        Self { config, reported: vec![None; endpoints].into() }
    }

    /// For `next`, in which the endpoints that were in `set` keep what they reported (LB-HOST-02).
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(&self, set: &EndpointSet<K>, next: &EndpointSet<K>) -> Self {
        let reported =
            |key| set.find(key).and_then(|index| self.reported.get(index.get()).copied().flatten());
        Self {
            config: self.config,
            reported: next.iter().map(|(_, endpoint)| reported(endpoint.key())).collect(),
        }
    }

    /// Takes a report. One without requests or utilization counts for nothing.
    pub fn report(&mut self, index: EndpointIndex, report: &LoadReport, now: Monotonic) {
        let Some(weight) = weight(report, self.config.error_penalty) else { return };
        let expiry = self.config.expiry;
        if let Some(reported) = self.reported.get_mut(index.get()) {
            // After an expiry the blackout begins again.
            let before = reported.filter(|reported| now.since(reported.last) < expiry);
            *reported =
                Some(Reported { since: before.map_or(now, |before| before.since), last: now, weight });
        }
    }

    /// The weight of each endpoint. One without a report that counts has the median of the others, 1 if there are
    /// none.
    #[must_use]
    pub fn weights(&self, now: Monotonic) -> Vec<Weight> {
        let valid = |reported: &Reported| {
            now.since(reported.since) > self.config.blackout && now.since(reported.last) < self.config.expiry
        };
        let weight = |reported: &Option<Reported>| reported.filter(valid).map(|reported| reported.weight);
        let mut known: Vec<u32> = self.reported.iter().filter_map(weight).collect();
        known.sort_unstable();
        let (below, above) = (known.get(known.len().saturating_sub(1) / 2), known.get(known.len() / 2));
        let median = below.zip(above).map_or(1, |(below, above)| below.midpoint(*above));
        self.reported.iter().map(|reported| Weight::or_one(weight(reported).unwrap_or(median))).collect()
    }

    /// The set with these weights, for a view that ROUND_ROBIN picks from.
    ///
    /// # Errors
    /// [`EndpointWeightOverflow`](crate::BuildErrorKind::EndpointWeightOverflow).
    pub fn apply<K: Clone + Eq + Hash>(
        &self,
        set: &EndpointSet<K>,
        now: Monotonic,
    ) -> Result<EndpointSet<K>, BuildError> {
        let weighted = set.iter().zip(self.weights(now)).filter(|((_, old), new)| old.weight() != *new);
        set.with_changes(
            weighted.map(|((_, endpoint), weight)| Change::Put(endpoint.clone().reweighted(weight))),
        )
    }
}

/// `rps / (utilization + penalty * eps / rps)`.
fn weight(report: &LoadReport, error_penalty: f64) -> Option<u32> {
    let positive = |value: &f64| *value > 0.0;
    let utilization = report
        .named_utilization
        .filter(positive)
        .or_else(|| Some(report.application_utilization).filter(positive))
        .or_else(|| Some(report.cpu_utilization).filter(positive))?;
    let rps = Some(report.rps).filter(positive)?;
    let errors = error_penalty * report.eps.max(0.0) / rps;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is positive"
    )]
    let weight = (rps / (utilization + errors)) as u32;
    (weight > 0).then_some(weight)
}

#[cfg(test)]
#[path = "tests/orca.rs"]
mod tests;
