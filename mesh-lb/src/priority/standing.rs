//! Why an endpoint can be picked or not.

use std::fmt;

use crate::endpoint::{Health, HealthStatus};

/// How an endpoint stands in a view, and so why it was picked or not.
///
/// ```
/// use mesh_lb::{Endpoint, EndpointIndex, EndpointSet, HealthStatus, PrioritySet, PrioritySetConfig, Weight};
/// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let ejected = set.find(&"b:80").ok_or("not there")?;
/// let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &|index: EndpointIndex| index != ejected);
/// let standing = view.explain(ejected).ok_or("not there")?;
/// assert!(!standing.is_eligible());
/// assert_eq!(standing.to_string(), "not eligible: ejected; priority 0 has 100 % of the traffic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// What discovery says.
    pub status: HealthStatus,
    /// The verdict the view was built with.
    pub usable: bool,
    /// The health that follows from both (LB-HOST-03).
    pub health: Health,
    /// The endpoint's priority.
    pub priority: u8,
    /// The traffic, in percent, that goes to the endpoints of this priority and health; in panic to all of the
    /// priority.
    pub load: u32,
    /// Whether the priority ignores health (LB-PANIC-05).
    pub panic: bool,
    /// Whether the endpoint belongs to the subset that the view was made for; true where there are no subsets.
    pub in_subset: bool,
    /// The configured weight of the endpoint's locality, if localities are weighted.
    pub locality_weight: Option<u32>,
    /// Whether the choice of a locality never leads to the endpoint, or its priority fails traffic on panic.
    pub(crate) is_passed_over: bool,
}

/// Why picks cannot reach an endpoint: the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ineligible {
    /// It is not in the subset.
    NotInSubset,
    /// Outlier detection or a health check has taken it out.
    Ejected,
    /// Discovery reports it unhealthy, timed out or draining.
    Unhealthy,
    /// Its locality has no weight, or no capacity that counts (LB-LOC-02, LB-LOC-03).
    LocalityWithoutWeight,
    /// Its priority panics, and traffic fails then (LB-PANIC-05).
    FailsOnPanic,
    /// Other priorities, or the healthy endpoints of its own, take all traffic.
    NoTraffic,
}

impl Standing {
    /// Whether picks can reach the endpoint. The hash of a request and zones may still keep them away, and hash
    /// algorithms do not use degraded endpoints.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        self.reason().is_none()
    }

    /// Why picks cannot reach the endpoint; `None` if they can.
    #[must_use]
    pub fn reason(&self) -> Option<Ineligible> {
        if !self.in_subset {
            Some(Ineligible::NotInSubset)
        } else if self.panic && self.is_passed_over {
            Some(Ineligible::FailsOnPanic)
        } else if !self.panic && !self.usable {
            Some(Ineligible::Ejected)
        } else if !self.panic && self.health == Health::Unhealthy {
            Some(Ineligible::Unhealthy)
        } else if self.load == 0 {
            Some(Ineligible::NoTraffic)
        } else if self.is_passed_over {
            Some(Ineligible::LocalityWithoutWeight)
        } else {
            None
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_eligible() { "eligible: " } else { "not eligible: " })?;
        f.write_str(match (self.usable, self.status) {
            (false, _) => "ejected",
            (true, HealthStatus::Draining) => "draining",
            (true, HealthStatus::Timeout) => "health check timed out",
            (true, HealthStatus::Unhealthy) => "unhealthy",
            (true, HealthStatus::Degraded) => "degraded",
            (true, HealthStatus::Unknown | HealthStatus::Healthy) => "healthy",
        })?;
        match self.reason() {
            Some(Ineligible::NotInSubset) => f.write_str(", not in the subset")?,
            Some(Ineligible::LocalityWithoutWeight) => f.write_str(", in a locality without weight")?,
            Some(Ineligible::FailsOnPanic) => {
                return write!(f, "; priority {} is in panic and fails its traffic", self.priority);
            }
            _ => {}
        }
        if self.panic {
            write!(f, "; priority {} is in panic and ignores health", self.priority)?;
        } else if self.usable && self.status == HealthStatus::Degraded {
            write!(f, "; degraded endpoints of priority {}", self.priority)?;
        } else {
            write!(f, "; priority {}", self.priority)?;
        }
        let join = if self.panic {
            ", it has"
        } else if self.health == Health::Degraded {
            " have"
        } else {
            " has"
        };
        write!(f, "{join} {} % of the traffic", self.load)
    }
}
