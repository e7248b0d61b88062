//! WorkloadGroup (MODEL-WG).

use super::names::{is_port, not_a_port};
use super::report::{At, Report, show};
use super::selector::labels;
use super::workload_entry;
use crate::networking::WorkloadGroup;
use crate::networking::workload_group::{HttpHealthCheck, ReadinessProbe, WorkloadGroupMetadata};

pub(super) fn check(report: &mut Report<'_>, group: &WorkloadGroup) {
    let spec = At::OBJECT.field("spec");
    if let Some(found) = &group.metadata {
        metadata(report, &spec.field("metadata"), found);
    }
    let at = spec.field("template");
    match &group.template {
        None => {
            report
                .error("MODEL-WG-1", &at, "the group has no template")
                .help("add template: {}, or with `ports`, `network`, `locality` or `serviceAccount`")
                .absent();
        }
        Some(template) => {
            for (field, set) in
                [("address", !template.address.is_empty()), ("labels", !template.labels.is_empty())]
            {
                if set {
                    let added = report
                        .warning(
                            "MODEL-WG-6",
                            &at.field(field),
                            format!("`{field}` of a template has no effect"),
                        )
                        .at_key();
                    added.help(if field == "labels" {
                        "put the labels under `spec.metadata.labels`"
                    } else {
                        "remove it, each machine registers its own address"
                    });
                }
            }
            workload_entry::template(report, &at, template);
        }
    }
    if let Some(found) = &group.probe {
        probe(report, &spec.field("probe"), found);
    }
}

fn metadata(report: &mut Report<'_>, at: &At<'_>, found: &WorkloadGroupMetadata) {
    const CODE: &str = "MODEL-WG-2";
    labels(report, CODE, &at.field("labels"), &found.labels);
    for (field, count) in [("labels", found.labels.len()), ("annotations", found.annotations.len())] {
        if count > 256 {
            report
                .error(CODE, &at.field(field), format!("{count} {field} are given, at most 256 are allowed"))
                .help("remove some")
                .at_key();
        }
    }
}

fn probe(report: &mut Report<'_>, at: &At<'_>, probe: &ReadinessProbe) {
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if value < 0 {
            report
                .error("MODEL-WG-3", &at.field(field), format!("`{value}` is negative"))
                .help("write 0 for the default, or a positive number");
        }
    }
    let methods: Vec<&'static str> = [
        ("httpGet", probe.http_get.is_some()),
        ("tcpSocket", probe.tcp_socket.is_some()),
        ("exec", probe.exec.is_some()),
        ("grpc", probe.grpc.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, set)| set.then_some(field))
    .collect();
    if methods.is_empty() {
        report
            .error("MODEL-WG-4", at, "the probe has no method")
            .help("add `httpGet`, `tcpSocket` or `exec`")
            .absent();
    } else if let [_, second, ..] = methods.as_slice() {
        report
            .error(
                "MODEL-TYPE-22",
                &at.field(second),
                format!("a probe has one method, `{second}` is another"),
            )
            .help(format!("keep one of {}", methods.join(", ")))
            .at_key();
    }
    if let Some(found) = &probe.http_get {
        http_get(report, &at.field("httpGet"), found);
    }
    if let Some(found) = &probe.tcp_socket {
        port(report, &at.field("tcpSocket"), found.port);
    }
    if let Some(found) = &probe.exec {
        let at = at.field("exec");
        let at = at.field("command");
        if found.command.is_empty() {
            report
                .error("MODEL-WG-5", &at, "no program is given")
                .help("write command: [<program>, <argument>, ...]")
                .absent();
        }
        for (index, _) in found.command.iter().enumerate().filter(|(_, part)| part.is_empty()) {
            report.error("MODEL-WG-5", &at.index(index), "a part of the command is empty").help("remove it");
        }
    }
    if let Some(found) = &probe.grpc {
        report
            .error("MODEL-WG-4", &at.field("grpc"), "Istio does not admit a probe by gRPC")
            .help("write httpGet, tcpSocket or exec")
            .at_key();
        port(report, &at.field("grpc"), found.port);
    }
}

fn port(report: &mut Report<'_>, at: &At<'_>, number: u32) {
    if number == 0 {
        report
            .error("MODEL-WG-5", &at.field("port"), "the probe has no port")
            .help("write a number from 1 to 65535")
            .absent();
    } else if !is_port(number) {
        not_a_port(report, "MODEL-WG-5", &at.field("port"), number);
    }
}

fn http_get(report: &mut Report<'_>, at: &At<'_>, found: &HttpHealthCheck) {
    const CODE: &str = "MODEL-WG-5";
    port(report, at, found.port);
    if !matches!(found.scheme.as_str(), "" | "HTTP" | "HTTPS") {
        report
            .error(CODE, &at.field("scheme"), format!("`{}` is not a scheme of a probe", show(&found.scheme)))
            .help("write HTTP or HTTPS");
    }
    let at = at.field("httpHeaders");
    for (index, header) in found.http_headers.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("name");
        let name = &header.name;
        if name.is_empty() {
            report.error(CODE, &at, "the header has no name").help("add `name`").absent();
        } else if !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
            report
                .error(CODE, &at, format!("`{}` is not a header's name", show(name)))
                .help("write letters, digits and `-`");
        }
    }
}
