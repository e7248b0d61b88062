//! The bridge: Istio and Kubernetes objects in, compiled decisions out. Pure; nothing here knows a socket.
//!
//! [`compile`] never fails as a whole: an object that cannot be used costs itself and is reported, and what depends on
//! it is closed, not open.

mod action;
mod balancing;
mod cluster;
mod compile;
mod connections;
mod context;
mod issue;
mod listener;
mod protection;

pub use action::{Destination, Forward, Retries, Route, RouteAction, RouteSource};
#[cfg(feature = "net")]
pub(crate) use balancing::Algorithm;
pub use balancing::Balancing;
pub use cluster::{
    Cluster, ClusterEndpoint, ClusterIndex, HashSource, Limits, LoadBalancer, ServiceName, Workload,
};
pub use compile::{Compiled, Outbound, compile, connections, outbound};
pub use connections::{
    ConnectionAction, ConnectionDecision, ConnectionListener, Connections, HttpRoutes, Next, TcpDestination,
    TcpForward,
};
pub use context::{Context, ProxyIdentity};
pub use issue::Issue;
pub use listener::{HttpListener, ListenerKey, Role};
pub use protection::{MutualTls, Protection, Unselected};

/// Everything that decides about requests, immutable. Made by [`compile`], replaced as a whole.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) listeners: Vec<HttpListener>,
    pub(crate) gateway: Workload,
    pub(crate) sidecar: Workload,
    pub(crate) gateway_protection: Protection,
    pub(crate) sidecar_protection: Protection,
    pub(crate) access_log: AccessLogSettings,
}

/// What MeshConfig says about access logs (`PROXY-LOG-01`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessLogSettings {
    /// `accessLogFile`; `None` writes no log.
    pub file: Option<String>,
    /// `accessLogFormat`; `None` is Istio's default line.
    pub format: Option<String>,
}

impl Snapshot {
    /// Clusters, in the order of [`ClusterIndex`].
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The cluster at `index`.
    #[must_use]
    pub fn cluster(&self, index: ClusterIndex) -> Option<&Cluster> {
        self.clusters.get(index.get())
    }

    /// Listeners to bind, in a stable order.
    #[must_use]
    pub fn listeners(&self) -> &[HttpListener] {
        &self.listeners
    }

    /// What metrics say about the proxy itself in `role`.
    #[must_use]
    pub fn workload(&self, role: Role) -> &Workload {
        match role {
            Role::Gateway => &self.gateway,
            Role::Sidecar => &self.sidecar,
        }
    }

    /// What protects the workload that the proxy belongs to in `role`.
    #[must_use]
    pub fn protection(&self, role: Role) -> &Protection {
        match role {
            Role::Gateway => &self.gateway_protection,
            Role::Sidecar => &self.sidecar_protection,
        }
    }

    /// MeshConfig's access-log settings.
    #[must_use]
    pub fn access_log(&self) -> &AccessLogSettings {
        &self.access_log
    }
}
