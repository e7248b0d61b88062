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

impl Texts {
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
