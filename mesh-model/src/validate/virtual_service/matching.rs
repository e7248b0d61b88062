//! Match conditions of HTTP rules (MODEL-VS-6, MODEL-VS-15 to 24).

use super::{Whole, gateways};
use crate::common::{StringMap, StringMatch};
use crate::networking::virtual_service::HttpMatchRequest;
use crate::validate::names::{is_dns_label, is_port, not_a_port};
use crate::validate::report::{At, Report, quote, show};
use crate::validate::selector::labels;
use crate::validate::strings::{Strictness, is_claim, match_header_name, string_match};
use std::collections::BTreeMap;

pub(super) fn entries(report: &mut Report<'_>, at: &At<'_>, list: &[HttpMatchRequest], whole: Whole<'_>) {
    for (index, found) in list.iter().enumerate() {
        entry(report, &at.index(index), found, whole);
    }
    // What an author meant as one condition, written with one dash too many (MODEL-TYPE-26).
    let single = |found: &HttpMatchRequest| {
        let set = [
            found.uri.is_some(),
            !found.headers.is_empty(),
            found.method.is_some(),
            !found.query_params.is_empty(),
            found.authority.is_some(),
            found.scheme.is_some(),
            found.port != 0,
            !found.source_labels.is_empty(),
        ];
        let mut indexes = set.iter().enumerate().filter(|(_, set)| **set).map(|(index, _)| index);
        indexes.next().filter(|_| indexes.next().is_none())
    };
    let kinds: Option<Vec<usize>> = list.iter().map(single).collect();
    if let Some(mut kinds) = kinds.filter(|kinds| kinds.len() > 1) {
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.len() == count {
            report
                .info("MODEL-TYPE-26", at, "the entries are alternatives, each with one condition")
                .help("put the conditions in one entry if all of them must hold");
        }
    }
}

fn entry(report: &mut Report<'_>, at: &At<'_>, entry: &HttpMatchRequest, whole: Whole<'_>) {
    if *entry == (HttpMatchRequest { name: entry.name.clone(), ..HttpMatchRequest::default() }) {
        report
            .warning("MODEL-VS-20", at, "the entry is empty and matches every request")
            .help("add a condition, or remove `match`")
            .absent();
    }
    uri(report, at, entry);
    for (name, value) in
        [("scheme", &entry.scheme), ("method", &entry.method), ("authority", &entry.authority)]
    {
        if let Some(value) = value {
            string_match(report, "MODEL-VS-18", &at.field(name), value, Strictness::Full);
        }
    }
    headers(report, &at.field("headers"), &entry.headers, whole);
    without_headers(report, &at.field("withoutHeaders"), &entry.without_headers, whole);
    let params = at.field("queryParams");
    for (key, value) in &entry.query_params {
        string_match(report, "MODEL-VS-18", &params.key(key), value, Strictness::Full);
    }
    port(report, "MODEL-VS-21", at, entry.port);
    source(report, at, &entry.source_labels, &entry.source_namespace, "MODEL-VS-23", true);
    gateways(report, &at.field("gateways"), &entry.gateways);
    let reason = if whole.gateway_only() && !whole.delegate {
        Some("a gateway has no source labels to compare")
    } else if !entry.gateways.is_empty() {
        Some("it is not looked at in an entry with `gateways`")
    } else {
        None
    };
    if let Some(reason) = reason {
        for (name, set) in [
            ("sourceLabels", !entry.source_labels.is_empty()),
            ("sourceNamespace", !entry.source_namespace.is_empty()),
        ] {
            if set {
                report
                    .warning("MODEL-VS-24", &at.field(name), format!("`{name}` has no effect: {reason}"))
                    .help("remove it, or move it to a match for sidecars")
                    .at_key();
            }
        }
    }
}

/// A port that is 0 when unset.
pub(super) fn port(report: &mut Report<'_>, code: &'static str, at: &At<'_>, port: u32) {
    if port != 0 && !is_port(port) {
        not_a_port(report, code, &at.field("port"), port);
    }
}

