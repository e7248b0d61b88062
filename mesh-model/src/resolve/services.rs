//! Services: those of Kubernetes and those of ServiceEntries in one form (MODEL-RES-35 to 37).

use super::{Resource, ResourceSet, Visibility, names};
use crate::common::{Protocol, StringMap};
use crate::kubernetes::{self, IntOrString, ServiceType};
use crate::networking::ServiceEntry;
use crate::networking::service_entry::{Location, Resolution};
use std::collections::HashMap;

/// Where a service was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServiceSource {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    ServiceEntry,
}

/// How a client finds the endpoints (MODEL-RES-36).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceResolution {
    /// From the known endpoints.
    Static,
    /// Forwarded to the address the client chose.
    Passthrough,
    /// All addresses of names.
    Dns,
    /// One address of a name at a time.
    DnsRoundRobin,
    /// The host of each request.
    DynamicDns,
    /// The same as another name.
    Alias(String),
}

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServicePort {
    /// Number clients use.
    pub number: u32,
    /// Name; joins the endpoints' ports.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Port of the endpoints, where the endpoints do not say it themselves.
    pub target: IntOrString,
}

/// A service under one host name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Full name, in lower case; may be a wildcard for a ServiceEntry.
    pub hostname: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Ports in order; UDP ports are left out.
    pub ports: Vec<ServicePort>,
    /// How endpoints are found.
    pub resolution: ServiceResolution,
    /// Virtual IPs and CIDRs; empty is the wildcard address.
    pub addresses: Vec<String>,
    /// Outside of the mesh.
    pub external: bool,
    /// Identities of the servers.
    pub subject_alt_names: Vec<String>,
    /// Labels of the object.
    pub labels: StringMap,
    /// Who sees it.
    pub visibility: Visibility,
    /// Where it was declared.
    pub source: ServiceSource,
    /// Index of the object in [`ResourceSet::objects`].
    pub(super) object: usize,
}

impl Service {
    /// The object that declares it.
    pub fn object<'s>(&self, set: &'s ResourceSet) -> Option<&'s crate::Object> {
        set.objects().get(self.object)
    }

    /// The port with that number.
    pub fn port(&self, number: u32) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// True when a client in `namespace` prefers this service to `other` of the same name: its own namespace first,
    /// then Kubernetes (MODEL-RES-33). Otherwise the earlier in order, which is the older, stays.
    pub(super) fn precedes(&self, other: &Self, namespace: &str) -> bool {
        let rank =
            |service: &Self| (service.namespace != namespace, service.source != ServiceSource::Kubernetes);
        rank(self) < rank(other)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    services: Vec<Service>,
    by_host: HashMap<String, Vec<usize>>,
}

impl Index {
    pub(super) fn build(set: &ResourceSet) -> Self {
        let mut index = Self::default();
        let mut found = Vec::new();
        for (at, service) in set.indexed::<kubernetes::Service>() {
            found.push(of_kubernetes(set, at, service));
        }
        for (at, entry) in set.indexed::<ServiceEntry>() {
            of_entry(set, at, entry, &mut found);
        }
        for service in found {
            let same = index.by_host.entry(service.hostname.clone()).or_default();
            // One name in one namespace: Kubernetes comes first here, then the oldest (MODEL-RES-35).
            let taken = same.iter().any(|at| {
                index.services.get(*at).is_some_and(|other: &Service| other.namespace == service.namespace)
            });
            if taken {
                continue;
            }
            same.push(index.services.len());
            index.services.push(service);
        }
        index
    }
}

