use super::*;
use crate::draw::SplitMix64;
use crate::tests::support::{chi_square, equal, weighted};

fn counts(config: LeastRequestConfig, weights: &[u32], active: &[u32], picks: u32) -> Vec<u32> {
    let load = |index: EndpointIndex| active[index.get()];
    let mut draw = SplitMix64::new(5);
    let mut balancer = LeastRequest::new(weighted(weights), config, &load, &mut draw);
    let mut counts = vec![0; weights.len()];
    for _ in 0..picks {
        counts[balancer.pick(&load, &mut draw).unwrap().endpoint.get()] += 1;
    }
    counts
}

fn share(counts: &[u32], host: usize) -> f64 {
    f64::from(counts[host]) / f64::from(counts.iter().sum::<u32>())
}

#[test]
fn the_busy_one_of_two_gets_a_quarter() {
    // LB-LR-01, LB-LR-02, LB-TEST-03: drawn with replacement
    let seen = counts(LeastRequestConfig::default(), &[1, 1], &[7, 3], 1_000_000);
    assert!((share(&seen, 0) - 0.25).abs() < 0.0022, "{seen:?}");
}

#[test]
fn the_most_and_the_least_loaded_of_many() {
    // LB-TEST-03: 1/n^2 and 1 - (1 - 1/n)^2
    let active = [3, 3, 9, 3, 0, 3, 3, 3, 3, 3];
    let seen = counts(LeastRequestConfig::default(), &[1; 10], &active, 400_000);
    assert!((share(&seen, 2) - 0.01).abs() < 0.001, "{seen:?}");
    assert!((share(&seen, 4) - 0.19).abs() < 0.004, "{seen:?}");
}

#[test]
fn idle_endpoints_are_chosen_alike() {
    // LB-TEST-02
    let seen = counts(LeastRequestConfig::default(), &[1; 10], &[0; 10], 200_000);
    assert!(chi_square(&seen, &[0.1; 10]) < 44.8, "{seen:?}");
}

#[test]
fn on_a_tie_the_first_drawn_stays() {
    // LB-LR-01: replaced only by a strictly smaller count
    struct Halves(u64);
    impl Draw for Halves {
        fn next_u64(&mut self) -> u64 {
            self.0
        }
    }
    let load = |_: EndpointIndex| 4;
    let mut balancer = LeastRequest::new(equal(2), LeastRequestConfig::default(), &load, &mut Halves(0));
    let second_then_first = Halves(0xffff_ffff_0000_0000);
    let mut draw = second_then_first;
    assert_eq!(balancer.pick(&load, &mut draw).unwrap().endpoint.get(), 1);
    let mut draw = Halves(0x0000_0000_ffff_ffff);
    assert_eq!(balancer.pick(&load, &mut draw).unwrap().endpoint.get(), 0);
}

#[test]
fn more_choices_find_the_least_loaded_more_often() {
    // LB-LR-01: 1 - (1 - 1/n)^choices, also for an odd number
    for (choices, want) in [(0, 0.19), (3, 0.271), (4, 0.3439), (5, 0.40951)] {
        let config = LeastRequestConfig::new().choice_count(choices);
        let active = [3, 3, 3, 3, 0, 3, 3, 3, 3, 3];
        let seen = counts(config, &[1; 10], &active, 100_000);
        assert!((share(&seen, 4) - want).abs() < 0.01, "{choices}: {seen:?}");
    }
}

#[test]
fn weights_switch_to_the_schedule() {
    // LB-LR-03, LB-TEST-08: idle, like the weights
    let seen = counts(LeastRequestConfig::default(), &[1, 2, 3], &[0, 0, 0], 6_000);
    for (count, want) in seen.iter().zip([1_000, 2_000, 3_000]) {
        assert!(count.abs_diff(want) <= 3, "{seen:?}");
    }
}

