//! What can be referred to.

use super::by_host::ByHost;
use super::clients::Clients;
use super::topology::Nodes;
use super::workloads::Workloads;
use crate::common::Protocol;
use crate::kind::Kind;
use crate::mesh_config::MeshConfig;
use crate::networking::{Gateway, VirtualService};
use crate::object::{Body, Object};
use crate::resolve::Visibility;
use crate::resolve::names::{full_name, service_name};
use crate::validate::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A service under one host.
pub(super) struct Service<'o> {
    /// The Service or ServiceEntry.
    pub(super) object: &'o Object,
    pub(super) ports: Vec<(u32, Protocol)>,
    pub(super) visibility: Visibility,
}

impl Service<'_> {
    pub(super) fn is_kubernetes(&self) -> bool {
        self.object.kind == Kind::Service
    }
}

/// The DestinationRules that define one subset of one host.
struct Definers<'o> {
    first: &'o Object,
    public: bool,
    /// The namespaces that see some of them.
    namespaces: HashSet<String>,
}

impl Definers<'_> {
    fn seen_by(&self, clients: Option<&Clients<'_>>) -> bool {
        self.public
            || clients.is_none_or(|clients| clients.iter().any(|client| self.namespaces.contains(client)))
    }
}

/// Who defines a subset.
pub(super) enum Definition<'o> {
    Seen,
    /// A rule that the clients do not see.
    Hidden(&'o Object),
    Nobody,
}

pub(super) struct Index<'o> {
    pub(super) objects: &'o [Object],
    pub(super) mesh: MeshConfig,
    /// The cluster domain.
    pub(super) domain: &'o str,
    /// The root namespace.
    pub(super) root: String,
    /// Places of all objects, the oldest first (MODEL-META-5, MODEL-RES-32).
    pub(super) by_age: Vec<usize>,
    /// What runs in the mesh.
    pub(super) workloads: Workloads<'o>,
    pub(super) nodes: Nodes<'o>,
    services: ByHost<Service<'o>>,
    /// Namespaces that have a Service of the name, the first two in order.
    service_names: HashMap<&'o str, BTreeSet<&'o str>>,
    knows_kubernetes: bool,
    /// DestinationRules.
    rules: ByHost<&'o Object>,
    /// Their subsets, by host and name.
    subsets: HashMap<String, BTreeMap<&'o str, Definers<'o>>>,
    gateways: HashMap<(&'o str, &'o str), (&'o Object, &'o Gateway)>,
    /// The first namespace, in order, that has a Gateway of the name.
    gateway_names: HashMap<&'o str, &'o str>,
    /// Gateways of the Gateway API, which a VirtualService may also name.
    foreign_gateways: BTreeSet<(&'o str, &'o str)>,
    virtual_services: HashMap<(&'o str, &'o str), (&'o Object, &'o VirtualService)>,
}

