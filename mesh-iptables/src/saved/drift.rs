//! What is different from a plan (`SAV-11` to `SAV-14`).

use std::collections::HashSet;
use std::fmt;

use super::{SavedRules, is_istio, normal_form};
use crate::chain::{Chain, Family, Table};
use crate::plan::RulePlan;
use crate::render::{chains_of, saved_rule};
use crate::rule::Rule;

/// One difference between a plan and the tables of the kernel.
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, DriftKind, Family, SavedRules};
/// let plan = CaptureConfig::builder().build()?.plan();
/// let live = plan.restore_input(Family::Ipv4).replace("--to-ports 15006", "--to-ports 16006");
/// let drift = plan.drift(Family::Ipv4, &SavedRules::parse(&live));
/// assert!(matches!(&drift[0].kind, DriftKind::RuleMissing { .. }));
/// assert_eq!(
///     drift[0].to_string(),
///     "IPv4 nat ISTIO_IN_REDIRECT: the rule `-p tcp -j REDIRECT --to-ports 15006` is missing",
/// );
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Drift {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: Chain,
    /// What is different there.
    pub kind: DriftKind,
}

/// What is different in a chain. The order of rules and foreign rules in built-in chains are no difference
/// (`SAV-13`).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DriftKind {
    /// The chain is not there, or it is a built-in chain without a rule.
    ChainMissing,
    /// A chain of Istio's is there that the plan does not have in this table.
    ChainUnexpected,
    /// A chain of Istio's has another number of rules.
    RuleCount {
        /// How many the plan has.
        expected: usize,
        /// How many are there.
        found: usize,
    },
    /// A rule of the plan is not there.
    RuleMissing {
        /// The rule without its chain, as a save prints it.
        rule: String,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: ", self.family, self.table, self.chain)?;
        match &self.kind {
            DriftKind::ChainMissing if self.chain.is_built_in() => f.write_str("no rule is there"),
            DriftKind::ChainMissing => f.write_str("the chain is missing"),
            DriftKind::ChainUnexpected => f.write_str("the chain is not part of the plan"),
            DriftKind::RuleCount { expected, found } => write!(f, "{found} rules instead of {expected}"),
            DriftKind::RuleMissing { rule } => write!(f, "the rule `{rule}` is missing"),
        }
    }
}

impl RulePlan {
    /// What one family's tables lack or have too much of (`SAV-13`), in the order of tables and chains; empty
    /// when they are as planned. For a family without planned rules only chains of Istio's count.
    ///
    /// Rules are compared in the form a save prints (`SAV-20` to `SAV-29`), so that this answers what the
    /// check commands of `RST-05` would, without running them. Names of users and groups are numbers in a save
    /// (`SAV-30`): replace them first with [`with_numeric_owners`](Self::with_numeric_owners), else such rules
    /// count as missing.
    ///
    /// Cost: linear in the plan and the save.
    pub fn drift(&self, family: Family, saved: &SavedRules) -> Vec<Drift> {
        let mut drift = Vec::new();
        for table in Table::ALL {
            let rules: Vec<&Rule> = self.rules(family).iter().filter(|rule| rule.table == table).collect();
            table_drift(family, table, &rules, saved, &mut drift);
        }
        drift
    }
}

impl RulePlan {
    /// The chains of Istio's that hold just the planned rules, in another order. The check commands of `RST-05` do
    /// not see it, and neither does [`drift`](Self::drift), but the first rule that matches decides.
    #[cfg_attr(not(feature = "apply"), allow(dead_code, reason = "said by `verify` alone"))]
    pub(crate) fn reordered(&self, family: Family, saved: &SavedRules) -> Vec<(Table, Chain)> {
        let mut reordered = Vec::new();
        for table in Table::ALL {
            let rules: Vec<&Rule> = self.rules(family).iter().filter(|rule| rule.table == table).collect();
            for chain in chains_of(&rules).into_iter().map(Chain::named).filter(Chain::is_istio) {
                let mut wanted: Vec<String> =
                    self.chain(family, table, &chain).into_iter().map(saved_rule).collect();
                let lines = saved.rules(table, chain.name());
                let mut found: Vec<String> =
                    lines.iter().map(|line| normal_form(family, table, line)).collect();
                if wanted == found {
                    continue;
                }
                wanted.sort_unstable();
                found.sort_unstable();
                if wanted == found {
                    reordered.push((table, chain));
                }
            }
        }
        reordered
    }
}

fn table_drift(family: Family, table: Table, rules: &[&Rule], saved: &SavedRules, drift: &mut Vec<Drift>) {
    let mut add = |chain: &str, kind| drift.push(Drift { family, table, chain: Chain::named(chain), kind });
    let mut expected: Vec<&str> = chains_of(rules);
    for rule in rules.iter().filter(|rule| rule.chain.is_built_in()) {
        if !expected.contains(&rule.chain.name()) {
            expected.push(rule.chain.name());
        }
    }
    for &chain in &expected {
        let found = saved.rules(table, chain);
        let wanted: Vec<&&Rule> = rules.iter().filter(|rule| rule.chain.name() == chain).collect();
        if !saved.has_chain(table, chain) {
            add(chain, DriftKind::ChainMissing);
            continue;
        }
        if is_istio(chain) && found.len() != wanted.len() {
            add(chain, DriftKind::RuleCount { expected: wanted.len(), found: found.len() });
        }
        let present: HashSet<String> = found.iter().map(|line| normal_form(family, table, line)).collect();
        for rule in wanted {
            let text = saved_rule(rule);
            if !present.contains(&text) {
                let rule = text.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
                add(chain, DriftKind::RuleMissing { rule });
            }
        }
    }
    for chain in saved.chains(table).filter(|chain| is_istio(chain) && !expected.contains(chain)) {
        add(chain, DriftKind::ChainUnexpected);
    }
}
