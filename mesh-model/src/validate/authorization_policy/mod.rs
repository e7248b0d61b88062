//! AuthorizationPolicy (MODEL-AP).

mod condition;
mod hints;
mod values;

#[cfg(test)]
mod tests;

use super::report::{At, Report, show};
use super::selector::policy_targets;
use crate::security::AuthorizationPolicy;
use crate::security::authorization_policy::{AuthorizationAction, Operation, Rule, Source};
use condition::condition;
use hints::{denies_tcp, hosts, mixed_operations, split_rules};
use values::{addresses, path_template, ports, service_accounts, trust_domains};

pub(super) fn check(report: &mut Report<'_>, policy: &AuthorizationPolicy) {
    let spec = At::OBJECT.field("spec");
    policy_targets(report, &spec, policy.selector.as_ref(), policy.target_ref.as_ref(), &policy.target_refs);
    action(report, &spec, policy);
    let at = spec.field("rules");
    if policy.rules.len() > 512 {
        report
            .error(
                "MODEL-AP-16",
                &at,
                format!("{} rules are given, at most 512 are allowed", policy.rules.len()),
            )
            .help("split the policy");
    }
    for (index, found) in policy.rules.iter().enumerate() {
        rule(report, &at.index(index), found, policy.action);
    }
    split_rules(report, &at, &policy.rules);
}

fn action(report: &mut Report<'_>, spec: &At<'_>, policy: &AuthorizationPolicy) {
    let rules = spec.field("rules");
    let provider = spec.field("provider");
    let action = policy.action;
    match action {
        AuthorizationAction::Custom if policy.rules.is_empty() => {
            report
                .error("MODEL-AP-2", &rules, "CUSTOM needs rules")
                .help("add rules: [{}] for every request")
                .absent();
        }
        AuthorizationAction::Custom => {
            if policy.provider.as_ref().is_none_or(|provider| provider.name.is_empty()) {
                report
                    .error("MODEL-AP-2", &provider.field("name"), "CUSTOM needs a provider")
                    .help("name one of `meshConfig.extensionProviders`")
                    .absent();
            }
        }
        _ => {
            if policy.provider.is_some() {
                report
                    .error("MODEL-AP-4", &provider, format!("the action {action} asks no provider"))
                    .help("write action: CUSTOM, or remove `provider`")
                    .at_key();
            }
        }
    }
    if action == AuthorizationAction::Deny && policy.rules.is_empty() {
        report
            .error("MODEL-AP-5", &rules, "DENY without rules denies nothing")
            .help("add rules: [{}] to deny everything")
            .absent();
    }
    if policy.selector.is_none() && policy.target_ref.is_none() && policy.target_refs.is_empty() {
        report.meant_for_the_mesh();
    }
    let everybody = policy.selector.is_none() && policy.target_ref.is_none() && policy.target_refs.is_empty();
    if action == AuthorizationAction::Allow && policy.rules.is_empty() {
        let whom = if everybody { "all workloads of its namespace" } else { "the workloads it selects" };
        // Where rules should be is all the same for an empty `spec`.
        let rules = spec.field("rules");
        let at = if *policy == AuthorizationPolicy::default() { spec } else { &rules };
        report
            .info(
                "MODEL-AP-18",
                at,
                format!("ALLOW without rules allows nothing: by itself it denies every request to {whom}"),
            )
            .help("that is a default deny; add rules to allow something")
            .absent();
    }
    let selects = policy.selector.as_ref().is_some_and(|selector| !selector.match_labels.is_empty());
    if selects && report.namespace() == report.settings.root_namespace {
        report
            .info(
                "MODEL-AP-18",
                &spec.field("selector"),
                "a policy of the root namespace selects matching workloads of every namespace",
            )
            .help("put it into the namespace of the workloads if only those are meant")
            .at_key();
    }
    dry_run(report, action);
}

