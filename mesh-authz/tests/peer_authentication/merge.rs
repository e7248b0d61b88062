//! `merge.toml`, and laws of merging.

use std::collections::BTreeMap;

use mesh_authz::PolicyId;
use mesh_authz::peer_authentication::{EffectiveMtls, MtlsMode, PeerAuthentication};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{data, mode};

const ROOT: &str = "istio-system";

#[derive(Deserialize)]
struct File {
    test: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Test {
    name: String,
    spec: String,
    policies: Vec<PolicyCase>,
    mode: String,
    #[serde(default)]
    ports: BTreeMap<String, String>,
    namespace_mode: Option<String>,
    #[serde(default)]
    ignored: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyCase {
    namespace: String,
    name: String,
    created: u64,
    selector: bool,
    mode: String,
    ports: BTreeMap<String, String>,
}

impl Default for PolicyCase {
    fn default() -> Self {
        let ports = BTreeMap::new();
        let [namespace, name, mode] = ["foo", "policy", "UNSET"].map(str::to_owned);
        Self { namespace, name, created: 0, selector: false, mode, ports }
    }
}

impl PolicyCase {
    fn policy(&self) -> PeerAuthentication {
        let policy =
            PeerAuthentication::new(PolicyId::new(&self.namespace, &self.name)).created(self.created);
        let policy = if self.selector { policy.selector() } else { policy };
        let policy = match mode(&self.mode) {
            Some(mode) => policy.mode(mode),
            None => policy,
        };
        self.ports.iter().fold(policy, |policy, (port, name)| policy.port(port.parse().unwrap(), mode(name)))
    }
}

#[test]
fn worked_cases() {
    // AUTHZ-PEER-01, AUTHZ-PEER-02, AUTHZ-PEER-03, AUTHZ-PEER-04, AUTHZ-PEER-05, AUTHZ-PEER-07
    let file: File = toml::from_str(&data("merge.toml")).unwrap();
    assert!(file.test.len() >= 12);
    for test in &file.test {
        let at = format!("{} ({})", test.name, test.spec);
        let policies: Vec<_> = test.policies.iter().map(PolicyCase::policy).collect();
        let mtls = EffectiveMtls::merge(&policies, ROOT, "foo");
        assert_eq!(Some(mtls.mode()), mode(&test.mode), "{at}");
        for (port, want) in &test.ports {
            assert_eq!(Some(mtls.mode_of(port.parse().unwrap())), mode(want), "{at}: {port}");
        }
        if let Some(want) = &test.namespace_mode {
            let want = if want == "unknown" { None } else { mode(want) };
            assert_eq!(mtls.namespace_mode(), want, "{at}");
        }
        let ignored: Vec<_> =
            mtls.ignored().iter().map(|(id, reason)| format!("{}: {reason:?}", id.name())).collect();
        assert_eq!(ignored, test.ignored, "{at}");
    }
}

#[test]
fn workloads_of_the_root_namespace() {
    // AUTHZ-PEER-01: there the mesh's policy is the namespace's as well, and selectors count for nothing.
    let policies = [
        PeerAuthentication::new(PolicyId::new(ROOT, "a")).mode(MtlsMode::Strict),
        PeerAuthentication::new(PolicyId::new(ROOT, "b")).selector().mode(MtlsMode::Disable),
    ];
    let mtls = EffectiveMtls::merge(&policies, ROOT, ROOT);
    assert_eq!((mtls.mode(), mtls.ignored().len()), (MtlsMode::Strict, 1));
}

#[test]
fn every_port_has_a_mode_and_tunnels_are_strict() {
    // AUTHZ-PEER-06
    let policy = PeerAuthentication::new(PolicyId::new("foo", "a"))
        .selector()
        .mode(MtlsMode::Disable)
        .port(1, Some(MtlsMode::Strict));
    let mtls = EffectiveMtls::merge(&[policy], ROOT, "foo");
    assert_eq!(
        [0, 1, u16::MAX].map(|port| mtls.mode_of(port)),
        [MtlsMode::Disable, MtlsMode::Strict, MtlsMode::Disable]
    );
    assert_eq!(EffectiveMtls::mode_of_hbone(), MtlsMode::Strict);
    assert_eq!(EffectiveMtls::default().mode(), MtlsMode::Permissive);
}

fn any_mode() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]).prop_map(str::to_owned)
}

fn any_policies() -> impl Strategy<Value = Vec<PolicyCase>> {
    let namespace = prop::sample::select(vec![ROOT, "foo", "bar"]).prop_map(str::to_owned);
    let ports = prop::collection::btree_map((1..4_u16).prop_map(|port| port.to_string()), any_mode(), 0..3);
    let policy =
        (namespace, any::<bool>(), any_mode(), ports).prop_map(|(namespace, selector, mode, ports)| {
            PolicyCase { namespace, selector, mode, ports, ..PolicyCase::default() }
        });
    prop::collection::vec(policy, 0..7).prop_map(|mut policies| {
        for (i, policy) in policies.iter_mut().enumerate() {
            (policy.created, policy.name) = (i as u64, format!("p{i}"));
        }
        policies
    })
}

/// The rules as the reference words them, one after the other.
fn model(policies: &[PolicyCase], port: u16) -> MtlsMode {
    let level = |namespace: &str, selector: bool| {
        let mut found: Vec<_> =
            policies.iter().filter(|p| p.namespace == namespace && p.selector == selector).collect();
        found.sort_by_key(|p| p.created);
        found.first().copied().cloned()
    };
    let workload = level("foo", true);
    let mut result = MtlsMode::Permissive;
    for policy in [level(ROOT, false), level("foo", false), workload.clone()].into_iter().flatten() {
        result = mode(&policy.mode).unwrap_or(result);
    }
    let own = workload.and_then(|policy| policy.ports.get(&port.to_string()).cloned());
    own.and_then(|name| mode(&name)).unwrap_or(result)
}

proptest! {
    #[test]
    fn merging_is_what_the_rules_say(policies in any_policies(), seed in any::<prop::sample::Index>()) {
        // AUTHZ-LAW-19
        let merge = |policies: &[PolicyCase]| {
            let built: Vec<_> = policies.iter().map(PolicyCase::policy).collect();
            EffectiveMtls::merge(&built, ROOT, "foo")
        };
        let merged = merge(&policies);
        for port in 0..5 {
            prop_assert_eq!(merged.mode_of(port), model(&policies, port));
        }
        // Their order does not matter.
        let mut turned = policies.clone();
        if !turned.is_empty() {
            turned.rotate_left(seed.index(policies.len()));
            turned.reverse();
        }
        prop_assert_eq!(merge(&turned), merged);
    }
}
