//! Rules of the reference that only the whole of the crate shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_lb::{
    ActiveCounts, ActiveRequests, AllUsable, Availability, Change, Endpoint, EndpointIndex, EndpointSet,
    HashInput, HashPolicies, HashPolicy, Health, HealthStatus, Ineligible, LeastRequest, LeastRequestConfig,
    Locality, LocalityWeights, Maglev, Monotonic, Picked, PrioritySet, PrioritySetConfig, Random, RingHash,
    RingHashConfig, RoundRobin, SplitMix64, SubsetConfig, SubsetSelector, Subsets, TableSize, Warmup, Weight,
    hash_bytes,
};
use mesh_lb::{Draw, FirstHealthy};

fn endpoints(n: usize) -> EndpointSet<usize> {
    EndpointSet::new((0..n).map(|key| Endpoint::new(key, Weight::ONE))).unwrap()
}

fn plain<K>(set: &EndpointSet<K>) -> Arc<PrioritySet> {
    Arc::new(PrioritySet::new(set, &PrioritySetConfig::new(), &AllUsable))
}

const IDLE: fn(EndpointIndex) -> u32 = |_| 0;

#[test]
fn what_an_endpoint_has_and_what_it_has_not_been_told_lb_host_01() {
    let bare = Endpoint::new("10.0.0.1:80", Weight::default());
    assert_eq!((bare.weight().get(), bare.level(), bare.status()), (1, 0, HealthStatus::Unknown));
    assert_eq!((*bare.key(), bare.location()), ("10.0.0.1:80", &Locality::default()));
    let told = bare.priority(3).locality(Locality::parse("r/z/s")).health(HealthStatus::Degraded);
    assert_eq!((told.level(), told.location().sub_zone(), told.status()), (3, "s", HealthStatus::Degraded));
    assert!(Weight::new(0).is_err());
    // An address appears once.
    let twice = EndpointSet::new([told.clone(), told.priority(0)]).unwrap_err();
    assert_eq!(twice.to_string(), "endpoint 1 repeats the key of endpoint 0, keys must differ");
}

#[test]
fn a_change_is_in_force_at_the_next_pick_lb_host_08_prio_10_des_15() {
    // LB-HOST-08, LB-PRIO-10, LB-DES-15
    let set = endpoints(3);
    let mut draw = SplitMix64::new(1);
    let counts = ActiveCounts::new(set.len());
    let mut robin = RoundRobin::new(plain(&set), &mut draw);
    let mut least = LeastRequest::new(plain(&set), LeastRequestConfig::new(), &counts, &mut draw);
    let mut random = Random::new(plain(&set));
    // All go but endpoint 7, which comes; priority 1 is new too.
    let changes = [Change::Remove(0), Change::Remove(1), Change::Remove(2)].into_iter();
    let far = Change::Put(Endpoint::new(8, Weight::ONE).priority(1));
    let next = set.with_changes(changes.chain([Change::Put(Endpoint::new(7, Weight::ONE)), far])).unwrap();
    let view = plain(&next);
    assert_eq!(view.load().priorities(), 2);
    robin.update(Arc::clone(&view));
    least.update(Arc::clone(&view), &counts);
    random.update(Arc::clone(&view));
    let key = |picked: Option<Picked>| *next.get(picked.unwrap().endpoint).unwrap().key();
    assert_eq!(key(robin.pick(&mut draw)), 7);
    assert_eq!(key(least.pick(&counts, &mut draw)), 7);
    assert_eq!(key(random.pick(&mut draw)), 7);
    // A verdict on one priority changes the load of the other.
    let down = PrioritySet::new(&next, &PrioritySetConfig::new(), &|at: EndpointIndex| at.get() != 0);
    assert_eq!((view.load().healthy(0), down.load().healthy(0), down.load().healthy(1)), (100, 0, 100));
    robin.update(Arc::new(down));
    assert_eq!(key(robin.pick(&mut draw)), 8);
}

