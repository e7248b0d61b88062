//! Connections: which may take a request, when another is opened, and the settings of a DestinationRule.

use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};
use crate::time::Monotonic;

use super::{CircuitBreaker, Limits, Overflow, Permit, Resource, RetryBudget};

/// What the pool of one endpoint has to offer at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "what a decision depends on; a new part must not be forgotten")]
pub struct PoolState {
    /// Its connections that are open or being opened, those that drain left out.
    pub connections: u32,
    /// Whether one of them is [`Ready`](ConnectionState::Ready).
    pub ready: bool,
}

/// What becomes of a request that has its endpoint (LB-CB-24).
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission<'b> {
    /// It goes on the ready connection. Drop the permit when the request has ended, either way.
    Attach {
        /// Counts the request.
        request: Permit<&'b CircuitBreaker>,
    },
    /// It waits for a connection that is to be opened. When the connection is there, drop `pending` and ask for
    /// [`try_request`](CircuitBreaker::try_request); drop `connection` when the connection is closed.
    Connect {
        /// Counts the request while it waits.
        pending: Permit<&'b CircuitBreaker>,
        /// Counts the connection, from now on.
        connection: Permit<&'b CircuitBreaker>,
    },
    /// It waits for a connection there is, since no other may be opened.
    Queue {
        /// Counts the request while it waits.
        pending: Permit<&'b CircuitBreaker>,
    },
}

impl CircuitBreaker {
    /// Decides what becomes of a request, in Envoy's order (LB-CB-24): a ready connection, if the request limit
    /// permits; else the queue, if the pending limit permits (LB-CB-22); and a new connection, if the connection
    /// limit permits or the endpoint has none (LB-CB-23).
    ///
    /// ```
    /// use mesh_lb::{CircuitBreaker, Limits, Monotonic, Admission, PoolState};
    /// let breaker = CircuitBreaker::new(Limits::new().max_connections(0));
    /// let empty = PoolState { connections: 0, ready: false };
    /// // The first connection to an endpoint is allowed over any limit.
    /// assert!(matches!(breaker.place(empty, Monotonic::ZERO), Ok(Admission::Connect { .. })));
    /// let busy = PoolState { connections: 1, ready: false };
    /// assert!(matches!(breaker.place(busy, Monotonic::ZERO), Ok(Admission::Queue { .. })));
    /// ```
    ///
    /// # Errors
    /// At the limit of requests or of pending requests. Reaching the limit of connections is no error, but counted.
    pub fn place(&self, pool: PoolState, now: Monotonic) -> Result<Admission<'_>, Overflow> {
        if pool.ready {
            return Ok(Admission::Attach { request: self.try_request(now)? });
        }
        let pending = self.try_pending()?;
        if pool.connections == 0 {
            return Ok(Admission::Connect { pending, connection: self.first_connection() });
        }
        if self.limits().connections_per_host().is_some_and(|limit| pool.connections >= limit) {
            return Ok(Admission::Queue { pending });
        }
        match Permit::new(self, Resource::Connections, now) {
            Ok(connection) => Ok(Admission::Connect { pending, connection }),
            Err(_) => Ok(Admission::Queue { pending }),
        }
    }
}

/// What one connection may carry, and for how long (LB-CB-25, LB-CB-26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    concurrent: u32,
    requests: Option<u32>,
    idle_timeout: Option<Duration>,
    max_duration: Option<Duration>,
}

/// What a connection can do at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Another request can go on it.
    Ready,
    /// It carries as many requests as it can.
    Busy,
    /// It takes no more requests; close it when those it carries have ended.
    Draining,
    /// It carries none and is to be closed.
    Closing,
}

impl ConnectionLimits {
    /// HTTP/1: one request at a time.
    #[must_use]
    pub const fn http1() -> Self {
        Self { concurrent: 1, requests: None, idle_timeout: None, max_duration: None }
    }

    /// HTTP/2: as many streams at a time as both the setting and the peer allow.
    #[must_use]
    pub fn http2(configured: Option<u32>, of_peer: u32) -> Self {
        Self { concurrent: configured.map_or(of_peer, |configured| configured.min(of_peer)), ..Self::http1() }
    }

    /// Takes over `maxRequestsPerConnection` and the times of the pool.
    #[must_use]
    pub fn of_pool(self, pool: &ConnectionPool) -> Self {
        Self {
            requests: pool.max_requests_per_connection,
            idle_timeout: pool.effective_idle_timeout(),
            max_duration: pool.max_connection_duration,
            ..self
        }
    }

    /// The state of a connection that carries `active` requests, has carried `started` in all (those included), was
    /// opened so long ago and has been without a request for so long.
    #[must_use]
    pub fn state(&self, active: u32, started: u64, age: Duration, idle: Duration) -> ConnectionState {
        let spent = self.requests.is_some_and(|most| started >= u64::from(most));
        let old = self.max_duration.is_some_and(|most| age >= most);
        let unused = active == 0 && self.idle_timeout.is_some_and(|most| idle >= most);
        match (spent || old || unused, active) {
            (true, 0) => ConnectionState::Closing,
            (true, _) => ConnectionState::Draining,
            (false, _) if active < self.concurrent => ConnectionState::Ready,
            (false, _) => ConnectionState::Busy,
        }
    }
}

