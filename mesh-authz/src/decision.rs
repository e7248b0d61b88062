//! Verdicts and what led to them.

use std::cmp::Ordering;
use std::fmt;

use crate::policy::{PolicyId, ProviderId};

/// Whether a request may pass.
///
/// Closed on purpose: there is no third answer, and a caller who matches on it need not think of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[allow(clippy::exhaustive_enums, reason = "a verdict is one of these two")]
pub enum Verdict {
    /// The request may pass.
    Allow,
    /// The request may not pass.
    Deny,
}

/// The answer to one request.
///
/// ```
/// use mesh_authz::{Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Request, Rule, Verdict};
///
/// let rule = Rule::new().to(Operation::new().paths(["/admin*"]));
/// let policy = Policy::new(PolicyId::new("shop", "no-admin"), Action::Deny).rule(rule);
/// let set = PolicySet::builder().policy(policy).build()?;
/// let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
///
/// let decision = set.evaluate(&connection.http(HttpAttributes::new("GET", "/admin/users")));
/// assert_eq!(decision.verdict, Verdict::Deny);
/// assert_eq!(
///     decision.response_code_details().unwrap().to_string(),
///     "rbac_access_denied_matched_policy[ns[shop]-policy[no-admin]-rule[0]]",
/// );
/// # Ok::<(), mesh_authz::BuildError>(())
/// ```
///
/// With the feature `serde` it can be written to a log; here as JSON:
///
/// ```json
/// {"verdict": "deny", "reason": {"kind": "denied_by", "policy": {"namespace": "shop", "name": "no-admin"}, "rule": 0}}
/// ```
///
/// `kind` is the variant of [`Reason`] in snake case, and its fields follow. `audited_by`, a policy, and
/// `access_log_hint` are there if they are not `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[must_use = "a decision that nobody reads protects nothing"]
#[non_exhaustive]
pub struct Decision<'p> {
    /// Whether the request may pass.
    pub verdict: Verdict,
    /// What decided it.
    pub reason: Reason<'p>,
    /// The `Audit` policy that matched, if one did. It never changes the verdict (AUTHZ-EVAL-09).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub audited_by: Option<&'p PolicyId>,
    /// Envoy's `access_log_hint`: whether an `Audit` policy matched, and `None` if there is no `Audit`
    /// policy, or a provider's stage ended the request before (AUTHZ-EVAL-09).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub access_log_hint: Option<bool>,
}

/// What decided a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason<'p> {
    /// Nothing denies the request and no `Allow` policy is enforced: allowed (AUTHZ-EVAL-03).
    NoAllowPolicies,
    /// A rule of an `Allow` policy matched.
    AllowedBy {
        /// The policy.
        policy: &'p PolicyId,
        /// The index of the rule.
        rule: usize,
    },
    /// A rule of a `Deny` policy matched.
    DeniedBy {
        /// The policy.
        policy: &'p PolicyId,
        /// The index of the rule.
        rule: usize,
    },
    /// `Allow` policies are enforced and none matched: denied.
    NoAllowMatched,
    /// A `Deny` or `Custom` policy that could not be built was kept, and denies everything; see
    /// [`PolicySetBuilder::keep_invalid`](crate::PolicySetBuilder::keep_invalid).
    InvalidPolicy {
        /// The policy.
        policy: &'p PolicyId,
    },
    /// A rule of a `Custom` policy matched, but its provider cannot be asked: it is not defined, or there
    /// are several and that is not enabled (AUTHZ-EXT-03). Denied.
    BadProvider {
        /// The policy.
        policy: &'p PolicyId,
        /// The index of the rule.
        rule: usize,
        /// The provider the policy names.
        provider: &'p ProviderId,
    },
    /// A rule of a `Custom` policy matched, and nobody said that the provider has allowed the request;
    /// see [`Request::allowed_by_providers`](crate::Request::allowed_by_providers). Denied.
    NotDelegated {
        /// The policy.
        policy: &'p PolicyId,
        /// The index of the rule.
        rule: usize,
        /// The provider to ask.
        provider: &'p ProviderId,
    },
}

impl<'p> Decision<'p> {
    /// A denial before any AUDIT policy was looked at.
    pub(crate) fn denied(reason: Reason<'p>) -> Self {
        Self { verdict: Verdict::Deny, reason, audited_by: None, access_log_hint: None }
    }

    /// Whether the verdict is [`Verdict::Allow`].
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// The rule that decided, as Envoy names it: `enforced_effective_policy_id` in the request's metadata
    /// (AUTHZ-RESP-05). `None` if no rule matched.
    pub fn effective_policy_id(&self) -> Option<RuleName<'p>> {
        self.reason.rule()
    }

    /// Envoy's response-code details of a denial, which a TCP proxy reports as connection termination
    /// details (AUTHZ-RESP-03, AUTHZ-RESP-04): `rbac_access_denied_matched_policy[RULE]`, with `none` if no
    /// `Allow` rule matched. `None` if the request is allowed.
    pub fn response_code_details(&self) -> Option<impl fmt::Display + 'p> {
        match self.verdict {
            Verdict::Allow => None,
            Verdict::Deny => Some(Details(self.reason.rule())),
        }
    }
}

