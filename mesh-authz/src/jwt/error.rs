//! Why request authentication could not be built.

use std::error::Error;
use std::fmt;

use super::failure::JwtFailure;
use crate::policy::PolicyId;

/// A `RequestAuthentication` holds something that has no meaning.
///
/// Names the object, the field by its path in it, and the value.
///
/// ```
/// use mesh_authz::PolicyId;
/// use mesh_authz::jwt::{JwtAuthentication, JwtBuildErrorKind, JwtRule, RequestAuthentication};
///
/// let rule = JwtRule::new("https://issuer.example").jwks_uri("ftp://issuer.example/keys");
/// let policy = RequestAuthentication::new(PolicyId::new("shop", "tokens")).rule(rule);
/// let error = JwtAuthentication::builder().policy(policy).build().unwrap_err();
/// assert_eq!(error.kind(), JwtBuildErrorKind::InvalidUri);
/// assert_eq!(
///     error.to_string(),
///     "RequestAuthentication shop/tokens: spec.jwtRules[0].jwksUri: `ftp://issuer.example/keys` is not an \
///      address to fetch from, it must start with `https://` or `http://`",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtBuildError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    policy: PolicyId,
    rule: usize,
    at: FieldError,
}

/// What is wrong with a rule (AUTHZ-VAL-11, AUTHZ-VAL-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JwtBuildErrorKind {
    /// An audience, a name or a claim is the empty string.
    EmptyValue,
    /// Neither `issuer` nor `jwksUri`.
    IssuerOrUriRequired,
    /// Both `jwks` and `jwksUri`.
    JwksAndUri,
    /// `jwksUri` is neither `http://` nor `https://`.
    InvalidUri,
    /// `jwks` is not a key set; what is wrong with it is the error's [`source`](Error::source).
    InvalidJwks(JwtFailure),
    /// A header to write has characters other than letters, digits, `-` and `_`.
    InvalidHeaderName,
    /// More than 4096 rules.
    TooManyRules,
    /// More than 64 names.
    TooManyClaims,
}

impl JwtBuildErrorKind {
    fn explain(self) -> &'static str {
        match self {
            Self::EmptyValue => "is empty, remove it or write a value",
            Self::IssuerOrUriRequired => "is empty, write it or `jwksUri`",
            Self::JwksAndUri => "stands beside `jwks`, write one of them",
            Self::InvalidUri => "is not an address to fetch from, it must start with `https://` or `http://`",
            Self::InvalidJwks(_) => "is not a JSON Web Key Set with a usable key",
            Self::InvalidHeaderName => "is not a header name of letters, digits, `-` and `_`",
            Self::TooManyRules => "is one rule too many, the limit is 4096",
            Self::TooManyClaims => "is one name too many, the limit is 64",
        }
    }
}

impl JwtBuildError {
    pub(crate) fn new(policy: &PolicyId, rule: usize, at: FieldError) -> Self {
        Self(Box::new(Inner { policy: policy.clone(), rule, at }))
    }

    /// The object.
    pub fn policy(&self) -> &PolicyId {
        &self.0.policy
    }

    /// The index of the rule within the object.
    pub fn rule(&self) -> usize {
        self.0.rule
    }

    /// Where in the object the value stands, such as `spec.jwtRules[0].fromHeaders[1].name`.
    pub fn field(&self) -> String {
        let Inner { rule, at, .. } = &*self.0;
        let dot = if at.field.is_empty() { "" } else { "." };
        format!("spec.jwtRules[{rule}]{dot}{}", at.field)
    }

    /// The value as it was written; empty for a key set, which may hold secrets.
    pub fn value(&self) -> &str {
        &self.0.at.value
    }

    /// What is wrong with it.
    pub fn kind(&self) -> JwtBuildErrorKind {
        self.0.at.kind
    }
}

impl fmt::Display for JwtBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { policy, at, .. } = &*self.0;
        write!(f, "RequestAuthentication {policy}: {}: ", self.field())?;
        match at.kind {
            JwtBuildErrorKind::InvalidJwks(_) => {}
            _ => write!(f, "`{}` ", at.value)?,
        }
        f.write_str(at.kind.explain())
    }
}

impl Error for JwtBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.at.kind {
            JwtBuildErrorKind::InvalidJwks(failure) => Some(failure),
            _ => None,
        }
    }
}

/// An error below a rule: the path from the rule on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) kind: JwtBuildErrorKind,
    pub(crate) value: String,
}

impl FieldError {
    pub(crate) fn new(field: impl Into<String>, kind: JwtBuildErrorKind, value: &str) -> Self {
        Self { field: field.into(), kind, value: value.to_owned() }
    }
}
