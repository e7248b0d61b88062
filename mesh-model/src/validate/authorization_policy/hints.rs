//! What is admitted and means something else than it seems to (MODEL-AP-17, MODEL-AP-18).

use super::{operation_lists, source_lists};
use crate::security::authorization_policy::{AuthorizationAction, Operation, Rule, Source};
use crate::validate::report::{At, Report, show};

/// A host without port is not the same host with one (MODEL-AP-18): what is to be refused gets through.
pub(super) fn hosts(
    report: &mut Report<'_>,
    at: &At<'_>,
    operation: &Operation,
    action: AuthorizationAction,
) {
    let (name, list) = match action {
        AuthorizationAction::Allow => ("notHosts", &operation.not_hosts),
        AuthorizationAction::Deny | AuthorizationAction::Custom => ("hosts", &operation.hosts),
        AuthorizationAction::Audit => return,
    };
    let at = at.field(name);
    for (index, host) in list.iter().enumerate() {
        let covered = |other: &String| {
            other.strip_suffix('*').is_some_and(|prefix| {
                let prefix = prefix.strip_suffix(':').unwrap_or(prefix);
                host.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            })
        };
        if !host.is_empty() && !host.contains([':', '*']) && !list.iter().any(covered) {
            report
                .warning(
                    "MODEL-AP-18",
                    &at.index(index),
                    format!("`{0}` is not the host of a request to `{0}:443` or another port", show(host)),
                )
                .help(format!("add \"{}:*\" beside it", show(host)));
        }
    }
}

/// One operation for HTTP beside one that names only ports (MODEL-SEED-10).
pub(super) fn mixed_operations(report: &mut Report<'_>, at: &At<'_>, rule: &Rule) {
    let http = |operation: &Operation| {
        let lists = operation_lists(operation);
        lists.iter().any(|(name, list)| !list.is_empty() && !matches!(*name, "ports" | "notPorts"))
    };
    let operations = || rule.to.iter().filter_map(|to| to.operation.as_ref());
    if operations().any(|operation| !http(operation)) && operations().any(http) {
        report.info(
            "MODEL-SEED-10",
            at,
            "operations with HTTP attributes never match plain TCP, those with ports alone do",
        );
    }
}

/// MODEL-AP-17: every condition of the rule is about HTTP, which plain TCP does not have.
pub(super) fn denies_tcp(rule: &Rule) -> bool {
    if !rule.to.is_empty() {
        return !rule
            .to
            .iter()
            .filter_map(|to| to.operation.as_ref())
            .any(|operation| !operation.ports.is_empty() || !operation.not_ports.is_empty());
    }
    let http = |source: &Source| {
        let lists = source_lists(source);
        let is_http = |name: &str| {
            matches!(name, "requestPrincipals" | "notRequestPrincipals" | "trustDomains" | "notTrustDomains")
        };
        lists.iter().filter(|(_, list)| !list.is_empty()).all(|(name, _)| is_http(name))
    };
    !rule.from.is_empty() && rule.from.iter().filter_map(|from| from.source.as_ref()).all(http)
}

/// `- from:` and `- to:` as two rules, of which either is enough (MODEL-AP-18, MODEL-PIT-22).
pub(super) fn split_rules(report: &mut Report<'_>, at: &At<'_>, rules: &[Rule]) {
    for (index, pair) in rules.windows(2).enumerate() {
        let [first, second] = pair else { continue };
        let only_from = !first.from.is_empty() && first.to.is_empty() && first.when.is_empty();
        let only_to = second.from.is_empty() && !second.to.is_empty() && second.when.is_empty();
        if only_from && only_to && rules.len() == 2 {
            report
                .warning(
                    "MODEL-AP-18",
                    &at.index(index + 1),
                    "`from` and `to` are two rules, of which either is enough",
                )
                .help("remove the `-` before `to` if both must hold");
        }
    }
}
