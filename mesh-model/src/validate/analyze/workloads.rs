//! What runs in the mesh, by namespace and labels: Pods, what makes Pods, and WorkloadEntries.
//!
//! A selector looks only at the workloads that have the rarest of its pairs, so that it does not cost a walk over all.

use crate::common::StringMap;
use crate::kubernetes::{Pod, PodSpec, PodTemplate};
use crate::object::{Body, Object};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Label of pods that belong to a Gateway of the Gateway API.
pub(super) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
const INJECT: &str = "sidecar.istio.io/inject";
pub(super) const INJECTION: &str = "istio-injection";
pub(super) const REVISION: &str = "istio.io/rev";
pub(super) const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// Values of one label that are told apart in a help.
const VALUES: usize = 12;

/// Whether a workload takes part in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// It has, or will have, a proxy of its own.
    Sidecar,
    /// The node's proxy serves it.
    Ambient,
    /// It has no proxy.
    Outside,
    /// The namespace is not among the objects, or it is no pod.
    Unknown,
}

/// A Pod, the template of a Deployment, StatefulSet or DaemonSet, or a WorkloadEntry.
pub(super) struct Workload<'o> {
    /// The place of the object among the objects.
    pub(super) place: usize,
    pub(super) object: &'o Object,
    /// Absent for a WorkloadEntry.
    pub(super) spec: Option<&'o PodSpec>,
    labels: &'o StringMap,
    /// Labels that those above overlay (MODEL-RES-38).
    base: Option<&'o StringMap>,
    pub(super) membership: Membership,
}

impl<'o> Workload<'o> {
    pub(super) fn namespace(&self) -> &'o str {
        &self.object.metadata.namespace
    }

    pub(super) fn label(&self, key: &str) -> Option<&'o str> {
        self.labels.get(key).or_else(|| self.base?.get(key)).map(String::as_str)
    }

    fn pairs(&self) -> impl Iterator<Item = (&'o str, &'o str)> {
        let labels = self.labels;
        let base = self.base.into_iter().flatten().filter(|(key, _)| !labels.contains_key(*key));
        labels.iter().chain(base).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// True when it carries every pair of `selector`.
    pub(super) fn has(&self, selector: &StringMap) -> bool {
        selector.iter().all(|(key, value)| self.label(key) == Some(value))
    }

    /// The declared ports of its containers.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&'o str, u32)> {
        let pod = self.spec.into_iter();
        let containers = pod.flat_map(|pod| pod.containers.iter().chain(&pod.init_containers));
        containers
            .flat_map(|container| &container.ports)
            .map(|port| (port.name.as_str(), port.container_port))
    }
}

pub(super) struct Workloads<'o> {
    list: Vec<Workload<'o>>,
    all: Vec<usize>,
    by_namespace: HashMap<&'o str, Vec<usize>>,
    by_pair: HashMap<(&'o str, &'o str), Vec<usize>>,
    by_place: HashMap<(&'o str, &'o str, &'o str), Vec<usize>>,
    /// Some values of a label in a namespace.
    values: HashMap<(&'o str, &'o str), BTreeSet<&'o str>>,
    /// The Namespace objects.
    namespaces: HashMap<&'o str, &'o Object>,
    /// Namespaces that exist because something is in them.
    inhabited: HashSet<&'o str>,
    has_pods: bool,
    by_default: bool,
}

impl<'o> Workloads<'o> {
    pub(super) fn new(objects: &'o [Object]) -> Self {
        let mut new = Self {
            list: Vec::new(),
            all: Vec::new(),
            by_namespace: HashMap::new(),
            by_pair: HashMap::new(),
            by_place: HashMap::new(),
            values: HashMap::new(),
            namespaces: HashMap::new(),
            inhabited: HashSet::new(),
            has_pods: false,
            by_default: injects_by_default(objects),
        };
        for object in objects {
            if let Body::Namespace(_) = &object.body {
                new.namespaces.insert(&object.metadata.name, object);
            }
            new.inhabited.insert(&object.metadata.namespace);
        }
        for (place, object) in objects.iter().enumerate() {
            new.add(place, object);
        }
        new
    }

