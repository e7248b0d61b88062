//! `mesh-proxy explain`

mod authz;
mod claims;
mod places;
mod ports;
mod report;
mod request;
mod route;
mod route_report;
mod route_text;
mod shared;
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
    /// Where does this request go? Says which virtual host and rule decide, and why every other rule does not.
    Route(route::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.question {
        Question::Authz(arguments) => authz::run(arguments),
        Question::Route(arguments) => route::run(arguments),
    }
}
