//! Many regexes as one automaton that tells which of them accept the whole path (ROUTE-PERF-12).
//!
//! The patterns are laid into one nondeterministic automaton that shares common beginnings (`.*/service` of
//! `.*/service1/` and `.*/service2/`), which is what keeps the deterministic one small. That one is built in full
//! ahead of time, under limits: unlike a lazily filled one it needs no cache at lookup, so it can be shared
//! between threads without locks and a lookup allocates nothing. What exceeds the limits is not built; its
//! patterns are tested one by one.

use std::collections::{BTreeMap, HashMap, VecDeque};

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{BuildError, Builder, NFA, Transition};
use regex_automata::util::alphabet::Unit;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look};

use super::Candidate;
use super::bucket::{Span, small};

/// What the regexes of a whole table may cost to compile together. The text of a pattern bounds neither.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes of work that may still go into automata which then turn out too large: this bounds the time.
    wasted: usize,
    /// Bytes that automata may still take.
    bytes: usize,
}

impl Budget {
    /// Enough for more than ten thousand ordinary patterns, and about a fifth of a second of vain work.
    pub(crate) fn new() -> Self {
        Self { wasted: 8 << 20, bytes: 64 << 20 }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.wasted == 0
    }

    /// What one automaton may cost. Ordinary patterns, of a few parts and with texts of their own, take half of
    /// this at most.
    fn limits(&self, patterns: usize) -> Limits {
        let limit = |most: usize, base: usize, each: usize| most.min(patterns.saturating_mul(each) + base);
        Limits {
            work: limit(16 << 20, 32 << 10, 2 << 10),
            bytes: limit(16 << 20, 32 << 10, 4 << 10).min(self.bytes),
        }
    }
}

#[derive(Clone, Copy)]
struct Limits {
    /// The most bytes of sets of states while the automaton is made.
    work: usize,
    /// The most bytes of its table, and of the nondeterministic automaton it is made from.
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Automaton {
    classes: Box<[u8; 256]>,
    /// For each state a row of next states, one for each class of bytes. A state is named by where its row
    /// starts; the first one accepts nothing and is never left.
    next: Box<[u32]>,
    /// What matches if the path ends in a state: stretches of candidates.
    accepted: Box<[Span]>,
    /// Classes of bytes as a power of two.
    shift: u32,
    start: u32,
}

/// Why an automaton was not built.
struct Refused;

impl From<BuildError> for Refused {
    fn from(_: BuildError) -> Self {
        Self
    }
}

impl Automaton {
    /// Builds the automaton of `patterns`, each of which stands for the candidate at the same place; these are in
    /// rule order. Lists of candidates are appended to `lists`.
    pub(super) fn new(
        patterns: &[&Hir],
        candidates: &[Candidate],
        lists: &mut Vec<Candidate>,
        budget: &mut Budget,
    ) -> Option<Self> {
        if budget.is_spent() {
            return None;
        }
        let limits = budget.limits(patterns.len());
        let listed = lists.len();
        let built = Nfa::build(patterns, limits.bytes)
            .and_then(|nfa| Self::from_nfa(&nfa, candidates, lists, limits));
        if let Ok(automaton) = &built {
            budget.bytes = budget.bytes.saturating_sub(automaton.bytes() + (lists.len() - listed) * 4);
        } else {
            lists.truncate(listed);
            budget.wasted = budget.wasted.saturating_sub(limits.work + limits.bytes / 2);
        }
        built.ok()
    }

    fn bytes(&self) -> usize {
        self.next.len() * 4 + self.accepted.len() * 8
    }

    fn from_nfa(
        nfa: &NFA,
        candidates: &[Candidate],
        lists: &mut Vec<Candidate>,
        Limits { work, bytes }: Limits,
    ) -> Result<Self, Refused> {
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .accelerate(false)
            .minimize(false)
            .dfa_size_limit(Some(bytes))
            .determinize_size_limit(Some(work));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(nfa).map_err(|_| Refused)?;
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).map_err(|_| Refused)?;

