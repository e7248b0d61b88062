//! A radix tree over path prefixes, laid out in a few flat arrays.

use std::collections::VecDeque;

use super::{Candidate, until_proved};

#[derive(Debug)]
pub(super) struct Tree {
    /// Children of one node lie side by side; the root is first.
    nodes: Box<[Node]>,
    /// The first byte of each node's label, at the node's own place.
    firsts: Box<[u8]>,
    labels: Box<[u8]>,
    candidates: Box<[Candidate]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Where the label's bytes are, without the first, which `firsts` has.
    label: u32,
    label_len: u32,
    children: u32,
    /// Up to 256 children.
    child_count: u16,
    candidates: u32,
    candidate_count: u32,
}

impl Tree {
    /// Builds the tree. `entries` are in rule order; of equal keys, order is kept.
    ///
    /// Breadth first and without recursion, so a path of any length builds.
    pub(super) fn new(mut entries: Vec<(Box<[u8]>, Candidate)>) -> Self {
        let mut tree = Builder::default();
        if entries.is_empty() {
            return tree.finish();
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        tree.nodes.push(Node::default());
        tree.firsts.push(0);
        let mut queue = VecDeque::from([(0usize, entries.as_slice(), 0usize)]);
        while let Some((node, entries, depth)) = queue.pop_front() {
            // Sorting put the entries that end here first.
            let ends = entries.partition_point(|(key, _)| key.len() == depth);
            let (here, mut below) = entries.split_at(ends);
            tree.set_candidates(node, here);
            let children = tree.nodes.len();
            while let Some((key, _)) = below.first() {
                let first = key.get(depth).copied();
                let same = below.partition_point(|(key, _)| key.get(depth).copied() <= first);
                let (child, rest) = below.split_at(same);
                let shared = child.last().map_or(depth, |(last, _)| common_prefix(key, last));
                tree.push_node(first.unwrap_or_default(), key.get(depth + 1..shared).unwrap_or_default());
                queue.push_back((tree.nodes.len() - 1, child, shared));
                below = rest;
            }
            tree.set_children(node, children);
        }
        tree.finish()
    }

    /// Shows the candidates of every prefix of `path` that has some, shortest prefix first.
    #[inline]
    pub(super) fn walk<'t, const FOLD: bool>(&'t self, path: &[u8], mut visit: impl FnMut(&'t [Candidate])) {
        let Some(mut node) = self.nodes.first() else { return };
        let mut rest = path;
        loop {
            let start = node.candidates as usize;
            if let Some(list) = self.candidates.get(start..start + node.candidate_count as usize)
                && !list.is_empty()
            {
                visit(list);
            }
            let Some((&byte, tail)) = rest.split_first() else { return };
            let byte = if FOLD { byte.to_ascii_lowercase() } else { byte };
            let children = node.children as usize;
            let firsts =
                self.firsts.get(children..children + usize::from(node.child_count)).unwrap_or_default();
            let Some(child) = firsts.iter().position(|first| *first == byte) else { return };
            let Some(next) = self.nodes.get(children + child) else { return };
            let label = next.label as usize;
            let label = self.labels.get(label..label + next.label_len as usize).unwrap_or_default();
            let Some((head, tail)) = tail.split_at_checked(label.len()) else { return };
            let equal = if FOLD { head.eq_ignore_ascii_case(label) } else { head == label };
            if !equal {
                return;
            }
            (node, rest) = (next, tail);
        }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    firsts: Vec<u8>,
    labels: Vec<u8>,
    candidates: Vec<Candidate>,
}

impl Builder {
    fn push_node(&mut self, first: u8, label: &[u8]) {
        self.nodes.push(Node {
            label: small(self.labels.len()),
            label_len: small(label.len()),
            ..Node::default()
        });
        self.firsts.push(first);
        self.labels.extend_from_slice(label);
    }

    fn set_candidates(&mut self, node: usize, entries: &[(Box<[u8]>, Candidate)]) {
        let list = until_proved(entries.iter().map(|(_, candidate)| *candidate).collect());
        let start = self.candidates.len();
        self.candidates.extend_from_slice(&list);
        if let Some(node) = self.nodes.get_mut(node) {
            (node.candidates, node.candidate_count) = (small(start), small(list.len()));
        }
    }

    fn set_children(&mut self, node: usize, first: usize) {
        let count = self.nodes.len() - first;
        if let Some(node) = self.nodes.get_mut(node) {
            (node.children, node.child_count) = (small(first), u16::try_from(count).unwrap_or(u16::MAX));
        }
    }

    fn finish(self) -> Tree {
        Tree {
            nodes: self.nodes.into(),
            firsts: self.firsts.into(),
            labels: self.labels.into(),
            candidates: self.candidates.into(),
        }
    }
}

// INVARIANT: positions fit, since a table with more rules or longer paths than `MAX_RULES` is not built.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
