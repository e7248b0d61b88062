#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers in tests")]

use super::*;
use crate::draw::SplitMix64;
use crate::tests::support::{chi_square, equal, view, weighted};
use crate::{
    AllUsable, Endpoint, EndpointSet, HealthStatus, Locality, LocalityWeights, PrioritySetConfig, Weight,
};

fn counts(balancer: &Random, n: usize, picks: u32) -> Vec<u32> {
    let mut draw = SplitMix64::new(11);
    let mut counts = vec![0; n];
    for _ in 0..picks {
        counts[balancer.pick(&mut draw).unwrap().endpoint.get()] += 1;
    }
    counts
}

#[test]
fn weights_are_ignored() {
    // LB-RAND-01, LB-TEST-02; LB-TEST-01 gives the bounds
    for (weights, bound) in [(vec![1; 5], 33.4), (vec![1, 100, 3, 7, 50], 33.4), (vec![1; 10], 44.8)] {
        let seen = counts(&Random::new(weighted(&weights)), weights.len(), 200_000);
        let shares = vec![1.0 / weights.len() as f64; weights.len()];
        assert!(chi_square(&seen, &shares) < bound, "{seen:?}");
    }
}

#[test]
fn the_weighted_variant_goes_by_weight() {
    // LB-TEST-07
    let weights = [1, 2, 3, 5, 8, 1, 4, 7, 10, 9];
    let seen = counts(&Random::weighted(weighted(&weights)), weights.len(), 200_000);
    let shares = weights.map(|weight| f64::from(weight) / 50.0);
    assert!(chi_square(&seen, &shares) < 44.8, "{seen:?}");
}

/// Two priorities, the first with half of its capacity.
fn spread() -> Random {
    let endpoint = |at| Endpoint::new(at, Weight::ONE);
    let sick = |at| endpoint(at).health(HealthStatus::Unhealthy);
    let next = |at| endpoint(at).priority(1);
    Random::new(view([endpoint(0), endpoint(1), sick(2), sick(3), next(4), next(5), next(6)]))
}

#[test]
fn one_value_chooses_priority_and_endpoint() {
    // LB-PRIO-09: v mod 100 + 1 against 70, then v mod n
    struct Value(u64);
    impl Draw for Value {
        fn next_u64(&mut self) -> u64 {
            self.0
        }
    }
    let balancer = spread();
    for value in (0..1000).chain(u64::MAX - 1000..=u64::MAX) {
        let picked = balancer.pick(&mut Value(value)).unwrap();
        let (priority, endpoint) = if value % 100 < 70 { (0, value % 2) } else { (1, 4 + value % 3) };
        assert_eq!((picked.priority, picked.endpoint.get() as u64), (priority, endpoint), "{value}");
    }
}

#[test]
fn locality_weights_are_honoured() {
    // LB-LOC-07
    let (a, b) = (Locality::new("r", "a", ""), Locality::new("r", "b", ""));
    let endpoint = |at, locality: &Locality| Endpoint::new(at, Weight::ONE).locality(locality.clone());
    let set = EndpointSet::new([endpoint(0, &a), endpoint(1, &b), endpoint(2, &b)]).unwrap();
    let weights = LocalityWeights::new([(0, a, 3), (0, b, 1)]).unwrap();
    let config = PrioritySetConfig::new().locality_weights(weights);
    let balancer = Random::new(Arc::new(PrioritySet::new(&set, &config, &AllUsable)));
    let seen = counts(&balancer, 3, 200_000);
    assert!(chi_square(&seen, &[0.75, 0.125, 0.125]) < 27.6, "{seen:?}");
}

#[test]
fn an_update_keeps_the_kind() {
    let mut balancer = Random::weighted(weighted(&[1, 2]));
    balancer.update(weighted(&[1, 9]));
    let seen = counts(&balancer, 2, 10_000);
    assert!(chi_square(&seen, &[0.1, 0.9]) < 23.9, "{seen:?}");
    let mut balancer = Random::new(weighted(&[1, 2]));
    balancer.update(weighted(&[1, 9]));
    assert!(chi_square(&counts(&balancer, 2, 10_000), &[0.5, 0.5]) < 23.9);
    assert_eq!(balancer.view().endpoints(), equal(2).endpoints());
}

#[test]
fn what_did_not_change_is_taken_over() {
    // The weighted round and the alias table of a list with the same endpoints and weights
    let endpoint = |at: u32| Endpoint::new(at, Weight::or_one(at + 1)).priority(u8::from(at > 3));
    let set = EndpointSet::new((0..8).map(endpoint)).unwrap();
    let config = PrioritySetConfig::new();
    let first = Arc::new(PrioritySet::new(&set, &config, &AllUsable));
    let rounds = |view: &PrioritySet| {
        view.lists().iter().filter_map(crate::priority::HostList::round).collect::<Vec<_>>()
    };
    let before = rounds(&first);
    let mut balancer = Random::weighted(Arc::clone(&first));
    let old = balancer.aliases.clone();
    let verdict = |index: crate::EndpointIndex| index.get() != 2;
    let next = Arc::new(first.rebuilt(&set, &config, &verdict));
    let kept = |(a, b): &(&Arc<_>, &Arc<[crate::EndpointIndex]>)| Arc::ptr_eq(a, b);
    // All of priority 0, and all three lists of priority 1; the healthy ones of priority 0 have changed.
    let after = rounds(&next);
    assert_eq!(before.iter().zip(&after).filter(kept).count(), before.len() - 1);
    balancer.update(Arc::clone(&next));
    let same = |(a, b): &(&Option<Arc<AliasTable>>, &Option<Arc<AliasTable>>)| match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => a.is_none() && b.is_none(),
    };
    assert_eq!(old.iter().zip(&balancer.aliases).filter(same).count(), old.len() - 1);
    // The very next pick sees the change (LB-DES-15).
    let plain = PrioritySet::new(&set, &config, &verdict);
    assert_eq!(plain.load(), next.load());
    let mut draw = SplitMix64::new(8);
    assert!((0..2_000).all(|_| balancer.pick(&mut draw).unwrap().endpoint.get() != 2));
}

#[test]
fn the_short_cut_picks_what_the_long_way_picks() {
    // LB-DES-20: one list for all traffic is kept close at hand
    for balancer in [Random::new(equal(7)), Random::weighted(weighted(&[5, 1, 9, 2]))] {
        assert!(balancer.sole.is_some());
        let (mut a, mut b) = (SplitMix64::new(3), SplitMix64::new(3));
        for _ in 0..2_000 {
            assert_eq!(balancer.pick(&mut a), balancer.pick_with(balancer.view().load(), &mut b));
        }
    }
    assert!(spread().sole.is_none());
}
