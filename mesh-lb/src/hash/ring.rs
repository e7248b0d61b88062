//! RING_HASH (spec 2.9).

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use foldhash::quality::FixedState;
use hashbrown::HashSet;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::tables::{Before, NormalizedHost, Sealed, Table, TableInput, Tables, entry_counts};
use crate::hash::{ConsistentHash, HashFunction, HashKey, TableStatistics};
use crate::priority::{Choice, Picked, PriorityLoad, PrioritySet};
use crate::set::{EndpointIndex, EndpointSet};

/// Settings of [`RingHash`]. The default is Envoy's: 1024 to 8,388,608 points, xxHash64 (LB-RING-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingHashConfig {
    min: u64,
    max: u64,
    function: HashFunction,
}

impl Default for RingHashConfig {
    fn default() -> Self {
        Self { min: 1024, max: Self::LARGEST, function: HashFunction::XxHash }
    }
}

impl RingHashConfig {
    /// The largest ring there can be (LB-MAP-07).
    pub const LARGEST: u64 = 8_388_608;

    /// A ring of at least `min` and at most `max` points.
    ///
    /// Istio's `consistentHash.ringHash.minimumRingSize` is `min`, with 0 for 1024 (LB-MAP-06); it has no
    /// field for `max`.
    ///
    /// # Errors
    /// [`RingSizeOrder`](BuildErrorKind::RingSizeOrder) or [`RingSizeTooLarge`](BuildErrorKind::RingSizeTooLarge).
    pub fn new(min: u64, max: u64) -> Result<Self, BuildError> {
        if min > max {
            return Err(BuildErrorKind::RingSizeOrder { min, max }.into());
        }
        if max > Self::LARGEST {
            return Err(BuildErrorKind::RingSizeTooLarge { max: Self::LARGEST, found: max }.into());
        }
        Ok(Self { min, max, ..Self::default() })
    }

    /// Sets the function that places the points (LB-RING-04).
    #[must_use]
    pub fn hash_function(self, function: HashFunction) -> Self {
        Self { function, ..self }
    }
}

/// RING_HASH: each endpoint owns points on a ring of 2^64 positions; a request goes to the next point after its
/// hash (LB-RING-06).
///
/// Bit-exact: point for point the ring Envoy builds, including what rounding does to it (LB-RING-13). The
/// number of points an endpoint has depends on the number of endpoints, so a change of membership moves keys
/// of the endpoints that stay too (LB-RING-10); [`Maglev`](crate::Maglev) is faster and more even.
///
/// Keeps no state: share it between the workers in an `Arc`, and build the next when the view changes.
///
/// Cost: a pick is one table look-up and a comparison with four points at once; no allocation. About fourteen bytes
/// a point. Building hashes and sorts every point; [`rebuilt`](Self::rebuilt) hashes only what is new.
///
/// ```
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, PrioritySet, PrioritySetConfig, RingHash, RingHashConfig,
///               Weight, hash_bytes};
/// let keys = ["127.1.0.1:9080", "127.1.0.2:9080", "127.1.0.3:9080"];
/// let set = EndpointSet::new(keys.map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let view = PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable);
/// let ring = RingHash::new(&set, &view, &RingHashConfig::default());
/// let first = ring.pick(hash_bytes(b"user-0"), 0);
/// assert_eq!(first, ring.pick(hash_bytes(b"user-0"), 0)); // the same key, the same endpoint
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RingHash {
    tables: Tables<Ring>,
    config: RingHashConfig,
}

impl RingHash {
    /// The rings of the eligible endpoints of `view`, which must be a view of `set`.
    #[must_use]
    pub fn new<K: HashKey>(set: &EndpointSet<K>, view: &PrioritySet, config: &RingHashConfig) -> Self {
        Self { tables: Tables::new(set, view, |input| Ring::new(input, config)), config: *config }
    }

    /// The rings of another view, with the same settings.
    ///
    /// `before` is the set that these rings were made of, `set` that of the new view; give the same set twice if
    /// only verdicts changed. Only points that were not there before are hashed, and they are merged into the
    /// others (LB-DES-12); the ring of a priority in which nothing changed is taken over. The result equals that of
    /// [`new`](Self::new) (LB-RING-12). Linear in the points, in place of hashing and sorting them all.
    #[must_use]
    pub fn rebuilt<K: HashKey + Eq + Hash>(
        &self,
        before: &EndpointSet<K>,
        set: &EndpointSet<K>,
        view: &PrioritySet,
    ) -> Self {
        let build = |input: &TableInput<'_>| Ring::new(input, &self.config);
        let tables = self.tables.rebuilt(before, set, view, build, |input, before| {
            if before.is_same_as(&input.hosts) && before.is_unmoved() {
                return before.table.clone();
            }
            Ring::changed(input, before, &self.config)
        });
        Self { tables, config: self.config }
    }

