//! DestinationRules that other ones keep from being used (MODEL-RES-19, MODEL-RES-21, MODEL-PIT-13).

use super::conflicts::seniority;
use super::index::Index;
use crate::common::StringMap;
use crate::networking::DestinationRule;
use crate::object::Object;
use crate::resolve::Visibility;
use crate::validate::report::{At, Report, show};
use std::collections::{BTreeMap, HashMap};

/// How many rules are kept of those that a wildcard may hide, and with how many visibilities a rule is compared.
const KEPT: usize = 16;

/// Rules for the services of their own namespace that a wildcard covers.
#[derive(Default)]
struct Covered {
    /// The first that everybody sees.
    public: Vec<usize>,
    /// The first that a namespace sees.
    named: HashMap<String, usize>,
}

/// Rules for one host in one namespace that are merged, and what they have said so far.
struct Merged<'o> {
    visibility: Visibility,
    policy: Option<usize>,
    subsets: HashMap<&'o str, usize>,
}

impl Merged<'_> {
    /// True when a newer rule of that visibility is merged into these (MODEL-RES-21).
    fn takes(&self, newer: &Visibility) -> bool {
        match (&self.visibility, newer) {
            (_, Visibility::Public) => true,
            (Visibility::Public, Visibility::Namespaces(_)) => false,
            (Visibility::Namespaces(old), Visibility::Namespaces(new)) => new.is_superset(old),
        }
    }
}

/// What of a rule is not used, and because of which older one.
#[derive(Default)]
struct Ignored {
    policy: Option<usize>,
    subsets: Vec<(usize, usize)>,
}

pub(super) struct RuleOrder<'o> {
    objects: &'o [Object],
    /// By wildcard host.
    covered: HashMap<String, Covered>,
    ignored: BTreeMap<usize, Ignored>,
}

impl<'o> RuleOrder<'o> {
    pub(super) fn new(index: &Index<'o>) -> Self {
        let mut new = Self { objects: index.objects, covered: HashMap::new(), ignored: BTreeMap::new() };
        let mut groups: HashMap<(&str, String, Option<&StringMap>), Vec<Merged<'o>>> = HashMap::new();
        for at in index.by_age.iter().copied() {
            let Some(object) = index.objects.get(at) else { continue };
            let Some(rule) = object.as_destination_rule() else { continue };
            let host = index.full_name(&rule.host, &object.metadata.namespace);
            let visibility = Visibility::of(object, &index.mesh);
            new.cover(at, object, &host, &visibility, index);
            let selector = rule.workload_selector.as_ref().map(|selector| &selector.match_labels);
            let selector = selector.filter(|labels| !labels.is_empty());
            let group = groups.entry((&object.metadata.namespace, host, selector)).or_default();
            new.merge(at, rule, visibility, group);
        }
        new
    }

    /// Files a rule for a service of its own namespace under the wildcards that cover it.
    fn cover(&mut self, at: usize, object: &Object, host: &str, visibility: &Visibility, index: &Index<'o>) {
        let own = object.metadata.namespace.as_str();
        if host.starts_with('*') || !index.is_owner(host, own) {
            return;
        }
        for wide in index.wider_rule_hosts(host) {
            let covered = self.covered.entry(wide).or_default();
            match visibility {
                Visibility::Public if covered.public.len() < KEPT => covered.public.push(at),
                Visibility::Public => {}
                Visibility::Namespaces(seen) => {
                    for namespace in seen.iter().filter(|namespace| *namespace != own) {
                        covered.named.entry(namespace.clone()).or_insert(at);
                    }
                }
            }
        }
    }

    fn merge(
        &mut self,
        at: usize,
        rule: &'o DestinationRule,
        visibility: Visibility,
        group: &mut Vec<Merged<'o>>,
    ) {
        let mut ignored = Ignored::default();
        let older = || group.iter().take(KEPT).filter(|older| older.takes(&visibility));
        if rule.traffic_policy.is_some() {
            ignored.policy = older().find_map(|older| older.policy);
        }
        for (number, subset) in rule.subsets.iter().enumerate() {
            let name = subset.name.as_str();
            if let Some(other) = older().find_map(|older| older.subsets.get(name).copied()) {
                ignored.subsets.push((number, other));
            }
        }
        if ignored.policy.is_some() || !ignored.subsets.is_empty() {
            self.ignored.insert(at, ignored);
        }
        let same = group.iter().position(|older| older.visibility == visibility);
        let same = same.unwrap_or_else(|| {
            group.push(Merged { visibility, policy: None, subsets: HashMap::new() });
            group.len() - 1
        });
        if let Some(same) = group.get_mut(same) {
            same.policy = same.policy.or(rule.traffic_policy.as_ref().map(|_| at));
            for subset in &rule.subsets {
                same.subsets.entry(&subset.name).or_insert(at);
            }
        }
    }

    /// Reports what was found about the rule at `at`.
    pub(super) fn report(
        &self,
        at: usize,
        report: &mut Report<'_>,
        rule: &DestinationRule,
        index: &Index<'_>,
    ) {
        let spec = At::OBJECT.field("spec");
        self.hidden(report, &spec.field("host"), rule, index);
        let Some(ignored) = self.ignored.get(&at) else { return };
        if let Some(other) = ignored.policy.and_then(|other| self.objects.get(other)) {
            let named = other.reference();
            report
                .warning(
                    "MODEL-RES-21",
                    &spec.field("trafficPolicy"),
                    format!("not used, {named} has a `trafficPolicy` for this host already"),
                )
                .help(format!("of the two {named} {}; put both into one rule", seniority(other)));
        }
        let subsets = spec.field("subsets");
        for (number, other) in &ignored.subsets {
            let (Some(subset), Some(other)) = (rule.subsets.get(*number), self.objects.get(*other)) else {
                continue;
            };
            let named = other.reference();
            report
                .warning(
                    "MODEL-RES-21",
                    &subsets.index(*number),
                    format!("not used, {named} defines `{}` for this host already", show(&subset.name)),
                )
                .help(format!(
                    "of the two {named} {}; rename one, or put both into one rule",
                    seniority(other)
                ));
        }
    }

    /// A wildcard in a client's namespace before the rule of the service's owner (MODEL-RES-19).
    fn hidden(&self, report: &mut Report<'_>, at: &At<'_>, rule: &DestinationRule, index: &Index<'_>) {
        let own = report.namespace();
        let host = index.full_name(&rule.host, own);
        // In the root namespace only its private rules come first, and those are for nobody else's services.
        if !host.starts_with('*')
            || own == index.root
            || !Visibility::of(report.object, &index.mesh).includes(own)
        {
            return;
        }
        let Some(covered) = self.covered.get(&host) else { return };
        let candidates = covered.public.iter().chain(covered.named.get(own));
        let hidden = candidates.filter_map(|at| self.objects.get(*at)).find(|other| {
            let namespace = &other.metadata.namespace;
            let host = other.as_destination_rule().map(|rule| index.full_name(&rule.host, namespace));
            // An own rule for the very host comes before the wildcard.
            namespace != own && host.is_some_and(|host| !index.has_rule(&host, own))
        });
        if let Some(other) = hidden {
            let named = other.reference();
            report
                .warning(
                    "MODEL-RES-19",
                    at,
                    format!(
                        "for clients in `{own}` `{}` hides {named}, though that is more specific",
                        show(&rule.host)
                    ),
                )
                .help(
                    "a rule in the client's namespace is used first; name the hosts that are meant instead",
                );
        }
    }
}
