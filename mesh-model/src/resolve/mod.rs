//! What names mean and which objects apply: an indexed set of objects and the questions a data plane asks it.
//!
//! Everything here is pure: the answers follow from the objects, the mesh configuration and the arguments.
//!
//! | question | answer |
//! |---|---|
//! | what does a host name mean, and which of many hosts cover it | [`names`], [`HostIndex`] |
//! | who sees an object | [`ResourceSet::visibility`] |
//! | which VirtualServices apply to a proxy, in which order | [`ResourceSet::mesh_virtual_services`], [`ResourceSet::gateway_virtual_services`] |
//! | what does a VirtualService say once delegates are followed | [`ResourceSet::http_routes`] |
//! | which Gateways does a proxy serve | [`ResourceSet::gateways_for`] |
//! | which DestinationRule applies to a host | [`ResourceSet::destination_rule`] |
//! | what is the policy of a port and subset | [`DestinationRuleView::policy`] |
//! | which Sidecar applies, and what does it import | [`ResourceSet::sidecar_for`], [`ResourceSet::egress`] |
//! | what limits what comes in | [`ResourceSet::inbound_connection_pool`] |
//! | where is a certificate | [`Credential`], [`ResourceSet::credential`], [`ResourceSet::client_ca`] |
//! | which services exist, and where are their endpoints | [`ResourceSet::services`], [`ResourceSet::endpoints`] |
//! | which policies guard a workload | [`ResourceSet::authorization_policies`] and its siblings |

mod credentials;
mod delegate;
mod destination_rules;
mod endpoints;
mod entry_visibility;
mod export;
mod gateways;
mod host_index;
mod inbound;
mod index;
pub mod names;
mod policies;
mod services;
mod sidecars;
#[cfg(test)]
mod tests;
pub(crate) mod topology;
mod traffic_policy;
mod virtual_services;

pub use credentials::Credential;
pub use delegate::EffectiveRoute;
pub use destination_rules::DestinationRuleView;
pub use endpoints::{Address, Endpoint, Health};
pub use export::Visibility;
pub use gateways::{ServerHost, server_hosts};
pub use host_index::HostIndex;
pub use policies::{Attached, PeerAuthenticationView, Selection};
pub use services::{Service, ServicePort, ServiceResolution, ServiceSource};
pub use sidecars::Egress;
pub use topology::Locality;
pub use traffic_policy::PolicyView;
pub use virtual_services::{ClientMatch, entry_applies, hosts_on_server};

use crate::common::StringMap;
use crate::mesh_config::MeshConfig;
use crate::meta::ObjectRef;
use crate::object::{Object, Typed};
use std::collections::{HashMap, HashSet};
use std::ops::Deref;

/// An object together with its typed body; dereferences to the body.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub struct Resource<'a, T> {
    /// The object.
    pub object: &'a Object,
    /// What it says.
    pub spec: &'a T,
}

impl<T> Clone for Resource<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Resource<'_, T> {}

impl<T> Deref for Resource<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.spec
    }
}

impl<'a, T> Resource<'a, T> {
    /// The object's name.
    pub fn name(&self) -> &'a str {
        &self.object.metadata.name
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &'a str {
        &self.object.metadata.namespace
    }

    /// The object's name for decisions and messages.
    pub fn reference(&self) -> ObjectRef {
        self.object.reference()
    }
}

/// The proxy that asks: its namespace and labels, and whether it is a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// Namespace of the pod.
    pub namespace: String,
    /// Labels of the pod.
    pub labels: StringMap,
    /// A gateway; otherwise a sidecar.
    pub gateway: bool,
}

impl Proxy {
    /// A sidecar.
    pub fn sidecar(namespace: impl Into<String>, labels: StringMap) -> Self {
        Self { namespace: namespace.into(), labels, gateway: false }
    }

    /// A gateway.
    pub fn gateway(namespace: impl Into<String>, labels: StringMap) -> Self {
        Self { namespace: namespace.into(), labels, gateway: true }
    }
}

/// True when every pair of `selector` is in `labels`; an empty selector selects everything (MODEL-RES-30).
pub fn selects(selector: &StringMap, labels: &StringMap) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Of objects of one kind, namespace and name the last, as for whoever applies them one after the other
/// (ROUTE-APPLY-11, MODEL-DOC-13). Objects without a name are nobody's equal.
fn last_of_each(mut objects: Vec<Object>) -> Vec<Object> {
    let mut seen = HashSet::new();
    let mut again = HashSet::new();
    for (index, object) in objects.iter().enumerate().rev() {
        let metadata = &object.metadata;
        if !metadata.name.is_empty() && !seen.insert((&object.kind, &metadata.namespace, &metadata.name)) {
            again.insert(index);
        }
    }
    let mut index = 0;
    objects.retain(|_| {
        index += 1;
        !again.contains(&(index - 1))
    });
    objects
}

