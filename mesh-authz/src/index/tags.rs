//! Children by the hash of a text.

use super::Child;

/// A hash table that keeps hashes and no texts.
///
/// Two texts may have the same tag. Then both children are visited, and one of them for nothing: the rules
/// below are checked in full anyway. In return a search reads eight bytes a slot and nothing else.
///
/// INVARIANT: at least a quarter of the slots is empty, so that every search ends soon.
#[derive(Debug, Clone, Default)]
pub(super) struct Tags {
    slots: Box<[Slot]>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    child: Child,
}

impl Tags {
    /// Of hashes and what lies below them.
    pub(super) fn new(entries: &[(u64, Child)]) -> Self {
        if entries.is_empty() {
            return Self::default();
        }
        let len = (entries.len() + entries.len().div_ceil(3)).next_power_of_two();
        let mut slots = vec![Slot { tag: 0, child: Child::NONE }; len].into_boxed_slice();
        for &(hash, child) in entries.iter().filter(|(_, child)| *child != Child::NONE) {
            let mut at = place(hash, len);
            while let Some(slot) = slots.get_mut(at) {
                if slot.child == Child::NONE {
                    *slot = Slot { tag: tag(hash), child };
                    break;
                }
                at = (at + 1) & (len - 1);
            }
        }
        Self { slots }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Calls `visit` for what lies below the text with this hash, and perhaps for more.
    #[inline]
    pub(super) fn walk(&self, hash: u64, mut visit: impl FnMut(Child)) {
        let len = self.slots.len();
        let mut at = place(hash, len);
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.child != Child::NONE) {
            if slot.tag == tag(hash) {
                visit(slot.child);
            }
            at = (at + 1) & (len - 1);
        }
    }

    /// What lies below all texts.
    pub(super) fn children(&self) -> impl Iterator<Item = Child> {
        self.slots.iter().map(|slot| slot.child)
    }
}

/// The slot at which a search starts; `len` is a power of two or 0.
fn place(hash: u64, len: usize) -> usize {
    // The low half chooses the place, the high half is the tag. A table has at most 2^31 slots.
    usize::try_from(hash & 0xffff_ffff).unwrap_or_default() & len.wrapping_sub(1)
}

fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tags: &Tags, hash: u64) -> Vec<u32> {
        let mut found = Vec::new();
        tags.walk(hash, |child| found.push(child.0));
        found
    }

    #[test]
    fn equal_places_and_equal_tags() {
        // The first three start at the same slot, the last two have the same tag as well.
        let tags =
            Tags::new(&[(0x1_0000_0003, Child(1)), (0x2_0000_0003, Child(2)), (0x2_0000_0003, Child(3))]);
        assert_eq!(found(&tags, 0x1_0000_0003), [1]);
        assert_eq!(found(&tags, 0x2_0000_0003), [2, 3]);
        assert_eq!(found(&tags, 0x3_0000_0003), [0; 0]);
        assert_eq!(found(&tags, 0x1_0000_0000), [0; 0]);
        assert_eq!(found(&Tags::new(&[]), 7), [0; 0]);
    }

    #[test]
    fn every_size_keeps_room() {
        for len in 1..200_u32 {
            let entries: Vec<_> = (0..len).map(|i| (u64::from(i) << 32, Child(i))).collect();
            let tags = Tags::new(&entries);
            let empty = tags.children().filter(|child| *child == Child::NONE).count();
            assert!(empty * 4 >= tags.slots.len(), "{len}");
            assert!(entries.iter().all(|&(hash, child)| found(&tags, hash) == [child.0]), "{len}");
        }
    }
}
