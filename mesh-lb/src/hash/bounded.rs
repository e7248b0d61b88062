//! Consistent hashing with bounded loads (spec 2.11).

use std::sync::Arc;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::ConsistentHash;
use crate::hash::mersenne::Mt19937;
use crate::hash::tables::NormalizedHost;
use crate::health::ActiveRequests;
use crate::priority::Picked;

/// How far an endpoint may be above the average load before hashed requests go elsewhere, in percent, at least
/// 100 (LB-BND-01). Envoy's `hash_balance_factor`; Istio has no field for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BalanceFactor(u32);

impl BalanceFactor {
    /// A factor in percent.
    ///
    /// # Errors
    /// [`BalanceFactorTooSmall`](BuildErrorKind::BalanceFactorTooSmall) below 100.
    pub fn new(percent: u32) -> Result<Self, BuildError> {
        if percent < 100 {
            return Err(BuildErrorKind::BalanceFactorTooSmall { found: percent }.into());
        }
        Ok(Self(percent))
    }
}

/// [`RingHash`](crate::RingHash) or [`Maglev`](crate::Maglev) with a bound on the load of each endpoint.
///
/// A request goes to the endpoint its hash leads to, unless that has more than its share of the active
/// requests times the factor; then the others are asked in an order that the hash alone decides (LB-BND-03).
///
/// The table is shared; the scratch space in here is the worker's own.
///
/// Cost: a pick as of the table, plus one counter read; linear in the endpoints when the endpoint is
/// overloaded. No allocation.
#[derive(Clone, Debug)]
pub struct BoundedLoad<T> {
    table: Arc<T>,
    factor: BalanceFactor,
    /// Space for the order of the alternatives.
    order: Vec<u16>,
}

impl<T: ConsistentHash> BoundedLoad<T> {
    /// Bounds the loads of `table`.
    #[must_use]
    pub fn new(table: Arc<T>, factor: BalanceFactor) -> Self {
        let order = Vec::with_capacity(table.most_hosts());
        Self { table, factor, order }
    }

    /// Goes over to another table.
    pub fn update(&mut self, table: Arc<T>) {
        self.order.reserve(table.most_hosts().saturating_sub(self.order.len()));
        self.table = table;
    }

    /// The endpoint for a request hash; `None` if the priority the hash leads to has no healthy endpoint.
    ///
    /// `cluster_active` is the number of active requests of the whole cluster, without the one being placed.
    pub fn pick(
        &mut self,
        hash: u64,
        attempt: u32,
        load: &impl ActiveRequests,
        cluster_active: u32,
    ) -> Option<Picked> {
        let preferred = self.table.pick(hash, attempt)?;
        // DIFFERENCE LB-BND-02: the peer counts in 32 bits and would wrap at tens of millions of active requests.
        let total = ((u64::from(cluster_active) + 1) * u64::from(self.factor.0)).div_ceil(100);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let total = total as f64;
        let overload = |host: &NormalizedHost| {
            let slots = (total * host.share).ceil().max(1.0);
            f64::from(load.active_requests(host.endpoint)) / slots
        };
        let mut least = overload(self.table.host(preferred.priority, preferred.endpoint)?);
        if least <= 1.0 {
            return Some(preferred);
        }
        let hosts = self.table.hosts(preferred.priority);
        // LB-BND-03: Fisher-Yates, one step at a time.
        self.order.clear();
        self.order.extend((0..=u16::MAX).take(hosts.len()));
        #[allow(clippy::cast_possible_truncation, reason = "the low half is the seed")]
        let mut generator = Mt19937::new(hash as u32);
        let mut best = preferred;
        for step in 0..hosts.len() {
            let other = step + generator.below(hosts.len() - step);
            self.order.swap(step, other);
            let host = hosts.get(usize::from(*self.order.get(step)?))?;
            if host.endpoint == preferred.endpoint {
                continue;
            }
            let overload = overload(host);
            if overload <= 1.0 {
                return Some(Picked { endpoint: host.endpoint, ..preferred });
            }
            if overload < least {
                (best, least) = (Picked { endpoint: host.endpoint, ..preferred }, overload);
            }
        }
        Some(best)
    }
}

#[cfg(test)]
#[path = "../tests/bounded.rs"]
mod tests;
