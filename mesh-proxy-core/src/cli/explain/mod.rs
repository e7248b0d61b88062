//! `mesh-proxy explain`

mod authz;
mod claims;
mod places;
mod ports;
mod report;
mod request;
mod text;

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, clap::Subcommand)]
enum Question {
    /// May this request pass? Says which policy and rule decide, and why every other one does not.
    Authz(authz::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Question::Authz(arguments) = &arguments.question;
    authz::run(arguments)
}
