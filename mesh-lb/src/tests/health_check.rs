use super::*;

use CheckedHealth::{Degraded, FailedAtOnce, Healthy, Pending, Unhealthy};

fn config(healthy: u32, unhealthy: u32) -> HealthCheckConfig {
    HealthCheckConfig::new(Duration::from_secs(5), healthy, unhealthy).unwrap()
}

/// What each of the results leads to.
fn after(config: &HealthCheckConfig, results: &[ProbeResult]) -> Vec<CheckedHealth> {
    let mut check = HealthCheck::default();
    results.iter().map(|result| check.record(config, *result)).collect()
}

#[test]
fn results_in_a_row_decide_lb_hc_02() {
    use ProbeResult::{Retriable, Success, Unexpected, Unreachable};
    let config = config(2, 3);
    // The first decides at once.
    assert_eq!(after(&config, &[Success]), [Healthy]);
    assert_eq!(after(&config, &[Unexpected]), [Unhealthy]);
    assert_eq!(after(&config, &[Unreachable]), [Unhealthy]);
    // Network failures count towards their threshold; a success between them starts over.
    let run = [Success, Unreachable, Unreachable, Success, Unreachable, Unreachable, Unreachable];
    let expected = [Healthy, Healthy, Healthy, Healthy, Healthy, Healthy, Unhealthy];
    assert_eq!(after(&config, &run), expected);
    // An unexpected status decides at once, unless it is listed as retriable.
    assert_eq!(after(&config, &[Success, Unexpected]), [Healthy, Unhealthy]);
    let listed = [Success, Retriable, Retriable, Retriable];
    assert_eq!(after(&config, &listed), [Healthy, Healthy, Healthy, Unhealthy]);
    // After a failure successes count towards theirs, and a failure between them starts over.
    let run = [Unexpected, Success, Unreachable, Success, Success];
    assert_eq!(after(&config, &run), [Unhealthy, Unhealthy, Unhealthy, Unhealthy, Healthy]);
    // Thresholds and the interval are required.
    let of = |interval, healthy, unhealthy| {
        HealthCheckConfig::new(Duration::from_secs(interval), healthy, unhealthy).map(|_| ()).unwrap_err()
    };
    for (error, field) in
        [(of(0, 1, 1), "interval"), (of(1, 0, 1), "healthy_threshold"), (of(1, 1, 0), "unhealthy_threshold")]
    {
        assert_eq!(*error.kind(), BuildErrorKind::OutOfRange { field, min: 1, max: u64::MAX, found: 0 });
    }
}

#[test]
fn idle_clusters_are_probed_seldom_lb_hc_03() {
    let config = config(1, 1);
    let mut check = HealthCheck::default();
    let seconds = |check: &HealthCheck, config, traffic| check.interval(config, traffic).as_secs();
    assert_eq!((seconds(&check, &config, false), seconds(&check, &config, true)), (60, 5));
    let config =
        config.no_traffic_interval(Duration::from_secs(30)).unhealthy_interval(Duration::from_secs(1));
    assert_eq!((seconds(&check, &config, false), seconds(&check, &config, true)), (30, 5));
    check.record(&config, ProbeResult::Unreachable);
    assert_eq!(seconds(&check, &config, true), 1);
}

#[test]
fn headers_degrade_and_fail_lb_hc_04() {
    let config = config(2, 2);
    let mut check = HealthCheck::default();
    assert_eq!(check.record(&config, ProbeResult::Degraded), Degraded);
    assert!(check.health().is_usable() && !check.health().is_excluded());
    assert_eq!(check.record(&config, ProbeResult::Success), Healthy);
    check.fail_at_once();
    assert!(!check.health().is_usable() && check.health().is_excluded());
    assert_eq!(check.health(), FailedAtOnce);
    // Excluded until the next check: a failure leaves it unhealthy, and it counts again.
    assert_eq!(check.record(&config, ProbeResult::Unreachable), Unhealthy);
    assert!(!check.health().is_excluded());
    check.fail_at_once();
    assert_eq!(check.record(&config, ProbeResult::Success), Unhealthy); // one of the two that it takes
    assert_eq!(check.record(&config, ProbeResult::Success), Healthy);
}

#[test]
fn without_a_result_an_endpoint_is_excluded_lb_hc_05() {
    let check = HealthCheck::default();
    assert_eq!(check.health(), Pending);
    assert!(!check.health().is_usable() && check.health().is_excluded());
}

#[test]
fn pingora_goes_by_one_result_lb_hc_06() {
    let config = HealthCheckConfig::pingora(Duration::from_secs(1)).unwrap();
    use ProbeResult::{Success, Unreachable};
    let run = [Success, Unreachable, Success];
    assert_eq!(after(&config, &run), [Healthy, Unhealthy, Healthy]);
}
