#![allow(clippy::cast_precision_loss, reason = "small numbers in tests")]

use proptest::prelude::*;

use super::*;
use crate::draw::{Draw, SplitMix64};
use crate::{AllUsable, BuildErrorKind, Endpoint, PrioritySetConfig, Weight};

fn addresses(n: usize) -> Vec<String> {
    (1..=n).map(|host| format!("127.1.{}.{}:9080", host / 250, host % 250)).collect()
}

fn maglev_of(hosts: &[(String, u32)], size: u64) -> Maglev {
    let endpoints =
        hosts.iter().map(|(key, weight)| Endpoint::new(key.clone(), Weight::new(*weight).unwrap()));
    let set = EndpointSet::new(endpoints).unwrap();
    let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
    Maglev::new(&set, &view, TableSize::new(size).unwrap())
}

fn maglev(weights: &[u32], size: u64) -> Maglev {
    let hosts: Vec<_> = addresses(weights.len()).into_iter().zip(weights.iter().copied()).collect();
    maglev_of(&hosts, size)
}

/// The host of every slot.
fn table(maglev: &Maglev, size: u64) -> Vec<usize> {
    (0..size).map(|slot| maglev.pick(slot, 0).unwrap().endpoint.get()).collect()
}

fn counts(weights: &[u32], size: u64) -> Vec<u64> {
    let mut counts = vec![0; weights.len()];
    for host in table(&maglev(weights, size), size) {
        counts[host] += 1;
    }
    counts
}

#[test]
fn the_counts_of_the_reference() {
    // LB-MAG-07, LB-MAG-10
    assert_eq!(counts(&[1; 3], 65_537), [21_846, 21_846, 21_845]);
    assert_eq!(counts(&[1, 2, 3], 65_537), [10_923, 21_846, 32_768]);
    assert_eq!(counts(&[1; 3], 1_021), [341, 340, 340]);
    assert_eq!(counts(&[1, 2, 3], 1_021), [171, 341, 509]);
    assert_eq!(counts(&[1, 2, 3], 7), [2, 3, 2]);
    let found = maglev(&[1, 2, 3], 7).statistics(0).unwrap();
    assert_eq!((found.size, found.min_entries_per_host, found.max_entries_per_host), (7, 2, 3));
    let single = maglev(&[5], 7).statistics(0).unwrap(); // LB-MAG-09
    assert_eq!((single.size, single.min_entries_per_host, single.max_entries_per_host), (7, 7, 7));
}

#[test]
fn table_sizes_are_primes() {
    // LB-MAG-01, LB-MAP-07, LB-TEST-50
    for size in [2, 3, 7, 1_021, 65_537, 5_000_011] {
        assert_eq!(TableSize::new(size).map(TableSize::get).map(u64::from), Ok(size));
    }
    for size in [0, 1, 4, 65_536, 4_999_998] {
        let kind = BuildErrorKind::TableSizeNotPrime { found: size };
        assert_eq!(TableSize::new(size).unwrap_err().kind(), &kind);
    }
    let kind = BuildErrorKind::TableSizeTooLarge { max: 5_000_011, found: 1 << 40 };
    assert_eq!(TableSize::new(1 << 40).unwrap_err().kind(), &kind);
    assert_eq!(TableSize::default().get(), 65_537);
}

