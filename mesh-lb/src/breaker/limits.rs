//! What is limited, and to how much.

use std::fmt;

use super::RetryBudget;

/// What a circuit breaker counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the four thresholds of Envoy's circuit breakers")]
pub enum Resource {
    /// Connections started and not closed.
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    /// Requests attached to a connection.
    Requests,
    /// Retries decided and not ended.
    Retries,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections",
            Self::PendingRequests => "pending requests",
            Self::Requests => "requests",
            Self::Retries => "retries",
        })
    }
}

/// The limits of one cluster in one proxy (LB-CB-03). The default is Istio's: all 4,294,967,295, no retry budget.
///
/// | method | DestinationRule field | Envoy's own default |
/// |---|---|---|
/// | [`max_connections`](Self::max_connections) | `tcp.maxConnections` | 1024 |
/// | [`max_pending_requests`](Self::max_pending_requests) | `http.http1MaxPendingRequests` | 1024 |
/// | [`max_requests`](Self::max_requests) | `http.http2MaxRequests` | 1024 |
/// | [`max_retries`](Self::max_retries) | `http.maxRetries` | 3 |
/// | [`retry_budget`](Self::retry_budget) | `retryBudget` | none |
///
/// A value of 0 limits to 0 here. In a DestinationRule 0 means "not set" (LB-CB-01);
/// [`ConnectionPool`](crate::ConnectionPool) reads its fields so.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    connections: u32,
    pending_requests: u32,
    requests: u32,
    retries: u32,
    connections_per_host: Option<u32>,
    budget: Option<RetryBudget>,
}

impl Default for Limits {
    fn default() -> Self {
        let all = u32::MAX;
        Self {
            connections: all,
            pending_requests: all,
            requests: all,
            retries: all,
            connections_per_host: None,
            budget: None,
        }
    }
}

impl Limits {
    /// No limits, as under Istio.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Envoy's own defaults, which under Istio are in force for requests of high priority (LB-CB-03).
    #[must_use]
    pub fn envoy() -> Self {
        Self::default().max_connections(1_024).max_pending_requests(1_024).max_requests(1_024).max_retries(3)
    }

    /// Sets the most connections to one endpoint. Envoy's `per_host_thresholds`; no Istio field leads here (LB-CB-27).
    #[must_use]
    pub fn max_connections_per_host(self, limit: u32) -> Self {
        Self { connections_per_host: Some(limit), ..self }
    }

    /// Sets the most connections.
    #[must_use]
    pub fn max_connections(self, limit: u32) -> Self {
        Self { connections: limit, ..self }
    }

    /// Sets the most requests waiting for a connection.
    #[must_use]
    pub fn max_pending_requests(self, limit: u32) -> Self {
        Self { pending_requests: limit, ..self }
    }

    /// Sets the most requests on connections, whatever the HTTP version.
    #[must_use]
    pub fn max_requests(self, limit: u32) -> Self {
        Self { requests: limit, ..self }
    }

    /// Sets the most retries at a time.
    #[must_use]
    pub fn max_retries(self, limit: u32) -> Self {
        Self { retries: limit, ..self }
    }

    /// Limits retries to a share of the requests; `max_retries` is then ignored (LB-CB-08).
    #[must_use]
    pub fn retry_budget(self, budget: RetryBudget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// The limit of a resource. With a retry budget that of [`Resource::Retries`] is not in force.
    #[must_use]
    pub fn get(&self, resource: Resource) -> u32 {
        match resource {
            Resource::Connections => self.connections,
            Resource::PendingRequests => self.pending_requests,
            Resource::Requests => self.requests,
            Resource::Retries => self.retries,
        }
    }

    pub(super) fn connections_per_host(&self) -> Option<u32> {
        self.connections_per_host
    }

    pub(super) fn budget(&self) -> Option<&RetryBudget> {
        self.budget.as_ref()
    }
}
