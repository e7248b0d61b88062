//! Clauses: an attribute and the tests for it.

use super::{Attribute, Pattern, Program, Span, Test, Text};

/// One constraint: the attribute passes one of its tests, if there are any, and none of the negated ones.
///
/// Most clauses have one value, written in `tag` and `value` and not in the tables of the program: one load
/// less on the way to a decision, and a third less memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clause {
    pub(crate) attribute: Attribute,
    pub(crate) origin: Origin,
    /// The way to decide it, for the most usual clauses.
    pub(super) quick: Quick,
    tag: Tag,
    value: Text,
}

/// Where in a rule a clause was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    From(u16),
    To(u16),
    When(u16),
}

/// Tests of which one must pass, and negated ones of which none may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lists {
    pub(crate) tests: Span,
    pub(crate) negated: Span,
}

/// Clauses with one value that need no loop and no table: attribute and form in one number, so that a
/// decision branches once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quick {
    MethodIs,
    PathIs,
    PathStarts,
    PrincipalIs,
    PrincipalStarts,
    PrincipalEnds,
    PortIs,
    SourceIn,
    /// All others.
    No,
}

/// What `value` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// A [`Test`] of the variant.
    Exact,
    Prefix,
    Suffix,
    Present,
    Namespace,
    StrictNamespace,
    ServiceAccount,
    TrustDomain,
    RequestPrincipal,
    Template,
    Block,
    Port,
    Listed,
    /// An index into [`Program::lists`].
    Lists,
}

/// The tests of a clause.
pub(crate) enum Tests<'p> {
    One(Test),
    Lists(&'p [Test], &'p [Test]),
}

impl Tests<'_> {
    /// Those of which one must pass, if there are any.
    pub(crate) fn wanted(&self) -> &[Test] {
        match self {
            Self::One(test) => std::slice::from_ref(test),
            Self::Lists(tests, _) => tests,
        }
    }

    /// Those of which none may pass.
    pub(crate) fn excluded(&self) -> &[Test] {
        match self {
            Self::One(_) => &[],
            Self::Lists(_, negated) => negated,
        }
    }
}

impl Clause {
    /// A clause with one test. `plain` says that its text has no `?` and no `#`.
    pub(super) fn one(attribute: Attribute, origin: Origin, test: Test, plain: bool) -> Self {
        let number = |number: u32| Text::of_number(number);
        let (tag, value) = match test {
            Test::String(Pattern::Exact(text)) => (Tag::Exact, text),
            Test::String(Pattern::Prefix(text)) => (Tag::Prefix, text),
            Test::String(Pattern::Suffix(text)) => (Tag::Suffix, text),
            Test::String(Pattern::Present) => (Tag::Present, Text::default()),
            Test::Namespace(text) => (Tag::Namespace, text),
            Test::StrictNamespace(text) => (Tag::StrictNamespace, text),
            Test::ServiceAccount(text) => (Tag::ServiceAccount, text),
            Test::TrustDomain(text) => (Tag::TrustDomain, text),
            Test::Template(text) => (Tag::Template, text),
            Test::RequestPrincipal(index) => (Tag::RequestPrincipal, number(index)),
            Test::Block(index) => (Tag::Block, number(index)),
            Test::Port(port) => (Tag::Port, number(u32::from(port))),
            Test::Listed(index) => (Tag::Listed, number(index)),
        };
        let quick = match (attribute, tag) {
            (Attribute::Method, Tag::Exact) => Quick::MethodIs,
            (Attribute::Path, Tag::Exact) if plain => Quick::PathIs,
            (Attribute::Path, Tag::Prefix) if plain => Quick::PathStarts,
            (Attribute::Principal, Tag::Exact) => Quick::PrincipalIs,
            (Attribute::Principal, Tag::Prefix) => Quick::PrincipalStarts,
            (Attribute::Principal, Tag::Suffix) => Quick::PrincipalEnds,
            (Attribute::DestinationPort, Tag::Port) => Quick::PortIs,
            (Attribute::SourceIp, Tag::Block) => Quick::SourceIn,
            _ => Quick::No,
        };
        Self { attribute, origin, quick, tag, value }
    }

    /// A clause whose tests are the entry `lists` of the program's table.
    pub(super) fn lists(attribute: Attribute, origin: Origin, lists: u32) -> Self {
        Self { attribute, origin, quick: Quick::No, tag: Tag::Lists, value: Text::of_number(lists) }
    }

    /// The text of the one value.
    #[inline]
    pub(super) fn text(&self) -> Text {
        self.value
    }

    /// The number or index that the one value is.
    #[inline]
    pub(super) fn number(&self) -> u32 {
        self.value.number()
    }
}

impl Program {
    /// The tests of a clause.
    pub(crate) fn tests(&self, clause: &Clause) -> Tests<'_> {
        let (text, number) = (clause.text(), clause.number());
        Tests::One(match clause.tag {
            Tag::Exact => Test::String(Pattern::Exact(text)),
            Tag::Prefix => Test::String(Pattern::Prefix(text)),
            Tag::Suffix => Test::String(Pattern::Suffix(text)),
            Tag::Present => Test::String(Pattern::Present),
            Tag::Namespace => Test::Namespace(text),
            Tag::StrictNamespace => Test::StrictNamespace(text),
            Tag::ServiceAccount => Test::ServiceAccount(text),
            Tag::TrustDomain => Test::TrustDomain(text),
            Tag::Template => Test::Template(text),
            Tag::RequestPrincipal => Test::RequestPrincipal(number),
            Tag::Block => Test::Block(number),
            // INVARIANT: it was made from a `u16`.
            Tag::Port => Test::Port(u16::try_from(number).unwrap_or_default()),
            Tag::Listed => Test::Listed(number),
            Tag::Lists => {
                // INVARIANT: the index was given out when the entry was made.
                let of =
                    |lists: &Lists| Tests::Lists(lists.tests.of(&self.tests), lists.negated.of(&self.tests));
                return self.lists.get(number as usize).map_or(Tests::Lists(&[], &[]), of);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Rule;

    #[test]
    fn the_tables_are_small() {
        // AUTHZ-PERF-33: these sizes times the entries of a rule are most of what a rule costs.
        assert_eq!(size_of::<Clause>(), 24);
        assert_eq!(size_of::<Rule>(), 28);
        assert_eq!(size_of::<Test>(), 12);
    }
}
