//! The Kubernetes objects a data plane reads. Only the fields it needs are typed; others are ignored.

mod config_map;
mod endpoint_slice;
mod namespace;
mod pod;
mod service;

pub use config_map::ConfigMap;
pub use endpoint_slice::{
    AddressType, Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference,
};
pub use namespace::Namespace;
pub use pod::{Container, ContainerPort, Pod, PodCondition, PodIp, PodSpec, PodStatus};
pub use service::{IntOrString, Service, ServicePort, ServiceSpec, ServiceType};
