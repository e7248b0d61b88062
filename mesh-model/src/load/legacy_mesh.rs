//! Fields of the mesh configuration that are gone (MODEL-LEG-35, MODEL-LEG-36).

use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::path::FieldPath;

/// Fields of the time of Mixer and of the node agent; nothing reads them.
const GONE: [&str; 17] = [
    "mixerCheckServer",
    "mixerReportServer",
    "mixerAddress",
    "disablePolicyChecks",
    "disableMixerHttpReports",
    "policyCheckFailOpen",
    "sidecarToTelemetrySessionAffinity",
    "enableClientSidePolicyCheck",
    "disableReportBatch",
    "reportBatchMaxEntries",
    "reportBatchMaxTime",
    "sdsUdsPath",
    "sdsRefreshDelay",
    "enableSdsTokenMount",
    "sdsUseK8sSaJwt",
    "rdsRefreshDelay",
    "authPolicy",
];

/// The same of `defaultConfig`, and what to write instead.
const GONE_OF_PROXIES: [(&str, &str); 6] = [
    ("connectTimeout", "`connectTimeout` belongs to the mesh, beside `defaultConfig`"),
    ("parentShutdownDuration", "write terminationDrainDuration"),
    ("discoveryRefreshDelay", "remove it"),
    ("availabilityZone", "label the nodes with topology.kubernetes.io/zone"),
    ("proxyAdminUid", "remove it"),
    ("sds", "remove it"),
];

/// Takes the fields out and tells.
pub(super) fn mesh(config: &mut Value, findings: &mut Vec<Diagnostic>) {
    for name in GONE {
        if config.remove(name).is_some() {
            findings.push(gone(FieldPath::new().field(name), name).help("remove it"));
        }
    }
    if let Some(proxy) = config.get_mut("defaultConfig") {
        self::proxy(proxy, &FieldPath::new().field("defaultConfig"), findings);
    }
}

/// The same for the settings of proxies alone.
pub(super) fn proxy(config: &mut Value, at: &FieldPath, findings: &mut Vec<Diagnostic>) {
    for (name, help) in GONE_OF_PROXIES {
        if config.remove(name).is_some() {
            findings.push(gone(at.clone().field(name), name).help(help));
        }
    }
    if let Some(address) = config.remove("zipkinAddress") {
        findings.push(
            Diagnostic::warning(
                "MODEL-LEG-35",
                at.clone().field("zipkinAddress"),
                "`zipkinAddress` is deprecated",
            )
            .help("write tracing: {zipkin: {address: ...}}")
            .at_key(),
        );
        if config.get("tracing").is_none_or(Value::is_null) {
            let entry = |key: &str, value| Value::Map(vec![(key.to_owned(), value)]);
            config.set("tracing", entry("zipkin", entry("address", address)));
        }
    }
    let key = "ISTIO_META_DNS_AUTO_ALLOCATE";
    if config.get("proxyMetadata").and_then(|metadata| metadata.get(key)).is_some() {
        findings.push(
            Diagnostic::warning(
                "MODEL-LEG-36",
                at.clone().field("proxyMetadata").key(key),
                format!("`{key}` is deprecated"),
            )
            .help("remove it, the control plane allocates addresses by itself")
            .at_key(),
        );
    }
}

fn gone(at: FieldPath, name: &str) -> Diagnostic {
    Diagnostic::warning("MODEL-LEG-35", at, format!("`{name}` is gone, it has no effect")).at_key()
}
