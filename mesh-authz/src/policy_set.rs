//! All policies of one workload, compiled.

use crate::decision::{Decision, Delegation, DryRun, Reason, RuleName, Shadow, Verdict};
use crate::error::BuildError;
use crate::explain::StageKind;
use crate::policy::{PolicyId, ProviderId};
use crate::program::{Program, Rule};
use crate::request::Request;
use crate::stage::Stage;

mod builder;

pub use builder::PolicySetBuilder;

/// The policies that apply to one workload, ready to decide.
///
/// Immutable: build a new set and swap it when a policy changes. The order in which policies were added
/// does not matter (AUTHZ-SEL-10).
///
/// Without policies everything is allowed. Otherwise see the [crate page](crate) for the order of
/// evaluation.
///
/// ```
/// use mesh_authz::{
///     Action, HttpAttributes, Operation, Peer, PeerIdentity, Policy, PolicyId, PolicySet, Reason, Request, Rule,
///     Source,
/// };
///
/// let id = PolicyId::new("shop", "frontend-reads");
/// let rule = Rule::new()
///     .from(Source::new().principals(["cluster.local/ns/web/sa/frontend"]))
///     .to(Operation::new().methods(["GET"]));
/// let set = PolicySet::builder().policy(Policy::new(id.clone(), Action::Allow).rule(rule)).build()?;
///
/// let frontend = PeerIdentity::certificate(["spiffe://cluster.local/ns/web/sa/frontend"], [], "");
/// let peer = Peer::new([10, 0, 0, 7].into()).identity(&frontend);
/// let connection = Request::new(peer, ([10, 0, 0, 9], 8080).into());
///
/// let get = set.evaluate(&connection.http(HttpAttributes::new("GET", "/cart")));
/// assert_eq!(get.reason, Reason::AllowedBy { policy: &id, rule: 0 });
/// let post = set.evaluate(&connection.http(HttpAttributes::new("POST", "/cart")));
/// assert_eq!(post.reason, Reason::NoAllowMatched);
/// # Ok::<(), mesh_authz::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PolicySet {
    program: Program,
    policies: Box<[PolicyId]>,
    invalid: Box<[BuildError]>,
    /// One stage for each provider, by its name (AUTHZ-EXT-02).
    custom: Box<[(ProviderId, Stage)]>,
    /// Rules of CUSTOM policies whose provider cannot be asked, with that provider (AUTHZ-EXT-03).
    bad_custom: Box<[(ProviderId, Stage)]>,
    audit: Option<Stage>,
    deny: Option<Stage>,
    allow: Option<Stage>,
    dry_run_deny: Option<Stage>,
    dry_run_allow: Option<Stage>,
}

impl Default for PolicySet {
    /// No policies: everything is allowed (AUTHZ-EVAL-03).
    fn default() -> Self {
        Self {
            program: Program::default(),
            policies: Box::default(),
            invalid: Box::default(),
            custom: Box::default(),
            bad_custom: Box::default(),
            audit: None,
            deny: None,
            allow: None,
            dry_run_deny: None,
            dry_run_allow: None,
        }
    }
}

impl PolicySet {
    /// Starts a set.
    pub fn builder() -> PolicySetBuilder {
        PolicySetBuilder::default()
    }

    /// Whether `request` may pass.
    ///
    /// Enforced policies only. First the `Custom` ones, then `Audit`, `Deny` and `Allow` (AUTHZ-EVAL-01):
    ///
    /// 1. A matching `Custom` rule denies, unless its provider has allowed the request: ask those that
    ///    [`delegated_to`](Self::delegated_to) names, then pass
    ///    [`request.allowed_by_providers()`](Request::allowed_by_providers).
    /// 2. A matching `Deny` rule denies.
    /// 3. Without an enforced `Allow` policy the request passes.
    /// 4. A matching `Allow` rule lets it pass.
    /// 5. Otherwise it is denied.
    ///
    /// Of several matching rules the one whose name is the first in byte order is reported, as by Envoy
    /// (AUTHZ-EVAL-11). Total: never fails or panics, and allocates nothing, unless
    /// [`joined_headers`](PolicySetBuilder::joined_headers) asks for it.
    pub fn evaluate<'p>(&'p self, request: &Request<'_>) -> Decision<'p> {
        if let Some(reason) = self.undelegated(request) {
            return Decision::denied(reason);
        }
        let (audited_by, access_log_hint) = self.audited(request);
        let denied = self.first_match(self.deny.as_ref(), request);
        let allowed = self.allow.as_ref().map(|stage| move || stage.first_match(&self.program, request));
        let (verdict, reason) = self.decide(denied, allowed);
        Decision { verdict, reason, audited_by, access_log_hint }
    }

