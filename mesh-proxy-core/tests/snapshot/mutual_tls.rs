//! PeerAuthentication: the mode of each port of the sidecar's workload (section 6.1 of the authorization reference).

use mesh_authz::peer_authentication::MtlsMode::{Disable, Permissive, Strict};
use mesh_authz::peer_authentication::{ClientHello, InboundAction, MtlsMode, PortProtocol};
use mesh_model::resolve::{Proxy, ResourceSet};
use mesh_model::{MeshConfig, Options, Source, load};
use mesh_proxy_core::snapshot::{MutualTls, Role, compile};
use proptest::prelude::*;

use crate::world::{World, context, dated, istio};

const SELECTOR: &str = "  selector: {matchLabels: {app: me}}\n";

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    istio("PeerAuthentication", namespace, name, spec)
}

/// What the sidecar labelled `app: me` in `default` accepts.
fn of(world: &World) -> &MutualTls {
    &world.compiled.snapshot.protection(Role::Sidecar).mutual_tls
}

/// The modes of ports 1 (which no policy names), 80, 9000 and 9001.
fn modes(parts: &[String]) -> [MtlsMode; 4] {
    let world = World::tolerant(parts);
    [1, 80, 9000, 9001].map(|port| of(&world).effective.mode_of(port))
}

#[test]
fn levels_and_modes_authz_peer_01_02() {
    let mode = |mode: &str| format!("  mtls: {{mode: {mode}}}");
    assert_eq!(modes(&[]), [Permissive; 4]);
    for (word, want) in
        [("STRICT", Strict), ("DISABLE", Disable), ("PERMISSIVE", Permissive), ("UNSET", Permissive)]
    {
        assert_eq!(modes(&[policy("istio-system", "m", &mode(word))]), [want; 4], "{word}");
        assert_eq!(modes(&[policy("default", "n", &mode(word))]), [want; 4], "{word}");
        let workload = format!("{SELECTOR}{}", mode(word));
        assert_eq!(modes(&[policy("default", "w", &workload)]), [want; 4], "{word}");
        assert_eq!(modes(&[policy("other", "o", &mode(word))]), [Permissive; 4], "{word}");
    }
    let other =
        policy("default", "w", &format!("  selector: {{matchLabels: {{app: other}}}}\n{}", mode("STRICT")));
    assert_eq!(modes(&[other]), [Permissive; 4]);
    // The narrower wins, unless it says nothing (AUTHZ-CASE-90).
    let mesh = policy("istio-system", "m", &mode("STRICT"));
    assert_eq!(modes(&[mesh.clone(), policy("default", "n", &mode("UNSET"))]), [Strict; 4]);
    assert_eq!(modes(&[mesh.clone(), policy("default", "n", "  {}")]), [Strict; 4]);
    assert_eq!(modes(&[mesh, policy("default", "n", &mode("DISABLE"))]), [Disable; 4]);
}

/// AUTHZ-CASE-91, AUTHZ-CASE-92
#[test]
fn ports_authz_peer_04_05_06() {
    let namespace = policy("default", "n", "  mtls: {mode: PERMISSIVE}");
    let mesh = policy("istio-system", "m", "  mtls: {mode: STRICT}");
    let ports = format!("{SELECTOR}  portLevelMtls: {{80: {{mode: STRICT}}, 9001: {{mode: UNSET}}}}");
    let found = modes(&[mesh, namespace, policy("default", "w", &ports)]);
    assert_eq!(found, [Permissive, Strict, Permissive, Permissive]);
    let ports = format!(
        "{SELECTOR}  mtls: {{mode: STRICT}}\n  portLevelMtls: {{9000: {{mode: DISABLE}}, 9001: {{mode: UNSET}}}}"
    );
    assert_eq!(modes(&[policy("default", "w", &ports)]), [Strict, Strict, Disable, Strict]);
}

/// AUTHZ-CASE-93, AUTHZ-CASE-94: one policy a level counts, the oldest; the others are told about.
#[test]
fn policies_without_effect_authz_peer_03() {
    let older = format!("{SELECTOR}  mtls: {{mode: PERMISSIVE}}\n  portLevelMtls: {{80: {{mode: STRICT}}}}");
    let newer = format!("{SELECTOR}  mtls: {{mode: STRICT}}\n  portLevelMtls: {{9000: {{mode: STRICT}}}}");
    let dated = |name: &str, day: &str, spec: &str| dated("PeerAuthentication", "default", name, day, spec);
    let parts = [dated("a", "2024-01-02", &newer), dated("z", "2024-01-01", &older)];
    assert_eq!(modes(&parts), [Permissive, Strict, Permissive, Permissive]);
    let world = World::new(&parts);
    assert!(world.says(&["warning: PeerAuthentication default/a", "an older one"]), "{:?}", world.issues());
    assert_eq!(of(&world).sources.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["z"]);
    // Of equal age the first by name.
    let parts = [dated("b", "2024-01-01", &newer), dated("a", "2024-01-01", &older)];
    assert_eq!(modes(&parts), [Permissive, Strict, Permissive, Permissive]);

    let parts = [policy("istio-system", "r", &format!("{SELECTOR}  mtls: {{mode: STRICT}}"))];
    assert_eq!(modes(&parts), [Permissive; 4], "AUTHZ-TRIP-21");
    assert!(World::new(&parts).says(&["warning: PeerAuthentication istio-system/r", "root namespace"]));

    // AUTHZ-PEER-04: ports of a policy without selector; admission refuses it (AUTHZ-VAL-12).
    let text = policy("default", "n", "  mtls: {mode: PERMISSIVE}\n  portLevelMtls: {80: {mode: STRICT}}");
    let mut options = Options::default();
    options.validate = false;
    let loaded = load([Source::new("case.yaml", &text)], &options);
    let world = World { compiled: compile(&loaded.objects, &context("default")) };
    assert_eq!(of(&world).effective.mode_of(80), Permissive);
    assert!(world.says(&["spec.portLevelMtls", "without a selector"]), "{:?}", world.issues());
}

