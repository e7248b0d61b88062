use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::{
    Availability, BuildErrorKind, ConsecutiveErrors, Endpoint, EndpointSet, FailurePercentage, Outcome,
    OutlierConfig, PrioritySet, PrioritySetConfig, Standing, SuccessRate, Usable, Weight,
};

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).unwrap()
}

fn seconds(seconds: u64) -> Monotonic {
    Monotonic::new(std::time::Duration::from_secs(seconds))
}

/// Nothing but rates ejects.
fn rates_alone() -> OutlierConfig {
    OutlierConfig::new().consecutive_5xx_errors(0).max_ejection_percent(100)
}

fn detector(config: OutlierConfig, hosts: usize) -> OutlierDetector {
    OutlierDetector::new(config, hosts).unwrap()
}

/// One interval in which each endpoint answers so many of 100 requests well, then the sweep.
fn interval(detector: &OutlierDetector, successes: &[u32], volume: u32, now: u64) -> Sweep {
    serve(detector, successes, volume, Outcome::Status(200), Outcome::Status(500));
    detector.sweep(seconds(now), &mut SplitMix64::new(now))
}

fn serve(detector: &OutlierDetector, successes: &[u32], volume: u32, good: Outcome, bad: Outcome) {
    let mut draw = SplitMix64::new(0);
    for (host, &successes) in successes.iter().enumerate() {
        for request in 0..volume {
            let outcome = if request < successes { good } else { bad };
            assert!(detector.record(at(host), outcome, seconds(0), &mut draw).is_none());
        }
    }
}

fn ejected(sweep: &Sweep) -> Vec<usize> {
    sweep.ejected.iter().map(|ejection| ejection.endpoint.get()).collect()
}

fn evidence(sweep: &Sweep) -> Vec<Option<RateEvidence>> {
    let rates = |event: &OutlierEvent| match event.action {
        OutlierAction::Eject { rates, .. } => rates,
        OutlierAction::Uneject => None,
    };
    sweep.events.iter().map(rates).collect()
}

#[test]
fn the_threshold_is_mean_less_deviations_lb_od_61() {
    // LB-TEST-35: {50, 100 x 4} has mean 90, deviation 20, threshold 52.0
    let detector = detector(rates_alone().success_rate(SuccessRate::new()), 5);
    let sweep = interval(&detector, &[50, 100, 100, 100, 100], 100, 10);
    assert_eq!(ejected(&sweep), [0]);
    assert_eq!(evidence(&sweep), [Some(RateEvidence { host: 50.0, mean: Some(90.0), threshold: 52.0 })]);
    assert_eq!(detector.stats().enforced(EjectionCause::SuccessRate), 1);
    assert!(!detector.is_usable(at(0)));

    // LB-TEST-35: factor 0 ejects everything below the mean; the mean itself is not below.
    let ejected_with = |factor, rates: &[u32]| {
        let config = rates_alone().success_rate(SuccessRate::new().stdev_factor(factor));
        ejected(&interval(&super::tests::detector(config, rates.len()), rates, 100, 10))
    };
    assert_eq!(ejected_with(0, &[89, 90, 90, 91, 90]), [0]);
    assert_eq!(ejected_with(0, &[70, 80, 100, 100, 100]), [0, 1]);
    // Strictly: {50, 100 x 4} with factor 2.0 has the threshold 50.0.
    assert_eq!(ejected_with(2_000, &[50, 100, 100, 100, 100]), [0; 0]);
    assert_eq!(ejected_with(1_999, &[50, 100, 100, 100, 100]), [0]);
    assert_eq!(ejected_with(1_900, &[100; 5]), [0; 0]);
}

