//! Data plane threads. Each worker owns its sockets, its upstream connections, its counters and its buffers: nothing
//! on the request path is shared with another thread but the snapshot behind one pointer (`PROXY-PERF-20`).

mod clock;
mod downstream;
mod listener;
mod metered;
mod thread;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;

pub(crate) use self::clock::Clock;
pub(crate) use self::downstream::Downstream;
pub(crate) use self::listener::ListenerView;
pub(crate) use self::thread::{Command, WorkerHandle, spawn};
use crate::live::Published;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::telemetry::access_log::{Captured, LogFormat, LogSink};
use crate::telemetry::{Cell64, MetricTargets, Series, SeriesKey, WorkerSeries};
use crate::upstream::{UpstreamClusters, WorkerCluster, sweep};

/// What one worker shares between its connections.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    cache: RefCell<arc_swap::Cache<LiveHandle, Arc<Published>>>,
    snapshot: RefCell<Rc<WorkerSnapshot>>,
    upstreams: RefCell<UpstreamClusters>,
    series: RefCell<WorkerSeries>,
    log: RefCell<Option<(Arc<LogFormat>, LogSink)>>,
    clock: RefCell<Clock>,
    connections: RefCell<Slab<Rc<Downstream>>>,
    draining: Cell<bool>,
    /// Seconds since the worker started, counted by its tick: coarse, and free to read.
    second: Cell<u32>,
    pub(crate) cells: Arc<WorkerCells>,
}

/// Gives `arc_swap::Cache` a way to the pointer that lives inside [`Shared`].
#[derive(Clone)]
pub(crate) struct LiveHandle(Arc<Shared>);

impl std::ops::Deref for LiveHandle {
    type Target = arc_swap::ArcSwap<Published>;

    fn deref(&self) -> &Self::Target {
        self.0.live().current()
    }
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerCells {
    pub(crate) downstream_cx_total: Cell64,
    pub(crate) downstream_cx_active: Cell64,
    pub(crate) downstream_rq_total: Cell64,
    pub(crate) downstream_rq_active: Cell64,
    pub(crate) downstream_cx_idle_timeout: Cell64,
    pub(crate) downstream_rq_header_timeout: Cell64,
    pub(crate) downstream_cx_protocol_error: Cell64,
    pub(crate) accept_error: Cell64,
}

/// A snapshot as one worker uses it: the shared part, and this worker's connections and balancers for it.
pub(crate) struct WorkerSnapshot {
    published: Arc<Published>,
    clusters: Vec<Rc<WorkerCluster>>,
}

impl WorkerSnapshot {
    pub(crate) fn compiled(&self) -> &Snapshot {
        &self.published.snapshot
    }

    pub(crate) fn targets(&self) -> &MetricTargets {
        &self.published.targets
    }

    pub(crate) fn cluster(&self, at: usize) -> Option<&Rc<WorkerCluster>> {
        self.clusters.get(at)
    }
}

impl Worker {
    fn new(shared: &Arc<Shared>, log: Option<(Arc<LogFormat>, LogSink)>) -> Rc<Self> {
        let cells = shared.register_worker();
        let mut cache = arc_swap::Cache::new(LiveHandle(Arc::clone(shared)));
        let published = Arc::clone(cache.load());
        let mut upstreams = UpstreamClusters::default();
        let clusters = upstreams.adopt(&published.snapshot, None, shared.endpoints());
        Rc::new(Self {
            shared: Arc::clone(shared),
            cache: RefCell::new(cache),
            snapshot: RefCell::new(Rc::new(WorkerSnapshot { published, clusters })),
            upstreams: RefCell::new(upstreams),
            series: RefCell::new(shared.metrics().worker()),
            log: RefCell::new(log),
            clock: RefCell::new(Clock::new()),
            connections: RefCell::default(),
            draining: Cell::new(false),
            second: Cell::new(0),
            cells,
        })
    }

    /// The snapshot in force. Costs one load and one compare unless it has just been replaced (`PROXY-SNAP-01`).
    pub(crate) fn snapshot(&self) -> Rc<WorkerSnapshot> {
        let mut cache = self.cache.borrow_mut();
        let newest = cache.load();
        let current = self.snapshot.borrow();
        if Arc::ptr_eq(newest, &current.published) {
            return Rc::clone(&current);
        }
        let published = Arc::clone(newest);
        let clusters = self.upstreams.borrow_mut().adopt(
            &published.snapshot,
            Some((current.compiled(), &current.clusters)),
            self.shared.endpoints(),
        );
        drop(current);
        let adopted = Rc::new(WorkerSnapshot { published, clusters });
        self.snapshot.replace(Rc::clone(&adopted));
        adopted
    }

    pub(crate) fn second(&self) -> u32 {
        self.second.get()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The header values that the access log wants of a request; nothing when there is no log.
    pub(crate) fn capture(&self, headers: &http::HeaderMap) -> Captured {
        self.log.borrow().as_ref().map(|(format, _)| format.capture_headers(headers)).unwrap_or_default()
    }

    /// Writes one access-log line, if there is a log.
    pub(crate) fn log(&self, write: impl FnOnce(&LogFormat, &mut Clock, &mut Vec<u8>)) {
        if let Some((format, sink)) = &mut *self.log.borrow_mut() {
            sink.line(|out| write(format, &mut self.clock.borrow_mut(), out));
        }
    }

    /// The wall-clock time of an instant, as logs write it.
    pub(crate) fn timestamp(&self, at: std::time::Instant) -> [u8; 24] {
        self.clock.borrow_mut().timestamp(at)
    }

    /// Adds to the series `key`.
    pub(crate) fn count(&self, key: SeriesKey, add: impl FnOnce(&Series)) {
        add(self.series.borrow_mut().get(key));
    }

    /// Once a second: what need not be exact is done here instead of by a timer for each connection
    /// (`PROXY-PERF-37`).
    fn tick(&self) {
        let now = std::time::Instant::now();
        self.second.set(self.second.get().saturating_add(1));
        self.clock.borrow_mut().resynchronise();
        if let Some((_, sink)) = &mut *self.log.borrow_mut() {
            sink.flush();
        }
        // Adopts a new snapshot even when no request comes, so that old ones do not linger.
        let snapshot = self.snapshot();
        sweep(&snapshot.clusters, now);
        for (_, connection) in &*self.connections.borrow() {
            connection.check_timeouts(self.second.get());
        }
    }
}
