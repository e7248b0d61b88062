use proptest::prelude::*;

use super::*;
use crate::draw::SplitMix64;
use crate::{BuildErrorKind, Endpoint, Weight, grpc_to_http_status};

fn at(index: usize) -> EndpointIndex {
    EndpointIndex::new(index).unwrap()
}

fn seconds(seconds: f64) -> Monotonic {
    Monotonic::new(Duration::from_secs_f64(seconds))
}

/// Reports `count` times and says at which report the ejection came, counted from 1.
fn report(
    detector: &OutlierDetector,
    host: usize,
    outcome: Outcome,
    count: usize,
    now: Monotonic,
) -> Option<usize> {
    let mut draw = SplitMix64::new(1);
    (1..=count).find(|_| detector.record(at(host), outcome, now, &mut draw).is_some())
}

fn all_may_go() -> OutlierConfig {
    OutlierConfig::new().max_ejection_percent(100)
}

#[test]
fn an_empty_block_ejects_after_five_5xx() {
    // LB-OD-01, LB-OD-12
    let detector = OutlierDetector::new(OutlierConfig::default(), 10).unwrap();
    assert_eq!(report(&detector, 3, Outcome::Status(500), 4, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 3, Outcome::Status(200), 1, Monotonic::ZERO), None); // starts over
    assert_eq!(report(&detector, 3, Outcome::Status(500), 9, Monotonic::ZERO), Some(5));
    assert!(!detector.is_usable(at(3)));
    assert!(detector.is_usable(at(2)));
    assert_eq!(detector.stats().enforced(EjectionCause::Consecutive5xx), 1);
}

#[test]
fn the_share_of_ejected_endpoints_is_bounded() {
    // LB-OD-30, LB-OD-31: the table of the reference, row by row; there is no implicit "at least one"
    let percents = [10, 20, 30, 33, 34, 50, 100];
    let table = [
        (1, [0, 0, 0, 0, 0, 0, 1]),
        (2, [0, 0, 0, 0, 0, 1, 2]),
        (3, [0, 0, 0, 0, 1, 1, 3]),
        (4, [0, 0, 1, 1, 1, 2, 4]),
        (5, [0, 1, 1, 1, 1, 2, 5]),
        (10, [1, 2, 3, 3, 3, 5, 10]),
        (20, [2, 4, 6, 6, 6, 10, 20]),
    ];
    for (hosts, row) in table {
        for (percent, want) in percents.into_iter().zip(row) {
            let config = OutlierConfig::new().max_ejection_percent(percent).consecutive_5xx_errors(1);
            let detector = OutlierDetector::new(config, hosts).unwrap();
            for host in 0..hosts {
                report(&detector, host, Outcome::Status(500), 1, Monotonic::ZERO);
            }
            let stats = detector.stats();
            assert_eq!(stats.ejections_active, want, "{hosts} hosts, {percent} %");
            assert_eq!(stats.ejections_overflow, hosts as u64 - u64::from(want));
            // LB-TEST-30 with the option: one at least
            let config = OutlierConfig::new().consecutive_5xx_errors(1).always_eject_one_host();
            let detector = OutlierDetector::new(config, hosts).unwrap();
            assert!(report(&detector, 0, Outcome::Status(500), 1, Monotonic::ZERO).is_some());
        }
    }
}

#[test]
fn a_trigger_is_equality_and_starts_over_when_refused() {
    // LB-OD-13, LB-TEST-33
    let config = OutlierConfig::new().consecutive_5xx_errors(3); // 10 % of 2 endpoints: never
    let detector = OutlierDetector::new(config, 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(500), 10, Monotonic::ZERO), None);
    let stats = detector.stats();
    assert_eq!((stats.detected(EjectionCause::Consecutive5xx), stats.ejections_overflow), (3, 3));
    assert_eq!((stats.ejections_active, stats.ejections_enforced_total), (0, 0));
}

#[test]
fn a_threshold_of_0_never_fires() {
    // LB-OD-13
    let config = all_may_go().consecutive_5xx_errors(0);
    let detector = OutlierDetector::new(config, 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1_000, Monotonic::ZERO), None);
    assert_eq!(detector.stats().detected(EjectionCause::Consecutive5xx), 0);
}