#[test]
fn endpoints_need_volume_and_company_lb_od_60() {
    let mode = |hosts, volume| {
        let mode = SuccessRate::new().minimum_hosts(hosts).request_volume(volume);
        detector(rates_alone().success_rate(mode.stdev_factor(1_000)), 4)
    };
    let rates = [10, 50, 50, 50];
    assert_eq!(ejected(&interval(&mode(4, 50), &rates, 50, 10)), [0]);
    assert_eq!(ejected(&interval(&mode(4, 51), &rates, 50, 10)), [0; 0]); // too few requests
    assert_eq!(ejected(&interval(&mode(5, 50), &rates, 50, 10)), [0; 0]); // too few endpoints
    // An ejected endpoint is not valid: three are left of the four that are needed.
    let four = mode(4, 50);
    assert_eq!(ejected(&interval(&four, &rates, 50, 10)), [0]);
    assert_eq!(ejected(&interval(&four, &[50, 10, 50, 50], 50, 20)), [0; 0]);
    // A minimum of 0 endpoints still needs one.
    assert_eq!(ejected(&interval(&mode(0, 50), &rates, 0, 10)), [0; 0]);
}

#[test]
fn the_failure_percentage_compares_with_nobody_lb_od_62() {
    let mode = FailurePercentage::new().threshold(80).minimum_hosts(3).request_volume(10);
    let detector = detector(rates_alone().failure_percentage(mode), 4);
    let sweep = interval(&detector, &[20, 21, 0, 100], 100, 10); // 80, 79, 100 and 0 percent failed
    assert_eq!(ejected(&sweep), [2, 0]);
    let threshold = 20.0;
    assert_eq!(evidence(&sweep), [0.0, 20.0].map(|host| Some(RateEvidence { host, mean: None, threshold })));
    assert_eq!(detector.stats().enforced(EjectionCause::FailurePercentage), 2);
}

#[test]
fn the_worst_go_first_lb_od_63() {
    // Room for two of six; LB-OD-30 refuses the others.
    let mode = FailurePercentage::new().threshold(50);
    let config = rates_alone().max_ejection_percent(34).failure_percentage(mode);
    let detector = detector(config, 6);
    let sweep = interval(&detector, &[30, 10, 40, 10, 100, 10], 100, 10);
    assert_eq!(ejected(&sweep), [1, 3]);
    let stats = detector.stats();
    assert_eq!((stats.ejections_overflow, stats.ejections_active), (3, 2));
    assert_eq!(stats.detected(EjectionCause::FailurePercentage), 5);
}

#[test]
fn only_the_last_interval_counts_lb_od_53() {
    let mode = FailurePercentage::new().threshold(50).minimum_hosts(1).request_volume(10);
    let detector = detector(rates_alone().failure_percentage(mode), 2);
    assert_eq!(ejected(&interval(&detector, &[100, 100], 100, 10)), [0; 0]);
    // Of all 110 requests most went well, of the last ten none.
    assert_eq!(ejected(&interval(&detector, &[0, 10], 10, 20)), [0]);
    // No requests, no rate: what failed before is over.
    let quiet = detector.sweep(seconds(50), &mut SplitMix64::new(1));
    assert_eq!((quiet.returned, quiet.ejected.len()), (vec![at(0)], 0));
}

#[test]
fn connecting_has_rates_of_its_own() {
    // LB-OD-17, LB-OD-51: external first, then local; each origin its own cause
    let mode = FailurePercentage::new().threshold(50).minimum_hosts(1).request_volume(10);
    let config = rates_alone().split_external_local_origin_errors().failure_percentage(mode);
    let config = config.consecutive_local_origin_failures(1_000).success_rate(SuccessRate::new());
    let detector = detector(config, 8);
    serve(&detector, &[0, 10, 10], 10, Outcome::ConnectSuccess, Outcome::ConnectFailure);
    serve(&detector, &[10, 0, 10], 10, Outcome::ExternalSuccess, Outcome::ExternalFailure);
    // Host 0 failed 10 of 20 at the connection, host 1 all of 10 above it.
    let sweep = detector.sweep(seconds(10), &mut SplitMix64::new(1));
    let causes: Vec<_> =
        sweep.ejected.iter().map(|ejection| (ejection.endpoint.get(), ejection.cause)).collect();
    let expected = [(1, EjectionCause::FailurePercentage), (0, EjectionCause::LocalOriginFailurePercentage)];
    assert_eq!(causes, expected);

    // The success rate by connection: five good ones, one that hardly connects.
    serve(&detector, &[0, 0, 200, 200, 200, 200, 200, 30], 200, Outcome::ConnectSuccess, Outcome::Timeout);
    let detector = detector.with_config(detector.config().clone().success_rate(SuccessRate::new())).unwrap();
    let sweep = detector.sweep(seconds(11), &mut SplitMix64::new(1));
    assert_eq!(sweep.ejected[0].cause, EjectionCause::LocalOriginSuccessRate);
    assert_eq!(ejected(&sweep), [7]); // once, though both rates speak against it
    assert_eq!(detector.stats().detected(EjectionCause::LocalOriginFailurePercentage), 1);
}

