//! `mesh-proxy validate`

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use mesh_model::Severity;

use super::complain;
use super::run::Identity;
use crate::config::{Source, render};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  no errors (and with --strict no warnings)
  1  warnings, with --strict
  2  errors, or a path that cannot be read

Example:
  mesh-proxy validate --strict docs/examples/bookinfo")]
pub(super) struct Arguments {
    /// Files and directories to check, together: references between their objects are checked too.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Treat warnings as a failure.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    identity: Identity,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut source = Source::new(arguments.paths.clone(), arguments.identity.context());
    let findings = match source.load() {
        Ok((_, findings)) => findings,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let (errors, warnings) = (findings.count(Severity::Error), findings.count(Severity::Warning));
    let styled = std::io::stdout().is_terminal();
    let mut out = std::io::stdout();
    // A closed pipe must not hide the verdict, which is the exit code.
    let _ = out.write_all(render(&findings, styled).as_bytes());
    let _ =
        writeln!(out, "{}: {}, {}", source.summary(), plural(errors, "error"), plural(warnings, "warning"));
    match (errors, warnings) {
        (1.., _) => ExitCode::from(2),
        (_, 1..) if arguments.strict => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
