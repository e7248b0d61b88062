//! How many percent of the traffic each priority gets.

/// What the load of a priority is computed from: counts of endpoints, or sums of their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "the four lists of LB-HOST-05, given by the caller as plain numbers"
)]
pub struct PriorityHealth {
    /// All endpoints.
    pub hosts: u64,
    /// The healthy ones.
    pub healthy: u64,
    /// The degraded ones.
    pub degraded: u64,
    /// Those that leave the denominator (LB-HOST-04).
    pub excluded: u64,
}

/// Which list of a priority a choice landed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the two schedulers of a priority; a third must not compile unnoticed"
)]
pub enum Availability {
    /// The healthy endpoints.
    Healthy,
    /// The degraded endpoints.
    Degraded,
}

/// A priority, and which of its lists serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Choice {
    /// The priority; 0 is the most preferred.
    pub priority: u8,
    /// The list. A panicking priority serves from all its endpoints whatever this says (LB-PANIC-05).
    pub availability: Availability,
}

/// The distribution of load over priorities: LB-PRIO-01 to LB-PRIO-07 and LB-PANIC-01 to LB-PANIC-04.
///
/// Bit-exact: the same counts give the same 100 answers as Envoy.
///
/// Cost: linear in the number of priorities to build, one table look-up to choose.
///
/// ```
/// use mesh_lb::{PriorityHealth, PriorityLoad};
/// let half = PriorityHealth { hosts: 4, healthy: 2, degraded: 0, excluded: 0 };
/// let load = PriorityLoad::new(&[half, half], 140, 50);
/// assert_eq!((load.healthy(0), load.healthy(1)), (70, 30)); // 2/4 x 1.4 = 70 % stays, the rest spills over
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityLoad {
    /// One entry a priority.
    shares: Box<[Share]>,
    /// The sum T of LB-PRIO-03.
    total: u32,
    /// LB-DES-19: the walk of LB-PRIO-07 for each of the 100 residues, as `2 * priority + availability`.
    by_residue: [u16; 100],
    /// The entry that all residues share, if they do.
    sole: Option<u16>,
}

/// All numbers in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    health: u32,
    degraded_health: u32,
    healthy_load: u32,
    degraded_load: u32,
    panic: bool,
    excluded: bool,
}

impl PriorityLoad {
    /// Computes the load of priorities 0, 1, … from their counts.
    ///
    /// `overprovisioning_percent` is 140 unless configured; `panic_threshold_percent` 0 means never panic.
    #[must_use]
    pub fn new(
        counts: &[PriorityHealth],
        overprovisioning_percent: u32,
        panic_threshold_percent: u32,
    ) -> Self {
        let mut shares: Box<[Share]> =
            counts.iter().map(|count| availability(count, overprovisioning_percent)).collect();
        let total = normalized_total(&shares);
        for (share, count) in shares.iter_mut().zip(counts) {
            share.panic = total != 100 && available_percent(count) < f64::from(panic_threshold_percent);
        }
        let total_panic = panic_threshold_percent > 0 && shares.iter().all(|share| share.panic);
        if total_panic {
            spread_ignoring_health(&mut shares, counts);
        } else if total == 0 {
            // LB-PRIO-04: the pick then finds no host.
            if let Some(first) = shares.first_mut() {
                first.healthy_load = 100;
            }
        } else {
            spread(&mut shares, total);
        }
        Self::from_shares(shares, total)
    }

    fn from_shares(shares: Box<[Share]>, total: u32) -> Self {
        let mut by_residue = [0; 100];
        let loads = |pick: fn(&Share) -> u32| shares.iter().map(pick).enumerate();
        let healthy = loads(|share| share.healthy_load).map(|(at, load)| (2 * at, load));
        let degraded = loads(|share| share.degraded_load).map(|(at, load)| (2 * at + 1, load));
        let mut residues = by_residue.iter_mut();
        // INVARIANT: the loads add up to 100, so every residue is written.
        for (entry, load) in healthy.chain(degraded) {
            let entry = u16::try_from(entry).unwrap_or_default();
            residues.by_ref().take(load as usize).for_each(|residue| *residue = entry);
        }
        let first = by_residue.first().copied().unwrap_or_default();
        let sole = by_residue.iter().all(|&entry| entry == first).then_some(first);
        Self { shares, total, by_residue, sole }
    }

    /// The priority and list for a 64-bit value: a random one, or the request hash for the hash algorithms
    /// (LB-PRIO-07, LB-PRIO-08).
    #[must_use]
    pub fn choose(&self, value: u64) -> Choice {
        let entry = self.entry(value);
        let availability =
            if entry.is_multiple_of(2) { Availability::Healthy } else { Availability::Degraded };
        Choice { priority: u8::try_from(entry / 2).unwrap_or(u8::MAX), availability }
    }

    /// The same as a number: twice the priority, plus one for the degraded list.
    #[inline]
    pub(crate) fn entry(&self, value: u64) -> usize {
        #[allow(clippy::cast_possible_truncation, reason = "a residue of 100 fits in any integer")]
        let residue = (value % 100) as usize;
        self.by_residue.get(residue).copied().map_or(0, usize::from)
    }