#[test]
fn enforcement_is_a_matter_of_chance_lb_od_32() {
    let config = OutlierConfig::new().max_ejection_percent(100).consecutive_5xx_errors(1);
    let config = config.enforcing(EjectionCause::Consecutive5xx, 30);
    let detector = detector(config, 10_000);
    let (mut draw, mut logged, mut enforced) = (SplitMix64::new(3), 0_u32, 0_u32);
    for host in 0..10_000 {
        let ejection = detector.record_with(at(host), Outcome::Status(500), seconds(1), &mut draw, |event| {
            logged += 1;
            enforced += u32::from(event.is_ejection());
        });
        assert_eq!(ejection.is_some(), !detector.is_usable(at(host)));
    }
    // Five standard deviations of a binomial: 5 * sqrt(10000 * 0.3 * 0.7) = 229
    assert!((2_771..=3_229).contains(&enforced), "{enforced}");
    assert_eq!(logged, 10_000);
    let stats = detector.stats();
    assert_eq!(stats.detected(EjectionCause::Consecutive5xx), 10_000);
    assert_eq!((stats.ejections_enforced_total, stats.ejections_active), (u64::from(enforced), enforced));
}

#[test]
fn rates_are_enforced_by_chance_too() {
    // LB-OD-32: Envoy's defaults only watch the failure percentage
    let mode = FailurePercentage::new().minimum_hosts(1);
    let config = OutlierConfig::envoy().consecutive_5xx_errors(0).max_ejection_percent(100);
    let detector = detector(config.failure_percentage(mode), 2);
    let sweep = interval(&detector, &[0, 100], 100, 10);
    assert_eq!((sweep.ejected.len(), sweep.events.len()), (0, 1));
    assert!(!sweep.events[0].is_ejection());
    assert_eq!(detector.stats().detected(EjectionCause::FailurePercentage), 1);
}

#[test]
fn the_log_tells_all_lb_od_71() {
    // Time, time since the last action, address (the index), action, kind, enforced, number of ejections.
    let config = OutlierConfig::new().max_ejection_percent(100).consecutive_5xx_errors(1);
    let detector = detector(config, 2);
    let mut events = Vec::new();
    let mut fail = |now: u64| {
        let mut draw = SplitMix64::new(1);
        detector
            .record_with(at(1), Outcome::Status(500), seconds(now), &mut draw, |event| events.push(event));
    };
    fail(5);
    let returned = detector.sweep(seconds(40), &mut SplitMix64::new(1)).events;
    fail(47);
    let cause = EjectionCause::Consecutive5xx;
    let eject = |now, since_last_action, ejections| OutlierEvent {
        at: seconds(now),
        endpoint: at(1),
        action: OutlierAction::Eject { cause, enforced: true, rates: None },
        since_last_action,
        ejections,
    };
    let span = |seconds| Some(std::time::Duration::from_secs(seconds));
    assert_eq!(events, [eject(5, None, 1), eject(47, span(7), 2)]);
    let back = OutlierEvent { action: OutlierAction::Uneject, ..eject(40, span(35), 1) };
    assert_eq!(returned, [back]);
}