impl<'p> Reason<'p> {
    fn rule(self) -> Option<RuleName<'p>> {
        Some(match self {
            Self::NoAllowPolicies | Self::NoAllowMatched => return None,
            Self::AllowedBy { policy, rule } | Self::DeniedBy { policy, rule } => RuleName::new(policy, rule),
            Self::InvalidPolicy { policy } => RuleName::new(policy, 0),
            Self::BadProvider { policy, rule, provider } => RuleName::bad_custom(policy, rule, provider),
            Self::NotDelegated { policy, rule, provider } => RuleName::custom(policy, rule, provider),
        })
    }
}

/// The name of a rule in Envoy's configuration, logs and metadata (AUTHZ-EVAL-10), printed as
/// `ns[NAMESPACE]-policy[NAME]-rule[INDEX]`; rules of `Custom` policies start with
/// `istio-ext-authz-PROVIDER-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleName<'p> {
    /// The policy.
    pub policy: &'p PolicyId,
    /// The index of the rule within the policy.
    pub rule: usize,
    /// The provider of a `Custom` policy.
    pub provider: Option<&'p ProviderId>,
    bad_provider: bool,
}

impl<'p> RuleName<'p> {
    pub(crate) fn new(policy: &'p PolicyId, rule: usize) -> Self {
        Self { policy, rule, provider: None, bad_provider: false }
    }

    pub(crate) fn custom(policy: &'p PolicyId, rule: usize, provider: &'p ProviderId) -> Self {
        Self { provider: Some(provider), ..Self::new(policy, rule) }
    }

    pub(crate) fn bad_custom(policy: &'p PolicyId, rule: usize, provider: &'p ProviderId) -> Self {
        Self { bad_provider: true, ..Self::custom(policy, rule, provider) }
    }
}

impl fmt::Display for RuleName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = self.provider {
            write!(f, "istio-ext-authz-{provider}-")?;
        }
        write!(f, "ns[{}]-policy[{}]-rule[{}]", self.policy.namespace(), self.policy.name(), self.rule)?;
        f.write_str(if self.bad_provider { "-deny-due-to-bad-CUSTOM-action" } else { "" })
    }
}

/// Compares what two names without provider print, byte by byte (AUTHZ-EVAL-11), without printing them.
pub(crate) fn compare_names(a: &RuleName<'_>, b: &RuleName<'_>) -> Ordering {
    fn bytes<'a>(name: &'a RuleName<'_>, digits: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
        let parts: [&[u8]; 5] = [
            name.policy.namespace().as_bytes(),
            b"]-policy[",
            name.policy.name().as_bytes(),
            b"]-rule[",
            digits,
        ];
        parts.into_iter().flatten().copied().chain([b']'])
    }
    let (mut buffer_a, mut buffer_b) = ([0; 20], [0; 20]);
    bytes(a, decimal(a.rule, &mut buffer_a)).cmp(bytes(b, decimal(b.rule, &mut buffer_b)))
}

/// The decimal digits of `number`.
fn decimal(mut number: usize, buffer: &mut [u8; 20]) -> &[u8] {
    let mut len = 0;
    for digit in buffer.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        len += 1;
        if number == 0 {
            break;
        }
    }
    buffer.get(buffer.len() - len..).unwrap_or_default()
}

struct Details<'p>(Option<RuleName<'p>>);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(rule) => write!(f, "rbac_access_denied_matched_policy[{rule}]"),
            None => f.write_str("rbac_access_denied_matched_policy[none]"),
        }
    }
}

/// A question to an external authorizer that a `Custom` policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Delegation<'p> {
    /// Whom to ask.
    pub provider: &'p ProviderId,
    /// The policy that wants it.
    pub policy: &'p PolicyId,
    /// The index of the matching rule.
    pub rule: usize,
}

impl<'p> Delegation<'p> {
    /// The rule as Envoy names it, metadata key `istio_ext_authz_shadow_effective_policy_id`
    /// (AUTHZ-RESP-06).
    pub fn rule_name(&self) -> RuleName<'p> {
        RuleName::custom(self.policy, self.rule, self.provider)
    }
}

/// What the dry-run policies of a set would have done.
///
/// With the feature `serde`: `decision`, and `deny` and `allow` if they are not `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[must_use]
#[non_exhaustive]
pub struct DryRun<'p> {
    /// The decision if every dry-run policy were enforced.
    pub decision: Decision<'p>,
    /// What the dry-run `Deny` policies would have done on their own; `None` if there are none. Envoy's
    /// metadata keys `istio_dry_run_deny_shadow_*` (AUTHZ-RESP-06).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub deny: Option<Shadow<'p>>,
    /// What the dry-run `Allow` policies would have done on their own; `None` if there are none. Envoy's
    /// metadata keys `istio_dry_run_allow_shadow_*` (AUTHZ-RESP-06).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub allow: Option<Shadow<'p>>,
}

/// The outcome of one stage of dry-run policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Shadow<'p> {
    /// What enforcing the stage would have done: Envoy's `allowed` and `denied`.
    pub verdict: Verdict,
    /// The rule that matched, if one did.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub matched: Option<RuleName<'p>>,
}
