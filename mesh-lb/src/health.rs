//! What the caller is asked while a view is built or an endpoint picked: health verdicts and load.

use crate::set::EndpointIndex;

/// The verdict of outlier detection or of health checks on one endpoint.
///
/// It is asked once an endpoint when a [`PrioritySet`](crate::PrioritySet) is built, not at each pick: an
/// unusable endpoint is not in the lists at all, so nothing is skipped over and its neighbours do not
/// inherit its share (LB-RR-04). Build a new view when a verdict changes.
///
/// Closures `Fn(EndpointIndex) -> bool` are verdicts too.
pub trait Usable {
    /// Whether the endpoint may be used outside panic.
    fn is_usable(&self, index: EndpointIndex) -> bool;

    /// Whether the endpoint, though usable, is to be used only when the healthy capacity of all priorities is not
    /// enough (LB-HOST-03, LB-PRIO-06). Never, unless the verdict says so.
    #[inline]
    fn is_degraded(&self, index: EndpointIndex) -> bool {
        let _ = index;
        false
    }
}

impl<F: Fn(EndpointIndex) -> bool> Usable for F {
    #[inline]
    fn is_usable(&self, index: EndpointIndex) -> bool {
        self(index)
    }
}

/// The verdict that nothing is ejected: only discovery health counts.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a unit value that is written out where it is used")]
pub struct AllUsable;

impl Usable for AllUsable {
    #[inline]
    fn is_usable(&self, _: EndpointIndex) -> bool {
        true
    }
}

/// How many requests each endpoint is working on, over all workers of the proxy (LB-LR-05).
///
/// Read at a pick without any ordering: a value a moment old is as good. Closures
/// `Fn(EndpointIndex) -> u32` are such a source too; [`ActiveCounts`](crate::ActiveCounts) is a ready one.
pub trait ActiveRequests {
    /// The requests attached to a connection of the endpoint and not finished.
    fn active_requests(&self, index: EndpointIndex) -> u32;
}

impl<F: Fn(EndpointIndex) -> u32> ActiveRequests for F {
    #[inline]
    fn active_requests(&self, index: EndpointIndex) -> u32 {
        self(index)
    }
}
