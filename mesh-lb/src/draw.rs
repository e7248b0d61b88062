//! Where randomness comes from: the caller.

/// A source of random 64-bit values.
///
/// The crate owns no generator of its own: each worker brings one, so that a test can replay a run and an
/// embedder can choose its generator. Values must be uniform over the whole `u64` range; nothing here
/// needs them to be unpredictable.
pub trait Draw {
    /// The next value.
    fn next_u64(&mut self) -> u64;
}

impl<D: Draw + ?Sized> Draw for &mut D {
    #[inline]
    fn next_u64(&mut self) -> u64 {
        (**self).next_u64()
    }
}

/// SplitMix64, a small seeded generator: one addition, two multiplications a value, eight bytes of state.
///
/// Good for tests and for picks; not for secrets.
///
/// ```
/// use mesh_lb::{Draw, SplitMix64};
/// let (mut a, mut b) = (SplitMix64::new(7), SplitMix64::new(7));
/// assert_eq!(a.next_u64(), b.next_u64()); // the same seed replays the same run
/// ```
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// A generator that starts from `seed`. Workers should use different seeds.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }
}

impl Draw for SplitMix64 {
    #[inline]
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// An index below `n` from all 64 bits of `value`: a multiplication in place of a division.
///
/// The bias is below `n / 2^64`. `n` = 0 gives 0, which no list then holds.
#[inline]
pub(crate) fn scale_u64(value: u64, n: usize) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the product shifted by 64 is below n, which came from a usize"
    )]
    let index = ((u128::from(value) * n as u128) >> 64) as usize;
    index
}

/// An index below `n` from 32 random bits; two such come out of one draw.
///
/// The bias is below `n / 2^32`, that is 2^-16 for the largest list there can be.
#[inline]
pub(crate) fn scale_u32(value: u32, n: usize) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the product shifted by 32 is below n, which came from a usize"
    )]
    let index = ((u64::from(value) * n as u64) >> 32) as usize;
    index
}

/// Both halves of one draw.
#[inline]
pub(crate) fn halves(value: u64) -> (u32, u32) {
    #[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    let pair = ((value >> 32) as u32, value as u32);
    pair
}

/// A number in 0..1 from the upper 53 bits.
#[inline]
pub(crate) fn unit(value: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    let unit = (value >> 11) as f64 / (1_u64 << 53) as f64;
    unit
}

/// Two different positions below `n`; of one position the second is out of range.
#[inline]
pub(crate) fn distinct_pair(value: u64, n: usize) -> (usize, usize) {
    let (high, low) = halves(value);
    let first = scale_u32(high, n);
    let second = scale_u32(low, n.saturating_sub(1));
    (first, second + usize::from(second >= first))
}
