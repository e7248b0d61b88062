//! One call of a kernel tool.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::error::ApplyError;

/// A call of `iptables`, `nft` or `ip`, with what it reads.
///
/// Displayed as one could type it; input is not part of the line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Invocation {
    /// The program, looked up on the path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables set for it beside those it inherits.
    pub environment: Vec<(String, String)>,
    /// What it reads on standard input, if anything.
    pub input: Option<String>,
    /// Whether it changes anything. Reads also run while others are only listed.
    pub writes: bool,
}

impl Invocation {
    /// A call that only looks.
    pub(super) fn read<S: Into<String>>(
        program: impl Into<String>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            input: None,
            writes: false,
        }
    }

    /// A call that changes something.
    pub(super) fn write<S: Into<String>>(
        program: impl Into<String>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { writes: true, ..Self::read(program, args) }
    }

    pub(super) fn feed(self, input: String) -> Self {
        Self { input: Some(input), ..self }
    }

    pub(super) fn with_environment(mut self, variable: Option<&(String, String)>) -> Self {
        self.environment.extend(variable.cloned());
        self
    }

    /// Runs it to its end.
    #[allow(clippy::disallowed_methods, reason = "the one place of this crate that runs processes")]
    pub(super) fn run(&self) -> Result<Finished, ApplyError> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Messages are quoted in errors and looked at; numbers are compared.
        command.env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| ApplyError::not_started(self, &error))?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            if let (Some(mut stdin), Some(input)) = (stdin, &self.input) {
                // On a thread of its own, so that neither side waits for the other with a full pipe. A program
                // that stopped reading says why on standard error.
                scope.spawn(move || {
                    let _closed = stdin.write_all(input.as_bytes());
                });
            }
            child.wait_with_output()
        })
        .map_err(|error| ApplyError::not_started(self, &error))?;
        Ok(Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={value} ")?;
        }
        f.write_str(&self.program)?;
        for arg in &self.args {
            let plain = !arg.is_empty()
                && arg.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./:,+%@".contains(&byte));
            if plain {
                write!(f, " {arg}")?;
            } else {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

/// What a call left behind.
pub(super) struct Finished {
    /// Absent if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Finished {
    pub(super) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}