    /// What the dry-run policies would have done to `request` (AUTHZ-EVAL-08).
    ///
    /// For metadata and logs; [`evaluate`](Self::evaluate) takes no notice of it. Total: never fails, panics
    /// or allocates.
    pub fn dry_run<'p>(&'p self, request: &Request<'_>) -> DryRun<'p> {
        let find = |stage: &'p Option<Stage>| self.first_match(stage.as_ref(), request);
        let (shadow_deny, shadow_allow) = (find(&self.dry_run_deny), find(&self.dry_run_allow));
        let shadow = |stage: &Option<Stage>, matched: Option<&Rule>, verdict| {
            let matched = matched.and_then(|rule| self.rule_name(rule));
            stage.as_ref().map(|_| Shadow { verdict, matched })
        };
        let deny_verdict = if shadow_deny.is_some() { Verdict::Deny } else { Verdict::Allow };
        let allow_verdict = if shadow_allow.is_some() { Verdict::Allow } else { Verdict::Deny };

        let decision = if let Some(reason) = self.undelegated(request) {
            Decision::denied(reason)
        } else {
            let denied = self.earlier(find(&self.deny), shadow_deny);
            let any_allow = self.allow.is_some() || self.dry_run_allow.is_some();
            let allowed = any_allow.then_some(|| self.earlier(find(&self.allow), shadow_allow));
            let (audited_by, access_log_hint) = self.audited(request);
            let (verdict, reason) = self.decide(denied, allowed);
            Decision { verdict, reason, audited_by, access_log_hint }
        };
        DryRun {
            decision,
            deny: shadow(&self.dry_run_deny, shadow_deny, deny_verdict),
            allow: shadow(&self.dry_run_allow, shadow_allow, allow_verdict),
        }
    }

