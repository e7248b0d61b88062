//! By which values a rule can be found.

use super::Dimension;
use crate::cidr::IpBlock;
use crate::path_template::literal_prefix;
use crate::program::{Attribute, Clause, Pattern, Program, Rule, Span, Test, Text};

/// A value under which a rule is filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Exact(Text),
    Prefix(Text),
    Suffix(Text),
    Present,
    Port(u16),
    Block(IpBlock),
}

/// The keys of a rule in one dimension: a request that has none of them cannot match the rule.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) dimension: Dimension,
    pub(super) keys: Vec<Key>,
}

/// A rule, or one alternative of a rule, as it is filed.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) rule: u32,
    pub(super) by: Vec<Keys>,
}

/// A rule whose alternatives have nothing in common to be found by is filed once for each of them, up
/// to this many.
const MAX_ALTERNATIVES: usize = 16;

/// Adds `rule`, the one with number `number`, to `rows`. With `l4` it is filed by what TCP connections
/// have.
pub(super) fn file(program: &Program, rule: &Rule, number: u32, l4: bool, rows: &mut Vec<Row>) {
    if rule.never {
        return;
    }
    let mut by = conjunction(program, rule.clauses, l4);
    let mut alternatives = Vec::new();
    for group in rule.groups.of(&program.groups) {
        let entries: Vec<_> =
            group.of(&program.alternatives).iter().map(|entry| conjunction(program, *entry, l4)).collect();
        let common = common(&entries);
        if common.is_empty() && alternatives.is_empty() && entries.len() <= MAX_ALTERNATIVES {
            alternatives = entries;
        }
        by.extend(common);
    }
    if alternatives.is_empty() {
        rows.push(Row { rule: number, by: narrowest(by) });
        return;
    }
    for entry in alternatives {
        rows.push(Row { rule: number, by: narrowest(by.iter().cloned().chain(entry).collect()) });
    }
}

/// Keeps the shortest list of each dimension.
fn narrowest(by: Vec<Keys>) -> Vec<Keys> {
    let mut kept: Vec<Keys> = Vec::with_capacity(by.len());
    for keys in by {
        match kept.iter_mut().find(|k| k.dimension == keys.dimension) {
            Some(known) if known.keys.len() > keys.keys.len() => *known = keys,
            Some(_) => {}
            None => kept.push(keys),
        }
    }
    kept
}

/// The dimensions in which every one of `entries` has keys, with the keys of all.
fn common(entries: &[Vec<Keys>]) -> Vec<Keys> {
    let Some((first, others)) = entries.split_first() else { return Vec::new() };
    let joined = first.iter().map(|keys| {
        let mut all = keys.clone();
        for entry in others {
            let same = entry.iter().find(|k| k.dimension == keys.dimension)?;
            all.keys.extend(&same.keys);
        }
        Some(all)
    });
    joined.flatten().collect()
}

fn conjunction(program: &Program, clauses: Span, l4: bool) -> Vec<Keys> {
    let clauses = clauses.of(&program.clauses).iter().filter(|c| !(l4 && c.attribute.is_http()));
    clauses.flat_map(|clause| of_clause(program, clause)).collect()
}

fn of_clause(program: &Program, clause: &Clause) -> Vec<Keys> {
    let tests = program.tests(clause);
    let tests = tests.wanted();
    if tests.is_empty() {
        return Vec::new();
    }
    // If one value cannot be filed, neither can the clause: it may match by that value.
    let all = |dimension: Dimension, key: &dyn Fn(&Test) -> Option<Key>| {
        let keys = tests.iter().map(key).collect::<Option<Vec<_>>>()?;
        Some(Keys { dimension, keys })
    };
    let dimension = Dimension::Of(clause.attribute);
    let found = match clause.attribute {
        Attribute::RequestPrincipal => {
            let half = |test: &Test, subject: bool| {
                let Test::RequestPrincipal(number) = test else { return None };
                let (issuer, sub) = program.request_principals.get(*number as usize)?;
                Some(string(if subject { *sub } else { *issuer }))
            };
            let issuer = all(Dimension::Issuer, &|test| half(test, false));
            let subject = all(Dimension::Subject, &|test| half(test, true));
            return [issuer, subject].into_iter().flatten().collect();
        }
        // Looked up by its own structure and seldom used: left to the check of the rule.
        Attribute::Metadata(_) => None,
        _ => all(dimension, &|test| key(program, *test)),
    };
    found.into_iter().collect()
}

fn string(pattern: Pattern) -> Key {
    match pattern {
        Pattern::Exact(text) => Key::Exact(text),
        Pattern::Prefix(text) => Key::Prefix(text),
        Pattern::Suffix(text) => Key::Suffix(text),
        Pattern::Present => Key::Present,
    }
}

fn key(program: &Program, test: Test) -> Option<Key> {
    let plain = |text: Text| !program.texts.bytes(text).contains(&b'*');
    match test {
        Test::String(pattern) => Some(string(pattern)),
        Test::Namespace(text) | Test::StrictNamespace(text) => {
            // A glob, or text that spans segments, is no single namespace.
            let slashes = memchr::memchr_iter(b'/', program.texts.bytes(text)).count();
            (plain(text) && slashes == 3).then_some(Key::Exact(text))
        }
        Test::TrustDomain(text) => plain(text).then_some(Key::Exact(text)),
        Test::ServiceAccount(text) => Some(Key::Exact(text)),
        Test::Template(text) => {
            Some(Key::Prefix(text.part(0, literal_prefix(program.texts.bytes(text)).len())))
        }
        Test::Block(number) => program.blocks.get(number as usize).copied().map(Key::Block),
        Test::Port(port) => Some(Key::Port(port)),
        Test::RequestPrincipal(_) | Test::Listed(_) => None,
    }
}
