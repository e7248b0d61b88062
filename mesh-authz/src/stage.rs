//! A stage: all rules of one action, in the order in which one of them is reported.

use crate::decision::RuleName;
use crate::policy::PolicyId;
use crate::program::{Program, Rule};
use crate::request::Request;

/// What rules that use HTTP attributes do on TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTcp {
    /// They never match: ALLOW (AUTHZ-TCP-02).
    LeaveOut,
    /// They go by what is left of them: every other action (AUTHZ-TCP-03).
    Widen,
}

/// The rules of the selected policies of one action.
///
/// Sorted by the name that Envoy knows them under, byte by byte: of several matching rules Envoy reports
/// the first in that order (AUTHZ-EVAL-11).
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    rules: Box<[Rule]>,
    on_tcp: OnTcp,
}

impl Stage {
    pub(crate) fn new(mut rules: Vec<Rule>, policies: &[PolicyId], on_tcp: OnTcp) -> Self {
        rules.sort_by_cached_key(|rule| {
            policies.get(rule.policy as usize).map(|p| RuleName::new(p, rule.index as usize).to_string())
        });
        Self { rules: rules.into(), on_tcp }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether `rule` is left out of the evaluation of `request`.
    pub(crate) fn leaves_out(&self, rule: &Rule, request: &Request<'_>) -> bool {
        rule.uses_http && self.on_tcp == OnTcp::LeaveOut && request.http.is_none()
    }

    /// The first matching rule.
    pub(crate) fn first_match(&self, program: &Program, request: &Request<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| !self.leaves_out(rule, request) && program.rule_matches(rule, request))
    }
}
