use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::draw::{Draw, SplitMix64};
use crate::endpoint::{Endpoint, HealthStatus, Locality, Weight};
use crate::{AllUsable, EndpointIndex, EndpointSet, Random};

fn counts() -> impl Strategy<Value = PriorityHealth> {
    (0_u64..12, 0_u64..12, 0_u64..12, 0_u64..12).prop_map(|(healthy, degraded, sick, excluded)| {
        PriorityHealth { hosts: healthy + degraded + sick + excluded, healthy, degraded, excluded }
    })
}

fn each(load: &PriorityLoad) -> Vec<(u32, u32)> {
    let priorities = (0..load.priorities()).map(|at| u8::try_from(at).unwrap());
    priorities.map(|priority| (load.healthy(priority), load.degraded(priority))).collect()
}

#[test]
fn the_end_of_total_panic_may_lower_a_load() {
    // LB-TEST-20, LB-PANIC-03
    let load = |healthy| {
        let first = PriorityHealth { hosts: 90, healthy, ..PriorityHealth::default() };
        let second = PriorityHealth { hosts: 10, healthy: 4, ..PriorityHealth::default() };
        PriorityLoad::new(&[first, second], 140, 50)
    };
    assert_eq!((load(28).normalized_total(), load(28).healthy(0)), (99, 90));
    assert_eq!((load(29).normalized_total(), load(29).healthy(0)), (100, 45));
}