#[test]
fn hash_tables_see_a_change_at_once_lb_des_15() {
    let set = EndpointSet::new(["a", "b", "c"].map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
    let ring = RingHash::new(&set, &plain(&set), &RingHashConfig::default());
    let maglev = Maglev::new(&set, &plain(&set), TableSize::default());
    let only_c = PrioritySet::new(&set, &PrioritySetConfig::new(), &|at: EndpointIndex| at.get() == 2);
    let (ring, maglev) = (ring.rebuilt(&set, &set, &only_c), maglev.rebuilt(&set, &set, &only_c));
    for hash in (0..100).map(|shift| u64::MAX.rotate_left(shift) ^ u64::from(shift)) {
        assert_eq!(ring.pick(hash, 0).unwrap().endpoint.get(), 2);
        assert_eq!(maglev.pick(hash, 0).unwrap().endpoint.get(), 2);
    }
}

#[test]
fn a_threshold_is_rounded_and_clamped_lb_panic_01() {
    for (percent, want) in [(49.5, 50), (49.4, 49), (0.4, 0), (250.0, 100), (-3.0, 0), (f64::NAN, 0)] {
        let config = PrioritySetConfig::new().panic_threshold_fraction(percent);
        assert_eq!(config, PrioritySetConfig::new().panic_threshold_percent(want), "{percent}");
    }
    let clamped = PrioritySetConfig::new().panic_threshold_percent(900);
    assert_eq!(clamped, PrioritySetConfig::new().panic_threshold_percent(100));
    // Istio's default never panics.
    assert_eq!(PrioritySetConfig::new(), PrioritySetConfig::new().panic_threshold_percent(0));
}

#[test]
fn localities_are_weighted_only_if_configured_and_not_in_panic_lb_loc_01() {
    let place = Locality::parse;
    let set = EndpointSet::new(
        [("a", 0), ("a", 1), ("a", 2), ("b", 3)]
            .map(|(at, key)| Endpoint::new(key, Weight::ONE).locality(place(at))),
    )
    .unwrap();
    let weights = LocalityWeights::new([(0, place("a"), 1), (0, place("b"), 1)]).unwrap();
    let weighted = PrioritySetConfig::new().locality_weights(weights).panic_threshold_percent(60);
    let share_of_b = |config: &PrioritySetConfig, verdict: fn(EndpointIndex) -> bool| {
        let mut robin =
            RoundRobin::new(Arc::new(PrioritySet::new(&set, config, &verdict)), &mut SplitMix64::new(3));
        let mut draw = SplitMix64::new(1);
        (0..400).filter(|_| robin.pick(&mut draw).unwrap().endpoint.get() == 3).count()
    };
    assert_eq!(share_of_b(&weighted, |_| true), 200);
    assert_eq!(share_of_b(&PrioritySetConfig::new(), |_| true), 100);
    assert_eq!(share_of_b(&weighted, |at| at.get() > 1), 100, "panic: a quarter again");
}

#[test]
fn a_schedule_runs_only_if_it_must_lb_edf_01() {
    // Equal weights, however large, and a single endpoint are picked without one: the rotation is plain, and
    // LEAST_REQUEST compares, so that a busy endpoint of two still gets its quarter.
    let set = |weights: &[u32]| {
        let endpoint = |(key, &weight): (usize, &u32)| Endpoint::new(key, Weight::new(weight).unwrap());
        EndpointSet::new(weights.iter().enumerate().map(endpoint)).unwrap()
    };
    let mut draw = SplitMix64::new(2);
    let mut robin = RoundRobin::new(plain(&set(&[900, 900, 900])), &mut draw);
    let order: Vec<_> = (0..6).map(|_| robin.pick(&mut draw).unwrap().endpoint.get()).collect();
    assert!(order.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 3), "{order:?}");
    let busy = |at: EndpointIndex| if at.get() == 0 { 1_000 } else { 0 };
    let share = |weights: &[u32]| {
        let mut draw = SplitMix64::new(2);
        let mut least = LeastRequest::new(plain(&set(weights)), LeastRequestConfig::new(), &busy, &mut draw);
        (0..10_000).filter(|_| least.pick(&busy, &mut draw).unwrap().endpoint.get() == 0).count()
    };
    assert!(share(&[5, 5]).abs_diff(2_500) < 250);
    assert!(share(&[5, 6]) < 100, "a schedule: 1 of 1,000");
    assert_eq!(share(&[5]), 10_000);
}

#[test]
fn active_is_what_all_workers_have_started_lb_lr_05() {
    let counts = ActiveCounts::new(2);
    let first = EndpointIndex::new(0).unwrap();
    let elsewhere: Vec<_> = (0..3).filter_map(|_| counts.start(first)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let here = counts.start(first);
            assert_eq!(counts.active_requests(first), 4);
            // This worker sees what the other has started.
            let mut draw = SplitMix64::new(1);
            let config = LeastRequestConfig::new().full_scan();
            let mut least = LeastRequest::new(plain(&endpoints(2)), config, &counts, &mut draw);
            assert!((0..50).all(|_| least.pick(&counts, &mut draw).unwrap().endpoint.get() == 1));
            drop(here);
        });
    });
    assert_eq!(counts.active_requests(first), 3);
    drop(elsewhere);
    assert_eq!(counts.active_requests(first), 0);
}

