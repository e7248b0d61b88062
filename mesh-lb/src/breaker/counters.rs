//! The counts, and the permits that keep them right.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::time::Monotonic;

use super::budget::RecentRequests;
use super::{Limits, Resource};

/// The circuit breaker of one cluster, shared by all workers of the proxy.
///
/// Each `try_` method admits or refuses one thing. What is admitted is counted until its [`Permit`] is dropped,
/// on whatever path: end, error, cancellation or panic (LB-CB-28). Admission is one atomic exchange and never
/// exceeds the limit, where the peer may by a few (LB-CB-21).
///
/// The `try_` methods give permits that borrow the breaker. For one that can be sent away see [`Permit::new`].
///
/// Cheap to clone; clones share the counts. All operations are lock-free, without ordering between counters, of
/// which each has a cache line of its own.
///
/// The order for an HTTP request (LB-CB-22, LB-CB-24): a free stream on a ready connection → [`try_request`]; else
/// [`try_pending`], then [`try_connection`] or [`first_connection`], and [`try_request`] when attached.
///
/// [`try_request`]: Self::try_request
/// [`try_pending`]: Self::try_pending
/// [`try_connection`]: Self::try_connection
/// [`first_connection`]: Self::first_connection
///
/// ```
/// use mesh_lb::{CircuitBreaker, Limits, Monotonic, Resource};
/// let breaker = CircuitBreaker::new(Limits::new().max_requests(1));
/// let first = breaker.try_request(Monotonic::ZERO)?;
/// let refused = breaker.try_request(Monotonic::ZERO).err().ok_or("admitted")?;
/// assert_eq!(refused.resource(), Resource::Requests);
/// drop(first);
/// assert!(breaker.try_request(Monotonic::ZERO).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    limits: Limits,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: Gauge,
    pending_requests: Gauge,
    requests: Gauge,
    retries: Gauge,
    recent: RecentRequests,
}

/// 128 bytes: two cache lines, since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Gauge {
    current: AtomicU32,
    overflows: AtomicU64,
}

impl Counts {
    fn gauge(&self, resource: Resource) -> &Gauge {
        match resource {
            Resource::Connections => &self.connections,
            Resource::PendingRequests => &self.pending_requests,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }
}

impl CircuitBreaker {
    /// A breaker with nothing open.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, counts: Arc::default() }
    }

    /// The same breaker under other limits; what is open stays counted.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, counts: Arc::clone(&self.counts) }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Admits a connection to an endpoint that has others (LB-CB-23).
    ///
    /// # Errors
    /// At the limit. The request then stays in the queue; Envoy counts `upstream_cx_overflow`.
    #[inline]
    pub fn try_connection(&self) -> Result<Permit<&Self>, Overflow> {
        Permit::new(self, Resource::Connections, Monotonic::ZERO)
    }

    /// Counts a connection to an endpoint that has none, which is allowed over any limit (LB-CB-23).
    #[inline]
    pub fn first_connection(&self) -> Permit<&Self> {
        Permit::first_connection(self)
    }

    /// Admits a request to the queue for a connection, even if one is opened for it at once (LB-CB-22).
    ///
    /// # Errors
    /// At the limit. The request then fails with 503 and flag UO; Envoy counts `upstream_rq_pending_overflow`.
    #[inline]
    pub fn try_pending(&self) -> Result<Permit<&Self>, Overflow> {
        Permit::new(self, Resource::PendingRequests, Monotonic::ZERO)
    }

    /// Admits a request to a connection. `now` is used only for a retry budget with an interval.
    ///
    /// # Errors
    /// At the limit. The request then fails with 503 and flag UO; Envoy counts `upstream_rq_active_overflow`.
    #[inline]
    pub fn try_request(&self, now: Monotonic) -> Result<Permit<&Self>, Overflow> {
        Permit::new(self, Resource::Requests, now)
    }

    /// Admits a retry, from the decision to retry to the end of the attempt (LB-RET-01, LB-RET-02).
    ///
    /// # Errors
    /// At the limit or over the budget. The failed response is then passed on with flag UO; Envoy counts
    /// `upstream_rq_retry_overflow`.
    #[inline]
    pub fn try_retry(&self, now: Monotonic) -> Result<Permit<&Self>, Overflow> {
        Permit::new(self, Resource::Retries, now)
    }

    /// How many retries may run at a time at this moment.
    #[must_use]
    pub fn retry_limit(&self, now: Monotonic) -> u32 {
        let Some(budget) = self.limits.budget() else { return self.limits.get(Resource::Retries) };
        let base = match budget.interval() {
            Some(interval) => self.counts.recent.count(now, interval),
            None => {
                u64::from(self.current(Resource::Requests))
                    + u64::from(self.current(Resource::PendingRequests))
            }
        };
        budget.allowed(base)
    }