#[test]
fn gateway_errors_are_counted_but_eject_only_when_set() {
    // LB-OD-12, section 3.1
    let detector = OutlierDetector::new(all_may_go().consecutive_5xx_errors(0), 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(503), 20, Monotonic::ZERO), None);
    assert_eq!(detector.stats().detected(EjectionCause::ConsecutiveGatewayFailure), 4);

    let config = all_may_go().consecutive_5xx_errors(0).consecutive_gateway_errors(3);
    let detector = OutlierDetector::new(config, 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(502), 2, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1, Monotonic::ZERO), None); // another 5xx resets
    assert_eq!(report(&detector, 0, Outcome::Status(504), 9, Monotonic::ZERO), Some(3));
    assert_eq!(detector.stats().enforced(EjectionCause::ConsecutiveGatewayFailure), 1);
}

#[test]
fn the_gateway_trigger_comes_first() {
    // LB-OD-12
    let config = all_may_go().consecutive_5xx_errors(2).consecutive_gateway_errors(2);
    let detector = OutlierDetector::new(config, 2).unwrap();
    let mut draw = SplitMix64::new(1);
    let mut one = || detector.record(at(0), Outcome::Status(503), Monotonic::ZERO, &mut draw);
    assert!(one().is_none());
    assert_eq!(one().map(|ejection| ejection.cause), Some(EjectionCause::ConsecutiveGatewayFailure));
    assert_eq!(detector.stats().detected(EjectionCause::Consecutive5xx), 0);
}

#[test]
fn events_without_split_become_statuses() {
    // LB-OD-10, LB-OD-11: every event there is
    for (outcome, gateway, ejects) in [
        (Outcome::ConnectFailure, true, true),
        (Outcome::ConnectTimeout, true, true),
        (Outcome::Timeout, true, true),
        (Outcome::Reset, true, true),
        (Outcome::ExternalFailure, false, true),
        (Outcome::ExternalSuccess, false, false),
        (Outcome::ConnectSuccessFinal, false, false),
        (Outcome::Status(429), false, false),
    ] {
        let detector = OutlierDetector::new(all_may_go(), 2).unwrap();
        assert_eq!(report(&detector, 0, outcome, 5, Monotonic::ZERO).is_some(), ejects, "{outcome:?}");
        let gateways = detector.stats().detected(EjectionCause::ConsecutiveGatewayFailure);
        assert_eq!(gateways > 0, gateway, "{outcome:?}");
    }
    // A connection that comes up says nothing.
    let detector = OutlierDetector::new(all_may_go(), 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(500), 4, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 0, Outcome::ConnectSuccess, 1, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1, Monotonic::ZERO), Some(1));
}

#[test]
fn under_split_only_failures_to_connect_add_up() {
    // LB-OD-17, LB-OD-18
    let config = all_may_go().split_external_local_origin_errors().consecutive_local_origin_failures(3);
    let detector = OutlierDetector::new(config, 4).unwrap();
    for _ in 0..10 {
        assert_eq!(report(&detector, 0, Outcome::ConnectSuccess, 1, Monotonic::ZERO), None);
        assert_eq!(report(&detector, 0, Outcome::Timeout, 1, Monotonic::ZERO), None);
    }
    assert_eq!(report(&detector, 1, Outcome::ConnectFailure, 9, Monotonic::ZERO), Some(3));
    assert_eq!(detector.stats().enforced(EjectionCause::ConsecutiveLocalOriginFailure), 1);
    // Statuses still count for themselves, and a success of another protocol clears both.
    assert_eq!(report(&detector, 2, Outcome::Status(500), 4, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 2, Outcome::Reset, 2, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 2, Outcome::ExternalSuccess, 1, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 2, Outcome::ConnectTimeout, 2, Monotonic::ZERO), None);
    assert_eq!(report(&detector, 2, Outcome::ExternalFailure, 9, Monotonic::ZERO), Some(5));
}

