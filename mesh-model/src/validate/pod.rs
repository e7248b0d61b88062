//! Pods and what makes them (MODEL-K8S-8).

use super::annotations;
use super::metadata;
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

/// MODEL-K8S-8. What Istio itself installs may run as the proxy's user.
fn user(report: &mut Report<'_>, at: &At<'_>, pod: &PodSpec) {
    const CODE: &str = "MODEL-K8S-8";
    const HELP: &str = "choose another number";
    if metadata::is_of_istio(report.object) {
        return;
    }
    let is_proxy = |name: &str| matches!(name, "istio-proxy" | "istio-init" | "istio-validation");
    if pod.security_context.run_as_user == Some(PROXY_USER) {
        let all = pod.containers.iter().chain(&pod.init_containers);
        // DIFFERENCE: MODEL-K8S-8: where every other container has a user of its own nobody runs as the proxy's.
        let mut inherit = all.filter(|container| {
            container.security_context.run_as_user.is_none() && !is_proxy(&container.name)
        });
        let first = inherit.next().map(|container| show(&container.name));
        let send = match (first, inherit.count()) {
            (None, _) => None,
            (Some(first), 0) => Some(format!("`{first}` sends")),
            (Some(first), 1) => Some(format!("`{first}` and another container send")),
            (Some(first), others) => Some(format!("`{first}` and {others} other containers send")),
        };
        if let Some(send) = send {
            let at = at.field("securityContext");
            let message =
                format!("1337 is the user of the proxy, nothing that {send} is intercepted (IST0144)");
            report.warning(CODE, &at.field("runAsUser"), message).help(HELP);
        }
    }
    for (name, list) in [("initContainers", &pod.init_containers), ("containers", &pod.containers)] {
        let at = at.field(name);
        for (index, container) in list.iter().enumerate() {
            if is_proxy(&container.name) || container.security_context.run_as_user != Some(PROXY_USER) {
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