#[test]
fn two_random_endpoints_and_the_less_busy_one_lb_lr_06_map_03() {
    // LB-MAP-03: what Istio always means is the default, whatever the older name of the policy
    let config = LeastRequestConfig::default();
    assert_eq!(config, LeastRequestConfig::new().choice_count(2).active_request_bias(1.0));
    let load = |at: EndpointIndex| u32::try_from(at.get()).unwrap();
    let mut draw = SplitMix64::new(5);
    let mut least = LeastRequest::new(plain(&endpoints(4)), config, &load, &mut draw);
    let mut counts = [0_u32; 4];
    (0..160_000).for_each(|_| counts[least.pick(&load, &mut draw).unwrap().endpoint.get()] += 1);
    // The k-th busiest of four wins if both draws are at least as busy: 7, 5, 3, 1 of 16.
    for (count, want) in counts.into_iter().zip([70_000, 50_000, 30_000, 10_000]) {
        assert!(count.abs_diff(want) < 900, "{counts:?}");
    }
}

#[test]
fn distinct_draws_leave_the_busiest_nothing_lb_des_04() {
    // LB-TEST-03: 0 and 2/n
    let load = |at: EndpointIndex| [1, 9, 1, 0, 1][at.get()];
    let mut draw = SplitMix64::new(5);
    for choices in [2, 3, 4] {
        let config = LeastRequestConfig::new().distinct_choices().choice_count(choices);
        let mut least = LeastRequest::new(plain(&endpoints(5)), config, &load, &mut draw);
        let mut counts = [0_u32; 5];
        (0..100_000).for_each(|_| counts[least.pick(&load, &mut draw).unwrap().endpoint.get()] += 1);
        assert_eq!(counts[1], 0, "{choices}");
        if choices == 2 {
            assert!(counts[3].abs_diff(40_000) < 800, "{counts:?}");
        }
    }
    let config = LeastRequestConfig::new().distinct_choices();
    let mut one = LeastRequest::new(plain(&endpoints(1)), config, &load, &mut draw);
    assert!((0..9).all(|_| one.pick(&load, &mut draw).is_some()));
}

#[test]
fn a_new_address_is_another_place_in_the_ring_lb_key_02() {
    // A pod that comes back with another address has other keys; one that keeps it keeps them.
    let keys = |last: &str| {
        let addresses = ["10.0.0.1:80", "10.0.0.2:80", last].map(|text| text.parse::<SocketAddr>().unwrap());
        let set = EndpointSet::new(addresses.map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
        let ring = RingHash::new(&set, &plain(&set), &RingHashConfig::default());
        let is_last =
            move |key: &u32| ring.pick(hash_bytes(&key.to_le_bytes()), 0).unwrap().endpoint.get() == 2;
        (0..3_000).filter(is_last).collect::<BTreeSet<u32>>()
    };
    let (before, same, other) = (keys("10.0.0.3:80"), keys("10.0.0.3:80"), keys("10.0.0.4:80"));
    assert_eq!(before, same);
    let kept = before.intersection(&other).count();
    // Half of what was free falls to the newcomer among the neighbours of its points.
    assert!(kept * 10 < before.len() * 6, "{kept} of {}", before.len());
}

struct Request {
    header: &'static str,
    object: Option<u64>,
}

impl HashInput for Request {
    fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
        (name == self.header).then_some(b"value".as_slice()).into_iter()
    }

    fn object_hash(&self, key: &str) -> Option<u64> {
        self.object.filter(|_| key == "envoy.hash")
    }
}

#[test]
fn an_object_brings_its_own_hash_lb_hash_08() {
    let policies = HashPolicies::new([HashPolicy::filter_state("envoy.hash").unwrap()]);
    let hash = |object| policies.compute(&Request { header: "x", object }).hash;
    assert_eq!((hash(Some(42)), hash(None)), (Some(42), None));
    let other = HashPolicies::new([HashPolicy::filter_state("other").unwrap()]);
    assert_eq!(other.compute(&Request { header: "x", object: Some(42) }).hash, None);
    assert!(HashPolicy::filter_state("").is_err());
}

