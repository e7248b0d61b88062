//! What a run did or found.

use std::fmt;

use super::backend::Tool;
use super::invocation::Invocation;
use crate::plan::HostStep;

/// What an apply or a cleanup did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What became of the rules.
    pub outcome: Outcome,
    /// The programs chosen, by family; empty for native nftables.
    pub tools: Vec<Tool>,
    /// Every command, in order; in a dry run those that would have been run.
    pub commands: Vec<Invocation>,
    /// What was set up beside the rules, and whether it was there already.
    pub host_steps: Vec<(HostStep, StepOutcome)>,
    /// What went differently from what one would expect, without harm.
    pub warnings: Vec<String>,
}

/// What became of the rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// They were installed.
    Applied,
    /// They were there already.
    Unchanged,
    /// They had drifted, were removed behind guardrails and installed again.
    Reconciled,
    /// They were removed.
    Cleaned,
    /// Nothing was run, or no rules were wanted.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::Unchanged => "already in place",
            Self::Reconciled => "repaired",
            Self::Cleaned => "removed",
            Self::Skipped => "nothing was run",
        })
    }
}

/// What became of one step beside the rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum StepOutcome {
    /// This run added it.
    Added,
    /// It was there.
    Existed,
    /// It was removed.
    Removed,
    /// It was not there to be removed.
    Absent,
    /// It cannot be set up here and is not needed then (`AMB-13`).
    Skipped,
}

/// What a verification found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verification {
    /// Every difference from the plan; none if the rules are as they should be.
    pub drifts: Vec<Difference>,
    /// The programs asked, by family; empty for native nftables.
    pub tools: Vec<Tool>,
    /// Every command, in order. None of them changes anything.
    pub commands: Vec<Invocation>,
    /// What was strange, without being a difference.
    pub warnings: Vec<String>,
}

impl Verification {
    /// Whether the rules, addresses and routes are as planned.
    pub fn is_in_sync(&self) -> bool {
        self.drifts.is_empty()
    }
}

/// One difference between the plan and the machine, in a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference(pub(super) String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
