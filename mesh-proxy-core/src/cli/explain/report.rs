//! The answer as data: what is printed as JSON, and what the text is made of.

use std::collections::BTreeMap;

use mesh_authz::peer_authentication::MtlsMode;
use mesh_authz::{Explanation, Outcome, PolicyId, Reason, RuleExplanation, StageExplanation, StageKind};
use mesh_model::resolve::Selection;
use mesh_model::{Kind, Object};
use serde::Serialize;

use super::places::{Place, Places};
use super::request::{Asked, Token};
use crate::snapshot::{Protection, ProxyIdentity, Role};

/// The whole answer. Fields may be added in any release.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) allowed: bool,
    /// In words.
    pub(super) decision: String,
    /// The policy and rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decided_by: Option<DecidedBy>,
    /// What the client sees if it is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<String>,
    /// Envoy's response-code details of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<String>,
    pub(super) workload: Workload,
    pub(super) request: RequestReport,
    /// What came of looking for a token, if a RequestAuthentication does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<TokenReport>,
    pub(super) stages: Vec<StageReport>,
    /// How many policies are not for this workload because of their namespace, labels or targets.
    pub(super) not_selected: NotSelected,
    /// What else one should know.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct DecidedBy {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Place>,
}

/// Whose policies were asked.
#[derive(Debug, Serialize)]
pub(super) struct Workload {
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pod: Option<String>,
    pub(super) namespace: String,
    pub(super) labels: BTreeMap<String, String>,
}

impl Workload {
    pub(super) fn new(role: Role, identity: ProxyIdentity, pod: Option<&str>) -> Self {
        let role = if role == Role::Gateway { "gateway" } else { "sidecar" };
        let ProxyIdentity { namespace, labels, .. } = identity;
        Self { role, pod: pod.map(str::to_owned), namespace, labels }
    }
}

/// What was asked, as policies see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestReport {
    pub(super) protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// Before normalisation, if that changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_as_written: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) source_ip: String,
    pub(super) remote_ip: String,
    pub(super) destination_ip: String,
    pub(super) destination_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sni: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<serde_json::Map<String, serde_json::Value>>,
    /// What PeerAuthentication asks for on that port; a gateway has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mutual_tls: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct TokenReport {
    pub(super) outcome: String,
    /// The RequestAuthentications of the workload.
    pub(super) policies: Vec<PlacedName>,
}

#[derive(Debug, Serialize)]
pub(super) struct PlacedName {
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Place>,
}

