//! Gateways: which a proxy serves, and for whom (ROUTE-APPLY-03, ROUTE-APPLY-38).

use super::{Proxy, Resource, ResourceSet, selects};
use crate::networking::Gateway;

/// An entry of a server's `hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ServerHost {
    /// Namespace whose VirtualServices may use it; `None` is any.
    pub namespace: Option<String>,
    /// The host, possibly a wildcard.
    pub host: String,
}

impl ServerHost {
    /// True when VirtualServices of `namespace` may use this host.
    pub fn admits(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|only| only == namespace)
    }
}

/// Reads a server's `hosts`: `h` and `*/h` are anybody's, `./h` the Gateway's own namespace's (MODEL-RES-5).
pub fn server_hosts(hosts: &[String], gateway_namespace: &str) -> Vec<ServerHost> {
    hosts
        .iter()
        .map(|entry| match entry.split_once('/') {
            None => ServerHost { namespace: None, host: entry.clone() },
            Some(("*", host)) => ServerHost { namespace: None, host: host.to_owned() },
            Some((".", host)) => {
                ServerHost { namespace: Some(gateway_namespace.to_owned()), host: host.to_owned() }
            }
            Some((namespace, host)) => {
                ServerHost { namespace: Some(namespace.to_owned()), host: host.to_owned() }
            }
        })
        .collect()
}

impl ResourceSet {
    /// The Gateways whose selector selects a proxy, in any namespace, oldest first; a Gateway without selector
    /// applies to every gateway proxy.
    pub fn gateways_for(&self, proxy: &Proxy) -> Vec<Resource<'_, Gateway>> {
        if !proxy.gateway {
            return Vec::new();
        }
        self.all::<Gateway>().filter(|found| selects(&found.selector, &proxy.labels)).collect()
    }
}
