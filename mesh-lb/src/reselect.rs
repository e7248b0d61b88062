//! Picking again when a retry would hit an endpoint it has seen (spec 1.7).

use crate::priority::PriorityLoad;

/// Picks up to `extra_tries + 1` times until `reject` accepts the result (LB-RSEL-01).
///
/// `pick` gets the number of the try from 0, which the hash algorithms take as their attempt (LB-RSEL-03);
/// the others ignore it. The last result is used even if rejected, and nothing to pick ends the loop at
/// once. Istio's routes with retries reject the endpoints already tried, with 5 extra tries (LB-RSEL-02).
///
/// ```
/// let tried = 7;
/// let chosen = mesh_lb::reselect(5, |attempt| Some(7 + attempt / 2), |host| *host == tried);
/// assert_eq!(chosen, Some(8));
/// ```
#[inline]
pub fn reselect<T>(
    extra_tries: u32,
    mut pick: impl FnMut(u32) -> Option<T>,
    mut reject: impl FnMut(&T) -> bool,
) -> Option<T> {
    let mut attempt = 0;
    loop {
        let picked = pick(attempt)?;
        if attempt == extra_tries || !reject(&picked) {
            return Some(picked);
        }
        attempt += 1;
    }
}

/// The priorities one request has used, so that a retry lands in another (LB-RSEL-04).
///
/// Istio's `retries.retryRemoteLocalities` is this with a frequency of 2.
///
/// ```
/// use mesh_lb::{PreviousPriorities, PriorityHealth, PriorityLoad};
/// let all = PriorityHealth { hosts: 2, healthy: 2, degraded: 0, excluded: 0 };
/// let load = PriorityLoad::new(&[all, all], 140, 0);
/// let mut previous = PreviousPriorities::new(1);
/// assert_eq!(previous.load(&load).healthy(0), 100);
/// previous.attempted(0);
/// assert_eq!(previous.load(&load).healthy(1), 100); // the first attempt was in priority 0
/// ```
#[derive(Clone, Debug)]
pub struct PreviousPriorities {
    frequency: u32,
    attempts: u32,
    /// One bit a priority.
    attempted: [u64; 4],
    excluded: [u64; 4],
    adjusted: Option<PriorityLoad>,
}

impl PreviousPriorities {
    /// Nothing tried yet; the exclusions are renewed every `frequency` attempts, 0 counting as 1.
    #[must_use]
    pub fn new(frequency: u32) -> Self {
        Self { frequency: frequency.max(1), attempts: 0, attempted: [0; 4], excluded: [0; 4], adjusted: None }
    }

    /// Records that an attempt went to an endpoint of this priority.
    pub fn attempted(&mut self, priority: u8) {
        self.attempts = self.attempts.saturating_add(1);
        set_bit(&mut self.attempted, priority);
    }

    /// The load to pick the next attempt with. Allocates only when the exclusions change.
    pub fn load<'l>(&'l mut self, original: &'l PriorityLoad) -> &'l PriorityLoad {
        if self.attempts >= self.frequency && self.attempts.is_multiple_of(self.frequency) {
            self.excluded = self.attempted;
            self.adjusted = original.without(|priority| has_bit(&self.excluded, priority));
            if self.adjusted.is_none() {
                self.attempted = [0; 4];
                self.excluded = [0; 4];
            }
        }
        self.adjusted.as_ref().unwrap_or(original)
    }
}

fn set_bit(bits: &mut [u64; 4], priority: u8) {
    if let Some(word) = bits.get_mut(usize::from(priority / 64)) {
        *word |= 1 << (priority % 64);
    }
}

fn has_bit(bits: &[u64; 4], priority: u8) -> bool {
    bits.get(usize::from(priority / 64)).is_some_and(|word| word & (1 << (priority % 64)) != 0)
}

#[cfg(test)]
#[path = "tests/reselect.rs"]
mod tests;
