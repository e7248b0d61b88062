//! A radix tree over path prefixes, laid out in a few flat arrays.

use std::collections::VecDeque;

use super::bucket::{Buckets, Slot};
use super::{Candidate, NONE, Search};

#[derive(Debug)]
pub(super) struct Tree {
    /// Children of one node lie side by side, sorted by first byte; the root is first.
    nodes: Box<[Node]>,
    labels: Box<[u8]>,
    /// From the first byte of a child to its place among its siblings, for nodes whose children's bytes have
    /// gaps.
    places: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The smallest rule number at or below this node (ROUTE-PERF-11).
    least: u32,
    slot: Slot,
    /// Where the label's bytes are, without the first, by which the node was found.
    label: u32,
    label_len: u32,
    children: u32,
    /// Where the places of the children are; `NONE` if the children's first bytes have no gaps.
    places: u32,
    /// The first byte of the first child.
    low: u8,
    /// How many bytes there are from the first child's to the last one's, both included; zero without children.
    span: u16,
}

/// The place of a byte without a child. A node with all 256 children has no gaps, so no child has this place.
const NO_CHILD: u8 = u8::MAX;

impl Tree {
    /// Builds the tree. `entries` are in rule order; of equal keys, order is kept.
    ///
    /// Breadth first and without recursion, so a path of any length builds.
    pub(super) fn new(mut entries: Vec<(&[u8], Candidate)>, buckets: &mut Buckets<'_>) -> Self {
        let mut tree = Builder::default();
        if entries.is_empty() {
            return tree.finish();
        }
        entries.sort_by_key(|(key, _)| *key);
        tree.push_node(&[]);
        // The last number is of the best rule on the way that needs no further check: whatever comes after it
        // in rule order can never win below (ROUTE-PERF-17).
        let mut queue = VecDeque::from([(0usize, entries.as_slice(), 0usize, NONE)]);
        while let Some((node, entries, depth, bound)) = queue.pop_front() {
            // Sorting put the entries that end here first.
            let ends = entries.partition_point(|(key, _)| key.len() == depth);
            let (here, mut below) = entries.split_at(ends);
            let slot = buckets.slot(here.iter().map(|(_, candidate)| *candidate), bound);
            let bound = bound.min(slot.proved);
            let children = tree.nodes.len();
            tree.firsts.clear();
            while let Some((key, _)) = below.first() {
                let first = key.get(depth).copied();
                let same = below.partition_point(|(key, _)| key.get(depth).copied() <= first);
                let (child, rest) = below.split_at(same);
                let shared = child.last().map_or(depth, |(last, _)| common_prefix(key, last));
                tree.firsts.push(first.unwrap_or_default());
                tree.push_node(key.get(depth + 1..shared).unwrap_or_default());
                queue.push_back((tree.nodes.len() - 1, child, shared, bound));
                below = rest;
            }
            tree.set(node, slot, buckets.first(slot), children);
        }
        tree.finish()
    }

    /// Adds what is filed under every prefix of `path` to the search, until nothing below can win any more.
    #[inline]
    pub(super) fn walk<const FOLD: bool>(&self, path: &[u8], search: &mut Search<'_>) {
        let Some(mut node) = self.nodes.first() else { return };
        let mut rest = path;
        while node.least < search.best {
            search.add(node.slot);
            let Some((&byte, tail)) = rest.split_first() else { return };
            let byte = if FOLD { byte.to_ascii_lowercase() } else { byte };
            let offset = byte.wrapping_sub(node.low);
            if u16::from(offset) >= node.span {
                return;
            }
            let mut place = u32::from(offset);
            if node.places != NONE {
                match self.places.get((node.places + place) as usize) {
                    Some(&NO_CHILD) | None => return,
                    Some(&at) => place = u32::from(at),
                }
            }
            let Some(next) = self.nodes.get((node.children + place) as usize) else { return };
            rest = tail;
            if next.label_len > 0 {
                let label = next.label as usize;
                let label = self.labels.get(label..label + next.label_len as usize).unwrap_or_default();
                let Some((head, tail)) = rest.split_at_checked(label.len()) else { return };
                let equal = if FOLD { head.eq_ignore_ascii_case(label) } else { head == label };
                if !equal {
                    return;
                }
                rest = tail;
            }
            node = next;
        }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// How many children each node has.
    counts: Vec<u16>,
    labels: Vec<u8>,
    places: Vec<u8>,
    /// The first bytes of the children of the node at hand.
    firsts: Vec<u8>,
}

impl Builder {
    fn push_node(&mut self, label: &[u8]) {
        self.nodes.push(Node {
            least: NONE,
            slot: Slot::EMPTY,
            label: small(self.labels.len()),
            label_len: small(label.len()),
            children: 0,
            places: NONE,
            low: 0,
            span: 0,
        });
        self.counts.push(0);
        self.labels.extend_from_slice(label);
    }

    fn set(&mut self, at: usize, slot: Slot, least: u32, children: usize) {
        let (Some(node), Some(count)) = (self.nodes.get_mut(at), self.counts.get_mut(at)) else { return };
        (node.slot, node.least, node.children) = (slot, least, small(children));
        let (Some(&low), Some(&high)) = (self.firsts.first(), self.firsts.last()) else { return };
        // At most 256 children have different first bytes.
        *count = u16::try_from(self.firsts.len()).unwrap_or(u16::MAX);
        (node.low, node.span) = (low, u16::from(high - low) + 1);
        if node.span != *count {
            node.places = small(self.places.len());
            let mut places = [NO_CHILD; 256];
            for (place, first) in (0..).zip(&self.firsts) {
                if let Some(at) = places.get_mut(usize::from(first - low)) {
                    *at = place;
                }
            }
            self.places.extend_from_slice(places.get(..usize::from(node.span)).unwrap_or_default());
        }
    }

    fn finish(mut self) -> Tree {
        // Children come after their parent, so from the back each is complete before it is read.
        for at in (0..self.nodes.len()).rev() {
            let Some((node, count)) = self.nodes.get(at).zip(self.counts.get(at)) else { continue };
            let children = node.children as usize..node.children as usize + usize::from(*count);
            let below = self.nodes.get(children).unwrap_or_default().iter().map(|child| child.least).min();
            if let Some(node) = self.nodes.get_mut(at) {
                node.least = node.least.min(below.unwrap_or(NONE));
            }
        }
        Tree { nodes: self.nodes.into(), labels: self.labels.into(), places: self.places.into() }
    }
}

// INVARIANT: positions fit, since a table with more rules or longer paths than `MAX_RULES` is not built.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
