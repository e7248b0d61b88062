//! One pool for all texts of a policy set.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// A text of the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Text {
    start: u32,
    len: u32,
}

impl Text {
    /// A number in the place of a text.
    pub(super) fn of_number(number: u32) -> Self {
        Self { start: number, len: 0 }
    }

    /// The number that [`of_number`](Self::of_number) was given.
    pub(super) fn number(self) -> u32 {
        self.start
    }

    /// How many bytes it has.
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    /// `len` bytes of it from `start` on; as many as there are.
    pub(crate) fn part(self, start: usize, len: usize) -> Self {
        let start = u32::try_from(start).unwrap_or(u32::MAX).min(self.len);
        let len = u32::try_from(len).unwrap_or(u32::MAX).min(self.len - start);
        Self { start: self.start + start, len }
    }
}

/// The pool. Equal texts are kept once while it is being filled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    known: HashTable<Text>,
}

/// The hash of a text.
///
/// The seed is fixed, so that a decision can be replayed. That is safe because only policies put texts
/// into tables; requests only look them up, and whoever writes policies need not attack them.
pub(crate) fn hash(text: &[u8]) -> u64 {
    FixedState::default().hash_one(text)
}

/// Whether two texts are equal.
///
/// Most texts of policies are so short that calling `memcmp` costs more than comparing them in place, as two
/// words that may overlap.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        false
    } else if a.len() >= 32 {
        let (words, others) = (a.as_chunks::<32>().0, b.as_chunks::<32>().0);
        a.last_chunk::<32>() == b.last_chunk::<32>() && words.iter().zip(others).all(|(x, y)| x == y)
    } else if a.len() >= 16 {
        a.first_chunk::<16>() == b.first_chunk::<16>() && a.last_chunk::<16>() == b.last_chunk::<16>()
    } else if a.len() >= 8 {
        a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>()
    } else if a.len() >= 4 {
        a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>()
    } else {
        // Up to three bytes: the first, the middle one and the last are all there are.
        a.first() == b.first() && a.last() == b.last() && a.get(a.len() / 2) == b.get(a.len() / 2)
    }
}

impl Texts {
    #[inline]
    pub(crate) fn bytes(&self, text: Text) -> &[u8] {
        let start = text.start as usize;
        // INVARIANT: every `Text` comes from `intern` of this pool.
        self.bytes.get(start..start + text.len as usize).unwrap_or_default()
    }

    /// Adds `text`; `None` if the pool would exceed 4 GiB.
    pub(crate) fn intern(&mut self, text: &[u8]) -> Option<Text> {
        let bytes = &self.bytes;
        let slice =
            |t: &Text| bytes.get(t.start as usize..t.start as usize + t.len as usize).unwrap_or_default();
        let key = hash(text);
        if let Some(found) = self.known.find(key, |t| slice(t) == text) {
            return Some(*found);
        }
        let new = Text { start: u32::try_from(bytes.len()).ok()?, len: u32::try_from(text.len()).ok()? };
        new.start.checked_add(new.len)?;
        self.known.insert_unique(key, new, |t| hash(slice(t)));
        self.bytes.extend_from_slice(text);
        Some(new)
    }

    /// Gives back what only `intern` needs.
    pub(crate) fn freeze(&mut self) {
        self.known = HashTable::new();
        self.bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn equality_sees_every_byte() {
        for len in 0..70 {
            let text = vec![b'a'; len];
            assert!(equal(&text, &text.clone()), "{len}");
            assert!(!equal(&text, &vec![b'a'; len + 1]), "{len}");
            for at in 0..len {
                let mut other = text.clone();
                other[at] = b'b';
                assert!(!equal(&text, &other), "{len} {at}");
            }
        }
    }
}