#[test]
fn load_lowers_a_weight() {
    // LB-TEST-08: share (w / (A + 1)) / (others + w / (A + 1)), within 1 %
    let cases = [(1.0, 4.0), (0.5, 2.0), (0.0, 1.0), (-1.0, 4.0), (f64::NAN, 4.0)];
    for (bias, divisor) in cases {
        let config = LeastRequestConfig::new().active_request_bias(bias);
        let seen = counts(config, &[6, 1, 2, 3], &[3, 0, 0, 0], 100_000);
        let weight = 6.0 / divisor;
        assert!((share(&seen, 0) - weight / (6.0 + weight)).abs() < 0.01, "bias {bias}: {seen:?}");
    }
}

#[test]
fn full_scan_takes_the_least_and_is_fair_among_equals() {
    // LB-LR-04
    let config = LeastRequestConfig::new().full_scan();
    let seen = counts(config, &[1; 6], &[5, 2, 9, 2, 3, 2], 90_000);
    assert_eq!((seen[0], seen[2], seen[4]), (0, 0, 0));
    assert!(chi_square(&[seen[1], seen[3], seen[5]], &[1.0 / 3.0; 3]) < 27.6, "{seen:?}");
}

#[test]
fn an_update_starts_new_schedules() {
    // LB-EDF-03
    let (load, mut draw) = (|_: EndpointIndex| 0, SplitMix64::new(1));
    let mut balancer = LeastRequest::new(weighted(&[1, 2]), LeastRequestConfig::default(), &load, &mut draw);
    balancer.update(weighted(&[1, 1, 8]), &load);
    let heavy = (0..1000).filter(|_| balancer.pick(&load, &mut draw).unwrap().endpoint.get() == 2).count();
    assert!(heavy.abs_diff(800) <= 3, "{heavy}");
    assert_eq!(balancer.view().endpoints(), 3);
}

#[test]
fn drawing_keeps_the_shares_of_the_schedule() {
    // LB-TEST-08, LB-LR-03, LB-DES-07: w / (A + 1)^bias over the sum, whatever the loads
    let weights = [6, 1, 2, 3, 40, 9, 9, 9];
    let idle = [0; 8];
    let some = [3, 0, 0, 5, 1, 2, 0, 7];
    let all = [30, 50, 40, 60, 45, 35, 55, 33];
    for (active, bias) in [(idle, 1.0), (some, 1.0), (some, 0.5), (some, 0.0), (all, 1.0), (all, 2.0)] {
        let config = LeastRequestConfig::new().weighted_draw().active_request_bias(bias);
        let seen = counts(config, &weights, &active, 400_000);
        let effective: Vec<f64> = weights
            .iter()
            .zip(&active)
            .map(|(&weight, &active)| f64::from(weight) / (f64::from(active) + 1.0).powf(bias))
            .collect();
        let sum: f64 = effective.iter().sum();
        for (host, weight) in effective.iter().enumerate() {
            let want = weight / sum;
            assert!((share(&seen, host) - want).abs() < 0.01, "{active:?} {bias}: {seen:?}, host {host}");
        }
    }
}

#[test]
fn drawing_from_idle_endpoints_is_weighted_random() {
    // LB-TEST-01, LB-TEST-08
    let weights = [1, 2, 3, 5, 8, 1, 4, 7, 10, 9];
    let seen = counts(LeastRequestConfig::new().weighted_draw(), &weights, &[0; 10], 200_000);
    let shares = weights.map(|weight| f64::from(weight) / 50.0);
    assert!(chi_square(&seen, &shares) < 44.8, "{seen:?}");
}

#[test]
fn drawing_ends_though_one_idle_endpoint_is_hard_to_meet() {
    // The idle one of weight 1 is drawn once in a million; then the others are 10,000 times too busy.
    let weights = [1, 500_000, 499_999];
    let seen = counts(LeastRequestConfig::new().weighted_draw(), &weights, &[0, 9_999, 9_999], 20_000);
    assert!(seen[1] > 5_000 && seen[2] > 5_000, "{seen:?}");
}
