//! Selectors, target references, labels and `exportTo` (MODEL-SEL, MODEL-EXP).

use super::names::{is_dns_label, is_label_key, is_label_value};
use super::report::{At, Report, show};
use crate::common::{PolicySelector, StringMap, TargetRef, WorkloadSelector};

/// `labels` that must each be a label (MODEL-CHK-8, MODEL-CHK-9).
pub(super) fn labels(report: &mut Report<'_>, code: &'static str, at: &At<'_>, labels: &StringMap) {
    for (key, value) in labels {
        let at = at.key(key);
        if !is_label_key(key) {
            report
                .error(code, &at, format!("`{}` is not a label's key", show(key)))
                .help("an optional DNS prefix and `/`, then letters, digits, `-`, `_` and `.`")
                .at_key();
        }
        if !is_label_value(value) {
            report
                .error(code, &at, format!("`{}` is not a label's value", show(value)))
                .help("letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit");
        } else if value.len() > 63 {
            report
                .warning(
                    "MODEL-CHK-9",
                    &at,
                    format!("the value has {} characters, Kubernetes allows 63", value.len()),
                )
                .help("no pod can have such a label, shorten it");
        }
    }
}

/// The form of a selector.
#[derive(Clone, Copy)]
struct Form {
    star: &'static str,
    size: &'static str,
    none: &'static str,
    field: &'static str,
    max: usize,
}

/// `workloadSelector` of the networking kinds.
pub(super) fn workload_selector(report: &mut Report<'_>, at: &At<'_>, selector: Option<&WorkloadSelector>) {
    if let Some(selector) = selector {
        let form =
            Form { star: "MODEL-SEL-2", size: "MODEL-SEL-1", none: "MODEL-SEL-3", field: "labels", max: 256 };
        pairs(report, at, &selector.labels, form);
    }
}

/// `selector` of the security kinds, and `workloadSelector` of a DestinationRule.
pub(super) fn policy_selector(report: &mut Report<'_>, at: &At<'_>, selector: Option<&PolicySelector>) {
    if let Some(selector) = selector {
        let form = Form {
            star: "MODEL-SEL-4",
            size: "MODEL-SEL-4",
            none: "MODEL-SEL-5",
            field: "matchLabels",
            max: 4096,
        };
        pairs(report, at, &selector.match_labels, form);
    }
}

fn pairs(report: &mut Report<'_>, at: &At<'_>, labels: &StringMap, form: Form) {
    if labels.is_empty() {
        report
            .warning(form.none, at, "the selector has no labels and selects every workload of the namespace")
            .help(format!("remove it, or add `{}`", form.field))
            .absent();
    }
    let at = at.field(form.field);
    if labels.len() > form.max {
        report
            .error(
                form.size,
                &at,
                format!("{} labels are given, at most {} are allowed", labels.len(), form.max),
            )
            .help("remove some");
    }
    for (key, value) in labels {
        let at = at.key(key);
        if key.is_empty() {
            report.error(form.star, &at, "a label's key is empty").help("remove it").at_key();
        } else if key.contains('*') || value.contains('*') {
            report
                .error(form.star, &at, format!("`{}: {}` has a `*`", show(key), show(value)))
                .help("labels are compared as they are, write the whole value");
        } else if value.len() > 63 {
            report
                .error(
                    form.size,
                    &at,
                    format!("the value has {} characters, at most 63 are allowed", value.len()),
                )
                .help("no pod can have such a label, shorten it");
        }
    }
}

/// `selector`, `targetRef` and `targetRefs` of a policy.
pub(super) fn policy_targets(
    report: &mut Report<'_>,
    at: &At<'_>,
    selector: Option<&PolicySelector>,
    single: Option<&TargetRef>,
    list: &[TargetRef],
) {
    let given = [selector.is_some(), single.is_some(), !list.is_empty()];
    if given.iter().filter(|given| **given).count() > 1 {
        report
            .error("MODEL-SEL-6", at, "only one of `selector`, `targetRef` and `targetRefs` may be set")
            .help("keep one of them");
    }
    policy_selector(report, &at.field("selector"), selector);
    if let Some(target) = single {
        let at = at.field("targetRef");
        report
            .warning("MODEL-LEG-32", &at, "`targetRef` is an older form")
            .help("write targetRefs: [{...}]")
            .at_key();
        target_ref(report, &at, target);
    }
    target_refs(report, &at.field("targetRefs"), list);
}

