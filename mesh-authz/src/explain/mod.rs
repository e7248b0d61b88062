//! The long answer: what every rule said, and why.

mod why;

use std::fmt;

use crate::decision::{Decision, Delegation, DryRun, RuleName, Verdict};
use crate::error::BuildError;
use crate::policy::ProviderId;
use crate::policy_set::PolicySet;
use crate::program::Rule;
use crate::request::Request;
use crate::stage::Stage;

/// What every rule of a [`PolicySet`] said about a request; made by [`PolicySet::explain`].
///
/// Prints as a text for people, one line a rule, and one for each clause that failed. It repeats
/// attributes of the request, header values and claims among them: mind who gets to read it. The
/// wording may change in any release.
///
/// With the feature `serde` it can be written as data; here one stage with one rule as JSON:
///
/// ```json
/// {"stage": "allow", "rules": [{"name": "ns[shop]-policy[cart]-rule[0]", "outcome": "failed",
///   "detail": [{"field": "to[0].operation.methods", "why": "found `POST`, wanted `GET`"}]}]}
/// ```
///
/// `outcome` is the variant of [`Outcome`] in snake case and `detail` what it holds; a stage of `Custom`
/// policies has `provider` as well.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation<'p> {
    /// The answer of [`PolicySet::evaluate`].
    pub decision: Decision<'p>,
    /// The answer of [`PolicySet::dry_run`].
    pub dry_run: DryRun<'p>,
    /// The answer of [`PolicySet::delegated_to`].
    pub delegated_to: Vec<Delegation<'p>>,
    /// The stages that have a policy, in the order in which they are evaluated (AUTHZ-EVAL-01).
    pub stages: Vec<StageExplanation<'p>>,
}

/// What the rules of one stage said.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StageExplanation<'p> {
    /// Which stage.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stage: StageKind<'p>,
    /// Its rules in the order in which a matching one is reported (AUTHZ-EVAL-11); a policy without rules
    /// has one entry that never matches (AUTHZ-EVAL-12).
    pub rules: Vec<RuleExplanation<'p>>,
}

/// A stage of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "stage", content = "provider", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StageKind<'p> {
    /// `Custom` policies of one provider.
    Custom(&'p ProviderId),
    /// `Custom` policies whose provider cannot be asked, so that they deny (AUTHZ-EXT-03).
    BadCustom(&'p ProviderId),
    /// `Audit` policies.
    Audit,
    /// Enforced `Deny` policies.
    Deny,
    /// `Deny` policies that are tried out.
    DryRunDeny,
    /// Enforced `Allow` policies.
    Allow,
    /// `Allow` policies that are tried out.
    DryRunAllow,
}

/// What one rule said.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RuleExplanation<'p> {
    /// The rule.
    pub name: RuleName<'p>,
    /// What it said.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub outcome: Outcome<'p>,
}

/// Whether a rule matched, and if not, why.
#[derive(Debug, Clone)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "outcome", content = "detail", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Outcome<'p> {
    /// The rule matched.
    Matched,
    /// Clauses that did not hold; of several alternatives those of each.
    Failed(Vec<Failure>),
    /// An `Allow` rule with HTTP fields never matches a TCP connection (AUTHZ-TCP-02).
    HttpOnly,
    /// ztunnel cannot enforce the rule and leaves it out; see [`Profile::Ztunnel`](crate::Profile::Ztunnel).
    NotEnforced,
    /// The policy has no rules, so it matches nothing (AUTHZ-EVAL-05).
    NoRules,
    /// The policy could not be built and was kept; see
    /// [`PolicySetBuilder::keep_invalid`](crate::PolicySetBuilder::keep_invalid) and
    /// [`Policy::invalid`](crate::Policy::invalid).
    Invalid(&'p BuildError),
}

/// A clause that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Failure {
    /// The field below the rule, such as `from[0].source.principals`.
    pub field: String,
    /// What was found and what was wanted.
    pub why: String,
}

impl PolicySet {
    /// Says for every rule whether it matches `request`, and which of its clauses do not hold.
    ///
    /// Walks all rules one after the other and does not use the index of [`evaluate`](Self::evaluate).
    /// Cost: some tens of nanoseconds for each clause, some microseconds for each that failed, and
    /// allocations.
    ///
    /// ```
    /// use mesh_authz::{Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Request, Rule, Source};
    ///
    /// let rule = Rule::new()
    ///     .from(Source::new().principals(["cluster.local/ns/web/sa/frontend"]))
    ///     .to(Operation::new().paths(["/cart"]));
    /// let policy = Policy::new(PolicyId::new("shop", "cart"), Action::Allow).rule(rule);
    /// let set = PolicySet::builder().policy(policy).build()?;
    /// let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    ///
    /// let explanation = set.explain(&connection.http(HttpAttributes::new("GET", "/cart/")));
    /// assert_eq!(
    ///     explanation.to_string(),
    ///     "denied: no ALLOW rule matched
    /// ALLOW
    ///   ns[shop]-policy[cart]-rule[0]: no match
    ///     from[0].source.principals: the peer has no identity (plain text, or TLS without a client \
    /// certificate), wanted `cluster.local/ns/web/sa/frontend`
    ///     to[0].operation.paths: found `/cart/`, wanted `/cart`; the slash at the end makes the difference
    /// ",
    /// );
    /// # Ok::<(), mesh_authz::BuildError>(())
    /// ```
    pub fn explain<'p>(&'p self, request: &Request<'_>) -> Explanation<'p> {
        Explanation {
            decision: self.evaluate(request),
            dry_run: self.dry_run(request),
            delegated_to: self.delegated_to(request).collect(),
            stages: self
                .stages()
                .map(|(kind, stage)| StageExplanation {
                    stage: kind,
                    rules: self.explain_stage(kind, stage, request),
                })
                .collect(),
        }
    }