impl<'o> Index<'o> {
    pub(super) fn new(objects: &'o [Object], settings: &'o Settings) -> Self {
        let mesh = mesh(objects, &settings.root_namespace);
        let root = match mesh.root_namespace.as_str() {
            "" => settings.root_namespace.clone(),
            root => root.to_owned(),
        };
        let mut index = Self {
            objects,
            mesh,
            domain: &settings.cluster_domain,
            root,
            by_age: by_age(objects),
            workloads: Workloads::new(objects),
            nodes: Nodes::new(objects),
            services: ByHost::default(),
            service_names: HashMap::new(),
            knows_kubernetes: false,
            rules: ByHost::default(),
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
                let host = service_name(name, namespace, self.domain).to_ascii_lowercase();
                let ports =
                    service.spec.ports.iter().map(|port| (port.port, port.istio_protocol())).collect();
                let visibility = Visibility::of(object, &self.mesh);
                self.services.add(&host, Service { object, ports, visibility });
                self.service_names.entry(name).or_default().insert(namespace);
                self.knows_kubernetes = true;
            }
            Body::ServiceEntry(entry) => {
                let visibility = Visibility::of(object, &self.mesh);
                for host in &entry.hosts {
                    let protocol = |text: &str| Protocol::parse(text).unwrap_or_default();
                    let ports =
                        entry.ports.iter().map(|port| (port.number, protocol(&port.protocol))).collect();
                    let service = Service { object, ports, visibility: visibility.clone() };
                    self.services.add(&host.to_ascii_lowercase(), service);
                }
            }
            Body::DestinationRule(rule) => {
                let visibility = Visibility::of(object, &self.mesh);
                let host = self.full_name(&rule.host, namespace);
                self.rules.add(&host, object);
                if !rule.subsets.is_empty() {
                    let subsets = self.subsets.entry(host).or_default();
                    for subset in &rule.subsets {
                        let new = || Definers { first: object, public: false, namespaces: HashSet::new() };
                        let definers = subsets.entry(&subset.name).or_insert_with(new);
                        match &visibility {
                            Visibility::Public => definers.public = true,
                            Visibility::Namespaces(seen) => definers.namespaces.extend(seen.iter().cloned()),
                        }
                    }
                }
            }
            Body::Gateway(gateway) => {
                self.gateways.insert((namespace, name), (object, gateway));
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

    /// The objects with their places, the oldest first.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = (usize, &'o Object)> {
        self.by_age.iter().filter_map(|at| Some((*at, self.objects.get(*at)?)))
    }

    /// False when the mesh configuration is not among the objects.
    pub(super) fn mesh_is_given(&self) -> bool {
        mesh_texts(self.objects).next().is_some()
    }

    /// The full name of a host in a rule of `namespace`, in lower case.
    pub(super) fn full_name(&self, host: &str, namespace: &str) -> String {
        full_name(host, namespace, self.domain).to_ascii_lowercase()
    }

    /// The full name of a Service, in lower case.
    pub(super) fn service_name(&self, name: &str, namespace: &str) -> String {
        service_name(name, namespace, self.domain).to_ascii_lowercase()
    }

    /// False when the services that `host` can be among are not among the objects at all: those of Kubernetes for a
    /// name in the cluster domain, those and ServiceEntries for any other.
    pub(super) fn knows_services(&self, host: &str) -> bool {
        let rest = host.strip_suffix(self.domain);
        let cluster = rest.is_some_and(|rest| rest.strip_suffix(".svc.").is_some());
        self.knows_kubernetes || (!cluster && !self.services.is_empty())
    }

    /// The services of that very name.
    pub(super) fn services_named(&self, host: &str) -> &[Service<'o>] {
        self.services.get(host)
    }

    /// The services that `host` means to a rule of `namespace`: those of that name, else of the longest wildcard.
    pub(super) fn services<'a>(&'a self, host: &'a str, namespace: &str) -> Vec<&'a Service<'o>> {
        self.services_if(host, |visibility| visibility.includes(namespace))
    }

