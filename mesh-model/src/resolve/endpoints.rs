//! Endpoints of a service: EndpointSlices joined with pods, pods by selector, and what ServiceEntries list or select
//! (MODEL-RES-36 to 38, section 2.12 of the model reference).

use super::topology::{self, Locality, NETWORK};
use super::{Resource, ResourceSet, Service, ServicePort, ServiceResolution, ServiceSource, selects};
use crate::common::StringMap;
use crate::kubernetes::{self, EndpointSlice, IntOrString, Pod};
use crate::meta::ObjectRef;
use crate::networking::{ServiceEntry, WorkloadEntry};
use std::collections::HashMap;
use std::net::IpAddr;

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// A name to resolve.
    Name(String),
    /// A unix socket: a path, or `@name` in the abstract namespace. The port does not count.
    Unix(String),
}

impl Address {
    /// Reads an endpoint address (MODEL-WE-2).
    pub fn parse(text: &str) -> Self {
        if let Some(path) = text.strip_prefix("unix://") {
            return Self::Unix(path.to_owned());
        }
        text.parse().map_or_else(|_| Self::Name(text.to_ascii_lowercase()), Self::Ip)
    }
}

/// State of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Health {
    /// Takes traffic.
    #[default]
    Healthy,
    /// Not ready.
    Unhealthy,
    /// Being deleted.
    Terminating,
}

/// One endpoint of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Port it listens on.
    pub port: u32,
    /// Labels for subsets, with those that follow from where it runs (MODEL-RES-25).
    pub labels: StringMap,
    /// Where it runs.
    pub locality: Locality,
    /// At least 1.
    pub weight: u32,
    /// See [`Health`].
    pub health: Health,
    /// Network id; empty is unknown.
    pub network: String,
    /// Service account; empty is unknown.
    pub service_account: String,
    /// Namespace it runs in.
    pub namespace: String,
    /// The Pod or WorkloadEntry it is, if one is known.
    pub workload: Option<ObjectRef>,
}

impl ResourceSet {
    /// The endpoints of a service port, in order of the objects they come from.
    ///
    /// For a service resolved by DNS these are the names to resolve. For an alias and for a pass-through ServiceEntry
    /// there are none; for a headless Service they are the pods.
    pub fn endpoints(&self, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        if matches!(service.resolution, ServiceResolution::Alias(_) | ServiceResolution::DynamicDns) {
            return Vec::new();
        }
        match service.source {
            ServiceSource::Kubernetes => self.kubernetes_endpoints(service, port),
            ServiceSource::ServiceEntry => self.entry_endpoints(service, port),
        }
    }

