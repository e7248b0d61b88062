//! Every algorithm over any set of endpoints: a pick is an endpoint of the set, of the priority it claims,
//! and eligible unless it says that it panicked.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_lb::{
    Endpoint, EndpointIndex, EndpointSet, Health, HealthStatus, LeastRequest, LeastRequestConfig, Locality,
    LocalityWeights, Picked, PrioritySet, PrioritySetConfig, Random, RoundRobin, SplitMix64, Weight,
};

#[derive(Arbitrary, Debug)]
struct Host {
    weight: u32,
    priority: u8,
    locality: u8,
    status: u8,
    usable: bool,
    active: u32,
}

#[derive(Arbitrary, Debug)]
struct Input {
    hosts: Vec<Host>,
    overprovisioning: u32,
    panic_threshold: u32,
    weighted_health: bool,
    locality_weights: Option<Vec<(u8, u8, u32)>>,
    bias: f64,
    choices: u32,
    full_scan: bool,
    seed: u64,
}

fn locality(number: u8) -> Locality {
    Locality::new(["", "eu", "us"][usize::from(number % 3)], ["", "a", "b"][usize::from(number / 3 % 3)], "")
}

fn status(number: u8) -> HealthStatus {
    [
        HealthStatus::Unknown,
        HealthStatus::Healthy,
        HealthStatus::Degraded,
        HealthStatus::Unhealthy,
        HealthStatus::Timeout,
        HealthStatus::Draining,
    ][usize::from(number % 6)]
}

fuzz_target!(|input: Input| {
    let endpoints = input.hosts.iter().enumerate().map(|(at, host)| {
        Endpoint::new(at, Weight::or_one(host.weight))
            .priority(host.priority % 8)
            .locality(locality(host.locality))
            .health(status(host.status))
    });
    let Ok(set) = EndpointSet::new(endpoints) else { return };
    let mut config = PrioritySetConfig::new()
        .overprovisioning_percent(input.overprovisioning)
        .panic_threshold_percent(input.panic_threshold);
    if input.weighted_health {
        config = config.weighted_priority_health();
    }
    let weights = input.locality_weights.iter().flatten();
    let weights =
        LocalityWeights::new(weights.map(|(level, at, weight)| (level % 8, locality(*at), *weight)));
    if let (true, Ok(weights)) = (input.locality_weights.is_some(), weights) {
        config = config.locality_weights(weights);
    }
    let usable = |index: EndpointIndex| input.hosts[index.get()].usable;
    let load = |index: EndpointIndex| input.hosts[index.get()].active;
    let view = Arc::new(PrioritySet::new(&set, &config, &usable));

    let check = |picked: Picked| {
        let endpoint = set.get(picked.endpoint).expect("a pick lies in the set");
        assert_eq!(endpoint.level(), picked.priority);
        let healthy = usable(picked.endpoint) && endpoint.status().coarse() != Health::Unhealthy;
        assert!(healthy || picked.panic, "{picked:?} is not eligible");
    };
    let mut draw = SplitMix64::new(input.seed);
    // A pick draws as often as it is told to; four billion draws are no fault of the algorithm.
    let mut least =
        LeastRequestConfig::new().active_request_bias(input.bias).choice_count(input.choices % 64);
    if input.full_scan {
        least = least.full_scan();
    }
    let mut least = LeastRequest::new(Arc::clone(&view), least, &load, &mut draw);
    let mut robin = RoundRobin::new(Arc::clone(&view), &mut draw);
    let random = Random::new(Arc::clone(&view));
    let weighted = Random::weighted(view);
    for _ in 0..32 {
        least.pick(&load, &mut draw).map(check);
        robin.pick(&mut draw).map(check);
        random.pick(&mut draw).map(check);
        weighted.pick(&mut draw).map(check);
    }
});
