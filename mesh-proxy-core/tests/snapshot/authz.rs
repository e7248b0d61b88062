//! Policies at the gateway (section 1 of the authorization reference), and objects that cannot be honoured.

use mesh_authz::{HttpAttributes, Peer, Reason, Request};
use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Role, compile};

use crate::world::{World, context, gateway, istio, service, sidecar, to, virtual_service};

fn base() -> [String; 4] {
    [
        gateway("a.example.com"),
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "a", "80"),
        virtual_service(
            "a",
            &format!("  hosts: [a.example.com]\n  gateways: [door]\n  http:\n  - {}", to("a")),
        ),
    ]
}

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    istio("AuthorizationPolicy", namespace, name, spec)
}

/// Whether `GET path` passes at the gateway, and why not.
fn ask(world: &World, path: &str) -> String {
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    let request = request.http(HttpAttributes::new("GET", path).host("a.example.com"));
    let decision = world.listener(Role::Gateway).policies.evaluate(&request);
    match decision.reason {
        Reason::NoAllowPolicies => "allowed".to_owned(),
        Reason::AllowedBy { policy, .. } => format!("allowed by {policy}"),
        Reason::DeniedBy { policy, .. } => format!("denied by {policy}"),
        Reason::InvalidPolicy { policy } => format!("invalid {policy}"),
        Reason::NoAllowMatched => "denied".to_owned(),
        other => format!("{other:?}"),
    }
}

fn with(policy: &str) -> World {
    let [gateway, sidecar, service, rule] = base();
    World::new(&[&gateway, &sidecar, &service, &rule, policy])
}

const DENY_ADMIN: &str = "  action: DENY\n  rules: [{to: [{operation: {paths: ['/admin*']}}]}]";

#[test]
fn which_policies_guard_the_gateway_authz_sel_02_03() {
    let selecting = |labels: &str| format!("  selector: {{matchLabels: {{{labels}}}}}\n{DENY_ADMIN}");
    for (namespace, spec, guarded) in [
        ("default", DENY_ADMIN.to_owned(), true),
        ("istio-system", DENY_ADMIN.to_owned(), true),
        ("other", DENY_ADMIN.to_owned(), false),
        ("default", selecting("istio: ingressgateway"), true),
        ("istio-system", selecting("istio: ingressgateway"), true),
        ("default", selecting("istio: other"), false),
        ("default", selecting("app: me"), false),
    ] {
        let world = with(&policy(namespace, "p", &spec));
        let want = if guarded { format!("denied by {namespace}/p") } else { "allowed".to_owned() };
        assert_eq!(ask(&world, "/admin/x"), want, "{namespace}: {spec}");
        assert_eq!(ask(&world, "/"), "allowed");
    }
}

/// Policies are enforced where requests come in.
#[test]
fn outbound_listeners_have_no_policies_authz_sel_09() {
    let world = with(&policy("default", "p", "  {}"));
    assert_eq!(ask(&world, "/"), "denied", "AUTHZ-EVAL-05");
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    let request = request.http(HttpAttributes::new("GET", "/"));
    assert!(world.listener(Role::Sidecar).policies.evaluate(&request).is_allowed());
}

#[test]
fn actions_and_dry_runs_authz_eval_03_08() {
    let allow = policy("default", "p", "  rules: [{to: [{operation: {paths: ['/ok']}}]}]");
    let world = with(&allow);
    assert_eq!(
        (ask(&world, "/ok"), ask(&world, "/no")),
        ("allowed by default/p".to_owned(), "denied".to_owned())
    );
    let dry =
        allow.replace("namespace: default}", "namespace: default, annotations: {istio.io/dry-run: 'true'}}");
    assert_eq!(ask(&with(&dry), "/no"), "allowed");
    let condition = "  action: DENY\n  rules: [{when: [{key: source.ip, notValues: [10.0.0.7]}]}, {from: [{source: {ipBlocks: \
         [10.0.0.0/24], notIpBlocks: [10.0.0.8]}}], to: [{operation: {notPaths: [/ok], ports: ['80']}}]}]";
    let world = with(&policy("default", "p", condition));
    assert_eq!(
        (ask(&world, "/ok"), ask(&world, "/no")),
        ("allowed".to_owned(), "denied by default/p".to_owned())
    );
}

/// No provider can be asked yet: what a CUSTOM policy matches is denied.
#[test]
fn custom_policies_authz_ext_03() {
    let spec = "  action: CUSTOM\n  provider: {name: opa}\n  rules: [{to: [{operation: {paths: [/admin]}}]}]";
    let world = with(&policy("default", "p", spec));
    assert!(ask(&world, "/admin").starts_with("BadProvider"), "{}", ask(&world, "/admin"));
    assert_eq!(ask(&world, "/"), "allowed");
    assert!(
        world.says(&["error: AuthorizationPolicy default/p: spec.provider", "`opa`"]),
        "{:?}",
        world.issues()
    );
}

