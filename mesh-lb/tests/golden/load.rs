//! LB-PRIO-01, LB-PRIO-03, LB-PRIO-04, LB-PRIO-05, LB-PRIO-06, LB-PRIO-07, LB-PANIC-02, LB-PANIC-03,
//! LB-PANIC-04, LB-HOST-04.

use mesh_lb::{
    AllUsable, Availability, Endpoint, EndpointSet, HealthStatus, PriorityHealth, PriorityLoad, PrioritySet,
    PrioritySetConfig, Weight,
};
use serde::Deserialize;

use crate::world::{assert_none, vectors};

#[derive(Deserialize)]
struct PriorityLoads {
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    panic_threshold: u32,
    overprovisioning_percent: u32,
    priorities: Vec<Counts>,
    #[serde(flatten)]
    want: Answer,
}

#[derive(Deserialize)]
struct Counts {
    hosts: u64,
    healthy: u64,
    degraded: u64,
    excluded_draining: u64,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Answer {
    health: Vec<u32>,
    degraded_health: Vec<u32>,
    normalized_total: u32,
    healthy_load: Vec<u32>,
    degraded_load: Vec<u32>,
    panic: Vec<bool>,
}

fn answer(load: &PriorityLoad) -> Answer {
    let each = || (0..load.priorities()).map(|at| u8::try_from(at).unwrap());
    Answer {
        health: each().map(|priority| load.health(priority)).collect(),
        degraded_health: each().map(|priority| load.degraded_health(priority)).collect(),
        normalized_total: load.normalized_total(),
        healthy_load: each().map(|priority| load.healthy(priority)).collect(),
        degraded_load: each().map(|priority| load.degraded(priority)).collect(),
        panic: each().map(|priority| load.is_panicking(priority)).collect(),
    }
}

#[test]
fn every_scenario_has_the_loads_of_envoy() {
    let vectors: PriorityLoads = vectors("priority_load.json");
    assert_eq!(vectors.scenarios.len(), 60);
    let mut differences = Vec::new();
    for (at, scenario) in vectors.scenarios.iter().enumerate() {
        let counts: Vec<PriorityHealth> = scenario
            .priorities
            .iter()
            .map(|counts| PriorityHealth {
                hosts: counts.hosts,
                healthy: counts.healthy,
                degraded: counts.degraded,
                excluded: counts.excluded_draining,
            })
            .collect();
        let load = PriorityLoad::new(&counts, scenario.overprovisioning_percent, scenario.panic_threshold);
        for found in [answer(&load), answer(from_endpoints(scenario).load())] {
            if found != scenario.want {
                differences.push(format!("{at}: want {:?}, found {found:?}", scenario.want));
            }
        }
        check_residues(&load, &scenario.want);
    }
    assert_none(&differences);
}

/// The same scenario through a set of endpoints: LB-HOST-03, LB-HOST-04, LB-HOST-06.
fn from_endpoints(scenario: &Scenario) -> PrioritySet {
    let mut endpoints = Vec::new();
    for (priority, counts) in (0_u8..).zip(&scenario.priorities) {
        let unhealthy = counts.hosts - counts.healthy - counts.degraded - counts.excluded_draining;
        let groups = [
            (counts.excluded_draining, HealthStatus::Draining),
            (unhealthy, HealthStatus::Unhealthy),
            (counts.degraded, HealthStatus::Degraded),
            (counts.healthy, HealthStatus::Healthy),
        ];
        for (count, health) in groups {
            for _ in 0..count {
                let endpoint = Endpoint::new(endpoints.len(), Weight::ONE).priority(priority).health(health);
                endpoints.push(endpoint);
            }
        }
    }
    let config = PrioritySetConfig::new()
        .overprovisioning_percent(scenario.overprovisioning_percent)
        .panic_threshold_percent(scenario.panic_threshold);
    PrioritySet::new(&EndpointSet::new(endpoints).unwrap(), &config, &AllUsable)
}

/// LB-PRIO-07, by the walk as it is written there.
fn check_residues(load: &PriorityLoad, want: &Answer) {
    for residue in 0..100 {
        let value = 7_700 + u64::from(residue);
        let mut sum = 0;
        let healthy = want.healthy_load.iter().map(|load| (load, Availability::Healthy)).enumerate();
        let degraded = want.degraded_load.iter().map(|load| (load, Availability::Degraded)).enumerate();
        let (priority, (_, availability)) = healthy
            .chain(degraded)
            .find(|(_, (load, _))| {
                sum += **load;
                sum > residue
            })
            .unwrap();
        let choice = load.choose(value);
        assert_eq!(
            (usize::from(choice.priority), choice.availability),
            (priority, availability),
            "{residue}"
        );
    }
}
