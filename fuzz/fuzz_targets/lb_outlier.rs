//! Outlier detection over any run of events: what is ejected is counted once, never more than the limit allows, the log
//! tells the same story, and everybody is back once enough time has passed.
#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_lb::{
    EjectionCause, EndpointIndex, FailurePercentage, Monotonic, Outcome, OutlierAction, OutlierConfig,
    OutlierDetector, SplitMix64, SuccessRate, Usable,
};

#[derive(Arbitrary, Debug)]
enum Event {
    /// The endpoint, the status, how often.
    Status(u8, u8, u8),
    Other(u8, u8, u8),
    Wait(u16),
    Sweep,
    HealthCheck(u8),
    Degraded(u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    hosts: u8,
    consecutive: (u8, u8, u8),
    split: bool,
    interval: u8,
    base: u8,
    max_percent: u8,
    max_time: u16,
    jitter: u16,
    always_one: bool,
    degraded: bool,
    /// Fewest endpoints, fewest requests, factor.
    success_rate: Option<(u8, u8, u16)>,
    /// Threshold, fewest endpoints, fewest requests.
    failure_percentage: Option<(u8, u8, u8)>,
    enforcing: [u8; 7],
    events: Vec<Event>,
    seed: u64,
}

fuzz_target!(|input: Input| {
    let hosts = usize::from(input.hosts % 16);
    let max_percent = input.max_percent % 101;
    let mut config = OutlierConfig::new()
        .consecutive_5xx_errors(input.consecutive.0.into())
        .consecutive_gateway_errors(input.consecutive.1.into())
        .interval(Duration::from_secs(u64::from(input.interval) + 1))
        .base_ejection_time(Duration::from_secs(u64::from(input.base) + 1))
        .max_ejection_percent(max_percent.into())
        .max_ejection_time(Duration::from_secs(input.max_time.into()));
    config = config.max_ejection_time_jitter(Duration::from_millis(input.jitter.into()));
    if input.split {
        config = config
            .split_external_local_origin_errors()
            .consecutive_local_origin_failures(input.consecutive.2.into());
    }
    if input.always_one {
        config = config.always_eject_one_host();
    }
    if input.degraded {
        config = config.detect_degraded_hosts();
    }
    if let Some((hosts, volume, factor)) = input.success_rate {
        let mode = SuccessRate::new().minimum_hosts(hosts.into()).request_volume(volume.into());
        config = config.success_rate(mode.stdev_factor(factor.into()));
    }
    if let Some((threshold, hosts, volume)) = input.failure_percentage {
        let mode = FailurePercentage::new().threshold(u32::from(threshold) % 101).minimum_hosts(hosts.into());
        config = config.failure_percentage(mode.request_volume(volume.into()));
    }
    for (cause, percent) in EjectionCause::ALL.into_iter().zip(input.enforcing) {
        config = config.enforcing(cause, u32::from(percent) % 101);
    }
    let Ok(detector) = OutlierDetector::new(config, hosts) else { return };
    let mut draw = SplitMix64::new(input.seed);
    let mut now = Monotonic::ZERO;
    let mut out = BTreeSet::new();
    let outcomes = [
        Outcome::ConnectSuccess,
        Outcome::ConnectSuccessFinal,
        Outcome::ConnectFailure,
        Outcome::ConnectTimeout,
        Outcome::Timeout,
        Outcome::Reset,
        Outcome::ExternalSuccess,
        Outcome::ExternalFailure,
    ];
    let statuses = [200, 404, 429, 500, 501, 502, 503, 504, 599, 600, 0];
    // Of 0 a default takes the place.
    let percent = if max_percent == 0 { 10 } else { u64::from(max_percent) };
    for event in input.events {
        let index = |host: u8| EndpointIndex::new(host.into()).expect("a byte is a small index");
        let mut ejections = Vec::new();
        let mut logged = Vec::new();
        match event {
            Event::Wait(seconds) => now = now.after(Duration::from_secs(seconds.into())),
            Event::Sweep => {
                let sweep = detector.sweep(now, &mut draw);
                assert_eq!(sweep.next.since(now), detector.config().sweep_interval());
                for endpoint in sweep.returned {
                    assert!(out.remove(&endpoint.get()), "{endpoint:?} returned without having been out");
                }
                ejections = sweep.ejected;
                logged = sweep.events;
            }
            Event::HealthCheck(host) => {
                assert_eq!(detector.passed_health_check(index(host), now), out.remove(&usize::from(host)));
            }
            Event::Degraded(host) => {
                let news = detector.mark_degraded(index(host), now);
                assert!(!news || detector.is_degraded(index(host)));
            }
            // Mostly endpoints that there are.
            Event::Status(host, status, times) => {
                let outcome = Outcome::Status(statuses[usize::from(status) % statuses.len()]);
                for _ in 0..times % 16 {
                    let log = |event| logged.push(event);
                    ejections.extend(detector.record_with(index(host % 20), outcome, now, &mut draw, log));
                }
            }
            Event::Other(host, outcome, times) => {
                let outcome = outcomes[usize::from(outcome) % outcomes.len()];
                for _ in 0..times % 16 {
                    let log = |event| logged.push(event);
                    ejections.extend(detector.record_with(index(host % 20), outcome, now, &mut draw, log));
                }
            }
        }
        let enforced: Vec<_> = logged.iter().filter(|event| event.is_ejection()).collect();
        assert_eq!(enforced.len(), ejections.len(), "{logged:?}");
        for (event, ejection) in enforced.into_iter().zip(&ejections) {
            assert_eq!((event.endpoint, event.ejections), (ejection.endpoint, ejection.ejections));
            assert!(matches!(event.action, OutlierAction::Eject { cause, .. } if cause == ejection.cause));
        }
        for ejection in ejections {
            assert!(out.insert(ejection.endpoint.get()), "{ejection:?} was out already");
            let allowed = (hosts as u64 * percent / 100).max(u64::from(input.always_one));
            assert!(out.len() as u64 <= allowed, "{} of {hosts} are out, {percent} % may be", out.len());
        }
        assert_eq!(detector.stats().ejections_active as usize, out.len());
        for host in 0..hosts {
            let index = EndpointIndex::new(host).expect("a small index");
            assert_eq!(detector.is_usable(index), !out.contains(&host), "endpoint {host}");
        }
    }
    // Jitter and the longest ejection time are far below a year.
    for _ in 0..2 {
        now = now.after(Duration::from_secs(365 * 24 * 3600));
        for endpoint in detector.sweep(now, &mut draw).returned {
            out.remove(&endpoint.get());
        }
    }
    assert!(out.is_empty(), "{out:?} never came back");
});
