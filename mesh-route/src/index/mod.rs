//! Finds the first matching rule without trying all of them.
//!
//! Every rule keeps its list number. Each structure yields ascending lists of rules that *may* match (ROUTE-PERF-10):
//! a hash map for exact paths, a tree for prefixes (regexes hang there under the literal text they start with),
//! one list for rules without a path. Where many rules share such a key, those that ask for one of many values of
//! the same header (method, query parameter) are found by that value, and regexes by one automaton. A structure
//! may offer too many rules and must not miss one. The lists are then read in merged order, smallest number first,
//! so the first rule whose conditions hold is the answer and no rule below the winner is tried that a linear scan
//! would not have tried too. An index over guards or regexes is asked only when the search comes to the first of
//! its rules, so that many of them cost an early winner nothing. What does not fit into the fixed memory of a
//! lookup is scanned from there on.

mod automaton;
mod bucket;
mod guard;
mod tree;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::head::{Headers, RequestHead};
use crate::path::Key;
use crate::rule::Conditions;
use bucket::{BucketStore, Buckets, Slot, SourceIndex, Span};
use tree::Tree;

pub(crate) use automaton::Budget;
pub(crate) use guard::Subject;

/// Up to this many rules a linear scan is as fast (ROUTE-PERF-19).
const LINEAR: usize = 4;

/// Lists read side by side. A search with more goes on as a scan of all rules, so that no heap is ever needed.
const STREAMS: usize = 32;

/// No rule: above every rule number.
const NONE: u32 = u32::MAX;

/// A rule that may match, and what finding it proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate(u32);

impl Candidate {
    /// Rule numbers stay below these bits.
    const PROVED: u32 = 1 << 31;
    const PATH_PROVED: u32 = 1 << 30;

    /// `bare` says that the rule has no condition but the one on the path.
    fn new(rule: u32, path_proved: bool, bare: bool) -> Self {
        let proved = if path_proved && bare { Self::PROVED } else { 0 };
        Self(rule | proved | if path_proved { Self::PATH_PROVED } else { 0 })
    }

    fn proved(rule: u32) -> Self {
        Self::new(rule, true, true)
    }

    fn rule(self) -> u32 {
        self.0 & !(Self::PROVED | Self::PATH_PROVED)
    }

    fn is_proved(self) -> bool {
        self.0 & Self::PROVED != 0
    }

    fn is_path_proved(self) -> bool {
        self.0 & Self::PATH_PROVED != 0
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
    exact: HashMap<Box<[u8]>, Slot, FixedState>,
    /// Which lengths, modulo 64, exact paths have: spares most requests for other paths the hashing.
    exact_lengths: u64,
    prefix: Tree,
    /// Everything that ignores letter case; keys are folded.
    folded: Tree,
    any: Slot,
    store: BucketStore,
    /// How many rules there are.
    rules: u32,
}

impl PathIndex {
    pub(crate) fn new(rules: &[&Conditions], hash_seed: u64, budget: &mut Budget) -> Self {
        Self::with_linear_limit(rules, hash_seed, budget, LINEAR)
    }

    fn with_linear_limit(rules: &[&Conditions], hash_seed: u64, budget: &mut Budget, linear: usize) -> Self {
        let count = u32::try_from(rules.len()).unwrap_or(u32::MAX);
        if rules.len() <= linear {
            return Self::Linear(count);
        }
        let mut exact: HashMap<&[u8], Vec<Candidate>, FixedState> =
            HashMap::with_hasher(FixedState::default());
        let (mut prefix, mut folds, mut any) = (Vec::new(), Vec::new(), Vec::new());
        for (number, when) in (0u32..).zip(rules) {
            let Some(path) = when.path_match() else {
                let candidate = Candidate::new(number, true, when.is_path_only());
                any.push(candidate);
                if candidate.is_proved() {
                    // What comes after a rule without conditions is dead (ROUTE-PERF-17).
                    break;
                }
                continue;
            };
            let (key, proves) = path.key();
            let candidate = Candidate::new(number, proves, when.is_path_only());
            match key {
                Key::Exact(path) => exact.entry(path).or_default().push(candidate),
                Key::Prefix(text) if path.folds() => folds.push((text.to_ascii_lowercase(), candidate)),
                Key::Prefix(text) => {
                    prefix.push((text, candidate));
                    if candidate.is_proved() && matches!(text, b"" | b"/") {
                        // All paths start with `/`.
                        break;
                    }
                }
            }
        }
        let mut buckets = Buckets::new(rules, hash_seed, budget);
        let mut exact: Vec<(&[u8], Vec<Candidate>)> = exact.into_iter().collect();
        // In an order of its own, so that equal tables are built equal.
        exact.sort_unstable_by_key(|(path, _)| *path);
        let exact_lengths = exact.iter().fold(0, |lengths, (path, _)| lengths | length_bit(path));
        let exact: HashMap<_, _, _> = {
            let mut map = HashMap::with_capacity_and_hasher(exact.len(), FixedState::with_seed(hash_seed));
            map.extend(
                exact
                    .into_iter()
                    .map(|(path, list)| (Box::<[u8]>::from(path), buckets.slot(list.into_iter(), NONE))),
            );
            map
        };
        let folds = folds.iter().map(|(key, candidate)| (key.as_slice(), *candidate)).collect();
        Self::Indexed(Box::new(Indexed {
            exact,
            exact_lengths,
            prefix: Tree::new(prefix, &mut buckets),
            folded: Tree::new(folds, &mut buckets),
            any: buckets.slot(any.into_iter(), NONE),
            store: buckets.finish(),
            rules: count,
        }))
    }

