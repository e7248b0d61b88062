//! MAGLEV (spec 2.10).

use std::hash::Hash;
use std::sync::Arc;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::function::xxh64;
use crate::hash::tables::{NormalizedHost, Sealed, Table, TableInput, Tables, entry_counts};
use crate::hash::{ConsistentHash, HashKey, TableStatistics};
use crate::priority::{Choice, Picked, PriorityLoad, PrioritySet};
use crate::set::{EndpointIndex, EndpointSet};

/// The number of slots of a Maglev table: a prime, by default 65,537 (LB-MAG-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TableSize(u32);

impl TableSize {
    /// The largest table Envoy builds (LB-MAP-07).
    pub const LARGEST: u32 = 5_000_011;

    /// A table size, as in Istio's `consistentHash.maglev.tableSize`; give the default for 0 (LB-MAP-06).
    ///
    /// # Errors
    /// [`TableSizeNotPrime`](BuildErrorKind::TableSizeNotPrime) or
    /// [`TableSizeTooLarge`](BuildErrorKind::TableSizeTooLarge).
    pub fn new(size: u64) -> Result<Self, BuildError> {
        match u32::try_from(size).ok().filter(|&size| size <= Self::LARGEST) {
            None => {
                Err(BuildErrorKind::TableSizeTooLarge { max: u64::from(Self::LARGEST), found: size }.into())
            }
            Some(size) if is_prime(size) => Ok(Self(size)),
            Some(_) => Err(BuildErrorKind::TableSizeNotPrime { found: size }.into()),
        }
    }

    /// The number of slots.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for TableSize {
    fn default() -> Self {
        Self(65_537)
    }
}

/// Trial division; the bound keeps it at about 1,100 steps.
fn is_prime(n: u32) -> bool {
    n >= 2 && (2..=n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

/// MAGLEV: a table of prime size in which each endpoint claims slots in its own pseudo-random order; a request
/// goes to slot `hash mod size` (LB-MAG-05).
///
/// Bit-exact: slot for slot the table Envoy builds, whatever the order of the endpoints (LB-MAG-02). Keys
/// spread more evenly than on a ring and few of them move when an endpoint goes, but some of any endpoint
/// may (LB-DES-10). Every endpoint has a slot as long as there are not more endpoints than slots (LB-MAG-04).
///
/// Keeps no state: share it between the workers in an `Arc`, and build the next when the view changes.
///
/// Cost: a pick is one remainder and one load; no allocation. Two bytes a slot, 131 KB by default.
/// Building takes about as many steps as `size * ln(size)`; see [`rebuilt`](Self::rebuilt) for what a change needs.
///
/// ```
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, Maglev, PrioritySet, PrioritySetConfig, TableSize, Weight,
///               hash_bytes};
/// let keys = ["127.1.0.1:9080", "127.1.0.2:9080", "127.1.0.3:9080"];
/// let set = EndpointSet::new(keys.map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
/// let maglev = Maglev::new(&set, &view, TableSize::new(7)?);
/// let slots: Vec<_> = (0..7).filter_map(|hash| maglev.pick(hash, 0)).map(|p| p.endpoint.get() + 1).collect();
/// assert_eq!(slots, [1, 3, 3, 2, 1, 2, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Maglev {
    tables: Tables<Slots>,
    size: TableSize,
}

impl Maglev {
    /// The tables of the eligible endpoints of `view`, which must be a view of `set`.
    #[must_use]
    pub fn new<K: HashKey>(set: &EndpointSet<K>, view: &PrioritySet, size: TableSize) -> Self {
        Self { tables: Tables::new(set, view, |input| Slots::new(input, size)), size }
    }

    /// The tables of another view, of the same size.
    ///
    /// `before` is the set that these tables were made of, `set` that of the new view; give the same set twice
    /// if only verdicts changed. The table of a priority whose endpoints and weights are the same is taken over,
    /// renumbered if endpoints before them came or went. Any other table is filled anew: where an endpoint claims
    /// slots depends on all others (LB-DES-10). The result equals that of [`new`](Self::new).
    #[must_use]
    pub fn rebuilt<K: HashKey + Eq + Hash>(
        &self,
        before: &EndpointSet<K>,
        set: &EndpointSet<K>,
        view: &PrioritySet,
    ) -> Self {
        let build = |input: &TableInput<'_>| Slots::new(input, self.size);
        let tables = self.tables.rebuilt(before, set, view, build, |input, before| {
            if !before.is_same_as(&input.hosts) {
                return Slots::new(input, self.size);
            }
            if before.is_unmoved() {
                return before.table.clone();
            }
            let renumbered = before.table.slots.iter().filter_map(|&slot| before.now(slot));
            Slots { slots: renumbered.collect(), ..*before.table }
        });
        Self { tables, size: self.size }
    }

    /// The endpoint for a request hash; `None` if the priority the hash leads to has no healthy endpoint.
    ///
    /// The hash decides the priority too (LB-PRIO-08). A request without a hash brings a random value
    /// (LB-HASH-11). `attempt` is 0 first and counts the retries of one request (LB-MAG-06).
    #[inline]
    #[must_use]
    pub fn pick(&self, hash: u64, attempt: u32) -> Option<Picked> {
        self.tables.pick(hash, attempt)
    }

    /// The same under another distribution over priorities (LB-RSEL-04).
    #[inline]
    #[must_use]
    pub fn pick_with(&self, load: &PriorityLoad, hash: u64, attempt: u32) -> Option<Picked> {
        self.tables.pick_with(load, hash, attempt)
    }

    /// How the table of a priority is filled. Linear in its slots.
    #[must_use]
    pub fn statistics(&self, priority: u8) -> Option<TableStatistics> {
        self.tables.statistics(priority)
    }
}

impl Sealed for Maglev {
    fn choose(&self, hash: u64) -> Choice {
        self.tables.choose(hash)
    }

    fn hosts(&self, priority: u8) -> &[NormalizedHost] {
        self.tables.hosts(priority)
    }

    #[inline]
    fn host(&self, priority: u8, endpoint: EndpointIndex) -> Option<&NormalizedHost> {
        self.tables.host(priority, endpoint)
    }

    fn most_hosts(&self) -> usize {
        self.tables.most_hosts()
    }
}

impl ConsistentHash for Maglev {
    #[inline]
    fn pick(&self, hash: u64, attempt: u32) -> Option<Picked> {
        self.tables.pick(hash, attempt)
    }
}

/// The table of one priority.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    /// INVARIANT: as long as the table size, or 1 for a single endpoint (LB-MAG-09), or empty for none.
    slots: Arc<[EndpointIndex]>,
    size: u32,
}