    /// The entry that takes all traffic, if one does: then no value need be drawn.
    #[inline]
    pub(crate) fn sole_entry(&self) -> Option<usize> {
        self.sole.map(usize::from)
    }

    /// The number of priorities.
    #[must_use]
    pub fn priorities(&self) -> usize {
        self.shares.len()
    }

    /// The percentage of traffic for the healthy endpoints of a priority; 0 if there is no such priority.
    #[must_use]
    pub fn healthy(&self, priority: u8) -> u32 {
        self.share(priority).healthy_load
    }

    /// The percentage of traffic for the degraded endpoints of a priority.
    #[must_use]
    pub fn degraded(&self, priority: u8) -> u32 {
        self.share(priority).degraded_load
    }

    /// The healthy capacity of a priority in percent, H of LB-PRIO-01.
    #[must_use]
    pub fn health(&self, priority: u8) -> u32 {
        self.share(priority).health
    }

    /// The degraded capacity of a priority in percent, D of LB-PRIO-01.
    #[must_use]
    pub fn degraded_health(&self, priority: u8) -> u32 {
        self.share(priority).degraded_health
    }

    /// The capacity of all priorities together in percent, at most 100: T of LB-PRIO-03.
    #[must_use]
    pub fn normalized_total(&self) -> u32 {
        self.total
    }

    /// Whether a priority serves from all its endpoints whatever their health (LB-PANIC-02).
    #[must_use]
    pub fn is_panicking(&self, priority: u8) -> bool {
        self.share(priority).panic
    }

    fn share(&self, priority: u8) -> Share {
        self.shares.get(usize::from(priority)).copied().unwrap_or_default()
    }

    /// The load after taking out some priorities, for a retry that should land elsewhere (LB-RSEL-04).
    ///
    /// `None` if no capacity remains; the original load is then the one to use. Which priorities panic stays
    /// as it was. Allocates one small table; meant for retries, not for every request.
    #[must_use]
    pub fn without(&self, taken_out: impl Fn(u8) -> bool) -> Option<Self> {
        let mut shares = self.shares.clone();
        for (at, share) in shares.iter_mut().enumerate() {
            share.excluded = u8::try_from(at).is_ok_and(&taken_out);
            share.healthy_load = 0;
            share.degraded_load = 0;
        }
        let total = normalized_total(&shares);
        if total == 0 {
            return None;
        }
        spread(&mut shares, total);
        Some(Self::from_shares(shares, total))
    }
}

impl Share {
    fn usable_health(&self) -> u32 {
        if self.excluded { 0 } else { self.health }
    }

    fn usable_degraded_health(&self) -> u32 {
        if self.excluded { 0 } else { self.degraded_health }
    }
}

/// LB-PRIO-01, the multiplication first.
fn availability(count: &PriorityHealth, overprovisioning_percent: u32) -> Share {
    let denominator = count.hosts.saturating_sub(count.excluded);
    let percent = |part: u64| {
        let scaled = u128::from(overprovisioning_percent) * u128::from(part);
        let percent = scaled.checked_div(u128::from(denominator)).unwrap_or(0).min(100);
        u32::try_from(percent).unwrap_or(100)
    };
    Share { health: percent(count.healthy), degraded_health: percent(count.degraded), ..Share::default() }
}

/// LB-PRIO-03.
fn normalized_total(shares: &[Share]) -> u32 {
    shares.iter().map(|share| share.usable_health() + share.usable_degraded_health()).sum::<u32>().min(100)
}

/// LB-PANIC-02: the two quotients are rounded apart.
fn available_percent(count: &PriorityHealth) -> f64 {
    let denominator = count.hosts.saturating_sub(count.excluded);
    if denominator == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let percent = |part: u64| 100.0 * part as f64 / denominator as f64;
    percent(count.healthy) + percent(count.degraded)
}

/// LB-PRIO-05. `total` is not 0.
fn spread(shares: &mut [Share], total: u32) {
    let mut left = 100;
    for share in shares.iter_mut() {
        share.healthy_load = (share.usable_health() * 100 / total).min(left);
        left -= share.healthy_load;
    }
    for share in shares.iter_mut() {
        share.degraded_load = (share.usable_degraded_health() * 100 / total).min(left);
        left -= share.degraded_load;
    }
    if let Some(share) = shares.iter_mut().find(|share| share.usable_health() > 0) {
        share.healthy_load += left;
    } else if let Some(share) = shares.iter_mut().find(|share| share.usable_degraded_health() > 0) {
        share.degraded_load += left;
    }
}

/// LB-PANIC-04.
fn spread_ignoring_health(shares: &mut [Share], counts: &[PriorityHealth]) {
    let all: u128 = counts.iter().map(|count| u128::from(count.hosts)).sum();
    let mut left = 100;
    for (share, count) in shares.iter_mut().zip(counts) {
        let load = (100 * u128::from(count.hosts)).checked_div(all).unwrap_or(0);
        share.healthy_load = u32::try_from(load).unwrap_or(0).min(left);
        left -= share.healthy_load;
    }
    let first_with_hosts = counts.iter().position(|count| count.hosts > 0).unwrap_or(0);
    if let Some(share) = shares.get_mut(first_with_hosts) {
        share.healthy_load += left;
    }
}
