//! Which policies guard a workload (section 1.1 of the authorization reference).

use mesh_authz::{HttpAttributes, Peer, Request};
use mesh_model::resolve::Selection;
use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Context, ProxyIdentity, Role, compile};

use crate::world::{World, istio};

/// A sidecar in `namespace` with labels as `a=b c=d`; the same as a gateway.
fn context(namespace: &str, labels: &str) -> Context {
    let pairs = labels.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    let identity =
        pairs.fold(ProxyIdentity::new(namespace), |identity, (key, value)| identity.label(key, value));
    let mut context = Context::default();
    context.gateway = Some(identity.clone());
    context.sidecar = Some(identity);
    context
}

/// A policy that denies everything.
fn deny(namespace: &str, name: &str, selection: &str) -> String {
    istio("AuthorizationPolicy", namespace, name, &format!("{selection}  action: DENY\n  rules: [{{}}]"))
}

/// Whether the only policy applies, and else why not; whether it denies must agree.
fn selection(world: &World, role: Role) -> Selection {
    let protection = world.compiled.snapshot.protection(role);
    let selection = match &protection.unselected[..] {
        [] => Selection::Applies,
        [one] => one.why,
        more => panic!("{more:?}"),
    };
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    let decision = protection.policies.evaluate(&request.http(HttpAttributes::new("GET", "/")));
    assert_eq!(decision.is_allowed(), selection != Selection::Applies, "{decision}");
    selection
}

fn targets(refs: &str) -> String {
    format!("  targetRefs: [{refs}]\n")
}

const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name=door";

/// Runs a table of policy's namespace, how it selects, the workload's namespace and labels, and the answer.
fn check(table: &[(&str, &str, &str, &str, Selection)]) {
    for (namespace, selects, workload, labels, want) in table {
        let context = context(workload, labels);
        let world = World::of(&[deny(namespace, "p", selects)], &context);
        for role in [Role::Gateway, Role::Sidecar] {
            let found = selection(&world, role);
            assert_eq!(found, *want, "{namespace}, {selects:?}, {workload}, {labels:?}, {role:?}");
        }
    }
}

/// The root namespace, then the workload's own, and no other; the selector filters in both.
#[test]
fn namespaces_authz_sel_01_03() {
    use Selection::{Applies, OtherLabels, OtherNamespace};
    let web = "  selector: {matchLabels: {app: web}}\n";
    check(&[
        ("istio-system", "", "shop", "", Applies),
        ("shop", "", "shop", "", Applies),
        ("shop", "", "istio-system", "", OtherNamespace),
        ("other", "", "shop", "", OtherNamespace),
        ("istio-system", "", "istio-system", "", Applies),
        // AUTHZ-SEL-03: in the root namespace a selector is for all namespaces.
        ("istio-system", web, "shop", "app=web", Applies),
        ("istio-system", web, "shop", "app=other", OtherLabels),
        ("other", web, "shop", "app=web", OtherNamespace),
    ]);
}

/// AUTHZ-SEL-01: `rootNamespace` of the mesh configuration moves the root.
#[test]
fn the_root_namespace_is_a_setting_authz_sel_01() {
    let mesh = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: \
                'rootNamespace: top'}\n";
    for (namespace, want) in [("top", Selection::Applies), ("istio-system", Selection::OtherNamespace)] {
        let parts = [mesh.to_owned(), deny(namespace, "p", "")];
        assert_eq!(selection(&World::of(&parts, &context("shop", "")), Role::Sidecar), want, "{namespace}");
    }
}

/// Every pair, with the identical value; nothing asked for is everything.
#[test]
fn selectors_authz_sel_02() {
    use Selection::{Applies, OtherLabels};
    let both = "  selector: {matchLabels: {app: web, version: v1}}\n";
    check(&[
        ("shop", "", "shop", "", Applies),
        ("shop", "  selector: {}\n", "shop", "", Applies),
        ("shop", "  selector: {matchLabels: {}}\n", "shop", "app=web", Applies),
        ("shop", both, "shop", "app=web version=v1 more=x", Applies),
        ("shop", both, "shop", "app=web", OtherLabels),
        ("shop", both, "shop", "app=web version=V1", OtherLabels),
        ("shop", both, "shop", "App=web version=v1", OtherLabels),
        ("shop", both, "shop", "", OtherLabels),
    ]);
}