    fn add(&mut self, place: usize, object: &'o Object) {
        let own = &object.metadata;
        let (labels, annotations, pod) = match (&object.body, template(&object.body)) {
            (Body::Pod(pod), _) => (&own.labels, &own.annotations, Some(&pod.spec)),
            (_, Some(found)) => (&found.metadata.labels, &found.metadata.annotations, Some(&found.spec)),
            (Body::WorkloadEntry(_), _) => (&own.labels, &own.annotations, None),
            _ => return,
        };
        let base = object.as_workload_entry().map(|entry| &entry.labels);
        let membership =
            pod.map_or(Membership::Unknown, |pod| self.membership(&own.namespace, labels, annotations, pod));
        self.has_pods |= pod.is_some();
        let at = self.list.len();
        let workload = Workload { place, object, spec: pod, labels, base, membership };
        let namespace = workload.namespace();
        for (key, value) in workload.pairs() {
            self.by_pair.entry((key, value)).or_default().push(at);
            self.by_place.entry((namespace, key, value)).or_default().push(at);
            let values = self.values.entry((namespace, key)).or_default();
            if values.len() < VALUES {
                values.insert(value);
            }
        }
        self.by_namespace.entry(namespace).or_default().push(at);
        self.all.push(at);
        self.list.push(workload);
    }

    /// As Istio's injection decides it.
    fn membership(
        &self,
        namespace: &str,
        labels: &StringMap,
        annotations: &StringMap,
        pod: &PodSpec,
    ) -> Membership {
        if has_proxy(pod) {
            return Membership::Sidecar;
        }
        let mode = labels.get(DATAPLANE_MODE).map(String::as_str);
        if mode == Some("ambient")
            || annotations.get("ambient.istio.io/redirection").is_some_and(|value| value == "enabled")
        {
            return Membership::Ambient;
        }
        if pod.host_network {
            return Membership::Outside;
        }
        if let Some(inject) = labels.get(INJECT).or_else(|| annotations.get(INJECT)) {
            return if inject == "true" { Membership::Sidecar } else { Membership::Outside };
        }
        let Some(found) = self.namespaces.get(namespace) else { return Membership::Unknown };
        if self.injects(found) || labels.get(REVISION).is_some_and(|revision| !revision.is_empty()) {
            Membership::Sidecar
        } else if is_ambient(found) && mode != Some("none") {
            Membership::Ambient
        } else {
            Membership::Outside
        }
    }

    /// True when Pods, or what makes them, are among the objects.
    pub(super) fn are_known(&self) -> bool {
        self.has_pods
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Workload<'o>)> {
        self.list.iter().enumerate()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Workload<'o>> {
        self.list.get(at)
    }

    /// The object of a workload, as messages name it.
    pub(super) fn name(&self, at: usize) -> String {
        self.get(at).map(|workload| workload.object.reference().to_string()).unwrap_or_default()
    }

    /// The workloads that carry every pair of `selector`, in one namespace or, without one, in all; with their numbers.
    ///
    /// Cost: linear in the workloads that have the rarest of its pairs.
    pub(super) fn select<'s>(
        &'s self,
        namespace: Option<&'s str>,
        selector: &'s StringMap,
    ) -> impl Iterator<Item = (usize, &'s Workload<'o>)> {
        let everywhere = match namespace {
            Some(namespace) => self.by_namespace.get(namespace),
            None => Some(&self.all),
        };
        let with = |(key, value): (&'s String, &'s String)| match namespace {
            Some(namespace) => self.by_place.get(&(namespace, key.as_str(), value.as_str())),
            None => self.by_pair.get(&(key.as_str(), value.as_str())),
        };
        let list = |found: Option<&'s Vec<usize>>| found.map_or(&[][..], Vec::as_slice);
        let rarest = selector.iter().map(|pair| list(with(pair))).min_by_key(|list| list.len());
        let candidates = rarest.unwrap_or_else(|| list(everywhere));
        candidates
            .iter()
            .filter_map(|at| Some((*at, self.list.get(*at)?)))
            .filter(|(_, workload)| workload.has(selector))
    }

    /// True when some workload of the namespace has the label.
    pub(super) fn has_key(&self, namespace: &str, key: &str) -> bool {
        self.values.contains_key(&(namespace, key))
    }

    /// What can be done about a selector that selects nothing in its namespace, or, without one, anywhere.
    pub(super) fn hint(&self, namespace: Option<&str>, selector: &StringMap) -> String {
        let Some(namespace) = namespace else {
            let unknown = |(key, value): &(&String, &String)| {
                !self.by_pair.contains_key(&(key.as_str(), value.as_str()))
            };
            return selector.iter().find(unknown).map_or_else(
                || "no workload has all of these labels at once".to_owned(),
                |(key, value)| format!("no workload has `{key}: {value}`"),
            );
        };
        for (key, value) in selector {
            if self.by_place.contains_key(&(namespace, key, value)) {
                continue;
            }
            // Looking on for ever would cost too much where many selectors lead nowhere.
            let elsewhere = self.by_pair.get(&(key.as_str(), value.as_str())).into_iter().flatten().take(100);
            let mut elsewhere = elsewhere.filter_map(|at| self.list.get(*at));
            if let Some(found) = elsewhere.find(|workload| workload.has(selector)) {
                let place = found.namespace();
                return format!("{} has these labels, in the namespace `{place}`", found.object.reference());
            }
            return match self.values.get(&(namespace, key.as_str())) {
                Some(values) => {
                    let values: Vec<&str> = values.iter().copied().collect();
                    format!("no workload has `{key}: {value}`, the values there are {}", values.join(", "))
                }
                None => format!("no workload of the namespace has the label `{key}`"),
            };
        }
        "no workload has all of these labels at once".to_owned()
    }

    /// False when the namespaces are not among the objects at all.
    pub(super) fn namespaces_are_known(&self) -> bool {
        !self.namespaces.is_empty()
    }

    /// The Namespace object of that name.
    pub(super) fn namespace(&self, name: &str) -> Option<&'o Object> {
        self.namespaces.get(name).copied()
    }

    /// True when namespaces without a label for injection get sidecars, as the mesh is installed.
    pub(super) fn by_default(&self) -> bool {
        self.by_default
    }

    /// True when a namespace asks for sidecars, or gets them unasked.
    pub(super) fn injects(&self, namespace: &Object) -> bool {
        let labels = &namespace.metadata.labels;
        let silent = !labels.contains_key(INJECTION) && !labels.contains_key(REVISION);
        let unasked = self.by_default && silent && !asks_for_ambient(namespace);
        asks_for_sidecars(namespace) || (unasked && !is_system_namespace(&namespace.metadata.name))
    }

    /// Every namespace that exists: by a Namespace object, because something is in it, or in every cluster.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &'o str> {
        self.namespaces.keys().chain(&self.inhabited).copied().chain(SYSTEM).filter(|name| !name.is_empty())
    }
}

