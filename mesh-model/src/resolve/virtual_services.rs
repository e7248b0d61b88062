//! Which VirtualServices apply to a proxy, in which order (MODEL-RES-13, ROUTE-APPLY-01 to 17).

use super::names::{self, GatewayReference, gateway_reference};
use super::{Egress, Proxy, Resource, ResourceSet};
use crate::networking::VirtualService;
use std::collections::{HashMap, HashSet};

impl ResourceSet {
    /// All VirtualServices that `namespace` sees, in three runs: private ones of the namespace, those that name it,
    /// public ones; each run oldest first (ROUTE-APPLY-05 to 11).
    ///
    /// Delegates are among them; they have no hosts.
    pub fn virtual_services(&self, namespace: &str) -> Vec<Resource<'_, VirtualService>> {
        let mut runs: [Vec<Resource<'_, VirtualService>>; 3] = Default::default();
        let [private, named, public] = &mut runs;
        for found in self.all::<VirtualService>() {
            let visibility = self.visibility(found.object);
            if visibility == super::Visibility::Public {
                public.push(found);
            } else if found.namespace() == namespace && visibility.is_only(namespace) {
                private.push(found);
            } else if visibility.includes(namespace) {
                named.push(found);
            }
        }
        runs.concat()
    }

    /// The VirtualServices a sidecar uses for one egress listener, in order of precedence: bound to `mesh`, visible,
    /// imported by the listener, and with hosts (ROUTE-APPLY-01, ROUTE-APPLY-14 to 16).
    ///
    /// For one host the first of them counts; on sidecars nothing is merged (MODEL-RES-14).
    pub fn mesh_virtual_services(&self, proxy: &Proxy, egress: &Egress) -> Vec<Resource<'_, VirtualService>> {
        self.virtual_services(&proxy.namespace)
            .into_iter()
            .filter(|found| {
                found.gateways.is_empty() || found.gateways.iter().any(|gateway| gateway == "mesh")
            })
            .filter(|found| {
                found.hosts.iter().any(|host| {
                    let host = self.full_name(host, found.namespace());
                    egress.imports_virtual_service_host(found.namespace(), &host)
                })
            })
            .collect()
    }

    /// The VirtualServices that a gateway proxy in `proxy_namespace` merges onto the Gateway `namespace/name`, in
    /// order: visible from the proxy's namespace, with hosts, naming the Gateway at top level (ROUTE-APPLY-04, 07).
    pub fn gateway_virtual_services(
        &self,
        proxy_namespace: &str,
        namespace: &str,
        name: &str,
    ) -> Vec<Resource<'_, VirtualService>> {
        self.virtual_services(proxy_namespace)
            .into_iter()
            .filter(|found| {
                !found.hosts.is_empty() && refers_to(&found.gateways, found.namespace(), namespace, name)
            })
            .collect()
    }

    /// The answers of [`ResourceSet::gateway_virtual_services`] for all Gateways that a VirtualService names, by the
    /// Gateway's namespace and name.
    pub fn virtual_services_by_gateway(
        &self,
        proxy_namespace: &str,
    ) -> HashMap<(String, String), Vec<Resource<'_, VirtualService>>> {
        let mut out: HashMap<_, Vec<Resource<'_, VirtualService>>> = HashMap::new();
        for found in self.virtual_services(proxy_namespace) {
            if found.hosts.is_empty() {
                continue;
            }
            let references = found.gateways.iter().map(|text| gateway_reference(text, found.namespace()));
            // A Gateway may be named twice, in different ways.
            for reference in references.collect::<HashSet<_>>() {
                if let GatewayReference::Gateway { namespace, name } = reference {
                    out.entry((namespace, name)).or_default().push(found);
                }
            }
        }
        out
    }

    /// The full names of a VirtualService's hosts (MODEL-RES-1).
    pub fn virtual_service_hosts(&self, found: Resource<'_, VirtualService>) -> Vec<String> {
        found.hosts.iter().map(|host| self.full_name(host, found.namespace()).into_owned()).collect()
    }
}

/// True when `gateways`, written in a rule of `rule_namespace`, names the Gateway `namespace/name`.
pub(super) fn refers_to(gateways: &[String], rule_namespace: &str, namespace: &str, name: &str) -> bool {
    gateways.iter().any(|text| match gateway_reference(text, rule_namespace) {
        GatewayReference::Mesh => false,
        GatewayReference::Gateway { namespace: ns, name: n } => ns == namespace && n == name,
    })
}

/// True when a match entry of a rule in `rule_namespace` can apply to `proxy`, reached through `gateway` (`None` is
/// the mesh): the parts of a match that depend on the client and not on the request (MODEL-RES-16).
///
/// With `gateways` in the entry, HTTP looks at nothing else; TLS and TCP ask for everything (`http` false).
pub fn entry_applies(
    entry: &ClientMatch<'_>,
    http: bool,
    rule_namespace: &str,
    proxy: &Proxy,
    gateway: Option<(&str, &str)>,
) -> bool {
    let by_gateway = entry.gateways.is_empty()
        || match gateway {
            None => entry.gateways.iter().any(|text| text == "mesh"),
            Some((namespace, name)) => refers_to(entry.gateways, rule_namespace, namespace, name),
        };
    if http && !entry.gateways.is_empty() {
        return by_gateway;
    }
    by_gateway
        && super::selects(entry.source_labels, &proxy.labels)
        && (entry.source_namespace.is_empty() || entry.source_namespace == proxy.namespace)
}

/// The fields of a match entry that are decided by the client.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientMatch<'m> {
    /// `gateways`.
    pub gateways: &'m [String],
    /// `sourceLabels`.
    pub source_labels: &'m crate::common::StringMap,
    /// `sourceNamespace`.
    pub source_namespace: &'m str,
}

macro_rules! client_match {
    ($($ty:ident),*) => {$(
        impl<'m> From<&'m crate::networking::virtual_service::$ty> for ClientMatch<'m> {
            fn from(entry: &'m crate::networking::virtual_service::$ty) -> Self {
                Self {
                    gateways: &entry.gateways,
                    source_labels: &entry.source_labels,
                    source_namespace: &entry.source_namespace,
                }
            }
        }
    )*};
}

client_match!(HttpMatchRequest, TlsMatchAttributes, L4MatchAttributes);

/// Of the hosts of a VirtualService in `namespace`, those that a server with `server_hosts` of a Gateway in
/// `gateway_namespace` serves: the narrower name of each pair (ROUTE-APPLY-38 to 40, MODEL-RES-5).
///
/// Empty when the VirtualService does not apply to the server.
pub fn hosts_on_server(
    server_hosts: &[String],
    gateway_namespace: &str,
    hosts: &[String],
    namespace: &str,
) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let offered = super::gateways::server_hosts(server_hosts, gateway_namespace);
    for offer in offered.iter().filter(|offer| offer.admits(namespace)) {
        for host in hosts {
            let kept = if names::is_subset_of(&offer.host, host) {
                offer.host.as_str()
            } else if names::is_subset_of(host, &offer.host) {
                host
            } else {
                continue;
            };
            let kept = kept.to_ascii_lowercase();
            if !out.contains(&kept) {
                out.push(kept);
            }
        }
    }
    out
}
