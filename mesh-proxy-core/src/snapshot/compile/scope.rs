//! From where a rule is looked at: which proxy, which listener, which services it sees.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mesh_model::common::PortSelector;
use mesh_model::resolve::{Proxy, ResourceSet, Service, ServiceResolution};

/// The services of an egress listener by host name.
pub(super) type Imported<'a> = BTreeMap<&'a str, &'a Service>;

/// The point of view of one listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) set: &'a ResourceSet,
    pub(super) proxy: &'a Proxy,
    /// Service port of the listener, or the number of the Gateway's server (ROUTE-APPLY-49).
    pub(super) port: u32,
    /// Namespace and name of the Gateway through which a rule is reached; `None` is the mesh.
    pub(super) gateway: Option<(&'a str, &'a str)>,
    /// What a sidecar imports; a gateway sees every visible service.
    pub(super) imported: Option<&'a Imported<'a>>,
}

/// A destination by the name of its cluster (ROUTE-ACT-02).
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) host: Cow<'a, str>,
    pub(super) port: u32,
    pub(super) service: Option<&'a Service>,
}

/// ExternalName services may point at one another; a circle ends here.
const MAX_ALIASES: usize = 8;

impl<'a> Scope<'a> {
    /// What the destination `host`, a full name, and `port` mean.
    pub(super) fn target(&self, host: Cow<'a, str>, port: Option<PortSelector>) -> Target<'a> {
        let (alias, service) = self.service(&host);
        let host = alias.map_or(host, Cow::Borrowed);
        let port = match (port, service.map(|service| service.ports.as_slice())) {
            (Some(port), _) => port.number,
            // On a sidecar the lookup sees the service trimmed to the listener's port (ROUTE-ACT-04).
            (None, Some([only])) if self.gateway.is_some() => only.number,
            (None, _) => self.port,
        };
        Target { host, port, service }
    }

    /// The service of that full name, and if the name is an alias the name it stands for (ROUTE-APPLY-31).
    fn service(&self, host: &str) -> (Option<&'a str>, Option<&'a Service>) {
        let (mut alias, mut found) = (None, self.named(host));
        for _ in 0..MAX_ALIASES {
            match found.map(|service| &service.resolution) {
                Some(ServiceResolution::Alias(target)) => {
                    alias = Some(target.as_str());
                    found = self.named(target);
                }
                _ => return (alias, found),
            }
        }
        (alias, None)
    }

    /// An imported service, else one that is only visible: a destination need not be imported (ROUTE-APPLY-18).
    fn named(&self, host: &str) -> Option<&'a Service> {
        // Names are registered in lower case, and destinations are not folded (ROUTE-ACT-04).
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let imported = self.imported.and_then(|imported| imported.get(host).copied());
        imported.or_else(|| self.set.service_for(host, &self.proxy.namespace))
    }
}
