//! Every interleaving of two or three threads over the shared state (LB-TEST-42).
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p mesh-lb --test loom --release
//! ```
//!
//! The model checker runs each body once for every order in which the atomics and locks of the crate can be reached
//! and for every value that a relaxed load may return.
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use mesh_lb::{
    ActiveCounts, ActiveGuard, ActiveRequests, CircuitBreaker, EjectionCause, EndpointIndex, Limits,
    Monotonic, Outcome, OutlierConfig, OutlierDetector, Permit, Published, Resource, RetryBudget, SplitMix64,
    Usable,
};

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).unwrap()
}

fn seconds(seconds: u64) -> Monotonic {
    Monotonic::new(Duration::from_secs(seconds))
}

const NOW: Monotonic = Monotonic::ZERO;

/// LB-TEST-41: never more inside than the limit, and what is refused is counted.
#[test]
fn a_limit_is_never_exceeded_lb_test_42() {
    loom::model(|| {
        let breaker = CircuitBreaker::new(Limits::new().max_requests(1));
        let inside = Arc::new(AtomicU32::new(0));
        let enter = |breaker: CircuitBreaker, inside: Arc<AtomicU32>| {
            let permit = Permit::new(breaker, Resource::Requests, NOW);
            if permit.is_ok() {
                // The permit itself carries no ordering, so the test's own count must.
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                inside.fetch_sub(1, Ordering::SeqCst);
            }
            u64::from(permit.is_err())
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (breaker, inside) = (breaker.clone(), Arc::clone(&inside));
                thread::spawn(move || enter(breaker, inside))
            })
            .collect();
        let mut refused = enter(breaker.clone(), inside);
        refused += others.into_iter().map(|other| other.join().unwrap()).sum::<u64>();
        assert!(refused <= 2);
        assert_eq!(breaker.overflows(Resource::Requests), refused);
        assert_eq!(breaker.current(Resource::Requests), 0);
        assert!(breaker.try_request(NOW).is_ok());
    });
}

/// LB-TEST-40: a guard is dropped on another thread than the one that took it, another by unwinding.
#[test]
fn guards_count_down_wherever_they_are_dropped_lb_test_42() {
    loom::model(|| {
        let counts = Arc::new(ActiveCounts::new(1));
        let sent = ActiveGuard::new(Arc::clone(&counts), at(0)).unwrap();
        let other = {
            let counts = Arc::clone(&counts);
            thread::spawn(move || {
                let local = counts.start(at(0)).unwrap();
                drop(sent);
                assert!(counts.active_requests(at(0)) >= 1);
                drop(local);
            })
        };
        drop(counts.start(at(0)));
        other.join().unwrap();
        assert_eq!(counts.active_requests(at(0)), 0);
    });
}

/// LB-RET-02: a slot of the ring is started over for a new step while others count in it.
#[test]
fn no_request_is_lost_to_the_retry_budget_lb_test_42() {
    loom::model(|| {
        let budget = RetryBudget::new().percent(100.0).min_retry_concurrency(0);
        let budget = budget.budget_interval(Duration::from_secs(10));
        let breaker = CircuitBreaker::new(Limits::new().retry_budget(budget));
        drop(breaker.try_request(seconds(1))); // an old count in the slot that is used again at 11
        let others: Vec<_> = (0..2)
            .map(|_| {
                let breaker = breaker.clone();
                thread::spawn(move || drop(breaker.try_request(seconds(11))))
            })
            .collect();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(breaker.retry_limit(seconds(11)), 2);
    });
}

fn ejecting(threshold: u32, percent: u32, hosts: usize) -> Arc<OutlierDetector> {
    let config = OutlierConfig::new()
        .consecutive_5xx_errors(threshold)
        .max_ejection_percent(percent)
        .base_ejection_time(Duration::from_secs(1));
    Arc::new(OutlierDetector::new(config, hosts).unwrap())
}

fn fail(detector: &OutlierDetector, host: usize, now: Monotonic) -> bool {
    detector.record(at(host), Outcome::Status(500), now, &mut SplitMix64::new(1)).is_some()
}

