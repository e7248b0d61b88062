//! What several fuzz targets share: text and trees that are arbitrary, yet close enough to the real thing to
//! reach past the first check.

mod tree;

pub use tree::Tree;

/// Text over an alphabet. Folding the fuzzer's bytes makes it common that two texts are equal, or one begins
/// with the other, which plain random text hardly ever does.
pub fn fold(bytes: &[u8], alphabet: &[&str]) -> String {
    bytes.iter().filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len())).copied().collect()
}

/// Base64url without padding, as tokens and key sets have it.
pub fn base64url(bytes: impl Iterator<Item = u8>) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<bool> = bytes.flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let letter = |bits: &[bool]| {
        let index = (0..6).fold(0, |index, bit| index << 1 | usize::from(bits.get(bit) == Some(&true)));
        char::from(LETTERS[index])
    };
    bits.chunks(6).map(letter).collect()
}
