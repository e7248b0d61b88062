//! The command line.

mod canonicalize;
mod demo;
mod explain;
mod iptables;
mod run;
mod schema;
mod validate;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::StartError;

const EXIT_CODES: &str = "\
Exit codes:
  0  ended as asked; validate: nothing wrong; explain: allowed, a route takes it; demo --check: everything as expected
  1  could not start or failed; validate --strict: warnings; explain: denied, no route; demo --check: a difference
  2  wrong usage; validate: errors, or a path that cannot be read; schema: no such kind";

/// A service-mesh proxy that reads Istio's YAML, with no control plane and no cluster.
///
/// Gateways, VirtualServices, DestinationRules, AuthorizationPolicies, Services and EndpointSlices come from files;
/// editing a file takes effect within a second, and what is broken keeps its last good form.
#[derive(Debug, Parser)]
#[command(name = "mesh-proxy", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the Gateways and Sidecar listeners found in configuration files.
    Run(run::Arguments),
    /// Check configuration files and explain every mistake.
    Validate(validate::Arguments),
    /// Write objects in today's form: current versions, and what old spellings stand for.
    Canonicalize(canonicalize::Arguments),
    /// Print the JSON Schema of a kind, with which editors complete and check YAML.
    Schema(schema::Arguments),
    /// Say what the configuration decides about a request, and why.
    Explain(explain::Arguments),
    /// Print, install, check, remove and explain the rules that bring a pod's traffic to the proxy.
    Iptables(iptables::Arguments),
    /// What Istio's init container runs: `iptables apply` under its old name.
    #[command(hide = true)]
    IstioIptables(iptables::Bare),
    /// Start the Bookinfo example: its services, and the proxy in front of and between them.
    Demo(demo::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let result = match Arguments::parse_from(words()).command {
        Command::Run(arguments) => run::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Validate(arguments) => Ok(validate::run(&arguments)),
        Command::Canonicalize(arguments) => Ok(canonicalize::run(&arguments)),
        Command::Schema(arguments) => Ok(schema::run(&arguments)),
        Command::Explain(arguments) => Ok(explain::run(&arguments)),
        Command::Iptables(arguments) => Ok(iptables::run(&arguments)),
        Command::IstioIptables(arguments) => Ok(iptables::run_bare(&arguments)),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        complain(&error.to_string());
        ExitCode::FAILURE
    })
}

/// The command line; a program called `istio-iptables` is that command.
fn words() -> impl Iterator<Item = OsString> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let name = words.first().map(PathBuf::from);
    if name.is_some_and(|name| name.file_name().is_some_and(|name| name == "istio-iptables")) {
        words.insert(1, "istio-iptables".into());
    }
    words.into_iter()
}

/// One line on standard error.
fn complain(text: &str) {
    // Nowhere is left to report that standard error is closed.
    let _ = writeln!(std::io::stderr(), "mesh-proxy: {text}");
}

/// The runtime of the control thread.
fn runtime() -> Result<tokio::runtime::LocalRuntime, StartError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(|error| StartError::from(format!("cannot start: {error}")))
}

/// Resolves on the first SIGINT or SIGTERM, and again on the second.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, StartError> {
        use tokio::signal::unix::{SignalKind, signal};
        let fail = |error: std::io::Error| StartError::from(format!("cannot handle signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(fail)?,
            terminate: signal(SignalKind::terminate()).map_err(fail)?,
        })
    }

    async fn received(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