/// Where an endpoint stands in its order of slots.
struct Claim {
    endpoint: EndpointIndex,
    share: f64,
    goal: f64,
    /// The slot it tries next.
    slot: usize,
    skip: usize,
}

impl Slots {
    fn new(input: &TableInput<'_>, size: TableSize) -> Self {
        let slots = match input.hosts.as_slice() {
            [] => Arc::default(),
            [only] => Arc::from([only.endpoint]),
            _ => fill(input, size.get() as usize),
        };
        Self { slots, size: size.get() }
    }
}

/// LB-MAG-02 and LB-MAG-03. `size` is at least 2.
fn fill(input: &TableInput<'_>, size: usize) -> Arc<[EndpointIndex]> {
    let mut names = String::new();
    let mut name = |host: &NormalizedHost| {
        let start = names.len();
        (input.write_key)(host.endpoint, &mut names);
        start..names.len()
    };
    let ranges: Vec<_> = input.hosts.iter().map(&mut name).collect();
    let keys = ranges.into_iter().map(|range| names.get(range).unwrap_or_default());
    let mut hosts: Vec<_> = input.hosts.iter().zip(keys).collect();
    hosts.sort_by_key(|(_, key)| key.as_bytes());
    let modulo = |hash: u64, n: usize| usize::try_from(hash.checked_rem(n as u64).unwrap_or(0)).unwrap_or(0);
    let mut claims: Vec<Claim> = hosts
        .into_iter()
        .map(|(host, key)| Claim {
            endpoint: host.endpoint,
            share: host.share,
            goal: 0.0,
            slot: modulo(xxh64(key.as_bytes(), 0), size),
            skip: modulo(xxh64(key.as_bytes(), 1), size - 1) + 1,
        })
        .collect();
    let mut slots: Vec<Option<EndpointIndex>> = vec![None; size];
    let mut left = size;
    let mut round = 0.0;
    while left > 0 {
        round += 1.0;
        for claim in &mut claims {
            if left == 0 {
                break;
            }
            if round * claim.share < claim.goal {
                continue;
            }
            claim.goal += input.largest;
            // `size` is prime and `skip` smaller, so the walk meets every slot; one is free as `left` > 0.
            while let Some(slot) = slots.get_mut(claim.slot) {
                claim.slot += claim.skip;
                if claim.slot >= size {
                    claim.slot -= size;
                }
                if slot.is_none() {
                    *slot = Some(claim.endpoint);
                    break;
                }
            }
            left -= 1;
        }
    }
    slots.into_iter().flatten().collect()
}

impl Table for Slots {
    #[inline]
    fn lookup(&self, hash: u64, attempt: u32) -> Option<EndpointIndex> {
        // LB-MAG-06: exclusive or with the two's complement of the attempt; of 0 it changes nothing.
        let hash = hash ^ u64::from(attempt).wrapping_neg();
        let slot = hash.checked_rem(self.slots.len() as u64)?;
        self.slots.get(usize::try_from(slot).ok()?).copied()
    }

    fn statistics(&self, hosts: &[NormalizedHost]) -> TableStatistics {
        if let [only] = &*self.slots {
            return entry_counts(u64::from(self.size), hosts, std::iter::repeat_n(*only, self.size as usize));
        }
        entry_counts(u64::from(self.size), hosts, self.slots.iter().copied())
    }
}

#[cfg(test)]
#[path = "../tests/maglev.rs"]
mod tests;
