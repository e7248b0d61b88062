//! The endpoints of a cluster.

use std::collections::HashSet;
use std::net::SocketAddr;

use mesh_model::ObjectRef;
use mesh_model::common::StringMap;
use mesh_model::resolve::{
    Address, Endpoint, Health, ResourceSet, Service, ServicePort, ServiceResolution, ServiceSource, selects,
};

use super::issues::{Issues, spec};
use super::workload::{owner, workload};
use crate::snapshot::{ClusterEndpoint, Workload};

/// The ready endpoints of a service port that carry all of `labels`, each address once.
pub(super) fn endpoints(
    set: &ResourceSet,
    service: &Service,
    port: &ServicePort,
    labels: Option<&StringMap>,
    issues: &mut Issues,
) -> Vec<ClusterEndpoint> {
    let object = service.object(set).map(mesh_model::Object::reference);
    if let Some(object) = &object {
        report(service, object, issues);
    }
    if is_passed_through(service) {
        return Vec::new();
    }
    let mut known = HashSet::new();
    let mut out: Vec<ClusterEndpoint> = Vec::new();
    for endpoint in set.endpoints(service, port) {
        let selected = labels.is_none_or(|labels| selects(labels, &endpoint.labels));
        if !selected || endpoint.health != Health::Healthy {
            continue;
        }
        let Some(address) = address(&endpoint) else {
            if let Some(object) = &object {
                issues.warning(object, spec(), unreachable(&endpoint));
            }
            continue;
        };
        if !known.insert(address) {
            continue;
        }
        out.push(ClusterEndpoint {
            address,
            weight: endpoint.weight.max(1),
            locality: endpoint.locality.to_string(),
            workload: workload_of(&endpoint),
        });
    }
    out
}

fn address(endpoint: &Endpoint) -> Option<SocketAddr> {
    match &endpoint.address {
        Address::Ip(ip) => {
            Some(SocketAddr::new(*ip, u16::try_from(endpoint.port).ok().filter(|port| *port > 0)?))
        }
        _ => None,
    }
}

fn unreachable(endpoint: &Endpoint) -> String {
    match &endpoint.address {
        Address::Name(name) => {
            format!(
                "endpoint `{name}` is a name, which is not resolved yet: write IP addresses, or it is left out"
            )
        }
        Address::Unix(path) => format!("endpoint `unix://{path}` is a socket, which is not supported yet"),
        _ => format!("an endpoint has port {}, must be within 1 to 65535", endpoint.port),
    }
}

/// Says when a service can have no endpoints here.
fn report(service: &Service, object: &ObjectRef, issues: &mut Issues) {
    let message = match service.resolution {
        ServiceResolution::Passthrough if is_passed_through(service) => {
            "resolution NONE needs a redirected connection, which is not supported yet: there are no endpoints"
        }
        ServiceResolution::DynamicDns => {
            "resolution DYNAMIC_DNS is not supported yet: there are no endpoints"
        }
        _ => return,
    };
    issues.warning(object, spec().field("resolution"), message);
}

/// Whether requests go to the address the client dialled, and only there.
fn is_passed_through(service: &Service) -> bool {
    // DIFFERENCE MODEL-RES-36: a sidecar also passes requests for a headless Service on to the pod that was dialled.
    // A listener without interception does not know it, so one of the pods is chosen, as gateways do.
    service.resolution == ServiceResolution::Passthrough && service.source == ServiceSource::ServiceEntry
}

fn workload_of(endpoint: &Endpoint) -> Workload {
    let name = endpoint.workload.as_ref().map_or("", |object| owner(&object.name, &endpoint.labels));
    workload(name, &endpoint.namespace, &endpoint.labels)
}
