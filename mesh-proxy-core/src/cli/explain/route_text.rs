//! The answer about a route for people.

use std::fmt::Write as _;

use super::route_report::{ActionReport, Report, RequestReport, RuleName, RuleReport};
use super::text::{capitalised, place, workload};

/// The answer as a text: the decision first, then what was asked, then each rule of the virtual host.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "{}", capitalised(&report.decision))?;
    if let Some(found) = &report.decided_by {
        writeln!(out, "  {}", rule_name(found))?;
    }
    if let Some(found) = &report.action {
        action(out, found)?;
    }
    writeln!(out)?;
    request(out, &report.request)?;
    if let Some(listener) = &report.listener {
        writeln!(out, "listener: {listener}")?;
    }
    workload(out, &report.workload)?;
    if let Some(host) = &report.virtual_host {
        writeln!(out, "\nvirtual host {}, for {}", host.name, host.domains.join(", "))?;
        if report.rules.is_empty() {
            writeln!(out, "  no rule was tried")?;
        }
    }
    report.rules.iter().try_for_each(|found| rule(out, found))?;
    for near in &report.nearest {
        writeln!(out, "near: {near}")?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn rule_name(name: &RuleName) -> String {
    let RuleName { kind, namespace, name, path, at } = name;
    format!("{kind} {namespace}/{name} {path}{}", place(at.as_ref()))
}

fn action(out: &mut String, action: &ActionReport) -> std::fmt::Result {
    let total: u64 = action.destinations.iter().filter_map(|to| to.weight).sum();
    for to in &action.destinations {
        write!(out, "  to {}", to.cluster)?;
        if let Some(weight) = to.weight {
            write!(out, ", weight {weight} of {total}")?;
        }
        match to.endpoints {
            None => writeln!(out, ": there is no such cluster, 503 (NC)")?,
            Some(0) => writeln!(out, ": no endpoint is ready, 503 (UH)")?,
            Some(1) => writeln!(out, ", 1 endpoint")?,
            Some(endpoints) => writeln!(out, ", {endpoints} endpoints")?,
        }
        if let Some(authority) = &to.authority {
            writeln!(out, "    as host {authority}")?;
        }
        for (what, edits) in [("request", &to.request_headers), ("response", &to.response_headers)] {
            for edit in edits {
                writeln!(out, "    {what}: {edit}")?;
            }
        }
    }
    if let Some(path) = &action.path {
        writeln!(out, "  path becomes {path}")?;
    }
    let timeout = action.timeout.as_deref().map(|limit| format!("timeout {limit}"));
    let per_try = action.per_try_timeout.as_deref().map(|limit| format!("timeout per try {limit}"));
    let retries = action.retries.map(|retries| match retries {
        0 => "no retries".to_owned(),
        1 => "1 retry".to_owned(),
        retries => format!("{retries} retries"),
    });
    let limits: Vec<String> = [timeout, per_try, retries].into_iter().flatten().collect();
    if !limits.is_empty() {
        writeln!(out, "  {}", limits.join(", "))?;
    }
    for mirror in &action.mirrors {
        writeln!(out, "  copies to {mirror}")?;
    }
    for fault in &action.faults {
        writeln!(out, "  some requests: {fault}")?;
    }
    if action.cors {
        writeln!(out, "  with a CORS policy")?;
    }
    for edit in &action.response_headers {
        writeln!(out, "  response: {edit}")?;
    }
    Ok(())
}

fn request(out: &mut String, request: &RequestReport) -> std::fmt::Result {
    write!(out, "request:  {} {}", request.method, request.path)?;
    if let Some(written) = &request.path_as_written {
        write!(out, " (normalised from {written})")?;
    }
    match &request.host {
        Some(host) => write!(out, ", host {host}")?,
        None => write!(out, ", no host")?,
    }
    writeln!(out, ", {}, port {}", request.scheme, request.port)
}

fn rule(out: &mut String, rule: &RuleReport) -> std::fmt::Result {
    let from = rule.from.as_ref().map_or_else(|| format!("`{}`", rule.route_name), rule_name);
    let verdict = match (rule.decides, rule.matches) {
        (true, _) => "matches",
        (false, true) => "would match, an earlier rule already did",
        (false, false) => "does not match",
    };
    writeln!(out, "  {} {from} {verdict}", rule.rule)?;
    if let Some(refused) = &rule.refused {
        let near = refused.near.as_ref().map(|near| format!(" ({near})")).unwrap_or_default();
        writeln!(out, "    {}{near}", refused.why)?;
    }
    Ok(())
}
