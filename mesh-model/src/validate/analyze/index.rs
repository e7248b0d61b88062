//! What can be referred to.

use crate::kind::Kind;
use crate::mesh_config::MeshConfig;
use crate::networking::{Gateway, VirtualService};
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::resolve::names::{full_name, service_name};
use std::collections::{BTreeSet, HashMap};

pub(super) const DOMAIN: &str = "cluster.local";

/// A service under one host.
pub(super) struct Service {
    pub(super) ports: BTreeSet<u32>,
    pub(super) visibility: Visibility,
}

/// The subsets defined for one host.
#[derive(Default)]
pub(super) struct Subsets<'o> {
    pub(super) names: BTreeSet<&'o str>,
}

pub(super) struct Index<'o> {
    pub(super) mesh: MeshConfig,
    services: HashMap<String, Vec<Service>>,
    subsets: HashMap<String, Subsets<'o>>,
    gateways: HashMap<(&'o str, &'o str), &'o Gateway>,
    /// The first namespace, in order, that has a Gateway of the name.
    gateway_names: HashMap<&'o str, &'o str>,
    /// Gateways of the Gateway API, which a VirtualService may also name.
    foreign_gateways: BTreeSet<(&'o str, &'o str)>,
    virtual_services: HashMap<(&'o str, &'o str), (&'o Object, &'o VirtualService)>,
}

impl<'o> Index<'o> {
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let mut index = Self {
            mesh: mesh(objects),
            services: HashMap::new(),
            subsets: HashMap::new(),
            gateways: HashMap::new(),
            gateway_names: HashMap::new(),
            foreign_gateways: BTreeSet::new(),
            virtual_services: HashMap::new(),
        };
        for object in objects {
            index.add(object);
        }
        index
    }

    fn add(&mut self, object: &'o Object) {
        let (namespace, name) = (object.metadata.namespace.as_str(), object.metadata.name.as_str());
        match &object.body {
            Body::Service(service) => {
                let host = service_name(name, namespace, DOMAIN).to_ascii_lowercase();
                let ports = service.spec.ports.iter().map(|port| port.port).collect();
                let visibility = Visibility::of(object, &self.mesh);
                self.services.entry(host).or_default().push(Service { ports, visibility });
            }
            Body::ServiceEntry(entry) => {
                for host in &entry.hosts {
                    let ports = entry.ports.iter().map(|port| port.number).collect();
                    let visibility = Visibility::of(object, &self.mesh);
                    let services = self.services.entry(host.to_ascii_lowercase()).or_default();
                    services.push(Service { ports, visibility });
                }
            }
            Body::DestinationRule(rule) => {
                let host = full_name(&rule.host, namespace, DOMAIN).to_ascii_lowercase();
                let subsets = self.subsets.entry(host).or_default();
                subsets.names.extend(rule.subsets.iter().map(|subset| subset.name.as_str()));
            }
            Body::Gateway(gateway) => {
                self.gateways.insert((namespace, name), gateway);
                let first = self.gateway_names.entry(name).or_insert(namespace);
                *first = namespace.min(*first);
            }
            Body::VirtualService(service) => {
                self.virtual_services.insert((namespace, name), (object, service));
            }
            Body::Opaque(_) if object.kind == Kind::Other("Gateway".to_owned()) => {
                self.foreign_gateways.insert((namespace, name));
            }
            _ => {}
        }
    }

    /// False when the services are not among the objects at all.
    pub(super) fn knows_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// The services that `host` means to a rule of `namespace`: those of that name, else of the longest wildcard.
    pub(super) fn services(&self, host: &str, namespace: &str) -> Vec<&Service> {
        let visible = |key: &str| -> Vec<&Service> {
            let all = self.services.get(key).into_iter().flatten();
            all.filter(|service| service.visibility.includes(namespace)).collect()
        };
        let found = visible(host);
        if !found.is_empty() {
            return found;
        }
        covering(host).map(|wide| visible(&wide)).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The subsets of `host`, by any DestinationRule for it or for a wildcard that covers it.
    pub(super) fn subsets(&self, host: &str) -> BTreeSet<&'o str> {
        let rules =
            std::iter::once(host.to_owned()).chain(covering(host)).filter_map(|key| self.subsets.get(&key));
        rules.flat_map(|subsets| subsets.names.iter().copied()).collect()
    }

    pub(super) fn gateway(&self, namespace: &str, name: &str) -> Option<&'o Gateway> {
        self.gateways.get(&(namespace, name)).copied()
    }

    pub(super) fn is_foreign_gateway(&self, namespace: &str, name: &str) -> bool {
        self.foreign_gateways.contains(&(namespace, name))
    }

    /// A namespace that has a Gateway of that name.
    pub(super) fn gateway_named(&self, name: &str) -> Option<&'o str> {
        self.gateway_names.get(name).copied()
    }

    pub(super) fn virtual_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<(&'o Object, &'o VirtualService)> {
        self.virtual_services.get(&(namespace, name)).copied()
    }
}

/// The wildcards that cover `host`, the longest first.
fn covering(host: &str) -> impl Iterator<Item = String> {
    let bare = host.strip_prefix('*').unwrap_or(host);
    // No valid name is longer.
    let bare = if bare.len() > 255 { "" } else { bare };
    bare.char_indices()
        .map(|(at, _)| at)
        .chain([bare.len()])
        .filter_map(move |at| Some(format!("*{}", bare.get(at..)?)))
}

/// The mesh configuration, without what is wrong in it.
fn mesh(objects: &[Object]) -> MeshConfig {
    let text = objects.iter().find_map(|object| {
        let config = object.as_config_map().filter(|_| object.metadata.name == "istio")?;
        config.data.get("mesh")
    });
    text.map_or_else(MeshConfig::default, |text| crate::load::mesh_config(text).0)
}