fn of_kubernetes(set: &ResourceSet, at: usize, service: Resource<'_, kubernetes::Service>) -> Service {
    let Resource { object, spec } = service;
    let spec = &spec.spec;
    let metadata = &object.metadata;
    let external_name = spec.service_type == ServiceType::ExternalName;
    let resolution = if external_name {
        ServiceResolution::Alias(spec.external_name.trim_end_matches('.').to_ascii_lowercase())
    } else if spec.is_headless() {
        ServiceResolution::Passthrough
    } else {
        ServiceResolution::Static
    };
    let mut addresses: Vec<String> = Vec::new();
    if !external_name && !spec.is_headless() {
        for ip in std::iter::once(&spec.cluster_ip).chain(&spec.cluster_ips).filter(|ip| !ip.is_empty()) {
            if !addresses.contains(ip) {
                addresses.push(ip.clone());
            }
        }
    }
    let ports = spec
        .ports
        .iter()
        .map(|port| ServicePort {
            number: port.port,
            name: port.name.clone(),
            protocol: port.istio_protocol(),
            target: port.target_port.clone().unwrap_or(IntOrString::Int(port.port)),
        })
        .filter(|port| port.protocol != Protocol::Udp)
        .collect();
    Service {
        hostname: names::service_name(&metadata.name, &metadata.namespace, set.cluster_domain())
            .to_ascii_lowercase(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        ports,
        resolution,
        addresses,
        external: external_name,
        subject_alt_names: Vec::new(),
        labels: metadata.labels.clone(),
        visibility: set.visibility(object),
        source: ServiceSource::Kubernetes,
        object: at,
    }
}

fn of_entry(set: &ResourceSet, at: usize, entry: Resource<'_, ServiceEntry>, out: &mut Vec<Service>) {
    let object = entry.object;
    let resolution = match entry.resolution {
        Resolution::None => ServiceResolution::Passthrough,
        Resolution::Static => ServiceResolution::Static,
        Resolution::Dns => ServiceResolution::Dns,
        Resolution::DnsRoundRobin => ServiceResolution::DnsRoundRobin,
        Resolution::DynamicDns => ServiceResolution::DynamicDns,
    };
    let ports: Vec<ServicePort> = entry
        .ports
        .iter()
        .map(|port| ServicePort {
            number: port.number,
            name: port.name.clone(),
            protocol: Protocol::parse(&port.protocol).unwrap_or_default(),
            target: IntOrString::Int(if port.target_port == 0 { port.number } else { port.target_port }),
        })
        .filter(|port| port.protocol != Protocol::Udp)
        .collect();
    let given: Vec<String> = entry.addresses.iter().map(|address| plain_address(address)).collect();
    for host in &entry.hosts {
        let mut addresses = given.clone();
        if addresses.is_empty() {
            addresses = object.allocated_addresses(host).map(str::to_owned).collect();
        }
        out.push(Service {
            hostname: host.to_ascii_lowercase(),
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone(),
            ports: ports.clone(),
            resolution: resolution.clone(),
            addresses,
            external: entry.location == Location::MeshExternal,
            subject_alt_names: entry.subject_alt_names.clone(),
            labels: object.metadata.labels.clone(),
            visibility: set.visibility(object),
            source: ServiceSource::ServiceEntry,
            object: at,
        });
    }
}

/// A CIDR of a single address is that address (MODEL-RES-37).
fn plain_address(text: &str) -> String {
    let single = match text.split_once('/') {
        Some((ip, "32")) if ip.contains('.') => ip,
        Some((ip, "128")) if ip.contains(':') => ip,
        _ => text,
    };
    single.to_owned()
}

impl ResourceSet {
    /// All services: those of Kubernetes first, each group oldest first. One name in one namespace occurs once.
    pub fn services(&self) -> &[Service] {
        &self.services.services
    }

    /// The services of that exact full name, in any namespace.
    pub fn services_named(&self, hostname: &str) -> impl Iterator<Item = &Service> {
        let indexes =
            self.services.by_host.get(&hostname.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        indexes.iter().filter_map(|index| self.services.services.get(*index))
    }

    /// The service that `hostname` means to a client in `namespace`: of those visible the namespace's own, else one
    /// of Kubernetes, else the oldest (MODEL-RES-33).
    pub fn service_for(&self, hostname: &str, namespace: &str) -> Option<&Service> {
        let visible = self.services_named(hostname).filter(|service| service.visibility.includes(namespace));
        visible.reduce(|best, next| if next.precedes(best, namespace) { next } else { best })
    }

    /// Like [`ResourceSet::service_for`], and falls back to the most specific wildcard service that covers the name
    /// (MODEL-RES-7).
    pub fn service_covering(&self, hostname: &str, namespace: &str) -> Option<&Service> {
        self.service_for(hostname, namespace).or_else(|| {
            let mut covering: Vec<&Service> = self
                .services()
                .iter()
                .filter(|service| service.hostname.starts_with('*') && service.visibility.includes(namespace))
                .filter(|service| names::is_subset_of(hostname, &service.hostname))
                .collect();
            covering.sort_by(|a, b| names::by_specificity(&a.hostname, &b.hostname));
            covering.into_iter().next()
        })
    }
}
