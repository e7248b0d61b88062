//! The rules a packet is walked through, from whatever source.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::chain::{Chain, Family, Table};
use crate::nftables::{self, NftablesPlan};
use crate::plan::RulePlan;
use crate::reason::Reason;
use crate::render::saved_rule;
use crate::rule::{Placement, Rule};
use crate::saved::{SavedRules, parse_rule, split_words};

/// Whose semantics rules have; they differ for packets without an owner (`NFT-60`) and for addresses of the
/// other family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Backend {
    /// `iptables` and `ip6tables`: two lists.
    Iptables,
    /// Native nftables: one list for both families.
    Nftables,
}

/// Rules by table and chain, ready to walk packets through.
///
/// Made from a plan ([`RulePlan::ruleset`], [`NftablesPlan::ruleset`]), or from text: what
/// `iptables-save` and `nft list ruleset` print or what their restore counterparts read. A rule with a word
/// the mesh does not know is kept and never matches; the simulation says that it was met.
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, CidrSet, Namespace, Packet, Verdict};
/// let config = CaptureConfig::builder().outbound_ranges(&CidrSet::all()).build()?;
/// let rules = config.plan().ruleset();
/// let outcome = rules.simulate(&"out uid=1000 dst=10.0.0.7:80".parse()?, &Namespace::new());
/// assert_eq!(outcome.verdict(), Verdict::Redirect { port: 15001 });
/// let outcome = rules.simulate(&"out uid=1337 dst=10.0.0.7:80".parse()?, &Namespace::new());
/// assert_eq!(outcome.verdict(), Verdict::Accept); // the proxy's own
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ruleset {
    pub(super) backend: Backend,
    ipv4: Tables,
    /// Unused by nftables.
    ipv6: Tables,
}

type Tables = HashMap<(Table, Chain), Vec<Entry>>;

/// One rule in its chain.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The rule, or the word that is not understood.
    pub(super) rule: Result<Rule, String>,
    /// The text it was read from.
    text: Option<String>,
}

impl Entry {
    pub(super) fn read(rule: Result<Rule, String>, text: String) -> Self {
        Self { rule, text: Some(text) }
    }

    /// Conditions and target, without table and chain.
    pub(super) fn text(&self, backend: Backend) -> Cow<'_, str> {
        match (&self.text, &self.rule) {
            (Some(text), _) => Cow::Borrowed(text),
            (None, Ok(rule)) => Cow::Owned(match backend {
                Backend::Iptables => without_operation(&rule.to_string()).to_owned(),
                Backend::Nftables => nftables::rule_text(rule),
            }),
            (None, Err(word)) => Cow::Borrowed(word),
        }
    }
}

/// A rule line without `-A CHAIN` or `-I CHAIN N`, and without counters.
fn without_operation(line: &str) -> &str {
    let mut rest = line.trim_start();
    while rest.starts_with('[') {
        rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
    }
    let is_insert = rest.starts_with("-I") || rest.starts_with("--insert");
    let mut parts = rest.splitn(3, ' ');
    rest = parts.nth(2).unwrap_or_default();
    match rest.split_once(' ') {
        Some((place, after)) if is_insert && place.bytes().all(|byte| byte.is_ascii_digit()) => after,
        _ => rest,
    }
}

impl Ruleset {
    /// The rules that `iptables-save` and `ip6tables-save` print, or that the restore tools read.
    pub fn from_saved(ipv4: &SavedRules, ipv6: &SavedRules) -> Self {
        let read = |family: Family, saved: &SavedRules| {
            let mut tables = Tables::new();
            for table in Table::ALL {
                for name in saved.chains(table) {
                    let chain = tables.entry((table, Chain::named(name))).or_default();
                    for line in saved.rules(table, name) {
                        let parsed = parse_rule(family, table, &split_words(line));
                        let placement = parsed
                            .as_ref()
                            .map_or_else(|_| Placement::Append, |parsed| parsed.rule.placement);
                        let text = without_operation(line).to_owned();
                        place(chain, placement, Entry::read(parsed.map(|parsed| parsed.rule), text));
                    }
                }
            }
            tables
        };
        let (ipv4, ipv6) = (read(Family::Ipv4, ipv4), read(Family::Ipv6, ipv6));
        Self { backend: Backend::Iptables, ipv4, ipv6 }
    }

