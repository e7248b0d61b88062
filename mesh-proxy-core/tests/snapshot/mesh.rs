//! MeshConfig, and what holds for any input.

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Context, Role, compile};
use mesh_route::PathNormalization;

use crate::world::{World, context, gateway, service, sidecar, to, virtual_service};

fn config(namespace: &str, lines: &str) -> String {
    let indented = lines.lines().map(|line| format!("    {line}\n")).collect::<Vec<_>>().concat();
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: {namespace}}}\ndata:\n  mesh: \
         |\n{indented}"
    )
}

#[test]
fn mesh_config_proxy_log_01_path_01() {
    let lines = "accessLogFile: /dev/stdout\naccessLogFormat: '%RESPONSE_CODE%'\npathNormalization: {normalization: \
                 MERGE_SLASHES}\nconnectTimeout: 3s\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultHttpRetryPolicy: \
                 {attempts: 0}\naccessLogEncoding: JSON";
    let egress = sidecar(80, "ALLOW_ANY").replace("\n  outboundTrafficPolicy: {mode: ALLOW_ANY}", "");
    let parts = [egress, service("default", "a", "80"), config("istio-system", lines)];
    let world = World::new(&parts);
    let snapshot = &world.compiled.snapshot;
    assert_eq!(snapshot.access_log().file.as_deref(), Some("/dev/stdout"));
    assert_eq!(snapshot.access_log().format.as_deref(), Some("%RESPONSE_CODE%"));
    assert_eq!(world.listener(Role::Sidecar).path_normalization, PathNormalization::MergeSlashes);
    assert_eq!(world.mesh("unknown.org"), "502 block_all", "ROUTE-HOST-40");
    assert_eq!(world.mesh("a"), "|80|a.default");
    assert_eq!(snapshot.clusters()[0].connect_timeout.as_secs(), 3);
    assert!(world.says(&["warning: ConfigMap istio-system/istio: data{mesh}", "accessLogEncoding"]));
    // Elsewhere it is just a ConfigMap.
    let world = World::new(&[parts[0].clone(), parts[1].clone(), config("default", lines)]);
    assert_eq!(world.compiled.snapshot.access_log().file, None);
    assert_eq!(world.listener(Role::Sidecar).path_normalization, PathNormalization::Base);
    assert_eq!(world.mesh("unknown.org"), "502 allow_any");
}

/// ROUTE-RTY-01: the mesh's policy also holds for default routes.
#[test]
fn the_meshs_retry_policy_route_rty_01() {
    let config =
        config("istio-system", "defaultHttpRetryPolicy: {attempts: 5, retryOn: 5xx, perTryTimeout: 1s}");
    let world = World::new(&[sidecar(80, "REGISTRY_ONLY"), service("default", "a", "80"), config]);
    let head = mesh_route::RequestHead::new("GET", "a", "/", &mesh_route::NoHeaders);
    let lookup = world.listener(Role::Sidecar).routes.lookup(&head);
    let mesh_proxy_core::snapshot::RouteAction::Forward(forward) = &lookup.route().unwrap().action.action
    else {
        panic!("no forward")
    };
    assert_eq!(forward.retries.policy.attempts(), 5);
    assert_eq!(forward.timeouts.limits().per_try.map(|limit| limit.as_secs()), Some(1));
}

/// ROUTE-PROP-09: the order of the input does not matter as long as the objects' ages differ.
#[test]
fn the_order_of_objects_is_irrelevant_route_prop_09() {
    let parts = [
        sidecar(80, "REGISTRY_ONLY"),
        gateway("a.example.com"),
        service("default", "a", "80"),
        service("default", "b", "80"),
        crate::world::dated("VirtualService", "default", "one", "2020-01-01", &bound("/x", "a")),
        crate::world::dated("VirtualService", "default", "two", "2021-01-01", &bound("/", "b")),
        crate::world::dated("VirtualService", "default", "three", "2022-01-01", &bound("/y", "a")),
    ];
    let answers = |parts: &[String]| {
        let world = World::new(parts);
        ["/x", "/y", "/z"].map(|path| world.door(&format!("a.example.com{path}")))
    };
    let mut turned = parts.to_vec();
    for _ in 0..parts.len() {
        turned.rotate_left(1);
        assert_eq!(answers(&turned), answers(&parts));
    }
    turned.reverse();
    assert_eq!(answers(&turned), answers(&parts));
}

fn bound(path: &str, host: &str) -> String {
    format!(
        "  hosts: [a.example.com]\n  gateways: [door]\n  http:\n  - match: [{{uri: {{prefix: {path}}}}}]\n    {}",
        to(host)
    )
}

/// Damaged input costs objects, never the process.
#[test]
fn damaged_input_is_survived() {
    let parts = [
        sidecar(80, "ALLOW_ANY"),
        gateway("a.example.com, '*'"),
        service("default", "a", "80"),
        virtual_service("a", &bound("/x", "a")),
    ];
    let text = parts.concat();
    let lines: Vec<&str> = text.lines().collect();
    let mut options = Options::default();
    for validate in [true, false] {
        options.validate = validate;
        for skipped in 0..lines.len() {
            for damage in
                ["", "  x: [1, {}]", "  hosts: ['*', '*.*', 'a*b', '']", "  - {number: 99999, port: -1}"]
            {
                let mut lines = lines.clone();
                lines[skipped] = damage;
                let text = lines.join("\n");
                let loaded = load([Source::new("case.yaml", &text)], &options);
                let compiled = compile(&loaded.objects, &context("default"));
                assert!(compiled.snapshot.listeners().len() <= 2);
            }
        }
    }
}

/// Neither role: nothing to serve, nothing to say.
#[test]
fn no_role() {
    let mut context = Context::default();
    context.gateway = None;
    context.sidecar = None;
    let world = World::of(&[gateway("a.example.com"), sidecar(80, "ALLOW_ANY")], &context);
    assert!(world.compiled.snapshot.listeners().is_empty() && world.issues().is_empty());
}
