//! Guardrails: no TCP and no UDP while rules are replaced (rules `RST-08`, `APP-01`).

use super::backend::Tool;
use super::error::ApplyError;
use super::session::Session;
use crate::render::{guardrail_cleanup_commands, guardrail_commands};

/// Guardrails in place. They go when this goes, also while a panic unwinds.
pub(super) struct Guardrails<'s> {
    session: &'s mut Session,
    tools: Vec<Tool>,
    lock: Option<(String, String)>,
}

impl<'s> Guardrails<'s> {
    /// Removes what a former run may have left, then installs them in each family.
    pub(super) fn raise(
        session: &'s mut Session,
        tools: &[Tool],
        lock: Option<(String, String)>,
    ) -> Result<Self, ApplyError> {
        let mut guard = Self { session, tools: tools.to_vec(), lock };
        guard.lower();
        for tool in tools {
            for command in guardrail_commands() {
                guard.session.run(tool.call(&command, guard.lock.as_ref()))?;
            }
        }
        Ok(guard)
    }

    /// The session, for work under guard.
    pub(super) fn session(&mut self) -> &mut Session {
        self.session
    }

    fn lower(&mut self) {
        for tool in &self.tools {
            for command in guardrail_cleanup_commands() {
                self.session.try_run(tool.call(&command, self.lock.as_ref()));
            }
        }
    }
}

impl Drop for Guardrails<'_> {
    fn drop(&mut self) {
        self.lower();
    }
}
