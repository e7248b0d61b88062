//! What the literature and Envoy's documentation say of the algorithms, in simulation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    dead_code,
    unreachable_pub,
    reason = "tests may panic, and the simulator is that of the example"
)]

#[path = "../examples/simulate/sim.rs"]
mod sim;

use std::time::Duration;

use mesh_lb::{FailurePercentage, OutlierConfig};
use sim::{Algorithm, Report, Scenario, run};

const SEEDS: [u64; 3] = [1, 2, 3];

fn p99(report: &Report) -> f64 {
    report.permille(990).as_secs_f64()
}

/// As long as the bounds below need.
const REQUESTS: usize = 20_000;

/// Runs the scenario by two algorithms with several seeds.
fn both(scenario: &Scenario, one: Algorithm, other: Algorithm, check: impl Fn(&Report, &Report)) {
    let scenario = scenario.clone().with_requests(REQUESTS);
    for seed in SEEDS {
        check(&run(&scenario, one, seed), &run(&scenario, other, seed));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for algorithm in Algorithm::ALL {
        let scenario = Scenario::one_failing(Some(OutlierConfig::new())).with_requests(5_000);
        let report = run(&scenario, algorithm, 7);
        assert_eq!(report, run(&scenario, algorithm, 7), "{algorithm:?}");
        assert_ne!(report, run(&scenario, algorithm, 8), "{algorithm:?}");
    }
}

/// LB-TEST-40: answered, failed or given up, each request is counted down once.
#[test]
fn nothing_stays_active() {
    for algorithm in Algorithm::ALL {
        for scenario in [Scenario::one_slow(), Scenario::one_failing(None), Scenario::sizes()] {
            let scenario = scenario.with_requests(5_000);
            let report = run(&scenario, algorithm, 1);
            assert_eq!(report.left_active, 0, "{algorithm:?}, {}", scenario.name);
            assert_eq!(report.picks.iter().sum::<u32>(), 5_000);
        }
    }
}

/// The simulator against queueing theory: random choice makes each endpoint a queue of its own with Poisson arrivals,
/// in which the time from arrival to answer is exponential with mean `1 / (service rate - arrival rate)`.
#[test]
fn random_choice_is_a_queue_that_can_be_calculated() {
    let scenario = Scenario { patience: Duration::from_mins(1), ..Scenario::alike().with_requests(100_000) };
    let mean = 1.0 / (100.0 - scenario.rate / 10.0);
    let report = run(&scenario, Algorithm::Random, 1);
    for (permille, factor) in [(500, 2.0_f64.ln()), (900, 10.0_f64.ln()), (990, 100.0_f64.ln())] {
        let (found, expected) = (report.permille(permille).as_secs_f64(), mean * factor);
        assert!((found / expected - 1.0).abs() < 0.08, "{permille}: {found} against {expected}");
    }
}

/// LB-BENCH-04, LB-PERF-11: an endpoint that is slow holds on to its requests, and so is given fewer.
#[test]
fn two_choices_avoid_a_slow_endpoint() {
    both(&Scenario::one_slow(), Algorithm::LeastRequest, Algorithm::RoundRobin, |least, round_robin| {
        assert!(p99(least) < 0.7 * p99(round_robin), "{} against {}", p99(least), p99(round_robin));
        assert!(least.errors() < 1.0 && round_robin.errors() > 8.0);
        // Round robin does not know; two choices leave it little more than what both draws hit (LB-LR-02).
        let share = |report: &Report| f64::from(report.picks[0]) / REQUESTS as f64;
        assert!((share(round_robin) - 0.1).abs() < 0.001);
        assert!((0.01..0.02).contains(&share(least)), "{}", share(least));
    });
}

/// LB-LR-04: comparing all is better still.
#[test]
fn a_full_scan_beats_two_choices() {
    both(&Scenario::one_slow(), Algorithm::LeastRequestFullScan, Algorithm::LeastRequest, |all, two| {
        assert!(p99(all) < 0.5 * p99(two), "{} against {}", p99(all), p99(two));
        assert!(all.errors() <= two.errors());
    });
}

/// Where all are alike even spacing is good, looking is better, and chance is worst.
#[test]
fn alike_endpoints_want_evenness() {
    both(&Scenario::alike(), Algorithm::LeastRequest, Algorithm::RoundRobin, |least, round_robin| {
        assert!(p99(least) < p99(round_robin));
        assert!(round_robin.imbalance() < 1.001);
    });
    both(&Scenario::alike(), Algorithm::RoundRobin, Algorithm::Random, |round_robin, random| {
        assert!(p99(round_robin) < 0.8 * p99(random));
        assert!(random.imbalance() < 1.06);
    });
}

/// LB-RAND-01, LB-EDF-02, LB-LR-03: weights are honoured but by RANDOM, which overloads the small ones.
#[test]
fn weights_keep_small_endpoints_from_drowning() {
    both(&Scenario::sizes(), Algorithm::RoundRobin, Algorithm::Random, |weighted, random| {
        assert!(weighted.imbalance() < 1.001);
        assert!(random.imbalance() > 2.2, "{}", random.imbalance()); // a third in place of a seventh
        assert!(p99(weighted) < 0.25 * p99(random));
        assert!(random.errors() > 20.0 * weighted.errors());
    });
    both(&Scenario::sizes(), Algorithm::WeightedRandom, Algorithm::LeastRequest, |random, least| {
        assert!(random.imbalance() < 1.08 && least.imbalance() < 1.1);
        assert!(p99(least) < 0.7 * p99(random));
    });
}

/// LB-BND-02: a sticky caller goes elsewhere while its endpoint has more than its share.
#[test]
fn bounded_load_keeps_the_tail_of_a_hash_short() {
    for scenario in [Scenario::alike(), Scenario::one_slow()] {
        both(&scenario, Algorithm::BoundedMaglev, Algorithm::Maglev, |bounded, plain| {
            assert!(p99(bounded) < 0.7 * p99(plain), "{}", scenario.name);
        });
    }
    // The ring is less even than the table (LB-PERF-20).
    both(&Scenario::alike(), Algorithm::RingHash, Algorithm::Maglev, |ring, maglev| {
        assert!(ring.imbalance() > maglev.imbalance() + 0.05);
    });
}

/// LB-EWMA-03: who fails fast looks idle and attracts traffic, more so the better one looks; ejection ends that.
#[test]
fn a_fast_failure_attracts_least_request_until_it_is_ejected() {
    let unwatched = Scenario::one_failing(None);
    both(&unwatched, Algorithm::LeastRequest, Algorithm::RoundRobin, |least, round_robin| {
        assert!((round_robin.errors() - 5.0).abs() < 0.2); // a tenth of half of the time
        assert!(least.errors() > 1.3 * round_robin.errors());
    });
    for algorithm in Algorithm::ALL {
        let watched = Scenario::one_failing(Some(OutlierConfig::new())).with_requests(40_000);
        let report = run(&watched, algorithm, 1);
        assert!(report.errors() < 0.1, "{algorithm:?}: {} %", report.errors());
        // Estimates send it so little that five failures in a row may not come together.
        let watched_out = algorithm == Algorithm::PeakEwma;
        assert!(watched_out || report.ejections >= 1 && report.returns >= 1, "{algorithm:?}");
        assert_eq!(report.picks_of_ejected, 0); // LB-TEST-21
    }
}

/// LB-EWMA-01, LB-EWMA-03, LB-PERF-11: an estimate of the latency notices both the slow and the failing.
#[test]
fn latency_estimates_avoid_the_slow_and_the_failing() {
    both(&Scenario::one_slow(), Algorithm::PeakEwma, Algorithm::LeastRequest, |ewma, least| {
        assert!(p99(ewma) < 0.7 * p99(least), "{} against {}", p99(ewma), p99(least));
        assert!(ewma.errors() <= least.errors());
    });
    both(&Scenario::one_failing(None), Algorithm::PeakEwma, Algorithm::RoundRobin, |ewma, round_robin| {
        assert!(ewma.errors() < 0.2 * round_robin.errors(), "{}", ewma.errors());
    });
}

/// LB-OD-11, LB-OD-62: failures in a row and the share of failures both find an endpoint that answers nobody in time.
#[test]
fn giving_up_is_an_outcome_too() {
    // Timeouts are 504.
    let config = OutlierConfig::new();
    let watched = Scenario { outlier: Some(config), ..Scenario::one_slow() };
    both(&watched, Algorithm::RoundRobin, Algorithm::Random, |round_robin, random| {
        for report in [round_robin, random] {
            assert!(report.ejections >= 1, "{report:?}");
            assert!(report.errors() < 8.0, "{}", report.errors());
        }
    });
    // The same by percentage alone.
    let mode = FailurePercentage::new().threshold(50).minimum_hosts(5);
    let config = OutlierConfig::new().consecutive_5xx_errors(0).failure_percentage(mode);
    let watched = Scenario { outlier: Some(config), ..Scenario::one_slow() }.with_requests(REQUESTS);
    let report = run(&watched, Algorithm::RoundRobin, 1);
    assert!(report.ejections >= 1 && report.errors() < 8.0, "{}", report.errors());
}
