//! Active health checks: from the results of probes to a verdict (spec section 5).

use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};

/// How many results in a row change the verdict, and how often to probe. Envoy's settings; no DestinationRule reaches
/// them, since Istio's readiness comes with the endpoints (LB-HC-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheckConfig {
    healthy_threshold: u32,
    unhealthy_threshold: u32,
    interval: Duration,
    no_traffic_interval: Duration,
    unhealthy_interval: Option<Duration>,
}

impl HealthCheckConfig {
    /// Settings as Envoy requires them (LB-HC-02). While there has been no traffic the interval is 60 s (LB-HC-03).
    ///
    /// # Errors
    /// [`OutOfRange`](BuildErrorKind::OutOfRange) if a threshold or the interval is 0.
    pub fn new(
        interval: Duration,
        healthy_threshold: u32,
        unhealthy_threshold: u32,
    ) -> Result<Self, BuildError> {
        for (field, value) in [
            ("interval", u64::from(!interval.is_zero())),
            ("healthy_threshold", u64::from(healthy_threshold)),
            ("unhealthy_threshold", u64::from(unhealthy_threshold)),
        ] {
            if value == 0 {
                return Err(BuildErrorKind::OutOfRange { field, min: 1, max: u64::MAX, found: 0 }.into());
            }
        }
        Ok(Self {
            healthy_threshold,
            unhealthy_threshold,
            interval,
            no_traffic_interval: Duration::from_mins(1),
            unhealthy_interval: None,
        })
    }

    /// The thresholds of pingora: one result decides (LB-HC-06).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn pingora(interval: Duration) -> Result<Self, BuildError> {
        Self::new(interval, 1, 1)
    }

    /// Sets the interval while the cluster has had no traffic.
    #[must_use]
    pub fn no_traffic_interval(self, interval: Duration) -> Self {
        Self { no_traffic_interval: interval, ..self }
    }

    /// Sets the interval for endpoints that are unhealthy.
    #[must_use]
    pub fn unhealthy_interval(self, interval: Duration) -> Self {
        Self { unhealthy_interval: Some(interval), ..self }
    }
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeResult {
    /// The answer that was expected.
    Success,
    /// The expected answer, with the mark of a degraded endpoint (`x-envoy-degraded`, LB-HC-04).
    Degraded,
    /// An answer that was not expected: the endpoint says itself that it is unhealthy.
    Unexpected,
    /// An unexpected answer that the settings list as one to try again.
    Retriable,
    /// No connection or no answer in time.
    Unreachable,
}

/// What is known of an endpoint from its checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckedHealth {
    /// No result yet: unhealthy, and left out of the count of its priority (LB-HC-05, LB-HOST-04).
    #[default]
    Pending,
    /// Healthy.
    Healthy,
    /// Healthy, but to be used last (LB-HC-04).
    Degraded,
    /// Unhealthy.
    Unhealthy,
    /// Failed by a header on normal traffic: unhealthy, and left out of the count until the next check (LB-HC-04).
    FailedAtOnce,
}

impl CheckedHealth {
    /// Whether the endpoint may be used outside panic.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }

    /// Whether the endpoint leaves the denominator of its priority's availability (LB-HOST-04).
    #[must_use]
    pub const fn is_excluded(self) -> bool {
        matches!(self, Self::Pending | Self::FailedAtOnce)
    }
}

/// The checks of one endpoint. The owner probes and tells the results; nothing here does.
///
/// ```
/// use std::time::Duration;
/// use mesh_lb::{CheckedHealth, HealthCheck, HealthCheckConfig, ProbeResult};
/// let config = HealthCheckConfig::new(Duration::from_secs(5), 2, 3)?;
/// let mut check = HealthCheck::default();
/// assert_eq!(check.record(&config, ProbeResult::Success), CheckedHealth::Healthy); // the first decides
/// check.record(&config, ProbeResult::Unreachable);
/// check.record(&config, ProbeResult::Unreachable);
/// assert_eq!(check.health(), CheckedHealth::Healthy);
/// assert_eq!(check.record(&config, ProbeResult::Unreachable), CheckedHealth::Unhealthy);
/// # Ok::<(), mesh_lb::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    health: CheckedHealth,
    /// Results in a row that speak against the verdict.
    against: u32,
}

impl HealthCheck {
    /// What is known now.
    #[must_use]
    pub const fn health(&self) -> CheckedHealth {
        self.health
    }

    /// Takes note of a result; what is known then (LB-HC-02).
    pub fn record(&mut self, config: &HealthCheckConfig, result: ProbeResult) -> CheckedHealth {
        let good = match result {
            ProbeResult::Success => Some(CheckedHealth::Healthy),
            ProbeResult::Degraded => Some(CheckedHealth::Degraded),
            ProbeResult::Unexpected | ProbeResult::Retriable | ProbeResult::Unreachable => None,
        };
        let first = self.health == CheckedHealth::Pending;
        let next = match good {
            Some(good) if first || self.health.is_usable() => Some(good),
            Some(good) => self.counted(config.healthy_threshold).then_some(good),
            None if first || result == ProbeResult::Unexpected => Some(CheckedHealth::Unhealthy),
            None if !self.health.is_usable() => Some(CheckedHealth::Unhealthy),
            None => self.counted(config.unhealthy_threshold).then_some(CheckedHealth::Unhealthy),
        };
        if let Some(next) = next {
            *self = Self { health: next, against: 0 };
        } else if self.health == CheckedHealth::FailedAtOnce {
            // The next check has come, so it counts again, though it is not healthy yet.
            self.health = CheckedHealth::Unhealthy;
        }
        self.health
    }

    /// Takes note that a response on normal traffic asked to be left alone (`x-envoy-immediate-health-check-fail`).
    pub fn fail_at_once(&mut self) {
        *self = Self { health: CheckedHealth::FailedAtOnce, against: 0 };
    }

    fn counted(&mut self, threshold: u32) -> bool {
        self.against = self.against.saturating_add(1);
        self.against >= threshold
    }

    /// How long to wait until the next probe (LB-HC-03).
    #[must_use]
    pub fn interval(&self, config: &HealthCheckConfig, has_had_traffic: bool) -> Duration {
        if !has_had_traffic {
            return config.no_traffic_interval;
        }
        match (self.health, config.unhealthy_interval) {
            (CheckedHealth::Unhealthy | CheckedHealth::FailedAtOnce, Some(interval)) => interval,
            _ => config.interval,
        }
    }
}

#[cfg(test)]
#[path = "tests/health_check.rs"]
mod tests;
