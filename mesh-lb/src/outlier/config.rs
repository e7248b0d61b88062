//! Settings, spelt and read as in a DestinationRule.

use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};

use super::{EjectionCause, FailurePercentage, SuccessRate};

/// The settings of outlier detection. The default is an empty `outlierDetection: {}` block (LB-OD-01): five 5xx
/// in a row, swept every 10 s, 30 s out, at most 10 % of the endpoints.
///
/// The methods carry the names and the meaning of the DestinationRule's fields: what Istio turns a value into
/// is done here. `minHealthPercent` is the panic threshold of
/// [`PrioritySetConfig`](crate::PrioritySetConfig::panic_threshold_percent).
///
/// What no DestinationRule reaches is here too, under Envoy's names: [`success_rate`](Self::success_rate),
/// [`failure_percentage`](Self::failure_percentage), [`enforcing`](Self::enforcing), the longest time out, jitter,
/// [`always_eject_one_host`](Self::always_eject_one_host), degraded endpoints. [`envoy`](Self::envoy) gives Envoy's
/// own defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierConfig {
    pub(super) consecutive_5xx: u32,
    pub(super) consecutive_gateway: u32,
    pub(super) consecutive_local_origin: u32,
    /// In a hundred; by the position of the cause.
    enforcing: [u32; EjectionCause::ALL.len()],
    pub(super) success_rate: Option<SuccessRate>,
    pub(super) failure_percentage: Option<FailurePercentage>,
    pub(super) detect_degraded: bool,
    pub(super) keep_out_until_sweep: bool,
    local_origin_given: bool,
    pub(super) split: bool,
    pub(super) error_codes: Option<Box<[u16]>>,
    pub(super) interval: Duration,
    pub(super) base_ejection_time: Duration,
    max_ejection_time: Option<Duration>,
    pub(super) max_ejection_time_jitter: Duration,
    pub(super) max_ejection_percent: u32,
    pub(super) always_eject_one: bool,
}

/// How the deprecated `consecutiveErrors` is read (LB-OD-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConsecutiveErrors {
    /// As Istio does today: not at all.
    Ignored,
    /// As the oldest releases did: any 5xx.
    Any5xx,
    /// As later releases did: 502, 503 and 504.
    Gateway,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway: 5,
            consecutive_local_origin: 5,
            // Gateway failures are counted and never eject. A rate is enforced where it is asked for at all.
            enforcing: [100, 0, 100, 100, 100, 100, 100],
            success_rate: None,
            failure_percentage: None,
            detect_degraded: false,
            keep_out_until_sweep: false,
            local_origin_given: false,
            split: false,
            error_codes: None,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: None,
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: 10,
            always_eject_one: false,
        }
    }
}

