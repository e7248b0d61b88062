//! Valid objects of every kind, as trees.
#![allow(unreachable_pub, clippy::indexing_slicing, reason = "a module of tests")]

pub mod build;
mod extensions;
mod kubernetes;
pub mod mutate;
mod networking;
mod security;
mod traffic;
mod values;
mod virtual_service;
pub mod write;

use build::{Tree, map, may, message, must, only, text, with};
use mesh_model::Kind;
use proptest::prelude::*;
use serde_json::json;

/// `spec` of a kind of Istio, or all but the metadata of one of Kubernetes; `None` for a kind that nobody has
/// described here yet.
fn body(kind: &Kind) -> Option<Tree> {
    let tree = match kind {
        Kind::VirtualService => virtual_service::virtual_service(),
        Kind::DestinationRule => networking::destination_rule(),
        Kind::Gateway => networking::gateway(),
        Kind::ServiceEntry => networking::service_entry(),
        Kind::Sidecar => networking::sidecar(),
        Kind::WorkloadEntry => networking::workload_entry(),
        Kind::WorkloadGroup => networking::workload_group(),
        Kind::ProxyConfig => networking::proxy_config(),
        Kind::EnvoyFilter => extensions::envoy_filter(),
        Kind::WasmPlugin => extensions::wasm_plugin(),
        Kind::TrafficExtension => extensions::traffic_extension(),
        Kind::Telemetry => extensions::telemetry(),
        Kind::AuthorizationPolicy => security::authorization_policy(),
        Kind::PeerAuthentication => security::peer_authentication(),
        Kind::RequestAuthentication => security::request_authentication(),
        Kind::Namespace | Kind::ServiceAccount => kubernetes::nothing(),
        Kind::Service => kubernetes::service(),
        Kind::Pod => kubernetes::pod(),
        Kind::ConfigMap => kubernetes::config_map(),
        Kind::Endpoints => kubernetes::endpoints(),
        Kind::Secret => kubernetes::secret(),
        Kind::Node => kubernetes::node(),
        Kind::EndpointSlice => kubernetes::endpoint_slice(),
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => kubernetes::workload(),
        _ => return None,
    };
    Some(if kind.is_istio() { message([must("spec", tree)]) } else { tree })
}

/// A valid object of the kind, in that version.
pub fn object(kind: &Kind, api_version: &str) -> Option<Tree> {
    let labels = match kind {
        Kind::EndpointSlice => must("labels", with(values::labels(), kubernetes::of_service())),
        _ => may("labels", values::labels()),
    };
    let metadata = message([
        must("name", values::name()),
        labels,
        may("annotations", map("[a-z]{1,6}|example\\.com/[a-z]{1,4}", text("\\PC{0,12}"), 1..=2)),
        may("creationTimestamp", only(json!("2024-05-01T10:20:30Z"))),
    ]);
    let metadata = if kind.is_cluster_scoped() {
        metadata
    } else {
        with(metadata, message([may("namespace", values::name())]))
    };
    let head = message([
        must("apiVersion", only(json!(api_version))),
        must("kind", only(json!(kind.as_str()))),
        must("metadata", metadata),
    ]);
    Some(with(head, body(kind)?))
}

/// Valid objects of every kind and version.
pub fn any_object() -> Tree {
    let all = Kind::all().flat_map(|kind| {
        let versions = kind.api_versions();
        versions.into_iter().filter_map(move |version| object(&kind, &version)).collect::<Vec<_>>()
    });
    prop::strategy::Union::new(all).boxed()
}
