//! The compiled form of policies: flat tables of rules, clauses and tests over one pool of text.
//!
//! ```text
//! Rule ── clauses (all must hold)         Clause ── attribute, tests for it (one must pass),
//!      └─ groups  (one alternative each)         └─ negated tests (none may pass)
//! ```
//!
//! A group stands for a `from` or a `to` with several entries; a single entry is part of the rule's
//! clauses.

mod attribute;
mod clause;
mod lower;
mod matching;
mod pattern;
mod text;
mod ztunnel;

pub(crate) use attribute::{Attribute, HeaderName, MetadataKey};
pub(crate) use clause::{Clause, Lists, Origin};
pub(crate) use lower::{LowerContext, Names, lower_policy};
pub(crate) use pattern::{Pattern, Test};
pub(crate) use text::{Text, Texts, equal, hash};

use crate::cidr::IpBlock;

/// A range of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Adds `items` to `table`, which must not grow beyond 32-bit offsets.
    pub(crate) fn append<T: Copy>(table: &mut Vec<T>, items: &[T]) -> Option<Self> {
        let start = u32::try_from(table.len()).ok()?;
        let len = u32::try_from(items.len()).ok()?;
        start.checked_add(len)?;
        table.extend_from_slice(items);
        Some(Self { start, len })
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn of<T>(self, table: &[T]) -> &[T] {
        let start = self.start as usize;
        // INVARIANT: spans are made by the lowering of the very table. A wrong one would be empty.
        table.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Index into the policy set's list of policies.
    pub(crate) policy: u32,
    /// Index within the policy.
    pub(crate) index: u32,
    /// Clauses that must all hold.
    pub(crate) clauses: Span,
    /// Groups of alternatives; one alternative of each must hold.
    pub(crate) groups: Span,
    /// Whether any clause looks at something that exists on HTTP only.
    pub(crate) uses_http: bool,
    /// Stands for a policy that could not be compiled.
    pub(crate) invalid: bool,
    /// Matches nothing: ztunnel cannot enforce it (AUTHZ-ZT-04, AUTHZ-ZT-05).
    pub(crate) never: bool,
}

impl Rule {
    /// The rule that stands for the policy `policy`, which could not be built, and matches everything.
    pub(crate) fn everything(policy: u32) -> Self {
        let none = Span::default();
        Self { policy, index: 0, clauses: none, groups: none, uses_http: false, invalid: true, never: false }
    }
}

/// Everything rules refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) texts: Texts,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) lists: Vec<Lists>,
    pub(crate) tests: Vec<Test>,
    /// Spans of `alternatives`.
    pub(crate) groups: Vec<Span>,
    /// Spans of `clauses`.
    pub(crate) alternatives: Vec<Span>,
    pub(crate) blocks: Vec<IpBlock>,
    pub(crate) request_principals: Vec<(Pattern, Pattern)>,
    /// Patterns for the strings of a list.
    pub(crate) listed: Vec<Pattern>,
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) claims: Vec<Box<[Box<str>]>>,
    pub(crate) metadata: Vec<MetadataKey>,
    /// Whether the lines of a header count as one value (AUTHZ-HDR-03).
    pub(crate) joined_headers: bool,
}

impl Program {
    /// Gives back the room that building needed.
    pub(crate) fn freeze(&mut self) {
        self.texts.freeze();
        self.clauses.shrink_to_fit();
        self.lists.shrink_to_fit();
        self.tests.shrink_to_fit();
        self.groups.shrink_to_fit();
        self.alternatives.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.request_principals.shrink_to_fit();
    }
}
