//! Policies as plain values: what an `AuthorizationPolicy` says, before it is compiled.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::program::equal;
use crate::rule::{Condition, Operation, Source};

/// The namespace and name of a policy.
///
/// ```
/// use mesh_authz::PolicyId;
///
/// let id = PolicyId::new("shop", "only-get");
/// assert_eq!((id.namespace(), id.name()), ("shop", "only-get"));
/// assert_eq!(id.to_string(), "shop/only-get");
/// ```
#[derive(Clone, Eq, PartialOrd, Ord)]
pub struct PolicyId {
    // `namespace/name` in one allocation: a set of ten thousand policies keeps ten thousand of these.
    text: Box<str>,
    slash: u32,
}

impl PolicyId {
    /// The id of the policy `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        // A namespace longer than 4 GiB cannot be told from its name; Kubernetes stops at 63 bytes.
        let slash = u32::try_from(namespace.len()).unwrap_or(u32::MAX);
        Self { text: format!("{namespace}/{name}").into(), slash }
    }

    /// The namespace, which `serviceAccounts` values without one refer to (AUTHZ-SRC-06).
    pub fn namespace(&self) -> &str {
        self.text.get(..self.slash as usize).unwrap_or_default()
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        self.text.get(self.slash as usize + 1..).unwrap_or_default()
    }
}

impl PartialEq for PolicyId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.slash == other.slash && equal(self.text.as_bytes(), other.text.as_bytes())
    }
}

impl Hash for PolicyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.slash.hash(state);
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyId({})", self.text)
    }
}

/// The name of an external authorizer, as the mesh configuration's `extensionProviders` has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(Box<str>);

impl ProviderId {
    /// The provider called `name`.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the mesh configuration may define a provider of this name (AUTHZ-EXT-04): 1 to 63
    /// characters of `a-z`, `0-9` and `-`, no `-` at either end.
    pub(crate) fn is_valid(&self) -> bool {
        let bytes = self.0.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    }
}

impl From<&str> for ProviderId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderId({})", self.0)
    }
}

/// What a matching rule does.
///
/// Closed on purpose: an action that the evaluator does not know cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a new action has to be thought about wherever one is read")]
pub enum Action {
    /// The request passes unless something denies it; one enforced `Allow` policy makes everything
    /// that no `Allow` rule matches denied (AUTHZ-EVAL-04).
    Allow,
    /// The request is denied, whatever else matches (AUTHZ-EVAL-07).
    Deny,
    /// The request is marked for the access log; the verdict stays as it is (AUTHZ-EVAL-09).
    Audit,
    /// The provider is asked; see [`PolicySet::delegated_to`](crate::PolicySet::delegated_to).
    Custom(ProviderId),
}

/// Whose rules of enforcement a policy set follows (AUTHZ-GEN-02).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Envoy as sidecar, gateway or waypoint, for HTTP requests and for TCP connections.
    #[default]
    Envoy,
    /// ztunnel, for connections. It looks at less than Envoy does on TCP, and what it does not look at has
    /// other consequences:
    ///
    /// - An `Allow` rule with an HTTP field matches nothing, as in Envoy (AUTHZ-ZT-04). `remoteIpBlocks` and
    ///   condition keys other than `source.ip`, `source.namespace`, `source.principal`, `destination.ip` and
    ///   `destination.port` count as such (AUTHZ-ZT-03).
    /// - A `Deny` rule goes by what is left of each source and operation, but where nothing is left it
    ///   matches nothing: `methods: [GET]` alone **denies nothing**, while Envoy would deny every connection
    ///   (AUTHZ-ZT-05).
    /// - `trustDomains` is not looked at, which makes an `Allow` rule wider (AUTHZ-ZT-06).
    /// - Principals are not rewritten for trust-domain aliases (AUTHZ-ZT-07), namespaces are compared with
    ///   the namespace alone, and `*` inside is a plain character (AUTHZ-ZT-08).
    /// - `Audit` and `Custom` policies are refused when the set is built (AUTHZ-ZT-10).
    ///
    /// The peer's identity is [`PeerIdentity::spiffe_id`](crate::PeerIdentity::spiffe_id).
    Ztunnel,
}

