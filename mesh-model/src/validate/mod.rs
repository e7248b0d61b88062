//! Validation: what Istio's admission refuses, and what it takes but was probably not meant.
//!
//! [`validate`] looks at one object by itself; [`load`](crate::load) calls it for every object it reads. [`analyze`]
//! looks at the references between objects.
//!
//! An error stands for an object that Istio or the API server does not admit (rules of the model reference marked
//! `E go`, `E crd` or `E k8s`); everything else is a warning or a remark.

// DIFFERENCE: MODEL-LB-6 and the other rules marked `E tool` are warnings here. Istio admits such an object and acts
// on it, and an error would take out of the mesh what Istio keeps in.

mod analyze;
mod annotations;
mod authorization_policy;
mod cel;
mod config_map;
mod destination_rule;
mod envoy_filter;
mod extensions;
mod gateway;
mod jwks;
mod kubernetes;
mod load_balancer;
mod mesh_config;
mod mesh_networks;
mod metadata;
mod names;
mod peer_authentication;
mod pod;
mod proxy_config;
mod re2;
mod report;
mod request_authentication;
mod secret;
mod selector;
mod service_entry;
mod sidecar;
mod strings;
mod telemetry;
#[cfg(test)]
mod tests;
mod tls;
mod traffic;
mod url;
mod virtual_service;
mod workload_entry;
mod workload_group;

pub use analyze::{analyze, analyze_with};

use crate::common::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::object::{Body, Object};
pub(crate) use report::Finding;
use report::{At, Report};

/// What validation depends on besides the object: a few settings of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Namespace whose policies and Sidecars are for the whole mesh; `istio-system`.
    pub root_namespace: String,
    /// Services without `addresses` get virtual IPs (MODEL-SE-6); on.
    pub auto_allocate_addresses: bool,
    /// What the names of Services end with; `cluster.local`.
    pub cluster_domain: String,
    /// The time at which certificates should be valid (MODEL-K8S-6); not looked at when absent, as nothing here asks a
    /// clock.
    pub now: Option<Timestamp>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            auto_allocate_addresses: true,
            cluster_domain: "cluster.local".to_owned(),
            now: None,
        }
    }
}

/// All findings about one object, by path and then by code.
///
/// The object is looked at as it is now; where it was read does not matter, but is copied into the findings so that
/// [`locate`](crate::locate) can tell line and column.
///
/// Cost: linear in the object. Nothing is allocated for an object without findings, besides sets of names where they
/// must be unique.
///
/// ```
/// use mesh_model::networking::DestinationRule;
/// use mesh_model::validate::{Settings, validate};
/// use mesh_model::Object;
///
/// let rule = Object::new("shop", "reviews", DestinationRule::default());
/// let found = validate(&rule, &Settings::default());
/// assert_eq!(found[0].code, "MODEL-DR-1");
/// assert_eq!(found[0].to_string(), "error[MODEL-DR-1]: DestinationRule shop/reviews: spec.host: the rule has no host");
/// ```
pub fn validate(object: &Object, settings: &Settings) -> Vec<Diagnostic> {
    let found = findings(object, settings);
    let tie = |finding: Finding| finding.diagnostic.of(Some(object.reference()), object.origin.as_ref());
    found.into_iter().map(tie).collect()
}

/// Like [`validate`], and tells which findings are about something missing.
pub(crate) fn findings(object: &Object, settings: &Settings) -> Vec<Finding> {
    let mut report = Report::new(object, settings);
    match &object.body {
        Body::VirtualService(spec) => virtual_service::check(&mut report, spec),
        Body::DestinationRule(spec) => destination_rule::check(&mut report, spec),
        Body::Gateway(spec) => gateway::check(&mut report, spec),
        Body::ServiceEntry(spec) => service_entry::check(&mut report, spec),
        Body::Sidecar(spec) => sidecar::check(&mut report, spec),
        Body::WorkloadEntry(spec) => workload_entry::check(&mut report, spec),
        Body::WorkloadGroup(spec) => workload_group::check(&mut report, spec),
        Body::EnvoyFilter(spec) => envoy_filter::check(&mut report, spec),
        Body::ProxyConfig(spec) => proxy_config::check(&mut report, spec),
        Body::AuthorizationPolicy(spec) => authorization_policy::check(&mut report, spec),
        Body::PeerAuthentication(spec) => peer_authentication::check(&mut report, spec),
        Body::RequestAuthentication(spec) => request_authentication::check(&mut report, spec),
        Body::Telemetry(spec) => telemetry::check(&mut report, spec),
        Body::WasmPlugin(spec) => extensions::wasm_plugin(&mut report, spec),
        Body::TrafficExtension(spec) => extensions::traffic_extension(&mut report, spec),
        Body::Service(service) => kubernetes::service(&mut report, service),
        Body::ConfigMap(config) => config_map::check(&mut report, config),
        Body::Pod(found) => pod::pod(&mut report, &found.spec),
        Body::Deployment(found) => pod::workload(&mut report, &found.spec),
        Body::StatefulSet(found) => pod::workload(&mut report, &found.spec),
        Body::DaemonSet(found) => pod::workload(&mut report, &found.spec),
        Body::Secret(secret) => secret::check(&mut report, secret),
        Body::EndpointSlice(slice) => kubernetes::endpoint_slice(&mut report, slice),
        _ => {}
    }
    metadata::check(&mut report);
    if object.kind.is_istio() {
        reserved_annotations(&mut report);
    } else if !matches!(object.kind, Kind::Other(_)) {
        let metadata = At::OBJECT.field("metadata");
        annotations::check(
            &mut report,
            &metadata.field("annotations"),
            &object.kind,
            &object.metadata.annotations,
            &object.metadata.labels,
        );
    }
    let mut found = report.finish();
    found.retain(|finding| !silenced(object, &finding.diagnostic.message, false));
    found
}

/// True when the object's annotation `galley.istio.io/analyze-suppress` silences a finding: by the code of Istio that ends
/// the message, or all that have one. A finding `of_analysis` needs no code to be one of all.
fn silenced(object: &Object, message: &str, of_analysis: bool) -> bool {
    let Some(list) = object.metadata.annotations.get("galley.istio.io/analyze-suppress") else {
        return false;
    };
    let code = message.strip_suffix(')').and_then(|head| Some(head.rsplit_once("(IST")?.1));
    list.split(',').map(str::trim).any(|item| match item {
        "*" => of_analysis || code.is_some(),
        item => code.is_some() && item.strip_prefix("IST") == code,
    })
}

/// Annotations that users may not set (MODEL-META-6, MODEL-META-7).
fn reserved_annotations(report: &mut Report<'_>) {
    const RESERVED: [&str; 3] = [
        "internal.istio.io/webhook-always-reject",
        "internal.istio.io/parent-namespace",
        "internal.istio.io/parents",
    ];
    let object = report.object;
    let metadata = At::OBJECT.field("metadata");
    let at = metadata.field("annotations");
    for key in RESERVED.into_iter().filter(|key| object.metadata.annotations.contains_key(*key)) {
        report
            .error("MODEL-META-7", &at.key(key), "the annotation is reserved for Istio itself")
            .help("remove it")
            .at_key();
    }
    if object.kind != crate::Kind::AuthorizationPolicy
        && object.metadata.annotations.contains_key("istio.io/dry-run")
    {
        report
            .error("MODEL-META-6", &at.key("istio.io/dry-run"), format!("a {} has no dry run", object.kind))
            .help("remove the annotation")
            .at_key();
    }
}