        // Laid out again without what searching text needs, each state with the patterns that match where the
        // text ends.
        let mut classes = Box::new([0u8; 256]);
        for (byte, class) in (0..=u8::MAX).zip(classes.iter_mut()) {
            *class = dfa.byte_classes().get(byte);
        }
        let samples: Vec<u8> = dfa.byte_classes().representatives(0..=255).filter_map(Unit::as_u8).collect();
        let width = samples.len().next_power_of_two();
        let mut automaton = Self {
            classes,
            next: Box::default(),
            accepted: Box::default(),
            shift: width.trailing_zeros(),
            start: small(width),
        };
        let (mut next, mut accepted) = (vec![0u32; width], vec![Span::EMPTY]);
        let mut names = HashMap::from([(start, automaton.start)]);
        let mut known: HashMap<Vec<usize>, Span> = HashMap::new();
        let most = candidates.len() + bytes / 4;
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            let end = dfa.next_eoi_state(state);
            let mut matching: Vec<usize> = Vec::new();
            if dfa.is_match_state(end) {
                matching.extend((0..dfa.match_len(end)).map(|at| dfa.match_pattern(end, at).as_usize()));
                matching.sort_unstable();
            }
            let list = *known.entry(matching).or_insert_with_key(|matching| {
                let start = small(lists.len());
                for candidate in matching.iter().filter_map(|pattern| candidates.get(*pattern)) {
                    lists.push(*candidate);
                    if candidate.is_proved() {
                        break;
                    }
                }
                Span { start, end: small(lists.len()) }
            });
            accepted.push(list);
            if lists.len() > most || next.len() * 4 > bytes {
                return Err(Refused);
            }
            let row = next.len();
            next.resize(row + width, 0);
            for (class, byte) in samples.iter().enumerate() {
                let to = dfa.next_state(state, *byte);
                if dfa.is_dead_state(to) {
                    continue;
                }
                // Rows are laid out in the order in which states are found.
                let found = small((names.len() + 1) * width);
                let name = *names.entry(to).or_insert_with(|| {
                    queue.push_back(to);
                    found
                });
                if let Some(cell) = next.get_mut(row + class) {
                    *cell = name;
                }
            }
        }
        automaton.next = next.into();
        automaton.accepted = accepted.into();
        Ok(automaton)
    }

    /// The candidates whose regex accepts all of `path`.
    #[inline]
    pub(super) fn run(&self, path: &[u8]) -> Span {
        let mut state = self.start;
        for byte in path {
            let class = u32::from(self.classes.get(usize::from(*byte)).copied().unwrap_or(0));
            state = self.next.get((state + class) as usize).copied().unwrap_or(0);
            if state == 0 {
                return Span::EMPTY;
            }
        }
        self.accepted.get((state >> self.shift) as usize).copied().unwrap_or(Span::EMPTY)
    }
}

/// Puts patterns together, beginnings shared.
struct Nfa {
    builder: Builder,
}

/// A place in the tree of beginnings.
#[derive(Default)]
struct Place<'h> {
    bytes: BTreeMap<u8, usize>,
    parts: Vec<(&'h Hir, usize)>,
    /// Patterns that are complete here.
    ends: Vec<StateID>,
}

/// One step of a pattern.
enum Step<'h> {
    Byte(u8),
    Part(&'h Hir),
}

