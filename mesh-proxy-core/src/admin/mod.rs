//! The admin interface (`PROXY-ADM-01`): what the proxy is doing, and a few levers. Loopback by default.

mod dump;
mod server;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mesh_model::Object;
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use server::serve;

use crate::log::LogLevels;
use crate::shared::Shared;

/// What the admin interface asks the control thread to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// End now, without draining.
    Quit,
    /// Ask clients to close, go on accepting.
    Drain,
    /// Open the access log anew.
    ReopenLogs,
}

/// `/ready` and `envoy_server_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Live,
    Draining,
    Initializing,
}

/// What the admin interface reads.
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) levels: LogLevels,
    pub(crate) requests: UnboundedSender<Request>,
    pub(crate) concurrency: usize,
    /// Access-log lines that could not be written.
    pub(crate) log_lines_dropped: Arc<AtomicU64>,
    phase: AtomicU8,
    loaded: Mutex<Loaded>,
}

/// The configuration as it was read, for `/config_dump` and `/issues`.
#[derive(Clone, Default)]
pub(crate) struct Loaded {
    pub(crate) objects: Arc<Vec<Object>>,
    /// Rendered findings, one each.
    pub(crate) issues: Arc<Vec<String>>,
}

impl Admin {
    pub(crate) fn new(
        shared: Arc<Shared>,
        levels: LogLevels,
        requests: UnboundedSender<Request>,
        concurrency: usize,
        log_lines_dropped: Arc<AtomicU64>,
    ) -> Self {
        Self {
            shared,
            levels,
            requests,
            concurrency,
            log_lines_dropped,
            phase: AtomicU8::new(Phase::Initializing as u8),
            loaded: Mutex::default(),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Live,
            1 => Phase::Draining,
            _ => Phase::Initializing,
        }
    }

    pub(crate) fn set_loaded(&self, loaded: Loaded) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
    }

    pub(crate) fn loaded(&self) -> Loaded {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
