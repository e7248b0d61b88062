//! Sidecars: which applies, and what it imports (ROUTE-APPLY-12 to 17, MODEL-RES-33, MODEL-RES-34).

use super::{Proxy, Resource, ResourceSet, Service, names, selects};
use crate::common::WorkloadSelector;
use crate::networking::Sidecar;
use crate::networking::sidecar::OutboundTrafficPolicyMode;

/// One egress listener: the hosts it imports, by namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Egress {
    /// Index in the Sidecar; `None` for the implicit listener of `*/*`.
    pub listener: Option<usize>,
    /// Port of the listener; `None` is every other port.
    pub port: Option<u32>,
    imports: Vec<(String, String)>,
    exclusions: Vec<(String, String)>,
}

impl Egress {
    /// The implicit listener: everything visible.
    pub fn everything() -> Self {
        Self {
            listener: None,
            port: None,
            imports: vec![("*".to_owned(), "*".to_owned())],
            exclusions: Vec::new(),
        }
    }

    fn read(listener: usize, port: Option<u32>, hosts: &[String], own: &str) -> Self {
        let mut out = Self { listener: Some(listener), port, imports: Vec::new(), exclusions: Vec::new() };
        for entry in hosts {
            // Entries without exactly one `/` are ignored (ROUTE-APPLY-13).
            let Some((namespace, host)) = entry.split_once('/').filter(|(_, host)| !host.contains('/'))
            else {
                continue;
            };
            let (list, namespace) = match namespace.strip_prefix('~') {
                Some("") if host == "*" => continue, // `~/*` imports nothing
                Some("") => (&mut out.exclusions, "*"),
                Some(rest) => (&mut out.exclusions, rest),
                None => (&mut out.imports, namespace),
            };
            let namespace = if namespace == "." { own } else { namespace };
            list.push((namespace.to_owned(), host.to_owned()));
        }
        out
    }

    fn any(list: &[(String, String)], namespace: &str, test: impl Fn(&str) -> bool) -> bool {
        list.iter().any(|(ns, host)| (ns == "*" || ns == namespace) && test(host))
    }

    /// True when a VirtualService of `namespace` is imported by its host `host` (ROUTE-APPLY-14, 15).
    pub fn imports_virtual_service_host(&self, namespace: &str, host: &str) -> bool {
        Self::any(&self.imports, namespace, |import| names::overlaps(import, host))
            && !Self::any(&self.exclusions, namespace, |excluded| names::is_subset_of(host, excluded))
    }

    /// True when the service `host` of `namespace` is imported.
    pub fn imports_service(&self, namespace: &str, host: &str) -> bool {
        Self::any(&self.imports, namespace, |import| names::is_subset_of(host, import))
            && !Self::any(&self.exclusions, namespace, |excluded| names::is_subset_of(host, excluded))
    }
}

impl ResourceSet {
    /// The Sidecar of a proxy: with a selector that fits, else without selector, in its namespace; else the one
    /// without selector in the root namespace; of several the oldest. Gateways have none.
    pub fn sidecar_for(&self, proxy: &Proxy) -> Option<Resource<'_, Sidecar>> {
        if proxy.gateway {
            return None;
        }
        let own = || self.all::<Sidecar>().filter(|found| found.namespace() == proxy.namespace);
        own()
            .find(|found| selector_of(found).is_some_and(|selector| selects(&selector.labels, &proxy.labels)))
            .or_else(|| own().find(|found| selector_of(found).is_none()))
            .or_else(|| {
                self.all::<Sidecar>().find(|found| {
                    found.namespace() == self.mesh().root_namespace() && selector_of(found).is_none()
                })
            })
    }

    /// The egress listeners of a proxy; one that imports everything when no Sidecar says otherwise.
    ///
    /// `.` is the proxy's own namespace, also in a Sidecar of the root namespace.
    pub fn egress(&self, proxy: &Proxy) -> Vec<Egress> {
        match self.sidecar_for(proxy) {
            Some(sidecar) if !sidecar.egress.is_empty() => sidecar
                .egress
                .iter()
                .enumerate()
                .map(|(index, listener)| {
                    let port = listener.port.as_ref().map(|port| port.number);
                    Egress::read(index, port, &listener.hosts, &proxy.namespace)
                })
                .collect(),
            _ => vec![Egress::everything()],
        }
    }

    /// The listener for a port: the one of that port, else the first without a port (ROUTE-APPLY-17).
    pub fn egress_for_port<'e>(&self, listeners: &'e [Egress], port: u32) -> Option<&'e Egress> {
        let for_port = listeners.iter().find(|listener| listener.port == Some(port));
        for_port.or_else(|| listeners.iter().find(|listener| listener.port.is_none()))
    }

    /// What the proxy does with traffic for unknown destinations: the Sidecar's word, else the mesh's.
    pub fn outbound_mode(&self, proxy: &Proxy) -> OutboundTrafficPolicyMode {
        self.sidecar_for(proxy)
            .and_then(|sidecar| sidecar.spec.outbound_traffic_policy.as_ref().map(|policy| policy.mode))
            .unwrap_or_else(|| self.mesh().outbound_mode())
    }

    /// The services a listener offers to a proxy: visible and imported. Of one name in several namespaces only the
    /// first by [`ResourceSet::service_for`] is offered (MODEL-RES-33).
    pub fn imported_services(&self, proxy: &Proxy, egress: &Egress) -> Vec<&Service> {
        let mut best: std::collections::HashMap<&str, &Service> = std::collections::HashMap::new();
        let mut order = Vec::new();
        for service in self.services() {
            if !service.visibility.includes(&proxy.namespace)
                || !egress.imports_service(&service.namespace, &service.hostname)
            {
                continue;
            }
            match best.get(service.hostname.as_str()) {
                None => order.push(service.hostname.as_str()),
                Some(present) if service.precedes(present, &proxy.namespace) => {}
                Some(_) => continue,
            }
            best.insert(&service.hostname, service);
        }
        order.into_iter().filter_map(|host| best.get(host).copied()).collect()
    }
}

/// The selector, unless it selects everything.
fn selector_of<'a>(found: &Resource<'a, Sidecar>) -> Option<&'a WorkloadSelector> {
    found.spec.workload_selector.as_ref().filter(|selector| !selector.labels.is_empty())
}
