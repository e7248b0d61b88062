//! The compile step.

mod actions;
mod base64;
mod clusters;
mod conditions;
mod endpoints;
mod gateway;
mod hosts;
mod issues;
mod l4;
mod mesh;
mod policies;
mod protection;
mod providers;
mod references;
mod rules;
mod scope;
mod sidecar;
mod tokens;
mod traffic_policy;
mod unserved;
mod virtual_hosts;
mod workload;

use mesh_model::resolve::{Proxy, ResourceSet};
use mesh_model::{Kind, Object, ObjectRef};
use mesh_route::RouteTable;

use self::clusters::Clusters;
use self::issues::Issues;
pub use self::l4::connections;
use self::providers::Providers;
use super::{Cluster, Context, Issue, ProxyIdentity, Route, Snapshot};

/// What [`compile`] made, and what it has to say about it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Compiled {
    /// The decisions.
    pub snapshot: Snapshot,
    /// Findings, in no particular order of objects; each is made once.
    pub issues: Vec<Issue>,
}

/// Compiles objects into the decisions of the proxy that `context` describes.
///
/// Never fails and never panics. An object that cannot be used costs itself and is reported: a VirtualService with a
/// bad regular expression routes nothing, a policy that was not read whole denies (`PROXY-FEAT-04`). Objects are taken
/// as a whole: which VirtualService wins, which services exist and which DestinationRule applies depends on all of
/// them (sections 1, 2 and 4 of the route reference, section 6 of the model reference).
///
/// Cost: linear in the objects and in the routes of all virtual hosts; objects are copied once.
///
/// # Examples
///
/// ```
/// use mesh_model::{Options, Source, load};
/// use mesh_proxy_core::snapshot::{Context, RouteAction, compile};
/// use mesh_route::{NoHeaders, RequestHead};
///
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: Gateway
/// metadata: {name: door}
/// spec:
///   selector: {istio: ingressgateway}
///   servers:
///   - port: {number: 80, name: http, protocol: HTTP}
///     hosts: [shop.example.com]
/// ---
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: shop}
/// spec:
///   hosts: [shop.example.com]
///   gateways: [door]
///   http:
///   - name: cart
///     match: [{uri: {prefix: /cart}}]
///     route: [{destination: {host: cart, port: {number: 8080}}}]
/// ";
/// let loaded = load([Source::new("shop.yaml", text)], &Options::default());
/// let compiled = compile(&loaded.objects, &Context::default());
///
/// let head = RequestHead::new("GET", "shop.example.com", "/cart/1", &NoHeaders);
/// let found = compiled.snapshot.listeners()[0].routes.lookup(&head).route().ok_or("no route")?;
/// assert_eq!(&*found.action.name, "cart");
/// let RouteAction::Forward(forward) = &found.action.action else { return Err("no forward".into()) };
/// let destination = forward.destinations.pick(0);
/// assert_eq!(&*destination.cluster_name, "outbound|8080||cart.default.svc.cluster.local");
/// // There is no such service, which is what the issue says; a request gets 503.
/// assert!(destination.cluster.is_none());
/// assert!(compiled.issues[0].to_string().starts_with("warning: VirtualService default/shop: spec.http[0].route[0]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn compile(objects: &[Object], context: &Context) -> Compiled {
    let mut issues = Issues::default();
    let mesh = mesh::read(objects, context, &mut issues);
    let set = ResourceSet::with_cluster_domain(objects.to_vec(), mesh, &context.cluster_domain);
    let gateway =
        context.gateway.as_ref().map(|found| Proxy::gateway(&found.namespace, found.labels.clone()));
    unserved::report(objects, &set, gateway.as_ref(), &mut issues);
    references::report(&set, &mut issues);
    let providers = Providers::read(&set, &mut issues);
    let mut clusters = Clusters::default();
    let mut snapshot = Snapshot { access_log: mesh::access_log(set.mesh()), ..Snapshot::default() };
    if let (Some(identity), Some(proxy)) = (&context.gateway, gateway) {
        let protection = protection::of(&set, &proxy, &providers, &mut issues);
        snapshot.listeners.extend(gateway::listeners(&set, &proxy, &protection, &mut clusters, &mut issues));
        snapshot.gateway_protection = protection;
        snapshot.gateway = workload_of(identity);
    }
    if let Some(identity) = &context.sidecar {
        let proxy = Proxy::sidecar(&identity.namespace, identity.labels.clone());
        for listener in sidecar::listeners(&set, &proxy, &mut clusters, &mut issues) {
            if snapshot.listeners.iter().all(|other| other.key != listener.key) {
                snapshot.listeners.push(listener);
            }
        }
        snapshot.sidecar_protection = protection::of(&set, &proxy, &providers, &mut issues);
        snapshot.sidecar = workload_of(identity);
    }
    snapshot.listeners.sort_by_key(|listener| listener.key);
    snapshot.clusters = clusters.into_vec();
    Compiled { snapshot, issues: issues.into_vec() }
}

/// What a sidecar decides about HTTP requests to one service port, wherever they were sent; see [`outbound`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// Virtual hosts and their routes. The one for unknown hosts is named after the outbound traffic policy: under
    /// `allow_any` a sidecar forwards to the address that the client dialled, which a table cannot say, and the action
    /// that stands there is a 502.
    pub routes: RouteTable<Route>,
    /// What the routes refer to.
    pub clusters: Vec<Cluster>,
    /// Findings.
    pub issues: Vec<Issue>,
}

/// Compiles the HTTP routes of a sidecar for service port `port`, as if all traffic of its pod were redirected to it:
/// for asking what the mesh would decide, without a listener. `None` without a sidecar in `context`, and when its
/// Sidecar has no egress listener for that port (ROUTE-APPLY-17).
///
/// Cost: as [`compile`], for one listener.
#[must_use]
pub fn outbound(objects: &[Object], context: &Context, port: u16) -> Option<Outbound> {
    let identity = context.sidecar.as_ref()?;
    let mut issues = Issues::default();
    let mesh = mesh::read(objects, context, &mut issues);
    let set = ResourceSet::with_cluster_domain(objects.to_vec(), mesh, &context.cluster_domain);
    let proxy = Proxy::sidecar(&identity.namespace, identity.labels.clone());
    let mut clusters = Clusters::default();
    let plans = sidecar::outbound(&set, &proxy, port.into(), &mut clusters, &mut issues)?;
    let object = set.sidecar_for(&proxy).map(|found| found.reference());
    let object = object.unwrap_or_else(|| ObjectRef::new(Kind::Sidecar, &*identity.namespace, "default"));
    let routes = virtual_hosts::table(plans, &object, &mut issues);
    Some(Outbound { routes, clusters: clusters.into_vec(), issues: issues.into_vec() })
}

fn workload_of(identity: &ProxyIdentity) -> super::Workload {
    workload::workload(&identity.workload, &identity.namespace, &identity.labels)
}
