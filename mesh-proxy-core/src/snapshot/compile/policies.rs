//! AuthorizationPolicies of a workload as a policy set (section 1.1 of the authorization reference).

use mesh_authz::{Action, Condition, Operation, Policy, PolicyId, PolicySet, Rule, Source, TrustDomains};
use mesh_model::common::{PolicySelector, StringMap, TargetRef};
use mesh_model::resolve::{Attached, Proxy, Resource, ResourceSet, Selection};
use mesh_model::security::authorization_policy::{self as model, AuthorizationAction};
use mesh_model::security::{AuthorizationPolicy, RequestAuthentication};
use mesh_model::{Kind, ObjectRef};

use super::issues::{Issues, spec};
use super::providers::Providers;

/// What is said of an object that must deny.
const NOT_READ: &str = "it was not read whole or breaks a rule of its kind, so the workloads it selects deny every \
                        request until it is mended";

/// The policies that guard the workload of `proxy`. Whatever cannot be understood denies (`PROXY-FEAT-04`).
pub(super) fn policies(
    set: &ResourceSet,
    proxy: &Proxy,
    providers: &Providers,
    issues: &mut Issues,
) -> PolicySet {
    let mesh = set.mesh();
    let domains =
        TrustDomains::new(mesh.trust_domain()).aliases(mesh.trust_domain_aliases.iter().map(String::as_str));
    let mut builder = providers.make_known(PolicySet::builder().keep_invalid().trust_domains(domains));
    for found in set.all::<AuthorizationPolicy>() {
        if guards(set, proxy, &found) {
            builder = builder.policy(policy(found, providers, issues));
        }
    }
    // What it is about tokens that was to be forbidden is not known.
    let tokens = set.all::<RequestAuthentication>().filter(|found| found.object.must_deny());
    let broken = tokens.filter(|found| guards(set, proxy, found)).map(|found| found.object);
    // Bodies that could not be read at all.
    let unread = set.objects().iter().filter(|object| {
        let (policy, tokens) = (object.as_authorization_policy(), object.as_request_authentication());
        matches!(object.kind, Kind::AuthorizationPolicy | Kind::RequestAuthentication)
            && policy.is_none()
            && tokens.is_none()
            && in_scope(&object.metadata.namespace, set, proxy)
    });
    for object in broken.chain(unread) {
        let reference = object.reference();
        issues.error(&reference, spec(), NOT_READ);
        builder = builder.policy(unreadable(&reference));
    }
    let policies = builder.build().unwrap_or_else(|error| {
        // Only a set beyond all limits comes here; a single policy that denies everything is below them.
        let id = error.policy();
        let object = ObjectRef::new(Kind::AuthorizationPolicy, id.namespace(), id.name());
        issues.error(&object, spec(), format!("{error}: the workload denies every request"));
        deny_everything(&object)
    });
    for error in policies.invalid() {
        let id = error.policy();
        let object = ObjectRef::new(Kind::AuthorizationPolicy, id.namespace(), id.name());
        let known = set.find::<AuthorizationPolicy>(id.namespace(), id.name());
        // Those that were marked here have been reported with their own reason.
        if known.is_some_and(|found| !found.object.must_deny()) {
            issues.error(&object, spec(), format!("{error}, so the policy denies all it could have allowed"));
        }
    }
    policies
}

/// Whether a policy is in force at `proxy`: it applies, or it must deny and its selector cannot be trusted, in which
/// case it guards everybody in its scope.
pub(super) fn guards<T: Attached>(set: &ResourceSet, proxy: &Proxy, found: &Resource<'_, T>) -> bool {
    let doubtful = || {
        found.object.must_deny()
            && in_scope(found.namespace(), set, proxy)
            && (has_doubtful_selector(found.spec.selector())
                || found.spec.targets().iter().any(is_doubtful_target)
                // Which of them was meant is anybody's guess.
                || found.spec.selector().is_some() && !found.spec.targets().is_empty())
    };
    set.selection(proxy, found) == Selection::Applies || doubtful()
}

/// Whether policies of `namespace` can select the proxy at all (AUTHZ-SEL-03).
pub(super) fn in_scope(namespace: &str, set: &ResourceSet, proxy: &Proxy) -> bool {
    namespace == proxy.namespace || namespace == set.mesh().root_namespace()
}

