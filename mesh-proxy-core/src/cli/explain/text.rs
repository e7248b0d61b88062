//! The answer for people.

use std::fmt::Write as _;

use super::places::Place;
use super::report::{NotSelected, PolicyReport, Report, RequestReport, StageReport, Workload};

/// The answer as a text: the verdict first, then what was asked, then each stage with its policies.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "{}", capitalised(&report.decision))?;
    if let Some(found) = &report.decided_by {
        writeln!(out, "  {} {}/{}{}", found.kind, found.namespace, found.name, place(found.at.as_ref()))?;
    }
    if let Some(answer) = &report.answer {
        let details = report.details.as_ref().map(|found| format!(", details {found}")).unwrap_or_default();
        writeln!(out, "  the client sees: {answer}{details}")?;
    }
    writeln!(out)?;
    request(out, &report.request)?;
    workload(out, &report.workload)?;
    if let Some(token) = &report.token {
        let policies = token
            .policies
            .iter()
            .map(|policy| format!("{}/{}{}", policy.namespace, policy.name, place(policy.at.as_ref())));
        let policies = policies.collect::<Vec<_>>().join(", ");
        writeln!(out, "token:    {}; RequestAuthentication {policies}", token.outcome)?;
    }
    writeln!(out)?;
    let has = |name: &str| report.stages.iter().any(|stage| stage.stage == name);
    let (before, after): (Vec<_>, Vec<_>) =
        report.stages.iter().partition(|stage| !stage.stage.starts_with("ALLOW"));
    before.into_iter().try_for_each(|found| stage(out, found))?;
    if !has("DENY") {
        writeln!(out, "DENY: there is no policy, so nothing is denied here")?;
    }
    after.into_iter().try_for_each(|found| stage(out, found))?;
    if !has("ALLOW") {
        writeln!(out, "ALLOW: there is no policy, so what is not denied is allowed")?;
    }
    not_selected(out, &report.not_selected)?;
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn request(out: &mut String, request: &RequestReport) -> std::fmt::Result {
    match (&request.method, &request.path) {
        (Some(method), Some(path)) => {
            write!(out, "request:  {method} {path}")?;
            if let Some(written) = &request.path_as_written {
                write!(out, " (normalised from {written})")?;
            }
            match &request.host {
                Some(host) => writeln!(out, ", host {host}")?,
                None => writeln!(out, ", no host")?,
            }
        }
        _ => writeln!(out, "request:  a TCP connection")?,
    }
    write!(out, "from:     {}", request.source_ip)?;
    if request.remote_ip != request.source_ip {
        write!(out, " for the client {}", request.remote_ip)?;
    }
    match &request.principal {
        Some(principal) => writeln!(out, ", as {principal}")?,
        None => writeln!(out, ", without identity")?,
    }
    if let Some(claims) = &request.claims {
        let names: Vec<_> = claims.keys().map(String::as_str).collect();
        writeln!(out, "claims:   {}", names.join(", "))?;
    }
    write!(out, "to:       {}, port {}", request.destination_ip, request.destination_port)?;
    if let Some(sni) = &request.sni {
        write!(out, ", server name {sni}")?;
    }
    if let Some(mode) = request.mutual_tls {
        write!(out, ", mutual TLS {mode}")?;
    }
    writeln!(out)
}

pub(super) fn workload(out: &mut String, workload: &Workload) -> std::fmt::Result {
    let Workload { role, pod, namespace, labels } = workload;
    write!(out, "workload: {role} in namespace {namespace}")?;
    if let Some(pod) = pod {
        write!(out, ", pod {pod}")?;
    }
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    writeln!(out, ", {}", if pairs.is_empty() { "no labels".to_owned() } else { pairs.join(" ") })
}

fn stage(out: &mut String, stage: &StageReport) -> std::fmt::Result {
    let not_reached = if stage.reached { "" } else { " (not asked any more)" };
    writeln!(out, "{}{not_reached}: {}", stage.stage, stage.effect)?;
    stage.policies.iter().try_for_each(|found| policy(out, found))
}

fn policy(out: &mut String, policy: &PolicyReport) -> std::fmt::Result {
    writeln!(out, "  {} {}/{}{}", policy.kind, policy.namespace, policy.name, place(policy.at.as_ref()))?;
    for problem in &policy.problems {
        writeln!(out, "    {problem}")?;
    }
    for rule in &policy.rules {
        let line = rule.at.as_ref().map(|place| format!(" (line {})", place.line)).unwrap_or_default();
        if rule.matches {
            writeln!(out, "    rule {}{line} matches", rule.rule)?;
            continue;
        }
        writeln!(out, "    rule {}{line} does not match", rule.rule)?;
        for clause in &rule.failed {
            writeln!(out, "      {}: {}", clause.field, clause.why)?;
        }
    }
    Ok(())
}

fn not_selected(out: &mut String, counts: &NotSelected) -> std::fmt::Result {
    let NotSelected { namespace, labels, target } = *counts;
    let total = namespace + labels + target;
    if total == 0 {
        return Ok(());
    }
    let parts: Vec<_> = [
        (namespace, "in other namespaces"),
        (labels, "with a selector for other labels"),
        (target, "with references to other targets"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {why}"))
    .collect();
    let policies = if total == 1 { "AuthorizationPolicy is" } else { "AuthorizationPolicies are" };
    writeln!(out, "{total} more {policies} not for this workload: {}", parts.join(", "))
}

pub(super) fn place(place: Option<&Place>) -> String {
    place.map(|place| format!(" ({place})")).unwrap_or_default()
}

pub(super) fn capitalised(text: &str) -> String {
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    first.to_ascii_uppercase() + rest
}
