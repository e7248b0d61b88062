//! Weighted schedules, earliest deadline first (spec 2.3).

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
/// A calendar in place of a heap: virtual time is cut into days of about four turns each, a position lies in the
/// list of the day it is due, the days repeat after a year, and only the positions of the day that has come are
/// put in order. Which position comes next is the same as with a heap; what it costs does not grow with n.
///
/// Cost: constant for a pick on average, no allocation; linear in n, and at most n picks, to start. When loads
/// have changed so much that days became too long or too short, one pick in many re-cuts the calendar, which is
/// linear in n.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edf {
    /// One a position.
    entries: Box<[Entry]>,
    /// The first position in the list of each day; a power of two many, at least as many as positions.
    days: Box<[u16]>,
    /// What is due before the day `upcoming`, the earliest last.
    due: Vec<Due>,
    /// The first day that has not come.
    upcoming: u64,
    /// Days per unit of virtual time.
    pace: f64,
    inserted: u64,
    now: f64,
    tuning: Tuning,
}

/// A position that waits in the list of its day.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    deadline: f64,
    /// The number of the insertion, which breaks ties (LB-EDF-02), above 16 bits for the next in the list.
    order_and_next: u64,
}

/// A position whose day has come. Ordered by deadline, then by insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// The bits of a positive number are ordered like the number.
    deadline: u64,
    order_and_at: u64,
}

/// Since the calendar was cut.
#[derive(Clone, Copy, Debug, Default)]
struct Tuning {
    since: f64,
    picks: u64,
    /// Days opened, positions passed over, and positions moved.
    work: u64,
}

/// The end of a list. No position: a set has at most 65,535 endpoints.
const NONE: u16 = u16::MAX;

/// Weights must be positive (LB-EDF-07).
#[inline]
fn positive(weight: f64) -> f64 {
    if weight > 0.0 { weight } else { f64::MIN_POSITIVE }
}

#[inline]
fn low_half(tag: u64) -> u16 {
    #[allow(clippy::cast_possible_truncation, reason = "the low 16 bits are what is wanted")]
    let low = tag as u16;
    low
}

impl Edf {
    /// The modulus of Envoy's random number of picks before the first (LB-EDF-04).
    const START_MODULUS: u64 = 429_496_729;