#[test]
fn a_cluster_s_policies_replace_the_route_s_lb_hash_10() {
    let policy = |name| HashPolicies::new([HashPolicy::header(name).unwrap()]);
    let (route, cluster, none) = (policy("x-route"), policy("x-cluster"), HashPolicies::default());
    assert_eq!(cluster.or_of_route(&route), &cluster);
    assert_eq!(none.or_of_route(&route), &route);
    // The hash is computed once: retries look the same one up, one entry on.
    let set = EndpointSet::new(["a", "b", "c"].map(|key| Endpoint::new(key, Weight::ONE))).unwrap();
    let ring = RingHash::new(&set, &plain(&set), &RingHashConfig::new(3, 3).unwrap());
    let hash = cluster.compute(&Request { header: "x-cluster", object: None }).hash.unwrap();
    let tries: BTreeSet<_> = (0..3).map(|attempt| ring.pick(hash, attempt).unwrap().endpoint.get()).collect();
    assert_eq!(tries.len(), 3);
}

#[test]
fn without_a_hash_the_ring_is_drawn_from_by_weight_lb_hash_11() {
    // LB-TEST-02, LB-TEST-01
    let weights = [1_u32, 2, 5];
    let endpoint = |(key, &weight): (usize, &u32)| {
        Endpoint::new(format!("10.0.0.{key}:80"), Weight::new(weight).unwrap())
    };
    let set = EndpointSet::new(weights.iter().enumerate().map(endpoint)).unwrap();
    let maglev = Maglev::new(&set, &plain(&set), TableSize::default());
    let none = HashPolicies::default().compute(&Request { header: "x", object: None }).hash;
    let (mut draw, mut counts) = (SplitMix64::new(4), [0_u32; 3]);
    for _ in 0..80_000 {
        let hash = none.unwrap_or_else(|| draw.next_u64());
        counts[maglev.pick(hash, 0).unwrap().endpoint.get()] += 1;
    }
    for (count, weight) in counts.into_iter().zip(weights) {
        assert!(count.abs_diff(weight * 10_000) < 600, "{counts:?}");
    }
}

#[test]
fn the_destinations_of_a_route_share_their_policies_lb_map_10() {
    // Two destinations that hash and one that does not: whichever is chosen, the hash is that of both.
    let destinations = [Some("x-a"), None, Some("x-b")];
    let policies =
        |names: &[&str]| HashPolicies::new(names.iter().map(|name| HashPolicy::header(name).unwrap()));
    let names: Vec<_> = destinations.into_iter().flatten().collect();
    let route = policies(&names);
    struct Both;
    impl HashInput for Both {
        fn header_values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i [u8]> {
            let value: &[u8] = if name == "x-a" { b"a" } else { b"b" };
            std::iter::once(value)
        }
    }
    let (a, b) = (policies(&["x-a"]).compute(&Both).hash, policies(&["x-b"]).compute(&Both).hash);
    let all = route.compute(&Both).hash;
    assert_eq!(all, Some(a.unwrap().rotate_left(1) ^ b.unwrap())); // none is terminal
    assert!(all != a && all != b);
    // The one header alone still hashes.
    assert_eq!(route.compute(&Request { header: "x-a", object: None }).hash, Some(hash_bytes(b"value")));
}

#[test]
fn a_subset_is_the_endpoints_with_all_its_labels_lb_map_12() {
    // A cluster of its own: the endpoints whose labels include the subset's, and nobody else when there is none.
    let labels = [vec![("version", "1"), ("stage", "dev")], vec![("version", "1")], vec![("version", "2")]];
    let all = |selector: &[(&str, &str)]| {
        let carries = |labels: &&Vec<(&str, &str)>| selector.iter().all(|label| labels.contains(label));
        let endpoints =
            labels.iter().filter(carries).enumerate().map(|(key, _)| Endpoint::new(key, Weight::ONE));
        EndpointSet::new(endpoints).map_or(0, |set| set.len())
    };
    assert_eq!([all(&[]), all(&[("version", "1")]), all(&[("version", "3")])], [3, 2, 0]);
    // The same through the subsets of one cluster: no fallback to other endpoints.
    let set = EndpointSet::new(labels.iter().cloned().enumerate().map(|key| Endpoint::new(key, Weight::ONE)));
    let set = set.unwrap();
    let config = SubsetConfig::new([SubsetSelector::new(["version"])]);
    let subsets = Subsets::new(&set, &PrioritySetConfig::new(), &config, &AllUsable, |(_, labels), name| {
        labels.iter().filter(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()).collect()
    });
    let size = |version| {
        subsets.find(&[("version", version)]).map(|view| view.eligible(0, Availability::Healthy).len())
    };
    assert_eq!([size("1"), size("2"), size("3")], [Some(2), Some(1), None]);
}