impl OutlierConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What an empty `outlier_detection: {}` means to Envoy itself: the success rate is enforced too, and the failure
    /// percentage is watched.
    #[must_use]
    pub fn envoy() -> Self {
        Self::default()
            .success_rate(SuccessRate::default())
            .failure_percentage(FailurePercentage::default())
            .enforcing(EjectionCause::FailurePercentage, 0)
            .enforcing(EjectionCause::LocalOriginFailurePercentage, 0)
    }

    /// Sets `consecutive5xxErrors`; 0 switches this detection off.
    #[must_use]
    pub fn consecutive_5xx_errors(self, threshold: u32) -> Self {
        Self { consecutive_5xx: threshold, ..self }.enforce_if_set(EjectionCause::Consecutive5xx, threshold)
    }

    /// Sets the deprecated `consecutiveErrors`, read as `meaning` says. Call it before the fields that replace it.
    #[must_use]
    pub fn consecutive_errors(self, threshold: u32, meaning: ConsecutiveErrors) -> Self {
        match meaning {
            ConsecutiveErrors::Ignored => self,
            ConsecutiveErrors::Any5xx => self.consecutive_5xx_errors(threshold),
            ConsecutiveErrors::Gateway => self.consecutive_gateway_errors(threshold),
        }
    }

    /// Sets `consecutiveGatewayErrors`; 0 switches this detection off. Unset, it counts but never ejects.
    #[must_use]
    pub fn consecutive_gateway_errors(self, threshold: u32) -> Self {
        Self { consecutive_gateway: threshold, ..self }
            .enforce_if_set(EjectionCause::ConsecutiveGatewayFailure, threshold)
    }

    /// Sets `splitExternalLocalOriginErrors`: failures to connect are counted apart from responses (LB-OD-17).
    #[must_use]
    pub fn split_external_local_origin_errors(self) -> Self {
        Self { split: true, ..self }
    }

    /// Sets `consecutiveLocalOriginFailures`; 0 leaves it at 5. Needs the split.
    #[must_use]
    pub fn consecutive_local_origin_failures(self, threshold: u32) -> Self {
        if threshold == 0 {
            return self;
        }
        Self { consecutive_local_origin: threshold, local_origin_given: true, ..self }
    }

    /// Sets `outlierDetectionHttpErrorCodes`: these statuses are failures and no others (LB-OD-16). An empty list
    /// leaves it at all of 5xx.
    #[must_use]
    pub fn http_error_codes(self, codes: impl IntoIterator<Item = u16>) -> Self {
        let codes: Box<[u16]> = codes.into_iter().collect();
        Self { error_codes: (!codes.is_empty()).then_some(codes), ..self }
    }

    /// Sets `interval`, the time between two sweeps.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets `baseEjectionTime`, the time out at the first ejection.
    #[must_use]
    pub fn base_ejection_time(self, base: Duration) -> Self {
        Self { base_ejection_time: base, ..self }
    }

    /// Sets `maxEjectionPercent`; 0 leaves it at 10.
    #[must_use]
    pub fn max_ejection_percent(self, percent: u32) -> Self {
        if percent == 0 { self } else { Self { max_ejection_percent: percent, ..self } }
    }

    /// Sets the longest time out. Envoy's `max_ejection_time`; Istio has no field for it, and it is the larger of
    /// 300 s and the base.
    #[must_use]
    pub fn max_ejection_time(self, longest: Duration) -> Self {
        Self { max_ejection_time: Some(longest), ..self }
    }

    /// Adds a random time, up to this, to each ejection. Envoy only; default 0.
    #[must_use]
    pub fn max_ejection_time_jitter(self, jitter: Duration) -> Self {
        Self { max_ejection_time_jitter: jitter, ..self }
    }

    /// Ejects endpoints whose success rate is far below that of the others. Envoy only; default off, since Istio never
    /// enforces it. Measuring costs one atomic addition an outcome.
    #[must_use]
    pub fn success_rate(self, mode: SuccessRate) -> Self {
        Self { success_rate: Some(mode), ..self }
    }

    /// Ejects endpoints that fail too large a share of their requests. Envoy only; default off.
    #[must_use]
    pub fn failure_percentage(self, mode: FailurePercentage) -> Self {
        Self { failure_percentage: Some(mode), ..self }
    }

    /// Sets in how many of a hundred cases the cause leads to an ejection; in the others it is only counted and
    /// logged (LB-OD-32). Envoy's `enforcing_…`; Istio sets 100 for a threshold that is given and 0 for one that is
    /// given as 0.
    #[must_use]
    pub fn enforcing(mut self, cause: EjectionCause, percent: u32) -> Self {
        if let Some(enforcing) = self.enforcing.get_mut(cause.position()) {
            *enforcing = percent;
        }
        self
    }

    /// Takes note of endpoints that call themselves degraded
    /// ([`mark_degraded`](crate::OutlierDetector::mark_degraded)). Envoy only; default off.
    #[must_use]
    pub fn detect_degraded_hosts(self) -> Self {
        Self { detect_degraded: true, ..self }
    }

    /// Lets an endpoint that passes an active health check stay out until its time is over, in place of returning at
    /// once. Envoy's `successful_active_health_check_uneject_host: false`.
    #[must_use]
    pub fn health_check_does_not_uneject(self) -> Self {
        Self { keep_out_until_sweep: true, ..self }
    }

    /// Lets the first endpoint be ejected whatever the percentage. Envoy only; default off.
    #[must_use]
    pub fn always_eject_one_host(self) -> Self {
        Self { always_eject_one: true, ..self }
    }

    /// The time between two sweeps.
    #[must_use]
    pub fn sweep_interval(&self) -> Duration {
        self.interval
    }

    pub(super) fn longest(&self) -> Duration {
        self.max_ejection_time.unwrap_or_else(|| self.base_ejection_time.max(Duration::from_mins(5)))
    }

    /// What Istio makes of a threshold that is set: 0 is never enforced.
    fn enforce_if_set(self, cause: EjectionCause, threshold: u32) -> Self {
        self.enforcing(cause, if threshold > 0 { 100 } else { 0 })
    }

    pub(super) fn enforced_percent(&self, cause: EjectionCause) -> u32 {
        self.enforcing.get(cause.position()).copied().unwrap_or_default()
    }

    pub(super) fn measures_rates(&self) -> bool {
        self.success_rate.is_some() || self.failure_percentage.is_some()
    }

    /// LB-OD-04.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        for (field, duration) in [("interval", self.interval), ("baseEjectionTime", self.base_ejection_time)]
        {
            if duration.subsec_nanos() % 1_000_000 != 0 || duration.is_zero() {
                return Err(BuildErrorKind::NotWholeMilliseconds { field, found: duration }.into());
            }
        }
        let enforcing = self.enforcing.map(|percent| ("enforcing", percent));
        let threshold = self.failure_percentage.map_or(0, |mode| mode.threshold);
        let others =
            [("maxEjectionPercent", self.max_ejection_percent), ("failurePercentageThreshold", threshold)];
        for (field, percent) in others.into_iter().chain(enforcing) {
            if percent > 100 {
                let found = u64::from(percent);
                return Err(BuildErrorKind::OutOfRange { field, min: 0, max: 100, found }.into());
            }
        }
        if self.local_origin_given && !self.split {
            let field = "consecutiveLocalOriginFailures";
            return Err(BuildErrorKind::Requires { field, other: "splitExternalLocalOriginErrors" }.into());
        }
        let strange = |code: &&u16| !(100..=599).contains(*code);
        if let Some(&code) = self.error_codes.as_deref().unwrap_or_default().iter().find(strange) {
            let field = "outlierDetectionHttpErrorCodes";
            return Err(
                BuildErrorKind::OutOfRange { field, min: 100, max: 599, found: u64::from(code) }.into()
            );
        }
        Ok(())
    }
}
