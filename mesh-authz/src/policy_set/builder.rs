//! Building a [`PolicySet`].

use std::collections::BTreeMap;

use super::PolicySet;
use crate::error::{BuildError, BuildErrorKind, FieldError};
use crate::index::MAX_RULES;
use crate::policy::{Action, Policy, PolicyId, Profile, ProviderId};
use crate::program::{LowerContext, Names, Program, Rule, lower_policy};
use crate::stage::{OnTcp, Selected, Stage};
use crate::trust_domain::TrustDomains;

/// Collects policies and settings; see [`PolicySet::builder`].
#[derive(Debug, Clone, Default)]
pub struct PolicySetBuilder {
    policies: Vec<Policy>,
    context: LowerContext,
    providers: BTreeMap<ProviderId, OnTcp>,
    several_providers: bool,
    keep_invalid: bool,
    joined_headers: bool,
}

impl PolicySetBuilder {
    /// Adds a policy that applies to the workload.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Adds several policies.
    #[must_use]
    pub fn policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.policies.extend(policies);
        self
    }

    /// Whose rules of enforcement apply; Envoy's if this is not called.
    ///
    /// ```
    /// use mesh_authz::{Action, Operation, Peer, Policy, PolicyId, PolicySet, Profile, Request, Rule};
    ///
    /// let rule = Rule::new().to(Operation::new().methods(["GET"]));
    /// let policy = Policy::new(PolicyId::new("shop", "no-reads"), Action::Deny).rule(rule);
    /// let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    /// let decide = |profile| {
    ///     let set = PolicySet::builder().profile(profile).policy(policy.clone()).build()?;
    ///     Ok::<_, mesh_authz::BuildError>(set.evaluate(&connection).is_allowed())
    /// };
    /// assert!(!decide(Profile::Envoy)?);
    /// assert!(decide(Profile::Ztunnel)?); // cannot tell a GET, and does not deny what it cannot tell
    /// # Ok::<(), mesh_authz::BuildError>(())
    /// ```
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.context.profile = profile;
        self
    }

    /// The mesh's trust domain and its aliases; `cluster.local` alone if this is not called.
    #[must_use]
    pub fn trust_domains(mut self, domains: TrustDomains) -> Self {
        self.context.trust_domains = domains;
        self
    }

    /// Defines an external authorizer that `Custom` policies may name and that can be asked about HTTP
    /// requests and TCP connections, Istio's `envoyExtAuthzGrpc`. Rules of a policy that names a provider
    /// which is not defined deny what they match (AUTHZ-EXT-03).
    #[must_use]
    pub fn provider(mut self, provider: impl Into<ProviderId>) -> Self {
        self.providers.insert(provider.into(), OnTcp::Widen);
        self
    }

    /// Defines an external authorizer that can be asked about HTTP requests only, Istio's
    /// `envoyExtAuthzHttp`. Policies that name it have no effect on TCP connections (AUTHZ-TCP-06).
    #[must_use]
    pub fn http_provider(mut self, provider: impl Into<ProviderId>) -> Self {
        self.providers.insert(provider.into(), OnTcp::Ignore);
        self
    }

    /// Lets one workload have several providers, all of which must allow. Without it, if policies name
    /// more than one, none can be asked and what their rules match is denied (AUTHZ-EXT-02, AUTHZ-EXT-03).
    #[must_use]
    pub fn several_providers(mut self) -> Self {
        self.several_providers = true;
        self
    }

    /// Matches `namespaces` against the namespace of the SPIFFE id and nothing else.
    ///
    /// The default does what Istio and Envoy do, where `*a` matches every identity of the mesh, because
    /// the text before the account ends in `/sa` (AUTHZ-SRC-05).
    #[must_use]
    pub fn strict_namespaces(mut self) -> Self {
        self.context.strict_namespaces = true;
        self
    }

    /// Joins the lines of a repeated header with commas and compares them as one value, as older data planes
    /// did.
    ///
    /// The default compares each line on its own (AUTHZ-HDR-02, AUTHZ-HDR-03). With this setting, and only
    /// where a condition names a header that a request repeats, a decision allocates.
    #[must_use]
    pub fn joined_headers(mut self) -> Self {
        self.joined_headers = true;
        self
    }

    /// Keeps policies that cannot be built instead of refusing the whole set.
    ///
    /// Such a policy is not thinned out to what can be understood of it, because that would let requests
    /// through that its author meant to stop. As a whole
    ///
    /// - an `Allow` policy matches nothing, but counts as selected, so that what no other `Allow` policy
    ///   matches is denied;
    /// - a `Deny` or a `Custom` policy denies everything, with
    ///   [`Reason::InvalidPolicy`](crate::Reason::InvalidPolicy);
    /// - an `Audit` policy matches nothing;
    /// - with a dry run it does the same to [`PolicySet::dry_run`] alone.
    ///
    /// The errors are at [`PolicySet::invalid`].
    // DIFFERENCE AUTHZ-TCP-05: Istio drops the invalid value from a DENY rule, or the rule from an ALLOW
    // policy. A DENY rule that has lost one of its values denies less than was written.
    // DIFFERENCE AUTHZ-COND-02: Istio drops a rule with an unknown condition key, a DENY rule as well.
    #[must_use]
    pub fn keep_invalid(mut self) -> Self {
        self.keep_invalid = true;
        self
    }

    /// Compiles the policies.
    ///
    /// Cost: proportional to the text of the policies, plus sorting their rules by name.
    ///
    /// # Errors
    ///
    /// The first policy, in the order in which they were added, that holds a value, a key or a combination
    /// that means nothing; one made with [`Policy::invalid`] is no error. With [`keep_invalid`](Self::keep_invalid) only a set that is too large
    /// ([`BuildErrorKind::TooLarge`]) is refused.
    pub fn build(self) -> Result<PolicySet, BuildError> {
        let mut program = Program { joined_headers: self.joined_headers, ..Program::default() };
        let mut names = Names::default();
        let mut rules = Rules::default();
        let mut ids = Vec::with_capacity(self.policies.len());
        let mut invalid = Vec::new();
        for policy in &self.policies {
            let Ok(number) = u32::try_from(ids.len()) else { return Err(too_many(policy)) };
            ids.push(policy.id.clone());
            match lower_policy(&mut program, &mut names, &self.context, policy, number) {
                Ok(lowered) => rules.add(policy, number, lowered),
                Err(error) if self.keeps(&error) => {
                    rules.add_invalid(policy, number);
                    invalid.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(policy) = self.policies.last().filter(|_| !rules.fit()) {
            return Err(too_many(policy));
        }
        program.freeze();
        Ok(self.stages(rules, program, ids, invalid))
    }

    /// Whether the policy with this error becomes one that denies.
    fn keeps(&self, error: &BuildError) -> bool {
        match error.kind() {
            BuildErrorKind::TooLarge => false,
            // It is in the set for no other purpose.
            BuildErrorKind::Unreadable => true,
            _ => self.keep_invalid,
        }
    }

    fn stages(
        &self,
        rules: Rules,
        program: Program,
        ids: Vec<PolicyId>,
        invalid: Vec<BuildError>,
    ) -> PolicySet {
        let stage = |selected, on_tcp| Stage::new(selected, &ids, &program, on_tcp);
        let widened = |selected| stage(selected, OnTcp::Widen);
        let usable = self.several_providers || rules.custom.len() <= 1;
        let (mut custom, mut bad) = (Vec::new(), Vec::new());
        for (provider, selected) in rules.custom {
            match self.providers.get(&provider).filter(|_| usable && provider.is_valid()) {
                Some(&on_tcp) => custom.push((provider, stage(selected, on_tcp))),
                None => bad.push((provider, widened(selected))),
            }
        }
        let invalid_custom = rules.invalid_custom.into_iter().map(|(p, rules)| (p, widened(rules)));
        let mut bad_custom: Box<[_]> = bad.into_iter().chain(invalid_custom).collect();
        // In Envoy these are one stage, and of its rules the first by name is reported.
        bad_custom.sort_by_cached_key(|(provider, _)| format!("{provider}-ns["));
        PolicySet {
            custom: custom.into(),
            bad_custom,
            audit: rules.audit.map(widened),
            deny: rules.deny.map(widened),
            allow: rules.allow.map(|selected| stage(selected, OnTcp::LeaveOut)),
            dry_run_deny: rules.dry_run_deny.map(widened),
            dry_run_allow: rules.dry_run_allow.map(|selected| stage(selected, OnTcp::LeaveOut)),
            program,
            policies: ids.into(),
            invalid: invalid.into(),
        }
    }
}

/// The rules by stage. A list exists as soon as a policy of that action is selected, with or without
/// rules (AUTHZ-EVAL-04, AUTHZ-EVAL-12).
#[derive(Default)]
struct Rules {
    custom: BTreeMap<ProviderId, Selected>,
    invalid_custom: BTreeMap<ProviderId, Selected>,
    audit: Option<Selected>,
    deny: Option<Selected>,
    allow: Option<Selected>,
    dry_run_deny: Option<Selected>,
    dry_run_allow: Option<Selected>,
}

impl Rules {
    fn add(&mut self, policy: &Policy, number: u32, rules: Vec<Rule>) {
        let selected = match (&policy.action, policy.dry_run) {
            (Action::Custom(provider), _) => self.custom.entry(provider.clone()).or_default(),
            (Action::Audit, _) => self.audit.get_or_insert_default(),
            (Action::Deny, false) => self.deny.get_or_insert_default(),
            (Action::Deny, true) => self.dry_run_deny.get_or_insert_default(),
            (Action::Allow, false) => self.allow.get_or_insert_default(),
            (Action::Allow, true) => self.dry_run_allow.get_or_insert_default(),
        };
        if rules.is_empty() {
            selected.without_rules.push(number);
        }
        selected.rules.extend(rules);
    }

    /// Whether each stage can number its rules.
    fn fit(&self) -> bool {
        let custom = self.custom.values().chain(self.invalid_custom.values());
        let others = [&self.audit, &self.deny, &self.allow, &self.dry_run_deny, &self.dry_run_allow];
        custom.chain(others.into_iter().flatten()).all(|selected| selected.rules.len() < MAX_RULES as usize)
    }

    /// A policy that could not be built: it matches everything or nothing, whichever denies.
    fn add_invalid(&mut self, policy: &Policy, number: u32) {
        let everything = vec![Rule::everything(number)];
        match &policy.action {
            Action::Custom(provider) => {
                self.invalid_custom.entry(provider.clone()).or_default().rules.extend(everything);
            }
            Action::Deny => self.add(policy, number, everything),
            Action::Allow | Action::Audit => self.add(policy, number, Vec::new()),
        }
    }
}

fn too_many(policy: &Policy) -> BuildError {
    let at =
        FieldError { field: "spec".into(), kind: BuildErrorKind::TooLarge, value: policy.id.to_string() };
    BuildError::new(&policy.id, None, at)
}