    /// The external authorizers that must allow `request` before [`evaluate`](Self::evaluate) is asked, by
    /// name (AUTHZ-EXT-01, AUTHZ-EXT-02).
    ///
    /// Lazy: a provider's rules are looked at when its turn comes, so a caller who stops at the first
    /// refusal pays no more. Empty when no `Custom` rule matches. Providers that cannot be asked are not
    /// listed; their rules deny in [`evaluate`](Self::evaluate), which a caller who wants to save a call
    /// may ask first.
    ///
    /// ```
    /// use mesh_authz::{Action, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Request, Rule};
    ///
    /// let rule = Rule::new().to(Operation::new().paths(["/admin*"]));
    /// let policy = Policy::new(PolicyId::new("shop", "ask"), Action::Custom("opa".into())).rule(rule);
    /// let set = PolicySet::builder().provider("opa").policy(policy).build()?;
    /// let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    /// let request = connection.http(HttpAttributes::new("GET", "/admin"));
    ///
    /// let to_ask: Vec<_> = set.delegated_to(&request).map(|d| d.provider.as_str()).collect();
    /// assert_eq!(to_ask, ["opa"]);
    /// assert!(!set.evaluate(&request).is_allowed()); // nobody has asked yet
    /// assert!(set.evaluate(&request.allowed_by_providers()).is_allowed());
    /// # Ok::<(), mesh_authz::BuildError>(())
    /// ```
    pub fn delegated_to<'p, 'q>(
        &'p self,
        request: &'q Request<'_>,
    ) -> impl Iterator<Item = Delegation<'p>> + use<'p, 'q> {
        self.custom.iter().filter_map(move |(provider, stage)| {
            let rule = stage.first_match(&self.program, request)?;
            let RuleName { policy, rule, .. } = self.rule_name(rule)?;
            Some(Delegation { provider, policy, rule })
        })
    }

    /// The errors of policies that were kept although they could not be built; see
    /// [`PolicySetBuilder::keep_invalid`].
    pub fn invalid(&self) -> &[BuildError] {
        &self.invalid
    }

    /// The reason why a CUSTOM stage denies.
    #[inline]
    fn undelegated(&self, request: &Request<'_>) -> Option<Reason<'_>> {
        if self.bad_custom.is_empty() && self.custom.is_empty() { None } else { self.not_asked(request) }
    }

    #[inline(never)]
    fn not_asked(&self, request: &Request<'_>) -> Option<Reason<'_>> {
        for (provider, stage) in &self.bad_custom {
            if let Some(found) = stage.first_match(&self.program, request)
                && let Some(RuleName { policy, rule, .. }) = self.rule_name(found)
            {
                return Some(if found.invalid {
                    Reason::InvalidPolicy { policy }
                } else {
                    Reason::BadProvider { policy, rule, provider }
                });
            }
        }
        if request.providers_allowed {
            return None;
        }
        let Delegation { provider, policy, rule } = self.delegated_to(request).next()?;
        Some(Reason::NotDelegated { policy, rule, provider })
    }

    /// The stages that exist, in the order of evaluation.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (StageKind<'_>, &Stage)> {
        let bad = self.bad_custom.iter().map(|(provider, stage)| (StageKind::BadCustom(provider), stage));
        let custom = self.custom.iter().map(|(provider, stage)| (StageKind::Custom(provider), stage));
        let others = [
            (StageKind::Audit, &self.audit),
            (StageKind::DryRunDeny, &self.dry_run_deny),
            (StageKind::Deny, &self.deny),
            (StageKind::DryRunAllow, &self.dry_run_allow),
            (StageKind::Allow, &self.allow),
        ];
        let others = others.into_iter().filter_map(|(kind, stage)| Some((kind, stage.as_ref()?)));
        bad.chain(custom).chain(others)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn policies(&self) -> &[PolicyId] {
        &self.policies
    }

    fn audited(&self, request: &Request<'_>) -> (Option<&PolicyId>, Option<bool>) {
        let Some(stage) = &self.audit else { return (None, None) };
        let policy = stage.first_match(&self.program, request).and_then(|rule| self.policy(rule));
        (policy, Some(policy.is_some()))
    }

    /// The verdict of the DENY and ALLOW stages (AUTHZ-EVAL-03). `allowed` is `None` if there is no ALLOW
    /// stage.
    fn decide<'p>(
        &'p self,
        denied: Option<&'p Rule>,
        allowed: Option<impl FnOnce() -> Option<&'p Rule>>,
    ) -> (Verdict, Reason<'p>) {
        if let Some(found) = denied {
            (Verdict::Deny, self.denied_by(found))
        } else if let Some(allowed) = allowed {
            match allowed().and_then(|rule| self.rule_name(rule)) {
                Some(RuleName { policy, rule, .. }) => (Verdict::Allow, Reason::AllowedBy { policy, rule }),
                None => (Verdict::Deny, Reason::NoAllowMatched),
            }
        } else {
            (Verdict::Allow, Reason::NoAllowPolicies)
        }
    }

    fn denied_by(&self, found: &Rule) -> Reason<'_> {
        match self.rule_name(found) {
            Some(RuleName { policy, .. }) if found.invalid => Reason::InvalidPolicy { policy },
            Some(RuleName { policy, rule, .. }) => Reason::DeniedBy { policy, rule },
            // INVARIANT: every rule has a policy. Without one the rule would still deny.
            None => Reason::NoAllowMatched,
        }
    }

    fn first_match<'p>(&'p self, stage: Option<&'p Stage>, request: &Request<'_>) -> Option<&'p Rule> {
        stage?.first_match(&self.program, request)
    }

    fn policy(&self, rule: &Rule) -> Option<&PolicyId> {
        self.policies.get(rule.policy as usize)
    }

    fn rule_name(&self, rule: &Rule) -> Option<RuleName<'_>> {
        self.policy(rule).map(|policy| RuleName::new(policy, rule.index as usize))
    }

    /// Of two matching rules of different stages the one that a common stage would report. Compares what
    /// their names print without printing them.
    fn earlier<'p>(&'p self, a: Option<&'p Rule>, b: Option<&'p Rule>) -> Option<&'p Rule> {
        let (Some(x), Some(y)) = (a, b) else { return a.or(b) };
        let before = match (self.rule_name(x), self.rule_name(y)) {
            (Some(x), Some(y)) => crate::decision::compare_names(&x, &y).is_le(),
            _ => true,
        };
        if before { a } else { b }
    }
}
