//! The Kubernetes objects a data plane reads. Only the fields it needs are typed; others are ignored.

mod config_map;
mod endpoint_slice;
mod endpoints;
mod label_selector;
mod namespace;
mod node;
mod pod;
mod secret;
mod service;
mod service_account;
mod workload;

pub use config_map::ConfigMap;
pub use endpoint_slice::{
    AddressType, Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference,
};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints};
pub use label_selector::{LabelSelector, LabelSelectorRequirement};
pub use namespace::Namespace;
pub use node::{Node, NodeAddress, NodeStatus};
pub use pod::{Container, ContainerPort, Pod, PodCondition, PodIp, PodSpec, PodStatus, SecurityContext};
pub use secret::{Secret, SecretMap, SecretText};
pub use service::{
    IntOrString, LoadBalancerIngress, LoadBalancerStatus, Service, ServiceCondition, ServicePort,
    ServiceSpec, ServiceStatus, ServiceType,
};
pub use service_account::ServiceAccount;
pub use workload::{DaemonSet, Deployment, PodTemplate, StatefulSet, WorkloadSpec};

#[cfg(test)]
mod tests;