/// One `AuthorizationPolicy` that is known to apply to the workload.
///
/// Values are written as in Istio's YAML (`"/admin*"`, `"10.0.0.0/8"`, `"8080"`) and parsed when the
/// [`PolicySet`](crate::PolicySet) is built, so that one place reports every value that means nothing.
/// Selection by labels and `targetRefs` has happened before.
///
/// ```
/// use mesh_authz::{Action, Operation, Policy, PolicyId, Rule, Source};
///
/// let policy = Policy::new(PolicyId::new("shop", "read-only"), Action::Allow).rule(
///     Rule::new()
///         .from(Source::new().principals(["cluster.local/ns/web/sa/frontend"]))
///         .to(Operation::new().methods(["GET", "HEAD"]).paths(["/products/*"])),
/// );
/// assert_eq!(policy.id().name(), "read-only");
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) id: PolicyId,
    pub(crate) action: Action,
    pub(crate) dry_run: bool,
    pub(crate) rules: Vec<Rule>,
    /// Why the policy could not be understood.
    pub(crate) unreadable: Option<Box<str>>,
}

impl Policy {
    /// A policy without rules, which matches nothing: as an `Allow` policy it denies everything that
    /// no other `Allow` policy matches, any other action has no effect (AUTHZ-EVAL-05).
    pub fn new(id: PolicyId, action: Action) -> Self {
        Self { id, action, dry_run: false, rules: Vec::new(), unreadable: None }
    }

    /// A policy that could not be understood, `reason` says why.
    ///
    /// For embedders that read policies from text: leaving a policy out, or what they cannot read of it,
    /// could open what its author meant to close. This one denies instead, just as policies do that
    /// [`keep_invalid`](crate::PolicySetBuilder::keep_invalid) keeps: `Deny` and `Custom` deny everything,
    /// `Allow` counts as selected and matches nothing, `Audit` does nothing. If not even the action is
    /// certain, `Deny` is the one to give. The set builds with it and without `keep_invalid`, and
    /// [`PolicySet::invalid`](crate::PolicySet::invalid) has the reason.
    ///
    /// ```
    /// use mesh_authz::{Action, Peer, Policy, PolicyId, PolicySet, Reason, Request};
    ///
    /// let id = PolicyId::new("shop", "broken");
    /// let policy = Policy::invalid(id.clone(), Action::Deny, "line 7 is no YAML");
    /// let set = PolicySet::builder().policy(policy).build()?;
    /// let connection = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 8080).into());
    /// assert_eq!(set.evaluate(&connection).reason, Reason::InvalidPolicy { policy: &id });
    /// assert_eq!(set.invalid()[0].to_string(), "AuthorizationPolicy shop/broken: line 7 is no YAML");
    /// # Ok::<(), mesh_authz::BuildError>(())
    /// ```
    pub fn invalid(id: PolicyId, action: Action, reason: impl Into<String>) -> Self {
        Self { unreadable: Some(reason.into().into()), ..Self::new(id, action) }
    }

    /// Adds a rule. The rules of a policy are alternatives.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Evaluates the policy without enforcing it; see [`PolicySet::dry_run`](crate::PolicySet::dry_run).
    ///
    /// Only `Allow` and `Deny` policies can be tried out; others are refused when the set is built
    /// (AUTHZ-EVAL-08, AUTHZ-EXT-13).
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Reads the value of the annotation `istio.io/dry-run` as Istio does (AUTHZ-EVAL-08): `1`, `t`,
    /// `T`, `true`, `True` and `TRUE` turn the dry run on, everything else, also text that is no
    /// boolean, leaves the policy enforced.
    #[must_use]
    pub fn dry_run_annotation(mut self, value: &str) -> Self {
        self.dry_run = matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE");
        self
    }

    /// Namespace and name.
    pub fn id(&self) -> &PolicyId {
        &self.id
    }

    /// What the policy does.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Whether the policy is only tried out.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// One rule: any of its sources, and any of its operations, and all of its conditions (AUTHZ-RULE-01).
///
/// A rule without sources takes every source, and so on: `Rule::new()` matches everything.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub(crate) from: Vec<Source>,
    pub(crate) to: Vec<Operation>,
    pub(crate) when: Vec<Condition>,
}

impl Rule {
    /// The rule that matches everything, Istio's `{}`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an alternative source.
    #[must_use]
    pub fn from(mut self, source: Source) -> Self {
        self.from.push(source);
        self
    }

    /// Adds an alternative operation.
    #[must_use]
    pub fn to(mut self, operation: Operation) -> Self {
        self.to.push(operation);
        self
    }

    /// Adds a condition that must hold as well.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.when.push(condition);
        self
    }
}
