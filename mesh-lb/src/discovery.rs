//! From what Istio knows of endpoints to what a set is made of (LB-HOST-09, LB-HOST-10, LB-PANIC-07).

use crate::endpoint::HealthStatus;

/// The state of an endpoint in Istio's registry, with the numbers it has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the states there are; a fifth must not compile unnoticed")]
pub enum EndpointState {
    /// 1: ready.
    Healthy,
    /// 2: not ready.
    Unhealthy,
    /// 3: shutting down, still serving, or its pod is labelled `istio.io/draining`.
    Draining,
    /// 4: shutting down, no longer serving.
    Terminating,
}

impl EndpointState {
    /// The state with a number on the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Healthy),
            2 => Some(Self::Unhealthy),
            3 => Some(Self::Draining),
            4 => Some(Self::Terminating),
            _ => None,
        }
    }
}

/// What decides whether proxies hear of endpoints that are not healthy, and when health is ignored.
///
/// ```
/// use mesh_lb::{EndpointState, HealthStatus, ServiceHealth};
/// let service = ServiceHealth::new();
/// assert_eq!(service.status(EndpointState::Unhealthy), Some(HealthStatus::Unhealthy));
/// assert_eq!(service.status(EndpointState::Draining), None); // not sent
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceHealth {
    persistent_sessions: bool,
    traffic_distribution: bool,
    outlier_detection: bool,
    min_health_percent: u32,
    accepts_unhealthy: bool,
}

impl ServiceHealth {
    /// A service without any of these settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The service has persistent sessions.
    #[must_use]
    pub fn persistent_sessions(self) -> Self {
        Self { persistent_sessions: true, ..self }
    }

    /// The service has a traffic distribution.
    #[must_use]
    pub fn traffic_distribution(self) -> Self {
        Self { traffic_distribution: true, ..self }
    }

    /// The rule has outlier detection, with this `minHealthPercent`; 0 is the default.
    #[must_use]
    pub fn outlier_detection(self, min_health_percent: u32) -> Self {
        Self { outlier_detection: true, min_health_percent, ..self }
    }

    /// The service must always accept unhealthy endpoints, whatever the rule says.
    #[must_use]
    pub fn always_accepts_unhealthy(self) -> Self {
        Self { accepts_unhealthy: true, ..self }
    }

    /// The health to give an endpoint with this state; `None` if proxies do not hear of it (LB-HOST-09).
    #[must_use]
    pub fn status(&self, state: EndpointState) -> Option<HealthStatus> {
        let withheld = self.outlier_detection && self.min_health_percent > 0 && !self.traffic_distribution;
        match state {
            EndpointState::Healthy => Some(HealthStatus::Healthy),
            EndpointState::Unhealthy => (!withheld).then_some(HealthStatus::Unhealthy),
            EndpointState::Draining => self.persistent_sessions.then_some(HealthStatus::Draining),
            EndpointState::Terminating => None,
        }
    }

    /// The panic threshold in percent (LB-PANIC-07): what `minHealthPercent` says, else never.
    #[must_use]
    pub fn panic_threshold_percent(&self) -> u32 {
        if self.outlier_detection && !self.accepts_unhealthy { self.min_health_percent.min(100) } else { 0 }
    }
}

/// How the weights of a network behind gateways are spread over the gateways (LB-HOST-10).
///
/// All weights of a service are multiplied by a common factor, so that those behind gateways can be divided.
///
/// ```
/// use mesh_lb::GatewayWeights;
/// let weights = GatewayWeights::new([2, 3]);
/// assert_eq!(weights.direct(5), 30);
/// assert_eq!(weights.behind(5, 2), 15); // for each of the two gateways
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayWeights {
    factor: u32,
}

impl GatewayWeights {
    /// The factor for networks with so many gateways each: their least common multiple. It stays at 1 if it is more
    /// than 32 bits hold.
    #[must_use]
    pub fn new(gateways: impl IntoIterator<Item = u32>) -> Self {
        fn gcd(a: u32, b: u32) -> u32 {
            if b == 0 { a } else { gcd(b, a % b) }
        }
        let multiple = |a: u32, b: u32| a.checked_div(gcd(a, b))?.checked_mul(b);
        let factor = gateways.into_iter().filter(|&count| count > 0).try_fold(1, multiple);
        Self { factor: factor.unwrap_or(1) }
    }

    /// The weight of an endpoint that is reached directly.
    #[must_use]
    pub fn direct(&self, weight: u32) -> u32 {
        weight.max(1).saturating_mul(self.factor)
    }

    /// The part of an endpoint's weight that each of its network's gateways gets, at least 1.
    #[must_use]
    pub fn behind(&self, weight: u32, gateways: u32) -> u32 {
        self.direct(weight).checked_div(gateways).unwrap_or(0).max(1)
    }
}

#[cfg(test)]
#[path = "tests/discovery.rs"]
mod tests;