/// AUTHZ-PEER-07: what clients are told about the namespace.
#[test]
fn the_namespace_mode_authz_peer_07() {
    let told = |parts: &[String]| of(&World::new(parts)).effective.namespace_mode();
    assert_eq!(told(&[]), None);
    let mesh = policy("istio-system", "m", "  mtls: {mode: STRICT}");
    assert_eq!(told(&[mesh.clone(), policy("default", "n", "  mtls: {mode: UNSET}")]), Some(Strict));
    assert_eq!(told(&[mesh, policy("default", "n", "  mtls: {mode: DISABLE}")]), Some(Disable));
    assert_eq!(told(&[policy("default", "n", "  mtls: {mode: UNSET}")]), Some(Permissive));
}

/// AUTHZ-MTLS-02: what the mode does to a connection can be asked of the snapshot.
#[test]
fn connections_by_mode_authz_mtls_02_07() {
    let world = World::new(&[policy("default", "n", "  mtls: {mode: STRICT}")]);
    let effective = &of(&world).effective;
    let plain = effective.classify(80, PortProtocol::Http, None);
    assert!(matches!(plain, InboundAction::Reject(reason) if reason.response_flag() == Some("NR")));
    let hello = ClientHello::new(["istio"]);
    assert_eq!(effective.classify(80, PortProtocol::Http, Some(&hello)), InboundAction::Terminate);
}

/// A policy that was not read whole is STRICT where it applies, and everywhere in its scope if that is not certain.
#[test]
fn broken_policies_are_strict_proxy_feat_04() {
    let broken = |spec: &str| modes(&[policy("default", "n", spec)]);
    assert_eq!(broken("  mtls: {mode: PERMISIVE}"), [Strict; 4]);
    assert_eq!(broken("  mtls: {mode: DISABLE}\n  portLevelMtls: {80: {mode: 7}}"), [Strict; 4]);
    assert_eq!(broken("  selector: {matchLabels: {app: other}}\n  mtlss: {mode: DISABLE}"), [Permissive; 4]);
    assert_eq!(broken("  selector: {matchLabels: {app: [me]}}\n  mtls: {mode: DISABLE}"), [Strict; 4]);
    let elsewhere = policy("other", "n", "  mtls: {mode: PERMISIVE}");
    assert_eq!(modes(&[elsewhere]), [Permissive; 4]);
}

proptest! {
    /// The merge of the evaluator and that of the resource set are one (AUTHZ-PEER-02..04).
    #[test]
    fn both_merges_agree(choices in prop::collection::vec((0..3usize, 0..3usize, 0..5usize, 0..5usize, 1..4u32), 0..7)) {
        let modes = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];
        let parts: Vec<_> = choices.iter().enumerate().map(|(at, (namespace, selector, mode, port, day))| {
            let namespace = ["istio-system", "default", "other"][*namespace];
            let selector = ["", SELECTOR, "  selector: {matchLabels: {app: other}}\n"][*selector];
            let mode = modes.get(*mode).map(|mode| format!("  mtls: {{mode: {mode}}}\n")).unwrap_or_default();
            let port = modes.get(*port).filter(|_| !selector.is_empty());
            let port = port.map(|mode| format!("  portLevelMtls: {{80: {{mode: {mode}}}}}\n")).unwrap_or_default();
            let spec = format!("{selector}{mode}{port}");
            let spec = if spec.is_empty() { "  {}".to_owned() } else { spec };
            dated("PeerAuthentication", namespace, &format!("p{at}"), &format!("2024-01-0{day}"), &spec)
        }).collect();
        let text = parts.concat();
        let loaded = load([Source::new("case.yaml", &text)], &Options::default());
        prop_assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
        let world = World::new(&parts);
        let set = ResourceSet::new(loaded.objects, MeshConfig::default());
        let labels = [("app".to_owned(), "me".to_owned())].into_iter().collect();
        let view = set.peer_authentication(&Proxy::sidecar("default", labels));
        let mutual_tls = of(&world);
        for port in [1, 80] {
            let mode = match mutual_tls.effective.mode_of(port) {
                Disable => "DISABLE",
                Permissive => "PERMISSIVE",
                Strict => "STRICT",
            };
            prop_assert_eq!(mode, view.mode_of(port).as_str());
        }
        prop_assert_eq!(&mutual_tls.sources, &view.sources);
    }
}
