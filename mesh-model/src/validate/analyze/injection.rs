//! Which pods get a proxy (MODEL-ANA-33), and pods that cannot have one (MODEL-K8S-7).

use super::workloads::{self, Workloads};
use crate::common::StringMap;
use crate::kubernetes::{Pod, PodSpec};
use crate::object::Body;
use crate::validate::report::{At, Report, show};

const CODE: &str = "MODEL-ANA-33";

/// The labels of a Namespace.
pub(super) fn namespace(report: &mut Report<'_>, root: &str, workloads: &Workloads<'_>) {
    let object = report.object;
    let name = object.metadata.name.as_str();
    if workloads::is_system_namespace(name) || name == root {
        return;
    }
    contradiction(report);
    let labels = &object.metadata.labels;
    let injection = labels.get(workloads::INJECTION).is_some_and(|value| !value.is_empty());
    if injection || labels.contains_key(workloads::REVISION) || workloads::is_ambient(object) {
        return;
    }
    let metadata = At::OBJECT.field("metadata");
    let at = metadata.field("name");
    if workloads.by_default() {
        report
            .info(
                CODE,
                &at,
                format!("`{}` gets sidecars without a label, as the mesh is installed (IST0148)", show(name)),
            )
            .help("add the label istio-injection: disabled to keep it out");
    } else {
        report
            .info(
                CODE,
                &at,
                format!("`{}` has no label for injection, its pods get no sidecar (IST0102)", show(name)),
            )
            .help("add the label istio-injection: enabled, or disabled to say that this is meant");
    }
}

/// Several labels that each ask for proxies. A namespace that says no to injection says so whatever stands beside it.
fn contradiction(report: &mut Report<'_>) {
    let labels = &report.object.metadata.labels;
    let injection = labels.get(workloads::INJECTION);
    if injection.is_some_and(|value| value != "enabled") {
        return;
    }
    let revision = labels.get(workloads::REVISION);
    // DIFFERENCE: MODEL-ANA-33: the mode `none` asks for nothing, Istio counts it as well.
    let ambient = labels.get(workloads::DATAPLANE_MODE).filter(|mode| *mode == "ambient");
    let metadata = At::OBJECT.field("metadata");
    let at = metadata.field("labels");
    let stronger = [(workloads::INJECTION, injection), (workloads::REVISION, revision)];
    let stronger: Vec<String> =
        stronger.into_iter().filter_map(|(key, value)| Some(format!("`{key}: {}`", show(value?)))).collect();
    let both = "sidecars and ambient are both asked for (IST0123)";
    let (key, message, help) = match (ambient, stronger.as_slice()) {
        (None, [one, _]) => {
            let message = format!("{one} stands beside it and wins (IST0123)");
            (workloads::REVISION, message, "keep one of the two labels")
        }
        (Some(_), [one]) => {
            let message = format!("{one} stands beside it, {both}");
            (workloads::DATAPLANE_MODE, message, "keep one of the two labels")
        }
        (Some(_), [one, other]) => {
            let message = format!("{one} and {other} stand beside it, {both}");
            (workloads::DATAPLANE_MODE, message, "keep one of the three labels")
        }
        _ => return,
    };
    report.warning(CODE, &at.key(key), message).help(help).at_key();
}

/// A Pod without proxy where pods have one.
pub(super) fn pod(report: &mut Report<'_>, pod: &Pod, workloads: &Workloads<'_>) {
    let metadata = &report.object.metadata;
    // DIFFERENCE: MODEL-ANA-33: a Pod that no cluster has taken in yet is not looked at, its proxy will be added; of a
    // namespace with a revision, or with sidecars by default, the pods are looked at as well.
    let Some(namespace) = workloads.namespace(&metadata.namespace) else { return };
    if !workloads.injects(namespace)
        || workloads::asks_for_ambient(namespace)
        || !workloads::is_admitted(pod)
        || workloads::has_proxy(&pod.spec)
        || pod.spec.host_network
    {
        return;
    }
    if inject(&metadata.labels, &metadata.annotations)
        .is_some_and(|value| value.eq_ignore_ascii_case("false"))
    {
        return;
    }
    let at = At::OBJECT.field("metadata");
    report
        .warning(
            CODE,
            &at.field("name"),
            format!("the namespace `{}` has sidecars, the pod has none (IST0103)", show(&metadata.namespace)),
        )
        .help("restart it so that it gets one, or label it sidecar.istio.io/inject: \"false\"");
}

fn inject<'l>(labels: &'l StringMap, annotations: &'l StringMap) -> Option<&'l String> {
    labels.get("sidecar.istio.io/inject").or_else(|| annotations.get("sidecar.istio.io/inject"))
}

/// A pod on the node's network that should have a proxy.
pub(super) fn host_network(report: &mut Report<'_>, workloads: &Workloads<'_>) {
    const CODE: &str = "MODEL-K8S-7";
    let spec = At::OBJECT.field("spec");
    let template = spec.field("template");
    let inner = template.field("spec");
    let (at, pod, labels, annotations): (_, &PodSpec, _, _) = match &report.object.body {
        Body::Pod(pod) => {
            (&spec, &pod.spec, &report.object.metadata.labels, &report.object.metadata.annotations)
        }
        body => {
            let Some(template) = workloads::template(body) else { return };
            (&inner, &template.spec, &template.metadata.labels, &template.metadata.annotations)
        }
    };
    if !pod.host_network {
        return;
    }
    let at = at.field("hostNetwork");
    let injected = workloads.namespace(report.namespace()).is_some_and(|found| workloads.injects(found));
    match inject(labels, annotations).map(String::as_str) {
        Some("true") => {
            report
                .warning(
                    CODE,
                    &at,
                    "no proxy is injected into a pod on the node's network, although `sidecar.istio.io/inject` asks for one",
                )
                .help("remove `hostNetwork`, or label the pod sidecar.istio.io/inject: \"false\"");
        }
        None if injected && !workloads::has_proxy(pod) => {
            report
                .info(CODE, &at, "a pod on the node's network gets no proxy, unlike others of its namespace")
                .help("label the pod sidecar.istio.io/inject: \"false\" to say that this is meant");
        }
        _ => {}
    }
}
