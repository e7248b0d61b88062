//! `mesh-proxy iptables`

mod explain;
mod flags;
mod generate;
mod setup;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use mesh_iptables::apply::probe::{self, Probe};
use mesh_iptables::apply::{Applier, Outcome, Report, StepOutcome, step_command, step_removal_command};
use mesh_iptables::{Family, Table};

use self::setup::{Failure, Purpose, Ready, Setup};
use super::complain;

const EXIT_CODES: &str = "\
Exit codes:
  0    done; verify: in sync; explain: explained
  1    failed; verify: the rules differ from the configuration
  2    wrong usage; verify, explain: could not look
  126  --run-validation: traffic is not captured

Flags and environment variables are those of Istio's own tool, so an init container that runs
`istio-iptables …` runs the same with this program: `mesh-proxy istio-iptables …`.";

const EXAMPLES: &str = "\
Examples:
  mesh-proxy iptables generate -b '*' -d 15090,15021,15020 -i '*'
  mesh-proxy iptables explain -b '*' -i '*' --packet 'out uid=1000 dst=10.0.0.7:80'
  ip netns add pod
  mesh-proxy iptables apply --network-namespace /run/netns/pod -b '*' -i '*' --ipv6 on
  mesh-proxy iptables verify --network-namespace /run/netns/pod -b '*' -i '*' --ipv6 on
  mesh-proxy iptables clean --network-namespace /run/netns/pod --all";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{EXIT_CODES}\n\n{EXAMPLES}"))]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the rules; change nothing.
    Generate(generate::Arguments),
    /// Install the rules, or leave them if they are there.
    Apply(Setup),
    /// Compare the rules that are there with the configuration; change nothing.
    Verify(Setup),
    /// Remove the rules, addresses and routes that `apply` adds with the same options.
    Clean(Clean),
    /// Walk a packet through the rules and say what becomes of it.
    Explain(explain::Arguments),
}

#[derive(Debug, clap::Args)]
struct Clean {
    #[command(flatten)]
    setup: Setup,
    /// Whatever carries Istio's names: any layout, both variants of iptables, nftables, guardrails; and what TPROXY
    /// adds beside them with the mark, table and users of these options.
    #[arg(long)]
    all: bool,
}

/// Istio's own command line: apply, unless the options say otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Bare {
    #[command(flatten)]
    setup: Setup,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Generate(arguments) => ending(generate::run(arguments), 1),
        Command::Apply(setup) => ending(apply(setup), 1),
        Command::Verify(setup) => ending(verify(setup), 2),
        Command::Clean(arguments) => ending(clean(arguments), 1),
        Command::Explain(arguments) => ending(explain::run(arguments), 2),
    }
}

pub(super) fn run_bare(arguments: &Bare) -> ExitCode {
    ending(apply(&arguments.setup), 1)
}

fn ending(result: Result<ExitCode, Failure>, failed: u8) -> ExitCode {
    result.unwrap_or_else(|failure| {
        complain(&failure.to_string());
        ExitCode::from(failed)
    })
}

/// Lines on standard output. A closed pipe must not change the exit code.
fn print(text: &str) {
    let _closed = std::io::stdout().write_all(text.as_bytes());
}

fn apply(setup: &Setup) -> Result<ExitCode, Failure> {
    let ready = setup.ready(Purpose::Apply)?;
    let options = ready.config.apply_options();
    let applier = Applier::new(options);
    let report = if ready.is_native() {
        applier.apply_nftables(&ready.config.nftables_plan())?
    } else {
        applier.apply(&ready.plan())?
    };
    tell(&ready, &report);
    if options.dry_run {
        write_dry_run(&ready)?;
    }
    if options.run_validation && !options.dry_run {
        return validate(&ready);
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, in a line, then the steps beside the rules; in a dry run the commands.
fn tell(ready: &Ready, report: &Report) {
    for warning in &report.warnings {
        complain(&format!("warning: {warning}"));
    }
    if ready.config.apply_options().dry_run {
        let commands: Vec<String> = report.commands.iter().map(|command| format!("{command}\n")).collect();
        print(&commands.concat());
        return;
    }
    let with: Vec<String> = if ready.is_native() && report.outcome != Outcome::Skipped {
        vec!["nft".to_owned()]
    } else {
        report.tools.iter().map(ToString::to_string).collect()
    };
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" and ")) };
    let mut lines = vec![match report.outcome {
        Outcome::Skipped => "rules: none wanted".to_owned(),
        outcome => format!("rules: {outcome}{with}{}", count(ready, report.outcome)),
    }];
    for (step, outcome) in &report.host_steps {
        let word = match outcome {
            StepOutcome::Added => "added",
            StepOutcome::Existed => "already there",
            StepOutcome::Removed => "removed",
            StepOutcome::Absent => continue,
            _ => "left out",
        };
        let command =
            if *outcome == StepOutcome::Removed { step_removal_command(step) } else { step_command(step) };
        if let Ok(command) = command {
            lines.push(format!("{command}: {word}"));
        }
    }
    print(&(lines.join("\n") + "\n"));
}

