//! RequestAuthentication without anybody who asks for a token (MODEL-RA-8, MODEL-PIT-25).

use super::attach;
use super::index::Index;
use super::workloads::Workloads;
use crate::common::StringMap;
use crate::object::Object;
use crate::security::authorization_policy::Rule;
use crate::security::{AuthorizationPolicy, RequestAuthentication};
use crate::validate::report::{At, Report, show};
use std::collections::{HashMap, HashSet};

/// The policies of a namespace that ask for a token and have a selector, so far as it can be known without workloads.
#[derive(Default)]
struct Selective<'o> {
    count: usize,
    /// How many ask for the key.
    keys: HashMap<&'o str, usize>,
    pairs: HashSet<(&'o str, &'o str)>,
}

impl Selective<'_> {
    /// False when each of them contradicts `selector`; in doubt true.
    fn may_meet(&self, selector: Option<&StringMap>) -> bool {
        let Some(selector) = selector else { return self.count > 0 };
        let meets = |(key, value): (&String, &String)| {
            let asked = self.keys.get(key.as_str()).copied().unwrap_or(0);
            asked < self.count || self.pairs.contains(&(key.as_str(), value.as_str()))
        };
        self.count > 0 && selector.iter().all(meets)
    }
}

/// Whether somebody asks for a token.
#[derive(Clone, Copy)]
enum Asked {
    /// So far as can be known.
    Yes,
    No,
    /// Not the policies of this workload.
    NotBy(usize),
}

pub(super) struct Tokens<'o> {
    root: &'o str,
    /// Namespaces with a policy without selector that asks for a token.
    namespaces: HashSet<&'o str>,
    selective: HashMap<&'o str, Selective<'o>>,
    /// Namespace, kind and name of targets.
    targets: HashSet<(&'o str, &'o str, &'o str)>,
    guarded: HashSet<usize>,
    /// What was found for a namespace, or all, and a selector.
    selected: HashMap<(Option<&'o str>, Option<&'o StringMap>), Asked>,
}

/// True when the policy mentions what only a token gives.
fn asks(policy: &AuthorizationPolicy) -> bool {
    let rule = |rule: &Rule| {
        let mut sources = rule.from.iter().filter_map(|from| from.source.as_ref());
        sources
            .any(|source| !source.request_principals.is_empty() || !source.not_request_principals.is_empty())
            || rule.when.iter().any(|condition| condition.key.starts_with("request.auth."))
    };
    policy.rules.iter().any(rule)
}

impl<'o> Tokens<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let root = index.root.as_str();
        let mut new = Self {
            root,
            namespaces: HashSet::new(),
            selective: HashMap::new(),
            targets: HashSet::new(),
            guarded: HashSet::new(),
            selected: HashMap::new(),
        };
        let mut seen: HashSet<(&str, &StringMap)> = HashSet::new();
        for object in index.objects {
            if !object.as_authorization_policy().is_some_and(asks) {
                continue;
            }
            let namespace = object.metadata.namespace.as_str();
            let targets = attach::targets(object);
            new.targets
                .extend(targets.iter().map(|target| (namespace, target.kind.as_str(), target.name.as_str())));
            if !targets.is_empty() {
                continue;
            }
            let Some(selector) = attach::selector(object) else {
                new.namespaces.insert(namespace);
                continue;
            };
            if !seen.insert((namespace, selector)) {
                continue;
            }
            let selective = new.selective.entry(namespace).or_default();
            selective.count += 1;
            for (key, value) in selector {
                *selective.keys.entry(key).or_default() += 1;
                selective.pairs.insert((key, value));
            }
            let scope = (namespace != root).then_some(namespace);
            new.guarded.extend(index.workloads.select(scope, selector).map(|(at, _)| at));
        }
        new
    }

    /// `object` is the one that `report` is about.
    pub(super) fn check(
        &mut self,
        report: &mut Report<'_>,
        object: &'o Object,
        policy: &RequestAuthentication,
        workloads: &Workloads<'o>,
    ) {
        if policy.jwt_rules.is_empty() {
            return;
        }
        let place = match self.asked(object, workloads) {
            Asked::Yes => return,
            Asked::No => String::new(),
            Asked::NotBy(workload) => format!(" of {}", show(&workloads.name(workload))),
        };
        let spec = At::OBJECT.field("spec");
        report
            .warning(
                "MODEL-RA-8",
                &spec.field("jwtRules"),
                format!("requests without a token pass, no AuthorizationPolicy{place} asks for one"),
            )
            .help("add one with rules: [{from: [{source: {requestPrincipals: [\"*\"]}}]}]");
    }

    fn asked(&mut self, object: &'o Object, workloads: &Workloads<'o>) -> Asked {
        let namespace = object.metadata.namespace.as_str();
        if self.namespaces.contains(namespace) || self.namespaces.contains(self.root) {
            return Asked::Yes;
        }
        let selector = attach::selector(object);
        let scope = (namespace != self.root).then_some(namespace);
        let targets = attach::targets(object);
        if targets.is_empty() {
            // Many may select the same.
            if let Some(known) = self.selected.get(&(scope, selector)) {
                return *known;
            }
            let everything = StringMap::new();
            let mut selected = workloads.select(scope, selector.unwrap_or(&everything)).peekable();
            let open = selected.peek().is_some().then(|| {
                selected.find(|(at, workload)| {
                    !self.guarded.contains(at) && !self.namespaces.contains(workload.namespace())
                })
            });
            let asked = match open {
                Some(Some((at, _))) => Asked::NotBy(at),
                Some(None) => Asked::Yes,
                None => self.in_doubt(namespace, selector),
            };
            self.selected.insert((scope, selector), asked);
            return asked;
        }
        let mut named = targets.iter();
        if named.any(|target| self.targets.contains(&(namespace, target.kind.as_str(), target.name.as_str())))
        {
            return Asked::Yes;
        }
        self.in_doubt(namespace, None)
    }

    /// Whether some policy can be for the same workloads, without knowing any.
    fn in_doubt(&self, namespace: &str, selector: Option<&StringMap>) -> Asked {
        let may_meet = |found: &Selective<'_>| found.may_meet(selector);
        let may = if namespace == self.root {
            !self.namespaces.is_empty() || self.selective.values().any(may_meet)
        } else {
            [namespace, self.root].iter().any(|place| self.selective.get(place).is_some_and(may_meet))
        };
        if may { Asked::Yes } else { Asked::No }
    }
}