    /// The smallest rule number for which `holds`, given that it could be called for any rule. The path must start
    /// with `/`.
    ///
    /// `holds` also learns whether the path is known to fit, so that only the other conditions are left to test.
    #[inline]
    pub(crate) fn first<H: Headers + ?Sized>(
        &self,
        head: &RequestHead<'_, H>,
        mut holds: impl FnMut(u32, bool) -> bool,
    ) -> Option<u32> {
        let index = match self {
            Self::Linear(rules) => return (0..*rules).find(|rule| holds(*rule, false)),
            Self::Indexed(index) => index,
        };
        let path = head.path().as_bytes();
        let mut search = Search { store: &index.store, streams: SmallVec::new(), best: NONE, full: false };
        if index.exact_lengths & length_bit(path) != 0
            && let Some(slot) = index.exact.get(path)
        {
            search.add(*slot);
        }
        search.add(index.any);
        index.prefix.walk::<false>(path, &mut search);
        index.folded.walk::<true>(path, &mut search);
        if !search.streams.is_empty() {
            search.settle(head, index.rules, &mut holds);
        }
        (search.best != NONE).then_some(search.best)
    }
}

fn length_bit(path: &[u8]) -> u64 {
    1 << (path.len() & 63)
}

/// A list, by its next rule.
#[derive(Clone, Copy)]
struct Stream {
    next: u32,
    /// What is left of it.
    rest: Span,
    /// Whether it lists sources, not candidates.
    sources: bool,
}

struct Search<'i> {
    store: &'i BucketStore,
    /// While the lists are read, a heap: the stream with the smallest next rule is first.
    streams: SmallVec<[Stream; STREAMS]>,
    /// The best rule that needs no further check, then the winner; `NONE` if there is none so far.
    best: u32,
    /// There was no room for a stream.
    full: bool,
}