/// Namespaces of Kubernetes itself, and the one that is there before any is made.
const SYSTEM: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// True for a namespace that holds the cluster's or the mesh's own workloads.
pub(super) fn is_system_namespace(name: &str) -> bool {
    matches!(name, "istio-system" | "kube-system" | "kube-public" | "kube-node-lease" | "local-path-storage")
}

/// The pods that a workload makes.
pub(super) fn template(body: &Body) -> Option<&PodTemplate> {
    match body {
        Body::Deployment(found) => Some(&found.spec.template),
        Body::StatefulSet(found) => Some(&found.spec.template),
        Body::DaemonSet(found) => Some(&found.spec.template),
        _ => None,
    }
}

/// True when the proxy's container is in the pod.
pub(super) fn has_proxy(pod: &PodSpec) -> bool {
    pod.containers.iter().chain(&pod.init_containers).any(|container| container.name == "istio-proxy")
}

/// True for a Pod that a cluster has taken in: what injection adds is there or never will be.
pub(super) fn is_admitted(pod: &Pod) -> bool {
    !pod.spec.node_name.is_empty() || !pod.status.phase.is_empty() || pod.ips().next().is_some()
}

/// True when the labels of a namespace ask for sidecars.
fn asks_for_sidecars(namespace: &Object) -> bool {
    let labels = &namespace.metadata.labels;
    match labels.get(INJECTION) {
        Some(value) => value == "enabled",
        None => labels.get(REVISION).is_some_and(|revision| !revision.is_empty()),
    }
}

/// True when a label of a namespace asks for the node's proxy.
pub(super) fn asks_for_ambient(namespace: &Object) -> bool {
    namespace.metadata.labels.get(DATAPLANE_MODE).is_some_and(|mode| mode == "ambient")
}

/// True when the labels of a namespace ask for the node's proxy; a request for sidecars is stronger.
pub(super) fn is_ambient(namespace: &Object) -> bool {
    asks_for_ambient(namespace) && !asks_for_sidecars(namespace)
}

/// What the injector without a revision says of namespaces without a label.
fn injects_by_default(objects: &[Object]) -> bool {
    let configs = objects.iter().filter(|object| object.metadata.name == "istio-sidecar-injector");
    let mut found = configs.filter_map(|object| {
        let values: serde_json::Value =
            serde_json::from_str(object.as_config_map()?.data.get("values")?).ok()?;
        values.get("sidecarInjectorWebhook")?.get("enableNamespacesByDefault")?.as_bool()
    });
    found.next_back().unwrap_or(false)
}
