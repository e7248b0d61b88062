//! A worker's view of the clusters: endpoints with their idle connections, and the balancer's state.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::balance::{Balancer, PickInput};
use super::connection::UpstreamConnection;
use crate::snapshot::{Cluster, Snapshot};
use crate::telemetry::Cell64;

/// Idle connections kept per worker and endpoint. More than a client wave needs after it has passed.
const MAX_IDLE: usize = 1024;

/// Identity of an endpoint across snapshots: connections and counters survive a configuration change that keeps
/// cluster name and address (`PROXY-SNAP-02`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointKey {
    pub(crate) cluster: Arc<str>,
    pub(crate) address: SocketAddr,
}

/// One endpoint on one worker.
#[derive(Debug)]
pub(crate) struct WorkerEndpoint {
    key: EndpointKey,
    /// The address as logs write it.
    name: Box<str>,
    #[allow(
        clippy::vec_box,
        reason = "connections move between pool, request and body; a box moves as a pointer"
    )]
    idle: RefCell<Vec<Box<UpstreamConnection>>>,
    retired: Cell<bool>,
    pub(crate) cells: Arc<EndpointCells>,
}

impl std::fmt::Debug for UpstreamConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamConnection").field("local", &self.local()).finish_non_exhaustive()
    }
}

impl WorkerEndpoint {
    pub(crate) fn address(&self) -> SocketAddr {
        self.key.address
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The most recently used idle connection: the one least likely to have been closed by the peer.
    pub(crate) fn take(&self) -> Option<Box<UpstreamConnection>> {
        self.idle.borrow_mut().pop()
    }

    /// No snapshot has this endpoint any more: its connections are closed as they become idle. They refer to the
    /// endpoint, so keeping one would keep both for ever.
    fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }

    pub(crate) fn put(&self, connection: Box<UpstreamConnection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MAX_IDLE && !self.retired.get() {
            idle.push(connection);
        }
    }

    /// Drops idle connections that the peer has closed or that are older than `timeout`.
    fn sweep(&self, now: Instant, timeout: Duration) {
        self.idle
            .borrow_mut()
            .retain_mut(|connection| connection.idle_for(now) < timeout && connection.check_idle());
    }
}

/// Counters of one endpoint on one worker; the admin interface sums them.
#[derive(Debug, Default)]
pub(crate) struct EndpointCells {
    pub(crate) cx_total: Cell64,
    pub(crate) cx_active: Cell64,
    pub(crate) cx_connect_fail: Cell64,
    pub(crate) rq_total: Cell64,
    pub(crate) rq_active: Cell64,
    pub(crate) rq_success: Cell64,
    pub(crate) rq_error: Cell64,
    pub(crate) rq_timeout: Cell64,
}

/// Where the admin interface finds the cells of all workers.
#[derive(Debug, Default)]
pub(crate) struct EndpointRegistry(Mutex<Vec<(EndpointKey, Arc<EndpointCells>)>>);

impl EndpointRegistry {
    fn register(&self, key: EndpointKey) -> Arc<EndpointCells> {
        let cells = Arc::new(EndpointCells::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((key, Arc::clone(&cells)));
        cells
    }

    /// All cells of all workers, in no particular order.
    pub(crate) fn all(&self) -> Vec<(EndpointKey, Arc<EndpointCells>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The worker that wrote them has dropped the endpoint.
        all.retain(|(_, cells)| Arc::strong_count(cells) > 1);
        all.clone()
    }
}

/// One cluster on one worker.
#[derive(Debug)]
pub(crate) struct WorkerCluster {
    endpoints: Vec<Rc<WorkerEndpoint>>,
    balancer: Balancer,
    idle_timeout: Duration,
}

impl WorkerCluster {
    /// Chooses an endpoint, or `None` when there is none to choose (`UH`).
    pub(crate) fn pick(&self, input: PickInput) -> Option<(usize, &Rc<WorkerEndpoint>)> {
        let at = self.balancer.pick(&self.endpoints, input)?;
        Some((at, self.endpoints.get(at)?))
    }
}

/// All clusters of a worker, rebuilt when a snapshot is adopted; endpoints that stay keep their connections.
#[derive(Debug, Default)]
pub(crate) struct UpstreamClusters {
    known: HashMap<EndpointKey, Rc<WorkerEndpoint>, RandomState>,
}

impl UpstreamClusters {
    /// The worker's clusters for `snapshot`, in the snapshot's order.
    pub(crate) fn adopt(
        &mut self,
        snapshot: &Snapshot,
        previous: Option<(&Snapshot, &[Rc<WorkerCluster>])>,
        registry: &EndpointRegistry,
    ) -> Vec<Rc<WorkerCluster>> {
        let mut kept = HashMap::default();
        let old: HashMap<&str, (&Cluster, &Rc<WorkerCluster>), RandomState> = previous
            .map(|(snapshot, clusters)| {
                snapshot.clusters().iter().zip(clusters).map(|(c, w)| (&*c.name, (c, w))).collect()
            })
            .unwrap_or_default();
        let clusters = snapshot
            .clusters()
            .iter()
            .map(|cluster| {
                let endpoints: Vec<_> = cluster
                    .endpoints
                    .iter()
                    .map(|endpoint| {
                        let key =
                            EndpointKey { cluster: Arc::clone(&cluster.name), address: endpoint.address };
                        let endpoint = self.known.get(&key).map_or_else(
                            || {
                                Rc::new(WorkerEndpoint {
                                    name: key.address.to_string().into(),
                                    key: key.clone(),
                                    idle: RefCell::default(),
                                    retired: Cell::new(false),
                                    cells: registry.register(key.clone()),
                                })
                            },
                            Rc::clone,
                        );
                        kept.insert(key, Rc::clone(&endpoint));
                        endpoint
                    })
                    .collect();
                match old.get(&*cluster.name) {
                    // Unchanged: the balancer's position survives too.
                    Some((before, worker)) if *before == cluster => Rc::clone(worker),
                    _ => Rc::new(WorkerCluster {
                        balancer: Balancer::new(&cluster.balancing, &endpoints),
                        endpoints,
                        idle_timeout: cluster.idle_timeout,
                    }),
                }
            })
            .collect();
        for (key, endpoint) in std::mem::replace(&mut self.known, kept) {
            if !self.known.contains_key(&key) {
                endpoint.retire();
            }
        }
        clusters
    }
}

/// Closes idle connections that ended or are too old; called about once a second.
pub(crate) fn sweep(clusters: &[Rc<WorkerCluster>], now: Instant) {
    for cluster in clusters {
        for endpoint in &cluster.endpoints {
            endpoint.sweep(now, cluster.idle_timeout);
        }
    }
}
