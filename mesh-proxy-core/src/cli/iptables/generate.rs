//! `mesh-proxy iptables generate`

use std::process::ExitCode;

use mesh_iptables::apply::step_command;
use mesh_iptables::{Family, Rule, Table};
use serde_json::{Value, json};

use super::setup::{Failure, Purpose, Ready, Setup};
use super::{families, print};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setup: Setup,
    /// How to print the rules [default: restore, or nft with --native-nftables].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only the rules of this family, to be piped into its tool; for restore and commands.
    #[arg(long, value_enum)]
    family: Option<Only>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Only {
    Ipv4,
    Ipv6,
}

impl Arguments {
    fn families(&self, ready: &Ready) -> Vec<Family> {
        let wanted = |family: &Family| match self.family {
            None => true,
            Some(Only::Ipv4) => *family == Family::Ipv4,
            Some(Only::Ipv6) => *family == Family::Ipv6,
        };
        families(ready).iter().copied().filter(wanted).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    /// Input of `iptables-restore --noflush`, then of `ip6tables-restore --noflush`.
    Restore,
    /// One `iptables` or `ip6tables` call a line.
    Commands,
    /// A transaction for `nft -f -`.
    Nft,
    /// Every rule with its table, chain and reason.
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let ready = arguments.setup.ready(Purpose::Look)?;
    let format = arguments.format.unwrap_or(if ready.is_native() { Format::Nft } else { Format::Restore });
    print(&match format {
        Format::Restore => restore(&ready, &arguments.families(&ready)),
        Format::Commands => commands(&ready, &arguments.families(&ready))?,
        Format::Nft => ready.config.nftables_plan().transaction(),
        Format::Json => format!("{:#}\n", json(&ready)?),
    });
    Ok(ExitCode::SUCCESS)
}

/// A heading is a comment to the restore tools too.
fn restore(ready: &Ready, families: &[Family]) -> String {
    let plan = ready.plan();
    let texts = families
        .iter()
        .map(|family| format!("# {}-restore --noflush\n{}", program(*family), plan.restore_input(*family)));
    texts.collect()
}

fn program(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "iptables",
        Family::Ipv6 => "ip6tables",
    }
}

fn commands(ready: &Ready, families: &[Family]) -> Result<String, Failure> {
    let plan = ready.plan();
    let mut lines: Vec<String> = Vec::new();
    for family in families {
        lines.extend(plan.commands(*family).iter().map(|command| format!("{} {command}", program(*family))));
    }
    for step in plan.host_steps() {
        lines.push(step_command(step)?.to_string());
    }
    Ok(lines.join("\n") + "\n")
}

fn json(ready: &Ready) -> Result<Value, Failure> {
    let plan = ready.plan();
    let entry = |rule: &Rule| {
        json!({
            "table": rule.table.name(),
            "chain": rule.chain.name(),
            "rule": rule.to_string(),
            "reason": rule.reason.to_string(),
        })
    };
    let of = |family: Family| plan.rules(family).iter().map(entry).collect::<Vec<_>>();
    let native = ready.config.nftables_plan();
    let findings: Vec<String> = ready.config.findings().iter().map(ToString::to_string).collect();
    let steps = plan.host_steps().iter().map(step_command).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "ipv4": of(Family::Ipv4),
        "ipv6": of(Family::Ipv6),
        "nftables": Table::ALL.iter().flat_map(|table| native.rules(*table)).map(entry).collect::<Vec<_>>(),
        "steps": steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "findings": findings,
    }))
}
