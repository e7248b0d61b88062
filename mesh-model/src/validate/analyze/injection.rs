//! Which pods get a proxy (MODEL-ANA-33), and pods that cannot have one (MODEL-K8S-7).

use super::workloads::{self, Workloads};
use crate::common::StringMap;
use crate::kubernetes::{Pod, PodSpec};
use crate::object::{Body, Object};
use crate::validate::report::{At, Report, show};
use std::collections::HashMap;

const CODE: &str = "MODEL-ANA-33";

/// What the configuration of the injectors says.
pub(super) struct Injection {
    /// By revision, empty for the one without: namespaces without a label are injected.
    by_default: HashMap<String, bool>,
}

impl Injection {
    pub(super) fn new(objects: &[Object]) -> Self {
        let configs = objects.iter().filter_map(|object| {
            let revision = object.metadata.name.strip_prefix("istio-sidecar-injector")?;
            let values = object.as_config_map()?.data.get("values")?;
            let values: serde_json::Value = serde_json::from_str(values).ok()?;
            let found = values.get("sidecarInjectorWebhook")?.get("enableNamespacesByDefault")?.as_bool()?;
            Some((revision.strip_prefix('-').unwrap_or(revision).to_owned(), found))
        });
        Self { by_default: configs.collect() }
    }

    /// The labels of a Namespace.
    pub(super) fn namespace(&self, report: &mut Report<'_>, root: &str) {
        let object = report.object;
        let name = object.metadata.name.as_str();
        if workloads::is_system_namespace(name) || name == root {
            return;
        }
        let labels = &object.metadata.labels;
        let filled = |key: &str| labels.get(key).filter(|value| !value.is_empty());
        let metadata = At::OBJECT.field("metadata");
        let at = metadata.field("labels");
        match (filled("istio-injection"), labels.get("istio.io/rev")) {
            (Some(value), Some(_)) => {
                report
                    .warning(
                        CODE,
                        &at.key("istio.io/rev"),
                        format!("`istio-injection: {}` stands beside it and wins (IST0123)", show(value)),
                    )
                    .help("keep one of the two labels")
                    .at_key();
            }
            (None, None) if workloads::is_ambient(object) => {}
            (None, None) if self.by_default.get("").copied().unwrap_or(false) => {
                report
                    .info(
                        CODE,
                        &metadata.field("name"),
                        format!(
                            "`{}` gets sidecars without a label, as the mesh is installed (IST0148)",
                            show(name)
                        ),
                    )
                    .help("add the label istio-injection: disabled to keep it out");
            }
            (None, None) => {
                report
                    .info(
                        CODE,
                        &metadata.field("name"),
                        format!(
                            "`{}` has no label for injection, its pods get no sidecar (IST0102)",
                            show(name)
                        ),
                    )
                    .help("add the label istio-injection: enabled, or disabled to say that this is meant");
            }
            _ => {}
        }
    }

    /// A Pod without proxy where pods have one.
    pub(super) fn pod(report: &mut Report<'_>, pod: &Pod, workloads: &Workloads<'_>) {
        let metadata = &report.object.metadata;
        // DIFFERENCE: MODEL-ANA-33: a Pod that no cluster has taken in yet is not looked at, its proxy will be added.
        let injected = workloads.namespace(&metadata.namespace).is_some_and(workloads::injects);
        if !injected
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
                format!(
                    "the namespace `{}` has sidecars, the pod has none (IST0103)",
                    show(&metadata.namespace)
                ),
            )
            .help("restart it so that it gets one, or label it sidecar.istio.io/inject: \"false\"");
    }
}

fn inject<'l>(labels: &'l StringMap, annotations: &'l StringMap) -> Option<&'l String> {
    labels.get("sidecar.istio.io/inject").or_else(|| annotations.get("sidecar.istio.io/inject"))
}

/// A pod on the node's network that should have a proxy.
pub(super) fn host_network(report: &mut Report<'_>, workloads: &Workloads<'_>) {
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
    let refused = |value: &String| value != "true";
    let asked = inject(labels, annotations).map(|value| !refused(value));
    let injected = workloads.namespace(report.namespace()).is_some_and(workloads::injects);
    if pod.host_network && (workloads::has_proxy(pod) || asked.unwrap_or(injected)) {
        report
            .warning(
                "MODEL-K8S-7",
                &at.field("hostNetwork"),
                "a pod on the node's network gets no proxy, although its labels or namespace ask for one",
            )
            .help("remove `hostNetwork`, or label the pod sidecar.istio.io/inject: \"false\"");
    }
}
