//! Why a configuration was refused.

use std::fmt;

/// A configuration that cannot be turned into rules.
///
/// It names the option as its user knows it (flag, environment variable or annotation), the value found,
/// and the rule that was broken. The text is one line in lower case.
///
/// # Examples
/// ```
/// use mesh_iptables::CaptureConfig;
/// let error = CaptureConfig::builder().flag("istio-service-cidr", "10.0.0.1")?.build().unwrap_err();
/// assert_eq!(error.option(), "istio-service-cidr");
/// assert_eq!(error.rule(), "IPT-CFG-55");
/// assert_eq!(
///     error.to_string(),
///     "istio-service-cidr: `10.0.0.1` is not a range: a length is missing, write `10.0.0.1/32` (IPT-CFG-55)",
/// );
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Inner {
    option: String,
    value: String,
    rule: &'static str,
    kind: ConfigErrorKind,
    message: String,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.option, self.message, self.rule)
    }
}

/// What kind of mistake a [`ConfigError`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// No option has this name.
    UnknownOption,
    /// A command line flag that needs a value has none.
    MissingValue,
    /// The value cannot be read as what the option needs.
    Invalid,
    /// `*` stands where a list is needed.
    WildcardNotAllowed,
    /// More items than the kernel takes.
    TooMany,
    /// The value is readable and Istio accepts it, but a strict check refuses it.
    Strict,
    /// The machine offers no address to decide the IP family from.
    NoAddress,
}

impl ConfigError {
    pub(crate) fn new(
        option: impl Into<String>,
        value: impl Into<String>,
        rule: &'static str,
        kind: ConfigErrorKind,
        message: String,
    ) -> Self {
        Self(Box::new(Inner { option: option.into(), value: value.into(), rule, kind, message }))
    }

    /// The option at fault: a flag without its dashes, an environment variable or an annotation.
    pub fn option(&self) -> &str {
        &self.0.option
    }

    /// The value found, or the single item of it that is at fault.
    pub fn value(&self) -> &str {
        &self.0.value
    }

    /// The id of the broken rule in the interception reference, such as `IPT-CFG-55`.
    pub fn rule(&self) -> &'static str {
        self.0.rule
    }

    /// The kind of mistake.
    pub fn kind(&self) -> ConfigErrorKind {
        self.0.kind
    }
}
