//! Finds the first matching rule without trying all of them.
//!
//! Every rule keeps its list number. Each structure yields ascending lists of rules that *may* match the path:
//! a hash map for exact paths, a tree for prefixes (regexes hang there under the literal text they start with),
//! one list for rules without a path. A structure may offer too many rules and must not miss one. The lists are
//! then read in merged order, smallest number first, so the first rule whose conditions hold is the answer and
//! no rule below the winner is tried that a linear scan would not have tried too.

mod tree;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::path::Key;
use crate::rule::Conditions;
use tree::Tree;

/// Below this many rules a linear scan is as fast (ROUTE-PERF-19).
const LINEAR: usize = 12;

/// Lists read side by side. More than this many prefixes of one path with rules of their own are read in
/// several rounds, so that no heap is ever needed.
const STREAMS: usize = 16;

/// A rule that may match, and whether finding it proved all its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u32);

impl Candidate {
    /// Rule numbers stay below this bit.
    const PROVED: u32 = 1 << 31;

    fn new(rule: u32, proved: bool) -> Self {
        Self(rule | if proved { Self::PROVED } else { 0 })
    }

    fn rule(self) -> u32 {
        self.0 & !Self::PROVED
    }

    fn is_proved(self) -> bool {
        self.0 & Self::PROVED != 0
    }
}

/// The most rules a virtual host may have, and the most bytes the paths of its rules may have together: an
/// index counts both in 32 bits.
pub(crate) const MAX_RULES: usize = 1 << 30;

#[derive(Debug)]
pub(crate) enum PathIndex {
    /// Few rules: scan them.
    Linear(u32),
    Indexed(Box<Indexed>),
}

#[derive(Debug)]
pub(crate) struct Indexed {
    exact: HashMap<Box<[u8]>, Box<[Candidate]>, FixedState>,
    prefix: Tree,
    /// Everything that ignores letter case; keys are folded.
    folded: Tree,
    any: Box<[Candidate]>,
}

impl PathIndex {
    pub(crate) fn new<'c>(rules: impl ExactSizeIterator<Item = &'c Conditions>, hash_seed: u64) -> Self {
        Self::with_linear_limit(rules, hash_seed, LINEAR)
    }

    fn with_linear_limit<'c>(
        rules: impl ExactSizeIterator<Item = &'c Conditions>,
        hash_seed: u64,
        linear: usize,
    ) -> Self {
        if rules.len() <= linear {
            return Self::Linear(u32::try_from(rules.len()).unwrap_or(u32::MAX));
        }
        let mut exact: HashMap<Box<[u8]>, Vec<Candidate>, FixedState> =
            HashMap::with_hasher(FixedState::with_seed(hash_seed));
        let (mut prefix, mut folded, mut any) = (Vec::new(), Vec::new(), Vec::new());
        for (number, when) in (0u32..).zip(rules) {
            let Some(path) = when.path_match() else {
                any.push(Candidate::new(number, when.is_path_only()));
                continue;
            };
            let (key, proves) = path.key();
            let candidate = Candidate::new(number, proves && when.is_path_only());
            match key {
                Key::Exact(path) => exact.entry(path.into()).or_default().push(candidate),
                Key::Prefix(text) if path.folds() => {
                    folded.push((text.to_ascii_lowercase().into(), candidate));
                }
                Key::Prefix(text) => prefix.push((text.into(), candidate)),
            }
        }
        let exact = exact.into_iter().map(|(path, list)| (path, until_proved(list))).collect();
        Self::Indexed(Box::new(Indexed {
            exact,
            prefix: Tree::new(prefix),
            folded: Tree::new(folded),
            any: until_proved(any),
        }))
    }

    /// The smallest rule number for which `holds`, given that it could be called for any rule.
    pub(crate) fn first(&self, path: &str, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
        let index = match self {
            Self::Linear(rules) => return (0..*rules).find(|rule| holds(*rule)),
            Self::Indexed(index) => index,
        };
        let path = path.as_bytes();
        let mut search = Search { streams: [&[]; STREAMS], used: 0, best: Candidate::PROVED, holds };
        if !index.exact.is_empty()
            && let Some(list) = index.exact.get(path)
        {
            search.add(list);
        }
        search.add(&index.any);
        index.prefix.walk::<false>(path, |list| search.add(list));
        index.folded.walk::<true>(path, |list| search.add(list));
        search.settle();
        (search.best != Candidate::PROVED).then_some(search.best)
    }
}

/// Cuts a list after its first rule that needs no further check: what follows can never win (ROUTE-PERF-17).
fn until_proved(mut list: Vec<Candidate>) -> Box<[Candidate]> {
    if let Some(end) = list.iter().position(|candidate| candidate.is_proved()) {
        list.truncate(end + 1);
    }
    list.into_boxed_slice()
}

struct Search<'i, F> {
    streams: [&'i [Candidate]; STREAMS],
    used: usize,
    /// The winner so far, or `Candidate::PROVED`, which is above every rule number.
    best: u32,
    holds: F,
}

impl<'i, F: FnMut(u32) -> bool> Search<'i, F> {
    fn add(&mut self, list: &'i [Candidate]) {
        let Some(first) = list.first() else { return };
        if first.rule() >= self.best {
            return;
        }
        if self.used == STREAMS {
            self.settle();
        }
        if let Some(slot) = self.streams.get_mut(self.used) {
            *slot = list;
            self.used += 1;
        }
    }

    /// Reads the lists in merged order up to the first rule that holds.
    fn settle(&mut self) {
        let streams = self.streams.get_mut(..self.used).unwrap_or_default();
        let head = |list: &[Candidate]| list.first().map_or(u32::MAX, |candidate| candidate.rule());
        while let Some(stream) = streams.iter_mut().min_by_key(|list| head(list)) {
            let Some((candidate, rest)) = stream.split_first() else { break };
            if candidate.rule() >= self.best {
                break;
            }
            if candidate.is_proved() || (self.holds)(candidate.rule()) {
                self.best = candidate.rule();
                break;
            }
            *stream = rest;
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests;
