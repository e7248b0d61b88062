//! Weighted schedules, earliest deadline first (spec 2.3).

use std::cmp::Ordering;

/// The longest round that is laid out in advance; a longer one is scheduled pick by pick.
///
/// 65,536 entries of two bytes are 128 KiB, shared by all workers, and take a few milliseconds to sort.
const LONGEST_ROUND: u64 = 1 << 16;

/// One period of the schedule for constant integer weights, as positions; `None` if it is too long.
///
/// LB-EDF-05, LB-DES-06: in exact arithmetic the schedule repeats after `sum / gcd` picks, and host *i* has
/// `w_i / gcd` of them. Its *k*-th pick has the deadline `k / w_i`. Among equal deadlines the earlier
/// insertion goes first; a pick was inserted at the host's previous deadline `(k - 1) / w_i`, which is the
/// earlier the smaller the weight is, and hosts of equal weight keep their order. So the order can be
/// sorted out without running a heap.
pub(crate) fn exact_round(weights: &[u32]) -> Option<Vec<u16>> {
    let gcd = weights.iter().copied().fold(0, gcd);
    let length: u64 = weights.iter().map(|&weight| u64::from(weight / gcd.max(1))).sum();
    if length > LONGEST_ROUND {
        return None;
    }
    let mut picks: Vec<u64> = Vec::new();
    for (at, &weight) in weights.iter().enumerate() {
        let weight = u64::from(weight / gcd.max(1));
        let at = u16::try_from(at).ok()?;
        // INVARIANT: weights are below 2^16 each or stand alone, so two different deadlines are at least 2^-32
        // apart and their multiples of 2^-32, rounded down, differ too; equal ones have equal multiples. The
        // deadlines are in (0, 1] and their multiples less one fit in 32 bits, the weight less one in 16, and
        // the position in 16: one integer sorts by all three.
        picks.extend((1..=weight).map(|k| {
            let deadline = (k << 32) / weight - 1;
            (deadline << 32) | ((weight - 1) << 16) | u64::from(at)
        }));
    }
    picks.sort_unstable();
    #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are the position")]
    let position = |pick: u64| pick as u16;
    Some(picks.into_iter().map(position).collect())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A running schedule over positions 0..n, for weights that are fractional, change, or have a long round.
///
/// Cost: logarithmic in n for a pick, no allocation; linear in n, and at most n picks, to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edf {
    /// A binary heap with the earliest entry first.
    heap: Vec<Entry>,
    inserted: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: f64,
    /// The number of the insertion; breaks ties (LB-EDF-02).
    order: u64,
    at: usize,
}

impl Entry {
    fn earlier(&self, other: &Self) -> bool {
        match self.deadline.total_cmp(&other.deadline) {
            Ordering::Less => true,
            Ordering::Equal => self.order < other.order,
            Ordering::Greater => false,
        }
    }
}

/// Weights must be positive (LB-EDF-07).
fn positive(weight: f64) -> f64 {
    if weight > 0.0 { weight } else { f64::MIN_POSITIVE }
}

impl Edf {
    /// The modulus of Envoy's random number of picks before the first (LB-EDF-04).
    const START_MODULUS: u64 = 429_496_729;

    /// A schedule in the state after `start` picks, a random number, so that many clients do not all begin
    /// with the heaviest host (LB-EDF-04).
    pub(crate) fn new(n: usize, start: u64, weight: impl Fn(usize) -> f64) -> Self {
        Self::after_picks(n, start % Self::START_MODULUS, weight)
    }

    /// The direct construction of LB-EDF-04, in the order of its operations.
    pub(crate) fn after_picks(n: usize, picks: u64, weight: impl Fn(usize) -> f64) -> Self {
        // A tiny amount keeps equal deadlines apart from the round numbers they would fall on.
        let tilted = |at: usize| positive(weight(at)) + 1e-13;
        let sum: f64 = (0..n).map(tilted).sum();
        #[allow(clippy::cast_precision_loss, reason = "fewer than 2^29 picks")]
        let picks_f = picks as f64;
        let mut schedule = Self { heap: Vec::with_capacity(n), inserted: 0 };
        let mut done = 0;
        for at in 0..n {
            let weight = tilted(at);
            let mut picked = (picks_f * weight / sum).floor();
            if picked > 0.0 && picked / weight >= picks_f / sum {
                picked -= 1.0;
            }
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number between 0 and `picks`"
            )]
            let whole = picked as u64;
            done += whole;
            schedule.insert((picked + 1.0) / weight, at);
        }
        // The missing picks are fewer than n; the bound keeps rounding from making them more.
        for _ in 0..picks.saturating_sub(done).min(n as u64) {
            schedule.next(&weight);
        }
        schedule
    }

    fn insert(&mut self, deadline: f64, at: usize) {
        self.heap.push(Entry { deadline, order: self.inserted, at });
        self.inserted = self.inserted.wrapping_add(1);
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.is_earlier(child, parent) {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
    }

    /// The next position; its weight is read now, for its next turn (LB-EDF-03).
    #[inline]
    pub(crate) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        let order = self.inserted;
        let top = self.heap.first_mut()?;
        let at = top.at;
        top.deadline += 1.0 / positive(weight(at));
        top.order = order;
        self.inserted = order.wrapping_add(1);
        self.sink();
        Some(at)
    }

    /// Restores the heap after its first entry grew.
    fn sink(&mut self) {
        let mut parent = 0;
        loop {
            let mut child = 2 * parent + 1;
            if child >= self.heap.len() {
                return;
            }
            if child + 1 < self.heap.len() && self.is_earlier(child + 1, child) {
                child += 1;
            }
            if !self.is_earlier(child, parent) {
                return;
            }
            self.heap.swap(child, parent);
            parent = child;
        }
    }

    fn is_earlier(&self, a: usize, b: usize) -> bool {
        match (self.heap.get(a), self.heap.get(b)) {
            (Some(a), Some(b)) => a.earlier(b),
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "tests/edf.rs"]
mod tests;
