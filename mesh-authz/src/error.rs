//! Why a policy set could not be built.

use std::error::Error;
use std::fmt;

use crate::policy::PolicyId;

/// A policy holds something that has no meaning.
///
/// Names the policy, the field by its path in the `AuthorizationPolicy` object, and the value.
///
/// ```
/// use mesh_authz::{Action, BuildErrorKind, Policy, PolicyId, PolicySet, Rule, Source};
///
/// let rule = Rule::new().from(Source::new().ip_blocks(["10.0.0.0/8", "10.0.0.0/33"]));
/// let policy = Policy::new(PolicyId::new("shop", "internal"), Action::Allow).rule(rule);
/// let error = PolicySet::builder().policy(policy).build().unwrap_err();
/// assert_eq!(error.kind(), BuildErrorKind::InvalidIpBlock);
/// assert_eq!(
///     error.to_string(),
///     "AuthorizationPolicy shop/internal: spec.rules[0].from[0].source.ipBlocks[1]: `10.0.0.0/33` \
///      is not an IP address or a CIDR block such as `10.0.0.0/8`",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    policy: PolicyId,
    rule: Option<usize>,
    field: String,
    kind: BuildErrorKind,
    value: String,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// A value is the empty string (AUTHZ-VAL-04).
    EmptyValue,
    /// A value of `ipBlocks`, `remoteIpBlocks` or an `.ip` condition is no address and no CIDR block.
    InvalidIpBlock,
    /// A port is not a decimal number of at most 65535 (AUTHZ-OP-05).
    InvalidPort,
    /// A path has braces that are no well-formed template (AUTHZ-PATH-09, AUTHZ-VAL-07).
    InvalidPathTemplate,
    /// A service account is not `ACCOUNT` or `NAMESPACE/ACCOUNT` (AUTHZ-VAL-05).
    InvalidServiceAccount,
    /// A trust domain has a slash, or a `*` that is not its only one at one end (AUTHZ-VAL-06).
    InvalidTrustDomain,
    /// The key of a condition is not one of AUTHZ-COND-01.
    UnknownConditionKey,
    /// The key of a condition lacks its brackets, or has nothing between them (AUTHZ-COND-03).
    InvalidConditionKey,
    /// A `Custom` policy looks at something that is not known yet when providers are asked
    /// (AUTHZ-VAL-09).
    NotForCustom,
    /// A `Custom` or `Audit` policy asks for a dry run (AUTHZ-EVAL-08, AUTHZ-EXT-13).
    DryRunUnsupported,
    /// ztunnel enforces `Allow` and `Deny` policies only (AUTHZ-ZT-10).
    NotForZtunnel,
    /// Whoever made the policy could not understand it and said so with
    /// [`Policy::invalid`](crate::Policy::invalid).
    Unreadable,
    /// The texts or rules of the set exceed what 32-bit offsets can hold.
    TooLarge,
}

impl BuildErrorKind {
    fn explain(self) -> &'static str {
        match self {
            Self::EmptyValue => "is empty, remove it or write `*`",
            Self::InvalidIpBlock => "is not an IP address or a CIDR block such as `10.0.0.0/8`",
            Self::InvalidPort => "is not a port, write a decimal number from 0 to 65535",
            Self::InvalidPathTemplate => {
                "is not a path template, write `{*}` or `{**}` as whole segments, `{**}` as the last of them, \
                 and nothing else in braces"
            }
            Self::InvalidServiceAccount => {
                "is not a service account, write `ACCOUNT` or `NAMESPACE/ACCOUNT` without `*`"
            }
            Self::InvalidTrustDomain => {
                "is not a trust domain, write it without `/` and with at most one `*`, first or last"
            }
            Self::UnknownConditionKey => "is not a condition key that Istio knows",
            Self::InvalidConditionKey => "lacks a name in brackets, such as `request.headers[x-env]`",
            Self::NotForCustom => "cannot be used by a CUSTOM policy, providers are asked before it is known",
            Self::DryRunUnsupported => "cannot be a dry run, only ALLOW and DENY policies can",
            Self::NotForZtunnel => "is not enforced by ztunnel, only ALLOW and DENY are",
            Self::Unreadable => "could not be understood",
            Self::TooLarge => "makes the policy set exceed 4 GiB of text or 4294967295 rules",
        }
    }
}

impl BuildError {
    pub(crate) fn new(policy: &PolicyId, rule: Option<usize>, at: FieldError) -> Self {
        let field = match rule {
            Some(rule) => format!("spec.rules[{rule}].{}", at.field),
            None => at.field,
        };
        Self(Box::new(Inner { policy: policy.clone(), rule, field, kind: at.kind, value: at.value }))
    }

    /// The policy.
    pub fn policy(&self) -> &PolicyId {
        &self.0.policy
    }

    /// The index of the rule within the policy; `None` if the fault is not in a rule.
    pub fn rule(&self) -> Option<usize> {
        self.0.rule
    }

    /// Where in the object the value stands, such as `spec.rules[0].to[1].operation.ports[0]`.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// The value as it was written; the reason, if it is that of [`Policy::invalid`](crate::Policy::invalid).
    pub fn value(&self) -> &str {
        &self.0.value
    }

    /// What is wrong with it.
    pub fn kind(&self) -> BuildErrorKind {
        self.0.kind
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { policy, field, kind, value, .. } = &*self.0;
        if *kind == BuildErrorKind::Unreadable {
            return write!(f, "AuthorizationPolicy {policy}: {value}");
        }
        write!(f, "AuthorizationPolicy {policy}: {field}: `{value}` {}", kind.explain())
    }
}

impl Error for BuildError {}

/// An error below a rule: the path from the rule on.
#[derive(Debug)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) kind: BuildErrorKind,
    pub(crate) value: String,
}
