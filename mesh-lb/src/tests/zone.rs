#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use std::sync::Arc;

use super::*;
use crate::draw::SplitMix64;
use crate::tests::support::chi_square;
use crate::{
    ActiveRequests, AllUsable, Endpoint, EndpointIndex, EndpointSet, HealthStatus, LeastRequest,
    LeastRequestConfig, LocalityWeights, Maglev, PrioritySet, PrioritySetConfig, Random, RoundRobin,
    TableSize, Weight,
};

fn place(zone: usize) -> Locality {
    Locality::new("r", ["a", "b", "c", "d"][zone], "")
}

/// Callers in zone a, with so many peers in each zone.
fn callers(peers: &[u64]) -> LocalCluster {
    LocalCluster::new(place(0), peers.iter().enumerate().map(|(zone, &count)| (place(zone), count)))
}

/// Healthy and unhealthy endpoints of each zone, in priority 0.
fn set(zones: &[(usize, usize)]) -> EndpointSet<String> {
    let endpoints = zones.iter().enumerate().flat_map(|(zone, &(healthy, sick))| {
        (0..healthy + sick).map(move |at| {
            let status = if at < healthy { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
            Endpoint::new(format!("10.{zone}.0.{at}:80"), Weight::ONE).locality(place(zone)).health(status)
        })
    });
    EndpointSet::new(endpoints).unwrap()
}

fn view(set: &EndpointSet<String>, zones: ZoneAware) -> Arc<PrioritySet> {
    Arc::new(PrioritySet::new(set, &PrioritySetConfig::new().zone_aware(zones), &AllUsable))
}

fn zone_counts<K>(set: &EndpointSet<K>, picks: impl Iterator<Item = Option<crate::Picked>>) -> [u32; 4] {
    let mut counts = [0; 4];
    for picked in picks {
        counts[set.locality_of(picked.unwrap().endpoint)] += 1;
    }
    counts
}

fn random_counts(upstream: &[(usize, usize)], zones: ZoneAware) -> [u32; 4] {
    let set = set(upstream);
    let balancer = Random::new(view(&set, zones));
    let mut draw = SplitMix64::new(3);
    zone_counts(&set, (0..40_000).map(|_| balancer.pick(&mut draw)))
}

#[test]
fn callers_4_4_2_and_endpoints_5_10_5_lb_zone_03_04_05_06() {
    // LB-ZONE-03..06, LB-TEST-09, for each algorithm that goes by zone
    let set = set(&[(5, 0), (10, 0), (5, 0)]);
    let view = view(&set, ZoneAware::new(callers(&[4, 4, 2])));
    let load = |_: EndpointIndex| 0;
    let mut draw = SplitMix64::new(17);
    let random = Random::new(Arc::clone(&view));
    let mut robin = RoundRobin::new(Arc::clone(&view), &mut draw);
    let mut least = LeastRequest::new(view, LeastRequestConfig::new(), &load, &mut draw);
    let picks = 300_000;
    let all = [
        zone_counts(&set, (0..picks).map(|_| random.pick(&mut draw))),
        zone_counts(&set, (0..picks).map(|_| robin.pick(&mut draw))),
        zone_counts(&set, (0..picks).map(|_| least.pick(&load, &mut draw))),
    ];
    for counts in all {
        for (count, want) in counts.into_iter().zip([0.625, 0.25, 0.125]) {
            assert!((f64::from(count) / f64::from(picks) - want).abs() < 0.003, "{counts:?}");
        }
    }
    assert_eq!(load.active_requests(EndpointIndex::new(0).unwrap()), 0);
}

#[test]
fn when_zones_do_not_count_lb_zone_02() {
    // LB-ZONE-02: each line alone switches zones off, so that the picks spread over all endpoints alike
    let flat = [1.0 / 3.0; 3];
    let skewed = [(6, 0), (6, 0), (6, 0)];
    let on = random_counts(&skewed, ZoneAware::new(callers(&[1, 9, 9])));
    assert_eq!(on[0], 40_000, "the control case keeps everything local");
    let off = [
        ("one zone of callers", skewed, ZoneAware::new(callers(&[9]))),
        ("no peers in the caller's zone", skewed, ZoneAware::new(callers(&[0, 9, 9]))),
        ("fewer than min_cluster_size", skewed, ZoneAware::new(callers(&[1, 9, 9])).min_cluster_size(19)),
        ("routing disabled", skewed, ZoneAware::new(callers(&[1, 9, 9])).routing_enabled_percent(0)),
        ("the local cluster panics", skewed, ZoneAware::new(callers(&[1, 9, 9]).panicking())),
    ];
    for (case, upstream, zones) in off {
        let counts = random_counts(&upstream, zones);
        assert!(chi_square(&counts[..3], &flat) < 27.6, "{case}: {counts:?}");
    }
    // Half of the picks go by zone.
    let half = random_counts(&skewed, ZoneAware::new(callers(&[1, 9, 9])).routing_enabled_percent(50));
    assert!((f64::from(half[0]) / 40_000.0 - (0.5 + 0.5 / 3.0)).abs() < 0.01, "{half:?}");
    // One zone of endpoints: there is nothing to choose.
    let one = set(&[(9, 0)]);
    assert!(view(&one, ZoneAware::new(callers(&[1, 9]))).zone(0).is_none());
}

#[test]
fn a_panicking_local_cluster_can_fail_traffic_lb_zone_02() {
    let set = set(&[(6, 0), (6, 0)]);
    let zones = ZoneAware::new(callers(&[1, 9]).panicking()).fail_traffic_on_panic();
    assert_eq!(Random::new(view(&set, zones)).pick(&mut SplitMix64::new(1)), None);
}

#[test]
fn panic_upstream_ignores_zones_or_fails() {
    // LB-PANIC-05
    let set = set(&[(1, 9), (1, 9)]);
    let pick = |zones| {
        let config = PrioritySetConfig::new().panic_threshold_percent(50).zone_aware(zones);
        let balancer = Random::new(Arc::new(PrioritySet::new(&set, &config, &AllUsable)));
        let mut draw = SplitMix64::new(1);
        let picks: Vec<_> = (0..2_000).map(|_| balancer.pick(&mut draw)).collect();
        picks
    };
    let zones = || ZoneAware::new(callers(&[1, 9])).min_cluster_size(0);
    let counts = zone_counts(&set, pick(zones()).into_iter());
    assert!(chi_square(&counts[..2], &[0.5, 0.5]) < 23.9, "{counts:?}");
    assert!(pick(zones().fail_traffic_on_panic()).iter().all(Option::is_none));
}

#[test]
fn nothing_to_spare_means_any_zone_lb_zone_05() {
    // The caller's zone has no endpoint, and no other zone has more than its callers.
    let counts = random_counts(&[(0, 2), (3, 0), (3, 0), (3, 0)], ZoneAware::new(callers(&[1, 33, 33, 33])));
    assert_eq!(counts[0], 0);
    assert!(chi_square(&counts[1..], &[1.0 / 3.0; 3]) < 27.6, "{counts:?}");
}

#[test]
fn without_local_endpoints_the_others_share_by_what_they_spare_lb_zone_05() {
    // callers 40/40/20 %, endpoints 0/75/25 %: spare 35 and 5
    let counts = random_counts(&[(0, 0), (15, 0), (5, 0)], ZoneAware::new(callers(&[4, 4, 2])));
    // Nothing runs in zone a, so the localities of the set are b and c.
    assert!(chi_square(&counts[..2], &[35.0 / 40.0, 5.0 / 40.0]) < 23.9, "{counts:?}");
}

#[test]
fn local_can_be_forced_lb_zone_07() {
    for peers in [&[9_u64][..], &[9, 1], &[]] {
        let zones = || ZoneAware::new(callers(peers)).force_local_min_size(3);
        let forced = random_counts(&[(3, 1), (9, 0)], zones());
        assert_eq!(forced[0], 40_000, "{peers:?}");
        let too_few = random_counts(&[(2, 2), (9, 0)], zones());
        assert!(too_few[1] > 0, "{peers:?}: {too_few:?}");
    }
}

#[test]
fn weights_can_measure_zones() {
    // LB-ZONE-03, the option: zone a weighs as much as zone b
    let endpoint = |zone, at, weight| {
        Endpoint::new(format!("{zone}.{at}"), Weight::or_one(weight)).locality(place(zone))
    };
    let endpoints = (0..2).map(|at| endpoint(0, at, 4)).chain((0..8).map(|at| endpoint(1, at, 1)));
    let set = EndpointSet::new(endpoints).unwrap();
    let local = |zones| {
        let balancer = Random::new(view(&set, zones));
        let mut draw = SplitMix64::new(3);
        zone_counts(&set, (0..20_000).map(|_| balancer.pick(&mut draw)))[0]
    };
    assert_eq!(local(ZoneAware::new(callers(&[5, 5])).by_weight()), 20_000);
    assert!(local(ZoneAware::new(callers(&[5, 5]))).abs_diff(8_000) < 400); // 20 % for 50 % of the callers
}

#[test]
fn only_healthy_picks_of_priority_0_without_locality_weights_go_by_zone_lb_zone_01() {
    let zones = || ZoneAware::new(callers(&[1, 9])).min_cluster_size(0);
    // Locality weighting switches zones off.
    let set = set(&[(6, 0), (6, 0)]);
    let weights = LocalityWeights::new([(0, place(0), 1), (0, place(1), 3)]).unwrap();
    let config = PrioritySetConfig::new().zone_aware(zones()).locality_weights(weights);
    let balancer = Random::new(Arc::new(PrioritySet::new(&set, &config, &AllUsable)));
    let mut draw = SplitMix64::new(4);
    let counts = zone_counts(&set, (0..40_000).map(|_| balancer.pick(&mut draw)));
    assert!(chi_square(&counts[..2], &[0.25, 0.75]) < 23.9, "{counts:?}");
    // Maglev does not know zones.
    let maglev = Maglev::new(&set, &view(&set, zones()), TableSize::default());
    let counts = zone_counts(&set, (0..40_000).map(|_| maglev.pick(draw.next_u64(), 0)));
    assert!(chi_square(&counts[..2], &[0.5, 0.5]) < 23.9, "{counts:?}");
    // Priority 1, and degraded endpoints.
    let far = |at: usize, status| {
        Endpoint::new(format!("{at}"), Weight::ONE).locality(place(at % 2)).health(status)
    };
    for endpoints in [
        [HealthStatus::Healthy; 4]
            .iter()
            .enumerate()
            .map(|(at, &status)| far(at, status).priority(1))
            .collect(),
        (0..4).map(|at| far(at, HealthStatus::Degraded)).collect::<Vec<_>>(),
    ] {
        let set = EndpointSet::new(endpoints).unwrap();
        let balancer = Random::new(view(&set, zones()));
        let counts = zone_counts(&set, (0..20_000).map(|_| balancer.pick(&mut draw)));
        assert!(chi_square(&counts[..2], &[0.5, 0.5]) < 23.9, "{counts:?}");
    }
}
