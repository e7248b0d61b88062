//! The endpoints of one cluster, numbered once.

use std::hash::{BuildHasher, Hash};
use std::iter::FusedIterator;

use foldhash::quality::FixedState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};

use crate::endpoint::{Endpoint, Locality, Weight};
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
            return Err(too_many(endpoints.len()));
        }
        let by_key = index_by_key(&endpoints)?;
        let (localities, locality_of) = intern_localities(&endpoints, &[]);
        check_weights(&endpoints, &localities, &locality_of)?;
        Ok(Self { endpoints, locality_of, localities, by_key })
    }

    /// The endpoints of a list of keys and weights. Those of weight 0 get no traffic and are left out.
    ///
    /// ```
    /// use mesh_lb::EndpointSet;
    /// assert_eq!(EndpointSet::from_weights([("a:80", 3), ("b:80", 0)])?.len(), 1);
    /// let error = EndpointSet::from_weights([("a:80", 0), ("b:80", 0)]).unwrap_err();
    /// assert_eq!(error.to_string(), "all 2 endpoints have weight 0, at least one must be positive");
    /// # Ok::<(), mesh_lb::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`AllWeightsZero`](BuildErrorKind::AllWeightsZero), and those of [`new`](Self::new).
    pub fn from_weights(endpoints: impl IntoIterator<Item = (K, u32)>) -> Result<Self, BuildError>
    where
        K: Eq + Hash,
    {
        let mut given = 0;
        let with_traffic = endpoints
            .into_iter()
            .inspect(|_| given += 1)
            .filter_map(|(key, weight)| Weight::new(weight).ok().map(|weight| Endpoint::new(key, weight)));
        let with_traffic: Vec<Endpoint<K>> = with_traffic.collect();
        if given > 0 && with_traffic.is_empty() {
            return Err(BuildErrorKind::AllWeightsZero { endpoints: given }.into());
        }
        Self::new(with_traffic)
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

/// A change of one endpoint of a set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change<K> {
    /// Adds the endpoint, or replaces the one with its key: another weight, locality, priority or health.
    Put(Endpoint<K>),
    /// Takes the endpoint with this key out; nothing happens if there is none.
    Remove(K),
}

