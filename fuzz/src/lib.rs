//! What several fuzz targets share: text and trees that are arbitrary, yet close enough to the real thing to
//! reach past the first check.

mod tree;

pub use tree::Tree;

/// Text over an alphabet. Folding the fuzzer's bytes makes it common that two texts are equal, or one begins
/// with the other, which plain random text hardly ever does.
pub fn fold(bytes: &[u8], alphabet: &[&str]) -> String {
    bytes.iter().filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len())).copied().collect()
}
