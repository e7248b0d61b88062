//! The configuration in force: one immutable value behind one pointer.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::snapshot::Snapshot;
use crate::telemetry::{MetricTargets, TargetInterner};

/// A snapshot with what the process adds to it.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) snapshot: Snapshot,
    pub(crate) targets: MetricTargets,
    /// 1 for the first, counted up by each publish.
    pub(crate) generation: u64,
}

/// The pointer that workers read (`PROXY-SNAP-01`) and the control thread swaps.
pub(crate) struct Live {
    current: ArcSwap<Published>,
    interner: TargetInterner,
}

impl Live {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        let interner = TargetInterner::default();
        let targets = MetricTargets::new(&snapshot, &interner);
        Self { current: ArcSwap::from_pointee(Published { snapshot, targets, generation: 1 }), interner }
    }

    /// Makes `snapshot` the one that every request from now on sees. Only the control thread calls this.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let targets = MetricTargets::new(&snapshot, &self.interner);
        let generation = self.current.load().generation + 1;
        self.current.store(Arc::new(Published { snapshot, targets, generation }));
    }

    pub(crate) fn current(&self) -> &ArcSwap<Published> {
        &self.current
    }

    pub(crate) fn interner(&self) -> &TargetInterner {
        &self.interner
    }
}
