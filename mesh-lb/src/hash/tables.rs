//! What ring hash and Maglev have in common: weights, priorities, and the sealed trait over both.

use std::hash::Hash;

use crate::endpoint::Endpoint;
use crate::hash::HashKey;
use crate::priority::{Choice, LocalityGroup, Picked, PriorityLoad, PrioritySet};
use crate::set::{EndpointIndex, EndpointSet};

/// The eligible endpoints of one priority, in configuration order, with what a table is built from.
pub(crate) struct TableInput<'s> {
    pub(crate) hosts: Vec<NormalizedHost>,
    /// Appends the hashed name of an endpoint.
    pub(crate) write_key: &'s dyn Fn(EndpointIndex, &mut String),
    /// `min(1.0, min q)`
    pub(crate) smallest: f64,
    pub(crate) largest: f64,
}

/// The table of the same priority before a change, and where its endpoints went.
pub(crate) struct Before<'t, T> {
    pub(crate) table: &'t T,
    pub(crate) hosts: &'t [NormalizedHost],
    /// By old index: the new one, `None` for endpoints that left.
    pub(crate) moved: &'t [Option<EndpointIndex>],
}

impl<T> Before<'_, T> {
    pub(crate) fn now(&self, old: EndpointIndex) -> Option<EndpointIndex> {
        self.moved.get(old.get()).copied().flatten()
    }

    /// Whether the same endpoints have the same shares, in the same order.
    pub(crate) fn is_same_as(&self, hosts: &[NormalizedHost]) -> bool {
        let same = |(old, new): (&NormalizedHost, &NormalizedHost)| {
            self.now(old.endpoint) == Some(new.endpoint) && old.share.to_bits() == new.share.to_bits()
        };
        self.hosts.len() == hosts.len() && self.hosts.iter().zip(hosts).all(same)
    }

    /// Whether no endpoint has another index now.
    pub(crate) fn is_unmoved(&self) -> bool {
        self.hosts.iter().all(|host| self.now(host.endpoint) == Some(host.endpoint))
    }
}

/// LB-RING-01: `(w * share) / sum`, in this order of operations.
fn normalize(groups: &[LocalityGroup]) -> Vec<NormalizedHost> {
    let mut hosts = Vec::new();
    for group in groups {
        let sum: u64 = group.hosts.iter().map(|&(_, weight)| u64::from(weight)).sum();
        #[allow(clippy::cast_precision_loss, reason = "LB-HOST-07: the sum fits in 32 bits")]
        let sum = sum as f64;
        let normalized = |&(endpoint, weight): &(EndpointIndex, u32)| NormalizedHost {
            endpoint,
            share: f64::from(weight) * group.share / sum,
        };
        hosts.extend(group.hosts.iter().map(normalized));
    }
    hosts
}

impl<'s> TableInput<'s> {
    fn new(hosts: Vec<NormalizedHost>, write_key: &'s dyn Fn(EndpointIndex, &mut String)) -> Self {
        let smallest = hosts.iter().map(|host| host.share).fold(1.0, f64::min);
        let largest = hosts.iter().map(|host| host.share).fold(0.0, f64::max);
        Self { hosts, write_key, smallest, largest }
    }
}

/// An index of a larger set names no endpoint; its name is then empty.
fn write_key<K: HashKey>(set: &EndpointSet<K>, endpoint: EndpointIndex, out: &mut String) {
    if let Some(key) = set.get(endpoint).map(Endpoint::key) {
        key.write_hash_key(out);
    }
}

/// One lookup table a priority.
#[derive(Clone, Debug)]
pub(crate) struct Tables<T> {
    load: PriorityLoad,
    priorities: Box<[PriorityTable<T>]>,
}

#[derive(Clone, Debug)]
struct PriorityTable<T> {
    panic: bool,
    hosts: Box<[NormalizedHost]>,
    /// By endpoint: where it stands in `hosts`; anything for one that is not in them.
    places: Box<[u16]>,
    table: T,
}

impl<T> PriorityTable<T> {
    fn new(panic: bool, hosts: Vec<NormalizedHost>, table: T) -> Self {
        let highest = hosts.iter().map(|host| host.endpoint.get()).max();
        let mut places = vec![0; highest.map_or(0, |highest| highest + 1)];
        for (place, host) in (0..=u16::MAX).zip(&hosts) {
            if let Some(entry) = places.get_mut(host.endpoint.get()) {
                *entry = place;
            }
        }
        Self { panic, hosts: hosts.into(), places: places.into(), table }
    }
}

/// A table that a hash is looked up in.
pub(crate) trait Table {
    /// `attempt` counts the tries of one request from 0.
    fn lookup(&self, hash: u64, attempt: u32) -> Option<EndpointIndex>;
    fn statistics(&self, hosts: &[NormalizedHost]) -> TableStatistics;
}

