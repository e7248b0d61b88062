//! Doubts about a configuration that Istio itself would accept.

use std::fmt;

use crate::error::{ConfigError, ConfigErrorKind};

/// How much text is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Validation {
    /// Accept and emit what Istio accepts and emits; doubts are returned as [`Finding`]s.
    #[default]
    Compat,
    /// Doubts of severity [`Severity::Error`] (rules `IPT-VAL-*`) refuse the configuration.
    Strict,
}

/// Whether strict validation refuses a configuration for a [`Finding`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing in either mode.
    Advice,
    /// Refused by [`Validation::Strict`].
    Error,
}

/// One doubt about a configuration: readable, accepted by Istio, probably not what was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The id of the rule in the interception reference, such as `IPT-VAL-01`.
    pub rule: &'static str,
    /// Whether strict validation refuses it.
    pub severity: Severity,
    /// The flag (without dashes) or environment variable.
    pub option: &'static str,
    /// The value or item at fault.
    pub value: String,
    /// One line: what was found, what it does, what to write.
    pub message: String,
}

impl Finding {
    pub(crate) fn error(
        rule: &'static str,
        option: &'static str,
        value: impl Into<String>,
        message: String,
    ) -> Self {
        Self { rule, severity: Severity::Error, option, value: value.into(), message }
    }

    pub(crate) fn advice(
        rule: &'static str,
        option: &'static str,
        value: impl Into<String>,
        message: String,
    ) -> Self {
        Self { rule, severity: Severity::Advice, option, value: value.into(), message }
    }

    pub(crate) fn into_error(self) -> ConfigError {
        ConfigError::new(self.option, self.value, self.rule, ConfigErrorKind::Strict, self.message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.option, self.message, self.rule)
    }
}
