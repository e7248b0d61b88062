//! One endpoint and what is known about it before any request was sent.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::error::{BuildError, BuildErrorKind};

/// How much traffic an endpoint gets compared with the others (LB-HOST-01). At least 1, by default 1.
///
/// There is no weight 0: an endpoint that must get nothing is left out of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(NonZeroU32);

impl Weight {
    /// The default weight, 1.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// A weight.
    ///
    /// # Errors
    /// [`BuildErrorKind::ZeroWeight`] for 0.
    pub fn new(weight: u32) -> Result<Self, BuildError> {
        NonZeroU32::new(weight).map(Self).ok_or_else(|| BuildErrorKind::ZeroWeight.into())
    }

    /// The weight of an endpoint as Istio reads it: 0 and absent count as 1 (LB-HOST-10).
    #[must_use]
    pub fn or_one(weight: u32) -> Self {
        NonZeroU32::new(weight).map_or(Self::ONE, Self)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

/// Where an endpoint runs: region, zone and sub-zone, each possibly empty. Ordered by these texts (LB-HOST-05).
///
/// Cheap to clone. The default is the locality with all three parts empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locality(Option<Arc<[Box<str>; 3]>>);

impl Locality {
    /// A locality from its three parts.
    #[must_use]
    pub fn new(region: &str, zone: &str, sub_zone: &str) -> Self {
        if region.is_empty() && zone.is_empty() && sub_zone.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new([region.into(), zone.into(), sub_zone.into()])))
    }

    /// A locality from Istio's text form `region/zone/sub_zone`; missing parts are empty.
    ///
    /// ```
    /// use mesh_lb::Locality;
    /// assert_eq!(Locality::parse("eu/a"), Locality::new("eu", "a", ""));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default();
        let (region, zone, sub_zone) = (next(), next(), next());
        Self::new(region, zone, sub_zone)
    }

    /// The region, or an empty text.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.as_deref().map_or("", |[region, _, _]| region)
    }

    /// The zone, or an empty text.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.0.as_deref().map_or("", |[_, zone, _]| zone)
    }

    /// The sub-zone, or an empty text.
    #[must_use]
    pub fn sub_zone(&self) -> &str {
        self.0.as_deref().map_or("", |[_, _, sub_zone]| sub_zone)
    }
}

impl fmt::Display for Locality {
    /// Writes `region/zone/sub_zone` without trailing empty parts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.region())?;
        if !self.zone().is_empty() || !self.sub_zone().is_empty() {
            write!(f, "/{}", self.zone())?;
        }
        if !self.sub_zone().is_empty() {
            write!(f, "/{}", self.sub_zone())?;
        }
        Ok(())
    }
}

/// What discovery says about an endpoint's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Nothing is known; counts as healthy.
    #[default]
    Unknown,
    /// Healthy.
    Healthy,
    /// Works, but is to be used only when the healthy capacity of all priorities is not enough.
    Degraded,
    /// Not working.
    Unhealthy,
    /// The health check timed out; counts as unhealthy.
    Timeout,
    /// Shutting down: gets no new requests and does not count as missing capacity (LB-HOST-04).
    Draining,
}

impl HealthStatus {
    /// The coarse health the status stands for (LB-HOST-03).
    #[must_use]
    pub const fn coarse(self) -> Health {
        match self {
            Self::Unknown | Self::Healthy => Health::Healthy,
            Self::Degraded => Health::Degraded,
            Self::Unhealthy | Self::Timeout | Self::Draining => Health::Unhealthy,
        }
    }

    /// Whether the endpoint leaves the denominator of its priority's availability (LB-HOST-04).
    #[must_use]
    pub const fn is_excluded(self) -> bool {
        matches!(self, Self::Draining)
    }
}

/// The health that the choice of an endpoint goes by (LB-HOST-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the three lists of a host set; a fourth must not compile unnoticed"
)]
pub enum Health {
    /// In the healthy list.
    Healthy,
    /// In the degraded list.
    Degraded,
    /// In neither; reached only in panic.
    Unhealthy,
}

/// One endpoint: the caller's key and the attributes that load balancing looks at.
///
/// `K` is what the caller needs to reach the endpoint, often a socket address. Two endpoints are the same
/// endpoint across updates when their keys are equal (LB-HOST-02).
///
/// ```
/// use mesh_lb::{Endpoint, HealthStatus, Locality, Weight};
/// let endpoint = Endpoint::new("10.0.0.7:8080", Weight::ONE)
///     .locality(Locality::new("eu", "a", ""))
///     .priority(1)
///     .health(HealthStatus::Degraded);
/// assert_eq!(*endpoint.key(), "10.0.0.7:8080");
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint<K> {
    key: K,
    weight: Weight,
    locality: Locality,
    priority: u8,
    health: HealthStatus,
}

impl<K> Endpoint<K> {
    /// An endpoint of priority 0, without locality and of unknown health.
    #[must_use]
    pub fn new(key: K, weight: Weight) -> Self {
        Self { key, weight, locality: Locality::default(), priority: 0, health: HealthStatus::Unknown }
    }

    /// The same endpoint with another weight.
    #[must_use]
    pub fn reweighted(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    /// Sets where the endpoint runs.
    #[must_use]
    pub fn locality(self, at: Locality) -> Self {
        Self { locality: at, ..self }
    }

    /// Sets the priority; 0 is the most preferred.
    #[must_use]
    pub fn priority(self, level: u8) -> Self {
        Self { priority: level, ..self }
    }

    /// Sets the health as discovery reports it.
    #[must_use]
    pub fn health(self, status: HealthStatus) -> Self {
        Self { health: status, ..self }
    }

    /// The caller's key.
    #[must_use]
    pub const fn key(&self) -> &K {
        &self.key
    }

    /// The weight.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// Where the endpoint runs.
    #[must_use]
    pub const fn location(&self) -> &Locality {
        &self.locality
    }

    /// The priority; 0 is the most preferred.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.priority
    }

    /// The health as discovery reports it.
    #[must_use]
    pub const fn status(&self) -> HealthStatus {
        self.health
    }
}