    fn explain_stage<'p>(
        &'p self,
        kind: StageKind<'p>,
        stage: &Stage,
        request: &Request<'_>,
    ) -> Vec<RuleExplanation<'p>> {
        let name = |policy: u32, rule: usize, invalid: bool| {
            let policy = self.policies().get(policy as usize)?;
            Some(match kind {
                _ if invalid => RuleName::new(policy, rule),
                StageKind::Custom(provider) => RuleName::custom(policy, rule, provider),
                StageKind::BadCustom(provider) => RuleName::bad_custom(policy, rule, provider),
                _ => RuleName::new(policy, rule),
            })
        };
        let invalid = |name: &RuleName<'p>| self.invalid().iter().find(|error| error.policy() == name.policy);
        let rules = stage.rules().iter().filter_map(|rule| {
            let name = name(rule.policy, rule.index as usize, rule.invalid)?;
            let error = if rule.invalid { invalid(&name) } else { None };
            let outcome = error.map_or_else(|| self.explain_rule(stage, rule, request), Outcome::Invalid);
            Some(RuleExplanation { name, outcome })
        });
        let without = stage.without_rules().iter().filter_map(|&policy| {
            let name = name(policy, 0, false)?;
            Some(RuleExplanation { name, outcome: invalid(&name).map_or(Outcome::NoRules, Outcome::Invalid) })
        });
        rules.chain(without).collect()
    }

    fn explain_rule<'p>(&self, stage: &Stage, rule: &Rule, request: &Request<'_>) -> Outcome<'p> {
        if stage.skips_http(request) && rule.uses_http {
            return Outcome::HttpOnly;
        }
        if rule.never {
            return Outcome::NotEnforced;
        }
        let failures = self.program().failures(rule, request);
        if failures.is_empty() { Outcome::Matched } else { Outcome::Failed(failures) }
    }
}

impl fmt::Display for StageKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(provider) => write!(f, "CUSTOM by `{provider}`"),
            Self::BadCustom(provider) => write!(f, "CUSTOM by `{provider}`, which cannot be asked"),
            Self::Audit => f.write_str("AUDIT"),
            Self::Deny => f.write_str("DENY"),
            Self::DryRunDeny => f.write_str("DENY, dry run"),
            Self::Allow => f.write_str("ALLOW"),
            Self::DryRunAllow => f.write_str("ALLOW, dry run"),
        }
    }
}

/// The first line says the verdict, the others what each stage and rule said.
impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.decision)?;
        for StageExplanation { stage, rules } in &self.stages {
            writeln!(f, "{stage}")?;
            for RuleExplanation { name, outcome } in rules {
                match outcome {
                    Outcome::Matched => writeln!(f, "  {name}: match")?,
                    Outcome::HttpOnly => {
                        writeln!(f, "  {name}: left out, it has HTTP fields and this is a TCP connection")?;
                    }
                    Outcome::NotEnforced => {
                        writeln!(f, "  {name}: left out, ztunnel cannot enforce one of its fields")?;
                    }
                    Outcome::NoRules => writeln!(f, "  {name}: no match, the policy has no rules")?,
                    Outcome::Invalid(error) => writeln!(f, "  {name}: kept although invalid: {error}")?,
                    Outcome::Failed(failures) => {
                        writeln!(f, "  {name}: no match")?;
                        for Failure { field, why } in failures {
                            writeln!(f, "    {field}: {why}")?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// The verdict and its reason in a few words.
impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::decision::Reason;
        let verdict = match self.verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        match self.reason {
            Reason::NoAllowPolicies => write!(f, "{verdict}: no rule denies it and there is no ALLOW policy"),
            Reason::NoAllowMatched => write!(f, "{verdict}: no ALLOW rule matched"),
            Reason::AllowedBy { policy, rule } | Reason::DeniedBy { policy, rule } => {
                write!(f, "{verdict} by rule {rule} of {policy}")
            }
            Reason::InvalidPolicy { policy } => {
                write!(f, "{verdict}: {policy} is invalid and denies everything")
            }
            Reason::BadProvider { policy, rule, provider } => {
                write!(f, "{verdict} by rule {rule} of {policy}: provider `{provider}` cannot be asked")
            }
            Reason::NotDelegated { policy, rule, provider } => {
                write!(f, "{verdict} by rule {rule} of {policy}: provider `{provider}` has not been asked")
            }
        }
    }
}
