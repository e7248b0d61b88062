//! Building the tree: which attribute to ask for at which node.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::keys::{Key, Keys, Row, file};
use super::ranges::Ranges;
use super::tags::Tags;
use super::trie::{End, Trie};
use super::{Child, Dimension, Index, Kind, MAX_RULES, Node, RULE, Split};
use crate::cidr::IpBlock;
use crate::program::{Program, Rule, Span, Texts, hash};

/// So many rules are checked one after the other rather than asked apart.
const LEAF: usize = 4;

/// To ask for an attribute costs about as much as to check this many rules.
const QUESTION: usize = 8;

/// No more questions than this on the way to a rule.
const DEPTH: usize = 32;

/// A rule with many values is filed many times: at most this many entries for each value, so that the
/// index stays proportional to the text of the policies.
const ENTRIES: usize = 4;

/// Keeps the numbers of entries well within 32 bits.
const MAX_ENTRIES: usize = 1 << 30;

impl Index {
    /// An index over `rules`. With `l4` it asks only for what TCP connections have.
    pub(crate) fn new(program: &Program, rules: &[Rule], l4: bool) -> Self {
        let mut rows = Vec::with_capacity(rules.len());
        // INVARIANT: `PolicySetBuilder::build` refuses more rules than that.
        for (number, rule) in (0..MAX_RULES).zip(rules) {
            file(program, rule, number, l4, &mut rows);
        }
        let values: usize = rows.iter().flat_map(|row| &row.by).map(|keys| keys.keys.len()).sum();
        let mut builder = Builder {
            texts: &program.texts,
            rows: &rows,
            index: Self { root: Child::NONE, nodes: Vec::new(), leaves: Vec::new() },
        };
        let all: Vec<_> = (0..rows.len()).collect();
        let budget = (ENTRIES * (values + rows.len())).min(MAX_ENTRIES);
        let root = builder.node(&all, &mut Vec::new(), budget);
        let mut index = builder.index;
        index.root = root;
        index.nodes.shrink_to_fit();
        index.leaves.shrink_to_fit();
        index
    }
}

struct Builder<'b> {
    texts: &'b Texts,
    rows: &'b [Row],
    index: Index,
}