    /// How many turns fall on a day on average.
    const TURNS_A_DAY: f64 = 4.0;

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
        let mut schedule = Self {
            entries: vec![Entry::default(); n].into(),
            days: vec![NONE; n.next_power_of_two().max(4)].into(),
            due: Vec::with_capacity(n),
            pace: sum / Self::TURNS_A_DAY,
            ..Self::default()
        };
        // No deadline is below this.
        schedule.now = (picks_f / sum).max(0.0);
        schedule.upcoming = schedule.day(schedule.now);
        schedule.tuning.since = schedule.now;
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
            schedule.insert(at, (picked + 1.0) / weight);
        }
        // The missing picks are fewer than n; the bound keeps rounding from making them more.
        for _ in 0..picks.saturating_sub(done).min(n as u64) {
            schedule.next(&weight);
        }
        schedule
    }

    /// The next position; its weight is read now, for its next turn (LB-EDF-03).
    #[inline]
    pub(crate) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        if self.due.is_empty() {
            self.open_next_day();
        }
        let due = self.due.pop()?;
        let at = usize::from(low_half(due.order_and_at));
        self.now = f64::from_bits(due.deadline);
        self.tuning.picks += 1;
        self.insert(at, self.now + 1.0 / positive(weight(at)));
        Some(at)
    }

    /// The number of the day on which a deadline falls. Never decreases with the deadline.
    #[inline]
    fn day(&self, deadline: f64) -> u64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and beyond 2^64 all share the last day"
        )]
        let day = (deadline * self.pace) as u64;
        day
    }

    #[inline]
    fn slot(&self, day: u64) -> usize {
        let mask = self.days.len().wrapping_sub(1) as u64;
        usize::try_from(day & mask).unwrap_or(0)
    }

    #[inline]
    fn insert(&mut self, at: usize, deadline: f64) {
        let order = self.inserted << 16;
        self.inserted = self.inserted.wrapping_add(1);
        let day = self.day(deadline);
        if day < self.upcoming {
            self.insert_due(Due { deadline: deadline.to_bits(), order_and_at: order | at as u64 });
        } else {
            self.enlist(at, deadline, order, day);
        }
    }

    #[inline]
    fn enlist(&mut self, at: usize, deadline: f64, order: u64, day: u64) {
        let slot = self.slot(day);
        let (Some(first), Some(entry)) = (self.days.get_mut(slot), self.entries.get_mut(at)) else { return };
        *entry = Entry { deadline, order_and_next: order | u64::from(*first) };
        // INVARIANT: `at` is a position, and those are below 2^16.
        *first = low_half(at as u64);
    }

    /// Into the order of what is due; usually near the end.
    fn insert_due(&mut self, new: Due) {
        let later = if self.due.len() <= 8 {
            self.due.len() - self.due.iter().rev().take_while(|due| **due < new).count()
        } else {
            self.due.partition_point(|due| *due > new)
        };
        self.tuning.work += (self.due.len() - later) as u64 / 4;
        // INVARIANT: there is room for every position, so this does not allocate.
        self.due.insert(later, new);
    }

    /// Fills `due` with the positions of the next day that has any.
    fn open_next_day(&mut self) {
        if self.tuning.work > 4 * (self.tuning.picks + self.days.len() as u64) {
            self.cut_anew();
        }
        let year = self.days.len();
        let mut opened = 0;
        while self.due.is_empty() && opened < year {
            self.open(self.upcoming);
            self.upcoming = self.upcoming.saturating_add(1);
            opened += 1;
        }
        if self.due.is_empty() {
            // Nothing is due for a year: go straight to the first day that has something.
            let Some(earliest) = self.waiting().map(|entry| entry.deadline).min_by(f64::total_cmp) else {
                return;
            };
            opened += year;
            self.open(self.day(earliest));
            self.upcoming = self.day(earliest).saturating_add(1);
        }
        self.tuning.work += opened as u64;
        if self.due.len() > 1 {
            self.due.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Moves what is due on `day` from its list to `due`, and leaves the positions of later years.
    #[inline]
    fn open(&mut self, day: u64) {
        let slot = self.slot(day);
        let Some(first) = self.days.get_mut(slot) else { return };
        let mut at = std::mem::replace(first, NONE);
        while at != NONE {
            let position = usize::from(at);
            let Some(&Entry { deadline, order_and_next }) = self.entries.get(position) else { return };
            let order = order_and_next & !0xffff;
            let its_day = self.day(deadline);
            if its_day <= day {
                self.due.push(Due { deadline: deadline.to_bits(), order_and_at: order | u64::from(at) });
            } else {
                self.tuning.work += 1;
                self.enlist(position, deadline, order, its_day);
            }
            at = low_half(order_and_next);
        }
    }

    /// The positions in lists, in no order.
    fn waiting(&self) -> impl Iterator<Item = &Entry> {
        self.days.iter().flat_map(|&first| {
            let entry = |at: u16| self.entries.get(usize::from(at));
            std::iter::successors(entry(first), move |entry_at| entry(low_half(entry_at.order_and_next)))
        })
    }

    /// Cuts the calendar into days of another length, by how fast turns came lately. Nothing must be due.
    fn cut_anew(&mut self) {
        #[allow(clippy::cast_precision_loss, reason = "an average")]
        let turns = self.tuning.picks as f64 / (self.now - self.tuning.since);
        self.tuning = Tuning { since: self.now, ..Tuning::default() };
        if !(turns.is_finite() && turns > 0.0) {
            return;
        }
        // One chain of everything, then each to its new list.
        let mut chain = NONE;
        for slot in 0..self.days.len() {
            let Some(first) = self.days.get_mut(slot) else { return };
            let mut at = std::mem::replace(first, NONE);
            while let Some(entry) = self.entries.get_mut(usize::from(at)) {
                let next = low_half(entry.order_and_next);
                entry.order_and_next = entry.order_and_next & !0xffff | u64::from(chain);
                chain = at;
                at = next;
            }
        }
        self.pace = turns / Self::TURNS_A_DAY;
        self.upcoming = self.day(self.now);
        while let Some(&Entry { deadline, order_and_next }) = self.entries.get(usize::from(chain)) {
            self.enlist(usize::from(chain), deadline, order_and_next & !0xffff, self.day(deadline));
            chain = low_half(order_and_next);
        }
    }
}

#[cfg(test)]
#[path = "tests/edf.rs"]
mod tests;