impl<K: Clone + Eq + Hash> EndpointSet<K> {
    /// The set after some changes. Endpoints keep their order, new ones come last.
    ///
    /// It equals [`new`](Self::new) with the changed list, without hashing the keys that were there. Linear in the
    /// endpoints, which are cloned: give keys that are cheap to clone, such as addresses or `Arc<str>`.
    ///
    /// ```
    /// use mesh_lb::{Change, Endpoint, EndpointSet, Weight};
    /// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
    /// let next = set.with_changes([
    ///     Change::Remove("a:80"),
    ///     Change::Put(Endpoint::new("b:80", Weight::new(3)?)),
    ///     Change::Put(Endpoint::new("c:80", Weight::ONE)),
    /// ])?;
    /// let keys: Vec<_> = next.iter().map(|(_, endpoint)| *endpoint.key()).collect();
    /// assert_eq!(keys, ["b:80", "c:80"]);
    /// # Ok::<(), mesh_lb::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`EmptySet`](BuildErrorKind::EmptySet), [`TooManyEndpoints`](BuildErrorKind::TooManyEndpoints), or
    /// [`EndpointWeightOverflow`](BuildErrorKind::EndpointWeightOverflow).
    pub fn with_changes(&self, changes: impl IntoIterator<Item = Change<K>>) -> Result<Self, BuildError> {
        // Positions are taken up only at the end, so that those of `by_key` hold until then.
        let mut slots: Vec<Option<Endpoint<K>>> = self.endpoints.iter().cloned().map(Some).collect();
        let mut by_key = self.by_key.clone();
        for change in changes {
            let (key, endpoint) = match &change {
                Change::Put(endpoint) => (endpoint.key(), Some(endpoint)),
                Change::Remove(key) => (key, None),
            };
            let hash = HASHER.hash_one(key);
            let same = |index: &EndpointIndex| {
                slots.get(index.get()).and_then(Option::as_ref).is_some_and(|known| known.key() == key)
            };
            match (by_key.find_entry(hash, same), endpoint) {
                (Ok(known), Some(endpoint)) => {
                    if let Some(slot) = slots.get_mut(known.get().get()) {
                        *slot = Some(endpoint.clone());
                    }
                }
                (Ok(known), None) => {
                    let (index, _) = known.remove();
                    if let Some(slot) = slots.get_mut(index.get()) {
                        *slot = None;
                    }
                }
                (Err(_), Some(endpoint)) => {
                    let Some(index) = EndpointIndex::new(slots.len()) else {
                        return Err(too_many(slots.len() + 1));
                    };
                    slots.push(Some(endpoint.clone()));
                    let hash_at = |index: &EndpointIndex| {
                        let known = slots.get(index.get()).and_then(Option::as_ref);
                        known.map_or(0, |known| HASHER.hash_one(known.key()))
                    };
                    by_key.insert_unique(hash, index, hash_at);
                }
                (Err(_), None) => {}
            }
        }
        let mut next = 0;
        let positions: Vec<EndpointIndex> = slots
            .iter()
            .map(|slot| {
                let index = narrow(next);
                next += usize::from(slot.is_some());
                index
            })
            .collect();
        for index in &mut by_key {
            *index = positions.get(index.get()).copied().unwrap_or(*index);
        }
        let endpoints: Box<[Endpoint<K>]> = slots.into_iter().flatten().collect();
        if endpoints.is_empty() {
            return Err(BuildErrorKind::EmptySet.into());
        }
        let (localities, locality_of) = intern_localities(&endpoints, &self.localities);
        check_weights(&endpoints, &localities, &locality_of)?;
        Ok(Self { endpoints, locality_of, localities, by_key })
    }
}

fn too_many(found: usize) -> BuildError {
    BuildErrorKind::TooManyEndpoints { max: EndpointIndex::MAX_ENDPOINTS, found }.into()
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

/// `known` are sorted localities that are likely to appear.
fn intern_localities<K>(endpoints: &[Endpoint<K>], known: &[Locality]) -> (Box<[Locality]>, Box<[u16]>) {
    let mut localities = known.to_vec();
    let mut numbers: HashMap<Locality, usize, FixedState> = known.iter().cloned().zip(0..).collect();
    let mut used = vec![false; localities.len()];
    // The endpoints of a locality often follow one another.
    let mut last = 0;
    let mut locality_of = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let place = endpoint.location();
        if localities.get(last) != Some(place) {
            last = *numbers.entry_ref(place).or_insert_with(|| {
                localities.push(place.clone());
                used.push(false);
                localities.len() - 1
            });
        }
        if let Some(used) = used.get_mut(last) {
            *used = true;
        }
        locality_of.push(last);
    }
    // In the order of their texts, without those that nobody is in.
    let mut sorted: Vec<(Locality, usize)> = localities.into_iter().zip(0..).collect();
    sorted.retain(|(_, at)| used.get(*at).copied().unwrap_or_default());
    sorted.sort();
    let mut position = vec![0; used.len()];
    for (new, (_, old)) in (0..).zip(&sorted) {
        if let Some(position) = position.get_mut(*old) {
            *position = new;
        }
    }
    let renumbered = locality_of.iter().map(|&at| position.get(at).copied().unwrap_or_default());
    let locality_of = renumbered.map(|at: usize| narrow(at).0).collect();
    (sorted.into_iter().map(|(locality, _)| locality).collect(), locality_of)
}

/// LB-HOST-07: weights are summed as `u32` per locality and priority.
fn check_weights<K>(
    endpoints: &[Endpoint<K>],
    localities: &[Locality],
    locality_of: &[u16],
) -> Result<(), BuildError> {
    let all: u64 = endpoints.iter().map(|endpoint| u64::from(endpoint.weight().get())).sum();
    if u32::try_from(all).is_ok() {
        return Ok(()); // then so are all parts
    }
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
