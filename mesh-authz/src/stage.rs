//! A stage: all rules of one action, in the order in which one of them is reported.

use crate::decision::RuleName;
use crate::index::Index;
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
    /// Neither they nor any other rule of the stage matches: CUSTOM with a provider that speaks HTTP
    /// (AUTHZ-TCP-06).
    Ignore,
}

/// What a stage is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selected {
    pub(crate) rules: Vec<Rule>,
    /// Numbers of policies without rules.
    pub(crate) without_rules: Vec<u32>,
}

/// The rules of the selected policies of one action.
///
/// Sorted by the name that Envoy knows them under, byte by byte: of several matching rules Envoy reports
/// the first in that order (AUTHZ-EVAL-11).
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    rules: Box<[Rule]>,
    /// Selected policies that have no rules.
    without_rules: Box<[u32]>,
    on_tcp: OnTcp,
    index: Index,
    /// For connections without HTTP, if rules mean something else there.
    l4_index: Option<Index>,
}

impl Stage {
    pub(crate) fn new(selected: Selected, policies: &[PolicyId], program: &Program, on_tcp: OnTcp) -> Self {
        let Selected { mut rules, without_rules } = selected;
        rules.sort_by_cached_key(|rule| {
            policies.get(rule.policy as usize).map(|p| RuleName::new(p, rule.index as usize).to_string())
        });
        let widened = on_tcp == OnTcp::Widen && rules.iter().any(|rule| rule.uses_http);
        Self {
            index: Index::new(program, &rules, false),
            l4_index: widened.then(|| Index::new(program, &rules, true)),
            rules: rules.into(),
            without_rules: without_rules.into(),
            on_tcp,
        }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn without_rules(&self) -> &[u32] {
        &self.without_rules
    }

    /// Whether rules that use HTTP attributes are left out of the evaluation of `request`.
    pub(crate) fn skips_http(&self, request: &Request<'_>) -> bool {
        self.on_tcp == OnTcp::LeaveOut && request.http.is_none()
    }

    /// The first matching rule.
    pub(crate) fn first_match<'s>(&'s self, program: &Program, request: &Request<'_>) -> Option<&'s Rule> {
        if self.on_tcp == OnTcp::Ignore && request.http.is_none() {
            return None;
        }
        let index = match &self.l4_index {
            Some(index) if request.http.is_none() => index,
            _ => &self.index,
        };
        let (skips_http, rules) = (self.skips_http(request), &*self.rules);
        let found = index.first_match(program, request, move |number| {
            let rule = rules.get(number as usize);
            rule.is_some_and(|rule| !(skips_http && rule.uses_http) && program.rule_matches(rule, request))
        })?;
        self.rules.get(found as usize)
    }
}