    /// Like [`Index::services`], to rules that some clients use: what one of them sees.
    pub(super) fn services_of<'a>(&'a self, host: &'a str, clients: &Clients<'_>) -> Vec<&'a Service<'o>> {
        self.services_if(host, |visibility| clients.see(visibility))
    }

    fn services_if<'a>(&'a self, host: &'a str, sees: impl Fn(&Visibility) -> bool) -> Vec<&'a Service<'o>> {
        let seen = |all: &'a [Service<'o>]| -> Vec<&'a Service<'o>> {
            all.iter().filter(|service| sees(&service.visibility)).collect()
        };
        self.services.covering(host).map(seen).find(|all| !all.is_empty()).unwrap_or_default()
    }

    /// The Service that `host` is the name of together with its namespace, `name.namespace`, which is not completed
    /// (MODEL-RES-1): its full name.
    pub(super) fn half_named(&self, host: &str) -> Option<String> {
        let (name, namespace) = host.split_once('.').filter(|(_, rest)| !rest.contains('.'))?;
        let full = self.service_name(name, namespace);
        self.services_named(&full).iter().any(Service::is_kubernetes).then_some(full)
    }

    /// A namespace other than `namespace` that has a Service of that name.
    pub(super) fn service_elsewhere(&self, name: &str, namespace: &str) -> Option<&'o str> {
        self.service_names.get(name)?.iter().copied().find(|other| *other != namespace)
    }

    /// The subsets of `host` and of every wildcard that covers it, the most specific host first.
    fn subsets<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a BTreeMap<&'o str, Definers<'o>>> {
        let hosts = std::iter::once(host.to_owned()).chain(self.rules.wider_hosts(host));
        hosts.filter_map(|host| self.subsets.get(&host))
    }

    /// Whether a DestinationRule that one of the clients sees, or without clients any, defines a subset.
    pub(super) fn subset(&self, host: &str, name: &str, clients: Option<&Clients<'_>>) -> Definition<'o> {
        let mut hidden = None;
        for definers in self.subsets(host).filter_map(|subsets| subsets.get(name)) {
            if definers.seen_by(clients) {
                return Definition::Seen;
            }
            hidden = hidden.or(Some(definers.first));
        }
        hidden.map_or(Definition::Nobody, Definition::Hidden)
    }

    /// The first names of subsets that are defined for one of the clients, in order.
    pub(super) fn subset_names(
        &self,
        host: &str,
        clients: Option<&Clients<'_>>,
        count: usize,
    ) -> BTreeSet<&'o str> {
        let seen = |subsets: &BTreeMap<&'o str, Definers<'o>>| -> Vec<&'o str> {
            let seen = subsets.iter().filter(|(_, definers)| definers.seen_by(clients));
            seen.map(|(name, _)| *name).take(count).collect()
        };
        self.subsets(host).flat_map(seen).take(count).collect()
    }

    /// True when `namespace` has a DestinationRule for that very host.
    pub(super) fn has_rule(&self, host: &str, namespace: &str) -> bool {
        self.rules.get(host).iter().any(|rule| rule.metadata.namespace == namespace)
    }

    /// The wildcards with DestinationRules that cover `host`.
    pub(super) fn wider_rule_hosts<'a>(&'a self, host: &'a str) -> impl Iterator<Item = String> + 'a {
        self.rules.wider_hosts(host)
    }

    /// True when the service `host` is one of `namespace`: by its name where the services are not known.
    pub(super) fn is_owner(&self, host: &str, namespace: &str) -> bool {
        match self.services_named(host) {
            [] => {
                let rest = host.strip_suffix(self.domain).and_then(|rest| rest.strip_suffix(".svc."));
                rest.is_some_and(|rest| rest.rsplit('.').next() == Some(namespace) && rest.contains('.'))
            }
            services => services.iter().any(|service| service.object.metadata.namespace == namespace),
        }
    }

    pub(super) fn gateway(&self, namespace: &str, name: &str) -> Option<(&'o Object, &'o Gateway)> {
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

/// Places of the objects, the oldest first; those without a timestamp are newer than all others, and among themselves
/// in order of input.
fn by_age(objects: &[Object]) -> Vec<usize> {
    let mut order: Vec<(usize, &Object)> = objects.iter().enumerate().collect();
    order.sort_by_key(|(_, object)| {
        let metadata = &object.metadata;
        let time = metadata.creation_timestamp;
        let names = time.map(|_| (metadata.name.as_str(), metadata.namespace.as_str()));
        (time.is_none(), time, names)
    });
    order.into_iter().map(|(at, _)| at).collect()
}

/// The mesh configuration, without what is wrong in it: the ConfigMap `istio` of the root namespace, else of any.
fn mesh(objects: &[Object], root: &str) -> MeshConfig {
    let in_root = mesh_texts(objects).find(|(namespace, _)| *namespace == root);
    let text = in_root.or_else(|| mesh_texts(objects).next());
    text.map_or_else(MeshConfig::default, |(_, text)| crate::load::mesh_config(text).0)
}

/// The texts of every mesh configuration, with their namespaces.
fn mesh_texts(objects: &[Object]) -> impl Iterator<Item = (&str, &str)> {
    objects.iter().filter_map(|object| {
        let config = object.as_config_map().filter(|_| object.metadata.name == "istio")?;
        Some((object.metadata.namespace.as_str(), config.data.get("mesh")?.as_str()))
    })
}