#[test]
fn counters_have_the_names_of_envoy_lb_od_70() {
    let names = EjectionCause::ALL.map(EjectionCause::stat_name);
    let expected = [
        "consecutive_5xx",
        "consecutive_gateway_failure",
        "consecutive_local_origin_failure",
        "success_rate",
        "local_origin_success_rate",
        "failure_percentage",
        "local_origin_failure_percentage",
    ];
    assert_eq!(names, expected);
    // Each cause has counters of its own.
    let config = OutlierConfig::new().max_ejection_percent(100).consecutive_5xx_errors(3);
    let detector = detector(config.consecutive_gateway_errors(0), 3);
    serve(&detector, &[0, 0, 0], 2, Outcome::Status(200), Outcome::Status(500));
    let mut draw = SplitMix64::new(1);
    assert!(detector.record(at(2), Outcome::Status(500), seconds(0), &mut draw).is_some());
    let stats = detector.stats();
    let counts: BTreeMap<_, _> = EjectionCause::ALL
        .iter()
        .map(|&cause| (cause.stat_name(), (stats.detected(cause), stats.enforced(cause))))
        .filter(|(_, counts)| *counts != (0, 0))
        .collect();
    assert_eq!(counts, BTreeMap::from([("consecutive_5xx", (1, 1))]));
    assert_eq!((stats.ejections_active, stats.ejections_enforced_total, stats.ejections_overflow), (1, 1, 0));
}

#[test]
fn the_sweep_returns_evaluates_and_forgets_in_this_order_lb_od_51() {
    // Out since 0 for 10 s with one failing interval after another; the interval is 10 s.
    let mode = FailurePercentage::new().threshold(50).minimum_hosts(1).request_volume(10);
    let config =
        rates_alone().failure_percentage(mode).base_ejection_time(std::time::Duration::from_secs(10));
    let detector = detector(config, 2);
    let backoff = || detector.hosts[0].record().backoff;
    assert_eq!(ejected(&interval(&detector, &[0, 10], 10, 10)), [0]);
    // The return comes before the rates are looked at, so requests it still failed while out take it out again.
    let sweep = interval(&detector, &[0, 10], 10, 20);
    assert_eq!((sweep.returned.clone(), ejected(&sweep)), (vec![at(0)], vec![0]));
    assert_eq!(backoff(), 2);
    // Returned at 40: forgetting begins one interval later.
    assert_eq!(interval(&detector, &[10, 10], 10, 40).returned, [at(0)]);
    assert_eq!(backoff(), 2);
    // Step 3 passes over what step 2 took out: no forgetting in the sweep that ejects.
    assert_eq!(ejected(&interval(&detector, &[0, 10], 10, 50)), [0]);
    assert_eq!(backoff(), 3);
    // LB-OD-52: who was never ejected has nothing to forget.
    assert_eq!(detector.hosts[1].record().backoff, 0);
}

#[test]
fn sweeps_follow_one_another_by_the_interval_lb_od_50() {
    let detector = detector(OutlierConfig::new().interval(std::time::Duration::from_secs(7)), 1);
    assert_eq!(detector.first_sweep(seconds(3)), seconds(10));
    // A sweep that came late puts off the next.
    assert_eq!(detector.sweep(seconds(12), &mut SplitMix64::new(1)).next, seconds(19));
}

#[test]
fn the_defaults_are_those_of_the_oldest_texts_lb_od_03() {
    // 5 errors, 10 s, 30 s, 10 %
    let config = OutlierConfig::new();
    assert_eq!(config.sweep_interval().as_secs(), 10);
    let detector = detector(config, 10);
    let mut draw = SplitMix64::new(1);
    let mut fail = |host| detector.record(at(host), Outcome::Status(500), seconds(0), &mut draw);
    assert!((0..4).all(|_| fail(0).is_none()));
    assert_eq!(fail(0).map(|ejection| ejection.duration.as_secs()), Some(30));
    assert!((0..50).all(|_| fail(1).is_none())); // one of ten is out
}

