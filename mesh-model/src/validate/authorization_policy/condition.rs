//! `when`: attributes and their values (MODEL-AP-14, MODEL-AP-15).

use super::values::{addresses, ports, service_accounts, trust_domains};
use crate::security::authorization_policy::{AuthorizationAction, Condition};
use crate::validate::report::{At, Report, show};

/// What an attribute's values are.
enum Values {
    Any,
    Addresses,
    Ports,
    Accounts,
    TrustDomains,
}

fn attribute(key: &str) -> Result<Values, Option<&'static str>> {
    let bracketed = |prefix: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() > 2 && rest.starts_with('[') && rest.ends_with(']'))
    };
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => return Ok(Values::Addresses),
        "destination.port" => return Ok(Values::Ports),
        "source.serviceAccount" => return Ok(Values::Accounts),
        "source.trustDomain" => return Ok(Values::TrustDomains),
        "source.namespace"
        | "source.principal"
        | "request.auth.principal"
        | "request.auth.audiences"
        | "request.auth.presenter"
        | "connection.sni" => return Ok(Values::Any),
        "destination.namespace" => return Err(Some("put the policy into that namespace")),
        "destination.name" | "destination.user" => return Err(Some("select the workload with `selector`")),
        _ => {}
    }
    if bracketed("request.headers") || bracketed("request.auth.claims") {
        return Ok(Values::Any);
    }
    if key.starts_with("request.headers") {
        return Err(Some("write request.headers[<name>]"));
    }
    if key.starts_with("request.auth.claims") {
        return Err(Some("write request.auth.claims[<name>]"));
    }
    if key.starts_with("destination.labels") {
        return Err(Some("select the workload with `selector`"));
    }
    if let Some(rest) = key.strip_prefix("experimental.envoy.filters.") {
        let named = rest.split_once('[').is_some_and(|(filter, rest)| !filter.is_empty() && rest.len() > 1);
        if named && rest.ends_with(']') {
            return Ok(Values::Any);
        }
    }
    Err(None)
}

pub(super) fn condition(
    report: &mut Report<'_>,
    at: &At<'_>,
    condition: &Condition,
    action: AuthorizationAction,
) {
    let key = condition.key.as_str();
    let at_key = at.field("key");
    if key.is_empty() {
        report.error("MODEL-AP-14", &at_key, "the condition has no key").help("add `key`").absent();
        return;
    }
    if condition.values.is_empty() && condition.not_values.is_empty() {
        report
            .error("MODEL-AP-14", at, "neither `values` nor `notValues` is given")
            .help("add one of them")
            .absent();
    }
    let lists = [("values", &condition.values), ("notValues", &condition.not_values)];
    for (name, list) in lists {
        let at = at.field(name);
        for (index, _) in list.iter().enumerate().filter(|(_, value)| value.is_empty()) {
            report.error("MODEL-AP-15", &at.index(index), "a value is empty").help("remove it");
        }
    }
    let custom = matches!(
        key,
        "source.namespace" | "source.serviceAccount" | "source.trustDomain" | "source.principal"
    ) || key.starts_with("request.auth.");
    if action == AuthorizationAction::Custom && custom {
        report
            .error("MODEL-AP-3", &at_key, format!("CUSTOM does not know `{}`", show(key)))
            .help("leave the identity of the client to the provider");
    }
    let values = match attribute(key) {
        Ok(values) => values,
        Err(replacement) => {
            let code = if replacement.is_some() { "MODEL-AP-15" } else { "MODEL-AP-14" };
            let added = report.error(code, &at_key, format!("`{}` is not an attribute", show(key)));
            if let Some(replacement) = replacement {
                added.help(replacement);
            } else {
                added.help("attributes are source.*, remote.ip, destination.ip, destination.port, connection.sni, request.headers[..] and request.auth.*");
            }
            return;
        }
    };
    for (name, list) in lists {
        let at = at.field(name);
        match values {
            Values::Any => {}
            Values::Addresses => addresses(report, "MODEL-AP-14", &at, list),
            Values::Ports => ports(report, "MODEL-AP-14", &at, list),
            Values::Accounts => service_accounts(report, "MODEL-AP-14", &at, list),
            Values::TrustDomains => trust_domains(report, "MODEL-AP-14", &at, list),
        }
    }
}