/// `targetRefs` of a policy or an EnvoyFilter.
pub(super) fn target_refs(report: &mut Report<'_>, at: &At<'_>, list: &[TargetRef]) {
    if list.len() > 16 {
        report
            .error("MODEL-SEL-7", at, format!("{} targets are given, at most 16 are allowed", list.len()))
            .help("remove some");
    }
    for (index, target) in list.iter().enumerate() {
        target_ref(report, &at.index(index), target);
    }
}

fn target_ref(report: &mut Report<'_>, at: &At<'_>, target: &TargetRef) {
    let subdomain = |text: &str| {
        text.len() <= 253
            && !text.bytes().any(|c| c.is_ascii_uppercase())
            && text.split('.').all(is_dns_label)
    };
    if target.name.is_empty() {
        report.error("MODEL-SEL-8", &at.field("name"), "the target has no name").help("add `name`").absent();
    } else if target.name.len() > 253 {
        report
            .error("MODEL-SEL-8", &at.field("name"), "the name has more than 253 characters")
            .help("no object has such a name");
    }
    if !target.namespace.is_empty() {
        report
            .error("MODEL-SEL-9", &at.field("namespace"), "a target is always in the policy's own namespace")
            .help("remove `namespace`");
    }
    if target.kind.is_empty() {
        report
            .error("MODEL-SEL-8", &at.field("kind"), "the target has no kind")
            .help("a target is a Service, ServiceEntry, Gateway or GatewayClass")
            .absent();
        return;
    }
    if !target.group.is_empty() && !subdomain(&target.group) {
        report
            .error(
                "MODEL-SEL-8",
                &at.field("group"),
                format!("`{}` is not an API group", show(&target.group)),
            )
            .help("lower-case letters, digits, `-` and `.`");
        return;
    }
    const KINDS: [(&str, &str); 5] = [
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    ];
    if KINDS.contains(&(target.group.as_str(), target.kind.as_str())) {
        return;
    }
    let added = report.error(
        "MODEL-SEL-10",
        &at.field("kind"),
        format!(
            "a policy cannot be attached to `{}` of the group `{}`",
            show(&target.kind),
            show(&target.group)
        ),
    );
    match KINDS.iter().rev().find(|(_, kind)| *kind == target.kind) {
        Some((group, _)) => added.help(format!("did you mean the group `{group}`")),
        None => added.help("a target is a Service, ServiceEntry, Gateway or GatewayClass"),
    };
}

/// `exportTo`; `~` is for a ServiceEntry only.
pub(super) fn export_to(report: &mut Report<'_>, at: &At<'_>, list: &[String], tilde: bool) {
    let namespace = report.namespace();
    let own = |entry: &'_ str| if entry == "." { namespace.to_owned() } else { entry.to_owned() };
    let mut seen = std::collections::BTreeSet::new();
    for (index, entry) in list.iter().enumerate() {
        let at = at.index(index);
        let valid = matches!(entry.as_str(), "." | "*") || (tilde && entry == "~") || is_dns_label(entry);
        if !valid {
            let added = report.error("MODEL-EXP-2", &at, format!("`{}` is not a namespace", show(entry)));
            if entry == "~" {
                added.help("`~` is for a ServiceEntry only, `.` keeps the object in its namespace");
            } else {
                added.help("write the name of a namespace, `.` for this one or `*` for all");
            }
        } else if !seen.insert(own(entry)) {
            report
                .error("MODEL-EXP-1", &at, format!("the namespace `{}` is given twice", own(entry)))
                .help("remove one of the two");
        }
    }
    if list.len() > 1 {
        if list.iter().any(|entry| entry == "*") {
            report
                .error("MODEL-EXP-3", at, "`*` stands beside other namespaces")
                .help("`*` is every namespace, remove the others");
        }
        if tilde && list.iter().any(|entry| entry == "~") {
            report
                .error("MODEL-EXP-4", at, "`~` stands beside other namespaces")
                .help("`~` is nobody, remove it or the others");
        }
    }
}
