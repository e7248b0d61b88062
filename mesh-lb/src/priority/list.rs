//! One list that a pick can draw from.

use std::sync::{Arc, OnceLock};

use crate::edf;
use crate::set::EndpointIndex;

/// What a list holds. Together with the priority it names the list across views, so that a rotation can go
/// on where it was (LB-RR-01, LB-RR-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListKind {
    /// Every endpoint of the priority, for panic.
    All,
    Healthy,
    Degraded,
    /// The healthy endpoints of one locality, by its position in the set.
    LocalityHealthy(usize),
    LocalityDegraded(usize),
}

/// Endpoints of one priority in configuration order.
#[derive(Debug)]
pub(crate) struct HostList {
    pub(crate) priority: u8,
    pub(crate) kind: ListKind,
    /// Whether a pick from this list is a pick in panic (LB-PANIC-05).
    pub(crate) panic: bool,
    pub(crate) hosts: Arc<[EndpointIndex]>,
    /// The weights, parallel to `hosts`; `None` when they are all equal, which selects the unweighted
    /// algorithms (LB-EDF-01).
    pub(crate) weights: Option<Arc<[u32]>>,
    /// Whether an endpoint of the list was warming up when the view was made; it is then scheduled in any case
    /// (LB-SLOW-03).
    pub(crate) warming: bool,
    /// The hosts in the order of one weighted round; made by the first worker that needs it, then shared.
    round: OnceLock<Option<Arc<[EndpointIndex]>>>,
}

impl HostList {
    pub(crate) fn new(priority: u8, kind: ListKind, panic: bool, hosts: Vec<(EndpointIndex, u32)>) -> Self {
        let first = hosts.first().map(|&(_, weight)| weight);
        let equal = hosts.iter().all(|&(_, weight)| Some(weight) == first);
        Self {
            priority,
            kind,
            panic,
            weights: (!equal).then(|| hosts.iter().map(|&(_, weight)| weight).collect()),
            hosts: hosts.into_iter().map(|(host, _)| host).collect(),
            warming: false,
            round: OnceLock::new(),
        }
    }

    /// Shares what was made for a list of the same hosts and weights.
    pub(crate) fn take_over(&mut self, before: &Self) {
        if self.hosts == before.hosts && self.weights == before.weights {
            self.hosts = Arc::clone(&before.hosts);
            self.weights.clone_from(&before.weights);
            self.round = before.round.clone();
        }
    }

    /// The hosts in the order one round of ROUND_ROBIN visits them; `None` if the weights make the round so
    /// long that it must be scheduled as it goes.
    pub(crate) fn round(&self) -> Option<Arc<[EndpointIndex]>> {
        let Some(weights) = &self.weights else { return Some(Arc::clone(&self.hosts)) };
        let make = || {
            let order = edf::exact_round(weights)?;
            Some(order.into_iter().filter_map(|at| self.hosts.get(usize::from(at)).copied()).collect())
        };
        self.round.get_or_init(make).clone()
    }
}
