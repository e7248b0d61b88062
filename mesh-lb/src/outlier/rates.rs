//! Success rates: how they are measured, and who falls below.

use crate::sync::{AtomicU64, Ordering};

/// Ejects endpoints whose success rate is far below that of the others (LB-OD-61). Envoy's settings and defaults;
/// Istio never enforces this detection.
///
/// ```
/// use mesh_lb::{OutlierConfig, SuccessRate};
/// let config = OutlierConfig::new().success_rate(SuccessRate::new().stdev_factor(1_500));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    pub(super) minimum_hosts: u32,
    pub(super) request_volume: u32,
    stdev_factor: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { minimum_hosts: 5, request_volume: 100, stdev_factor: 1_900 }
    }
}

impl SuccessRate {
    /// The defaults of Envoy: 5 endpoints, 100 requests an interval, 1.9 standard deviations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many endpoints with enough requests there must be (`success_rate_minimum_hosts`).
    #[must_use]
    pub fn minimum_hosts(self, hosts: u32) -> Self {
        Self { minimum_hosts: hosts, ..self }
    }

    /// Sets how many requests an endpoint must have had in the interval (`success_rate_request_volume`).
    #[must_use]
    pub fn request_volume(self, requests: u32) -> Self {
        Self { request_volume: requests, ..self }
    }

    /// Sets how far below the mean is too far, in thousandths of the standard deviation
    /// (`success_rate_stdev_factor`). With 0 everything below the mean is.
    #[must_use]
    pub fn stdev_factor(self, thousandths: u32) -> Self {
        Self { stdev_factor: thousandths, ..self }
    }
}

/// Ejects endpoints that fail at least so many percent of their requests (LB-OD-62). Envoy's settings and
/// defaults, except that naming it means to enforce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    pub(super) threshold: u32,
    pub(super) minimum_hosts: u32,
    pub(super) request_volume: u32,
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self { threshold: 85, minimum_hosts: 5, request_volume: 50 }
    }
}

impl FailurePercentage {
    /// The defaults of Envoy: 85 percent, 5 endpoints, 50 requests an interval.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the percentage of failures from which on an endpoint is ejected (`failure_percentage_threshold`).
    #[must_use]
    pub fn threshold(self, percent: u32) -> Self {
        Self { threshold: percent, ..self }
    }

    /// Sets how many endpoints with enough requests there must be (`failure_percentage_minimum_hosts`).
    #[must_use]
    pub fn minimum_hosts(self, hosts: u32) -> Self {
        Self { minimum_hosts: hosts, ..self }
    }

    /// Sets how many requests an endpoint must have had in the interval (`failure_percentage_request_volume`).
    #[must_use]
    pub fn request_volume(self, requests: u32) -> Self {
        Self { request_volume: requests, ..self }
    }
}

/// What a success rate was held against, for the log (LB-OD-71). All in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateEvidence {
    /// The success rate of the endpoint.
    pub host: f64,
    /// The mean over the endpoints with enough requests; `None` for the failure percentage, which compares with
    /// nobody.
    pub mean: Option<f64>,
    /// The success rate below which endpoints were ejected; for the failure percentage, at or below.
    pub threshold: f64,
}

/// The requests of one endpoint in the running interval and how many of them succeeded.
///
/// Both counts share one word, so that closing the interval takes a consistent pair without stopping anyone. A
/// count wraps at 2^32 requests to one endpoint in one interval, which no endpoint can serve.
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    pub(super) fn add(&self, success: bool) {
        self.0.fetch_add((1 << 32) | u64::from(success), Ordering::Relaxed);
    }

    /// Ends the interval (LB-OD-53): the rate in percent and the number of requests; `None` without requests.
    pub(super) fn close(&self) -> Option<(f64, u32)> {
        let (total, successes) = crate::draw::halves(self.0.swap(0, Ordering::Relaxed));
        (total > 0).then(|| (f64::from(successes) * 100.0 / f64::from(total), total))
    }
}

/// An endpoint's interval, as it was when it was closed. `at` is the position in the set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) at: usize,
    pub(super) percent: f64,
    pub(super) volume: u32,
}

/// Those to eject with what speaks against them, the worst first, then by position (LB-OD-63).
///
/// DIFFERENCE (LB-OD-63): of equally bad endpoints the first in the set goes first, not the one with the smaller
/// address, since keys need not have an order.
fn worst_first(mut found: Vec<(usize, RateEvidence)>) -> Vec<(usize, RateEvidence)> {
    found.sort_by(|(a, left), (b, right)| left.host.total_cmp(&right.host).then(a.cmp(b)));
    found
}

/// The endpoints that had enough requests, if they are enough endpoints (LB-OD-60).
fn valid(rates: &[Rate], volume: u32, hosts: u32) -> Option<Vec<Rate>> {
    let valid: Vec<Rate> = rates.iter().filter(|rate| rate.volume >= volume).copied().collect();
    (!valid.is_empty() && valid.len() >= hosts as usize).then_some(valid)
}

impl SuccessRate {
    /// LB-OD-61: strictly below `mean - factor * population standard deviation`.
    pub(super) fn outliers(&self, rates: &[Rate]) -> Vec<(usize, RateEvidence)> {
        let Some(valid) = valid(rates, self.request_volume, self.minimum_hosts) else { return Vec::new() };
        #[allow(clippy::cast_precision_loss, reason = "endpoints are far fewer than 2^53")]
        let hosts = valid.len() as f64;
        let mean = valid.iter().map(|rate| rate.percent).sum::<f64>() / hosts;
        let variance = valid.iter().map(|rate| (rate.percent - mean).powi(2)).sum::<f64>() / hosts;
        let threshold = mean - f64::from(self.stdev_factor) / 1_000.0 * variance.sqrt();
        let below = valid.iter().filter(|rate| rate.percent < threshold);
        let evidence =
            |rate: &Rate| (rate.at, RateEvidence { host: rate.percent, mean: Some(mean), threshold });
        worst_first(below.map(evidence).collect())
    }
}

impl FailurePercentage {
    /// LB-OD-62.
    pub(super) fn outliers(&self, rates: &[Rate]) -> Vec<(usize, RateEvidence)> {
        let Some(valid) = valid(rates, self.request_volume, self.minimum_hosts) else { return Vec::new() };
        let failing = f64::from(self.threshold);
        let over = valid.iter().filter(|rate| 100.0 - rate.percent >= failing);
        let evidence = |rate: &Rate| {
            (rate.at, RateEvidence { host: rate.percent, mean: None, threshold: 100.0 - failing })
        };
        worst_first(over.map(evidence).collect())
    }
}
