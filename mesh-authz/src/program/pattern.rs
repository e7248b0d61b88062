//! Tests: one value of a field, parsed.

use super::{Program, Text, equal};

/// A string form of a policy (AUTHZ-STR-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(Text),
    Prefix(Text),
    Suffix(Text),
    /// `*`: what counts as present differs by attribute (AUTHZ-STR-03).
    Present,
}

/// The form of a value, before its text is interned. `*` alone is presence, else a leading `*` makes a
/// suffix, else a trailing one a prefix; any other `*` is a literal character (AUTHZ-STR-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Suffix(&'a str),
    Present,
}

impl<'a> Form<'a> {
    pub(crate) fn parse(value: &'a str) -> Self {
        if value == "*" {
            Self::Present
        } else if let Some(suffix) = value.strip_prefix('*') {
            Self::Suffix(suffix)
        } else if let Some(prefix) = value.strip_suffix('*') {
            Self::Prefix(prefix)
        } else {
            Self::Exact(value)
        }
    }
}

/// One value of a clause. What it may be depends on the clause's attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// Every attribute that is a string.
    String(Pattern),
    /// `/ns/GLOB/`, looked for anywhere in the identity.
    Namespace(Text),
    /// `/ns/GLOB/`; the namespace of a SPIFFE id matches the glob as a whole.
    StrictNamespace(Text),
    /// `NAMESPACE/sa/ACCOUNT`; the account has no slash.
    ServiceAccount(Text),
    /// A trust domain with at most one `*`.
    TrustDomain(Text),
    /// Index of the patterns for issuer and subject.
    RequestPrincipal(u32),
    /// A path template.
    Template(Text),
    /// Index of the block.
    Block(u32),
    Port(u16),
    /// A list with a string that has the form with this index.
    Listed(u32),
}

/// The patterns for issuer and subject that a request principal stands for (AUTHZ-SRC-08).
pub(crate) fn split_request_principal(value: &str) -> (Form<'_>, Form<'_>) {
    let Some((issuer, subject)) = value.rsplit_once('/') else {
        return match Form::parse(value) {
            Form::Present => (Form::Present, Form::Present),
            Form::Suffix(suffix) => (Form::Present, Form::Suffix(suffix)),
            Form::Prefix(prefix) => (Form::Prefix(prefix), Form::Present),
            Form::Exact(issuer) => (Form::Exact(issuer), Form::Exact("")),
        };
    };
    if let Some(suffix) = issuer.strip_prefix('*') {
        let issuer = if suffix.is_empty() { Form::Present } else { Form::Suffix(suffix) };
        (issuer, Form::Exact(subject))
    } else if let Some(prefix) = subject.strip_suffix('*') {
        let subject = if prefix.is_empty() { Form::Present } else { Form::Prefix(prefix) };
        (Form::Exact(issuer), subject)
    } else {
        (Form::Exact(issuer), Form::Exact(subject))
    }
}

impl Program {
    /// Whether `value` has the form `pattern`; `present` says what `*` means for the attribute.
    #[inline]
    pub(crate) fn has_form(&self, pattern: Pattern, value: &[u8], present: bool) -> bool {
        let (part, text) = match pattern {
            Pattern::Exact(text) => (Some(value), text),
            Pattern::Prefix(text) => (value.get(..text.len()), text),
            Pattern::Suffix(text) => {
                (value.len().checked_sub(text.len()).and_then(|start| value.get(start..)), text)
            }
            Pattern::Present => return present,
        };
        part.is_some_and(|part| equal(part, self.texts.bytes(text)))
    }

    /// As [`has_form`](Self::has_form) in any ASCII letter case; the pattern is in lower case.
    pub(crate) fn has_form_ignoring_case(&self, pattern: Pattern, value: &[u8], present: bool) -> bool {
        let eq = |part: Option<&[u8]>, text: Text| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(self.texts.bytes(text)))
        };
        match pattern {
            Pattern::Exact(text) => eq(Some(value), text),
            Pattern::Prefix(text) => eq(value.get(..self.texts.bytes(text).len()), text),
            Pattern::Suffix(text) => {
                let start = value.len().checked_sub(self.texts.bytes(text).len());
                eq(start.and_then(|start| value.get(start..)), text)
            }
            Pattern::Present => present,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        // AUTHZ-STR-01
        assert_eq!(Form::parse("*"), Form::Present);
        assert_eq!(Form::parse("*a*"), Form::Suffix("a*"));
        assert_eq!(Form::parse("a*"), Form::Prefix("a"));
        assert_eq!(Form::parse("a*b"), Form::Exact("a*b"));
        assert_eq!(Form::parse("**"), Form::Suffix("*"));
    }

    #[test]
    fn request_principals() {
        use Form::{Exact, Prefix, Present, Suffix};
        // AUTHZ-SRC-08, line by line
        for (value, issuer, subject) in [
            ("*", Present, Present),
            ("I/S", Exact("I"), Exact("S")),
            ("I/*", Exact("I"), Present),
            ("I/S*", Exact("I"), Prefix("S")),
            ("*/S", Present, Exact("S")),
            ("*x/S", Suffix("x"), Exact("S")),
            ("*x", Present, Suffix("x")),
            ("x*", Prefix("x"), Present),
            ("X", Exact("X"), Exact("")),
            ("*/S*", Present, Exact("S*")),
            ("x*/S", Exact("x*"), Exact("S")),
            ("https://i/a/b", Exact("https://i/a"), Exact("b")),
            ("https://i/*", Exact("https://i"), Present),
        ] {
            assert_eq!(split_request_principal(value), (issuer, subject), "{value}");
        }
    }
}
