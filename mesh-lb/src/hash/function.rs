//! The two hash functions Envoy places points with.

use twox_hash::XxHash64;

/// xxHash64 with seed 0, the hash of everything a request is hashed by (LB-KEY-03).
///
/// ```
/// assert_eq!(mesh_lb::hash_bytes(b"user-0"), 8942776895475828064);
/// ```
#[inline]
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    xxh64(bytes, 0)
}

#[inline]
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

/// How the points of a hash ring are placed; request hashes are xxHash64 in any case (LB-RING-04).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashFunction {
    /// xxHash64, Envoy's `XX_HASH`.
    #[default]
    XxHash,
    /// The 64-bit Murmur2 variant of the GNU C++ library, Envoy's `MURMUR_HASH_2`.
    MurmurHash2,
}

impl HashFunction {
    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        match self {
            Self::XxHash => xxh64(bytes, 0),
            Self::MurmurHash2 => murmur2(bytes, 0xc70f_6907),
        }
    }
}

/// LB-RING-04. Reads little-endian words of 8 bytes, then the rest as one shorter word.
fn murmur2(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let shift_mix = |value: u64| value ^ (value >> 47);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for &word in words {
        let data = shift_mix(u64::from_le_bytes(word).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = (hash ^ data).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte));
        hash = (hash ^ rest).wrapping_mul(MULTIPLIER);
    }
    shift_mix(shift_mix(hash).wrapping_mul(MULTIPLIER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_reference() {
        // LB-KEY-03
        assert_eq!(hash_bytes(b""), 17_241_709_254_077_376_921);
        assert_eq!(hash_bytes(b"a"), 15_154_266_338_359_012_955);
        assert_eq!(hash_bytes(b"user-0"), 8_942_776_895_475_828_064);
        assert_eq!(hash_bytes(b"127.1.0.1:9080_0"), 9_621_335_471_963_791_057);
        // LB-RING-04
        assert_eq!(HashFunction::MurmurHash2.hash(b"127.1.0.1:9080_0"), 6_862_689_478_663_841_829);
    }
}
