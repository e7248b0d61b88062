#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers in tests"
)]

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::draw::{Draw, SplitMix64};

#[derive(Deserialize)]
struct Sequences {
    weights_1_2_3: Observed,
    weights_10: Observed,
}

#[derive(Deserialize)]
struct Observed {
    weights: Vec<u32>,
    sequence: Vec<usize>,
}

fn observed() -> Sequences {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/lb/edf_sequences.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn take(weights: &[u32], start: u64, picks: usize) -> Vec<usize> {
    let weight = |at: usize| f64::from(weights[at]);
    let mut schedule = Edf::after_picks(weights.len(), start, weight);
    (0..picks).filter_map(|_| schedule.next(weight)).collect()
}

/// The schedule of LB-EDF-02 with deadlines as fractions: a plain search for the least entry.
struct ExactHeap {
    weights: Vec<u64>,
    /// Per host: turns so far, and the number of the last insertion.
    turns: Vec<u64>,
    order: Vec<u64>,
    inserted: u64,
}

impl ExactHeap {
    fn new(weights: &[u32]) -> Self {
        let n = weights.len() as u64;
        Self {
            weights: weights.iter().copied().map(u64::from).collect(),
            turns: vec![1; weights.len()],
            order: (0..n).collect(),
            inserted: n,
        }
    }

    fn next(&mut self) -> usize {
        let (turns, weights, order) = (&self.turns, &self.weights, &self.order);
        let least = (0..weights.len())
            .min_by(|&a, &b| {
                let deadlines = (turns[a] * weights[b]).cmp(&(turns[b] * weights[a]));
                deadlines.then(order[a].cmp(&order[b]))
            })
            .unwrap();
        self.turns[least] += 1;
        self.order[least] = self.inserted;
        self.inserted += 1;
        least
    }
}

/// The schedule of LB-EDF-02 straight from its words: a search for the least deadline, the earlier insertion on a tie.
struct PlainSchedule {
    /// Deadline and insertion number of each position.
    entries: Vec<(f64, u64)>,
    inserted: u64,
}

impl PlainSchedule {
    /// LB-EDF-04.
    fn after_picks(n: usize, picks: u64, weight: impl Fn(usize) -> f64) -> Self {
        let sum: f64 = (0..n).map(|at| weight(at) + 1e-13).sum();
        let mut plain = Self { entries: Vec::new(), inserted: n as u64 };
        let mut done = 0;
        for at in 0..n {
            let weight = weight(at) + 1e-13;
            let mut picked = (picks as f64 * weight / sum).floor();
            if picked > 0.0 && picked / weight >= picks as f64 / sum {
                picked -= 1.0;
            }
            done += picked as u64;
            plain.entries.push(((picked + 1.0) / weight, at as u64));
        }
        for _ in done..picks {
            plain.next(&weight);
        }
        plain
    }

    fn next(&mut self, weight: impl Fn(usize) -> f64) -> usize {
        let (at, _) = self
            .entries
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .unwrap();
        self.entries[at].0 += 1.0 / weight(at);
        self.entries[at].1 = self.inserted;
        self.inserted += 1;
        at
    }
}

#[test]
fn many_hosts_due_at_once_keep_their_order() {
    // LB-EDF-02: equal weights make all deadlines equal, powers of two make many equal and none rounded
    for weights in [vec![1.0; 700], (0..700).map(|at| f64::from(1_u32 << (at % 5))).collect()] {
        let weight = |at: usize| weights[at];
        let mut schedule = Edf::after_picks(weights.len(), 10_000, weight);
        let mut plain = PlainSchedule::after_picks(weights.len(), 10_000, weight);
        for pick in 0..5_000 {
            assert_eq!(schedule.next(weight), Some(plain.next(weight)), "pick {pick}");
        }
    }
}

#[test]
fn a_schedule_follows_weights_that_change_a_thousandfold() {
    // LB-EDF-03: the calendar is cut anew, the order stays
    let n = 300;
    let factor = std::cell::Cell::new(1.0);
    let weight = |at: usize| (at % 9 + 1) as f64 * factor.get();
    let mut schedule = Edf::new(n, 77, weight);
    let mut plain = PlainSchedule::after_picks(n, 77, weight);
    for change in [1.0, 1e-3, 1.0, 1e3, 1e-3, 1e-9, 1.0] {
        factor.set(change);
        for pick in 0..4_000 {
            assert_eq!(schedule.next(weight), Some(plain.next(weight)), "factor {change}, pick {pick}");
        }
    }
}

#[test]
fn one_heavy_host_among_many_light_ones() {
    // LB-EDF-02, LB-EDF-06: most days of the calendar belong to one host
    let weight = |at: usize| if at == 137 { 1e6 } else { 1.0 };
    let mut schedule = Edf::new(500, 3, weight);
    let mut plain = PlainSchedule::after_picks(500, 3, weight);
    for pick in 0..20_000 {
        assert_eq!(schedule.next(weight), Some(plain.next(weight)), "pick {pick}");
    }
}

#[test]
fn weights_1_2_3_give_the_observed_sequence() {
    // LB-EDF-04, LB-EDF-05, LB-TEST-05: P = 5, 11, 17, …
    let Observed { weights, sequence } = observed().weights_1_2_3;
    for start in [5, 11, 17, 23, 5 + 6 * 1000] {
        assert_eq!(take(&weights, start, sequence.len()), sequence, "start {start}");
    }
    // The exact round is the same sequence, five picks on.
    let round: Vec<usize> = exact_round(&weights).unwrap().into_iter().map(usize::from).collect();
    let rotated: Vec<usize> = round.iter().copied().cycle().skip(5).take(sequence.len()).collect();
    assert_eq!(rotated, sequence);
}

#[test]
fn ten_weights_keep_their_counts_in_every_window() {
    // LB-EDF-05: observed, running, and laid out in advance
    let Observed { weights, sequence } = observed().weights_10;
    let round = exact_round(&weights).unwrap();
    let laid_out = round.iter().map(|&at| usize::from(at)).cycle().take(420).collect();
    for picks in [sequence, take(&weights, 12_345, 420), laid_out] {
        for window in picks.windows(42) {
            for (host, &weight) in weights.iter().enumerate() {
                let count = window.iter().filter(|&&at| at == host).count();
                assert!(count.abs_diff(weight as usize) <= 1, "host {host}: {count} of {weight}");
            }
        }
    }
}

#[test]
fn the_longest_rounds_are_exact_too() {
    // LB-EDF-05: deadlines as close to each other as they can be
    for weights in
        [vec![32_768, 32_767, 1], vec![32_767, 32_769], vec![65_536], vec![21_845, 21_846, 21_844, 1]]
    {
        let round = exact_round(&weights).unwrap();
        let mut heap = ExactHeap::new(&weights);
        assert!(round.iter().all(|&at| usize::from(at) == heap.next()), "{weights:?}");
    }
}

#[test]
fn a_round_that_is_too_long_is_not_laid_out() {
    assert!(exact_round(&[1, 65_535]).is_some_and(|round| round.len() == 65_536));
    assert!(exact_round(&[1, 65_536]).is_none());
    assert!(exact_round(&[u32::MAX, u32::MAX]).is_some_and(|round| round == [0, 1])); // LB-TEST-50
    assert!(exact_round(&[]).is_some_and(|round| round.is_empty()));
}

#[test]
fn strange_weights_do_not_stop_a_schedule() {
    // LB-EDF-07
    let weights = [f64::NAN, 0.0, -1.0, f64::INFINITY, 1.0];
    let weight = |at: usize| weights[at];
    let mut schedule = Edf::new(weights.len(), 99, weight);
    assert_eq!((0..100).filter_map(|_| schedule.next(weight)).filter(|&at| at < 5).count(), 100);
    assert_eq!(Edf::new(0, 7, weight).next(weight), None);
}

#[test]
fn the_first_pick_is_spread_by_weight() {
    // LB-TEST-06: not everybody begins with the heaviest
    let weights = [1_u32, 2, 7];
    let (rounds, mut draw) = (20_000, SplitMix64::new(6));
    let mut first = [0_u32; 3];
    for _ in 0..rounds {
        let weight = |at: usize| f64::from(weights[at]);
        first[Edf::new(3, draw.next_u64(), weight).next(weight).unwrap()] += 1;
    }
    for (count, weight) in first.iter().zip(weights) {
        let share = f64::from(weight) / 10.0;
        let deviation = (share * (1.0 - share) / f64::from(rounds)).sqrt();
        assert!((f64::from(*count) / f64::from(rounds) - share).abs() < 5.0 * deviation, "{first:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_exact_round_is_what_an_exact_heap_picks(weights in prop::collection::vec(1_u32..12, 1..9)) {
        // LB-EDF-02, LB-DES-06
        let round: Vec<usize> = exact_round(&weights).unwrap().into_iter().map(usize::from).collect();
        let mut heap = ExactHeap::new(&weights);
        let picks: Vec<usize> = (0..2 * round.len()).map(|_| heap.next()).collect();
        prop_assert_eq!(&picks[..round.len()], &round);
        prop_assert_eq!(&picks[round.len()..], &round);
    }

    #[test]
    fn the_calendar_picks_what_a_search_picks(
        weights in prop::collection::vec(1_u32..1000, 1..60),
        start in 0_u64..10_000,
        loads in prop::collection::vec((0_usize..60, 0_u32..2000), 1..400),
    ) {
        // LB-EDF-02, LB-EDF-03, LB-LR-03: weights change while the schedule runs
        let active = std::cell::RefCell::new(vec![0_u32; 60]);
        let weight = |at: usize| f64::from(weights[at]) / (f64::from(active.borrow()[at]) + 1.0);
        let mut schedule = Edf::after_picks(weights.len(), start, weight);
        let mut plain = PlainSchedule::after_picks(weights.len(), start, weight);
        for (host, load) in loads {
            active.borrow_mut()[host] = load;
            prop_assert_eq!(schedule.next(weight), Some(plain.next(weight)));
        }
    }

    #[test]
    fn counts_stay_close_to_the_weights(
        weights in prop::collection::vec(1_u32..50, 2..12), start in any::<u64>(), length in 1_usize..400,
    ) {
        // LB-EDF-06
        let weight = |at: usize| f64::from(weights[at]);
        let mut schedule = Edf::new(weights.len(), start, weight);
        let mut counts = vec![0_u32; weights.len()];
        for _ in 0..length {
            counts[schedule.next(weight).unwrap()] += 1;
        }
        let sum: u32 = weights.iter().sum();
        for (&count, &weight) in counts.iter().zip(&weights) {
            let share = f64::from(weight) / f64::from(sum);
            let bound = 1.0 + share * weights.len() as f64 + 1e-6;
            prop_assert!((f64::from(count) - length as f64 * share).abs() <= bound, "{} of {}", count, length);
        }
    }
}
