//! How many keys move when an endpoint goes, and how evenly they lie (LB-TEST-12, LB-TEST-13, LB-TEST-14).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "tests may panic, and count little"
)]

use mesh_lb::{
    AllUsable, Change, Draw, Endpoint, EndpointSet, Maglev, Picked, PrioritySet, PrioritySetConfig, RingHash,
    RingHashConfig, SplitMix64, TableSize, Weight,
};

fn hosts(n: usize) -> EndpointSet<String> {
    let key = |host: usize| format!("127.1.{}.{}:9080", host / 250, host % 250 + 1);
    EndpointSet::new((0..n).map(|host| Endpoint::new(key(host), Weight::ONE))).unwrap()
}

fn view(set: &EndpointSet<String>) -> PrioritySet {
    PrioritySet::new(set, &PrioritySetConfig::new(), &AllUsable)
}

fn at(picked: Option<Picked>) -> usize {
    picked.unwrap().endpoint.get()
}

fn keys(count: usize) -> Vec<u64> {
    let mut draw = SplitMix64::new(99);
    (0..count).map(|_| draw.next_u64()).collect()
}

/// The share of the surviving hosts' keys that move, for each of `removals` removals spread over `n` hosts.
fn moved(
    n: usize,
    removals: usize,
    table: impl Fn(&EndpointSet<String>) -> Box<dyn Fn(u64) -> usize>,
) -> Vec<f64> {
    let set = hosts(n);
    let before = table(&set);
    let keys = keys(20_000);
    let old: Vec<usize> = keys.iter().map(|&key| before(key)).collect();
    let removal = |step: usize| {
        let gone = step * n / removals;
        let key = set.iter().nth(gone).unwrap().1.key().clone();
        let after = table(&set.with_changes([Change::Remove(key)]).unwrap());
        let survivors = keys.iter().zip(&old).filter(|(_, old)| **old != gone);
        let (mut moved, mut all) = (0_u32, 0_u32);
        for (&key, &old) in survivors {
            let new = after(key);
            moved += u32::from(new + usize::from(new >= gone) != old);
            all += 1;
        }
        f64::from(moved) / f64::from(all)
    };
    (0..removals).map(removal).collect()
}

fn maglev(size: u64) -> impl Fn(&EndpointSet<String>) -> Box<dyn Fn(u64) -> usize> {
    move |set| {
        let maglev = Maglev::new(set, &view(set), TableSize::new(size).unwrap());
        Box::new(move |hash| at(maglev.pick(hash, 0)))
    }
}

fn ring(min: u64) -> impl Fn(&EndpointSet<String>) -> Box<dyn Fn(u64) -> usize> {
    move |set| {
        let config = RingHashConfig::new(min, RingHashConfig::LARGEST).unwrap();
        let ring = RingHash::new(set, &view(set), &config);
        Box::new(move |hash| at(ring.pick(hash, 0)))
    }
}

#[test]
fn few_keys_move_lb_test_12() {
    let assert_below = |name: &str, bound: f64, shares: Vec<f64>| {
        let worst = shares.iter().copied().fold(0.0, f64::max);
        assert!(worst <= bound, "{name}: {worst} of the survivors' keys moved, {bound} may");
    };
    assert_below("maglev 65537 of 10", 0.010, moved(10, 10, maglev(65_537)));
    assert_below("maglev 65537 of 100", 0.010, moved(100, 20, maglev(65_537)));
    assert_below("maglev 65537 of 500", 0.015, moved(500, 20, maglev(65_537)));
    assert_below("maglev 1021 of 10", 0.05, moved(10, 10, maglev(1_021)));
    // (k1 - k0) / k1 of the points are new.
    assert_below("ring 1024 of 10", 11.0 / 114.0 + 0.015, moved(10, 10, ring(1_024)));
    assert_below("ring 1024 of 100", 0.004, moved(100, 20, ring(1_024)));
    assert_below("ring 65536 of 100", 662.0 / 656.0 - 1.0 + 0.005, moved(100, 20, ring(65_536)));
}

#[test]
fn no_key_moves_when_points_stay_lb_test_13() {
    // LB-TEST-12: 98 and 97 hosts have 11 points each
    assert!(moved(98, 49, ring(1_024)).into_iter().all(|share| share == 0.0));
    // On addition every key that moves moves to the new host.
    let (before, after) = (ring(1_024)(&hosts(97)), ring(1_024)(&hosts(98)));
    let mut moved = 0;
    for key in keys(50_000) {
        if before(key) != after(key) {
            assert_eq!(after(key), 97);
            moved += 1;
        }
    }
    assert!(moved > 100, "{moved}");
}

#[test]
fn keys_lie_evenly_lb_test_14() {
    let keys = keys(400_000);
    let check = |name: &str, n: usize, (least, most): (f64, f64), table: Box<dyn Fn(u64) -> usize>| {
        let mut counts = vec![0_u32; n];
        for &key in &keys {
            counts[table(key)] += 1;
        }
        let average = keys.len() as f64 / n as f64;
        // The sample itself spreads by so much.
        let slack = 5.0 / average.sqrt();
        let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        let (low, high) = (f64::from(*low) / average, f64::from(*high) / average);
        assert!(low >= least - slack && high <= most + slack, "{name} of {n}: {low} to {high}");
    };
    for (n, bounds) in [(10, (0.98, 1.02)), (100, (0.95, 1.05)), (500, (0.90, 1.10))] {
        check("maglev 65537", n, bounds, maglev(65_537)(&hosts(n)));
    }
    check("ring 1024", 10, (0.70, 1.35), ring(1_024)(&hosts(10)));
    check("ring 1024", 100, (0.2, 2.3), ring(1_024)(&hosts(100)));
    check("ring 65536", 100, (0.8, 1.2), ring(65_536)(&hosts(100)));
    check("ring 65536", 500, (0.6, 1.5), ring(65_536)(&hosts(500)));
}
