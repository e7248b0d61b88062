//! The endpoints of one cluster, numbered once.

use std::hash::{BuildHasher, Hash};
use std::iter::FusedIterator;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::endpoint::{Endpoint, Locality};
use crate::error::{BuildError, BuildErrorKind};

/// The number of an endpoint in its [`EndpointSet`], counted from 0 in the order given.
///
/// An index means nothing in another set: map it by key when a set is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointIndex(u16);

impl EndpointIndex {
    /// The most endpoints one set can hold. Two bytes an index keep the tables in the near caches.
    pub const MAX_ENDPOINTS: usize = u16::MAX as usize;

    /// The number as a `usize`, to index a table of the caller's that is parallel to the set.
    #[inline]
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// The index of position `at`, if a set can be that large.
    #[inline]
    #[must_use]
    pub fn new(at: usize) -> Option<Self> {
        u16::try_from(at).ok().filter(|&at| at != u16::MAX).map(Self)
    }
}

/// The endpoints of one cluster: who is in it, with weight, locality, priority and discovery health.
///
/// Immutable and built once; share it in an `Arc`. What changes from second to second, health and load, is
/// not here: a [`PrioritySet`](crate::PrioritySet) is the view of the set under the health of the moment.
///
/// Cost: one hash of each key to build; looking up a key hashes it once.
///
/// ```
/// use mesh_lb::{Endpoint, EndpointSet, Weight};
/// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let b = set.find(&"b:80").ok_or("not there")?;
/// assert_eq!(set.get(b).map(|endpoint| *endpoint.key()), Some("b:80"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EndpointSet<K> {
    endpoints: Box<[Endpoint<K>]>,
    /// INVARIANT: as long as `endpoints`; each entry is a position in `localities`.
    locality_of: Box<[u16]>,
    /// Sorted by text, without repetition (LB-HOST-05).
    localities: Box<[Locality]>,
    by_key: HashTable<EndpointIndex>,
}

/// A fixed seed: the table decides nothing but speed, and keys come from discovery, not from clients.
const HASHER: FixedState = FixedState::with_seed(0x6d65_7368);

impl<K> EndpointSet<K> {
    /// Numbers the endpoints in the order given.
    ///
    /// The order matters to ring hash (the accumulators run over it, LB-RING-03) and to bounded loads.
    ///
    /// # Errors
    /// [`EmptySet`](BuildErrorKind::EmptySet), [`TooManyEndpoints`](BuildErrorKind::TooManyEndpoints),
    /// [`DuplicateKey`](BuildErrorKind::DuplicateKey), or
    /// [`EndpointWeightOverflow`](BuildErrorKind::EndpointWeightOverflow).
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint<K>>) -> Result<Self, BuildError>
    where
        K: Eq + Hash,
    {
        let endpoints: Box<[Endpoint<K>]> = endpoints.into_iter().collect();
        if endpoints.is_empty() {
            return Err(BuildErrorKind::EmptySet.into());
        }
        if endpoints.len() > EndpointIndex::MAX_ENDPOINTS {
            let kind = BuildErrorKind::TooManyEndpoints {
                max: EndpointIndex::MAX_ENDPOINTS,
                found: endpoints.len(),
            };
            return Err(kind.into());
        }
        let by_key = index_by_key(&endpoints)?;
        let (localities, locality_of) = intern_localities(&endpoints);
        check_weights(&endpoints, &localities, &locality_of)?;
        Ok(Self { endpoints, locality_of, localities, by_key })
    }

    /// The number of endpoints, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Never true: an empty set cannot be built.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// The endpoint with this index, or `None` if the index comes from a larger set.
    #[inline]
    #[must_use]
    pub fn get(&self, index: EndpointIndex) -> Option<&Endpoint<K>> {
        self.endpoints.get(index.get())
    }

    /// All endpoints with their indices, in order.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (EndpointIndex, &Endpoint<K>)> + ExactSizeIterator + FusedIterator
    {
        self.endpoints.iter().enumerate().map(|(at, endpoint)| (narrow(at), endpoint))
    }

    /// The endpoint with this key, whatever its priority or health: the address map that override hosts are
    /// looked up in (LB-AFF-01).
    #[must_use]
    pub fn find(&self, key: &K) -> Option<EndpointIndex>
    where
        K: Eq + Hash,
    {
        let same = |index: &EndpointIndex| self.get(*index).is_some_and(|endpoint| endpoint.key() == key);
        self.by_key.find(HASHER.hash_one(key), same).copied()
    }

    /// The localities of the set, sorted by region, zone and sub-zone (LB-HOST-05).
    #[must_use]
    pub fn localities(&self) -> &[Locality] {
        &self.localities
    }

    /// The position of an endpoint's locality in [`localities`](Self::localities).
    pub(crate) fn locality_of(&self, index: EndpointIndex) -> usize {
        self.locality_of.get(index.get()).copied().map_or(0, usize::from)
    }
}

/// The index of a position that is known to be in range.
fn narrow(at: usize) -> EndpointIndex {
    // INVARIANT: `EndpointSet::new` refuses positions from `MAX_ENDPOINTS` on, so nothing is cut off.
    #[allow(clippy::cast_possible_truncation, reason = "see the invariant")]
    let at = at as u16;
    EndpointIndex(at)
}

fn index_by_key<K: Eq + Hash>(endpoints: &[Endpoint<K>]) -> Result<HashTable<EndpointIndex>, BuildError> {
    let key_at = |index: EndpointIndex| endpoints.get(index.get()).map(Endpoint::key);
    let hash_at = |index: &EndpointIndex| key_at(*index).map_or(0, |key| HASHER.hash_one(key));
    let mut by_key = HashTable::with_capacity(endpoints.len());
    for (at, endpoint) in endpoints.iter().enumerate() {
        let hash = HASHER.hash_one(endpoint.key());
        match by_key.entry(hash, |index| key_at(*index) == Some(endpoint.key()), hash_at) {
            Entry::Vacant(entry) => drop(entry.insert(narrow(at))),
            Entry::Occupied(entry) => {
                let kind = BuildErrorKind::DuplicateKey { first: entry.get().get(), second: at };
                return Err(kind.into());
            }
        }
    }
    Ok(by_key)
}

fn intern_localities<K>(endpoints: &[Endpoint<K>]) -> (Box<[Locality]>, Box<[u16]>) {
    let mut localities: Vec<Locality> =
        endpoints.iter().map(|endpoint| endpoint.location().clone()).collect();
    localities.sort();
    localities.dedup();
    let position = |endpoint: &Endpoint<K>| {
        let at = localities.binary_search(endpoint.location()).unwrap_or_default();
        narrow(at).0
    };
    let locality_of = endpoints.iter().map(position).collect();
    (localities.into(), locality_of)
}

/// LB-HOST-07: weights are summed as `u32` per locality and priority.
fn check_weights<K>(
    endpoints: &[Endpoint<K>],
    localities: &[Locality],
    locality_of: &[u16],
) -> Result<(), BuildError> {
    let mut sums = std::collections::BTreeMap::new();
    for (endpoint, &locality) in endpoints.iter().zip(locality_of) {
        let sum: &mut u64 = sums.entry((endpoint.level(), locality)).or_default();
        *sum += u64::from(endpoint.weight().get());
        if *sum > u64::from(u32::MAX) {
            let locality = localities.get(usize::from(locality)).map(ToString::to_string).unwrap_or_default();
            return Err(
                BuildErrorKind::EndpointWeightOverflow { locality, priority: endpoint.level() }.into()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/set.rs"]
mod tests;
