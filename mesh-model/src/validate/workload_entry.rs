//! Endpoints of a ServiceEntry, WorkloadEntry, and the template of a WorkloadGroup (MODEL-WE).

use super::names::{Fault, fqdn, is_dns_label, is_ip, is_port, not_a_port, unix_path};
use super::report::{At, Report, show};
use super::selector::labels;
use crate::networking::WorkloadEntry;

/// `spec` of a WorkloadEntry.
pub(super) fn check(report: &mut Report<'_>, entry: &WorkloadEntry) {
    let spec = At::OBJECT.field("spec");
    let at = spec.field("address");
    if entry.address.is_empty() {
        if entry.network.is_empty() {
            report
                .error("MODEL-WE-1", &at, "neither `address` nor `network` is given")
                .help("add `address`")
                .absent();
        } else {
            report
                .warning(
                    "MODEL-WE-1",
                    &at,
                    "without `address` the workload is reached through a gateway only",
                )
                .help("add `address` unless the gateway of its network is meant")
                .absent();
        }
    } else if let Err(fault) = address(&entry.address) {
        report
            .error("MODEL-WE-2", &at, format!("`{}` is not an address: {fault}", show(&entry.address)))
            .help("write an IP, a DNS name or unix://<path>");
    }
    common(report, &spec, entry);
}

/// `template` of a WorkloadGroup: as an entry, but an address is not expected (MODEL-WG-1).
pub(super) fn template(report: &mut Report<'_>, at: &At<'_>, entry: &WorkloadEntry) {
    if let Some(path) = entry.address.strip_prefix("unix://")
        && let Err(fault) = unix_path(path)
    {
        report
            .error(
                "MODEL-WE-2",
                &at.field("address"),
                format!("`{}` is not an address: {fault}", show(&entry.address)),
            )
            .help("write an IP, a DNS name or unix://<path>");
    }
    common(report, at, entry);
}

fn common(report: &mut Report<'_>, at: &At<'_>, entry: &WorkloadEntry) {
    if entry.address.starts_with("unix://") && !entry.ports.is_empty() {
        report
            .error("MODEL-WE-3", &at.field("ports"), "a socket has no ports")
            .help("remove `ports`")
            .at_key();
    }
    ports(report, "MODEL-WE-4", &at.field("ports"), entry);
    labels(report, "MODEL-WE-5", &at.field("labels"), &entry.labels);
    sizes(report, at, entry);
    locality_and_weight(report, at, entry);
}

/// IP, name or socket (MODEL-WE-2).
fn address(text: &str) -> Result<(), Fault> {
    match text.strip_prefix("unix://") {
        Some(path) => unix_path(path),
        None if is_ip(text) => Ok(()),
        None => fqdn(text),
    }
}

/// Names and numbers of the ports (MODEL-WE-4, MODEL-SE-8, MODEL-SE-11).
pub(super) fn ports(report: &mut Report<'_>, code: &'static str, at: &At<'_>, entry: &WorkloadEntry) {
    for (name, number) in &entry.ports {
        let at = at.key(name);
        if !is_dns_label(name) {
            report
                .error(code, &at, format!("`{}` is not a port's name", show(name)))
                .help("letters, digits and inner `-`, at most 63 characters")
                .at_key();
        }
        if !is_port(*number) {
            not_a_port(report, code, &at, number);
        }
    }
}

/// What the CRD limits (MODEL-WE-2, MODEL-WE-4, MODEL-WE-5), of endpoints as well.
pub(super) fn sizes(report: &mut Report<'_>, at: &At<'_>, entry: &WorkloadEntry) {
    for (code, field, text, max) in [
        ("MODEL-WE-2", "address", &entry.address, 256),
        ("MODEL-WE-5", "network", &entry.network, 2048),
        ("MODEL-WE-5", "locality", &entry.locality, 2048),
        ("MODEL-WE-5", "serviceAccount", &entry.service_account, 253),
    ] {
        let length = text.chars().count();
        if length > max {
            report
                .error(
                    code,
                    &at.field(field),
                    format!("the value has {length} characters, at most {max} are allowed"),
                )
                .help("shorten it");
        }
    }
    for (code, field, count, max) in
        [("MODEL-WE-4", "ports", entry.ports.len(), 128), ("MODEL-WE-5", "labels", entry.labels.len(), 256)]
    {
        if count > max {
            report
                .error(
                    code,
                    &at.field(field),
                    format!("{count} {field} are given, at most {max} are allowed"),
                )
                .help("remove some")
                .at_key();
        }
    }
    // The API server's pattern is one shorter than a DNS label.
    let at_ports = at.field("ports");
    for name in entry.ports.keys().filter(|name| name.len() == 63 && is_dns_label(name)) {
        report
            .error("MODEL-WE-4", &at_ports.key(name), "the name has 63 characters, at most 62 are allowed")
            .help("shorten it")
            .at_key();
    }
}

/// `region/zone/subzone`, and a weight that takes part (MODEL-WE-6).
pub(super) fn locality_and_weight(report: &mut Report<'_>, at: &At<'_>, entry: &WorkloadEntry) {
    if entry.weight == Some(0) {
        report
            .warning("MODEL-WE-6", &at.field("weight"), "the weight `0` counts as 1")
            .help("remove the endpoint if it is to get nothing, or write a weight from 1");
    }
    let text = &entry.locality;
    if text.is_empty() {
        return;
    }
    let parts = text.split('/').count();
    if parts > 3 || text.split('/').any(str::is_empty) {
        report
            .warning("MODEL-WE-6", &at.field("locality"), format!("`{}` is not a locality", show(text)))
            .help("write region/zone/subzone, the later parts may be left out");
    }
}
