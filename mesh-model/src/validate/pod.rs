//! Pods and what makes them (MODEL-K8S-8).

use super::annotations;
use super::report::{At, Report, show};
use crate::kind::Kind;
use crate::kubernetes::{PodSpec, WorkloadSpec};

/// The user that the proxy runs as: what it sends is not intercepted.
const PROXY_USER: i64 = 1337;

pub(super) fn pod(report: &mut Report<'_>, pod: &PodSpec) {
    user(report, &At::OBJECT.field("spec"), pod);
}

pub(super) fn workload(report: &mut Report<'_>, workload: &WorkloadSpec) {
    let at = At::OBJECT.field("spec");
    let at = at.field("template");
    let metadata = at.field("metadata");
    annotations::check(
        report,
        &metadata.field("annotations"),
        &Kind::Pod,
        &workload.template.metadata.annotations,
        &workload.template.metadata.labels,
    );
    user(report, &at.field("spec"), &workload.template.spec);
}

/// MODEL-K8S-8.
fn user(report: &mut Report<'_>, at: &At<'_>, pod: &PodSpec) {
    const CODE: &str = "MODEL-K8S-8";
    const HELP: &str = "choose another number";
    if pod.security_context.run_as_user == Some(PROXY_USER) {
        let at = at.field("securityContext");
        report
            .warning(
                CODE,
                &at.field("runAsUser"),
                "1337 is the user of the proxy, nothing that the pod sends is intercepted (IST0144)",
            )
            .help(HELP);
    }
    for (name, list) in [("initContainers", &pod.init_containers), ("containers", &pod.containers)] {
        let at = at.field(name);
        for (index, container) in list.iter().enumerate() {
            let proxy = matches!(container.name.as_str(), "istio-proxy" | "istio-init" | "istio-validation");
            if proxy || container.security_context.run_as_user != Some(PROXY_USER) {
                continue;
            }
            let at = at.index(index);
            let at = at.field("securityContext");
            report
                .warning(
                    CODE,
                    &at.field("runAsUser"),
                    format!(
                        "1337 is the user of the proxy, nothing that `{}` sends is intercepted (IST0144)",
                        show(&container.name)
                    ),
                )
                .help(HELP);
        }
    }
}