#[test]
fn the_deprecated_threshold_has_three_readings_lb_od_02() {
    let triggered_by = |meaning, status| {
        let config = OutlierConfig::new().max_ejection_percent(100).consecutive_errors(2, meaning);
        let detector = detector(config, 2);
        let mut draw = SplitMix64::new(1);
        (1..=9).find(|_| detector.record(at(0), Outcome::Status(status), seconds(0), &mut draw).is_some())
    };
    use ConsecutiveErrors::{Any5xx, Gateway, Ignored};
    assert_eq!(
        [Ignored, Any5xx, Gateway].map(|meaning| triggered_by(meaning, 500)),
        [Some(5), Some(2), Some(5)]
    );
    assert_eq!(
        [Ignored, Any5xx, Gateway].map(|meaning| triggered_by(meaning, 503)),
        [Some(5), Some(2), Some(2)]
    );
}

#[test]
fn a_tcp_proxy_reports_connections_alone_lb_od_19() {
    // A failure to connect is a 503, so it counts for both; a connection that comes up is a success.
    let config = OutlierConfig::new().max_ejection_percent(100).consecutive_gateway_errors(3);
    let detector = detector(config, 2);
    let mut draw = SplitMix64::new(1);
    let mut report = |outcome| detector.record(at(0), outcome, seconds(0), &mut draw);
    assert!(report(Outcome::ConnectFailure).is_none());
    assert!(report(Outcome::ConnectFailure).is_none());
    assert!(report(Outcome::ConnectSuccessFinal).is_none());
    assert!(report(Outcome::ConnectFailure).is_none());
    assert!(report(Outcome::ConnectFailure).is_none());
    let ejection = report(Outcome::ConnectFailure).unwrap();
    assert_eq!(ejection.cause, EjectionCause::ConsecutiveGatewayFailure);
}

#[test]
fn every_attempt_counts_for_its_own_endpoint_lb_od_20() {
    // A request that is tried on 0, 1 and 2, and answered by 2.
    let detector = detector(OutlierConfig::new().max_ejection_percent(100).consecutive_5xx_errors(4), 3);
    let mut draw = SplitMix64::new(1);
    let mut out = Vec::new();
    for now in 0..4 {
        for (host, status) in [(0, 503), (1, 500), (2, 200)] {
            out.extend(detector.record(at(host), Outcome::Status(status), seconds(now), &mut draw));
        }
    }
    let ejected: Vec<_> = out.iter().map(|ejection| ejection.endpoint.get()).collect();
    assert_eq!(ejected, [0, 1]);
    assert!(detector.is_usable(at(2)));
}

#[test]
fn a_whole_priority_may_go_lb_od_39() {
    let endpoints = (0..10).map(|key| Endpoint::new(key, Weight::ONE).priority(u8::from(key > 1)));
    let set = EndpointSet::new(endpoints).unwrap();
    let config = OutlierConfig::new().consecutive_5xx_errors(1).max_ejection_percent(20);
    let detector = detector(config, set.len());
    let mut draw = SplitMix64::new(1);
    for host in [0, 1] {
        assert!(detector.record(at(host), Outcome::Status(500), seconds(0), &mut draw).is_some());
    }
    let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &detector);
    assert_eq!((view.load().healthy(0), view.load().healthy(1)), (0, 100));
}

