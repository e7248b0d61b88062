#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use proptest::prelude::*;

use super::*;
use crate::draw::SplitMix64;
use crate::tests::support::{chi_square, equal};
use crate::{Endpoint, Weight};

fn at(milliseconds: u64) -> Monotonic {
    Monotonic::new(Duration::from_millis(milliseconds))
}

fn index(at: usize) -> EndpointIndex {
    EndpointIndex::new(at).unwrap()
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn close(found: Duration, want: Duration) -> bool {
    found.abs_diff(want).as_secs_f64() <= want.as_secs_f64() * 1e-5
}

#[test]
fn peaks_are_taken_over_and_sink_slowly_lb_ewma_01() {
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), 1, at(0));
    estimates.record(index(0), ms(800), at(5));
    assert!(close(estimates.get(index(0), at(5)), ms(800)));
    // One decay later a reading has sunk to 1/e, and a short round trip counts 1 - 1/e.
    let e = std::f64::consts::E;
    assert!(close(estimates.get(index(0), at(10_005)), ms(800).div_f64(e)));
    estimates.record(index(0), ms(100), at(10_005));
    let want = ms(800).div_f64(e) + ms(100).mul_f64(1.0 - 1.0 / e);
    assert!(close(estimates.get(index(0), at(10_005)), want));
    estimates.record(index(0), ms(900), at(10_005));
    assert!(close(estimates.get(index(0), at(10_005)), ms(900)));
    // A clock that goes back is no time passed.
    assert!(close(estimates.get(index(0), at(9)), ms(900)));
}

#[test]
fn it_begins_with_the_defaults_of_linkerd_lb_ewma_02() {
    let estimates = LatencyEstimates::new(PeakEwmaConfig::default(), 1, at(0));
    assert!(close(estimates.get(index(0), at(0)), ms(30)));
    assert!(close(estimates.get(index(0), at(1_000_000)), ms(1))); // the floor
    let tower = PeakEwmaConfig::new().default_latency(ms(1_000)).decay(ms(100)).floor(Duration::ZERO);
    let estimates = LatencyEstimates::new(tower, 1, at(0));
    assert!(close(estimates.get(index(0), at(100)), ms(1_000).div_f64(std::f64::consts::E)));
    assert_eq!(estimates.get(index(7), at(0)), Duration::ZERO); // not of this set
}

#[test]
fn a_failure_does_not_look_fast_lb_ewma_03() {
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), 2, at(0));
    estimates.record_failure(index(0), None, at(0));
    assert!(close(estimates.get(index(0), at(0)), ms(5_000)));
    for (retry_after, want) in [(2_000, 5_000), (60_000, 60_000), (900_000, 300_000)] {
        estimates.record_failure(index(0), Some(ms(retry_after)), at(0));
        assert!(close(estimates.get(index(0), at(0)), ms(want)), "{retry_after}");
    }
    for (status, grpc, want) in [
        (429, None, true),
        (500, None, true),
        (503, None, true),
        (599, None, true),
        (404, None, false),
        (200, None, false),
        (200, Some(0), false),
        (200, Some(1), false),
        (200, Some(5), false),
    ] {
        assert_eq!(LatencyEstimates::is_failure(status, grpc), want, "{status} {grpc:?}");
    }
    assert!([14, 8, 13, 2, 4, 15].iter().all(|&grpc| LatencyEstimates::is_failure(200, Some(grpc))));
    // The failing one gets no more than what falls on it without an alternative: nothing of two.
    let mut draw = SplitMix64::new(1);
    let mut balancer = PeakEwma::new(equal(2), &mut draw);
    let load = |_: EndpointIndex| 0;
    assert!(
        (0..100).all(|_| balancer.pick(&estimates, &load, at(0), &mut draw).unwrap().endpoint == index(1))
    );
}

#[test]
fn two_different_endpoints_are_compared_lb_ewma_04_05() {
    // LB-EWMA-02: uniform when all are alike; the worst of n gets nothing, the best 2/n
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), 10, at(0));
    let mut draw = SplitMix64::new(4);
    let mut balancer = PeakEwma::new(equal(10), &mut draw);
    let mut counts = |estimates: &LatencyEstimates, load: &dyn Fn(EndpointIndex) -> u32| {
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[balancer.pick(estimates, &|at| load(at), at(0), &mut draw).unwrap().endpoint.get()] += 1;
        }
        counts
    };
    let alike = counts(&estimates, &|_| 0);
    assert!(chi_square(&alike, &[0.1; 10]) < 44.8, "{alike:?}");
    // LB-EWMA-04: cost is latency times active requests plus one
    let busy = counts(&estimates, &|at| if at.get() == 3 { 9 } else { 2 * u32::from(at.get() != 5) });
    assert_eq!(busy[3], 0);
    assert!(busy[5].abs_diff(20_000) < 700, "{busy:?}");
    estimates.record(index(5), ms(31 * 10), at(0));
    assert_eq!(counts(&estimates, &|at| if at.get() == 5 { 0 } else { 8 })[5], 0); // 310 x 1 against 30 x 9
}

#[test]
fn estimates_follow_the_key_to_the_next_set() {
    // LB-HOST-02
    let set = |keys: &[&'static str]| {
        EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE))).unwrap()
    };
    let (old, new) = (set(&["a", "b"]), set(&["b", "c"]));
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), 2, at(0));
    estimates.record(index(1), ms(700), at(0));
    let estimates = estimates.carried_over(&old, &new, at(0));
    assert!(close(estimates.get(index(0), at(0)), ms(700)));
    assert!(close(estimates.get(index(1), at(0)), ms(30)));
}

#[test]
fn one_endpoint_is_picked_and_none_is_none() {
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), 1, at(0));
    let (load, mut draw) = (|_: EndpointIndex| 0, SplitMix64::new(1));
    let mut balancer = PeakEwma::new(equal(1), &mut draw);
    assert!((0..9).all(|_| balancer.pick(&estimates, &load, at(0), &mut draw).is_some()));
    let sick = Endpoint::new(0, Weight::ONE).health(crate::HealthStatus::Unhealthy);
    balancer.update(crate::tests::support::view([sick]));
    assert_eq!(balancer.pick(&estimates, &load, at(0), &mut draw), None);
    assert_eq!(balancer.view().endpoints(), 1);
}

proptest! {
    #[test]
    fn a_pair_is_two_different_positions(value in any::<u64>(), n in 2_usize..100) {
        let (first, second) = distinct_pair(value, n);
        prop_assert!(first < n && second < n && first != second);
    }

    #[test]
    fn estimates_follow_the_formula(
        samples in prop::collection::vec((0_u64..20_000, 1_u64..5_000), 1..40),
        decay in 1_u64..60_000,
    ) {
        // LB-EWMA-01 in double precision, straight from its words
        let config = PeakEwmaConfig::new().decay(ms(decay)).floor(Duration::ZERO);
        let estimates = LatencyEstimates::new(config, 1, at(0));
        let (mut want, mut now) = (30e6_f64, 0);
        for (pause, round_trip) in samples {
            now += pause;
            let round_trip = ms(round_trip);
            let nanoseconds = round_trip.as_nanos() as f64;
            let kept = (-(pause as f64) / decay as f64).exp();
            want = if nanoseconds > want { nanoseconds } else { want * kept + nanoseconds * (1.0 - kept) };
            estimates.record(index(0), round_trip, at(now));
            let found = estimates.get(index(0), at(now)).as_nanos() as f64;
            prop_assert!((found - want).abs() <= want * 1e-4, "{} for {}", found, want);
        }
    }
}