#[derive(Debug, Serialize)]
pub(super) struct StageReport {
    pub(super) stage: String,
    /// Whether the request got this far.
    pub(super) reached: bool,
    /// In words, what the stage does to the request.
    pub(super) effect: &'static str,
    pub(super) policies: Vec<PolicyReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct PolicyReport {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Place>,
    /// Why the policy as a whole matches nothing, or denies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<String>,
    pub(super) rules: Vec<RuleReport>,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleReport {
    pub(super) rule: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Place>,
    pub(super) matches: bool,
    /// The clauses that do not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<FailedClause>,
}

#[derive(Debug, Serialize)]
pub(super) struct FailedClause {
    pub(super) field: String,
    pub(super) why: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct NotSelected {
    pub(super) namespace: usize,
    pub(super) labels: usize,
    pub(super) target: usize,
}

impl Report {
    pub(super) fn new(
        protection: &Protection,
        workload: Workload,
        asked: &Asked,
        places: &Places<'_>,
    ) -> Self {
        // Only a sidecar goes by PeerAuthentication; what a gateway demands stands in its Gateway.
        let mode = (workload.role == "sidecar")
            .then(|| protection.mutual_tls.effective.mode_of(asked.destination.port()));
        let request = RequestReport::new(asked, mode);
        let mut notes = Vec::new();
        let disabled = mode == Some(MtlsMode::Disable);
        if disabled && asked.principal.is_some() {
            let note = "PeerAuthentication turns mutual TLS off on this port: the workload never learns who calls, so \
                        the principal was left out";
            notes.push(note.to_owned());
        }
        let mut report = asked.ask(disabled, protection.tokens.as_deref(), |question, token| {
            let found = protection.policies.explain(&question);
            if !found.delegated_to.is_empty() {
                let then = protection.policies.evaluate(&question.allowed_by_providers());
                notes.push(format!(
                    "if every external authorizer that is asked allowed it, it would be {then}"
                ));
            }
            notes.extend(dry_run(&found));
            if found.decision.access_log_hint == Some(true) {
                notes.push("an AUDIT policy marks it for the access log".to_owned());
            }
            let report = Self {
                allowed: found.decision.is_allowed(),
                decision: found.decision.to_string(),
                decided_by: decided_by(found.decision.reason, places),
                answer: (!found.decision.is_allowed()).then(|| answer(asked)),
                details: found.decision.response_code_details().map(|details| details.to_string()),
                workload,
                request,
                token: token_report(token, protection, places),
                stages: stages(&found, places),
                not_selected: NotSelected::count(protection),
                notes,
            };
            // AUTHZ-EVAL-02: an external authorizer comes first.
            let custom =
                matches!(found.decision.reason, Reason::BadProvider { .. } | Reason::NotDelegated { .. });
            match token {
                Token::Rejected(rejection) if !custom => report.refused(*rejection),
                _ => report,
            }
        });
        if mode == Some(MtlsMode::Strict) && asked.principal.is_none() {
            report = report.reset(protection, asked.destination.port(), places);
        }
        report
    }

    /// A token that is not good ends the request before policies other than CUSTOM ones are asked (AUTHZ-JWT-28).
    fn refused(mut self, rejection: mesh_authz::jwt::Rejection) -> Self {
        self.allowed = false;
        self.decision = format!("denied because of its token: {}", rejection.message());
        self.answer = Some(format!("{} `{}`", rejection.status(), rejection.message()));
        self.details = Some(rejection.response_code_details());
        self.decided_by = None;
        for stage in self.stages.iter_mut().filter(|stage| !stage.stage.starts_with("CUSTOM")) {
            stage.reached = false;
        }
        if rejection.failure() == mesh_authz::jwt::JwtFailure::KeysNotFetched {
            let note = "no keys are fetched here: to go on as if the token were good, give its claims by --jwt-claims";
            self.notes.push(note.to_owned());
        }
        self
    }

    /// No policy is asked about plain text on a port that takes mutual TLS only (AUTHZ-MTLS-02).
    fn reset(mut self, protection: &Protection, port: u16, places: &Places<'_>) -> Self {
        self.notes.push(format!("without PeerAuthentication it would be {}", self.decision));
        self.allowed = false;
        self.decision = format!(
            "denied before any policy is asked: port {port} takes mutual TLS only (PeerAuthentication, STRICT), and the \
             client has no certificate (use --principal if it has one)"
        );
        self.answer = Some("the connection is reset, flag NR".to_owned());
        self.details = Some("filter_chain_not_found".to_owned());
        self.decided_by = protection.mutual_tls.sources.last().map(|source| DecidedBy {
            kind: source.kind.to_string(),
            namespace: source.namespace.clone(),
            name: source.name.clone(),
            rule: None,
            at: places.find(source).and_then(|object| places.of(object)),
        });
        for stage in &mut self.stages {
            stage.reached = false;
        }
        self
    }
}

impl RequestReport {
    fn new(asked: &Asked, mode: Option<MtlsMode>) -> Self {
        let http = asked.http.as_ref();
        Self {
            protocol: if http.is_some() { "HTTP" } else { "TCP" },
            method: http.map(|http| http.method.clone()),
            host: http.and_then(|http| http.host.clone()),
            path: http.map(|http| http.path.clone()),
            path_as_written: http.and_then(|http| http.written.clone()),
            principal: asked.principal.clone(),
            source_ip: asked.source_ip.to_string(),
            remote_ip: asked.remote_ip.to_string(),
            destination_ip: asked.destination.ip().to_string(),
            destination_port: asked.destination.port(),
            sni: asked.sni.clone(),
            claims: asked.claims.clone(),
            mutual_tls: mode.map(|mode| match mode {
                MtlsMode::Disable => "DISABLE",
                MtlsMode::Permissive => "PERMISSIVE",
                MtlsMode::Strict => "STRICT",
            }),
        }
    }
}

impl NotSelected {
    fn count(protection: &Protection) -> Self {
        let of = |why: Selection| protection.unselected.iter().filter(|found| found.why == why).count();
        Self {
            namespace: of(Selection::OtherNamespace),
            labels: of(Selection::OtherLabels),
            target: of(Selection::OtherTarget),
        }
    }
}

fn decided_by(reason: Reason<'_>, places: &Places<'_>) -> Option<DecidedBy> {
    let (policy, rule) = match reason {
        Reason::AllowedBy { policy, rule }
        | Reason::DeniedBy { policy, rule }
        | Reason::BadProvider { policy, rule, .. }
        | Reason::NotDelegated { policy, rule, .. } => (policy, Some(rule)),
        Reason::InvalidPolicy { policy } => (policy, None),
        _ => return None,
    };
    let object = places.policy(policy.namespace(), policy.name());
    Some(DecidedBy {
        kind: kind(object),
        namespace: policy.namespace().to_owned(),
        name: policy.name().to_owned(),
        rule,
        at: object.and_then(|object| match rule {
            Some(rule) => places.rule(object, rule),
            None => places.of(object),
        }),
    })
}

fn token_report(token: &Token, protection: &Protection, places: &Places<'_>) -> Option<TokenReport> {
    let outcome = match token {
        Token::NotAsked => return None,
        Token::Given if protection.tokens.is_none() => return None,
        Token::Given => "its claims were given, so none was looked for".to_owned(),
        Token::None => "none was found, so it goes on without".to_owned(),
        Token::Verified(Some(principal)) => format!("verified, of {principal}"),
        Token::Verified(None) => "verified, without a principal".to_owned(),
        Token::Rejected(rejection) => format!("refused: {}", rejection.message()),
    };
    let policies = protection.token_sources.iter().map(|source| PlacedName {
        namespace: source.namespace.clone(),
        name: source.name.clone(),
        at: places.find(source).and_then(|object| places.of(object)),
    });
    Some(TokenReport { outcome, policies: policies.collect() })
}

fn kind(object: Option<&Object>) -> String {
    object.map_or(&Kind::AuthorizationPolicy, |object| &object.kind).to_string()
}

/// AUTHZ-RESP-01, AUTHZ-RESP-04
fn answer(asked: &Asked) -> String {
    if asked.http.is_some() {
        "403 `RBAC: access denied`".to_owned()
    } else {
        "the connection is closed".to_owned()
    }
}

/// What would change if the dry-run policies were enforced (AUTHZ-EVAL-08).
fn dry_run(found: &Explanation<'_>) -> Option<String> {
    let dry = &found.dry_run;
    dry.deny.or(dry.allow)?;
    Some(format!("if the dry-run policies were enforced, it would be {}", dry.decision))
}

fn stages(found: &Explanation<'_>, places: &Places<'_>) -> Vec<StageReport> {
    let mut reached = true;
    let report = |stage: &StageExplanation<'_>| {
        let matched = stage.rules.iter().any(|rule| counts(rule, stage.stage));
        let here = reached;
        // A denial ends the evaluation; dry runs and audits never do.
        reached &= !(matched && matches!(stage.stage, StageKind::Deny | StageKind::BadCustom(_)));
        StageReport {
            stage: stage.stage.to_string(),
            reached: here,
            effect: effect(stage.stage, matched),
            policies: policies(stage, places),
        }
    };
    found.stages.iter().map(report).collect()
}

/// Whether the rule makes its stage act: it matches, or its policy is kept although invalid and denies.
fn counts(rule: &RuleExplanation<'_>, stage: StageKind<'_>) -> bool {
    match rule.outcome {
        Outcome::Matched => true,
        Outcome::Invalid(_) => {
            matches!(stage, StageKind::Deny | StageKind::DryRunDeny | StageKind::BadCustom(_))
        }
        _ => false,
    }
}

fn effect(stage: StageKind<'_>, matched: bool) -> &'static str {
    match (stage, matched) {
        (StageKind::Custom(_), true) => {
            "a rule matches, so the external authorizer is asked; its no is final, and this proxy cannot ask yet"
        }
        (StageKind::Custom(_), false) => "no rule matches, so the external authorizer is not asked",
        (StageKind::BadCustom(_), true) => {
            "a rule matches and the external authorizer cannot be asked, so it is denied"
        }
        (StageKind::BadCustom(_), false) => "no rule matches",
        (StageKind::Audit, true) => "a rule matches, so the access log is told",
        (StageKind::Audit, false) => "no rule matches, so the access log is not told",
        (StageKind::Deny, true) => "a rule matches, so it is denied",
        (StageKind::Deny, false) => "no rule matches, so nothing is denied here",
        (StageKind::DryRunDeny, true) => "a rule matches; enforced, it would deny",
        (StageKind::DryRunDeny, false) => "no rule matches; enforced, it would change nothing",
        (StageKind::Allow, true) => "a rule matches, so it is allowed",
        (StageKind::Allow, false) => {
            "no rule matches, and once there is an ALLOW policy everything that none allows is denied"
        }
        (StageKind::DryRunAllow, true) => "a rule matches; enforced, it would allow",
        (StageKind::DryRunAllow, false) => "no rule matches; enforced, it would deny",
        _ => "",
    }
}

fn policies(stage: &StageExplanation<'_>, places: &Places<'_>) -> Vec<PolicyReport> {
    let mut by_policy: BTreeMap<&PolicyId, Vec<&RuleExplanation<'_>>> = BTreeMap::new();
    for rule in &stage.rules {
        by_policy.entry(rule.name.policy).or_default().push(rule);
    }
    by_policy.into_iter().map(|(id, rules)| policy(id, rules, places)).collect()
}

fn policy(id: &PolicyId, mut rules: Vec<&RuleExplanation<'_>>, places: &Places<'_>) -> PolicyReport {
    // Rules come by their name, where 10 stands before 2.
    rules.sort_by_key(|rule| rule.name.rule);
    let object = places.policy(id.namespace(), id.name());
    let problems = rules.iter().find_map(|rule| match &rule.outcome {
        Outcome::NoRules => Some(vec!["it has no rules, so it matches nothing".to_owned()]),
        Outcome::Invalid(error) => Some(invalid(object, error, places)),
        _ => None,
    });
    let reports = if problems.is_some() {
        Vec::new()
    } else {
        rules.iter().map(|found| rule(found, object, places)).collect()
    };
    PolicyReport {
        kind: kind(object),
        namespace: id.namespace().to_owned(),
        name: id.name().to_owned(),
        at: object.and_then(|object| places.of(object)),
        problems: problems.unwrap_or_default(),
        rules: reports,
    }
}

/// Why a policy that could not be understood acts as a whole: what the loader says, else what the evaluator says.
fn invalid(object: Option<&Object>, error: &mesh_authz::BuildError, places: &Places<'_>) -> Vec<String> {
    let faults = object.map(|object| places.faults(&object.reference())).unwrap_or_default();
    let meaning = "what it was meant to forbid is not certain, so it denies until it is mended".to_owned();
    if !faults.is_empty() {
        return std::iter::once(meaning).chain(faults).collect();
    }
    vec![meaning, error.to_string()]
}

fn rule(found: &RuleExplanation<'_>, object: Option<&Object>, places: &Places<'_>) -> RuleReport {
    let failed = match &found.outcome {
        Outcome::Failed(failures) => failures
            .iter()
            .map(|failure| FailedClause {
                field: with_key(&failure.field, found.name.rule, object),
                why: failure.why.clone(),
            })
            .collect(),
        Outcome::HttpOnly => {
            let why = "it has HTTP fields, and an ALLOW rule with such never matches a TCP connection";
            vec![FailedClause { field: "rule".to_owned(), why: why.to_owned() }]
        }
        _ => Vec::new(),
    };
    RuleReport {
        rule: found.name.rule,
        at: object.and_then(|object| places.rule(object, found.name.rule)),
        matches: matches!(found.outcome, Outcome::Matched),
        failed,
    }
}

/// Conditions are known by their key, not by their number.
fn with_key(field: &str, rule: usize, object: Option<&Object>) -> String {
    let key = || {
        let at = field.strip_prefix("when[")?.split_once(']')?.0.parse::<usize>().ok()?;
        Some(&object?.as_authorization_policy()?.rules.get(rule)?.when.get(at)?.key)
    };
    key().map_or_else(|| field.to_owned(), |key| format!("{field} of {key}"))
}
