//! Every algorithm over any set of endpoints: a pick is an endpoint of the set, of the priority it claims,
//! and eligible unless it says that it panicked.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mesh_lb::{
    Endpoint, EndpointIndex, EndpointSet, FirstHealthy, Health, HealthStatus, LatencyEstimates, LeastRequest,
    LeastRequestConfig, LocalCluster, Locality, LocalityWeights, Monotonic, PeakEwma, PeakEwmaConfig, Picked,
    PrioritySet, PrioritySetConfig, Random, RoundRobin, SplitMix64, Warmup, Weight, ZoneAware,
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
    distinct: bool,
    weighted_draw: bool,
    peers: Option<(u8, Vec<(u8, u64)>, u64, bool)>,
    warmup: Option<(u16, u32, f64)>,
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
    if let Some((own, peers, least, fail)) = &input.peers {
        let peers = peers.iter().map(|(at, count)| (locality(*at), *count));
        let mut zones = ZoneAware::new(LocalCluster::new(locality(*own), peers)).min_cluster_size(*least);
        if *fail {
            zones = zones.fail_traffic_on_panic();
        }
        config = config.zone_aware(zones);
    }
    let usable = |index: EndpointIndex| input.hosts[index.get()].usable;
    let load = |index: EndpointIndex| input.hosts[index.get()].active;
    let mut view = PrioritySet::new(&set, &config, &usable);
    let now = |seconds: u64| Monotonic::new(Duration::from_secs(seconds));
    if let Some((window, least, aggression)) = input.warmup {
        let warmup = Warmup::new(Duration::from_secs(window.into()));
        let warmup = warmup.minimum_percent(least).aggression(aggression);
        view = view.warming_up(warmup, &FirstHealthy::new(&set, now(0)), now(0));
    }
    let view = Arc::new(view);

    let mut eligible = Vec::new();
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
    if input.distinct {
        least = least.distinct_choices();
    }
    if input.weighted_draw {
        least = least.weighted_draw();
    }
    let mut least = LeastRequest::new(Arc::clone(&view), least, &load, &mut draw);
    let mut robin = RoundRobin::new(Arc::clone(&view), &mut draw);
    let random = Random::new(Arc::clone(&view));
    let estimates = LatencyEstimates::new(PeakEwmaConfig::new(), set.len(), now(0));
    let mut latency = PeakEwma::new(Arc::clone(&view), &mut draw);
    for (index, _) in set.iter() {
        // What a view says of an endpoint and what picks do must agree.
        let standing = view.explain(index).expect("the view is of the set");
        eligible.push(standing.is_eligible());
    }
    let weighted = Random::weighted(view);
    for second in 0..32 {
        least.advance(now(second));
        robin.advance(now(second));
        latency.pick(&estimates, &load, now(second), &mut draw).map(check);
        least.pick(&load, &mut draw).map(check);
        robin.pick(&mut draw).map(check);
        random.pick(&mut draw).map(check);
        if let Some(picked) = weighted.pick(&mut draw) {
            check(picked);
            assert!(eligible[picked.endpoint.get()], "{picked:?} is explained as not eligible");
        }
    }
});