/// A value that could not be read is left empty, and an empty label selects nobody.
pub(super) fn has_doubtful_selector(selector: Option<&PolicySelector>) -> bool {
    // A star is not admitted, and was meant to match more than itself.
    let odd = |text: &str| text.is_empty() || text.contains('*');
    let doubtful = |labels: &StringMap| labels.iter().any(|(key, value)| odd(key) || odd(value));
    selector.is_some_and(|selector| doubtful(&selector.match_labels))
}

/// The same for a reference.
fn is_doubtful_target(target: &TargetRef) -> bool {
    target.kind.is_empty() || target.name.is_empty()
}

fn policy(found: Resource<'_, AuthorizationPolicy>, providers: &Providers, issues: &mut Issues) -> Policy {
    let object = found.reference();
    let provider = found.spec.provider.as_ref().map_or("", |provider| provider.name.as_str());
    let action = match found.spec.action {
        AuthorizationAction::Allow => Action::Allow,
        AuthorizationAction::Deny => Action::Deny,
        AuthorizationAction::Audit => Action::Audit,
        AuthorizationAction::Custom => Action::Custom(provider.into()),
        // An action of a newer Istio.
        _ => return unreadable(&object),
    };
    if found.object.must_deny() {
        issues.error(&object, spec(), NOT_READ);
        // Not even the action is certain: an ALLOW may have been meant to be a DENY.
        let policy = unreadable(&object);
        return match action {
            Action::Allow | Action::Deny => dry_run(policy, found),
            // Nothing else can be tried out (AUTHZ-EXT-13).
            Action::Audit | Action::Custom(_) => policy,
        };
    }
    if let Action::Custom(_) = action {
        // What is not made known to the set cannot be asked, and its rules deny (AUTHZ-EXT-03).
        let why = providers.fault(provider).unwrap_or("cannot be asked by this proxy yet");
        let message = format!("provider `{provider}` {why}, so what the policy matches is denied");
        issues.error(&object, spec().field("provider"), message);
    }
    let id = PolicyId::new(found.namespace(), found.name());
    let policy = dry_run(Policy::new(id, action), found);
    found.spec.rules.iter().map(rule).fold(policy, Policy::rule)
}

/// AUTHZ-EVAL-08
fn dry_run(policy: Policy, found: Resource<'_, AuthorizationPolicy>) -> Policy {
    match found.object.metadata.annotations.get("istio.io/dry-run") {
        Some(value) => policy.dry_run_annotation(value),
        None => policy,
    }
}

/// Stands for an object that could not be understood: it denies, and says so.
fn unreadable(object: &ObjectRef) -> Policy {
    Policy::invalid(PolicyId::new(&object.namespace, &object.name), Action::Deny, NOT_READ)
}

fn deny_everything(object: &ObjectRef) -> PolicySet {
    // INVARIANT: one policy is below every limit, and what else may be wrong with it is kept.
    #[allow(
        clippy::expect_used,
        reason = "an empty set would allow everything, which must not be the fallback"
    )]
    PolicySet::builder().keep_invalid().policy(unreadable(object)).build().expect("one policy")
}

fn rule(found: &model::Rule) -> Rule {
    let mut rule = Rule::new();
    for from in &found.from {
        rule = rule.from(from.source.as_ref().map(source).unwrap_or_default());
    }
    for to in &found.to {
        rule = rule.to(to.operation.as_ref().map(operation).unwrap_or_default());
    }
    for when in &found.when {
        rule = rule.when(Condition::new(&when.key).values(&when.values).not_values(&when.not_values));
    }
    rule
}

fn source(found: &model::Source) -> Source {
    Source::new()
        .principals(&found.principals)
        .not_principals(&found.not_principals)
        .request_principals(&found.request_principals)
        .not_request_principals(&found.not_request_principals)
        .namespaces(&found.namespaces)
        .not_namespaces(&found.not_namespaces)
        .service_accounts(&found.service_accounts)
        .not_service_accounts(&found.not_service_accounts)
        .trust_domains(&found.trust_domains)
        .not_trust_domains(&found.not_trust_domains)
        .ip_blocks(&found.ip_blocks)
        .not_ip_blocks(&found.not_ip_blocks)
        .remote_ip_blocks(&found.remote_ip_blocks)
        .not_remote_ip_blocks(&found.not_remote_ip_blocks)
}

fn operation(found: &model::Operation) -> Operation {
    Operation::new()
        .hosts(&found.hosts)
        .not_hosts(&found.not_hosts)
        .ports(&found.ports)
        .not_ports(&found.not_ports)
        .methods(&found.methods)
        .not_methods(&found.not_methods)
        .paths(&found.paths)
        .not_paths(&found.not_paths)
}
