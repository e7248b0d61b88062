//! Clusters: made when the first route names them.

use std::collections::HashMap;
use std::sync::Arc;

use mesh_model::resolve::{DestinationRuleView, Service, ServicePort};
use mesh_model::{FieldPath, ObjectRef, common};

use super::endpoints::endpoints;
use super::issues::{Issues, spec};
use super::scope::{Scope, Target};
use super::traffic_policy::{Settings, settings};
use crate::snapshot::{Balancing, Cluster, ClusterIndex, LoadBalancer, Role, ServiceName};

/// Who names a destination, for findings.
pub(super) struct Origin<'o> {
    /// The object.
    pub(super) source: &'o ObjectRef,
    /// Where in it.
    pub(super) at: FieldPath,
    /// What it costs when there is no such cluster.
    pub(super) cost: &'static str,
}

/// What a route to a missing cluster does (ROUTE-ACT-07).
pub(super) const NO_CLUSTER: &str = "requests are answered with 503 (NC)";

/// The clusters of a snapshot, by role and name: a gateway and a sidecar live in different namespaces and may see
/// another DestinationRule for one service.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    list: Vec<Cluster>,
    known: HashMap<(Role, Arc<str>), Option<ClusterIndex>>,
}

impl Clusters {
    /// The name of a destination's cluster, and where it is; `None` when there is no such cluster (ROUTE-ACT-05),
    /// which is reported as a finding of `origin`.
    pub(super) fn find(
        &mut self,
        scope: &Scope<'_>,
        target: &Target<'_>,
        subset: &str,
        origin: Origin<'_>,
        issues: &mut Issues,
    ) -> (Arc<str>, Option<ClusterIndex>) {
        // ROUTE-ACT-02
        let name: Arc<str> = format!("outbound|{}|{subset}|{}", target.port, target.host).into();
        let role = if scope.gateway.is_some() { Role::Gateway } else { Role::Sidecar };
        let key = (role, Arc::clone(&name));
        if let Some(Some(index)) = self.known.get(&key) {
            return (name, Some(*index));
        }
        let index = match resolve(scope, target, subset) {
            Ok(found) => Some(self.add(build(&name, scope, &found, issues))),
            Err(missing) => {
                let message = format!("{missing}: {}", origin.cost);
                issues.warning(origin.source, origin.at, message);
                None
            }
        };
        self.known.insert(key, index);
        (name, index)
    }

    /// Equal clusters of both roles are one, so that they share connections and counters.
    fn add(&mut self, cluster: Cluster) -> ClusterIndex {
        for role in [Role::Gateway, Role::Sidecar] {
            let same_name = self.known.get(&(role, Arc::clone(&cluster.name))).copied().flatten();
            if let Some(index) = same_name.filter(|index| self.list.get(index.get()) == Some(&cluster)) {
                return index;
            }
        }
        let index = ClusterIndex(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(cluster);
        index
    }

    pub(super) fn into_vec(self) -> Vec<Cluster> {
        self.list
    }
}

/// What a cluster is made of.
struct Found<'a> {
    service: &'a Service,
    port: &'a ServicePort,
    subset: &'a str,
    rule: Option<&'a DestinationRuleView>,
}

fn resolve<'a>(scope: &Scope<'a>, target: &Target<'a>, subset: &'a str) -> Result<Found<'a>, String> {
    let Some(service) = target.service else {
        return Err(format!("there is no usable service `{}` that this proxy sees", target.host));
    };
    let Some(port) = service.port(target.port) else {
        let ports: Vec<_> = service.ports.iter().map(|port| port.number.to_string()).collect();
        return Err(format!(
            "service `{}` has no port {}, it has {}",
            target.host,
            target.port,
            if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
        ));
    };
    let rule = scope.set.destination_rule(scope.proxy, &service.hostname, &service.namespace);
    if !subset.is_empty() && rule.and_then(|rule| rule.subset(subset)).is_none() {
        return Err(match rule.and_then(|rule| rule.sources.first()) {
            Some(object) => format!("{object} has no subset `{subset}` for `{}`", target.host),
            None => format!("no DestinationRule has a subset `{subset}` for `{}`", target.host),
        });
    }
    Ok(Found { service, port, subset, rule })
}

fn build(name: &Arc<str>, scope: &Scope<'_>, found: &Found<'_>, issues: &mut Issues) -> Cluster {
    let subset = Some(found.subset).filter(|name| !name.is_empty());
    let policy = scope.set.effective_policy(found.rule, found.port.number, subset);
    let source = found.rule.and_then(|rule| rule.sources.first());
    let Settings {
        load_balancer,
        limits,
        connect_timeout,
        idle_timeout,
        max_requests_per_connection,
        closed,
    } = settings(&policy, scope.set.mesh(), source, issues);
    if found.port.protocol.is_http2() {
        let message = format!(
            "port {} speaks {}: HTTP/2 towards endpoints is not supported yet, requests are sent as HTTP/1.1",
            found.port.number, found.port.protocol
        );
        issues.warning(&reference(scope, found.service), spec().field("ports"), message);
    }
    let labels = subset.and_then(|name| found.rule?.subset(name)).map(|subset| &subset.labels);
    let mut endpoints =
        if closed { Vec::new() } else { endpoints(scope.set, found.service, found.port, labels, issues) };
    let (load_balancer, balancing) = match Balancing::new(&endpoints, &load_balancer) {
        Ok(balancing) => (load_balancer, balancing),
        Err(error) => {
            let object = source.cloned().unwrap_or_else(|| reference(scope, found.service));
            issues.error(
                &object,
                spec(),
                format!("cluster `{name}`: {error}, it uses LEAST_REQUEST instead"),
            );
            let plain = LoadBalancer::LeastRequest;
            let balancing = Balancing::new(&endpoints, &plain).unwrap_or_else(|error| {
                issues.error(&object, spec(), format!("cluster `{name}`: {error}, it has no endpoints"));
                endpoints.clear();
                Balancing::empty()
            });
            (plain, balancing)
        }
    };
    Cluster {
        name: Arc::clone(name),
        service: ServiceName {
            host: found.service.hostname.clone(),
            name: found.service.name.clone(),
            namespace: found.service.namespace.clone(),
        },
        endpoints,
        load_balancer,
        connect_timeout,
        idle_timeout,
        max_requests_per_connection,
        limits,
        balancing,
    }
}

/// The object that declares a service.
pub(super) fn reference(scope: &Scope<'_>, service: &Service) -> ObjectRef {
    service.object(scope.set).map_or_else(
        || ObjectRef::new(mesh_model::Kind::Service, service.namespace.clone(), service.name.clone()),
        mesh_model::Object::reference,
    )
}

/// The standard form of a duration that cannot be negative.
pub(super) fn positive(value: Option<common::Duration>) -> Option<std::time::Duration> {
    value.and_then(common::Duration::to_std).filter(|value| !value.is_zero())
}
