//! Endpoints of a ServiceEntry, and WorkloadEntry (MODEL-WE).

use super::names::{Fault, fqdn, is_dns_label, is_ip, is_port, unix_path};
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
                .absent();
        }
    } else if let Err(fault) = address(&entry.address) {
        report.error("MODEL-WE-2", &at, format!("`{}` is not an address: {fault}", show(&entry.address)));
    }
    if entry.address.starts_with("unix://") && !entry.ports.is_empty() {
        report
            .error("MODEL-WE-3", &spec.field("ports"), "a socket has no ports")
            .help("remove `ports`")
            .at_key();
    }
    ports(report, "MODEL-WE-4", &spec.field("ports"), entry);
    labels(report, "MODEL-WE-5", &spec.field("labels"), &entry.labels);
    locality(report, &spec, entry);
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
            report.error(code, &at, format!("`{}` is not a port's name", show(name))).at_key();
        }
        if !is_port(*number) {
            report.error(code, &at, format!("{number} is not a port, 1..65535"));
        }
    }
}

/// `region/zone/subzone` (MODEL-WE-6).
pub(super) fn locality(report: &mut Report<'_>, at: &At<'_>, entry: &WorkloadEntry) {
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