/// `connectionPool` and `retryBudget` of a DestinationRule, with Istio's defaults. In integer fields 0 means "not set"
/// (LB-CB-01).
///
/// ```
/// use mesh_lb::{ConnectionPool, Resource};
/// let pool = ConnectionPool::new().max_connections(100).http1_max_pending_requests(0);
/// let limits = pool.limits();
/// assert_eq!(limits.get(Resource::Connections), 100);
/// assert_eq!(limits.get(Resource::PendingRequests), u32::MAX);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionPool {
    max_connections: Option<u32>,
    max_pending_requests: Option<u32>,
    max_requests: Option<u32>,
    max_retries: Option<u32>,
    max_requests_per_connection: Option<u32>,
    max_concurrent_streams: Option<u32>,
    connect_timeout: Option<Duration>,
    http_idle_timeout: Option<Duration>,
    tcp_idle_timeout: Option<Duration>,
    max_connection_duration: Option<Duration>,
    retry_budget: Option<RetryBudget>,
}

/// LB-CB-01.
fn set(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

impl ConnectionPool {
    /// Nothing set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `tcp.maxConnections`.
    #[must_use]
    pub fn max_connections(self, value: u32) -> Self {
        Self { max_connections: set(value), ..self }
    }

    /// Sets `http.http1MaxPendingRequests`.
    #[must_use]
    pub fn http1_max_pending_requests(self, value: u32) -> Self {
        Self { max_pending_requests: set(value), ..self }
    }

    /// Sets `http.http2MaxRequests`, which counts requests of all versions.
    #[must_use]
    pub fn http2_max_requests(self, value: u32) -> Self {
        Self { max_requests: set(value), ..self }
    }

    /// Sets `http.maxRetries`.
    #[must_use]
    pub fn max_retries(self, value: u32) -> Self {
        Self { max_retries: set(value), ..self }
    }

    /// Sets `http.maxRequestsPerConnection`.
    #[must_use]
    pub fn max_requests_per_connection(self, value: u32) -> Self {
        Self { max_requests_per_connection: set(value), ..self }
    }

    /// Sets `http.maxConcurrentStreams`.
    #[must_use]
    pub fn max_concurrent_streams(self, value: u32) -> Self {
        Self { max_concurrent_streams: set(value), ..self }
    }

    /// Sets `tcp.connectTimeout`.
    #[must_use]
    pub fn connect_timeout(self, value: Duration) -> Self {
        Self { connect_timeout: Some(value), ..self }
    }

    /// Sets `http.idleTimeout`.
    #[must_use]
    pub fn http_idle_timeout(self, value: Duration) -> Self {
        Self { http_idle_timeout: Some(value), ..self }
    }

    /// Sets `tcp.idleTimeout`, which stands in where `http.idleTimeout` is not set. 0 means never.
    #[must_use]
    pub fn tcp_idle_timeout(self, value: Duration) -> Self {
        Self { tcp_idle_timeout: Some(value), ..self }
    }

    /// Sets `tcp.maxConnectionDuration`.
    #[must_use]
    pub fn max_connection_duration(self, value: Duration) -> Self {
        Self { max_connection_duration: Some(value), ..self }
    }

    /// Sets `retryBudget`, which takes the place of `maxRetries` (LB-CB-08).
    #[must_use]
    pub fn retry_budget(self, budget: RetryBudget) -> Self {
        Self { retry_budget: Some(budget), ..self }
    }

    /// What the control plane checks (LB-CB-07): durations are at least a millisecond, but for `tcp.idleTimeout`, of
    /// which 0 means never.
    ///
    /// # Errors
    /// [`OutOfRange`](BuildErrorKind::OutOfRange), in nanoseconds.
    pub fn check(&self) -> Result<(), BuildError> {
        let tcp_idle = self.tcp_idle_timeout.filter(|timeout| !timeout.is_zero());
        for (field, duration) in [
            ("connectTimeout", self.connect_timeout),
            ("http.idleTimeout", self.http_idle_timeout),
            ("tcp.idleTimeout", tcp_idle),
            ("maxConnectionDuration", self.max_connection_duration),
        ] {
            let found =
                duration.map_or(u64::MAX, |value| u64::try_from(value.as_nanos()).unwrap_or(u64::MAX));
            let (min, max) = (1_000_000, u64::MAX);
            if found < min {
                return Err(BuildErrorKind::OutOfRange { field, min, max, found }.into());
            }
        }
        Ok(())
    }

    /// The limits of the circuit breaker.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let all = u32::MAX;
        let limits = Limits::new()
            .max_connections(self.max_connections.unwrap_or(all))
            .max_pending_requests(self.max_pending_requests.unwrap_or(all))
            .max_requests(self.max_requests.unwrap_or(all))
            .max_retries(self.max_retries.unwrap_or(all));
        match self.retry_budget {
            Some(budget) => limits.retry_budget(budget),
            None => limits,
        }
    }

    /// `http.maxConcurrentStreams`, for [`ConnectionLimits::http2`].
    #[must_use]
    pub fn concurrent_streams(&self) -> Option<u32> {
        self.max_concurrent_streams
    }

    /// How long to wait for a connection: 10 s if nothing is set.
    #[must_use]
    pub fn effective_connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_secs(10))
    }

    /// After how long without a request a pooled connection is closed: an hour if nothing is set, `None` for never.
    #[must_use]
    pub fn effective_idle_timeout(&self) -> Option<Duration> {
        let timeout = self.http_idle_timeout.or(self.tcp_idle_timeout).unwrap_or(Duration::from_hours(1));
        (!timeout.is_zero()).then_some(timeout)
    }
}

#[cfg(test)]
#[path = "../tests/pool.rs"]
mod tests;
