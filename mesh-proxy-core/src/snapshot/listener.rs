//! A listener: an address, what to do with requests that arrive there, and who may send them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mesh_authz::jwt::JwtAuthentication;
use mesh_authz::{ForwardedFor, PolicySet};
use mesh_route::{PathNormalization, RouteTable};

use super::action::Route;

/// The part that the proxy plays on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A gateway: clients are outside the mesh and not trusted.
    Gateway,
    /// The outbound side of a sidecar: clients are the workload itself.
    Sidecar,
}

/// What identifies a listener across snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ListenerKey {
    /// The address to bind.
    pub ip: IpAddr,
    /// The port to bind.
    pub port: u16,
}

impl ListenerKey {
    /// The address and port as one.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)
    }
}

/// An HTTP listener.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpListener {
    /// Where it listens.
    pub key: ListenerKey,
    /// Gateway or sidecar.
    pub role: Role,
    /// The Gateway servers or Sidecar egress listener that it comes from, for people.
    pub name: String,
    /// Virtual hosts and their routes. Action and rule name of a request come from here.
    pub routes: RouteTable<Route>,
    /// How tokens are verified before policies are asked, if they are.
    pub tokens: Option<Arc<JwtAuthentication>>,
    /// AuthorizationPolicies in force; empty allows.
    pub policies: Arc<PolicySet>,
    /// Where policies find the client's address (AUTHZ-XFF-02).
    pub client_address: ForwardedFor,
    /// How paths are normalised before anything looks at them (`PROXY-PATH-01`).
    pub path_normalization: PathNormalization,
}
