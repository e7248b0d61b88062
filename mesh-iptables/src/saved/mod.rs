//! What the kernel's tables hold: reading `iptables-save`, comparing it with a plan, deciding what to do.

mod decide;
mod drift;
mod normal;
mod rule;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use decide::{Action, Comparison};
pub use drift::{Drift, DriftKind};
pub(crate) use normal::normal_form;
pub(crate) use rule::{address, parse_rule, protocol};
pub(crate) use words::split as split_words;

use crate::chain::{Chain, Table};
use crate::render::Command;

/// The chains and rules of one family, as `iptables-save`, `ip6tables-save` or a restore text lists them.
///
/// Only what the mesh cares about is kept (`SAV-10`): the tables filter, nat, mangle and raw; chains whose
/// name begins with `ISTIO`; and every rule of any chain, Istio's or not, with its whole line.
///
/// # Examples
/// ```
/// use mesh_iptables::{SavedRules, Table};
/// let saved = SavedRules::parse("*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n");
/// assert!(saved.has_residue());
/// assert_eq!(saved.rules(Table::Nat, "OUTPUT"), ["-A OUTPUT -j ISTIO_OUTPUT"]);
/// assert_eq!(saved.leftover_commands()[0].to_string(), "-t nat -D OUTPUT -j ISTIO_OUTPUT");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SavedRules {
    filter: Chains,
    mangle: Chains,
    nat: Chains,
    raw: Chains,
}

/// Rules by the name of their chain; sorted, so that everything made of it is stable.
type Chains = BTreeMap<String, Vec<String>>;

impl SavedRules {
    /// No rule and no chain: what a failing save counts as (`SAV-12`).
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the output of a save tool or the input of a restore tool (`SAV-10`). Never fails: other tables,
    /// comments and lines of no known form are passed over.
    ///
    /// Cost: linear in the text; one allocation a rule.
    pub fn parse(text: &str) -> Self {
        let mut saved = Self::default();
        let mut table: Option<Table> = None;
        for line in text.lines().map(str::trim_end) {
            if line.is_empty() || line.starts_with('#') || line == "COMMIT" {
                continue;
            }
            if let Some(name) = line.strip_prefix('*') {
                let name = name.trim();
                table = Table::ALL.into_iter().find(|table| table.name() == name);
                continue;
            }
            let Some(table) = table else { continue };
            let chains = saved.chains_mut(table);
            if let Some(chain) = line.strip_prefix(':') {
                let name = chain.split(' ').next().unwrap_or_default();
                if name.starts_with("ISTIO") {
                    chains.entry(name.to_owned()).or_default();
                }
                continue;
            }
            let mut words = line.split(' ');
            while let Some(word) = words.next() {
                let is_rule = match word {
                    "-A" | "--append" | "-I" | "--insert" => true,
                    "-N" | "--new" => false,
                    _ => continue,
                };
                let Some(name) = words.next() else { break };
                let name = name.trim_matches('"');
                if is_rule {
                    chains.entry(name.to_owned()).or_default().push(line.to_owned());
                } else if name.starts_with("ISTIO") {
                    chains.entry(name.to_owned()).or_default();
                }
                break;
            }
        }
        saved
    }

    /// Whether anything is there at all: an Istio chain, or any rule, whoever made it (`SAV-11`).
    pub fn has_residue(&self) -> bool {
        Table::ALL.into_iter().any(|table| !self.table(table).is_empty())
    }

    /// Whether a chain of Istio's is there.
    pub fn has_istio_chain(&self) -> bool {
        Table::ALL.into_iter().any(|table| self.chains(table).any(is_istio))
    }

    /// The chains of a table that hold rules, and Istio's empty ones, sorted by name.
    pub fn chains(&self, table: Table) -> impl Iterator<Item = &str> {
        self.table(table).keys().map(String::as_str)
    }

    /// Whether the table has an entry for the chain.
    pub(crate) fn has_chain(&self, table: Table, chain: &str) -> bool {
        self.table(table).contains_key(chain)
    }

    /// The lines of a chain's rules, in order; empty for an unknown chain.
    pub fn rules(&self, table: Table, chain: &str) -> &[String] {
        self.table(table).get(chain).map(Vec::as_slice).unwrap_or_default()
    }

    /// The calls that remove whatever belongs to Istio, of this layout or an older one (`RST-09`): the rules
    /// that jump into Istio's chains, then all those chains. A table's chains are emptied before any is
    /// deleted, because one that is still referred to cannot be.
    pub fn leftover_commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for table in Table::ALL {
            for lines in self.table(table).values() {
                commands.extend(lines.iter().filter_map(|line| undo(table, line)));
            }
            for operation in ["-F", "-X"] {
                let own = self.chains(table).filter(|chain| is_istio(chain));
                commands.extend(own.map(|chain| Command::new(table.name(), [operation, chain])));
            }
        }
        commands
    }

    fn table(&self, table: Table) -> &Chains {
        match table {
            Table::Filter => &self.filter,
            Table::Mangle => &self.mangle,
            Table::Nat => &self.nat,
            Table::Raw => &self.raw,
        }
    }

    fn chains_mut(&mut self, table: Table) -> &mut Chains {
        match table {
            Table::Filter => &mut self.filter,
            Table::Mangle => &mut self.mangle,
            Table::Nat => &mut self.nat,
            Table::Raw => &mut self.raw,
        }
    }
}

fn is_istio(chain: &str) -> bool {
    chain.starts_with("ISTIO_")
}

/// The undo form (`RST-06`) of a line that jumps into one of Istio's chains.
fn undo(table: Table, line: &str) -> Option<Command> {
    let words = words::split(line);
    let mut words = words.into_iter().skip_while(|word| word.starts_with('['));
    let operation = words.next()?;
    let chain = words.next()?;
    let mut rest: Vec<String> = words.collect();
    if matches!(operation.as_str(), "-I" | "--insert")
        && rest.first().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
    {
        rest.remove(0);
    }
    let jumps = rest.windows(2).any(|pair| {
        matches!(pair, [option, target] if matches!(option.as_str(), "-j" | "--jump" | "-g" | "--goto") && is_istio(target))
    });
    jumps.then(|| Command::new(table.name(), ["-D".to_owned(), chain].into_iter().chain(rest)))
}

impl Chain {
    /// The chain named so in a listing; the mesh's own names cost no allocation.
    pub(crate) fn named(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::new(name.to_owned()))
    }
}
