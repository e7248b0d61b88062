//! All blocks around an address by one binary search.

use super::Child;

/// The addresses of a family as numbers.
pub(super) trait Bits: Copy + Ord {
    fn successor(self) -> Option<Self>;
}

impl Bits for u32 {
    fn successor(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Bits for u128 {
    fn successor(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Blocks of addresses, any two of which are disjoint or one inside the other.
#[derive(Debug, Clone)]
pub(super) struct Ranges<T> {
    /// Where a stretch of addresses starts, up to the next, that have the same innermost block. Two lists
    /// instead of one of pairs, so that the search touches nothing but addresses.
    starts: Vec<T>,
    innermost: Vec<u32>,
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    child: Child,
    /// The next larger block around this one.
    parent: u32,
}

const NO_BLOCK: u32 = u32::MAX;

impl<T: Bits> Ranges<T> {
    /// Of `blocks` with their first and last addresses, which are distinct.
    pub(super) fn new(mut blocks: Vec<(T, T, Child)>) -> Self {
        // Outer blocks first.
        blocks.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut ranges = Self { starts: Vec::new(), innermost: Vec::new(), blocks: Vec::new() };
        let mut open: Vec<(T, u32)> = Vec::new();
        for (first, last, child) in blocks {
            ranges.close(&mut open, Some(first));
            let number = u32::try_from(ranges.blocks.len()).unwrap_or(NO_BLOCK);
            ranges.blocks.push(Block { child, parent: open.last().map_or(NO_BLOCK, |(_, parent)| *parent) });
            open.push((last, number));
            ranges.stretch(first, number);
        }
        ranges.close(&mut open, None);
        ranges
    }

    /// Ends the open blocks that lie before `next`.
    fn close(&mut self, open: &mut Vec<(T, u32)>, next: Option<T>) {
        while let Some(&(last, _)) = open.last() {
            if next.is_some_and(|next| last >= next) {
                return;
            }
            open.pop();
            if let Some(after) = last.successor() {
                self.stretch(after, open.last().map_or(NO_BLOCK, |(_, block)| *block));
            }
        }
    }

    fn stretch(&mut self, start: T, block: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.innermost.pop();
        }
        self.starts.push(start);
        self.innermost.push(block);
    }

    /// Calls `visit` for every block with `address` in it.
    pub(super) fn walk(&self, address: T, mut visit: impl FnMut(Child)) {
        let after = self.starts.partition_point(|start| *start <= address);
        let stretch = after.checked_sub(1).and_then(|at| self.innermost.get(at));
        let mut block = stretch.and_then(|&block| self.blocks.get(block as usize));
        while let Some(Block { child, parent }) = block {
            visit(*child);
            block = self.blocks.get(*parent as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_adjacent_and_outermost_blocks() {
        let all = vec![
            (0, u32::MAX, Child(0)),
            (10, 19, Child(1)),
            (10, 14, Child(2)),
            (15, 19, Child(3)),
            (15, 15, Child(4)),
            (20, 20, Child(5)),
            (u32::MAX - 1, u32::MAX, Child(6)),
            (u32::MAX, u32::MAX, Child(7)),
        ];
        let ranges = Ranges::new(all.clone());
        let none = Ranges::new(all.iter().copied().skip(1).collect());
        for address in (0..30).chain(u32::MAX - 3..=u32::MAX) {
            for (ranges, all) in [(&ranges, &all[..]), (&none, &all[1..])] {
                let mut found = Vec::new();
                ranges.walk(address, |child| found.push(child.0));
                found.sort_unstable();
                let want: Vec<_> =
                    all.iter().filter(|b| (b.0..=b.1).contains(&address)).map(|b| b.2.0).collect();
                assert_eq!(found, want, "{address}");
            }
        }
    }
}
