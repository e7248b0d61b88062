//! Who calls: the places of a policy that name callers, and callers that cannot be named.

use super::workloads::{Membership, Workloads};
use crate::security::authorization_policy::{Condition, Rule, Source};
use crate::validate::report::At;
use std::collections::HashMap;

/// How a list names callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// `<trust domain>/ns/<namespace>/sa/<account>`.
    Principal,
    Namespace,
    /// `<account>` or `<namespace>/<account>`.
    Account,
}

/// A part of a rule that speaks of callers.
enum Part<'r> {
    Source(&'r Source),
    Condition(&'r Condition),
}

fn parts(at: &At<'_>, rules: &[Rule], mut visit: impl FnMut(&At<'_>, Part<'_>)) {
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        let from = at.field("from");
        for (index, entry) in rule.from.iter().enumerate() {
            let Some(source) = &entry.source else { continue };
            let at = from.index(index);
            visit(&at.field("source"), Part::Source(source));
        }
        let when = at.field("when");
        for (index, condition) in rule.when.iter().enumerate() {
            visit(&when.index(index), Part::Condition(condition));
        }
    }
}

/// Calls `visit` with every list of values that names callers by their identity.
pub(super) fn identities(at: &At<'_>, rules: &[Rule], mut visit: impl FnMut(&At<'_>, Identity, &[String])) {
    let mut told = |at: &At<'_>, identity: Identity, values: &[String]| {
        if !values.is_empty() {
            visit(at, identity, values);
        }
    };
    parts(at, rules, |at, part| match part {
        Part::Source(source) => {
            told(&at.field("principals"), Identity::Principal, &source.principals);
            told(&at.field("namespaces"), Identity::Namespace, &source.namespaces);
            told(&at.field("serviceAccounts"), Identity::Account, &source.service_accounts);
        }
        Part::Condition(condition) => {
            let identity = match condition.key.as_str() {
                "source.principal" => Identity::Principal,
                "source.namespace" => Identity::Namespace,
                "source.serviceAccount" => Identity::Account,
                _ => return,
            };
            told(&at.field("values"), identity, &condition.values);
        }
    });
}

/// Calls `visit` with every list of namespaces whose workloads a rule leaves out.
pub(super) fn excluded_namespaces(at: &At<'_>, rules: &[Rule], mut visit: impl FnMut(&At<'_>, &[String])) {
    parts(at, rules, |at, part| match part {
        Part::Source(source) => visit(&at.field("notNamespaces"), &source.not_namespaces),
        Part::Condition(condition) if condition.key == "source.namespace" => {
            visit(&at.field("notValues"), &condition.not_values);
        }
        Part::Condition(_) => {}
    });
}

/// Namespaces and accounts whose workloads have no identity, because none has a proxy: one workload of each.
pub(super) struct Callers<'o> {
    by_namespace: HashMap<&'o str, Option<usize>>,
    by_account: HashMap<(&'o str, &'o str), Option<usize>>,
}

impl<'o> Callers<'o> {
    pub(super) fn new(workloads: &Workloads<'o>) -> Self {
        let mut new = Self { by_namespace: HashMap::new(), by_account: HashMap::new() };
        for (at, workload) in workloads.iter() {
            let Some(pod) = workload.spec else { continue };
            let account = match pod.service_account_name.as_str() {
                "" => "default",
                name => name,
            };
            let namespace = new.by_namespace.entry(workload.namespace()).or_insert(Some(at));
            let account = new.by_account.entry((workload.namespace(), account)).or_insert(Some(at));
            // Where some have a proxy the others may be meant to do without.
            if workload.membership != Membership::Outside {
                (*namespace, *account) = (None, None);
            }
        }
        new
    }

    /// A workload that a value of a policy of the namespace `own` means, and that has no identity.
    ///
    /// Values with `*` mean too many for one of them to be remarkable.
    pub(super) fn without_identity(&self, identity: Identity, value: &str, own: &str) -> Option<usize> {
        match identity {
            Identity::Namespace => self.by_namespace.get(value).copied().flatten(),
            Identity::Account => {
                let (namespace, account) = value.split_once('/').unwrap_or((own, value));
                self.by_account.get(&(namespace, account)).copied().flatten()
            }
            Identity::Principal => {
                let (_, rest) = value.split_once("/ns/")?;
                let (namespace, account) = rest.split_once("/sa/")?;
                self.by_account.get(&(namespace, account)).copied().flatten()
            }
        }
    }
}