impl Search<'_> {
    #[inline]
    fn add(&mut self, slot: Slot) {
        self.best = self.best.min(slot.proved);
        if slot.bucket != NONE {
            self.open(slot.bucket);
        }
    }

    fn open(&mut self, bucket: u32) {
        let Some(bucket) = self.store.buckets.get(bucket as usize) else { return };
        self.push(bucket.rules, false);
        self.push(bucket.sources, true);
    }

    /// Adds a stream at the end.
    fn push(&mut self, rest: Span, sources: bool) {
        let Some(next) = self.next(rest, sources).filter(|next| *next < self.best) else { return };
        if self.streams.len() < STREAMS {
            self.streams.push(Stream { next, rest, sources });
        } else {
            self.full = true;
        }
    }

    fn next(&self, rest: Span, sources: bool) -> Option<u32> {
        if rest.is_empty() {
            None
        } else if sources {
            self.store.sources.get(rest.start as usize).map(|source| source.first)
        } else {
            self.store.candidates.get(rest.start as usize).map(|candidate| candidate.rule())
        }
    }

    /// Reads the lists in merged order up to the first rule that holds.
    fn settle<H: Headers + ?Sized>(
        &mut self,
        head: &RequestHead<'_, H>,
        rules: u32,
        holds: &mut impl FnMut(u32, bool) -> bool,
    ) {
        if let ([Stream { rest, sources: false, .. }], false) = (self.streams.as_slice(), self.full) {
            let list = self.store.candidates.get(rest.start as usize..rest.end as usize).unwrap_or_default();
            let best = self.best;
            let found = list.iter().take_while(|candidate| candidate.rule() < best).find(|candidate| {
                candidate.is_proved() || holds(candidate.rule(), candidate.is_path_proved())
            });
            self.best = found.map_or(best, |found| found.rule());
            return;
        }
        // Where many rules are candidates anyway, trying all in turn is cheaper than merging, the more so the more
        // lists there are. The factors are measured.
        let listed = self.streams.iter().filter(|stream| !stream.sources).map(|stream| stream.rest.len());
        let weight = u32::try_from(self.streams.len().min(8)).unwrap_or(8);
        let merging = listed.sum::<u32>().saturating_mul(weight);
        if self.full || weight > 1 && merging >= self.best.min(rules) {
            return self.scan(0, rules, holds);
        }
        // A sorted list is a heap.
        self.streams.sort_unstable_by_key(|stream| stream.next);
        while let Some(Stream { next, rest, sources }) = self.streams.first().copied() {
            if next >= self.best {
                return;
            }
            if sources {
                if !self.ask(rest.start, head) {
                    return self.scan(next, rules, holds);
                }
                self.advance(Span { start: rest.start + 1, ..rest });
                continue;
            }
            // Until another stream is to be read.
            let other = |at: usize| self.streams.get(at).map_or(NONE, |stream| stream.next);
            let until = self.best.min(other(1)).min(other(2));
            let list = self.store.candidates.get(rest.start as usize..rest.end as usize).unwrap_or_default();
            let mut read = 0;
            for candidate in list {
                let rule = candidate.rule();
                if rule >= until && read > 0 {
                    break;
                }
                if candidate.is_proved() || holds(rule, candidate.is_path_proved()) {
                    self.best = rule;
                    return;
                }
                read += 1;
            }
            self.advance(Span { start: rest.start + read, ..rest });
        }
    }

    /// Adds what a source knows of this request; false if that cannot be said, or does not fit.
    fn ask<H: Headers + ?Sized>(&mut self, source: u32, head: &RequestHead<'_, H>) -> bool {
        let store = self.store;
        let Some(source) = store.sources.get(source as usize) else { return true };
        let before = self.streams.len();
        match source.index {
            SourceIndex::Guard(at) => {
                let Some(guards) = store.guards.get(at as usize) else { return true };
                if guards.find(head, |list| self.push(list, false)).is_err() {
                    return false;
                }
            }
            SourceIndex::Automaton(at) => {
                let Some(automaton) = store.automata.get(at as usize) else { return true };
                self.push(automaton.run(head.path().as_bytes()), false);
            }
        }
        for added in before..self.streams.len() {
            self.rise(added);
        }
        !self.full
    }

    /// Tries all rules from `from` on: what comes before was tried, or cannot match.
    fn scan(&mut self, from: u32, rules: u32, holds: &mut impl FnMut(u32, bool) -> bool) {
        if let Some(rule) = (from..self.best.min(rules)).find(|rule| holds(*rule, false)) {
            self.best = rule;
        }
    }

    /// Goes on in the first stream, and finds the new first one.
    fn advance(&mut self, rest: Span) {
        let Some(sources) = self.streams.first().map(|stream| stream.sources) else { return };
        match self.next(rest, sources) {
            Some(next) => {
                if let Some(stream) = self.streams.first_mut() {
                    (stream.next, stream.rest) = (next, rest);
                }
            }
            None => {
                self.streams.swap_remove(0);
            }
        }
        let mut at = 0;
        let next = |streams: &[Stream], at: usize| streams.get(at).map_or(NONE, |stream| stream.next);
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if next(&self.streams, right) < next(&self.streams, left) { right } else { left };
            if child >= self.streams.len() || next(&self.streams, at) <= next(&self.streams, child) {
                return;
            }
            self.streams.swap(at, child);
            at = child;
        }
    }

    fn rise(&mut self, mut at: usize) {
        let next = |streams: &[Stream], at: usize| streams.get(at).map_or(NONE, |stream| stream.next);
        while at > 0 {
            let parent = (at - 1) / 2;
            if next(&self.streams, parent) <= next(&self.streams, at) {
                return;
            }
            self.streams.swap(at, parent);
            at = parent;
        }
    }
}

#[cfg(test)]
mod tests;
