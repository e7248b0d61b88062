//! What threads share: the snapshot's pointer, and where each worker's counters can be read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::live::Live;
use crate::telemetry::Registry;
use crate::upstream::EndpointRegistry;
use crate::worker::WorkerCells;

/// Shared by all threads; nothing in it is written on the request path.
pub(crate) struct Shared {
    live: Live,
    metrics: Registry,
    endpoints: EndpointRegistry,
    workers: Mutex<Vec<Arc<WorkerCells>>>,
    started: Instant,
}

impl Shared {
    pub(crate) fn new(live: Live) -> Self {
        Self {
            live,
            metrics: Registry::default(),
            endpoints: EndpointRegistry::default(),
            workers: Mutex::default(),
            started: Instant::now(),
        }
    }

    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) fn metrics(&self) -> &Registry {
        &self.metrics
    }

    pub(crate) fn endpoints(&self) -> &EndpointRegistry {
        &self.endpoints
    }

    pub(crate) fn register_worker(&self) -> Arc<WorkerCells> {
        let cells = Arc::new(WorkerCells::default());
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cells));
        cells
    }

    /// Sums one counter over the workers.
    pub(crate) fn sum(&self, read: impl Fn(&WorkerCells) -> u64) -> u64 {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|cells| read(cells)).sum()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }
}
