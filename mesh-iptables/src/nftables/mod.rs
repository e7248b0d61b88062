//! The same interception as native nftables: one table of both families for each of nat, mangle and raw.

mod ambient;
mod sidecar;
mod text;
mod transaction;

#[cfg(test)]
mod tests;

pub(crate) use text::rule_text;

use crate::chain::{Chain, Table};
use crate::plan::HostStep;
use crate::rule::{self, Rule};

/// Which tables a plan uses, and how its text is normalised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Sidecar,
    AmbientPod,
    AmbientHost,
}

/// The rules of a native nftables ruleset, with the same structure as a [`RulePlan`](crate::RulePlan).
///
/// One list serves both families: the tables are of family `inet`. Behaviour differs from `iptables` in the
/// places section 4.5 of the reference lists; above all IPv6 is captured even when it is off (`NFT-30`).
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, Table};
/// let plan = CaptureConfig::builder().build()?.nftables_plan();
/// let transaction = plan.transaction(); // for `nft -f -`
/// assert!(transaction.starts_with("add table inet istio-proxy-nat\nflush table inet istio-proxy-nat\n"));
/// assert_eq!(plan.rules(Table::Mangle).count(), 0);
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NftablesPlan {
    pub(crate) rules: Vec<Rule>,
    pub(crate) steps: Vec<HostStep>,
    pub(crate) owner: Owner,
    pub(crate) ipv6: bool,
}

impl NftablesPlan {
    /// The rules of a table in the order they are emitted. Chains carry their `iptables` names; see
    /// [`Chain::nft_name`].
    pub fn rules(&self, table: Table) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.table == table)
    }

    /// The rules of one chain in the order the kernel walks them, inserts applied.
    pub fn chain(&self, table: Table, chain: &Chain) -> Vec<&Rule> {
        rule::in_chain_order(self.rules(table).filter(|rule| rule.chain == *chain))
    }

    /// What must be set up beside the rules, after them (section 2.2, `NFT-48`).
    pub fn host_steps(&self) -> &[HostStep] {
        &self.steps
    }

    /// The name of the table that stands for `table`; the filter table has none.
    pub fn table_name(&self, table: Table) -> Option<&'static str> {
        match (self.owner, table) {
            (_, Table::Filter) => None,
            (Owner::Sidecar, Table::Nat) => Some("istio-proxy-nat"),
            (Owner::Sidecar, Table::Mangle) => Some("istio-proxy-mangle"),
            (Owner::Sidecar, Table::Raw) => Some("istio-proxy-raw"),
            (_, Table::Nat) => Some("istio-ambient-nat"),
            (_, Table::Mangle) => Some("istio-ambient-mangle"),
            (_, Table::Raw) => Some("istio-ambient-raw"),
        }
    }
}
