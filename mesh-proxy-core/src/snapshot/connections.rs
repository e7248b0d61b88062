//! What a proxy decides about connections, before any request: listeners, their filter chains, and what follows.

use std::fmt;
use std::sync::Arc;

use mesh_route::{ChainLookup, ChainTable, ClientCertificate, Connection, Listeners, WeightedSplit};

use super::cluster::{Cluster, ClusterIndex};
use super::issue::Issue;

/// The connections that a proxy takes (section 5 of the route reference). Made by
/// [`connections`](super::connections).
///
/// The reference proxy itself serves HTTP only: these are the decisions, for those who ask or who forward themselves.
#[derive(Debug)]
#[non_exhaustive]
pub struct Connections {
    /// Listeners by the address that the client dialled, or that the gateway is bound to. Those of a sidecar have a
    /// fallback, for addresses that no service has; a connection to a gateway that finds none is refused.
    pub listeners: Listeners<ConnectionListener>,
    /// What the chains refer to.
    pub clusters: Vec<Cluster>,
    /// Findings.
    pub issues: Vec<Issue>,
}

/// A listener and its filter chains.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionListener {
    /// `outbound 10.96.0.1:443`, `Gateway default/door`; for people.
    pub name: String,
    /// Which chain takes a connection (ROUTE-L4-02).
    pub chains: ChainTable<ConnectionAction>,
}

/// What a filter chain does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionAction {
    /// Whether TLS ends here, and what is asked of the client then (ROUTE-GW-03).
    pub terminates_tls: Option<ClientCertificate>,
    /// What follows.
    pub then: Next,
}

/// What becomes of the bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Next {
    /// HTTP, with these routes.
    Http(HttpRoutes),
    /// Forwarded as they are.
    Forward(Arc<TcpForward>),
    /// Forwarded to the address that the client dialled (ROUTE-L4-20).
    Passthrough,
    /// Closed (ROUTE-L4-20).
    BlackHole,
}

/// Which table of HTTP routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpRoutes {
    /// That of a service port, shared by its services: by Host (section 1.3).
    Port(u32),
    /// That of one service and port, whatever the Host (ROUTE-APPLY-32).
    Service(String, u32),
    /// That of all plain HTTP servers of a gateway's port (ROUTE-APPLY-45).
    Gateway(u16),
    /// That of one HTTPS server (ROUTE-APPLY-45): the Gateway and the server's place in it.
    Server(String, usize),
}

/// Forwarding of bytes to one of several clusters.
#[derive(Debug)]
#[non_exhaustive]
pub struct TcpForward {
    /// Where to, by weight: one draw a connection (ROUTE-L4-07).
    pub destinations: WeightedSplit<TcpDestination>,
}

/// One destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TcpDestination {
    /// `None` when the cluster does not exist: the connection is closed, flag `NC` (ROUTE-L4-06).
    pub cluster: Option<ClusterIndex>,
    /// The cluster's name, also of one that does not exist.
    pub cluster_name: Arc<str>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub enum ConnectionDecision<'c> {
    /// Nobody listens: it is refused (ROUTE-GW-11).
    Refused,
    /// No filter chain takes it: it is closed (ROUTE-L4-05).
    Closed,
    /// A filter chain takes it.
    Taken {
        /// The chain's name.
        chain: &'c str,
        /// What it does.
        action: &'c ConnectionAction,
    },
}

impl Connections {
    /// What becomes of `connection`: the listener of its destination, then that listener's chain (ROUTE-L4-01 to -05).
    #[must_use]
    pub fn decide(&self, connection: &Connection<'_>) -> ConnectionDecision<'_> {
        let Some(listener) = self.listeners.find(connection.destination()) else {
            return ConnectionDecision::Refused;
        };
        match listener.chains.lookup(connection) {
            ChainLookup::Chain { name, action } | ChainLookup::Default { name, action } => {
                ConnectionDecision::Taken { chain: name, action }
            }
            ChainLookup::Closed => ConnectionDecision::Closed,
        }
    }

    /// The cluster at `index`.
    #[must_use]
    pub fn cluster(&self, index: ClusterIndex) -> Option<&Cluster> {
        self.clusters.get(index.get())
    }
}

impl ConnectionAction {
    pub(super) fn plain(then: Next) -> Self {
        Self { terminates_tls: None, then }
    }
}

impl fmt::Display for HttpRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "{port}"),
            Self::Service(host, port) => write!(f, "{host}:{port}"),
            Self::Gateway(port) => write!(f, "http.{port}"),
            Self::Server(gateway, index) => write!(f, "{gateway} servers[{index}]"),
        }
    }
}
