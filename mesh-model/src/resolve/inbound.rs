//! Limits of what comes in (MODEL-RES-27).

use super::{Proxy, ResourceSet};
use crate::common::{ConnectionPoolSettings, StringMap};

impl ResourceSet {
    /// Limits of the connections and requests that `server` takes on port `listener` for the service `host` of
    /// `service_namespace` on its port `port`; `None` is no limit.
    ///
    /// The first of: the pool of the Sidecar's ingress listener of that port, the Sidecar's `inboundConnectionPool`,
    /// the DestinationRule's entry for the service port, its top level. Each replaces the others whole. Rules with a
    /// workload selector are for clients and do not count here (MODEL-RES-22).
    pub fn inbound_connection_pool(
        &self,
        server: &Proxy,
        host: &str,
        service_namespace: &str,
        port: u32,
        listener: u32,
    ) -> Option<&ConnectionPoolSettings> {
        let sidecar = self.sidecar_for(server).map(|found| found.spec);
        let own = sidecar.and_then(|sidecar| {
            let of_port = sidecar
                .ingress
                .iter()
                .find(|found| found.port.as_ref().is_some_and(|port| port.number == listener))
                .and_then(|found| found.connection_pool.as_ref());
            of_port.or(sidecar.inbound_connection_pool.as_ref())
        });
        own.or_else(|| {
            let anybody = Proxy { labels: StringMap::new(), ..server.clone() };
            self.destination_rule(&anybody, host, service_namespace)?.policy(port, None).connection_pool
        })
    }
}
