//! ConfigMap: the mesh configuration in it (section 5.16 of the model reference).

use super::report::{At, Finding, Report};
use super::{mesh_config, mesh_networks};
use crate::kubernetes::ConfigMap;
use crate::load::{self, Embedded};

pub(super) fn check(report: &mut Report<'_>, config: &ConfigMap) {
    let name = &report.object.metadata.name;
    // A revision has a ConfigMap of its own. Others of such names do not have these keys.
    if name != "istio" && !name.starts_with("istio-") {
        return;
    }
    let data = At::OBJECT.field("data");
    if let Some(text) = config.data.get("mesh") {
        embedded(report, &data.key("mesh"), &load::embedded_mesh_config(text), mesh_config::check);
    }
    if let Some(text) = config.data.get("meshNetworks") {
        embedded(
            report,
            &data.key("meshNetworks"),
            &load::embedded_mesh_networks(text),
            mesh_networks::check,
        );
    }
}

/// Reports what is wrong with a text at `at`: what could not be read, and what `check` finds in the rest.
pub(super) fn embedded<T>(
    report: &mut Report<'_>,
    at: &At<'_>,
    read: &Embedded<T>,
    check: impl FnOnce(&mut Report<'_>, &T),
) {
    for diagnostic in &read.findings {
        report.adopt(at, Finding { diagnostic: diagnostic.clone(), absence: false });
    }
    let Some(value) = &read.value else { return };
    let mut inside = Report::new(report.object, report.settings);
    check(&mut inside, value);
    for mut finding in inside.finish() {
        if let Some(path) = read.place(&finding.diagnostic.path, finding.absence) {
            finding.diagnostic.path = path;
            report.adopt(at, finding);
        }
    }
}