#[test]
fn listed_codes_are_the_only_failures() {
    // LB-OD-16
    let config = || all_may_go().http_error_codes([429, 503]).consecutive_gateway_errors(0);
    let ejects = |status| {
        let detector = OutlierDetector::new(config(), 2).unwrap();
        report(&detector, 0, Outcome::Status(status), 5, Monotonic::ZERO).is_some()
    };
    assert_eq!([429, 503, 500, 504, 200].map(ejects), [true, true, false, false, false]);
    let detector = OutlierDetector::new(all_may_go().http_error_codes([429]), 2).unwrap();
    report(&detector, 0, Outcome::Status(429), 5, Monotonic::ZERO);
    assert_eq!(detector.stats().detected(EjectionCause::ConsecutiveGatewayFailure), 0); // counts as 500
    let detector = OutlierDetector::new(config(), 2).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Timeout, 5, Monotonic::ZERO), Some(5)); // local, unaffected
}

#[test]
fn grpc_statuses_in_headers_map_to_http() {
    // LB-OD-14
    let cases =
        [(14, 503), (4, 504), (2, 500), (13, 500), (15, 500), (12, 501), (8, 429), (16, 401), (0, 200)];
    for (grpc, http) in cases {
        assert_eq!(grpc_to_http_status(grpc), http, "{grpc}");
    }
}

#[test]
fn the_time_out_grows_and_shrinks() {
    // LB-OD-33, LB-OD-34, LB-OD-37: base 0.5 s, sweep 0.2 s, at most 1.6 s
    let config = all_may_go()
        .consecutive_5xx_errors(1)
        .interval(Duration::from_millis(200))
        .base_ejection_time(Duration::from_millis(500))
        .max_ejection_time(Duration::from_millis(1_600));
    let detector = OutlierDetector::new(config, 2).unwrap();
    let mut draw = SplitMix64::new(1);
    let (mut durations, mut since, mut now) = (Vec::new(), None, 0.0);
    let mut nominal = Vec::new();
    while durations.len() < 6 {
        if since.is_none() {
            let ejection = detector.record(at(0), Outcome::Status(500), seconds(now), &mut draw).unwrap();
            nominal.push(ejection.duration.as_millis());
            since = Some(now);
        }
        now += 0.2;
        if !detector.sweep(seconds(now), &mut draw).returned.is_empty() {
            durations.push(((now - since.take().unwrap()) * 10.0).round());
        }
    }
    assert_eq!(nominal, [500, 1_000, 1_500, 1_600, 1_600, 1_600]);
    assert_eq!(durations, [6.0, 10.0, 16.0, 16.0, 16.0, 16.0]); // tenths of a second, up to the next sweep

    // LB-OD-51, LB-TEST-32: each quiet sweep takes one off; the sweep of the return does not.
    let backoff = || detector.hosts.first().unwrap().record().backoff;
    let before = backoff();
    for quiet in 1..=before + 2 {
        now += 0.2;
        detector.sweep(seconds(now), &mut draw);
        assert_eq!(backoff(), before.saturating_sub(quiet));
    }
    let ejection = detector.record(at(0), Outcome::Status(500), seconds(now), &mut draw).unwrap();
    assert_eq!((ejection.duration.as_millis(), ejection.ejections), (500, 7));
}

#[test]
fn jitter_adds_to_the_time_out() {
    // LB-OD-33
    let config = all_may_go().consecutive_5xx_errors(1).max_ejection_time_jitter(Duration::from_secs(10));
    let detector = OutlierDetector::new(config, 50).unwrap();
    let mut draw = SplitMix64::new(4);
    let durations = (0..50).map(|host| {
        let ejection = detector.record(at(host), Outcome::Status(500), Monotonic::ZERO, &mut draw);
        ejection.unwrap().duration.as_secs_f64()
    });
    let durations: Vec<f64> = durations.collect();
    assert!(durations.iter().all(|duration| (30.0..=40.0).contains(duration)));
    assert!(durations.iter().any(|duration| *duration > 37.0) && durations.iter().any(|d| *d < 33.0));
}

