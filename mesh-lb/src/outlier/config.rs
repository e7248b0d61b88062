//! Settings, spelt and read as in a DestinationRule.

use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};

use super::EjectionCause;

/// The settings of outlier detection. The default is an empty `outlierDetection: {}` block (LB-OD-01): five 5xx
/// in a row, swept every 10 s, 30 s out, at most 10 % of the endpoints.
///
/// The methods carry the names and the meaning of the DestinationRule's fields: what Istio turns a value into
/// is done here. The deprecated `consecutiveErrors` is ignored by Istio and has no method (LB-OD-02);
/// `minHealthPercent` is the panic threshold of
/// [`PrioritySetConfig`](crate::PrioritySetConfig::panic_threshold_percent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierConfig {
    pub(super) consecutive_5xx: Trigger,
    pub(super) consecutive_gateway: Trigger,
    pub(super) consecutive_local_origin: Trigger,
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

/// A number of failures in a row, and how often in a hundred reaching it ejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) threshold: u32,
    pub(super) enforcing: u32,
}

impl Trigger {
    /// What Istio makes of a value that is set: 0 is never enforced.
    const fn set(threshold: u32) -> Self {
        Self { threshold, enforcing: if threshold > 0 { 100 } else { 0 } }
    }
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            consecutive_5xx: Trigger { threshold: 5, enforcing: 100 },
            // Counted, never ejects.
            consecutive_gateway: Trigger { threshold: 5, enforcing: 0 },
            consecutive_local_origin: Trigger { threshold: 5, enforcing: 100 },
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

    /// Sets `consecutive5xxErrors`; 0 switches this detection off.
    #[must_use]
    pub fn consecutive_5xx_errors(self, threshold: u32) -> Self {
        Self { consecutive_5xx: Trigger::set(threshold), ..self }
    }

    /// Sets `consecutiveGatewayErrors`; 0 switches this detection off. Unset, it counts but never ejects.
    #[must_use]
    pub fn consecutive_gateway_errors(self, threshold: u32) -> Self {
        Self { consecutive_gateway: Trigger::set(threshold), ..self }
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
        Self { consecutive_local_origin: Trigger::set(threshold), local_origin_given: true, ..self }
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

    pub(super) fn trigger(&self, cause: EjectionCause) -> Trigger {
        match cause {
            EjectionCause::Consecutive5xx => self.consecutive_5xx,
            EjectionCause::ConsecutiveGatewayFailure => self.consecutive_gateway,
            EjectionCause::ConsecutiveLocalOriginFailure => self.consecutive_local_origin,
        }
    }

    /// LB-OD-04.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        for (field, duration) in [("interval", self.interval), ("baseEjectionTime", self.base_ejection_time)]
        {
            if duration.subsec_nanos() % 1_000_000 != 0 || duration.is_zero() {
                return Err(BuildErrorKind::NotWholeMilliseconds { field, found: duration }.into());
            }
        }
        if self.max_ejection_percent > 100 {
            let found = u64::from(self.max_ejection_percent);
            return Err(
                BuildErrorKind::OutOfRange { field: "maxEjectionPercent", min: 0, max: 100, found }.into()
            );
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