/// A workload that belongs to no Gateway of the Gateway API is not meant by references (AUTHZ-CASE-99).
#[test]
fn references_mean_nothing_to_other_workloads_authz_sel_04() {
    use Selection::OtherTarget;
    let gateway = targets("{kind: Gateway, group: gateway.networking.k8s.io, name: door}");
    let service = targets("{kind: Service, group: '', name: web}");
    check(&[
        ("shop", &gateway, "shop", "app=web", OtherTarget),
        ("shop", &service, "shop", "app=web", OtherTarget),
        ("istio-system", &gateway, "shop", "app=web", OtherTarget),
    ]);
}

/// A Gateway by kind, group, name and namespace; without references the selector counts.
#[test]
fn gateways_by_reference_authz_sel_05() {
    use Selection::{Applies, OtherLabels, OtherNamespace, OtherTarget};
    let target = |text: &str| targets(text);
    let door = target("{kind: Gateway, group: gateway.networking.k8s.io, name: door}");
    let other = target("{kind: Gateway, group: gateway.networking.k8s.io, name: other}");
    let both = target(
        "{kind: Gateway, group: gateway.networking.k8s.io, name: other}, {kind: Gateway, group: \
         gateway.networking.k8s.io, name: door}",
    );
    let service = target("{kind: Service, group: '', name: door}");
    let class = target("{kind: GatewayClass, group: gateway.networking.k8s.io, name: door}");
    check(&[
        ("shop", &door, "shop", GATEWAY, Applies),
        ("shop", &other, "shop", GATEWAY, OtherTarget),
        // AUTHZ-SEL-07: any of several.
        ("shop", &both, "shop", GATEWAY, Applies),
        ("shop", &service, "shop", GATEWAY, OtherTarget),
        ("istio-system", &class, "istio-system", GATEWAY, OtherTarget),
        // The policy has to live where the gateway does, in the root namespace as well.
        ("istio-system", &door, "shop", GATEWAY, OtherTarget),
        ("other", &door, "shop", GATEWAY, OtherNamespace),
        ("istio-system", &door, "istio-system", GATEWAY, Applies),
        ("shop", "", "shop", GATEWAY, Applies),
        ("istio-system", "", "shop", GATEWAY, Applies),
        ("shop", "  selector: {matchLabels: {app: web}}\n", "shop", GATEWAY, OtherLabels),
    ]);
}

/// The older singular form counts where there is no list, and no reference reaches into another namespace. Admission
/// refuses both together; what was admitted before still has a meaning (AUTHZ-GEN-05).
#[test]
fn odd_references_authz_sel_07() {
    let reference = |more: &str| format!("{{kind: Gateway, group: gateway.networking.k8s.io, {more}}}");
    for (selects, want) in [
        (format!("  targetRef: {}\n", reference("name: door")), Selection::Applies),
        (format!("  targetRef: {}\n", reference("name: other")), Selection::OtherTarget),
        (
            format!("  targetRef: {}\n{}", reference("name: door"), targets(&reference("name: other"))),
            Selection::OtherTarget,
        ),
        (
            format!("  targetRef: {}\n{}", reference("name: other"), targets(&reference("name: door"))),
            Selection::Applies,
        ),
        (targets(&reference("name: door, namespace: shop")), Selection::Applies),
        (targets(&reference("name: door, namespace: other")), Selection::OtherTarget),
    ] {
        let text = deny("shop", "p", &selects);
        let mut options = Options::default();
        options.validate = false;
        let loaded = load([Source::new("case.yaml", &text)], &options);
        assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
        let world = World { compiled: compile(&loaded.objects, &context("shop", GATEWAY)) };
        assert_eq!(selection(&world, Role::Gateway), want, "{selects}");
    }
}