#[test]
fn a_return_clears_the_counters() {
    // LB-OD-35; and LB-OD-36: a passed check returns at once, whatever the sweep says
    let detector = OutlierDetector::new(all_may_go().consecutive_5xx_errors(2), 2).unwrap();
    report(&detector, 0, Outcome::Status(500), 3, seconds(0.0)); // one more while out
    let before = detector.generation();
    assert!(detector.passed_health_check(at(0), seconds(1.0)));
    assert!(!detector.passed_health_check(at(0), seconds(1.0)));
    assert!(detector.is_usable(at(0)) && detector.generation() > before);
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1, seconds(2.0)), None);
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1, seconds(2.0)), Some(1));
}

#[test]
fn state_follows_the_key_to_the_next_set() {
    // LB-HOST-02, LB-OD-21, LB-OD-38
    let set = |keys: &[&'static str]| {
        EndpointSet::new(keys.iter().map(|key| Endpoint::new(*key, Weight::ONE))).unwrap()
    };
    let (before, after) = (set(&["a", "b", "c"]), set(&["c", "a", "d"]));
    let old = OutlierDetector::new(all_may_go().consecutive_5xx_errors(2), 3).unwrap();
    report(&old, 0, Outcome::Status(500), 2, seconds(0.0)); // a and b are out
    report(&old, 1, Outcome::Status(500), 2, seconds(0.0));
    report(&old, 2, Outcome::Status(500), 1, seconds(0.0)); // c has one failure
    let new = old.carried_over(&before, &after);
    assert_eq!([0, 1, 2].map(|host| new.is_usable(at(host))), [true, false, true]);
    assert_eq!(new.stats().ejections_active, 1); // b left
    assert_eq!(report(&new, 0, Outcome::Status(500), 1, seconds(1.0)), Some(1));
    // Late events: for b nothing happens, for a the old detector and the new one are the same.
    assert_eq!(report(&old, 1, Outcome::Status(500), 10, seconds(1.0)), None);
    assert_eq!(old.sweep(seconds(60.0), &mut SplitMix64::new(1)).returned, [at(0), at(2)]);
    assert!(new.is_usable(at(1)) && new.is_usable(at(0)));
    assert_eq!((new.stats().ejections_active, new.stats()), (0, old.stats()));
}

#[test]
fn other_settings_keep_the_state() {
    let detector = OutlierDetector::new(all_may_go(), 2).unwrap();
    report(&detector, 0, Outcome::Status(500), 4, seconds(0.0));
    let detector = detector.with_config(all_may_go().base_ejection_time(Duration::from_secs(1))).unwrap();
    assert_eq!(report(&detector, 0, Outcome::Status(500), 1, seconds(0.0)), Some(1));
    assert_eq!(detector.sweep(seconds(1.0), &mut SplitMix64::new(1)).returned, [at(0)]);
}

#[test]
fn settings_outside_their_range_are_refused() {
    // LB-OD-04
    let kind = |config: OutlierConfig| OutlierDetector::new(config, 1).map(|_| ()).unwrap_err();
    let tiny = Duration::from_micros(1_500);
    for (config, text) in [
        (
            OutlierConfig::new().max_ejection_percent(101),
            "maxEjectionPercent: 101 is out of range, allowed is 0 to 100",
        ),
        (
            OutlierConfig::new().interval(tiny),
            "interval: 1.5ms is not allowed, give whole milliseconds, at least 1ms",
        ),
        (
            OutlierConfig::new().base_ejection_time(Duration::ZERO),
            "baseEjectionTime: 0ns is not allowed, give whole milliseconds, at least 1ms",
        ),
        (
            OutlierConfig::new().consecutive_local_origin_failures(2),
            "consecutiveLocalOriginFailures: needs splitExternalLocalOriginErrors, set it too",
        ),
        (
            OutlierConfig::new().http_error_codes([200, 99]),
            "outlierDetectionHttpErrorCodes: 99 is out of range, allowed is 100 to 599",
        ),
    ] {
        assert_eq!(kind(config).to_string(), text);
    }
    let found = kind(OutlierConfig::new().interval(tiny));
    assert_eq!(*found.kind(), BuildErrorKind::NotWholeMilliseconds { field: "interval", found: tiny });
}

