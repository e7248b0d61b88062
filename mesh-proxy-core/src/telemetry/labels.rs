//! The label sets of Istio's standard metrics, known before any request: one number stands for each.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::snapshot::{Cluster, Role, ServiceName, Snapshot, Workload};

/// Everything a series is labelled with apart from what the response adds (`PROXY-MET-01`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Labels {
    pub(crate) source: Workload,
    pub(crate) destination: Workload,
    pub(crate) service: ServiceName,
    /// Where metrics past the series limit go.
    pub(crate) other: bool,
}

/// Gives label sets numbers that stay the same for the life of the process.
#[derive(Debug)]
pub(crate) struct TargetInterner(Mutex<Interned>);

#[derive(Debug, Default)]
struct Interned {
    numbers: HashMap<Arc<Labels>, u32, RandomState>,
    labels: Vec<Arc<Labels>>,
}

impl Default for TargetInterner {
    fn default() -> Self {
        let interner = Self(Mutex::default());
        // Number 0 is `metrics::OTHER_TARGET`.
        interner.number(Labels { other: true, ..Labels::default() });
        interner
    }
}

impl TargetInterner {
    fn number(&self, labels: Labels) -> u32 {
        let mut interned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = interned.numbers.get(&labels) {
            return *number;
        }
        let number = u32::try_from(interned.labels.len()).unwrap_or(super::metrics::OTHER_TARGET);
        let labels = Arc::new(labels);
        interned.labels.push(Arc::clone(&labels));
        interned.numbers.insert(labels, number);
        number
    }

    /// All label sets, by number.
    pub(crate) fn all(&self) -> Vec<Arc<Labels>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).labels.clone()
    }
}

/// The numbers for one snapshot, by role, cluster and endpoint.
#[derive(Debug, Default)]
pub(crate) struct MetricTargets {
    gateway: RoleTargets,
    sidecar: RoleTargets,
}

#[derive(Debug, Default)]
struct RoleTargets {
    /// A request that reached no cluster.
    none: u32,
    clusters: Vec<ClusterTargets>,
}

#[derive(Debug)]
struct ClusterTargets {
    /// A request that reached the cluster but no endpoint.
    service: u32,
    endpoints: Vec<u32>,
}

impl MetricTargets {
    pub(crate) fn new(snapshot: &Snapshot, interner: &TargetInterner) -> Self {
        let role = |source: &Workload| {
            let number = |destination: &Workload, service: &ServiceName| {
                interner.number(Labels {
                    source: source.clone(),
                    destination: destination.clone(),
                    service: service.clone(),
                    other: false,
                })
            };
            let cluster = |cluster: &Cluster| ClusterTargets {
                service: number(&Workload::default(), &cluster.service),
                endpoints: cluster.endpoints.iter().map(|e| number(&e.workload, &cluster.service)).collect(),
            };
            RoleTargets {
                none: number(&Workload::default(), &ServiceName::default()),
                clusters: snapshot.clusters().iter().map(cluster).collect(),
            }
        };
        Self {
            gateway: role(snapshot.workload(Role::Gateway)),
            sidecar: role(snapshot.workload(Role::Sidecar)),
        }
    }

    /// The number for a request seen in `role`, that got as far as `cluster` and `endpoint`.
    pub(crate) fn get(&self, role: Role, cluster: Option<usize>, endpoint: Option<usize>) -> u32 {
        let targets = match role {
            Role::Gateway => &self.gateway,
            Role::Sidecar => &self.sidecar,
        };
        let Some(cluster) = cluster.and_then(|at| targets.clusters.get(at)) else { return targets.none };
        endpoint.and_then(|at| cluster.endpoints.get(at)).copied().unwrap_or(cluster.service)
    }
}
