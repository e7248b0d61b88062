//! A cluster: the endpoints of one service port and subset, and how to treat them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::balancing::Balancing;

/// Position of a cluster in [`Snapshot::clusters`](super::Snapshot::clusters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterIndex(pub(crate) u32);

impl ClusterIndex {
    /// The position as a number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// A compiled cluster (`ROUTE-ACT-05`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cluster {
    /// `outbound|<port>|<subset>|<host>` (`ROUTE-ACT-02`).
    pub name: Arc<str>,
    /// The service behind it, for metrics.
    pub service: ServiceName,
    /// Endpoints in configuration order. None means 503 `UH` (`ROUTE-ACT-08`).
    pub endpoints: Vec<ClusterEndpoint>,
    /// How one is chosen.
    pub load_balancer: LoadBalancer,
    /// Time to establish a connection; Istio's default is 10 s (`PROXY` 3.8).
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; Envoy's default is one hour (`PROXY` 3.8).
    pub idle_timeout: Duration,
    /// Requests on one connection before it is closed; 0 means any number (`PROXY-H2UP-05`).
    pub max_requests_per_connection: u32,
    /// Circuit breakers; `None` is unlimited, Istio's default.
    pub limits: Limits,
    /// The load balancer's shared part, built from the above.
    pub balancing: Balancing,
}

impl PartialEq for Cluster {
    /// Whether both were compiled from the same settings and endpoints.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.service == other.service
            && self.endpoints == other.endpoints
            && self.load_balancer == other.load_balancer
            && self.connect_timeout == other.connect_timeout
            && self.idle_timeout == other.idle_timeout
            && self.max_requests_per_connection == other.max_requests_per_connection
            && self.limits == other.limits
    }
}

/// Circuit breaker thresholds of a cluster (`PROXY-OVL-05`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `connectionPool.tcp.maxConnections`
    pub max_connections: Option<u32>,
    /// `connectionPool.http.http2MaxRequests`: active requests.
    pub max_requests: Option<u32>,
    /// `connectionPool.http.maxRetries`
    pub max_retries: Option<u32>,
}

/// The names that metrics give a destination service (`PROXY-MET-01`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServiceName {
    /// `reviews.default.svc.cluster.local`
    pub host: String,
    /// `reviews`
    pub name: String,
    /// `default`
    pub namespace: String,
}

/// One endpoint of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterEndpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// Relative share; at least 1.
    pub weight: u32,
    /// `region/zone/sub-zone`, possibly empty.
    pub locality: String,
    /// Who runs there, for metrics.
    pub workload: Workload,
}

/// What metrics say about a workload (`PROXY-MET-03`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Workload {
    /// Workload name, as the owner's name or the pod's.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Label `app`.
    pub app: String,
    /// Label `version`.
    pub version: String,
    /// `service.istio.io/canonical-name`, else `app.kubernetes.io/name`, else `app`, else the workload's name.
    pub canonical_service: String,
    /// `service.istio.io/canonical-revision`, else `app.kubernetes.io/version`, else `version`, else `latest`.
    pub canonical_revision: String,
}

/// The algorithm of a DestinationRule's `loadBalancer`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LoadBalancer {
    /// `ROUND_ROBIN`
    RoundRobin,
    /// `LEAST_REQUEST`, Istio's default.
    LeastRequest,
    /// `RANDOM`
    Random,
    /// `consistentHash` with `ringHash`; the number is `minimumRingSize`.
    RingHash(HashSource, u64),
    /// `consistentHash` with `maglev`; the number is `tableSize`.
    Maglev(HashSource, u64),
}

/// What a consistent hash is taken of (spec lb, 2.12).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashSource {
    /// `httpHeaderName`
    Header(String),
    /// `httpCookie`; a missing cookie is generated when a time to live is given.
    Cookie {
        /// Cookie name.
        name: String,
        /// Cookie path.
        path: String,
        /// Life of a generated cookie; `None` means that none is generated, zero a session cookie.
        ttl: Option<Duration>,
    },
    /// `useSourceIp`
    SourceIp,
    /// `httpQueryParameterName`
    QueryParameter(String),
}