    /// The endpoint for a request hash; `None` if the priority the hash leads to has no healthy endpoint
    /// (LB-RING-08).
    ///
    /// The hash decides the priority too (LB-PRIO-08). A request without a hash brings a random value
    /// (LB-HASH-11). `attempt` is 0 first and counts the retries of one request; each takes the next point,
    /// which may belong to the same endpoint (LB-RING-07).
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

    /// How the ring of a priority is filled. Linear in its points.
    #[must_use]
    pub fn statistics(&self, priority: u8) -> Option<TableStatistics> {
        self.tables.statistics(priority)
    }
}

impl Sealed for RingHash {
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

impl ConsistentHash for RingHash {
    #[inline]
    fn pick(&self, hash: u64, attempt: u32) -> Option<Picked> {
        self.tables.pick(hash, attempt)
    }
}

/// The points of one priority.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// Ascending, and after the last point [`PADDING`] more of the largest value there is.
    hashes: Arc<[u64]>,
    /// The owners of the points, and after the last that of the first, for the wrap.
    hosts: Arc<[EndpointIndex]>,
    /// LB-DES-11: for each value of the upper bits, the first point at or above it.
    buckets: Arc<[u32]>,
    /// The number of lower bits that a bucket spans, 1 to 63.
    shift: u32,
    /// `ceil(scale)`, for the gauge.
    size: u64,
}

/// How many points of a bucket are compared at once. A bucket has one on average, so that the comparison, which
/// does not branch, nearly always settles it.
const PADDING: usize = 4;

impl Ring {
    fn new(input: &TableInput<'_>, config: &RingHashConfig) -> Self {
        let mut points = Vec::new();
        let mut name = Name::default();
        let size = each_share(input, config, |endpoint, count| {
            points.extend(name.hashes(input, endpoint, 0..count, config.function));
        });
        Self::from_points(&sorted(&points), size)
    }

    /// What `new` makes of `input`, from the points of the ring before.
    fn changed(input: &TableInput<'_>, before: &Before<'_, Self>, config: &RingHashConfig) -> Self {
        // How many points each endpoint had, by its index of today.
        let highest = input.hosts.iter().map(|host| host.endpoint.get()).max().unwrap_or(0);
        let mut had = vec![0_u64; highest + 1];
        for (_, old) in before.table.points() {
            if let Some(had) = before.now(old).and_then(|endpoint| had.get_mut(endpoint.get())) {
                *had += 1;
            }
        }
        // The order of the hosts, for equal hashes (LB-RING-05); those that are not in the ring have none.
        let mut order = vec![usize::MAX; highest + 1];
        let (mut gone, mut new) = (HashSet::with_hasher(FixedState::default()), Vec::new());
        let (mut name, mut at) = (Name::default(), 0);
        let size = each_share(input, config, |endpoint, count| {
            let had = had.get(endpoint.get()).copied().unwrap_or(0);
            // The points of an endpoint are numbered from 0, so fewer of them are the first of those there were.
            new.extend(name.hashes(input, endpoint, had..count, config.function));
            gone.extend(name.hashes(input, endpoint, count..had, config.function));
            if let Some(order) = order.get_mut(endpoint.get()).filter(|_| count > 0) {
                *order = at;
            }
            at += 1;
        });
        let place = |endpoint: EndpointIndex| order.get(endpoint.get()).copied().unwrap_or(usize::MAX);
        let kept = before.table.points().filter_map(|(hash, old)| {
            let endpoint = before.now(old)?;
            let stays = place(endpoint) != usize::MAX && !(gone.contains(&(hash, endpoint)));
            stays.then_some((hash, endpoint))
        });
        let mut points: Vec<(u64, EndpointIndex)> = kept.collect();
        points.append(&mut new);
        // Two runs, the first of them in order: the sort merges them.
        points.sort_by_key(|&(hash, endpoint)| (hash, place(endpoint)));
        Self::from_points(&points, size)
    }

    fn from_points(points: &[(u64, EndpointIndex)], size: u64) -> Self {
        let bits = points.len().max(2).ilog2();
        let shift = u64::BITS - bits;
        let mut buckets = Vec::with_capacity(1 << bits);
        for (at, (hash, _)) in (0..).zip(points) {
            // This is the first point at or above the buckets up to its own, except those that have one already.
            let own = usize::try_from(hash >> shift).unwrap_or(usize::MAX);
            while buckets.len() <= own {
                buckets.push(at);
            }
        }
        buckets.resize(1 << bits, u32::try_from(points.len()).unwrap_or(u32::MAX));
        let padding = std::iter::repeat_n(u64::MAX, PADDING);
        let owners = points.iter().map(|&(_, host)| host);
        Self {
            hashes: points.iter().map(|&(hash, _)| hash).chain(padding).collect(),
            hosts: owners.clone().chain(owners.take(1)).collect(),
            buckets: buckets.into(),
            shift,
            size,
        }
    }

