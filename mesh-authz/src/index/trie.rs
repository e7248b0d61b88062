//! Prefixes of a text, or suffixes of it, in one walk.

use super::Child;
use crate::program::{Text, Texts};

/// Which end of the texts the walk starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// A radix tree. Cost of a walk: at most the length of the text, and no more steps than there are
/// branches on the way.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    end: End,
    nodes: Vec<TrieNode>,
    /// The first byte of each node's label, so that the siblings can be searched at once.
    firsts: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct TrieNode {
    /// What leads here from the parent.
    label: Text,
    /// What lies below the text that ends here.
    child: Child,
    /// The children, next to one another.
    first: u32,
    len: u32,
}

impl Trie {
    /// A tree over `entries`, whose texts are distinct.
    pub(super) fn new(texts: &Texts, end: End, mut entries: Vec<(Text, Child)>) -> Self {
        let bytes = |text: Text| texts.bytes(text);
        match end {
            End::Front => entries.sort_by(|a, b| bytes(a.0).cmp(bytes(b.0))),
            End::Back => entries.sort_by(|a, b| bytes(a.0).iter().rev().cmp(bytes(b.0).iter().rev())),
        }
        let root = TrieNode { label: Text::default(), child: Child::NONE, first: 0, len: 0 };
        let mut trie = Self { end, nodes: vec![root], firsts: vec![0] };
        trie.grow(texts, 0, 0, &entries);
        trie.nodes.shrink_to_fit();
        trie.firsts.shrink_to_fit();
        trie
    }

    /// Puts `entries`, which agree in the first `depth` bytes, below the node `at`.
    fn grow(&mut self, texts: &Texts, at: usize, depth: usize, entries: &[(Text, Child)]) {
        let mut entries = entries;
        if let Some(((text, child), rest)) = entries.split_first()
            && text.len() == depth
        {
            if let Some(node) = self.nodes.get_mut(at) {
                node.child = *child;
            }
            entries = rest;
        }
        let byte = |text: Text, i: usize| self.end.byte(texts.bytes(text), i);
        let groups: Vec<_> = entries
            .chunk_by(|a, b| byte(a.0, depth) == byte(b.0, depth))
            .map(|group| (group, self.end))
            .collect();
        let first = self.nodes.len();
        for &(group, end) in &groups {
            // All texts of a sorted group share what its first and its last text share.
            let (Some((one, _)), Some((other, _))) = (group.first(), group.last()) else { continue };
            let (a, b) = (texts.bytes(*one), texts.bytes(*other));
            let shared =
                (depth..one.len().min(other.len())).take_while(|&i| end.byte(a, i) == end.byte(b, i));
            let len = shared.count();
            let label = end.part(*one, depth, len);
            self.nodes.push(TrieNode { label, child: Child::NONE, first: 0, len: 0 });
            self.firsts.push(end.byte(a, depth).unwrap_or_default());
        }
        if let Some(node) = self.nodes.get_mut(at) {
            // INVARIANT: there are fewer nodes than twice the texts, whose lengths sum to at most 4 GiB.
            node.first = u32::try_from(first).unwrap_or(u32::MAX);
            node.len = u32::try_from(groups.len()).unwrap_or(0);
        }
        for (i, (group, _)) in groups.into_iter().enumerate() {
            let label = self.nodes.get(first + i).map_or(0, |node| node.label.len());
            self.grow(texts, first + i, depth + label, group);
        }
    }

    /// Calls `visit` for every entry that `text` starts with, or ends with.
    pub(super) fn walk(&self, texts: &Texts, text: &[u8], mut visit: impl FnMut(Child)) {
        let mut rest = text;
        let mut node = self.nodes.first();
        while let Some(TrieNode { child, first, len, .. }) = node {
            visit(*child);
            let Some(byte) = self.end.byte(rest, 0) else { return };
            let first = *first as usize;
            let siblings = self.firsts.get(first..first + *len as usize).unwrap_or_default();
            let Some(at) = memchr::memchr(byte, siblings) else { return };
            node = self.nodes.get(first + at).filter(|node| {
                let label = texts.bytes(node.label);
                let after = match self.end {
                    End::Front => rest.strip_prefix(label),
                    End::Back => rest.strip_suffix(label),
                };
                rest = after.unwrap_or_default();
                after.is_some()
            });
        }
    }

    /// What lies below all entries.
    pub(super) fn children(&self) -> impl Iterator<Item = Child> {
        self.nodes.iter().map(|node| node.child)
    }
}

impl End {
    /// The byte `i` steps from this end.
    fn byte(self, text: &[u8], i: usize) -> Option<u8> {
        let at = match self {
            Self::Front => i,
            Self::Back => text.len().checked_sub(i + 1)?,
        };
        text.get(at).copied()
    }

    /// The part of `text` from `start` steps from this end on.
    fn part(self, text: Text, start: usize, len: usize) -> Text {
        match self {
            Self::Front => text.part(start, len),
            Self::Back => text.part(text.len().saturating_sub(start + len), len),
        }
    }
}