impl Nfa {
    fn build(patterns: &[&Hir], bytes: usize) -> Result<NFA, Refused> {
        let mut builder = Builder::new();
        builder.set_utf8(false);
        builder.set_size_limit(Some(bytes))?;
        let mut places = vec![Place::default()];
        // By the text of the part: the syntax tree of a pattern has equality but neither order nor hash.
        let mut parts: HashMap<(usize, String), usize> = HashMap::new();
        for pattern in patterns {
            builder.start_pattern()?;
            let end = builder.add_match()?;
            builder.finish_pattern(end)?;
            let mut steps = Vec::new();
            flatten(pattern, &mut steps);
            let mut at = 0;
            for step in steps {
                let new = places.len();
                let to = match step {
                    Step::Byte(byte) => {
                        places.get_mut(at).map(|place| *place.bytes.entry(byte).or_insert(new))
                    }
                    Step::Part(part) => {
                        let to = *parts.entry((at, format!("{:?}", part.kind()))).or_insert(new);
                        if to == new
                            && let Some(place) = places.get_mut(at)
                        {
                            place.parts.push((part, new));
                        }
                        Some(to)
                    }
                };
                at = to.ok_or(Refused)?;
                if at == new {
                    if new * size_of::<Place<'_>>() > 4 * bytes {
                        return Err(Refused);
                    }
                    places.push(Place::default());
                }
            }
            places.get_mut(at).ok_or(Refused)?.ends.push(end);
        }
        let mut nfa = Self { builder };
        // From the back, so that what follows a step exists before the step.
        let mut entries = vec![StateID::ZERO; places.len()];
        for (at, place) in places.iter().enumerate().rev() {
            let entry = |to: &usize| entries.get(*to).copied().ok_or(Refused);
            let mut ways = place.ends.clone();
            if !place.bytes.is_empty() {
                let sparse: Result<Vec<Transition>, Refused> = place
                    .bytes
                    .iter()
                    .map(|(byte, to)| Ok(Transition { start: *byte, end: *byte, next: entry(to)? }))
                    .collect();
                ways.push(nfa.builder.add_sparse(sparse?)?);
            }
            for (part, to) in &place.parts {
                let to = entry(to)?;
                ways.push(nfa.part(part, to)?);
            }
            let state = nfa.builder.add_union(ways)?;
            *entries.get_mut(at).ok_or(Refused)? = state;
        }
        let start = *entries.first().ok_or(Refused)?;
        Ok(nfa.builder.build(start, start)?)
    }

    /// Adds a part of a pattern that goes on at `next`; where it starts.
    fn part(&mut self, hir: &Hir, next: StateID) -> Result<StateID, Refused> {
        Ok(match hir.kind() {
            HirKind::Empty => next,
            HirKind::Literal(literal) => {
                let mut entry = next;
                for byte in literal.0.iter().rev() {
                    entry = self.builder.add_range(Transition { start: *byte, end: *byte, next: entry })?;
                }
                entry
            }
            HirKind::Class(Class::Bytes(class)) => self.class(class, next)?,
            HirKind::Class(Class::Unicode(class)) => {
                self.class(&class.to_byte_class().ok_or(Refused)?, next)?
            }
            HirKind::Look(look) => self.builder.add_look(next, assertion(*look)?)?,
            HirKind::Capture(capture) => self.part(&capture.sub, next)?,
            HirKind::Concat(parts) => {
                parts.iter().rev().try_fold(next, |next, part| self.part(part, next))?
            }
            HirKind::Alternation(parts) => {
                let ways: Result<Vec<StateID>, Refused> =
                    parts.iter().map(|part| self.part(part, next)).collect();
                self.builder.add_union(ways?)?
            }
            HirKind::Repetition(repetition) => {
                let (mut entry, mut left) = (next, repetition.min);
                match repetition.max {
                    None => {
                        let again = self.builder.add_union(Vec::new())?;
                        let once = self.part(&repetition.sub, again)?;
                        self.builder.patch(again, once)?;
                        self.builder.patch(again, next)?;
                        (entry, left) = if left == 0 { (again, 0) } else { (once, left - 1) };
                    }
                    Some(max) => {
                        for _ in repetition.min..max {
                            let once = self.part(&repetition.sub, entry)?;
                            entry = self.builder.add_union(vec![once, next])?;
                        }
                    }
                }
                for _ in 0..left {
                    entry = self.part(&repetition.sub, entry)?;
                }
                entry
            }
        })
    }

    fn class(&mut self, class: &ClassBytes, next: StateID) -> Result<StateID, Refused> {
        let ranges = class.ranges().iter();
        let ranges = ranges.map(|range| Transition { start: range.start(), end: range.end(), next });
        Ok(self.builder.add_sparse(ranges.collect())?)
    }
}

/// Splits what a pattern is a concatenation of. Assertions that hold for every whole match are left out.
fn flatten<'h>(hir: &'h Hir, steps: &mut Vec<Step<'h>>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Look(Look::Start) if steps.is_empty() => {}
        HirKind::Literal(literal) => steps.extend(literal.0.iter().map(|byte| Step::Byte(*byte))),
        HirKind::Capture(capture) => flatten(&capture.sub, steps),
        HirKind::Concat(parts) => parts.iter().for_each(|part| flatten(part, steps)),
        _ => steps.push(Step::Part(hir)),
    }
}

fn assertion(look: Look) -> Result<regex_automata::util::look::Look, Refused> {
    use regex_automata::util::look::Look as To;
    Ok(match look {
        Look::Start => To::Start,
        Look::End => To::End,
        Look::StartLF => To::StartLF,
        Look::EndLF => To::EndLF,
        Look::WordAscii => To::WordAscii,
        Look::WordAsciiNegate => To::WordAsciiNegate,
        // RE2 has no others.
        _ => return Err(Refused),
    })
}