    /// The points in order.
    fn points(&self) -> impl Iterator<Item = (u64, EndpointIndex)> {
        self.hashes.iter().copied().zip(self.hosts.iter().copied()).take(self.len())
    }

    fn len(&self) -> usize {
        self.hashes.len() - PADDING
    }

    /// LB-RING-06 without the wrap: the first point at or above `hash`, or the number of points.
    #[inline]
    fn successor(&self, hash: u64) -> usize {
        let bucket = usize::try_from(hash >> self.shift).unwrap_or(usize::MAX);
        // Every point below the bucket is smaller than `hash`. The first of the next bucket is larger, so the walk
        // does not go on; the padding is not smaller than anything.
        let mut at = self.buckets.get(bucket).map_or(self.len(), |&at| at as usize);
        while let Some(points) = self.hashes.get(at..).and_then(<[u64]>::first_chunk::<PADDING>) {
            let smaller: usize = points.iter().map(|&point| usize::from(point < hash)).sum();
            at += smaller;
            if smaller < PADDING {
                break;
            }
        }
        at
    }
}

/// LB-RING-05: stable. Hashes are spread evenly, so their upper bits say about where each belongs; what falls
/// together is sorted then.
fn sorted(points: &[(u64, EndpointIndex)]) -> Vec<(u64, EndpointIndex)> {
    let Some(&first) = points.first() else { return Vec::new() };
    let bits = points.len().max(2).ilog2();
    let part = |hash: u64| usize::try_from(hash >> (u64::BITS - bits)).unwrap_or(0);
    let mut ends = vec![0_usize; 1 << bits];
    for &(hash, _) in points {
        if let Some(count) = ends.get_mut(part(hash)) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    // Each is the start of its part now, and its end when all points are placed.
    let mut sorted = vec![first; points.len()];
    for &point in points {
        if let Some(next) = ends.get_mut(part(point.0)) {
            if let Some(slot) = sorted.get_mut(*next) {
                *slot = point;
            }
            *next += 1;
        }
    }
    let mut start = 0;
    for end in ends {
        if let Some(part) = sorted.get_mut(start..end) {
            part.sort_by_key(|&(hash, _)| hash);
        }
        start = end;
    }
    sorted
}

/// LB-RING-02 and LB-RING-03: calls back with each host and how many points it has; gives the size aimed at.
fn each_share(
    input: &TableInput<'_>,
    config: &RingHashConfig,
    mut with: impl FnMut(EndpointIndex, u64),
) -> u64 {
    #[allow(clippy::cast_precision_loss, reason = "both are at most 2^23")]
    let (min, max) = (config.min as f64, config.max as f64);
    let scale = ((input.smallest * min).ceil() / input.smallest).min(max);
    let (mut target, mut have) = (0.0, 0.0);
    for host in &input.hosts {
        // LB-RING-13: a product and a sum, each rounded; never fused.
        let portion = scale * host.share;
        target += portion;
        let mut count = 0;
        while have < target {
            count += 1;
            have += 1.0;
        }
        with(host.endpoint, count);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^23")]
    let size = if input.hosts.is_empty() { 0 } else { scale.ceil() as u64 };
    size
}

/// Space for the names of points: the key, an underscore, a number.
#[derive(Default)]
struct Name {
    text: String,
}

impl Name {
    /// An endpoint's points with these numbers.
    fn hashes(
        &mut self,
        input: &TableInput<'_>,
        endpoint: EndpointIndex,
        numbers: Range<u64>,
        function: HashFunction,
    ) -> impl Iterator<Item = (u64, EndpointIndex)> {
        self.text.clear();
        if !numbers.is_empty() {
            (input.write_key)(endpoint, &mut self.text);
            self.text.push('_');
        }
        let prefix = self.text.len();
        numbers.map(move |number| {
            self.text.truncate(prefix);
            push_decimal(&mut self.text, number);
            (function.hash(self.text.as_bytes()), endpoint)
        })
    }
}

fn push_decimal(text: &mut String, number: u64) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    #[allow(clippy::cast_possible_truncation, reason = "a digit")]
    let digit = (number % 10) as u8;
    text.push(char::from(b'0' + digit));
}

impl Table for Ring {
    #[inline]
    fn lookup(&self, hash: u64, attempt: u32) -> Option<EndpointIndex> {
        let mut at = self.successor(hash);
        if attempt > 0 {
            // LB-RING-07; the wrap of the first look-up comes first.
            let first = at.checked_rem(self.len())?;
            at = (first + attempt as usize).checked_rem(self.len())?;
        }
        self.hosts.get(at).copied()
    }

    fn statistics(&self, hosts: &[NormalizedHost]) -> TableStatistics {
        entry_counts(self.size, hosts, self.points().map(|(_, host)| host))
    }
}

#[cfg(test)]
#[path = "../tests/ring.rs"]
mod tests;