#[test]
fn warm_up_counts_for_rotation_and_load_only_lb_map_13() {
    // The defaults of the setting, and LEAST_REQUEST as the policy that is there by default.
    let set = endpoints(2);
    let first =
        FirstHealthy::new(&EndpointSet::new([Endpoint::new(0, Weight::ONE)]).unwrap(), Monotonic::ZERO);
    let now = Monotonic::new(Duration::from_secs(100));
    let old = EndpointSet::new([Endpoint::new(0, Weight::ONE)]).unwrap();
    let first = first.carried_over(&old, &set, now);
    let view = PrioritySet::new(&set, &PrioritySetConfig::new(), &AllUsable);
    let view = Arc::new(view.warming_up(Warmup::new(Duration::from_secs(50)), &first, now));
    let mut draw = SplitMix64::new(7);
    let mut least = LeastRequest::at(Arc::clone(&view), LeastRequestConfig::default(), now, &IDLE, &mut draw);
    let new = |picked: Option<Picked>| picked.unwrap().endpoint.get() == 1;
    let count = (0..1_100).filter(|_| new(least.pick(&IDLE, &mut draw))).count();
    assert!(count.abs_diff(100) <= 2, "{count}"); // 10 % of a share
    let random = Random::new(view);
    let count = (0..10_000).filter(|_| new(random.pick(&mut draw))).count();
    assert!(count.abs_diff(5_000) < 300, "{count}");
}

#[test]
fn what_a_pick_returns_is_small_and_needs_no_count_lb_des_02() {
    assert!(size_of::<Picked>() <= 4 && size_of::<Option<Picked>>() <= 6);
    let copied = |picked: Picked| (picked, picked);
    let picked = Random::new(plain(&endpoints(1))).pick(&mut SplitMix64::new(1)).unwrap();
    let (a, b) = copied(picked);
    assert_eq!(a, b);
}

#[test]
fn a_seed_replays_a_run_lb_des_21() {
    let run = |seed| {
        let mut draw = SplitMix64::new(seed);
        let set = endpoints(50);
        let mut robin = RoundRobin::new(plain(&set), &mut draw);
        let mut least = LeastRequest::new(plain(&set), LeastRequestConfig::new(), &IDLE, &mut draw);
        let random = Random::new(plain(&set));
        let mut picks = Vec::new();
        for _ in 0..50 {
            picks.extend([robin.pick(&mut draw), least.pick(&IDLE, &mut draw), random.pick(&mut draw)]);
        }
        picks
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}

#[test]
fn every_reason_has_its_words() {
    let place = Locality::parse;
    let endpoint = |key, at| Endpoint::new(key, Weight::ONE).locality(place(at));
    let set = EndpointSet::new([
        endpoint(0, "a"),
        endpoint(1, "b"),
        endpoint(2, "a").health(HealthStatus::Timeout),
        endpoint(3, "a").health(HealthStatus::Degraded),
        endpoint(4, "a").priority(1),
        endpoint(5, "a"),
    ])
    .unwrap();
    let weights = LocalityWeights::new([(0, place("a"), 3), (1, place("a"), 3)]).unwrap();
    let config = PrioritySetConfig::new().locality_weights(weights).overprovisioning_percent(400);
    let view = PrioritySet::new(&set, &config, &|at: EndpointIndex| at.get() != 5);
    let standing = |at| view.explain(EndpointIndex::new(at).unwrap()).unwrap();
    let want = [
        (None, "eligible: healthy; priority 0 has 100 % of the traffic"),
        (
            Some(Ineligible::LocalityWithoutWeight),
            "not eligible: healthy, in a locality without weight; priority 0 has 100 % of the traffic",
        ),
        (
            Some(Ineligible::Unhealthy),
            "not eligible: health check timed out; priority 0 has 100 % of the traffic",
        ),
        (
            Some(Ineligible::NoTraffic),
            "not eligible: degraded; degraded endpoints of priority 0 have 0 % of the traffic",
        ),
        (Some(Ineligible::NoTraffic), "not eligible: healthy; priority 1 has 0 % of the traffic"),
        (Some(Ineligible::Ejected), "not eligible: ejected; priority 0 has 100 % of the traffic"),
    ];
    for (at, (reason, text)) in want.into_iter().enumerate() {
        assert_eq!((standing(at).reason(), standing(at).to_string().as_str()), (reason, text), "{at}");
    }
    assert_eq!((standing(0).locality_weight, standing(1).locality_weight), (Some(3), Some(0)));
    assert_eq!(standing(2).health, Health::Unhealthy);
}
