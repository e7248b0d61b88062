//! Outlier detection over any run of events: what is ejected is counted once, never more than the limit allows
//! plus the one that crossed it, and everybody is back once enough time has passed.
#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_lb::{EndpointIndex, Monotonic, Outcome, OutlierConfig, OutlierDetector, SplitMix64, Usable};

#[derive(Arbitrary, Debug)]
enum Event {
    Status(u8, u16),
    Other(u8, u8),
    Wait(u16),
    Sweep,
    HealthCheck(u8),
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
    events: Vec<Event>,
    seed: u64,
}

fuzz_target!(|input: Input| {
    let hosts = usize::from(input.hosts % 16);
    let mut config = OutlierConfig::new()
        .consecutive_5xx_errors(input.consecutive.0.into())
        .consecutive_gateway_errors(input.consecutive.1.into())
        .consecutive_local_origin_failures(input.consecutive.2.into())
        .interval(Duration::from_secs(input.interval.into()))
        .base_ejection_time(Duration::from_secs(input.base.into()))
        .max_ejection_percent(input.max_percent.into())
        .max_ejection_time(Duration::from_secs(input.max_time.into()));
    if input.split {
        config = config.split_external_local_origin_errors();
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
    for event in input.events {
        let ejection = match event {
            Event::Wait(seconds) => {
                now = now.after(Duration::from_secs(seconds.into()));
                None
            }
            Event::Sweep => {
                for endpoint in detector.sweep(now, &mut draw).returned {
                    assert!(out.remove(&endpoint.get()), "{endpoint:?} returned without having been out");
                }
                None
            }
            Event::HealthCheck(host) => {
                let host = EndpointIndex::new(host.into()).expect("a byte is a small index");
                assert_eq!(detector.passed_health_check(host, now), out.remove(&host.get()));
                None
            }
            Event::Status(host, status) => EndpointIndex::new(host.into())
                .and_then(|host| detector.record(host, Outcome::Status(status), now, &mut draw)),
            Event::Other(host, outcome) => {
                let outcome = outcomes[usize::from(outcome) % outcomes.len()];
                EndpointIndex::new(host.into())
                    .and_then(|host| detector.record(host, outcome, now, &mut draw))
            }
        };
        if let Some(ejection) = ejection {
            let before = out.len();
            assert!(out.insert(ejection.endpoint.get()), "{ejection:?} was out already");
            // The one that crosses the limit may still go.
            let limit = u64::from(input.max_percent.min(100));
            assert!(
                before as u64 * 100 <= limit * hosts as u64,
                "{before} of {hosts} were out, {limit} % may be"
            );
        }
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