#[test]
fn tiny_tables_hold_the_first_of_the_sorted_hosts() {
    // LB-MAG-04: with more hosts than slots the last by name get nothing
    for size in [2, 3] {
        let mut seen = table(&maglev(&[1; 5], size), size);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..usize::try_from(size).unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn few_keys_move_when_a_host_goes() {
    // LB-TEST-12: at most 1 % of the others' keys
    let all: Vec<(String, u32)> = addresses(10).into_iter().map(|key| (key, 1)).collect();
    let before = table(&maglev_of(&all, 65_537), 65_537);
    for gone in 0..10 {
        let mut left = all.clone();
        left.remove(gone);
        let after = table(&maglev_of(&left, 65_537), 65_537);
        let kept = before.iter().filter(|&&host| host != gone).count();
        let moved = before
            .iter()
            .zip(&after)
            .filter(|&(&old, &new)| old != gone && new + usize::from(new >= gone) != old);
        let share = moved.count() as f64 / kept as f64;
        assert!(share < 0.01, "{gone}: {share}");
    }
}

#[test]
fn keys_are_balanced() {
    // LB-TEST-14: 100 hosts, 0.95 to 1.05 of the average
    let table = counts(&[1; 100], 65_537);
    let average = 655.37;
    assert!(table.iter().all(|&count| (0.95..=1.05).contains(&(count as f64 / average))));
}

/// LB-MAG-02, LB-MAG-03 and LB-MAG-06 as they are written, with a multiplication at each probe.
fn slow_table(hosts: &[(String, u32)], size: u64) -> Vec<usize> {
    let sum: f64 = hosts.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let mut entries: Vec<(usize, &str, f64, u64, f64)> = hosts
        .iter()
        .enumerate()
        .map(|(at, (key, weight))| (at, key.as_str(), f64::from(*weight) / sum, 0, 0.0))
        .collect();
    let largest = entries.iter().map(|entry| entry.2).fold(0.0, f64::max);
    entries.sort_by_key(|entry| entry.1);
    let mut slots = vec![None; usize::try_from(size).unwrap()];
    let mut filled = 0;
    let mut round = 0_u32;
    while filled < size {
        round += 1;
        for (at, key, share, next, goal) in &mut entries {
            if filled == size || f64::from(round) * *share < *goal {
                continue;
            }
            *goal += largest;
            let offset = xxh64(key.as_bytes(), 0) % size;
            let skip = xxh64(key.as_bytes(), 1) % (size - 1) + 1;
            let slot = loop {
                let slot = usize::try_from((offset + skip * *next) % size).unwrap();
                *next += 1;
                if slots[slot].is_none() {
                    break slot;
                }
            };
            slots[slot] = Some(*at);
            filled += 1;
        }
    }
    slots.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tables_agree_with_the_slow_build(
        weights in prop::collection::vec(1_u32..100, 1..30),
        size in prop::sample::select(vec![2_u64, 3, 7, 101, 1_021]),
        seed in any::<u64>(),
    ) {
        // LB-TEST-15
        let mut hosts: Vec<_> = addresses(weights.len()).into_iter().zip(weights.iter().copied()).collect();
        let found = table(&maglev_of(&hosts, size), size);
        prop_assert_eq!(&found, &slow_table(&hosts, size));
        // The order of the input does not matter.
        let names: Vec<String> = found.iter().map(|&host| hosts[host].0.clone()).collect();
        let mut draw = SplitMix64::new(seed);
        hosts.sort_by_cached_key(|_| draw.next_u64());
        let shuffled: Vec<String> =
            table(&maglev_of(&hosts, size), size).into_iter().map(|host| hosts[host].0.clone()).collect();
        prop_assert_eq!(names, shuffled);
        // Nor does a power of two as a factor of all weights.
        let scaled: Vec<_> = hosts.iter().map(|(key, weight)| (key.clone(), weight * 8)).collect();
        prop_assert_eq!(table(&maglev_of(&scaled, size), size), table(&maglev_of(&hosts, size), size));
    }

    #[test]
    fn a_retry_flips_the_bits_of_the_hash(hash in any::<u64>(), attempt in 0_u32..9) {
        // LB-MAG-05, LB-MAG-06
        let (maglev, size) = (maglev(&[1, 2, 3, 4], 101), 101);
        let other = if attempt == 0 { hash } else { hash ^ (u64::MAX - u64::from(attempt) + 1) };
        prop_assert_eq!(maglev.pick(hash, attempt), maglev.pick(other % size, 0));
    }

    #[test]
    fn every_host_has_about_its_share(weights in prop::collection::vec(1_u32..100, 2..30)) {
        // LB-MAG-08, LB-TEST-15
        let sum: f64 = weights.iter().copied().map(f64::from).sum();
        for (count, &weight) in counts(&weights, 1_021).into_iter().zip(&weights) {
            let share = f64::from(weight) / sum;
            let bound = 1.0 + share * weights.len() as f64;
            prop_assert!(count >= 1 && (count as f64 - 1_021.0 * share).abs() <= bound, "{} for {}", count, weight);
        }
    }
}

#[test]
fn a_rebuilt_table_equals_a_new_one() {
    // LB-DES-10: taken over, renumbered, or filled anew
    let endpoint = |key: &str, weight, priority| {
        Endpoint::new(key.to_owned(), Weight::or_one(weight)).priority(priority)
    };
    let old = EndpointSet::new([endpoint("a", 1, 0), endpoint("b", 2, 1), endpoint("c", 3, 1)]).unwrap();
    let view = |set: &EndpointSet<String>, sick: usize| {
        let verdict = move |index: EndpointIndex| index.get() != sick;
        PrioritySet::new(set, &PrioritySetConfig::default(), &verdict)
    };
    let size = TableSize::new(101).unwrap();
    let maglev = Maglev::new(&old, &view(&old, 9), size);
    let all = |maglev: &Maglev| format!("{:?}", maglev.tables);
    let shared = |a: &Maglev, b: &Maglev, priority| {
        a.tables.same_table(&b.tables, priority, |a, b| Arc::ptr_eq(&a.slots, &b.slots))
    };
    // The same set, one verdict: priority 1 is taken over.
    let next = maglev.rebuilt(&old, &old, &view(&old, 0));
    assert_eq!(all(&next), all(&Maglev::new(&old, &view(&old, 0), size)));
    assert!(shared(&maglev, &next, 1) && !shared(&maglev, &next, 0));
    // An endpoint in front: priority 1 is renumbered.
    let new = EndpointSet::new([
        endpoint("0", 1, 0),
        endpoint("a", 1, 0),
        endpoint("b", 2, 1),
        endpoint("c", 3, 1),
    ]);
    let new = new.unwrap();
    let next = maglev.rebuilt(&old, &new, &view(&new, 9));
    assert_eq!(all(&next), all(&Maglev::new(&new, &view(&new, 9), size)));
    // And back, with another weight and a priority that was not there.
    let other = EndpointSet::new([endpoint("a", 1, 0), endpoint("b", 9, 1), endpoint("c", 3, 2)]).unwrap();
    let back = next.rebuilt(&new, &other, &view(&other, 9));
    assert_eq!(all(&back), all(&Maglev::new(&other, &view(&other, 9), size)));
}
