//! Findings about objects.

use crate::meta::{ObjectRef, Origin};
use crate::path::FieldPath;
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Probably not what was meant.
    Warning,
    /// Istio refuses it, or it cannot mean what was written.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A point in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// From 0, in bytes of the whole source.
    pub byte: usize,
}

/// A half-open range of a source's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Span {
    /// First character.
    pub start: Position,
    /// Just behind the last character.
    pub end: Position,
}

/// Which part of a field a finding is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Target {
    /// The value.
    #[default]
    Value,
    /// The key, as for an unknown field.
    Key,
}

/// Rules of the model reference whose warnings are those of Istio's admission (`W go`), by section.
const ADMISSION_WARNINGS: [&str; 29] = [
    "MODEL-SEL-3",
    "MODEL-SEL-5",
    "MODEL-STLS-1",
    "MODEL-STLS-2",
    "MODEL-STLS-4",
    "MODEL-STLS-7",
    "MODEL-OD-2",
    "MODEL-LB-4",
    "MODEL-LB-12",
    "MODEL-VS-7",
    "MODEL-VS-35",
    "MODEL-VS-37",
    "MODEL-VS-54",
    "MODEL-GW-11",
    "MODEL-SE-3",
    "MODEL-SE-7",
    "MODEL-SE-12",
    "MODEL-SCAR-7",
    "MODEL-SCAR-13",
    "MODEL-SCAR-14",
    "MODEL-WE-1",
    "MODEL-EF-1",
    "MODEL-EF-4",
    "MODEL-EF-6",
    "MODEL-EF-8",
    "MODEL-AP-17",
    "MODEL-RA-5",
    "MODEL-TEL-3",
    "MODEL-TEL-6",
];

/// A finding: what is wrong, where, and what to do.
///
/// Its `Display` is one line, `file:line:col: severity[CODE]: Kind ns/name: path: message`; parts that are not
/// known are left out. The help is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Stable id of the rule, such as `MODEL-VS-10`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The object, when one could be read.
    pub object: Option<ObjectRef>,
    /// The document it was read from.
    pub origin: Option<Origin>,
    /// The field, relative to the object; empty for the object or the document itself.
    pub path: FieldPath,
    /// Whether the key or the value of the field is meant.
    pub target: Target,
    /// Where that is in the source; `None` until [`locate`](crate::locate) found it.
    pub span: Option<Span>,
    /// Where, what was found, what is allowed: lower case, no full stop, the user's text in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding that is not yet tied to an object.
    pub fn new(code: &'static str, severity: Severity, path: FieldPath, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            object: None,
            origin: None,
            path,
            target: Target::Value,
            span: None,
            message: message.into(),
            help: None,
        }
    }

    /// An error.
    pub fn error(code: &'static str, path: FieldPath, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, path, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, path: FieldPath, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, path, message)
    }

    /// A remark.
    pub fn info(code: &'static str, path: FieldPath, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, path, message)
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at the key instead of the value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.target = Target::Key;
        self
    }

    /// Ties the finding to an object and where it was read.
    #[must_use]
    pub fn of(mut self, object: Option<ObjectRef>, origin: Option<&Origin>) -> Self {
        self.object = object;
        self.origin = origin.cloned();
        self
    }

    /// The code under which `istioctl analyze` reports the finding; `None` for what Istio does not report.
    ///
    /// Findings of one analyzer name their code in the message. What Istio's admission refuses is IST0106 there, and
    /// what it warns of is IST0133 (MODEL-ANA-1).
    ///
    /// ```
    /// use mesh_model::networking::DestinationRule;
    /// use mesh_model::validate::{Settings, validate};
    /// let rule = mesh_model::Object::new("shop", "reviews", DestinationRule::default());
    /// let found = validate(&rule, &Settings::default());
    /// assert_eq!((found[0].code, found[0].istio_code()), ("MODEL-DR-1", Some("IST0106")));
    /// ```
    pub fn istio_code(&self) -> Option<&str> {
        let is_code = |text: &&str| {
            text.len() == 7
                && text.starts_with("IST")
                && text.bytes().skip(3).all(|byte| byte.is_ascii_digit())
        };
        let named = self.message.rsplit('(').filter_map(|part| part.split(')').next()).find(is_code);
        named.or_else(|| {
            let istio = self.object.as_ref().is_some_and(|object| object.kind.is_istio());
            match self.severity {
                Severity::Error if istio => Some("IST0106"),
                Severity::Warning if istio && ADMISSION_WARNINGS.contains(&self.code) => Some("IST0133"),
                _ => None,
            }
        })
    }

    /// True for [`Severity::Error`].
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            match self.span {
                Some(span) => write!(f, "{}:{}:{}: ", origin.source, span.start.line, span.start.column)?,
                None => write!(f, "{}:{}: ", origin.source, origin.line)?,
            }
        }
        write!(f, "{}[{}]: ", self.severity, self.code)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        // An item of a list is found by its place in the document (MODEL-DOC-2).
        let item = self.origin.as_ref().map(|origin| &origin.path).filter(|path| !path.is_empty());
        match (item, self.path.is_empty()) {
            (Some(item), true) => write!(f, "{item}: ")?,
            (Some(item), false) => write!(f, "{item}.{}: ", self.path)?,
            (None, true) => {}
            (None, false) => write!(f, "{}: ", self.path)?,
        }
        f.write_str(&self.message)
    }
}
