//! What is filed under one path key: rules to try in order, and indexes over many rules that share the key.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::automaton::{Automaton, Budget};
use super::guard::{GuardIndex, Subject};
use super::{Candidate, NONE};
use crate::rule::Conditions;

/// From this many rules of one key on, those that differ in the value of one guard are found by hash.
const GUARDED: usize = 8;

/// An index over guards must tell at least this many values apart, else a scan is as good.
const DISTINCT: usize = 4;

/// From this many regexes of one key on, they share an automaton.
const REGEXES: usize = 4;

/// What a path key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The first rule that needs no check beyond the key, or `NONE`.
    pub(super) proved: u32,
    /// The bucket of the rules before that one, or `NONE`.
    pub(super) bucket: u32,
}

impl Slot {
    pub(super) const EMPTY: Self = Self { proved: NONE, bucket: NONE };
}

/// A stretch of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(super) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(super) fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Candidates to try one after another.
    pub(super) rules: Span,
    /// Sources to ask for further candidates.
    pub(super) sources: Span,
}

/// An index over some rules, worth asking once the search comes to the first of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) first: u32,
    pub(super) index: SourceIndex,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum SourceIndex {
    Guard(u32),
    Automaton(u32),
}

/// All buckets of a virtual host.
#[derive(Debug, Default)]
pub(super) struct BucketStore {
    pub(super) candidates: Box<[Candidate]>,
    pub(super) buckets: Box<[Bucket]>,
    pub(super) sources: Box<[Source]>,
    pub(super) guards: Box<[GuardIndex]>,
    pub(super) automata: Box<[Automaton]>,
}

/// Collects buckets.
pub(super) struct Buckets<'c> {
    rules: &'c [&'c Conditions],
    hash_seed: u64,
    budget: &'c mut Budget,
    candidates: Vec<Candidate>,
    filed: Vec<Bucket>,
    sources: Vec<Source>,
    guards: Vec<GuardIndex>,
    automata: Vec<Automaton>,
}