    /// The mesh's tables as `nft list ruleset` prints them, or a transaction for `nft -f -`. Tables of others
    /// are passed over. Never fails.
    pub fn from_nftables(text: &str) -> Self {
        Self { backend: Backend::Nftables, ipv4: super::nft::read(text), ipv6: Tables::new() }
    }

    fn planned(backend: Backend, lists: [(Family, &[Rule]); 2]) -> Self {
        let mut ruleset = Self { backend, ipv4: Tables::new(), ipv6: Tables::new() };
        for (family, rules) in lists {
            let tables = match family {
                Family::Ipv4 => &mut ruleset.ipv4,
                Family::Ipv6 => &mut ruleset.ipv6,
            };
            for rule in rules {
                let chain = tables.entry((rule.table, rule.chain.clone())).or_default();
                place(chain, rule.placement, Entry { rule: Ok(rule.clone()), text: None });
            }
        }
        ruleset
    }

    /// Gives rules that were read from text the reasons of the plan's rules they equal (`SAV-34`), so that a
    /// walk through live rules explains itself.
    #[must_use]
    pub fn explained_by(mut self, plan: &RulePlan) -> Self {
        for (family, tables) in [(Family::Ipv4, &mut self.ipv4), (Family::Ipv6, &mut self.ipv6)] {
            let reasons: HashMap<(Table, String), Reason> =
                plan.rules(family).iter().map(|rule| ((rule.table, saved_rule(rule)), rule.reason)).collect();
            for ((table, _), entries) in tables {
                for rule in entries.iter_mut().filter_map(|entry| entry.rule.as_mut().ok()) {
                    if let Some(reason) = reasons.get(&(*table, saved_rule(rule))) {
                        rule.reason = *reason;
                    }
                }
            }
        }
        self
    }

    /// Whose semantics the rules have.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Whether there is no rule at all for a family.
    pub fn is_empty(&self, family: Family) -> bool {
        self.tables(family).values().all(Vec::is_empty)
    }

    /// The rules of a chain in walking order, as text without table and chain.
    pub fn chain(&self, family: Family, table: Table, chain: &Chain) -> impl Iterator<Item = Cow<'_, str>> {
        let entries = self.entries(family, table, chain).map_or(&[][..], |(_, entries)| entries);
        entries.iter().map(|entry| entry.text(self.backend))
    }

    pub(super) fn entries(&self, family: Family, table: Table, chain: &Chain) -> Option<(&Chain, &[Entry])> {
        let ((_, chain), entries) = self.tables(family).get_key_value(&(table, chain.clone()))?;
        Some((chain, entries))
    }

    fn tables(&self, family: Family) -> &Tables {
        match (self.backend, family) {
            (Backend::Nftables, _) | (_, Family::Ipv4) => &self.ipv4,
            (Backend::Iptables, Family::Ipv6) => &self.ipv6,
        }
    }
}

/// Adds a rule to a chain. A place beyond the end is the end.
pub(super) fn place(chain: &mut Vec<Entry>, placement: Placement, entry: Entry) {
    match placement {
        Placement::Append => chain.push(entry),
        Placement::Insert(place) => chain.insert((place.get() - 1).min(chain.len()), entry),
    }
}

impl RulePlan {
    /// The plan's rules, ready to walk packets through. Cost: linear in the rules.
    pub fn ruleset(&self) -> Ruleset {
        let lists = Family::BOTH.map(|family| (family, self.rules(family)));
        Ruleset::planned(Backend::Iptables, lists)
    }
}

impl NftablesPlan {
    /// The plan's rules, ready to walk packets through. Cost: linear in the rules.
    pub fn ruleset(&self) -> Ruleset {
        Ruleset::planned(Backend::Nftables, [(Family::Ipv4, &self.rules), (Family::Ipv6, &[])])
    }
}
