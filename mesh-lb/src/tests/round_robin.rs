#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers in tests")]

use proptest::prelude::*;

use super::*;
use crate::draw::SplitMix64;
use crate::tests::support::{equal, view, weighted};
use crate::{
    AllUsable, Endpoint, EndpointSet, HealthStatus, Locality, LocalityWeights, PrioritySetConfig, Weight,
};

/// A generator whose first value is chosen.
struct Start(u64);

impl Draw for Start {
    fn next_u64(&mut self) -> u64 {
        self.0
    }
}

fn picks(balancer: &mut RoundRobin, n: usize) -> Vec<usize> {
    let mut draw = SplitMix64::new(3);
    (0..n).map(|_| balancer.pick(&mut draw).unwrap().endpoint.get()).collect()
}

#[test]
fn the_counter_modulo_the_length_chooses() {
    // LB-RR-01
    for start in [0, 1, 17, 1_000_003] {
        let mut balancer = RoundRobin::new(equal(7), &mut Start(start));
        let want: Vec<usize> = (start..start + 20).map(|counter| (counter % 7) as usize).collect();
        assert_eq!(picks(&mut balancer, 20), want, "start {start}");
    }
}

#[test]
fn the_counter_goes_on_when_the_list_changes() {
    // LB-RR-02: only the modulus changes
    let mut balancer = RoundRobin::new(equal(7), &mut Start(40));
    assert_eq!(picks(&mut balancer, 3), [5, 6, 0]); // counters 40, 41, 42
    balancer.update(equal(5));
    assert_eq!(picks(&mut balancer, 3), [3, 4, 0]); // 43 mod 5 and on
    assert_eq!(balancer.view().endpoints(), 5);
}

#[test]
fn the_end_of_the_counter_is_survived() {
    // LB-TEST-45
    let mut balancer = RoundRobin::new(equal(3), &mut Start(u64::MAX - 1));
    let first = ((u64::MAX - 1) % 3) as usize;
    assert_eq!(picks(&mut balancer, 4), [first, (first + 1) % 3, 0, 1]);
}

#[test]
fn unhealthy_endpoints_are_not_in_the_rotation() {
    // LB-RR-04: the neighbour of a dead endpoint gets no more than the others
    let endpoint = |at| Endpoint::new(at, Weight::ONE);
    let view = view([endpoint(0), endpoint(1).health(HealthStatus::Unhealthy), endpoint(2), endpoint(3)]);
    let mut balancer = RoundRobin::new(view, &mut Start(0));
    assert_eq!(picks(&mut balancer, 6), [0, 2, 3, 0, 2, 3]);
}

#[test]
fn weights_are_followed_exactly_in_every_round() {
    // LB-EDF-05, LB-TEST-05
    let mut balancer = RoundRobin::new(weighted(&[10, 20, 30]), &mut Start(12_345));
    for window in picks(&mut balancer, 600).chunks(6) {
        let count = |host| window.iter().filter(|&&at| at == host).count();
        assert_eq!([count(0), count(1), count(2)], [1, 2, 3]);
    }
}

#[test]
fn a_very_long_round_is_scheduled_as_it_goes() {
    let weights = [70_001, 140_003, 69_997];
    let mut balancer = RoundRobin::new(weighted(&weights), &mut Start(9));
    let seen = picks(&mut balancer, 4_000);
    for (host, share) in [0.25, 0.5, 0.25].into_iter().enumerate() {
        let count = seen.iter().filter(|&&at| at == host).count() as f64;
        assert!((count - 4_000.0 * share).abs() <= 3.0, "host {host}: {count}"); // LB-EDF-06
    }
}

#[test]
fn nothing_healthy_means_no_endpoint() {
    // LB-PANIC-08
    let view = view([Endpoint::new(0, Weight::ONE).health(HealthStatus::Unhealthy)]);
    assert_eq!(RoundRobin::new(view, &mut Start(0)).pick(&mut Start(0)), None);
}

#[test]
fn locality_weights_decide_before_the_rotation() {
    // LB-LOC-02, LB-LOC-04, LB-LOC-05, LB-TEST-09: 0.7 : 1
    let (a, b) = (Locality::new("r", "a", ""), Locality::new("r", "b", ""));
    let endpoint = |at, locality: &Locality| Endpoint::new(at, Weight::ONE).locality(locality.clone());
    let set = EndpointSet::new([
        endpoint(0, &a),
        endpoint(1, &a).health(HealthStatus::Unhealthy),
        endpoint(2, &b),
        endpoint(3, &b),
    ])
    .unwrap();
    let weights = LocalityWeights::new([(0, a, 1), (0, b, 1)]).unwrap();
    let config = PrioritySetConfig::new().locality_weights(weights);
    let view = Arc::new(PrioritySet::new(&set, &config, &AllUsable));
    let mut balancer = RoundRobin::new(view, &mut Start(77));
    let seen = picks(&mut balancer, 17_000);
    let count = |host| seen.iter().filter(|&&at| at == host).count();
    assert!(count(0).abs_diff(7_000) <= 2, "{}", count(0));
    assert_eq!(count(1), 0);
    assert!(count(2).abs_diff(count(3)) <= 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_n_picks_hit_each_of_n_once(n in 1_usize..40, m in 1_usize..40, start in any::<u64>(), warm in 0_usize..50) {
        // LB-RR-03, LB-TEST-04; a start within 200 of the end may hit the wrap, which is tested apart
        prop_assume!(start < u64::MAX - 200);
        let mut balancer = RoundRobin::new(equal(n), &mut Start(start));
        picks(&mut balancer, warm);
        let mut seen = picks(&mut balancer, n);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
        balancer.update(equal(m));
        let mut seen = picks(&mut balancer, m);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..m).collect::<Vec<_>>());
    }
}