    /// The endpoints of `all` that carry every label of a subset (MODEL-RES-25).
    pub fn subset<'e>(all: &'e [Endpoint], labels: &StringMap) -> Vec<&'e Endpoint> {
        all.iter().filter(|endpoint| selects(labels, &endpoint.labels)).collect()
    }

    fn kubernetes_endpoints(&self, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        let slices = self.index.slices(&service.namespace, &service.name);
        let mut out = if slices.is_empty() {
            self.selected_pods(service, port)
        } else {
            self.in_slices(slices, service, port)
        };
        out.extend(self.selected_entries(service, port));
        out
    }

    fn in_slices(&self, slices: &[usize], service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        let mut out: Vec<Endpoint> = Vec::new();
        let mut known: HashMap<Address, Vec<usize>> = HashMap::new();
        for slice in slices.iter().filter_map(|at| self.at::<EndpointSlice>(*at)) {
            if slice.address_type == kubernetes::AddressType::Fqdn {
                continue;
            }
            let Some(number) = slice_port(slice.spec, service, port) else { continue };
            for endpoint in &slice.endpoints {
                for address in &endpoint.addresses {
                    let endpoint = self.slice_endpoint(slice, endpoint, address, number);
                    // Slices may overlap while they are rearranged.
                    let same = known.entry(endpoint.address.clone()).or_default();
                    if !same.iter().any(|at| out.get(*at) == Some(&endpoint)) {
                        same.push(out.len());
                        out.push(endpoint);
                    }
                }
            }
        }
        out
    }

    fn slice_endpoint(
        &self,
        slice: Resource<'_, EndpointSlice>,
        endpoint: &kubernetes::Endpoint,
        address: &str,
        port: u32,
    ) -> Endpoint {
        let namespace = slice.namespace();
        let named = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod").and_then(|target| {
            let namespace = if target.namespace.is_empty() { namespace } else { &target.namespace };
            self.find::<Pod>(namespace, &target.name)
        });
        let pod = named.or_else(|| self.pod_by_ip(namespace, address));
        let conditions = endpoint.conditions;
        let health = if conditions.ready.unwrap_or(true) {
            Health::Healthy
        } else if conditions.terminating.unwrap_or(true) {
            Health::Terminating
        } else {
            Health::Unhealthy
        };
        let node = endpoint.node_name.as_str();
        let mut out = match pod {
            Some(pod) => self.pod_on(pod, node, address, port),
            None => Endpoint {
                address: Address::parse(address),
                port,
                labels: StringMap::new(),
                locality: self.node_locality(node),
                weight: 1,
                health,
                network: String::new(),
                service_account: String::new(),
                namespace: namespace.to_owned(),
                workload: None,
            },
        };
        out.health = health;
        if out.locality == Locality::default() {
            out.locality.zone.clone_from(&endpoint.zone);
        }
        let node = pod.map_or(node, |pod| node_of(pod, node));
        topology::augment(&mut out.labels, &out.locality, node, "");
        out
    }

    /// The `spec` of a Kubernetes Service that selects its workloads; without selector somebody else lists them.
    fn selecting(&self, service: &Service) -> Option<&kubernetes::ServiceSpec> {
        let found = service.object(self)?.as_service()?;
        (!found.spec.selector.is_empty()).then_some(&found.spec)
    }

    /// What the cluster would put into slices: the pods the Service selects. Used when the input has no slices.
    fn selected_pods(&self, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        let Some(spec) = self.selecting(service) else { return Vec::new() };
        let mut out = Vec::new();
        for pod in self.pods_selected(&service.namespace, &spec.selector) {
            if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
                continue;
            }
            let number = match &port.target {
                IntOrString::Int(number) => *number,
                IntOrString::String(name) => {
                    let named = pod.spec.spec.containers.iter().flat_map(|container| &container.ports);
                    match named.into_iter().find(|port| port.name == *name) {
                        Some(port) => port.container_port,
                        None => continue,
                    }
                }
            };
            if let Some(ip) = pod.ips().next() {
                let mut endpoint = self.pod_endpoint(pod, ip, number);
                if spec.publish_not_ready_addresses {
                    endpoint.health = Health::Healthy;
                }
                out.push(endpoint);
            }
        }
        out
    }

    fn pod_by_ip(&self, namespace: &str, ip: &str) -> Option<Resource<'_, Pod>> {
        self.at(self.index.pod_by_ip(namespace, ip)?)
    }

    fn pod_endpoint(&self, pod: Resource<'_, Pod>, address: &str, port: u32) -> Endpoint {
        let mut out = self.pod_on(pod, "", address, port);
        topology::augment(&mut out.labels, &out.locality, node_of(pod, ""), "");
        out
    }

    /// The endpoint of a pod with its own labels only; `node` counts for a pod that names no node.
    fn pod_on(&self, pod: Resource<'_, Pod>, node: &str, address: &str, port: u32) -> Endpoint {
        let labels = &pod.object.metadata.labels;
        let locality = Locality::of_workload(|key| labels.get(key).map(String::as_str));
        Endpoint {
            address: Address::parse(address),
            port,
            labels: labels.clone(),
            locality: locality.unwrap_or_else(|| self.node_locality(node_of(pod, node))),
            weight: 1,
            health: if pod.is_ready() { Health::Healthy } else { Health::Unhealthy },
            network: labels.get(NETWORK).cloned().unwrap_or_default(),
            service_account: pod.service_account().to_owned(),
            namespace: pod.namespace().to_owned(),
            workload: Some(pod.reference()),
        }
    }

    /// The WorkloadEntries that a Kubernetes Service selects (MODEL-RES-38).
    fn selected_entries(&self, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        let Some(spec) = self.selecting(service) else { return Vec::new() };
        let mut out = Vec::new();
        for (entry, labels) in self.workload_entries_selected(&service.namespace, &spec.selector) {
            let number = match &port.target {
                IntOrString::Int(number) => entry.spec.ports.get(&port.name).copied().unwrap_or(*number),
                // A name that the entry does not know is of a port that it does not have.
                IntOrString::String(name) => match entry.spec.ports.get(name) {
                    Some(number) => *number,
                    None => continue,
                },
            };
            if !entry.spec.address.is_empty() {
                let endpoint = of_entry(&service.namespace, entry.spec, labels, number);
                out.push(Endpoint { workload: Some(entry.reference()), ..endpoint });
            }
        }
        out
    }

    fn entry_endpoints(&self, service: &Service, port: &ServicePort) -> Vec<Endpoint> {
        let Some(object) = service.object(self) else { return Vec::new() };
        let Some(entry) = object.as_service_entry() else { return Vec::new() };
        let target = match port.target {
            IntOrString::Int(number) => number,
            IntOrString::String(_) => port.number,
        };
        let of = |workload: &WorkloadEntry, labels: StringMap| {
            let port = workload.ports.get(&port.name).copied().unwrap_or(target);
            of_entry(&service.namespace, workload, labels, port)
        };
        if let Some(selected) = self.selected_by_entry(service, entry, target, &of) {
            return selected;
        }
        if entry.endpoints.is_empty()
            && matches!(service.resolution, ServiceResolution::Dns | ServiceResolution::DnsRoundRobin)
        {
            // Without endpoints the host itself is resolved (MODEL-RES-36).
            let host = WorkloadEntry { address: service.hostname.clone(), ..WorkloadEntry::default() };
            return vec![of(&host, StringMap::new())];
        }
        let listed = entry.endpoints.iter().filter(|endpoint| !endpoint.address.is_empty());
        listed.map(|endpoint| of(endpoint, endpoint.labels.clone())).collect()
    }

    /// Pods and WorkloadEntries of the same namespace that the entry's selector selects; `None` without selector.
    fn selected_by_entry(
        &self,
        service: &Service,
        entry: &ServiceEntry,
        target: u32,
        of: &dyn Fn(&WorkloadEntry, StringMap) -> Endpoint,
    ) -> Option<Vec<Endpoint>> {
        let selector = &entry.workload_selector.as_ref()?.labels;
        let mut out = Vec::new();
        for (workload, labels) in self.workload_entries_selected(&service.namespace, selector) {
            if !workload.address.is_empty() {
                out.push(Endpoint { workload: Some(workload.reference()), ..of(workload.spec, labels) });
            }
        }
        for pod in self.pods_selected(&service.namespace, selector) {
            if let Some(ip) = pod.ips().next() {
                out.push(self.pod_endpoint(pod, ip, target));
            }
        }
        Some(out)
    }
}