/// MODEL-META-6.
fn dry_run(report: &mut Report<'_>, action: AuthorizationAction) {
    const KEY: &str = "istio.io/dry-run";
    let Some(value) = report.object.metadata.annotations.get(KEY) else { return };
    let metadata = At::OBJECT.field("metadata");
    let annotations = metadata.field("annotations");
    let at = annotations.key(KEY);
    if !matches!(action, AuthorizationAction::Allow | AuthorizationAction::Deny) {
        report
            .error("MODEL-META-6", &at, format!("a policy of action {action} has no dry run"))
            .help("remove the annotation");
    } else if !matches!(
        value.as_str(),
        "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False"
    ) {
        report
            .error("MODEL-META-6", &at, format!("`{}` is not a boolean", show(value)))
            .help("write \"true\"");
    }
}

fn rule(report: &mut Report<'_>, at: &At<'_>, rule: &Rule, action: AuthorizationAction) {
    if rule.from.len() > 512 {
        report
            .error(
                "MODEL-AP-16",
                &at.field("from"),
                format!("{} sources are given, at most 512 are allowed", rule.from.len()),
            )
            .help("split the rule");
    }
    let from = at.field("from");
    for (index, entry) in rule.from.iter().enumerate() {
        let at = from.index(index);
        let at_source = at.field("source");
        match &entry.source {
            Some(found) => source(report, &at_source, found, action),
            None => {
                report
                    .error("MODEL-AP-6", &at_source, "`source` is missing")
                    .help("add source: {...}")
                    .absent();
            }
        }
    }
    let to = at.field("to");
    for (index, entry) in rule.to.iter().enumerate() {
        let at = to.index(index);
        let at_operation = at.field("operation");
        match &entry.operation {
            Some(found) => operation(report, &at_operation, found, action),
            None => {
                report
                    .error("MODEL-AP-6", &at_operation, "`operation` is missing")
                    .help("add operation: {...}")
                    .absent();
            }
        }
    }
    let when = at.field("when");
    for (index, entry) in rule.when.iter().enumerate() {
        condition(report, &when.index(index), entry, action);
    }
    if action == AuthorizationAction::Allow {
        mixed_operations(report, &to, rule);
    }
    if action == AuthorizationAction::Deny && denies_tcp(rule) {
        report
            .warning(
                "MODEL-AP-17",
                at,
                "on TCP ports the HTTP attributes of a DENY rule are ignored, it denies all their traffic",
            )
            .help(if rule.to.is_empty() {
                "add to: [{operation: {ports: [...]}}]"
            } else {
                "add `ports` to each operation"
            });
    }
}

type Lists<'l> = [(&'static str, &'l [String])];

