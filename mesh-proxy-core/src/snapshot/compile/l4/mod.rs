//! Connections: `tls` and `tcp` rules, services without HTTP, servers of gateways (section 5 of the route reference).

mod draft;
mod forward;
mod gateway;
mod sidecar;
mod tcp;
mod tls;

use mesh_model::Object;
use mesh_model::resolve::{Proxy, ResourceSet};
use mesh_route::Listeners;

use super::clusters::Clusters;
use super::issues::Issues;
use super::mesh;
use crate::snapshot::{ConnectionListener, Connections, Context, Role};

pub(super) use gateway::{Placed, as_server, everything, placed};

/// Compiles what the proxy decides about connections in `role`: which listener, which filter chain, which cluster.
/// `None` when `context` has no such role.
///
/// A sidecar is taken to have all traffic of its pod redirected to it, so that its listeners are those of section 5.1:
/// the addresses of services, the ports, and one for everything else.
///
/// Never fails: a broken rule costs itself and is reported, and the connections it was for are closed.
///
/// Cost: linear in the services' ports times the VirtualServices with `tls` or `tcp` rules.
///
/// # Examples
///
/// ```
/// use mesh_model::{Options, Source, load};
/// use mesh_proxy_core::snapshot::{ConnectionDecision, Context, Next, Role, connections};
/// use mesh_route::Connection;
///
/// let text = "
/// apiVersion: networking.istio.io/v1
/// kind: Gateway
/// metadata: {name: door}
/// spec:
///   selector: {istio: ingressgateway}
///   servers:
///   - port: {number: 443, name: tls, protocol: TLS}
///     tls: {mode: PASSTHROUGH}
///     hosts: ['*.example.com']
/// ---
/// apiVersion: networking.istio.io/v1
/// kind: VirtualService
/// metadata: {name: login}
/// spec:
///   hosts: [login.example.com]
///   gateways: [door]
///   tls:
///   - match: [{sniHosts: [login.example.com]}]
///     route: [{destination: {host: login, port: {number: 8443}}}]
/// ";
/// let loaded = load([Source::new("login.yaml", text)], &Options::default());
/// let found = connections(&loaded.objects, &Context::default(), Role::Gateway).ok_or("no gateway")?;
///
/// let to = "192.0.2.1:443".parse()?;
/// let ConnectionDecision::Taken { action, .. } = found.decide(&Connection::new(to).tls("login.example.com")) else {
///     return Err("no chain".into());
/// };
/// let Next::Forward(forward) = &action.then else { return Err("not forwarded".into()) };
/// assert_eq!(&*forward.destinations.pick(0).cluster_name, "outbound|8443||login.default.svc.cluster.local");
/// assert!(matches!(found.decide(&Connection::new(to).tls("other.example.com")), ConnectionDecision::Closed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn connections(objects: &[Object], context: &Context, role: Role) -> Option<Connections> {
    let identity = match role {
        Role::Gateway => context.gateway.as_ref()?,
        Role::Sidecar => context.sidecar.as_ref()?,
    };
    let mut issues = Issues::default();
    let mesh = mesh::read(objects, context, &mut issues);
    let set = ResourceSet::with_cluster_domain(objects.to_vec(), mesh, &context.cluster_domain);
    let mut clusters = Clusters::default();
    let labels = identity.labels.clone();
    let listeners: Listeners<ConnectionListener> = match role {
        Role::Gateway => {
            let proxy = Proxy::gateway(&identity.namespace, labels);
            gateway::listeners(&set, &proxy, &mut clusters, &mut issues)
        }
        Role::Sidecar => {
            let proxy = Proxy::sidecar(&identity.namespace, labels);
            sidecar::listeners(&set, &proxy, &mut clusters, &mut issues)
        }
    };
    Some(Connections { listeners, clusters: clusters.into_vec(), issues: issues.into_vec() })
}
