//! `mesh-proxy iptables generate`

use std::process::ExitCode;

use mesh_iptables::{Family, HostStep, Rule, Table};
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
        Format::Restore => restore(&ready),
        Format::Commands => commands(&ready),
        Format::Nft => ready.config.nftables_plan().transaction(),
        Format::Json => format!("{:#}\n", json(&ready)),
    });
    Ok(ExitCode::SUCCESS)
}

/// A heading is a comment to the restore tools too.
fn restore(ready: &Ready) -> String {
    let plan = ready.plan();
    let texts = families(ready)
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

fn commands(ready: &Ready) -> String {
    let plan = ready.plan();
    let mut text = String::new();
    for family in families(ready) {
        for command in plan.commands(*family) {
            text += &format!("{} {command}\n", program(*family));
        }
    }
    for step in plan.host_steps() {
        text += &format!("{}\n", step_line(step));
    }
    text
}

/// A step as one would type it.
pub(super) fn step_line(step: &HostStep) -> String {
    let option = |family: &Family| if *family == Family::Ipv4 { "-4" } else { "-6" };
    match step {
        HostStep::LoopbackAddress(address) => format!("ip -6 addr add {address}/128 dev lo"),
        HostStep::PolicyRule { family, mark, mask, table, priority } => {
            let mask = mask.map_or(String::new(), |mask| format!("/{mask:#x}"));
            let priority = priority.map_or(String::new(), |priority| format!(" priority {priority}"));
            format!("ip {} rule add fwmark {mark}{mask} lookup {table}{priority}", option(family))
        }
        HostStep::LocalRoute { family, table } => {
            let all = if *family == Family::Ipv4 { "0.0.0.0/0" } else { "::/0" };
            format!("ip {} route add local {all} dev lo table {table}", option(family))
        }
        other => format!("{other:?}"),
    }
}

fn json(ready: &Ready) -> Value {
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
    json!({
        "ipv4": of(Family::Ipv4),
        "ipv6": of(Family::Ipv6),
        "nftables": Table::ALL.iter().flat_map(|table| native.rules(*table)).map(entry).collect::<Vec<_>>(),
        "steps": plan.host_steps().iter().map(step_line).collect::<Vec<_>>(),
        "findings": findings,
    })
}
