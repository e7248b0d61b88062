//! From a Service's port to the one on which its workload listens: policies mean the latter (AUTHZ-OP-04).

use mesh_model::kubernetes::IntOrString;
use mesh_model::resolve::selects;
use mesh_model::{MeshConfig, Object, resolve::ResourceSet};

use crate::snapshot::ProxyIdentity;

/// The port on which `workload` serves what the Services in front of it have on `port`; `None` if none of them has.
pub(super) fn target(port: u16, workload: &ProxyIdentity, objects: &[Object]) -> Option<u16> {
    let set = ResourceSet::new(objects.to_vec(), MeshConfig::default());
    set.services().iter().filter(|service| service.namespace == workload.namespace).find_map(|service| {
        let spec = &service.object(&set)?.as_service()?.spec;
        if spec.selector.is_empty() || !selects(&spec.selector, &workload.labels) {
            return None;
        }
        match &service.port(u32::from(port))?.target {
            IntOrString::Int(number) => u16::try_from(*number).ok(),
            IntOrString::String(name) => named(name, workload, objects),
            _ => None,
        }
    })
}

/// The port that the workload's Pods call `name`.
fn named(name: &str, workload: &ProxyIdentity, objects: &[Object]) -> Option<u16> {
    let pods = objects.iter().filter(|object| {
        let metadata = &object.metadata;
        metadata.namespace == workload.namespace && selects(&workload.labels, &metadata.labels)
    });
    let containers = pods.filter_map(Object::as_pod).flat_map(|pod| &pod.spec.containers);
    let mut ports = containers.flat_map(|container| &container.ports);
    u16::try_from(ports.find(|port| port.name == name)?.container_port).ok()
}