#[test]
fn a_degraded_endpoint_stays_in_its_list_lb_od_64() {
    let set = EndpointSet::new((0..3).map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
    let config = OutlierConfig::new().base_ejection_time(std::time::Duration::from_secs(20));
    let off = detector(config.clone(), 3);
    assert!(!off.mark_degraded(at(1), seconds(0)));
    let detector = detector(config.detect_degraded_hosts(), 3);
    let before = detector.generation();
    assert!(detector.mark_degraded(at(1), seconds(0)));
    assert!(!detector.mark_degraded(at(1), seconds(1)));
    assert!(!detector.mark_degraded(at(3), seconds(1)));
    assert!(detector.generation() > before);
    let degraded = |detector: &OutlierDetector| {
        let view = Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), detector));
        assert!(view.explain(at(1)).is_some_and(|Standing { usable, .. }| usable));
        view.eligible(0, Availability::Degraded).to_vec()
    };
    assert_eq!(degraded(&detector), [at(1)]);
    // It is not out: nothing of the share that may be is used up.
    assert_eq!(detector.stats().ejections_active, 0);
    let sweep = |now| detector.sweep(seconds(now), &mut SplitMix64::new(1));
    sweep(19);
    assert_eq!(degraded(&detector), [at(1)]);
    let before = detector.generation();
    assert!(sweep(20).returned.is_empty());
    assert!(detector.generation() > before);
    assert_eq!(degraded(&detector), []);
    // The time grows as that of ejections does.
    assert!(detector.mark_degraded(at(1), seconds(20)));
    sweep(59);
    assert_eq!(degraded(&detector), [at(1)]);
    sweep(60);
    assert_eq!(degraded(&detector), []);
}

#[test]
fn a_passed_check_may_be_told_not_to_return() {
    // LB-OD-36, the setting that is on by default
    let config = OutlierConfig::new().max_ejection_percent(100).consecutive_5xx_errors(1);
    let detector = detector(config.health_check_does_not_uneject(), 1);
    let mut draw = SplitMix64::new(1);
    assert!(detector.record(at(0), Outcome::Status(500), seconds(0), &mut draw).is_some());
    assert!(!detector.passed_health_check(at(0), seconds(1)));
    assert!(!detector.is_usable(at(0)));
}

#[test]
fn percentages_are_at_most_100() {
    // LB-OD-04
    for (config, field) in [
        (OutlierConfig::new().enforcing(EjectionCause::SuccessRate, 101), "enforcing"),
        (
            OutlierConfig::new().failure_percentage(FailurePercentage::new().threshold(101)),
            "failurePercentageThreshold",
        ),
    ] {
        let found = OutlierDetector::new(config, 1).unwrap_err();
        assert_eq!(*found.kind(), BuildErrorKind::OutOfRange { field, min: 0, max: 100, found: 101 });
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn times_out_grow_to_the_longest_and_end_with_a_sweep_lb_test_31(
        base in 1_u64..5_000, longest in 1_u64..60_000, jitter in 0_u64..3_000, interval in 1_u64..4_000, seed: u64,
    ) {
        use std::time::Duration;
        let millis = Duration::from_millis;
        let config = OutlierConfig::new()
            .max_ejection_percent(100)
            .consecutive_5xx_errors(1)
            .interval(millis(interval))
            .base_ejection_time(millis(base))
            .max_ejection_time(millis(longest.max(base)))
            .max_ejection_time_jitter(millis(jitter));
        let longest = longest.max(base);
        let detector = detector(config, 1);
        let mut draw = SplitMix64::new(seed);
        let (mut now, mut nominal_before) = (0, 0);
        for k in 1..=12_u64 {
            let since = now;
            let ejection = detector.record(at(0), Outcome::Status(500), Monotonic::new(millis(now)), &mut draw);
            let drawn = detector.hosts[0].record().jitter_millis;
            proptest::prop_assert!(drawn <= jitter);
            let nominal = (base * k).min(longest);
            proptest::prop_assert_eq!(ejection.unwrap().duration, millis(nominal + drawn));
            proptest::prop_assert!(nominal >= nominal_before);
            nominal_before = nominal;
            loop {
                now += interval;
                if !detector.sweep(Monotonic::new(millis(now)), &mut draw).returned.is_empty() {
                    break;
                }
            }
            let real = now - since - drawn;
            proptest::prop_assert!((nominal..nominal + interval).contains(&real), "{} for {}", real, nominal);
            let backoff = u64::from(detector.hosts[0].record().backoff);
            proptest::prop_assert!(backoff <= longest.div_ceil(base) + 1);
        }
    }
}