/// The endpoint that an entry of `namespace` describes.
fn of_entry(namespace: &str, workload: &WorkloadEntry, mut labels: StringMap, port: u32) -> Endpoint {
    let locality = locality_of(workload, &labels);
    topology::augment(&mut labels, &locality, "", &workload.network);
    Endpoint {
        address: Address::parse(&workload.address),
        port,
        labels,
        locality,
        weight: workload.weight.unwrap_or(1).max(1),
        health: Health::Healthy,
        network: workload.network.clone(),
        service_account: workload.service_account.clone(),
        namespace: namespace.to_owned(),
        workload: None,
    }
}

/// The node of a pod; of one that names none, `node`.
fn node_of<'n>(pod: Resource<'n, Pod>, node: &'n str) -> &'n str {
    match pod.spec.spec.node_name.as_str() {
        "" => node,
        own => own,
    }
}

fn locality_of(workload: &WorkloadEntry, labels: &StringMap) -> Locality {
    let own = || Locality::of_workload(|key| labels.get(key).map(String::as_str));
    match workload.locality.as_str() {
        "" => own().unwrap_or_default(),
        text => Locality::parse(text),
    }
}

/// The number under which a slice serves a Service port: ports join by name, and a single port joins unnamed.
fn slice_port(slice: &EndpointSlice, service: &Service, port: &ServicePort) -> Option<u32> {
    let found = slice.ports.iter().find(|candidate| candidate.name == port.name);
    let single = || match (slice.ports.as_slice(), service.ports.as_slice()) {
        ([only], [_]) if only.name.is_empty() || port.name.is_empty() => Some(only),
        _ => None,
    };
    found.or_else(single).map(|found| found.port.unwrap_or(port.number))
}
