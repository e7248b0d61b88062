//! The calls of one run, in order.

use super::error::ApplyError;
use super::invocation::{Finished, Invocation};

/// Runs calls and remembers them.
pub(super) struct Session {
    /// Nothing is run, only listed.
    dry: bool,
    commands: Vec<Invocation>,
    warnings: Vec<String>,
}

impl Session {
    pub(super) fn new(dry: bool) -> Self {
        Self { dry, commands: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn is_dry(&self) -> bool {
        self.dry
    }

    /// Runs a call; its failure is an answer.
    pub(super) fn ask(&mut self, command: Invocation) -> Result<Finished, ApplyError> {
        let finished = if self.dry {
            Ok(Finished { code: Some(0), stdout: String::new(), stderr: String::new() })
        } else {
            command.run()
        };
        self.commands.push(command);
        finished
    }

    /// Runs a call that must succeed.
    pub(super) fn run(&mut self, command: Invocation) -> Result<String, ApplyError> {
        let finished = self.ask(command)?;
        match self.commands.last() {
            Some(command) if !finished.succeeded() => Err(ApplyError::failed(command, &finished)),
            _ => Ok(finished.stdout),
        }
    }

    /// Runs a call whose failure changes nothing (`ORD-03`). Whether it succeeded is the answer.
    pub(super) fn try_run(&mut self, command: Invocation) -> bool {
        self.ask(command).is_ok_and(|finished| finished.succeeded())
    }

    /// Remembers calls made elsewhere for this run.
    pub(super) fn note(&mut self, commands: Vec<Invocation>) {
        self.commands.extend(commands);
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    pub(super) fn into_parts(self) -> (Vec<Invocation>, Vec<String>) {
        (self.commands, self.warnings)
    }
}
