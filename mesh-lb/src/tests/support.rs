//! What the unit tests share.

use std::sync::Arc;

use crate::{AllUsable, Endpoint, EndpointSet, PrioritySet, PrioritySetConfig, Weight};

/// A view of endpoints 0, 1, … with these weights.
pub(crate) fn weighted(weights: &[u32]) -> Arc<PrioritySet> {
    view(weights.iter().enumerate().map(|(at, &weight)| Endpoint::new(at, Weight::new(weight).unwrap())))
}

pub(crate) fn equal(n: usize) -> Arc<PrioritySet> {
    weighted(&vec![1; n])
}

pub(crate) fn view(endpoints: impl IntoIterator<Item = Endpoint<usize>>) -> Arc<PrioritySet> {
    let set = EndpointSet::new(endpoints).unwrap();
    Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable))
}

/// Pearson's statistic against these shares; LB-TEST-01 says what to reject.
pub(crate) fn chi_square(counts: &[u32], shares: &[f64]) -> f64 {
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    counts
        .iter()
        .zip(shares)
        .map(|(&count, share)| (f64::from(count) - total * share).powi(2) / (total * share))
        .sum()
}