/// The client's labels and namespace; Istio looks at the namespace in HTTP matches only.
pub(super) fn source(
    report: &mut Report<'_>,
    at: &At<'_>,
    source_labels: &StringMap,
    namespace: &str,
    code: &'static str,
    http: bool,
) {
    labels(report, "MODEL-VS-22", &at.field("sourceLabels"), source_labels);
    if !namespace.is_empty() && !is_dns_label(namespace) {
        let message = format!("`{}` is not a namespace", show(namespace));
        let at = at.field("sourceNamespace");
        let added = if http { report.error(code, &at, message) } else { report.warning(code, &at, message) };
        added.help("letters, digits and inner `-`, at most 63 characters");
    }
}

fn uri(report: &mut Report<'_>, at: &At<'_>, entry: &HttpMatchRequest) {
    let Some(value) = &entry.uri else { return };
    let at = at.field("uri");
    string_match(report, "MODEL-VS-18", &at, value, Strictness::RegexOnly);
    match value {
        StringMatch::Regex(pattern) => {
            if entry.ignore_uri_case {
                report
                    .warning("MODEL-VS-20", &at.field("regex"), "`ignoreUriCase` has no effect on a regex")
                    .help("begin the expression with (?i)");
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
            if !pattern.is_empty() && pattern.chars().all(plain) {
                report
                    .info("MODEL-VS-19", &at.field("regex"), format!("`{}` is a plain text", show(pattern)))
                    .help("write exact, or append .* for a prefix");
            }
        }
        StringMatch::Exact(path) if !path.is_empty() && path != "*" && !path.starts_with('/') => {
            report
                .info("MODEL-VS-19", &at.field("exact"), format!("no path is `{}`", show(path)))
                .help("a path begins with `/`");
        }
        StringMatch::Prefix(path) => {
            let at = at.field("prefix");
            if !path.is_empty() && path != "*" && !path.starts_with('/') {
                report
                    .info("MODEL-VS-19", &at, format!("no path begins with `{}`", show(path)))
                    .help("a path begins with `/`");
            } else if path.contains('*') {
                report
                    .info("MODEL-VS-19", &at, format!("the `*` in `{}` means itself", show(path)))
                    .help("a prefix needs no wildcard; write regex for one inside");
            }
        }
        _ => {}
    }
}

fn headers(report: &mut Report<'_>, at: &At<'_>, headers: &BTreeMap<String, StringMatch>, whole: Whole<'_>) {
    for (name, value) in headers {
        let at = at.key(name);
        header_name(report, "MODEL-VS-15", &at, name, whole);
        string_match(report, "MODEL-VS-15", &at, value, Strictness::Full);
    }
}

fn without_headers(
    report: &mut Report<'_>,
    at: &At<'_>,
    headers: &BTreeMap<String, StringMatch>,
    whole: Whole<'_>,
) {
    for (name, value) in headers {
        let at = at.key(name);
        header_name(report, "MODEL-VS-16", &at, name, whole);
        // `*` is not RE2 and is read as presence here, and only here (MODEL-TYPE-11).
        if *value != StringMatch::Regex("*".to_owned()) {
            string_match(report, "MODEL-VS-16", &at, value, Strictness::Full);
        }
    }
}

fn header_name(report: &mut Report<'_>, code: &'static str, at: &At<'_>, name: &str, whole: Whole<'_>) {
    if let Err(fault) = match_header_name(name) {
        report
            .error(code, at, format!("{} is not a header's name: {fault}", quote(name)))
            .help("letters, digits and `-`, in lower case")
            .at_key();
    } else if is_claim(name) {
        if whole.mesh && !whole.delegate {
            report
                .error("MODEL-VS-6", at, "claims of a token are matched at gateways only")
                .help("bind the VirtualService to a gateway with `gateways`, without `mesh`")
                .at_key();
        }
    } else if matches!(name, "uri" | "scheme" | "method" | "authority") {
        report
            .warning("MODEL-VS-17", at, format!("a header of the name `{name}` is ignored"))
            .help(format!("write `{name}` beside `headers`"))
            .at_key();
    } else if name.bytes().any(|c| c.is_ascii_uppercase()) {
        report
            .warning(
                "MODEL-VS-17",
                at,
                format!("`{}` has upper-case letters, header names have none", show(name)),
            )
            .help(format!("write {}", show(&name.to_ascii_lowercase())))
            .at_key();
    }
}