/// Objects with the indexes that name resolution needs.
///
/// Objects that are not [usable](Object::is_usable) are left out, as Istio would not admit them, except policies:
/// those stay, and [`Object::must_deny`] tells them apart.
///
/// ```
/// use mesh_model::resolve::{Proxy, ResourceSet};
/// use mesh_model::{MeshConfig, Options, Source, load};
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: DestinationRule
/// metadata: {name: reviews, namespace: shop}
/// spec:
///   host: reviews
///   trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
///   subsets:
///   - {name: v2, labels: {version: v2}}
/// ";
/// let loaded = load([Source::new("rules.yaml", text)], &Options::default());
/// let set = ResourceSet::new(loaded.objects, MeshConfig::default());
/// let client = Proxy::sidecar("shop", Default::default());
/// let rule = set.destination_rule(&client, "reviews.shop.svc.cluster.local", "shop").unwrap();
/// assert_eq!(rule.subsets.len(), 1);
/// let policy = rule.policy(9080, Some("v2"));
/// assert!(policy.load_balancer.is_some()); // the subset inherits the rule's
/// ```
#[derive(Clone, Debug)]
pub struct ResourceSet {
    objects: Vec<Object>,
    mesh: MeshConfig,
    domain: String,
    /// Indexes into `objects`, oldest first, by kind.
    by_kind: HashMap<crate::Kind, Vec<usize>>,
    index: index::Index,
    services: services::Index,
    rules: destination_rules::Index,
}

impl ResourceSet {
    /// Indexes `objects` for the cluster domain `cluster.local`.
    ///
    /// Cost: n log n in the number of objects.
    pub fn new(objects: Vec<Object>, mesh: MeshConfig) -> Self {
        Self::with_cluster_domain(objects, mesh, "cluster.local")
    }

    /// Indexes `objects` for another cluster domain.
    pub fn with_cluster_domain(objects: Vec<Object>, mesh: MeshConfig, domain: &str) -> Self {
        let objects = last_of_each(
            objects.into_iter().filter(|object| object.is_usable() || object.must_deny()).collect(),
        );
        let mut order: Vec<usize> = (0..objects.len()).collect();
        // Objects without a timestamp count as newer than those with one, among themselves in order of input
        // (MODEL-META-5, MODEL-RES-32).
        let age = |index: usize| {
            objects.get(index).map(|object| {
                let metadata = &object.metadata;
                match metadata.creation_timestamp {
                    Some(time) => (0, time, 0, metadata.name.as_str(), metadata.namespace.as_str()),
                    None => (1, crate::common::Timestamp::default(), index, "", ""),
                }
            })
        };
        order.sort_by(|a, b| age(*a).cmp(&age(*b)));
        let mut by_kind: HashMap<crate::Kind, Vec<usize>> = HashMap::new();
        for index in order {
            if let Some(object) = objects.get(index) {
                by_kind.entry(object.kind.clone()).or_default().push(index);
            }
        }
        let mut set = Self {
            objects,
            mesh,
            domain: domain.to_owned(),
            by_kind,
            index: index::Index::default(),
            services: services::Index::default(),
            rules: destination_rules::Index::default(),
        };
        set.index = index::Index::build(&set);
        set.services = services::Index::build(&set);
        set.rules = destination_rules::Index::build(&set);
        set
    }

    /// All objects of one type, oldest first.
    pub fn all<T: Typed + 'static>(&self) -> impl Iterator<Item = Resource<'_, T>> {
        self.indexed().map(|(_, found)| found)
    }

    /// Like [`ResourceSet::all`], with the place of each in [`ResourceSet::objects`].
    fn indexed<T: Typed + 'static>(&self) -> impl Iterator<Item = (usize, Resource<'_, T>)> {
        let indexes = self.by_kind.get(&T::kind()).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| Some((*index, self.at(*index)?)))
    }

    /// The typed object at a place in [`ResourceSet::objects`].
    fn at<T: Typed + 'static>(&self, index: usize) -> Option<Resource<'_, T>> {
        let object = self.objects.get(index)?;
        Some(Resource { object, spec: T::of(object)? })
    }

    /// The object of that type, namespace and name.
    ///
    /// Cost: a hash lookup.
    pub fn find<T: Typed + 'static>(&self, namespace: &str, name: &str) -> Option<Resource<'_, T>> {
        self.at(self.index.named(&T::kind(), namespace, name)?)
    }

    /// All objects, in order of input.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The mesh configuration.
    pub fn mesh(&self) -> &MeshConfig {
        &self.mesh
    }

    /// The cluster domain.
    pub fn cluster_domain(&self) -> &str {
        &self.domain
    }

    /// The full name `host` has in a rule of `namespace` (MODEL-RES-1).
    pub fn full_name<'h>(&self, host: &'h str, namespace: &str) -> std::borrow::Cow<'h, str> {
        names::full_name(host, namespace, &self.domain)
    }
}