/// A key by its content, so that equal keys are filed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Content<'b> {
    Exact(&'b [u8]),
    Prefix(&'b [u8]),
    Suffix(&'b [u8]),
    Present,
    Port(u16),
    Block(IpBlock),
}

impl<'b> Builder<'b> {
    fn content(&self, key: Key) -> Content<'b> {
        match key {
            Key::Exact(text) => Content::Exact(self.texts.bytes(text)),
            Key::Prefix(text) => Content::Prefix(self.texts.bytes(text)),
            Key::Suffix(text) => Content::Suffix(self.texts.bytes(text)),
            Key::Present => Content::Present,
            Key::Port(port) => Content::Port(port),
            Key::Block(block) => Content::Block(block),
        }
    }

    fn keys(&self, row: usize, dimension: Dimension) -> Option<&'b [Key]> {
        let by = &self.rows.get(row)?.by;
        by.iter().find(|keys| keys.dimension == dimension).map(|keys| &*keys.keys)
    }

    /// The subtree over `rows`. `asked` are the dimensions of the nodes above, `budget` is how many
    /// entries the subtree may have.
    fn node(&mut self, rows: &[usize], asked: &mut Vec<Dimension>, budget: usize) -> Child {
        if rows.len() > LEAF
            && asked.len() < DEPTH
            && let Some(dimension) = self.best_question(rows, asked, budget)
        {
            asked.push(dimension);
            let child = self.split(rows, dimension, asked, budget);
            asked.pop();
            return child;
        }
        let mut numbers: Vec<_> = rows.iter().filter_map(|&row| self.rows.get(row)).map(|r| r.rule).collect();
        numbers.sort_unstable();
        numbers.dedup();
        match *numbers {
            [] => Child::NONE,
            [rule] => Child(RULE | rule),
            [least, ..] => {
                // INVARIANT: the leaves together have at most `MAX_ENTRIES` entries, or are a single one.
                let leaf = Span::append(&mut self.index.leaves, &numbers).unwrap_or_default();
                self.push(least, Kind::Leaf(leaf))
            }
        }
    }

    fn push(&mut self, least: u32, kind: Kind) -> Child {
        // INVARIANT: a level has at most `MAX_ENTRIES` nodes, and an index that came near the limit would
        // not fit into memory.
        let number = u32::try_from(self.index.nodes.len()).unwrap_or(MAX_RULES).min(MAX_RULES);
        self.index.nodes.push(Node { least, kind });
        Child(number)
    }

    fn least(&self, child: Child) -> u32 {
        match child {
            Child::NONE => u32::MAX,
            Child(rule) if rule & RULE != 0 => rule & !RULE,
            Child(node) => self.index.nodes.get(node as usize).map_or(u32::MAX, |node| node.least),
        }
    }

    /// The dimension that leaves the fewest rules to check, if asking for it pays.
    ///
    /// A request is taken to be like the rules: a value that many rules name is asked for often. Half of
    /// the requests are taken to match nothing.
    fn best_question(&self, rows: &[usize], asked: &[Dimension], budget: usize) -> Option<Dimension> {
        // Dimensions in the order in which they turn up, so that building twice gives the same tree.
        let mut counts: Vec<Count<'b>> = Vec::new();
        let mut places: HashMap<Dimension, usize, FixedState> = HashMap::default();
        for &row in rows {
            for Keys { dimension, keys } in self.rows.get(row).into_iter().flat_map(|row| &row.by) {
                if asked.contains(dimension) {
                    continue;
                }
                let place = *places.entry(*dimension).or_insert_with(|| {
                    counts.push(Count::new(*dimension));
                    counts.len() - 1
                });
                if let Some(count) = counts.get_mut(place) {
                    count.rows += 1;
                    count.entries += keys.len();
                    for &key in keys {
                        *count.keys.entry(self.content(key)).or_default() += 1;
                    }
                }
            }
        }
        let scored =
            counts.iter().filter(|count| count.entries + rows.len() - count.rows <= budget).map(|count| {
                let left = rows.len() - count.rows + count.expected();
                (left, count.dimension)
            });
        let (left, dimension) = scored.min_by_key(|(left, _)| *left)?;
        (left + QUESTION < rows.len() || left * 2 <= rows.len()).then_some(dimension)
    }

    fn split(
        &mut self,
        rows: &[usize],
        dimension: Dimension,
        asked: &mut Vec<Dimension>,
        budget: usize,
    ) -> Child {
        let mut filed: BTreeMap<Content<'b>, (Key, Vec<usize>)> = BTreeMap::new();
        let mut rest = Vec::new();
        let mut entries = 0;
        for &row in rows {
            let Some(keys) = self.keys(row, dimension) else {
                rest.push(row);
                entries += 1;
                continue;
            };
            for &key in keys {
                let (_, list) = filed.entry(self.content(key)).or_insert((key, Vec::new()));
                if list.last() != Some(&row) {
                    list.push(row);
                    entries += 1;
                }
            }
        }
        let share = |len: usize| budget / entries.max(1) * len;
        let mut children = Vec::with_capacity(filed.len());
        for (key, list) in filed.into_values() {
            let child = self.node(&list, asked, share(list.len()));
            children.push((key, child));
        }
        let rest = if rest.is_empty() { Child::NONE } else { self.node(&rest, asked, share(rest.len())) };
        let least = children.iter().map(|(_, child)| self.least(*child)).min().unwrap_or(u32::MAX);
        let least = least.min(self.least(rest));
        let split = self.lookups(dimension, children, rest);
        self.push(least, Kind::Split(Box::new(split)))
    }

    /// Sorts the children of a node into the structures that find them.
    fn lookups(&self, dimension: Dimension, children: Vec<(Key, Child)>, rest: Child) -> Split {
        let texts = self.texts;
        let mut split = Split {
            dimension,
            exact: Tags::default(),
            patterns: false,
            prefix: None,
            suffix: None,
            present: Child::NONE,
            ports: Vec::new(),
            v4: None,
            v6: None,
            rest,
        };
        let (mut exact, mut prefixes, mut suffixes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (key, child) in children {
            match key {
                Key::Exact(text) => exact.push((hash(texts.bytes(text)), child)),
                Key::Prefix(text) => prefixes.push((text, child)),
                Key::Suffix(text) => suffixes.push((text, child)),
                Key::Present => split.present = child,
                Key::Port(port) => split.ports.push((port, child)),
                Key::Block(IpBlock::V4 { network, mask }) => v4.push((network, network | !mask, child)),
                Key::Block(IpBlock::V6 { network, mask }) => v6.push((network, network | !mask, child)),
            }
        }
        split.exact = Tags::new(&exact);
        split.patterns = !prefixes.is_empty() || !suffixes.is_empty() || split.present != Child::NONE;
        split.ports.sort_unstable_by_key(|(port, _)| *port);
        split.prefix = (!prefixes.is_empty()).then(|| Trie::new(texts, End::Front, prefixes));
        split.suffix = (!suffixes.is_empty()).then(|| Trie::new(texts, End::Back, suffixes));
        split.v4 = (!v4.is_empty()).then(|| Ranges::new(v4));
        split.v6 = (!v6.is_empty()).then(|| Ranges::new(v6));
        split
    }
}

/// How a dimension would part the rules of a node.
struct Count<'b> {
    dimension: Dimension,
    /// Rules that constrain the dimension.
    rows: usize,
    /// Their values.
    entries: usize,
    keys: HashMap<Content<'b>, usize, FixedState>,
}

impl Count<'_> {
    fn new(dimension: Dimension) -> Self {
        Self { dimension, rows: 0, entries: 0, keys: HashMap::default() }
    }

    /// How many of the rules that constrain the dimension a request is expected to leave.
    fn expected(&self) -> usize {
        // A name of another form than Istio's, and presence, leave them all; neither is worth more thought.
        let present = self.keys.get(&Content::Present).copied().unwrap_or_default();
        let squares: usize = self.keys.values().map(|n| n * n).sum();
        present.max(squares / self.entries.max(1) / 2)
    }
}
