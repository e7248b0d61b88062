//! Argument lists (rules `RST-04` to `RST-08`, `AMB-14`): install, check, undo, clean up, guard.

use std::fmt;

use super::restore::{Entry, is_ours};
use super::words::{write_operation, write_rule};
use crate::chain::{Chain, Family, Table};
use crate::plan::{JUMPS, Layout, RulePlan};
use crate::reason;
use crate::rule::{Protocol, Rule, Target, Test};

/// The arguments of one `iptables` or `ip6tables` call, without the program.
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, Family};
/// let plan = CaptureConfig::builder().build()?.plan();
/// let first = &plan.commands(Family::Ipv4)[0];
/// assert_eq!(first.args(), ["-t", "nat", "-N", "ISTIO_INBOUND"]);
/// assert_eq!(first.to_string(), "-t nat -N ISTIO_INBOUND");
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Command(Vec<String>);

impl Command {
    pub(crate) fn new(table: &str, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut words = vec!["-t".to_owned(), table.to_owned()];
        words.extend(args.into_iter().map(Into::into));
        Self(words)
    }

    /// A rule with the given operation, which replaces its own.
    fn rule(rule: &Rule, operation: &str) -> Self {
        let mut command = Self::new(rule.table.name(), [operation, rule.chain.name()]);
        write_rule(rule, &mut command.0);
        command
    }

    /// The arguments.
    pub fn args(&self) -> &[String] {
        &self.0
    }

    /// The arguments, by value.
    pub fn into_args(self) -> Vec<String> {
        self.0
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// The chains that own rules, each with its table, in first-seen order over the whole list (`RST-04`).
pub(super) fn owned_chains<'r, E: Entry + 'r>(
    entries: impl Iterator<Item = &'r E>,
) -> Vec<(&'r str, &'r str)> {
    let mut seen: Vec<(&str, &str)> = Vec::with_capacity(8);
    for owner in entries.map(|entry| (entry.table(), entry.chain())) {
        if is_ours(owner.1) && !seen.contains(&owner) {
            seen.push(owner);
        }
    }
    seen
}

impl RulePlan {
    /// The plan as single calls (`RST-04`): chains first, then rules.
    pub fn commands(&self, family: Family) -> Vec<Command> {
        let rules = self.rules(family);
        let create =
            owned_chains(rules.iter()).into_iter().map(|(table, chain)| Command::new(table, ["-N", chain]));
        let install = rules.iter().map(|rule| {
            let mut command = Command::new(rule.table.name(), [""; 0]);
            write_operation(rule.chain.name(), rule.placement, &mut command.0);
            write_rule(rule, &mut command.0);
            command
        });
        create.chain(install).collect()
    }

    /// Calls that succeed exactly when the rules are there (`RST-05`), in the order of the rules.
    pub fn check_commands(&self, family: Family) -> Vec<Command> {
        self.rules(family).iter().map(|rule| Command::rule(rule, "-C")).collect()
    }

    /// Calls that remove what the plan installs (`RST-07`; for an ambient pod the fixed list `AMB-14`).
    ///
    /// For the ambient list, failures are to be ignored, since it names chains a plan may not have.
    pub fn cleanup_commands(&self, family: Family) -> Vec<Command> {
        if self.layout == Layout::AmbientPod {
            return if self.rules(family).is_empty() { Vec::new() } else { ambient_cleanup() };
        }
        let rules = self.rules(family);
        let mut commands: Vec<Command> =
            rules.iter().rev().filter(|rule| is_undone(rule)).map(|rule| Command::rule(rule, "-D")).collect();
        for (table, chain) in owned_chains(rules.iter().rev()) {
            commands.extend([Command::new(table, ["-F", chain]), Command::new(table, ["-X", chain])]);
        }
        commands
    }
}

/// A rule inside an Istio chain goes with its chain, unless it holds a reference to another (`RST-06`).
fn is_undone(rule: &Rule) -> bool {
    !rule.chain.is_istio() || matches!(&rule.target, Target::Jump(chain) if chain.is_istio())
}

fn ambient_cleanup() -> Vec<Command> {
    let chains = [Table::Mangle, Table::Nat, Table::Raw]
        .into_iter()
        .flat_map(|table| [(table, Chain::ISTIO_PRERT), (table, Chain::ISTIO_OUTPUT)]);
    let jumps = JUMPS
        .into_iter()
        .map(|(table, hook, chain)| Command::new(table.name(), ["-D", hook.name(), "-j", chain.name()]));
    let flush = chains.clone().map(|(table, chain)| Command::new(table.name(), ["-F", chain.name()]));
    let delete = chains.map(|(table, chain)| Command::new(table.name(), ["-X", chain.name()]));
    jumps.chain(flush).chain(delete).collect()
}

/// The rules that stop all TCP and UDP while others are replaced (`RST-08`), the same in both families.
pub fn guardrail_commands() -> Vec<Command> {
    guardrails()
        .map(|rule| {
            let mut command = Command::new(rule.table.name(), [""; 0]);
            write_operation(rule.chain.name(), rule.placement, &mut command.0);
            write_rule(&rule, &mut command.0);
            command
        })
        .collect()
}

/// Removes the rules of [`guardrail_commands`], in the same order (`RST-08`).
pub fn guardrail_cleanup_commands() -> Vec<Command> {
    guardrails().map(|rule| Command::rule(&rule, "-D")).collect()
}

fn guardrails() -> impl Iterator<Item = Rule> {
    [Chain::INPUT, Chain::FORWARD, Chain::OUTPUT].into_iter().flat_map(|chain| {
        [Protocol::Tcp, Protocol::Udp].map(|protocol| {
            let criteria = vec![Test::Protocol(protocol).into()];
            Rule::new(Table::Filter, chain.clone(), reason::GUARDRAIL, criteria, Target::Drop).insert_at(1)
        })
    })
}