impl<'c> Buckets<'c> {
    pub(super) fn new(rules: &'c [&'c Conditions], hash_seed: u64, budget: &'c mut Budget) -> Self {
        Self {
            rules,
            hash_seed,
            budget,
            candidates: Vec::new(),
            filed: Vec::new(),
            sources: Vec::new(),
            guards: Vec::new(),
            automata: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> BucketStore {
        BucketStore {
            candidates: self.candidates.into(),
            buckets: self.filed.into(),
            sources: self.sources.into(),
            guards: self.guards.into(),
            automata: self.automata.into(),
        }
    }

    /// Files candidates, in rule order, of which only those before `bound` can win.
    pub(super) fn slot(&mut self, candidates: impl Iterator<Item = Candidate>, bound: u32) -> Slot {
        let mut open: SmallVec<[Candidate; 8]> = SmallVec::new();
        let mut proved = NONE;
        for candidate in candidates.take_while(|candidate| candidate.rule() < bound) {
            if candidate.is_proved() {
                proved = candidate.rule();
                break;
            }
            open.push(candidate);
        }
        if open.is_empty() {
            return Slot { proved, bucket: NONE };
        }
        let sources = self.index(&mut open);
        let rules = self.list(&open);
        self.filed.push(Bucket { rules, sources });
        Slot { proved, bucket: small(self.filed.len() - 1) }
    }

    /// The smallest rule number under a slot.
    pub(super) fn first(&self, slot: Slot) -> u32 {
        let Some(bucket) = self.filed.get(slot.bucket as usize) else { return slot.proved };
        let rule = self.candidates.get(bucket.rules.start as usize).filter(|_| !bucket.rules.is_empty());
        let source = self.sources.get(bucket.sources.start as usize).filter(|_| !bucket.sources.is_empty());
        let rule = rule.map_or(NONE, |candidate| candidate.rule());
        slot.proved.min(rule).min(source.map_or(NONE, |source| source.first))
    }

    fn list(&mut self, list: &[Candidate]) -> Span {
        let start = small(self.candidates.len());
        self.candidates.extend_from_slice(list);
        Span { start, end: small(self.candidates.len()) }
    }

    /// Takes out of `open` what an index finds faster than a scan.
    fn index(&mut self, open: &mut SmallVec<[Candidate; 8]>) -> Span {
        let mut sources = Vec::new();
        if open.len() >= GUARDED {
            self.index_guards(open, &mut sources);
        }
        if open.len() >= REGEXES {
            self.index_regexes(open, &mut sources);
        }
        sources.sort_by_key(|source| source.first);
        let start = small(self.sources.len());
        self.sources.append(&mut sources);
        Span { start, end: small(self.sources.len()) }
    }

    /// Rules that ask for one of many values of the same header, say, are found by that value (ROUTE-PERF-14).
    fn index_guards(&mut self, open: &mut SmallVec<[Candidate; 8]>, sources: &mut Vec<Source>) {
        let mut values: HashMap<Subject<'_>, HashMap<&[u8], u32, FixedState>, FixedState> =
            HashMap::default();
        for (subject, value) in
            open.iter().filter_map(|open| self.when(*open)).flat_map(Conditions::exact_guards)
        {
            *values.entry(subject).or_default().entry(value).or_default() += 1;
        }
        values.retain(|_, values| values.len() >= DISTINCT);
        if values.is_empty() {
            return;
        }
        // Each rule goes where most values are told apart.
        let mut groups: HashMap<Subject<'_>, Vec<(&[u8], Candidate)>, FixedState> = HashMap::default();
        let rules = self.rules;
        open.retain(|candidate| {
            let Some(when) = rules.get(candidate.rule() as usize) else { return true };
            let distinct = |subject: &Subject<'_>| values.get(subject).map_or(0, HashMap::len);
            let best = when.exact_guards().max_by_key(|(subject, _)| distinct(subject));
            let Some((subject, value)) = best.filter(|(subject, _)| distinct(subject) > 0) else {
                return true;
            };
            let proved = candidate.is_path_proved() && when.guard_count() == 1;
            let candidate = if proved { Candidate::proved(candidate.rule()) } else { *candidate };
            groups.entry(subject).or_default().push((value, candidate));
            false
        });
        for (subject, members) in groups {
            let Some((_, first)) = members.first() else { continue };
            let source = Source { first: first.rule(), index: SourceIndex::Guard(small(self.guards.len())) };
            let mut lists: HashMap<&[u8], Vec<Candidate>, FixedState> = HashMap::default();
            for (value, candidate) in members {
                let list = lists.entry(value).or_default();
                if list.last().is_none_or(|last| !last.is_proved()) {
                    list.push(candidate);
                }
            }
            let lists = lists.into_iter().map(|(value, list)| (value, self.list(&list)));
            let lists: Vec<(&[u8], Span)> = lists.collect();
            self.guards.push(GuardIndex::new(subject, lists, self.hash_seed));
            sources.push(source);
        }
    }

    /// Many regexes with one literal head are run side by side (ROUTE-PERF-12).
    fn index_regexes(&mut self, open: &mut SmallVec<[Candidate; 8]>, sources: &mut Vec<Source>) {
        let mut regexes = Vec::new();
        for candidate in open.iter() {
            let hir = self.when(*candidate).and_then(Conditions::path_match).and_then(|path| path.hir());
            if let Some(hir) = hir {
                regexes.push((*candidate, hir));
            }
        }
        // Halves of what is too large together may each be small enough.
        let mut parts = vec![regexes.as_slice()];
        let mut taken = Vec::new();
        while let Some(part) = parts.pop() {
            let Some((first, _)) = part.first().filter(|_| part.len() >= REGEXES) else { continue };
            let hirs: Vec<_> = part.iter().map(|(_, hir)| *hir).collect();
            let numbers: Vec<Candidate> =
                part.iter().map(|(candidate, _)| self.path_proved(*candidate)).collect();
            match Automaton::new(&hirs, &numbers, &mut self.candidates, self.budget) {
                Some(automaton) => {
                    let index = SourceIndex::Automaton(small(self.automata.len()));
                    sources.push(Source { first: first.rule(), index });
                    self.automata.push(automaton);
                    taken.extend(part.iter().map(|(candidate, _)| candidate.rule()));
                }
                None if self.budget.is_spent() => break,
                None => {
                    let (left, right) = part.split_at(part.len() / 2);
                    parts.extend([right, left]);
                }
            }
        }
        taken.sort_unstable();
        open.retain(|candidate| taken.binary_search(&candidate.rule()).is_err());
    }

    fn when(&self, candidate: Candidate) -> Option<&'c Conditions> {
        self.rules.get(candidate.rule() as usize).copied()
    }

    fn path_proved(&self, candidate: Candidate) -> Candidate {
        let bare = self.when(candidate).is_some_and(Conditions::is_path_only);
        Candidate::new(candidate.rule(), true, bare)
    }
}

// INVARIANT: positions fit, since a rule is filed once and there are at most `MAX_RULES`; automata are limited by
// their budget.
pub(super) fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