impl<T: Table> Tables<T> {
    pub(crate) fn new<K: HashKey>(
        set: &EndpointSet<K>,
        view: &PrioritySet,
        build: impl Fn(&TableInput<'_>) -> T,
    ) -> Self {
        let write_key = |endpoint: EndpointIndex, out: &mut String| write_key(set, endpoint, out);
        let priorities = view.priorities().iter().map(|priority| {
            let input = TableInput::new(normalize(&priority.groups), &write_key);
            let table = build(&input);
            PriorityTable::new(priority.panic, input.hosts, table)
        });
        Self { priorities: priorities.collect(), load: view.load().clone() }
    }

    /// The tables of another view, made from these where that is less work.
    pub(crate) fn rebuilt<K: HashKey + Eq + Hash>(
        &self,
        before: &EndpointSet<K>,
        set: &EndpointSet<K>,
        view: &PrioritySet,
        build: impl Fn(&TableInput<'_>) -> T,
        change: impl Fn(&TableInput<'_>, &Before<'_, T>) -> T,
    ) -> Self {
        let write_key = |endpoint: EndpointIndex, out: &mut String| write_key(set, endpoint, out);
        let moved: Box<[Option<EndpointIndex>]> = if std::ptr::eq(before, set) {
            before.iter().map(|(index, _)| Some(index)).collect()
        } else {
            before.iter().map(|(_, endpoint)| set.find(endpoint.key())).collect()
        };
        let priorities = view.priorities().iter().enumerate().map(|(at, priority)| {
            let input = TableInput::new(normalize(&priority.groups), &write_key);
            let table = match self.priorities.get(at) {
                Some(PriorityTable { hosts, table, .. }) => {
                    change(&input, &Before { table, hosts, moved: &moved })
                }
                None => build(&input),
            };
            PriorityTable::new(priority.panic, input.hosts, table)
        });
        Self { priorities: priorities.collect(), load: view.load().clone() }
    }

    #[inline]
    pub(crate) fn pick(&self, hash: u64, attempt: u32) -> Option<Picked> {
        let entry = self.load.sole_entry().unwrap_or_else(|| self.load.entry(hash));
        self.pick_in(u8::try_from(entry / 2).ok()?, hash, attempt)
    }

    #[inline]
    pub(crate) fn pick_with(&self, load: &PriorityLoad, hash: u64, attempt: u32) -> Option<Picked> {
        self.pick_in(load.choose(hash).priority, hash, attempt)
    }

    #[inline]
    fn pick_in(&self, priority: u8, hash: u64, attempt: u32) -> Option<Picked> {
        let tier = self.priorities.get(usize::from(priority))?;
        let endpoint = tier.table.lookup(hash, attempt)?;
        Some(Picked { endpoint, priority, panic: tier.panic })
    }

    pub(crate) fn choose(&self, hash: u64) -> Choice {
        self.load.choose(hash)
    }

    pub(crate) fn hosts(&self, priority: u8) -> &[NormalizedHost] {
        self.priorities.get(usize::from(priority)).map_or(&[], |tier| &tier.hosts)
    }

    /// One of the hosts of a priority, without a search.
    #[inline]
    pub(crate) fn host(&self, priority: u8, endpoint: EndpointIndex) -> Option<&NormalizedHost> {
        let tier = self.priorities.get(usize::from(priority))?;
        let place = tier.places.get(endpoint.get())?;
        tier.hosts.get(usize::from(*place)).filter(|host| host.endpoint == endpoint)
    }

    pub(crate) fn most_hosts(&self) -> usize {
        self.priorities.iter().map(|tier| tier.hosts.len()).max().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn same_table(&self, other: &Self, priority: usize, same: impl Fn(&T, &T) -> bool) -> bool {
        same(&self.priorities[priority].table, &other.priorities[priority].table)
    }

    pub(crate) fn statistics(&self, priority: u8) -> Option<TableStatistics> {
        let tier = self.priorities.get(usize::from(priority))?;
        Some(tier.table.statistics(&tier.hosts))
    }
}

/// How evenly a table is filled, as Envoy's gauges show it (LB-RING-11, LB-MAG-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStatistics {
    /// `ring_hash_lb.size`: the size aimed at, which rounding may miss by one. For Maglev the table size.
    pub size: u64,
    /// The entries of the endpoint with the fewest; 0 is possible for a light endpoint in a ring (LB-RING-13).
    pub min_entries_per_host: u64,
    /// The entries of the endpoint with the most.
    pub max_entries_per_host: u64,
}

/// Counts entries an endpoint.
pub(crate) fn entry_counts(
    size: u64,
    hosts: &[NormalizedHost],
    entries: impl Iterator<Item = EndpointIndex>,
) -> TableStatistics {
    let highest = hosts.iter().map(|host| host.endpoint.get()).max().unwrap_or(0);
    let mut counts = vec![0_u64; highest + 1];
    for endpoint in entries {
        if let Some(count) = counts.get_mut(endpoint.get()) {
            *count += 1;
        }
    }
    let of_hosts = || hosts.iter().filter_map(|host| counts.get(host.endpoint.get()).copied());
    TableStatistics {
        size,
        min_entries_per_host: of_hosts().min().unwrap_or(0),
        max_entries_per_host: of_hosts().max().unwrap_or(0),
    }
}

mod sealed {
    use crate::priority::Choice;
    use crate::set::EndpointIndex;

    /// An eligible endpoint with its share of the whole, LB-RING-01.
    #[derive(Clone, Copy, Debug)]
    #[allow(unreachable_pub, reason = "named by the sealed trait")]
    pub struct NormalizedHost {
        pub(crate) endpoint: EndpointIndex,
        pub(crate) share: f64,
    }

    #[allow(unreachable_pub, reason = "the usual shape of a sealed trait")]
    pub trait Sealed {
        fn choose(&self, hash: u64) -> Choice;
        fn hosts(&self, priority: u8) -> &[NormalizedHost];
        fn host(&self, priority: u8, endpoint: EndpointIndex) -> Option<&NormalizedHost>;
        fn most_hosts(&self) -> usize;
    }
}
pub(crate) use sealed::{NormalizedHost, Sealed};

/// A consistent-hash algorithm: [`RingHash`](crate::RingHash) or [`Maglev`](crate::Maglev).
///
/// It exists for [`BoundedLoad`](crate::BoundedLoad) and cannot be implemented elsewhere.
pub trait ConsistentHash: Sealed {
    /// See the inherent method of the same name.
    fn pick(&self, hash: u64, attempt: u32) -> Option<Picked>;
}