/// A policy that is not understood denies, for the workloads it selects, or for all when that is not clear.
#[test]
fn broken_policies_deny_proxy_feat_04() {
    let broken = |selector: &str| {
        let spec = format!("  selector: {{matchLabels: {selector}}}\n  action: ALLOW\n  rulez: [{{}}]");
        let parts = [base().concat(), policy("default", "p", &spec)];
        ask(&World::tolerant(&parts), "/")
    };
    assert_eq!(broken("{istio: ingressgateway}"), "invalid default/p");
    assert_eq!(broken("{istio: other}"), "allowed");
    assert_eq!(broken("{istio: [ingressgateway]}"), "invalid default/p");
    let parts = [base().concat(), policy("default", "p", "  action: DENIE\n  rules: [{}]")];
    let world = World::tolerant(&parts);
    assert_eq!(ask(&world, "/"), "invalid default/p");
    assert!(
        world.says(&["error: AuthorizationPolicy default/p", "deny every request"]),
        "{:?}",
        world.issues()
    );
    // A value that only the evaluator refuses.
    let text = [base().concat(), policy("default", "p", "  rules: [{when: [{key: nonsense, values: [a]}]}]")]
        .concat();
    let options = {
        let mut options = Options::default();
        options.validate = false;
        options
    };
    let loaded = load([Source::new("case.yaml", &text)], &options);
    let world = World { compiled: compile(&loaded.objects, &context("default")) };
    assert_eq!(ask(&world, "/"), "denied");
    assert!(world.says(&["error: AuthorizationPolicy default/p", "nonsense"]), "{:?}", world.issues());
}

/// Everything else that has no effect is named once.
#[test]
fn objects_without_effect_proxy_feat_04() {
    let filter =
        istio("EnvoyFilter", "default", "f", "  configPatches: []").replace(".io/v1\n", ".io/v1alpha3\n");
    let wasm = "---\napiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: w, namespace: \
                default}\nspec: {url: 'oci://a/b'}\n";
    let strict = istio("PeerAuthentication", "default", "mtls", "  mtls: {mode: STRICT}");
    let lax = istio("PeerAuthentication", "other", "lax", "  mtls: {mode: PERMISSIVE}");
    let world = World::new(&[base().concat(), filter, wasm.to_owned(), strict, lax]);
    for object in ["EnvoyFilter default/f", "WasmPlugin default/w", "PeerAuthentication default/mtls"] {
        let found = world.issues().iter().filter(|issue| issue.contains(object)).count();
        assert_eq!(found, 1, "{object}: {:?}", world.issues());
    }
    assert!(!world.says(&["other/lax"]));
}

/// A principal with any of the mesh's trust domains matches all of them, and a service account without namespace is one
/// of the policy's.
#[test]
fn identities_model_res_39() {
    let mesh = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: \
                \"{trustDomain: new.td, trustDomainAliases: [old.td]}\"}\n";
    let asked = |source: &str, who: &str| {
        let [gateway, sidecar, service, rule] = base();
        let spec = format!("  rules: [{{from: [{{source: {{{source}}}}}]}}]");
        let world = World::new(&[&gateway, &sidecar, &service, &rule, mesh, &policy("default", "p", &spec)]);
        let spiffe = format!("spiffe://{who}");
        let identity = mesh_authz::PeerIdentity::certificate([spiffe.as_str()], [], "");
        let peer = Peer::new([10, 0, 0, 7].into()).identity(&identity);
        let request = Request::new(peer, ([10, 0, 0, 9], 80).into());
        let request = request.http(HttpAttributes::new("GET", "/").host("a.example.com"));
        world.listener(Role::Gateway).policies.evaluate(&request).is_allowed()
    };
    for (source, who, want) in [
        ("principals: [new.td/ns/n/sa/s]", "new.td/ns/n/sa/s", true),
        ("principals: [new.td/ns/n/sa/s]", "old.td/ns/n/sa/s", true),
        ("principals: [old.td/ns/n/sa/s]", "new.td/ns/n/sa/s", true),
        ("principals: [new.td/ns/n/sa/s]", "third.td/ns/n/sa/s", false),
        ("principals: [third.td/ns/n/sa/s]", "new.td/ns/n/sa/s", false),
        ("serviceAccounts: [s]", "new.td/ns/default/sa/s", true),
        ("serviceAccounts: [s]", "new.td/ns/n/sa/s", false),
        ("serviceAccounts: [n/s]", "new.td/ns/n/sa/s", true),
    ] {
        assert_eq!(asked(source, who), want, "{source}: {who}");
    }
}
