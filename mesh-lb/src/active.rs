//! Counting the requests each endpoint is working on.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::health::ActiveRequests;
use crate::set::{EndpointIndex, EndpointSet};

/// One counter an endpoint, shared by all workers.
///
/// A counter belongs to the endpoint, not to its index: it is carried over to the next set by
/// [`carried_over`](Self::carried_over), and guards taken before still count down the right one (LB-TEST-44).
/// Counters lie on cache lines of their own, so that two endpoints do not slow each other down. They are read
/// and written without ordering between them (LB-DES-17).
///
/// Cost: two atomic operations to start a request and two to end it; a plain load to read.
///
/// ```
/// use mesh_lb::{ActiveCounts, ActiveRequests, EndpointIndex};
/// let counts = ActiveCounts::new(2);
/// let first = EndpointIndex::new(0).ok_or("out of range")?;
/// let guard = counts.start(first).ok_or("no such endpoint")?;
/// assert_eq!(counts.active_requests(first), 1);
/// drop(guard); // also when the request is cancelled or panics
/// assert_eq!(counts.active_requests(first), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ActiveCounts {
    counters: Box<[Arc<Counter>]>,
}

/// 128 bytes: two lines, since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter {
    active: AtomicU32,
}

impl ActiveCounts {
    /// Counters at 0 for a set of `endpoints` endpoints.
    #[must_use]
    pub fn new(endpoints: usize) -> Self {
        Self { counters: (0..endpoints).map(|_| Arc::default()).collect() }
    }

    /// Counters for `next` in which the endpoints that were in `set` keep theirs (LB-HOST-02).
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(&self, set: &EndpointSet<K>, next: &EndpointSet<K>) -> Self {
        let counter = |key| set.find(key).and_then(|index| self.counters.get(index.get()).cloned());
        Self {
            counters: next.iter().map(|(_, endpoint)| counter(endpoint.key()).unwrap_or_default()).collect(),
        }
    }

    /// Counts one request until the guard is dropped; `None` if the index is not of this set.
    #[inline]
    #[must_use]
    pub fn start(&self, index: EndpointIndex) -> Option<ActiveGuard> {
        let counter = Arc::clone(self.counters.get(index.get())?);
        counter.active.fetch_add(1, Ordering::Relaxed);
        Some(ActiveGuard { counter })
    }
}

impl ActiveRequests for ActiveCounts {
    #[inline]
    fn active_requests(&self, index: EndpointIndex) -> u32 {
        self.counters.get(index.get()).map_or(0, |counter| counter.active.load(Ordering::Relaxed))
    }
}

/// One request in progress; dropping it, for whatever reason, ends it (LB-CB-28).
#[derive(Debug)]
#[must_use = "the request counts as finished when the guard is dropped"]
pub struct ActiveGuard {
    counter: Arc<Counter>,
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.counter.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "tests/active.rs"]
mod tests;
