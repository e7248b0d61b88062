//! Why rules could not be applied.

use std::fmt;
use std::io;

use super::invocation::{Finished, Invocation};

/// Rules could not be read, applied or removed.
///
/// The text names the command, its exit code with the tool's own name for it (`SAV-05`), and what the tool said.
/// After a failed apply it also says what became of the part that was already in place.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ApplyError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ApplyErrorKind,
    command: Option<Invocation>,
    code: Option<i32>,
    stderr: String,
    message: String,
    aftermath: Option<String>,
}

/// What kind of failure an [`ApplyError`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ApplyErrorKind {
    /// A program is not installed or may not be run.
    NotStarted,
    /// No usable variant of `iptables` was found for a family that is on (`APP-21`, `APP-23`).
    NoBackend,
    /// A command ended with an error.
    Failed,
    /// The network namespace cannot be entered.
    Namespace,
    /// What a tool printed cannot be read.
    Unreadable,
    /// A value of the configuration cannot be given to the tool that needs it (`IPT-VAL-11`).
    Unsuitable,
    /// The rules were applied but do not do what they should (`APP-40`).
    Validation,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = &self.command {
            write!(f, "{command}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(aftermath) = &self.aftermath {
            write!(f, "; {aftermath}")?;
        }
        Ok(())
    }
}

impl ApplyError {
    pub(super) fn new(kind: ApplyErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            command: None,
            code: None,
            stderr: String::new(),
            message: message.into(),
            aftermath: None,
        }))
    }

    pub(super) fn not_started(command: &Invocation, error: &io::Error) -> Self {
        let message = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("`{}` is not on the path, install it or give the image that has it", command.program)
            }
            _ => format!("cannot be run: {error}"),
        };
        let mut made = Self::new(ApplyErrorKind::NotStarted, message);
        made.0.command = Some(command.clone());
        made
    }

    /// A command that ended with an error.
    pub(super) fn failed(command: &Invocation, finished: &Finished) -> Self {
        let ending = match finished.code {
            None => "ended by a signal".to_owned(),
            Some(code) => match code_name(&command.program, code) {
                Some(name) => format!("exit code {code} ({name})"),
                None => format!("exit code {code}"),
            },
        };
        let said = explanation(&finished.stderr);
        let message = if said.is_empty() { ending } else { format!("{ending}: {said}") };
        let mut made = Self::new(ApplyErrorKind::Failed, message);
        made.0.command = Some(command.clone());
        made.0.code = finished.code;
        made.0.stderr.clone_from(&finished.stderr);
        made
    }

    /// Adds what became of the part already in place.
    pub(super) fn after(mut self, aftermath: impl Into<String>) -> Self {
        let aftermath = aftermath.into();
        self.0.aftermath = Some(match self.0.aftermath.take() {
            Some(held) => format!("{held}; {aftermath}"),
            None => aftermath,
        });
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ApplyErrorKind {
        self.0.kind
    }

    /// The command that failed, if one did.
    pub fn command(&self) -> Option<&Invocation> {
        self.0.command.as_ref()
    }

    /// The exit code of the command; absent if it never ran or a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.0.code
    }

    /// All the command wrote to standard error.
    pub fn stderr(&self) -> &str {
        &self.0.stderr
    }
}

/// The name the `iptables` family gives an exit code (`SAV-05`).
fn code_name(program: &str, code: i32) -> Option<&'static str> {
    if !program.contains("tables") {
        return None;
    }
    match code {
        1 => Some("other problem"),
        2 => Some("parameter problem"),
        3 => Some("version problem"),
        4 => Some("resource problem"),
        _ => None,
    }
}

/// What the tool said, on one line and without its own name: the text after the first colon (`SAV-05`), unless the
/// first line has none.
fn explanation(stderr: &str) -> String {
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Try `") && !line.starts_with("# Warning"));
    let first = lines.next().map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest));
    first.into_iter().chain(lines).collect::<Vec<_>>().join("; ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_command_code_and_cause_sav_05() {
        let command = Invocation::write("iptables-nft-restore", ["--noflush"]);
        let finished = Finished {
            code: Some(4),
            stdout: String::new(),
            stderr: "iptables-restore v1.8.9 (nf_tables): line 2 failed: Chain already exists.\n".to_owned(),
        };
        let error = ApplyError::failed(&command, &finished).after("nothing was changed");
        assert_eq!(
            error.to_string(),
            "iptables-nft-restore --noflush: exit code 4 (resource problem): line 2 failed: Chain already exists; \
             nothing was changed"
        );
        assert_eq!((error.kind(), error.exit_code()), (ApplyErrorKind::Failed, Some(4)));
        for (code, name) in
            [(1, "other problem"), (2, "parameter problem"), (3, "version problem"), (4, "resource problem")]
        {
            assert_eq!(code_name("ip6tables", code), Some(name));
        }
        // `ip` counts differently.
        assert_eq!(code_name("ip", 2), None);
    }

    #[test]
    fn a_message_without_a_name_before_it_stays_whole() {
        let said = "interface name `a b' must be shorter\nError occurred at line: 6\nTry `x -h' for more\n";
        assert_eq!(explanation(said), "interface name `a b' must be shorter; Error occurred at line: 6");
        assert_eq!(explanation("RTNETLINK answers: File exists\n"), "File exists");
        assert_eq!(explanation(""), "");
    }

    #[test]
    fn a_line_can_be_typed() {
        let command = Invocation::write("nft", ["add table inet x", "it's"]);
        assert_eq!(command.to_string(), r"nft 'add table inet x' 'it'\''s'");
    }
}
