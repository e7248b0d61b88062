//! Counting the requests each endpoint is working on.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use crate::health::ActiveRequests;
use crate::set::{EndpointIndex, EndpointSet};
use crate::sync::{AtomicU32, Ordering};

/// One counter an endpoint, shared by all workers.
///
/// A counter belongs to the endpoint, not to its index: it is carried over to the next set by
/// [`carried_over`](Self::carried_over), and guards taken before still count down the right one (LB-TEST-44).
/// No two counters share a cache line, so that two endpoints do not slow each other down. They are read and written
/// without ordering between them (LB-DES-17).
///
/// Cost: one atomic addition to start a request and one to end it; a plain load to read. 128 bytes an endpoint.
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

/// A cache line, and one before it for the reference counts that `Arc` puts there: together the 128 bytes that
/// processors fetch as a pair.
#[derive(Debug, Default)]
#[repr(align(64))]
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
    ///
    /// The guard borrows the counts. For one that can be sent away see [`ActiveGuard::new`].
    #[inline]
    #[must_use]
    pub fn start(&self, index: EndpointIndex) -> Option<ActiveGuard<&Self>> {
        ActiveGuard::new(self, index)
    }
}

impl ActiveRequests for ActiveCounts {
    #[inline]
    fn active_requests(&self, index: EndpointIndex) -> u32 {
        self.counters.get(index.get()).map_or(0, |counter| counter.active.load(Ordering::Relaxed))
    }
}

/// One request in progress; dropping it, for whatever reason, ends it (LB-CB-28).
///
/// `C` is how the guard holds the counts: a reference where the request lives no longer than they do, an
/// `Rc<ActiveCounts>` on a worker of one thread, an `Arc<ActiveCounts>` for a guard that changes threads. Only with
/// the last does a guard cost two more atomic operations.
#[derive(Debug)]
#[must_use = "the request counts as finished when the guard is dropped"]
pub struct ActiveGuard<C: Borrow<ActiveCounts> = Arc<ActiveCounts>> {
    counts: C,
    /// INVARIANT: an index of `counts`, counted up.
    index: EndpointIndex,
}

impl<C: Borrow<ActiveCounts>> ActiveGuard<C> {
    /// Counts one request of the endpoint until the guard is dropped; `None` if the index is not of this set.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use mesh_lb::{ActiveCounts, ActiveGuard, EndpointIndex};
    /// fn begin(counts: &Rc<ActiveCounts>, at: EndpointIndex) -> Option<ActiveGuard<Rc<ActiveCounts>>> {
    ///     ActiveGuard::new(Rc::clone(counts), at) // outlives the borrow
    /// }
    /// # let at = EndpointIndex::new(0).ok_or("out of range")?;
    /// # assert!(begin(&Rc::new(ActiveCounts::new(1)), at).is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn new(counts: C, index: EndpointIndex) -> Option<Self> {
        counts.borrow().counters.get(index.get())?.active.fetch_add(1, Ordering::Relaxed);
        Some(Self { counts, index })
    }

    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> EndpointIndex {
        self.index
    }
}

impl<C: Borrow<ActiveCounts>> Drop for ActiveGuard<C> {
    #[inline]
    fn drop(&mut self) {
        if let Some(counter) = self.counts.borrow().counters.get(self.index.get()) {
            counter.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "tests/active.rs"]
mod tests;
