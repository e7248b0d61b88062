//! A worker's position in the balancing of one cluster.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use mesh_lb::{Draw, EndpointIndex, LeastRequest, LeastRequestConfig, Maglev, Random, RingHash, RoundRobin};

use super::cluster::WorkerEndpoint;
use crate::snapshot::{Algorithm, Balancing};

/// What a pick depends on besides the worker's own state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PickInput {
    /// The request's hash, for the hash algorithms; a random value takes the place of none.
    pub(crate) hash: Option<u64>,
    /// 0 for the first pick of a request, counted up when an endpoint is picked again.
    pub(crate) attempt: u32,
}

/// The state of one algorithm.
///
/// DIFFERENCE LB-LR-05: Envoy's least request compares requests over all workers; here each worker compares its own,
/// which needs no shared counter on the request path. With connections spread evenly over workers the two agree.
#[derive(Debug)]
pub(crate) enum Balancer {
    RoundRobin(RefCell<RoundRobin>),
    LeastRequest(RefCell<LeastRequest>),
    Random(Random),
    RingHash(Arc<RingHash>),
    Maglev(Arc<Maglev>),
}

impl Balancer {
    pub(crate) fn new(balancing: &Balancing, endpoints: &[Rc<WorkerEndpoint>]) -> Self {
        let view = Arc::clone(&balancing.view);
        match &balancing.algorithm {
            Algorithm::RoundRobin => Self::RoundRobin(RefCell::new(RoundRobin::new(view, &mut WorkerDraw))),
            Algorithm::LeastRequest => Self::LeastRequest(RefCell::new(LeastRequest::new(
                view,
                LeastRequestConfig::default(),
                &|at| active(endpoints, at),
                &mut WorkerDraw,
            ))),
            Algorithm::Random => Self::Random(Random::new(view)),
            Algorithm::RingHash(ring) => Self::RingHash(Arc::clone(ring)),
            Algorithm::Maglev(table) => Self::Maglev(Arc::clone(table)),
        }
    }

    /// The position of the endpoint to use; `None` when there is none.
    pub(crate) fn pick(&self, endpoints: &[Rc<WorkerEndpoint>], input: PickInput) -> Option<usize> {
        let hash = || input.hash.unwrap_or_else(|| WorkerDraw.next_u64());
        let picked = match self {
            Self::RoundRobin(state) => state.borrow_mut().pick(&mut WorkerDraw),
            Self::LeastRequest(state) => {
                state.borrow_mut().pick(&|at| active(endpoints, at), &mut WorkerDraw)
            }
            Self::Random(state) => state.pick(&mut WorkerDraw),
            Self::RingHash(ring) => ring.pick(hash(), input.attempt),
            Self::Maglev(table) => table.pick(hash(), input.attempt),
        };
        picked.map(|picked| picked.endpoint.get())
    }
}

fn active(endpoints: &[Rc<WorkerEndpoint>], at: EndpointIndex) -> u32 {
    endpoints
        .get(at.get())
        .map_or(0, |endpoint| u32::try_from(endpoint.cells.rq_active.get()).unwrap_or(u32::MAX))
}

/// The worker's generator. `fastrand` keeps one a thread.
pub(crate) struct WorkerDraw;

impl Draw for WorkerDraw {
    fn next_u64(&mut self) -> u64 {
        fastrand::u64(..)
    }
}