/// LB-OD-13, LB-OD-21: of the threads whose failures add up to the threshold exactly one ejects.
#[test]
fn one_thread_gets_the_trigger_lb_test_42() {
    loom::model(|| {
        let detector = ejecting(2, 100, 1);
        let other = {
            let detector = Arc::clone(&detector);
            thread::spawn(move || u32::from(fail(&detector, 0, NOW)))
        };
        let ejections = u32::from(fail(&detector, 0, NOW)) + other.join().unwrap();
        assert_eq!(ejections, 1);
        assert_eq!(detector.stats().detected(EjectionCause::Consecutive5xx), 1);
        assert!(!detector.is_usable(at(0)));
    });
}

/// LB-OD-30: two endpoints fail at once and only one may go.
#[test]
fn the_share_holds_when_two_fail_at_once_lb_test_42() {
    loom::model(|| {
        let detector = ejecting(1, 50, 2);
        let other = {
            let detector = Arc::clone(&detector);
            thread::spawn(move || fail(&detector, 1, NOW))
        };
        let ejected = [fail(&detector, 0, NOW), other.join().unwrap()];
        assert_eq!(ejected.iter().filter(|ejected| **ejected).count(), 1);
        assert_eq!([0, 1].map(|host| !detector.is_usable(at(host))), ejected);
        let stats = detector.stats();
        assert_eq!((stats.ejections_active, stats.ejections_overflow), (1, 1));
    });
}

/// LB-TEST-34: a failure and the sweep meet; the gauge stays the number of marked endpoints.
#[test]
fn the_gauge_survives_a_sweep_that_meets_a_failure_lb_test_42() {
    loom::model(|| {
        let detector = ejecting(1, 100, 1);
        assert!(fail(&detector, 0, NOW));
        let other = {
            let detector = Arc::clone(&detector);
            thread::spawn(move || fail(&detector, 0, seconds(2)))
        };
        let swept = detector.sweep(seconds(2), &mut SplitMix64::new(1));
        let again = other.join().unwrap();
        assert_eq!(swept.returned, [at(0)]);
        // Either the failure came while the endpoint was out and is dropped, or it ejects anew.
        assert_eq!(detector.is_usable(at(0)), !again);
        assert_eq!(detector.stats().ejections_active, u32::from(again));
    });
}

/// LB-DES-15: who sees the new number of the verdicts sees the verdicts.
#[test]
fn a_new_generation_shows_the_verdict_lb_test_42() {
    loom::model(|| {
        let detector = ejecting(1, 100, 1);
        let before = detector.generation();
        let other = {
            let detector = Arc::clone(&detector);
            thread::spawn(move || assert!(fail(&detector, 0, NOW)))
        };
        if detector.generation() != before {
            assert!(!detector.is_usable(at(0)));
        }
        other.join().unwrap();
        assert_ne!(detector.generation(), before);
    });
}

/// LB-DES-01, LB-DES-15: what was published before a pick began is what the pick sees.
#[test]
fn a_published_snapshot_is_seen_lb_test_42() {
    loom::model(|| {
        let published = Arc::new(Published::new(0));
        let told = Arc::new(AtomicBool::new(false));
        let mut worker = published.subscribe();
        let owner = {
            let (published, told) = (Arc::clone(&published), Arc::clone(&told));
            thread::spawn(move || {
                published.publish(1);
                told.store(true, Ordering::Release);
            })
        };
        let must_see = told.load(Ordering::Acquire);
        let seen = **worker.latest();
        assert!(seen == 1 || !must_see);
        owner.join().unwrap();
        // Never back to the older one, and in the end the newest.
        assert_eq!(worker.changed().map(|value| **value), (seen == 0).then_some(1));
        assert_eq!(**worker.latest(), 1);
    });
}

/// LB-DES-01: two owners; every worker ends with what the last one left.
#[test]
fn no_version_is_lost_lb_test_42() {
    loom::model(|| {
        let published = Arc::new(Published::new(0));
        let mut worker = published.subscribe();
        let owners = [1, 2].map(|version| {
            let published = Arc::clone(&published);
            thread::spawn(move || published.publish(version))
        });
        let early = **worker.latest();
        for owner in owners {
            owner.join().unwrap();
        }
        let last = *published.load();
        assert_eq!(**worker.latest(), last);
        assert!([0, 1, 2].contains(&early) && last != 0);
    });
}
