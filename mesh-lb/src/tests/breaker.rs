use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::breaker::RetryBudget;

const NOW: Monotonic = Monotonic::ZERO;

fn at(millis: u64) -> Monotonic {
    Monotonic::new(Duration::from_millis(millis))
}

#[test]
fn exactly_the_limit_is_admitted() {
    // LB-CB-21, LB-RET-01, LB-TEST-41
    let limits = Limits::new().max_connections(2).max_pending_requests(3).max_requests(4).max_retries(5);
    let breaker = CircuitBreaker::new(limits);
    let mut permits = Vec::new();
    for (resource, limit) in [
        (Resource::Connections, 2),
        (Resource::PendingRequests, 3),
        (Resource::Requests, 4),
        (Resource::Retries, 5),
    ] {
        let admit = || match resource {
            Resource::Connections => breaker.try_connection(),
            Resource::PendingRequests => breaker.try_pending(),
            Resource::Requests => breaker.try_request(NOW),
            Resource::Retries => breaker.try_retry(NOW),
        };
        for count in 0..limit {
            assert!(!breaker.is_open(resource, NOW), "{resource}: {count}"); // LB-CB-42
            permits.push(admit().unwrap());
        }
        assert!(breaker.is_open(resource, NOW));
        let refused = admit().unwrap_err();
        assert_eq!((refused.resource(), breaker.overflows(resource)), (resource, 1));
        assert_eq!(breaker.current(resource), limit);
        assert_eq!(
            refused.to_string(),
            format!("circuit breaker: the limit of {limit} {resource} is reached")
        );
    }
    assert_eq!(permits.first().map(Permit::resource), Some(Resource::Connections));
    permits.clear();
    let all = [Resource::Connections, Resource::PendingRequests, Resource::Requests, Resource::Retries];
    assert_eq!(all.map(|resource| breaker.current(resource)), [0; 4]);
}

#[test]
fn istio_limits_nothing() {
    // LB-CB-02: 2^32 - 1, not 1024
    let breaker = CircuitBreaker::new(Limits::default());
    let permits: Vec<_> = (0..5_000).map(|_| breaker.try_request(NOW).unwrap()).collect();
    assert_eq!(breaker.current(Resource::Requests), 5_000);
    drop(permits);
    assert_eq!(breaker.limits().get(Resource::Retries), u32::MAX);
}

#[test]
fn the_first_connection_of_an_endpoint_is_always_allowed() {
    // LB-CB-23: limit 0 still works
    let breaker = CircuitBreaker::new(Limits::new().max_connections(0));
    assert!(breaker.try_connection().is_err());
    let first = breaker.first_connection();
    assert_eq!(breaker.current(Resource::Connections), 1);
    drop(first);
    assert_eq!(breaker.current(Resource::Connections), 0);
}

#[test]
fn a_pending_limit_of_0_refuses_all() {
    // LB-CB-22
    assert!(CircuitBreaker::new(Limits::new().max_pending_requests(0)).try_pending().is_err());
}

#[test]
fn new_limits_keep_the_counts() {
    let breaker = CircuitBreaker::new(Limits::new());
    let permits = [breaker.try_request(NOW).unwrap(), breaker.try_request(NOW).unwrap()];
    let next = breaker.with_limits(Limits::new().max_requests(2));
    assert!(next.try_request(NOW).is_err());
    drop(permits);
    assert!(next.try_request(NOW).is_ok());
}

#[test]
fn every_gauge_is_0_when_all_have_ended() {
    // LB-TEST-40, LB-CB-28, and LB-TEST-41: never over the limit
    let breaker = CircuitBreaker::new(Limits::new().max_requests(3).max_retries(2));
    let (over, refused) = (AtomicBool::new(false), AtomicU32::new(0));
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (breaker, over, refused) = (breaker.clone(), &over, &refused);
            let (inside, most) = (&inside, &most);
            scope.spawn(move || {
                for request in 0..2_000 {
                    let Ok(permit) = breaker.try_request(NOW) else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if breaker.current(Resource::Requests) > 3 {
                        over.store(true, Ordering::Relaxed);
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    if (request + thread) % 50 == 0 {
                        let unwinding = std::panic::AssertUnwindSafe(move || {
                            let _permit = permit;
                            std::panic::resume_unwind(Box::new("the caller's panic"));
                        });
                        assert!(std::panic::catch_unwind(unwinding).is_err());
                    }
                }
            });
        }
    });
    assert!(!over.into_inner());
    assert!(most.into_inner() <= 3);
    assert_eq!(breaker.current(Resource::Requests), 0);
    assert_eq!(breaker.overflows(Resource::Requests), u64::from(refused.into_inner()));
}

#[test]
fn a_budget_allows_a_share_of_the_requests() {
    // LB-RET-02, LB-RET-03, LB-CB-08: max_retries is ignored
    let limits = Limits::new().max_retries(1).retry_budget(RetryBudget::new());
    let breaker = CircuitBreaker::new(limits);
    assert_eq!(breaker.retry_limit(NOW), 3); // an idle service
    let mut permits: Vec<_> = (0..24).map(|_| breaker.try_request(NOW).unwrap()).collect();
    assert_eq!(breaker.retry_limit(NOW), 4); // trunc(4.8)
    permits.push(breaker.try_pending().unwrap());
    assert_eq!(breaker.retry_limit(NOW), 5);
    let retries: Vec<_> = (0..6).map(|_| breaker.try_retry(NOW)).collect();
    assert_eq!(retries.iter().filter(|retry| retry.is_ok()).count(), 5);
    assert!(breaker.is_open(Resource::Retries, NOW));
    assert_eq!(breaker.overflows(Resource::Retries), 1);
}

#[test]
fn a_budget_can_look_back() {
    // LB-RET-02: requests started during the interval, in ten steps
    let budget = RetryBudget::new().percent(50.0).min_retry_concurrency(0);
    let budget = budget.budget_interval(Duration::from_secs(1));
    let breaker = CircuitBreaker::new(Limits::new().retry_budget(budget));
    for millis in (0..1000).step_by(50) {
        drop(breaker.try_request(at(millis)));
    }
    assert_eq!(breaker.retry_limit(at(999)), 10);
    assert_eq!(breaker.retry_limit(at(1_450)), 5); // the steps of 0 to 500 ms are over
    assert_eq!(breaker.retry_limit(at(2_500)), 0);
    assert!(breaker.try_retry(at(2_500)).is_err());
    drop(breaker.try_request(at(10_000))); // old steps are started over, not added to
    drop(breaker.try_request(at(10_000)));
    assert_eq!(breaker.retry_limit(at(10_000)), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_budget_stays_between_its_bounds(percent in -50.0..150.0, min in 0_u32..10, base in 0_u64..1_000_000) {
        // LB-TEST-43
        let allowed = RetryBudget::new().percent(percent).min_retry_concurrency(min).allowed(base);
        prop_assert!(allowed >= min);
        #[allow(clippy::cast_precision_loss, reason = "below 2^53")]
        let share = (percent.clamp(0.0, 100.0) / 100.0 * base as f64).floor();
        prop_assert!(f64::from(allowed) <= share.max(f64::from(min)));
        prop_assert_eq!(RetryBudget::new().percent(0.0).min_retry_concurrency(min).allowed(base), min);
        prop_assert_eq!(RetryBudget::new().percent(f64::NAN).min_retry_concurrency(min).allowed(base), min);
    }
}