#[test]
fn one_of_several_threads_gets_the_trigger() {
    // LB-OD-21, LB-TEST-34: the gauge is the number of marked endpoints
    let detector =
        OutlierDetector::new(all_may_go().consecutive_5xx_errors(5).max_ejection_percent(50), 8).unwrap();
    let ejections = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (detector, ejections) = (&detector, &ejections);
            scope.spawn(move || {
                let mut draw = SplitMix64::new(seed);
                for step in 0..2_000 {
                    let host = at(usize::try_from(draw.next_u64() % 8).unwrap());
                    let now = Monotonic::new(Duration::from_millis(step));
                    if detector.record(host, Outcome::Status(503), now, &mut draw).is_some() {
                        ejections.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let marked = (0..8).filter(|&host| !detector.is_usable(at(host))).count();
    let stats = detector.stats();
    assert_eq!((marked, stats.ejections_active), (4, 4));
    assert_eq!(stats.ejections_enforced_total, u64::from(ejections.into_inner()));
}

#[derive(Clone, Debug)]
enum Step {
    Report(usize, u16),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let status = prop::sample::select(vec![200_u16, 404, 500, 502, 503, 504]);
    prop::collection::vec(
        prop_oneof![8 => (0_usize..4, status).prop_map(|(host, status)| Step::Report(host, status)), 1 => Just(Step::Sweep)],
        0..200,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sequences_agree_with_a_small_model(steps in steps(), percent in 1_u32..=100) {
        // LB-TEST-30, LB-TEST-33, LB-TEST-34
        let config = OutlierConfig::new()
            .consecutive_5xx_errors(3)
            .consecutive_gateway_errors(2)
            .max_ejection_percent(percent)
            .base_ejection_time(Duration::from_secs(7))
            .interval(Duration::from_secs(5));
        let detector = OutlierDetector::new(config, 4).unwrap();
        let mut draw = SplitMix64::new(0);
        // Per host: failures in a row, gateway failures in a row, out since, returned at, multiplier.
        let mut model = [(0_u32, 0_u32, None::<u64>, None::<u64>, 0_u64); 4];
        for (now, step) in (0_u64..).zip(&steps) {
            let moment = Monotonic::new(Duration::from_secs(now));
            let out = model.iter().filter(|host| host.2.is_some()).count();
            match *step {
                Step::Report(host, status) => {
                    let ejected = detector.record(at(host), Outcome::Status(status), moment, &mut draw).is_some();
                    let (row, gateways, since, _, multiplier) = &mut model[host];
                    let mut triggered = false;
                    if status < 500 {
                        (*row, *gateways) = (0, 0);
                    } else {
                        *row += 1;
                        *gateways = if status == 500 { 0 } else { *gateways + 1 };
                        let allowed = 100.0 * (f64::from(u32::try_from(out).unwrap()) + 1.0) / 4.0 <= f64::from(percent);
                        for (counter, threshold) in [(gateways, 2), (row, 3)] {
                            if *counter == threshold && since.is_none() {
                                *counter = 0;
                                if allowed {
                                    *since = Some(now);
                                    *multiplier += 1;
                                    triggered = true;
                                }
                            }
                        }
                    }
                    prop_assert_eq!(ejected, triggered, "at {}", now);
                }
                Step::Sweep => {
                    let mut returned = Vec::new();
                    for (host, (row, gateways, since, last, multiplier)) in model.iter_mut().enumerate() {
                        if since.is_some_and(|since| 7 * *multiplier <= now - since) {
                            (*row, *gateways, *since, *last) = (0, 0, None, Some(now));
                            returned.push(at(host));
                        }
                        if since.is_none() && last.is_some_and(|last| now - last >= 5) {
                            *multiplier = multiplier.saturating_sub(1);
                        }
                    }
                    prop_assert_eq!(detector.sweep(moment, &mut draw).returned, returned, "at {}", now);
                }
            }
            let out = u32::try_from(model.iter().filter(|host| host.2.is_some()).count()).unwrap();
            prop_assert_eq!(detector.stats().ejections_active, out);
            prop_assert!(out <= 4 * percent / 100);
            for (host, state) in model.iter().enumerate() {
                prop_assert_eq!(detector.is_usable(at(host)), state.2.is_none());
            }
        }
    }
}
