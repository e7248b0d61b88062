//! RING_HASH (spec 2.9).

use std::io::Write as _;

use crate::error::{BuildError, BuildErrorKind};
use crate::hash::tables::{NormalizedHost, Sealed, Table, TableInput, Tables, entry_counts};
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
}

impl RingHash {
    /// The rings of the eligible endpoints of `view`, which must be a view of `set`.
    #[must_use]
    pub fn new<K: HashKey>(set: &EndpointSet<K>, view: &PrioritySet, config: &RingHashConfig) -> Self {
        Self { tables: Tables::new(set, view, |input| Ring::new(input, config)) }
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

    fn most_hosts(&self) -> usize {
        self.tables.most_hosts()
    }
}

impl ConsistentHash for RingHash {
    fn pick(&self, hash: u64, attempt: u32) -> Option<Picked> {
        self.tables.pick(hash, attempt)
    }
}

/// The points of one priority.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    /// Ascending, and after the last point [`PADDING`] more of the largest value there is.
    hashes: Box<[u64]>,
    /// The owners of the points, and after the last that of the first, for the wrap.
    hosts: Box<[EndpointIndex]>,
    /// LB-DES-11: for each value of the upper bits, the first point at or above it.
    buckets: Box<[u32]>,
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
        let size = each_share(input, config, |at, endpoint, count| {
            let key = input.keys.get(at).copied().unwrap_or_default();
            points.extend(name.hashes(key, 0..count, config.function).map(|hash| (hash, endpoint)));
        });
        points.sort_by_key(|&(hash, _)| hash); // LB-RING-05: stable
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

/// LB-RING-02 and LB-RING-03: calls back with each host, its position in the input, and how many points it has;
/// gives the size aimed at.
fn each_share(
    input: &TableInput<'_>,
    config: &RingHashConfig,
    mut with: impl FnMut(usize, EndpointIndex, u64),
) -> u64 {
    #[allow(clippy::cast_precision_loss, reason = "both are at most 2^23")]
    let (min, max) = (config.min as f64, config.max as f64);
    let scale = ((input.smallest * min).ceil() / input.smallest).min(max);
    let (mut target, mut have) = (0.0, 0.0);
    for (at, host) in input.hosts.iter().enumerate() {
        // LB-RING-13: a product and a sum, each rounded; never fused.
        let portion = scale * host.share;
        target += portion;
        let mut count = 0;
        while have < target {
            count += 1;
            have += 1.0;
        }
        with(at, host.endpoint, count);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^23")]
    let size = if input.hosts.is_empty() { 0 } else { scale.ceil() as u64 };
    size
}

/// Space for the names of points: the key, an underscore, a number.
#[derive(Default)]
struct Name {
    text: Vec<u8>,
}

impl Name {
    /// The hashes of a host's points with these numbers.
    fn hashes(
        &mut self,
        key: &str,
        numbers: std::ops::Range<u64>,
        function: HashFunction,
    ) -> impl Iterator<Item = u64> {
        self.text.clear();
        self.text.extend_from_slice(key.as_bytes());
        self.text.push(b'_');
        let prefix = self.text.len();
        numbers.map(move |number| {
            self.text.truncate(prefix);
            // Writing to a vector cannot fail.
            let _ = write!(self.text, "{number}");
            function.hash(&self.text)
        })
    }
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