    /// How many are open now.
    #[must_use]
    pub fn current(&self, resource: Resource) -> u32 {
        self.counts.gauge(resource).current.load(Ordering::Relaxed)
    }

    /// Whether the limit is reached: Envoy's gauges `cx_open`, `rq_pending_open`, `rq_open` and `rq_retry_open`
    /// (LB-CB-42). For retries under a budget it is the budget of `now`.
    #[must_use]
    pub fn is_open(&self, resource: Resource, now: Monotonic) -> bool {
        let limit = match resource {
            Resource::Retries => self.retry_limit(now),
            _ => self.limits.get(resource),
        };
        self.current(resource) >= limit
    }

    /// How many were refused since the breaker was made.
    #[must_use]
    pub fn overflows(&self, resource: Resource) -> u64 {
        self.counts.gauge(resource).overflows.load(Ordering::Relaxed)
    }

    #[inline]
    fn admit(&self, resource: Resource, now: Monotonic) -> Result<(), Overflow> {
        let limit = match resource {
            Resource::Retries => self.retry_limit(now),
            _ => self.limits.get(resource),
        };
        let current = &self.counts.gauge(resource).current;
        if limit == u32::MAX {
            // Not limited, which is Istio's default: nothing to compare with (LB-DES-16).
            current.fetch_add(1, Ordering::Relaxed);
        } else {
            // One exchange tests and counts, so the limit holds for any number of workers.
            let below = |current: u32| (current < limit).then(|| current + 1);
            if current.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_err() {
                return Err(self.overflow(resource, limit));
            }
        }
        if resource == Resource::Requests
            && let Some(interval) = self.limits.budget().and_then(super::RetryBudget::interval)
        {
            self.counts.recent.record(now, interval);
        }
        Ok(())
    }

    #[cold]
    fn overflow(&self, resource: Resource, limit: u32) -> Overflow {
        self.counts.gauge(resource).overflows.fetch_add(1, Ordering::Relaxed);
        Overflow { resource, limit }
    }
}

/// Something admitted and counted; dropping it, for whatever reason, ends the count (LB-CB-28).
///
/// `B` is how the permit holds the breaker: a reference where the request lives no longer than it does, an
/// `Rc<CircuitBreaker>` on a worker of one thread, a `CircuitBreaker` (which is cheap to clone) for a permit that
/// changes threads. Only with the last does a permit cost two more atomic operations.
#[derive(Debug)]
#[must_use = "what was admitted counts as ended when the permit is dropped"]
pub struct Permit<B: Borrow<CircuitBreaker> = CircuitBreaker> {
    breaker: B,
    resource: Resource,
}

impl<B: Borrow<CircuitBreaker>> Permit<B> {
    /// Admits one of `resource`. `now` is used only for retries and requests, and only if there is a retry budget
    /// with an interval.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use mesh_lb::{CircuitBreaker, Limits, Monotonic, Overflow, Permit, Resource};
    /// fn begin(breaker: &Rc<CircuitBreaker>, now: Monotonic) -> Result<Permit<Rc<CircuitBreaker>>, Overflow> {
    ///     Permit::new(Rc::clone(breaker), Resource::Requests, now) // outlives the borrow
    /// }
    /// # assert!(begin(&Rc::new(CircuitBreaker::new(Limits::new())), Monotonic::ZERO).is_ok());
    /// ```
    ///
    /// # Errors
    /// At the limit, or over the retry budget.
    #[inline]
    pub fn new(breaker: B, resource: Resource, now: Monotonic) -> Result<Self, Overflow> {
        breaker.borrow().admit(resource, now)?;
        Ok(Self { breaker, resource })
    }

    /// Counts a connection to an endpoint that has none, which is allowed over any limit (LB-CB-23).
    #[inline]
    pub fn first_connection(breaker: B) -> Self {
        let resource = Resource::Connections;
        breaker.borrow().counts.gauge(resource).current.fetch_add(1, Ordering::Relaxed);
        Self { breaker, resource }
    }

    /// What was admitted.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl<B: Borrow<CircuitBreaker>> Drop for Permit<B> {
    #[inline]
    fn drop(&mut self) {
        self.breaker.borrow().counts.gauge(self.resource).current.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A limit was reached. Never retried and never held against the endpoint (LB-CB-40, LB-CB-41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    resource: Resource,
    limit: u32,
}

impl Overflow {
    /// What there is too much of.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit breaker: the limit of {} {} is reached", self.limit, self.resource)
    }
}

impl std::error::Error for Overflow {}

#[cfg(test)]
#[path = "../tests/breaker.rs"]
mod tests;
