//! What happened to endpoints, for a log (LB-OD-71).

use std::time::Duration;

use crate::set::EndpointIndex;
use crate::time::Monotonic;

use super::{EjectionCause, RateEvidence};

/// An endpoint was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejection {
    /// The endpoint.
    pub endpoint: EndpointIndex,
    /// Why.
    pub cause: EjectionCause,
    /// How often this endpoint has been ejected, this time included.
    pub ejections: u32,
    /// For how long at least; the return comes with the first sweep after that.
    pub duration: Duration,
}

/// An entry of the event log, with what Envoy's holds (LB-OD-71). Cluster and address are the caller's to add.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutlierEvent {
    /// When.
    pub at: Monotonic,
    /// The endpoint.
    pub endpoint: EndpointIndex,
    /// What was done.
    pub action: OutlierAction,
    /// The time since the opposite action: since the last return for an ejection, since the ejection for a return.
    /// `None` if there was none.
    pub since_last_action: Option<Duration>,
    /// How often this endpoint has been ejected.
    pub ejections: u32,
}

impl OutlierEvent {
    /// Whether the endpoint was taken out.
    #[must_use]
    pub const fn is_ejection(&self) -> bool {
        matches!(self.action, OutlierAction::Eject { enforced: true, .. })
    }
}

/// What was done with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OutlierAction {
    /// A threshold was reached and the share of ejected endpoints allowed for one more.
    Eject {
        /// Why.
        cause: EjectionCause,
        /// Whether the endpoint was taken out, or the setting only wants to know (LB-OD-32).
        enforced: bool,
        /// The rates, if they were the reason.
        rates: Option<RateEvidence>,
    },
    /// The endpoint may be used again.
    Uneject,
}
