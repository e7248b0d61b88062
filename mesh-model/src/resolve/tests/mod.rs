//! The rules of section 6 of the model reference, as tables.

mod credentials;
mod delegation;
mod destination_rules;
mod endpoints;
mod export;
mod hosts;
mod inbound;
mod scopes;
mod services;
mod virtual_services;

use super::{Proxy, ResourceSet};
use crate::common::StringMap;
use crate::{MeshConfig, Options, Source, load};

/// An object of Istio's with a creation time of 2020-01-`day`; `spec` is YAML in flow style.
fn object(kind: &str, namespace: &str, name: &str, day: u8, spec: &str) -> String {
    let group =
        if kind.ends_with("Policy") || kind.ends_with("Authentication") { "security" } else { "networking" };
    format!(
        "---\napiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}, \
         creationTimestamp: \"2020-01-{day:02}T00:00:00Z\"}}\nspec: {spec}\n"
    )
}

/// A Kubernetes Service with port 80.
fn service(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{ports: \
         [{{name: http, port: 80}}]{more}}}\n"
    )
}

fn set(texts: &[String]) -> ResourceSet {
    in_mesh(texts, MeshConfig::default())
}

fn in_mesh(texts: &[String], mesh: MeshConfig) -> ResourceSet {
    let text = texts.concat();
    // What validation says is tested elsewhere; here rules that it would refuse have a meaning too.
    let options = Options { validate: false, ..Options::default() };
    let loaded = load([Source::new("t.yaml", &text)], &options);
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    ResourceSet::new(loaded.objects, mesh)
}

fn labels(pairs: &[(&str, &str)]) -> StringMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn sidecar(namespace: &str) -> Proxy {
    Proxy::sidecar(namespace, labels(&[("app", "me")]))
}
