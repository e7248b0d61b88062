//! What a Sidecar does not import (MODEL-PIT-34), and hosts that a Service has already (MODEL-SE-16).

use super::index::Index;
use super::services::Services;
use crate::networking::{ServiceEntry, Sidecar};
use crate::object::Object;
use crate::validate::report::{At, Report, show};

/// Parts of the names of services that proxies send traces and logs to.
const TELEMETRY: [&str; 8] =
    ["zipkin", "jaeger", "otel", "opentelemetry", "skywalking", "tracing", "datadog", "loki"];

pub(super) struct Imports<'o> {
    root: &'o str,
    /// A Service of the root namespace that proxies send telemetry to.
    telemetry: Option<&'o Object>,
}

impl<'o> Imports<'o> {
    pub(super) fn new(index: &'o Index<'o>) -> Self {
        let root = index.root.as_str();
        let is_telemetry = |object: &&Object| {
            object.metadata.namespace == root
                && object.as_service().is_some()
                && TELEMETRY.iter().any(|part| object.metadata.name.contains(part))
        };
        Self { root, telemetry: index.objects.iter().find(is_telemetry) }
    }

    pub(super) fn check(&self, report: &mut Report<'_>, sidecar: &Sidecar) {
        let Some(telemetry) = self.telemetry.filter(|_| !sidecar.egress.is_empty()) else { return };
        let own = report.namespace();
        let imports = |host: &String| {
            let namespace = host.split_once('/').map_or("*", |(namespace, _)| namespace);
            namespace == "*" || namespace == self.root || (namespace == "." && own == self.root)
        };
        if sidecar.egress.iter().flat_map(|listener| &listener.hosts).any(imports) {
            return;
        }
        let spec = At::OBJECT.field("spec");
        report
            .info(
                "MODEL-PIT-34",
                &spec.field("egress"),
                format!(
                    "nothing of the namespace `{}` is imported, such as {}",
                    show(self.root),
                    telemetry.reference()
                ),
            )
            .help(format!("add {}/* to the hosts if the proxies report to it", show(self.root)));
    }
}

/// A host that is a Kubernetes Service.
pub(super) fn service_entry(report: &mut Report<'_>, entry: &ServiceEntry, services: &Services<'_>) {
    let spec = At::OBJECT.field("spec");
    let at = spec.field("hosts");
    for (index, host) in entry.hosts.iter().enumerate() {
        if let Some((front, _)) = services.by_host(&host.to_ascii_lowercase()) {
            report
                .warning(
                    "MODEL-SE-16",
                    &at.index(index),
                    format!("`{}` is {}, which stays in force", show(host), front.name()),
                )
                .help("the entry adds to the Service at best; give it a host of its own");
        }
    }
}