/// A reference that was not read whole may have been meant for this gateway: its policy denies.
#[test]
fn doubtful_references_deny_proxy_feat_04() {
    let refs = targets("{kind: Gateway, group: gateway.networking.k8s.io, name: [door]}");
    let text = deny("shop", "p", &refs);
    let loaded = load([Source::new("case.yaml", &text)], &Options::default());
    let world = World { compiled: compile(&loaded.objects, &context("shop", GATEWAY)) };
    assert!(world.compiled.snapshot.protection(Role::Gateway).unselected.is_empty(), "{:?}", world.issues());
    let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
    assert!(!world.compiled.snapshot.protection(Role::Gateway).policies.evaluate(&request).is_allowed());
}

/// Neither age, nor name, nor order of the documents changes an answer.
#[test]
fn order_does_not_matter_authz_sel_10() {
    let spec = |path: &str| format!("  rules: [{{to: [{{operation: {{paths: ['{path}']}}}}]}}]");
    let parts: Vec<_> = [("b", "2024-01-02", "/b"), ("a", "2024-01-01", "/a"), ("c", "2023-01-01", "/a*")]
        .iter()
        .map(|(name, day, path)| crate::world::dated("AuthorizationPolicy", "shop", name, day, &spec(path)))
        .collect();
    let [a, b, c] = &parts[..] else { panic!() };
    let answers = |parts: &[&String]| {
        let world = World::of(parts, &context("shop", ""));
        ["/a", "/b", "/ab", "/c"].map(|path| {
            let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
            let request = request.http(HttpAttributes::new("GET", path));
            world.compiled.snapshot.protection(Role::Sidecar).policies.evaluate(&request).to_string()
        })
    };
    let want = answers(&[a, b, c]);
    assert!(want[0].starts_with("allowed") && want[3].starts_with("denied"), "{want:?}");
    for order in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        assert_eq!(answers(&order), want);
    }
}

/// A policy goes to the stage of its action, and without one it allows.
#[test]
fn actions_authz_sel_11() {
    let rules = "  rules: [{to: [{operation: {paths: [/x]}}]}]";
    for (action, on_path, elsewhere, hint) in [
        ("", true, false, None),
        ("  action: ALLOW\n", true, false, None),
        ("  action: DENY\n", false, true, None),
        ("  action: AUDIT\n", true, true, Some(true)),
        ("  action: CUSTOM\n  provider: {name: opa}\n", false, true, None),
    ] {
        let policy = istio("AuthorizationPolicy", "shop", "p", &format!("{action}{rules}"));
        let world = World::of(&[policy], &context("shop", ""));
        let ask = |path: &str| {
            let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
            let request = request.http(HttpAttributes::new("GET", path));
            let decision = world.compiled.snapshot.protection(Role::Sidecar).policies.evaluate(&request);
            (decision.is_allowed(), decision.access_log_hint)
        };
        assert_eq!(ask("/x"), (on_path, hint), "{action}");
        assert_eq!(ask("/y").0, elsewhere, "{action}");
    }
}

/// AUTHZ-CASE-98: the policies of both scopes count together.
#[test]
fn both_scopes_together_authz_case_98() {
    let root = "  selector: {matchLabels: {app: web}}\n  rules: [{to: [{operation: {paths: [/h]}}]}]";
    let own = "  rules: [{to: [{operation: {methods: [GET]}}]}]";
    let policies = [
        istio("AuthorizationPolicy", "istio-system", "root", root),
        istio("AuthorizationPolicy", "b", "own", own),
    ];
    let world = World::of(&policies, &context("b", "app=web"));
    let ask = |method: &str, path: &str| {
        let request = Request::new(Peer::new([10, 0, 0, 7].into()), ([10, 0, 0, 9], 80).into());
        let request = request.http(HttpAttributes::new(method, path));
        world.compiled.snapshot.protection(Role::Sidecar).policies.evaluate(&request).is_allowed()
    };
    assert_eq!((ask("GET", "/x"), ask("POST", "/h"), ask("POST", "/x")), (true, true, false));
}
