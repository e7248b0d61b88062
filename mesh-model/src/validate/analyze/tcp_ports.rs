//! HTTP attributes of an ALLOW rule on ports that do not speak HTTP (MODEL-AP-18).

use super::services::Front;
use crate::common::Protocol;
use crate::security::AuthorizationPolicy;
use crate::security::authorization_policy::{Operation, Rule, Source};
use crate::validate::report::{At, Report, show};
use std::collections::BTreeMap;

const CODE: &str = "MODEL-AP-18";

/// What a port of workloads speaks.
pub(super) struct PortUse<'o> {
    pub(super) protocol: Protocol,
    /// Every Service says that it is plain TCP, or TLS that is not terminated.
    pub(super) tcp: bool,
    pub(super) by: Front<'o>,
}

fn is_http(operation: &Operation) -> bool {
    [
        &operation.hosts,
        &operation.not_hosts,
        &operation.methods,
        &operation.not_methods,
        &operation.paths,
        &operation.not_paths,
    ]
    .iter()
    .any(|list| !list.is_empty())
}

/// True when the rule asks for a token or a header, whatever the operation.
fn is_http_rule(rule: &Rule) -> bool {
    let token =
        |source: &Source| !source.request_principals.is_empty() || !source.not_request_principals.is_empty();
    let mut sources = rule.from.iter().filter_map(|from| from.source.as_ref()).peekable();
    (sources.peek().is_some() && sources.all(token))
        || rule.when.iter().any(|condition| condition.key.starts_with("request."))
}

/// HTTP attributes on ports that do not speak HTTP (MODEL-AP-18).
pub(super) fn check(
    report: &mut Report<'_>,
    at: &At<'_>,
    policy: &AuthorizationPolicy,
    ports: &BTreeMap<u32, PortUse<'_>>,
) {
    let all_tcp = !ports.is_empty() && ports.values().all(|port| port.tcp);
    for (index, rule) in policy.rules.iter().enumerate() {
        let at = at.index(index);
        let http = is_http_rule(rule);
        if rule.to.is_empty() && http && all_tcp {
            never(report, &at, ports);
        }
        let to = at.field("to");
        for (index, entry) in rule.to.iter().enumerate() {
            let Some(operation) = entry.operation.as_ref().filter(|operation| http || is_http(operation))
            else {
                continue;
            };
            let at = to.index(index);
            let at = at.field("operation");
            if operation.ports.is_empty() && all_tcp {
                never(report, &at, ports);
            }
            let at = at.field("ports");
            for (index, value) in operation.ports.iter().enumerate() {
                let number = value.parse().ok();
                let Some(found) = number.and_then(|number| ports.get(&number)).filter(|port| port.tcp) else {
                    continue;
                };
                report
                    .warning(
                        CODE,
                        &at.index(index),
                        format!(
                            "port {} is {} by {}, where HTTP attributes never match",
                            show(value),
                            found.protocol,
                            found.by.name()
                        ),
                    )
                    .help("leave the port to a rule without HTTP attributes, or declare it as HTTP in the Service");
            }
        }
    }
}

fn never(report: &mut Report<'_>, at: &At<'_>, ports: &BTreeMap<u32, PortUse<'_>>) {
    let Some((number, found)) = ports.iter().next() else { return };
    report
        .warning(
            CODE,
            at,
            format!(
                "the workloads have no port for HTTP attributes to match on, {number} is {} by {}",
                found.protocol,
                found.by.name()
            ),
        )
        .help("allow by `ports` and the caller's identity, or declare the port as HTTP in the Service");
}
