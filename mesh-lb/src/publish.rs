//! Handing the next version of something to all workers.

use std::sync::{Arc, PoisonError};

use crate::sync::{AtomicU64, Mutex, Ordering};

/// A value that is replaced as a whole and read by many workers: the view of a cluster, a hash table, the settings.
///
/// Each worker keeps a [`Subscriber`], which holds the version it saw last. To look whether there is a newer one is a
/// single load, so it can be done at every pick; no reference count is touched and no lock taken until the value has
/// really changed (LB-DES-01, LB-PERF-02). A version is freed when the last worker has gone over to a later one.
///
/// What was published before a worker looks is what it sees: a pick that begins after [`publish`](Self::publish) has
/// returned, as far as the caller can tell, is made from the new value or a later one (LB-DES-15).
///
/// ```
/// use std::sync::Arc;
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, PrioritySet, PrioritySetConfig, Published, RoundRobin, SplitMix64,
///               Weight};
/// let config = PrioritySetConfig::default();
/// let view = |keys: &[u16]| -> Result<_, mesh_lb::BuildError> {
///     let set = EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE)))?;
///     Ok(PrioritySet::new(&set, &config, &AllUsable))
/// };
/// let published = Arc::new(Published::new(view(&[80])?));
///
/// // A worker.
/// let mut views = published.subscribe();
/// let mut draw = SplitMix64::new(1);
/// let mut balancer = RoundRobin::new(Arc::clone(views.latest()), &mut draw);
///
/// // The owner, when endpoints come and go or a verdict changes.
/// published.publish(view(&[80, 81])?);
///
/// // The worker, before each pick.
/// if let Some(view) = views.changed() {
///     balancer.update(Arc::clone(view));
/// }
/// assert_eq!(balancer.view().endpoints(), 2);
/// # Ok::<(), mesh_lb::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Published<T> {
    /// The number of the version in `current`; written only while `current` is locked.
    generation: AtomicU64,
    current: Mutex<Arc<T>>,
}

impl<T> Published<T> {
    /// The first version.
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self { generation: AtomicU64::new(0), current: Mutex::new(value.into()) }
    }

    /// Replaces the value.
    pub fn publish(&self, value: impl Into<Arc<T>>) {
        let value = value.into();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, value);
        // Release: who reads the new number reads what led to it.
        self.generation.fetch_add(1, Ordering::Release);
        drop(current);
        // The old value may be the last reference to something large, or run the caller's code.
        drop(before);
    }

    /// The value as it is now. Takes the lock; workers read through a [`Subscriber`].
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A reader for one worker.
    #[must_use]
    pub fn subscribe(self: &Arc<Self>) -> Subscriber<T> {
        let (generation, value) = self.numbered();
        Subscriber { source: Arc::clone(self), generation, value }
    }

    fn numbered(&self) -> (u64, Arc<T>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.generation.load(Ordering::Relaxed), Arc::clone(&current))
    }
}

/// One worker's hold on the latest version of a [`Published`] value.
#[derive(Debug)]
pub struct Subscriber<T> {
    source: Arc<Published<T>>,
    /// INVARIANT: the number of `value`.
    generation: u64,
    value: Arc<T>,
}

impl<T> Clone for Subscriber<T> {
    fn clone(&self) -> Self {
        Self { source: Arc::clone(&self.source), generation: self.generation, value: Arc::clone(&self.value) }
    }
}

impl<T> Subscriber<T> {
    /// The latest value.
    ///
    /// Cost: one load if nothing has changed.
    #[inline]
    pub fn latest(&mut self) -> &Arc<T> {
        self.refresh();
        &self.value
    }

    /// The latest value if it is another than the one seen last.
    ///
    /// Cost: one load if nothing has changed.
    #[inline]
    pub fn changed(&mut self) -> Option<&Arc<T>> {
        self.refresh().then_some(&self.value)
    }

    #[inline]
    fn refresh(&mut self) -> bool {
        let stale = self.source.generation.load(Ordering::Acquire) != self.generation;
        if stale {
            (self.generation, self.value) = self.source.numbered();
        }
        stale
    }
}

#[cfg(test)]
#[path = "tests/publish.rs"]
mod tests;