fn count(ready: &Ready, outcome: Outcome) -> String {
    if outcome == Outcome::Cleaned {
        return String::new();
    }
    if ready.is_native() {
        let plan = ready.config.nftables_plan();
        let rules: usize = Table::ALL.iter().map(|table| plan.rules(*table).count()).sum();
        return format!(", {rules} rules");
    }
    let plan = ready.plan();
    let families = plan.families().iter().map(|family| format!("{} {family}", plan.rules(*family).len()));
    format!(", {} rules", families.collect::<Vec<_>>().join(" and "))
}

/// `DRY_RUN_FILE_PATH` gets what Istio's tool would have recorded (`IPT-CFG-22`).
fn write_dry_run(ready: &Ready) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("DRY_RUN_FILE_PATH").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let text = if ready.is_native() {
        ready.config.nftables_plan().transaction()
    } else {
        ready.plan().dry_run_transcript()
    };
    std::fs::write(&path, text)
        .map_err(|error| Failure::File { path: Path::new(&path).display().to_string(), error })
}

/// `APP-40`
fn validate(ready: &Ready) -> Result<ExitCode, Failure> {
    let options = ready.config.apply_options();
    let host = ready.machine.host(ready.config.dual_stack())?;
    let mut test = Probe::new(host.host.is_ipv6());
    test.port = options.probe_port;
    test.timeout = options.probe_timeout;
    let path = Some(Path::new(&options.network_namespace)).filter(|path| !path.as_os_str().is_empty());
    match test.run(path) {
        Ok(()) => {
            print("validation: traffic is captured\n");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            complain(&format!("validation: {error}"));
            Ok(ExitCode::from(probe::EXIT_CODE))
        }
    }
}

fn verify(setup: &Setup) -> Result<ExitCode, Failure> {
    let ready = setup.ready(Purpose::Apply)?;
    let applier = Applier::new(ready.config.apply_options());
    let found = if ready.is_native() {
        applier.verify_nftables(&ready.config.nftables_plan())?
    } else {
        applier.verify(&ready.plan())?
    };
    for warning in &found.warnings {
        complain(&format!("warning: {warning}"));
    }
    if found.is_in_sync() {
        print("in sync\n");
        return Ok(ExitCode::SUCCESS);
    }
    let lines: Vec<String> = found.drifts.iter().map(|drift| format!("{drift}\n")).collect();
    print(&lines.concat());
    Ok(ExitCode::from(1))
}

fn clean(arguments: &Clean) -> Result<ExitCode, Failure> {
    let ready = arguments.setup.ready(Purpose::Remove)?;
    let applier = Applier::new(ready.config.apply_options());
    let report = match (arguments.all, ready.is_native()) {
        (true, _) => applier.clean_all(&ready.config.removal_plan())?,
        (false, true) => applier.clean_nftables(&ready.config.nftables_plan())?,
        (false, false) => applier.clean(&ready.plan())?,
    };
    tell(&ready, &report);
    Ok(ExitCode::SUCCESS)
}

/// The families of a configuration that print something of their own.
fn families(ready: &Ready) -> &'static [Family] {
    if ready.config.ipv6() { &Family::BOTH } else { &[Family::Ipv4] }
}
