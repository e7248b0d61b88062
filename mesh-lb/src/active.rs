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
/// They are read and written without ordering between them (LB-DES-17).
///
/// Of up to 256 endpoints each has a cache line of its own, so that two endpoints do not slow each other down. Of
/// more, sixteen share a line: that two workers meet on one is then rare, and what a pick reads stays in the near
/// caches.
///
/// Cost: one atomic addition to start a request and one to end it; two plain loads to read. 132 bytes an endpoint, 12
/// when lines are shared.
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
    lines: Box<[Arc<Line>]>,
    /// One an endpoint.
    slots: Box<[Slot]>,
}

/// A cache line of counters. With the counts of its owners in front of it, it fills two lines, which processors
/// fetch in pairs.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    active: [AtomicU32; LANES],
}

const LANES: usize = 16;

/// The most endpoints that get a line each.
const FEW: usize = 256;

/// A position in the lines, above four bits for the lane in the line.
#[derive(Clone, Copy, Debug)]
struct Slot(u32);

impl Slot {
    fn new(line: usize, lane: usize) -> Self {
        Self(u32::try_from(line * LANES + lane).unwrap_or(u32::MAX))
    }

    #[inline]
    fn line(self) -> usize {
        self.0 as usize / LANES
    }

    #[inline]
    fn lane(self) -> usize {
        self.0 as usize % LANES
    }
}

/// Gives out counters nobody has used.
struct Fresh {
    lines: Vec<Arc<Line>>,
    lanes: usize,
    used: usize,
}

impl Fresh {
    /// For a set of `endpoints` endpoints.
    fn new(endpoints: usize) -> Self {
        let lanes = if endpoints <= FEW { 1 } else { LANES };
        Self { lines: Vec::new(), lanes, used: lanes }
    }

    fn slot(&mut self) -> Slot {
        if self.used == self.lanes {
            self.lines.push(Arc::default());
            self.used = 0;
        }
        self.used += 1;
        Slot::new(self.lines.len() - 1, self.used - 1)
    }
}

impl ActiveCounts {
    /// Counters at 0 for a set of `endpoints` endpoints.
    #[must_use]
    pub fn new(endpoints: usize) -> Self {
        let mut fresh = Fresh::new(endpoints);
        let slots = (0..endpoints).map(|_| fresh.slot()).collect();
        Self { lines: fresh.lines.into(), slots }
    }

    /// Counters for `next` in which the endpoints that were in `set` keep theirs (LB-HOST-02).
    ///
    /// A counter that was given up is not given to another endpoint, since guards of it may still be out.
    #[must_use]
    pub fn carried_over<K: Eq + Hash>(&self, set: &EndpointSet<K>, next: &EndpointSet<K>) -> Self {
        let mut fresh = Fresh::new(next.len());
        // Where the lines that are kept went, counted from 0; they come after the new ones.
        let mut kept = vec![None; self.lines.len()];
        let mut lines = Vec::new();
        let slots: Vec<Result<Slot, (usize, usize)>> = next
            .iter()
            .map(|(_, endpoint)| {
                let old = set.find(endpoint.key()).and_then(|index| self.slots.get(index.get()));
                let Some((place, line)) =
                    old.and_then(|old| Some((kept.get_mut(old.line())?, self.lines.get(old.line())?)))
                else {
                    return Ok(fresh.slot());
                };
                let line = *place.get_or_insert_with(|| {
                    lines.push(Arc::clone(line));
                    lines.len() - 1
                });
                Err((line, old.map_or(0, |old| old.lane())))
            })
            .collect();
        let new = fresh.lines.len();
        fresh.lines.append(&mut lines);
        let slot = |slot: Result<Slot, (usize, usize)>| {
            slot.unwrap_or_else(|(line, lane)| Slot::new(new + line, lane))
        };
        Self { lines: fresh.lines.into(), slots: slots.into_iter().map(slot).collect() }
    }

    /// Counts one request until the guard is dropped; `None` if the index is not of this set.
    ///
    /// The guard borrows the counts. For one that can be sent away see [`ActiveGuard::new`].
    #[inline]
    #[must_use]
    pub fn start(&self, index: EndpointIndex) -> Option<ActiveGuard<&Self>> {
        ActiveGuard::new(self, index)
    }

    #[inline]
    fn counter(&self, index: EndpointIndex) -> Option<&AtomicU32> {
        let slot = *self.slots.get(index.get())?;
        self.lines.get(slot.line())?.active.get(slot.lane())
    }
}

impl ActiveRequests for ActiveCounts {
    #[inline]
    fn active_requests(&self, index: EndpointIndex) -> u32 {
        self.counter(index).map_or(0, |active| active.load(Ordering::Relaxed))
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
        counts.borrow().counter(index)?.fetch_add(1, Ordering::Relaxed);
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
        if let Some(active) = self.counts.borrow().counter(self.index) {
            active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "tests/active.rs"]
mod tests;