#[test]
fn panic_starts_where_the_share_falls_below_the_threshold() {
    // LB-TEST-22, LB-PANIC-02, LB-PANIC-05: the panic set is all endpoints
    for threshold in [1, 30, 50, 71] {
        for sick in 0..=20_usize {
            let set = EndpointSet::new((0..20_usize).map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
            let verdict = |index: EndpointIndex| index.get() >= sick;
            let config = PrioritySetConfig::new().panic_threshold_percent(threshold);
            let view = Arc::new(PrioritySet::new(&set, &config, &verdict));
            let healthy = 20 - sick;
            // With a capacity of 100 no priority panics.
            let want = 140 * healthy / 20 < 100 && 100 * healthy < usize::try_from(threshold).unwrap() * 20;
            assert_eq!(view.load().is_panicking(0), want, "{threshold} %, {sick} sick");
            let balancer = Random::new(Arc::clone(&view));
            let mut draw = SplitMix64::new(9);
            let mut seen = [false; 20];
            for _ in 0..2_000 {
                if let Some(picked) = balancer.pick(&mut draw) {
                    assert_eq!(picked.panic, want);
                    seen[picked.endpoint.get()] = true;
                }
            }
            for (at, seen) in seen.into_iter().enumerate() {
                assert_eq!(seen, want || at >= sick, "{threshold} %, {sick} sick, endpoint {at}");
            }
        }
    }
}

#[test]
fn weights_can_measure_health() {
    // LB-PRIO-02
    let endpoint = |key, weight| Endpoint::new(key, Weight::or_one(weight));
    let set = EndpointSet::new([
        endpoint("a", 9),
        endpoint("b", 1).health(HealthStatus::Timeout),
        endpoint("c", 1).priority(1),
    ])
    .unwrap();
    let healthy = |config: &PrioritySetConfig| PrioritySet::new(&set, config, &AllUsable).load().healthy(0);
    assert_eq!(healthy(&PrioritySetConfig::new()), 70);
    assert_eq!(healthy(&PrioritySetConfig::new().weighted_priority_health()), 100);
}

#[test]
fn an_ejected_endpoint_is_unhealthy_whatever_discovery_says() {
    // LB-HOST-03
    let endpoint = |key, health| Endpoint::new(key, Weight::ONE).health(health);
    let set = EndpointSet::new([
        endpoint(0, HealthStatus::Healthy),
        endpoint(1, HealthStatus::Unknown),
        endpoint(2, HealthStatus::Degraded),
        endpoint(3, HealthStatus::Healthy),
        endpoint(4, HealthStatus::Draining),
    ])
    .unwrap();
    let view = PrioritySet::new(&set, &PrioritySetConfig::new(), &|index: EndpointIndex| index.get() != 3);
    let eligible = |availability| {
        view.eligible(0, availability).iter().copied().map(EndpointIndex::get).collect::<Vec<_>>()
    };
    assert_eq!(eligible(Availability::Healthy), [0, 1]);
    assert_eq!(eligible(Availability::Degraded), [2]);
    assert_eq!(view.eligible(1, Availability::Healthy), []);
    assert_eq!(view.load().health(0), 70); // 2 of 4: the draining one does not count (LB-HOST-04)
}

#[test]
fn a_view_says_how_each_endpoint_stands() {
    let endpoint = |key, health| Endpoint::new(key, Weight::ONE).health(health);
    let set = EndpointSet::new([
        endpoint(0, HealthStatus::Healthy),
        endpoint(1, HealthStatus::Degraded),
        endpoint(2, HealthStatus::Draining),
        endpoint(3, HealthStatus::Unhealthy),
        endpoint(4, HealthStatus::Healthy),
        endpoint(5, HealthStatus::Healthy).priority(1),
    ])
    .unwrap();
    let texts = |threshold, verdict: fn(EndpointIndex) -> bool| {
        let config = PrioritySetConfig::new().panic_threshold_percent(threshold);
        let view = PrioritySet::new(&set, &config, &verdict);
        let texts = set.iter().map(|(index, _)| view.explain(index).unwrap().to_string());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(
        texts(0, |index| index.get() != 4),
        [
            "eligible: healthy; priority 0 has 35 % of the traffic",
            "not eligible: degraded; degraded endpoints of priority 0 have 0 % of the traffic",
            "not eligible: draining; priority 0 has 35 % of the traffic",
            "not eligible: unhealthy; priority 0 has 35 % of the traffic",
            "not eligible: ejected; priority 0 has 35 % of the traffic",
            "eligible: healthy; priority 1 has 65 % of the traffic",
        ]
    );
    let panicking = texts(100, |index| index.get() == 0);
    assert_eq!(
        panicking[4],
        "eligible: ejected; priority 0 is in panic and ignores health, it has 84 % of the traffic"
    );
}

#[test]
fn a_locality_without_a_weight_gets_nothing() {
    // LB-LOC-03, and LB-LOC-04: when none is eligible the flat list serves
    let place = Locality::parse;
    let set = EndpointSet::new([
        Endpoint::new(0, Weight::ONE).locality(place("a")),
        Endpoint::new(1, Weight::ONE).locality(place("b")),
    ])
    .unwrap();
    let only_a = LocalityWeights::new([(0, place("a"), 5)]).unwrap();
    let config = PrioritySetConfig::new().locality_weights(only_a);
    let chosen = |verdict: fn(EndpointIndex) -> bool| {
        let balancer = Random::new(Arc::new(PrioritySet::new(&set, &config, &verdict)));
        let mut draw = SplitMix64::new(2);
        let mut seen: Vec<usize> =
            (0..50).filter_map(|_| balancer.pick(&mut draw)).map(|picked| picked.endpoint.get()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen
    };
    assert_eq!(chosen(|_| true), [0]);
    assert_eq!(chosen(|index| index.get() == 1), [1]);
}

#[test]
fn locality_weights_are_checked() {
    // LB-HOST-07
    let error = |weights: &[(u8, &str, u32)]| {
        let weights =
            weights.iter().map(|(priority, place, weight)| (*priority, Locality::parse(place), *weight));
        LocalityWeights::new(weights).unwrap_err().to_string()
    };
    let too_much = "locality weights in priority 1 add up to more than 4294967295";
    assert_eq!(error(&[(0, "a", 1), (1, "a", u32::MAX), (1, "b", 1)]), too_much);
    assert_eq!(
        error(&[(0, "a/b", 1), (0, "a/b", 1)]),
        "locality `a/b` has two weights in priority 0, give one"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn loads_add_up(counts in prop::collection::vec(counts(), 1..6), factor in 100_u32..200, threshold in 0_u32..=100) {
        // LB-TEST-20
        let load = PriorityLoad::new(&counts, factor, threshold);
        let loads = each(&load);
        prop_assert_eq!(loads.iter().map(|(healthy, degraded)| healthy + degraded).sum::<u32>(), 100);
        let nothing = load.normalized_total() == 0;
        for (at, (count, (healthy, degraded))) in counts.iter().zip(&loads).enumerate() {
            if count.hosts == 0 && healthy + degraded > 0 {
                prop_assert!(at == 0 && nothing);
            }
        }
        // LB-TEST-23, LB-PRIO-06: degraded ones serve only when the healthy capacity is not enough
        let capacity: u32 = (0..counts.len()).map(|at| load.health(u8::try_from(at).unwrap())).sum();
        if loads.iter().any(|(_, degraded)| *degraded > 0) {
            prop_assert!(capacity < 100);
        }
        // LB-PRIO-07, LB-DES-19: the table is the walk
        let mut expected = Vec::new();
        for (at, (healthy, _)) in loads.iter().enumerate() {
            expected.extend((0..*healthy).map(|_| (at, Availability::Healthy)));
        }
        for (at, (_, degraded)) in loads.iter().enumerate() {
            expected.extend((0..*degraded).map(|_| (at, Availability::Degraded)));
        }
        for (residue, want) in (0_u64..).zip(expected) {
            let choice = load.choose(residue);
            prop_assert_eq!((usize::from(choice.priority), choice.availability), want);
        }
    }

    #[test]
    fn one_more_healthy_never_lowers_the_first_load(
        counts in prop::collection::vec(counts(), 1..5), factor in 100_u32..200,
    ) {
        // LB-TEST-20, threshold 0
        let mut better = counts.clone();
        let first = &mut better[0];
        if first.healthy + first.degraded + first.excluded < first.hosts {
            first.healthy += 1;
            let (before, after) = (PriorityLoad::new(&counts, factor, 0), PriorityLoad::new(&better, factor, 0));
            // With nothing healthy anywhere the first priority has 100 by LB-PRIO-04.
            prop_assert!(before.normalized_total() == 0 || after.healthy(0) >= before.healthy(0));
        }
    }

    #[test]
    fn only_eligible_endpoints_are_picked(
        hosts in prop::collection::vec((0_u8..3, 0_usize..5, any::<bool>(), 1_u32..4), 1..16),
        threshold in 0_u32..=100, seed in any::<u64>(),
    ) {
        // LB-TEST-21: never an ejected, unhealthy or draining one outside panic, for every algorithm
        let statuses = [
            HealthStatus::Healthy, HealthStatus::Unknown, HealthStatus::Degraded, HealthStatus::Unhealthy,
            HealthStatus::Draining,
        ];
        let set = EndpointSet::new(hosts.iter().enumerate().map(|(key, &(priority, status, _, weight))| {
            Endpoint::new(key.to_string(), Weight::or_one(weight)).priority(priority).health(statuses[status])
        })).unwrap();
        let verdict = |index: EndpointIndex| hosts[index.get()].2;
        let config = PrioritySetConfig::new().panic_threshold_percent(threshold);
        let view = Arc::new(PrioritySet::new(&set, &config, &verdict));
        let mut draw = SplitMix64::new(seed);
        let idle = |_: EndpointIndex| 0;
        let mut round_robin = crate::RoundRobin::new(Arc::clone(&view), &mut draw);
        let mut least = crate::LeastRequest::new(Arc::clone(&view), crate::LeastRequestConfig::new(), &idle, &mut draw);
        let random = Random::new(Arc::clone(&view));
        let ring = crate::RingHash::new(&set, &view, &crate::RingHashConfig::default());
        let maglev = crate::Maglev::new(&set, &view, crate::TableSize::new(101).unwrap());
        for _ in 0..30 {
            let hash = draw.next_u64();
            let picks = [
                round_robin.pick(&mut draw), least.pick(&idle, &mut draw), random.pick(&mut draw),
                ring.pick(hash, 0), maglev.pick(hash, 1),
            ];
            for picked in picks.into_iter().flatten() {
                let (priority, status, usable, _) = hosts[picked.endpoint.get()];
                prop_assert_eq!(picked.priority, priority);
                prop_assert_eq!(picked.panic, view.load().is_panicking(priority));
                prop_assert!(picked.panic || (usable && status <= 2));
            }
        }
    }
}