fn source_lists(source: &Source) -> [(&'static str, &[String]); 14] {
    [
        ("principals", &source.principals),
        ("notPrincipals", &source.not_principals),
        ("requestPrincipals", &source.request_principals),
        ("notRequestPrincipals", &source.not_request_principals),
        ("namespaces", &source.namespaces),
        ("notNamespaces", &source.not_namespaces),
        ("serviceAccounts", &source.service_accounts),
        ("notServiceAccounts", &source.not_service_accounts),
        ("trustDomains", &source.trust_domains),
        ("notTrustDomains", &source.not_trust_domains),
        ("ipBlocks", &source.ip_blocks),
        ("notIpBlocks", &source.not_ip_blocks),
        ("remoteIpBlocks", &source.remote_ip_blocks),
        ("notRemoteIpBlocks", &source.not_remote_ip_blocks),
    ]
}

fn operation_lists(operation: &Operation) -> [(&'static str, &[String]); 8] {
    [
        ("hosts", &operation.hosts),
        ("notHosts", &operation.not_hosts),
        ("ports", &operation.ports),
        ("notPorts", &operation.not_ports),
        ("methods", &operation.methods),
        ("notMethods", &operation.not_methods),
        ("paths", &operation.paths),
        ("notPaths", &operation.not_paths),
    ]
}

/// True when no list has an entry; such a block would match anything (MODEL-AP-6).
fn nothing_set(report: &mut Report<'_>, at: &At<'_>, name: &str, lists: &Lists<'_>) -> bool {
    let nothing = lists.iter().all(|(_, list)| list.is_empty());
    if nothing {
        report
            .error("MODEL-AP-6", at, format!("the {name} has no field"))
            .help("add one, or remove the entry")
            .absent();
    }
    nothing
}

fn empty_values(report: &mut Report<'_>, at: &At<'_>, lists: &Lists<'_>) {
    for (name, list) in lists {
        if matches!(*name, "serviceAccounts" | "notServiceAccounts" | "trustDomains" | "notTrustDomains") {
            // These have rules of their own.
            continue;
        }
        let at = at.field(name);
        for (index, _) in list.iter().enumerate().filter(|(_, value)| value.is_empty()) {
            let any = !name.starts_with("not") && !name.ends_with("Blocks") && *name != "ports";
            report.error("MODEL-AP-9", &at.index(index), "a value is empty").help(if any {
                "remove it, or write \"*\" for any"
            } else {
                "remove it, or fill it in"
            });
        }
    }
}

fn source(report: &mut Report<'_>, at: &At<'_>, source: &Source, action: AuthorizationAction) {
    let lists = source_lists(source);
    if nothing_set(report, at, "source", &lists) {
        return;
    }
    empty_values(report, at, &lists);
    if action == AuthorizationAction::Custom {
        for (name, _) in lists.iter().take(10).filter(|(_, list)| !list.is_empty()) {
            report
                .error("MODEL-AP-3", &at.field(name), format!("CUSTOM does not know `{name}`"))
                .help("use `ipBlocks`, `remoteIpBlocks`, `to` or `when` with request attributes")
                .at_key();
        }
    }
    let accounts = !source.service_accounts.is_empty() || !source.not_service_accounts.is_empty();
    let other = [&source.principals, &source.not_principals, &source.namespaces, &source.not_namespaces];
    if accounts && other.iter().any(|list| !list.is_empty()) {
        report
            .error("MODEL-AP-7", at, "service accounts stand beside principals or namespaces")
            .help("write the namespace into the account: <namespace>/<account>");
    }
    for (name, list) in lists.iter().filter(|(name, _)| name.ends_with("Blocks")) {
        let at = at.field(name);
        addresses(report, "MODEL-AP-8", &at, list);
    }
    for (name, list) in
        [("serviceAccounts", &source.service_accounts), ("notServiceAccounts", &source.not_service_accounts)]
    {
        service_accounts(report, "MODEL-AP-10", &at.field(name), list);
    }
    for (name, list) in
        [("trustDomains", &source.trust_domains), ("notTrustDomains", &source.not_trust_domains)]
    {
        trust_domains(report, "MODEL-AP-11", &at.field(name), list);
    }
    for (name, list) in lists.iter().take(2) {
        let at = at.field(name);
        for (index, value) in list.iter().enumerate() {
            if let Some(bare) = value.strip_prefix("spiffe://") {
                report
                    .warning("MODEL-LEG-33", &at.index(index), format!("`{}` never matches", show(value)))
                    .help(format!("write {} without the scheme", show(bare)));
            }
        }
    }
}

fn operation(report: &mut Report<'_>, at: &At<'_>, operation: &Operation, action: AuthorizationAction) {
    let lists = operation_lists(operation);
    if nothing_set(report, at, "operation", &lists) {
        return;
    }
    empty_values(report, at, &lists);
    for (name, list) in [("ports", &operation.ports), ("notPorts", &operation.not_ports)] {
        ports(report, "MODEL-AP-12", &at.field(name), list);
    }
    for (name, list) in [("paths", &operation.paths), ("notPaths", &operation.not_paths)] {
        let at = at.field(name);
        for (index, value) in list.iter().enumerate() {
            if let Err(fault) = path_template(value) {
                report
                    .error(
                        "MODEL-AP-13",
                        &at.index(index),
                        format!("`{}` is not a path: {fault}", show(value)),
                    )
                    .help("a template has whole segments {*}, and {**} once at its end");
            }
        }
    }
    hosts(report, at, operation, action);
    for (name, list) in [("methods", &operation.methods), ("notMethods", &operation.not_methods)] {
        let at = at.field(name);
        for (index, value) in list.iter().enumerate() {
            if value.bytes().any(|c| c.is_ascii_lowercase()) {
                report
                    .warning(
                        "MODEL-AP-18",
                        &at.index(index),
                        format!("`{}` never matches, methods are upper case", show(value)),
                    )
                    .help(format!("write {}", show(&value.to_ascii_uppercase())));
            }
        }
    }
}
