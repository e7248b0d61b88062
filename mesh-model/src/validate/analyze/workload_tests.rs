//! The index of workloads against the walk over all of them that it replaces.

use super::attach;
use super::claims::{Claim, Claims, Fate};
use super::index::Index;
use super::peers::Peers;
use super::services::Services;
use super::workloads::{Membership, Workloads};
use crate::common::{PolicySelector, StringMap, WorkloadSelector};
use crate::kubernetes::{Deployment, Namespace, Pod, Service};
use crate::networking::{Sidecar, WorkloadEntry};
use crate::object::Object;
use crate::resolve::{Proxy, ResourceSet, selects};
use crate::security::authorization_policy::{AuthorizationPolicy, From, Rule, Source};
use crate::security::peer_authentication::{MutualTls, MutualTlsMode, PeerAuthentication};
use crate::security::request_authentication::{JwtRule, RequestAuthentication};
use crate::{MeshConfig, validate};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMESPACES: [&str; 3] = ["a", "b", "istio-system"];

/// Few keys and values, so that they meet.
fn labels(most: usize) -> impl Strategy<Value = StringMap> {
    prop::collection::btree_map("[xyz]", "[12]", 0..=most)
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMESPACES[..])
}

/// A Pod, a Deployment, or a WorkloadEntry with labels in two places.
fn workload() -> impl Strategy<Value = Object> {
    (namespace(), labels(3), labels(2), 0..4u8, any::<bool>()).prop_map(
        |(namespace, own, base, kind, ambient)| {
            let name = "workload";
            let mut own = own;
            if ambient {
                own.insert("istio.io/dataplane-mode".to_owned(), "ambient".to_owned());
            }
            match kind {
                0 | 1 => with_labels(Object::new(namespace, name, Pod::default()), own),
                2 => {
                    let mut deployment = Deployment::default();
                    deployment.spec.template.metadata.labels = own;
                    Object::new(namespace, name, deployment)
                }
                _ => {
                    let entry = WorkloadEntry { labels: base, ..WorkloadEntry::default() };
                    with_labels(Object::new(namespace, name, entry), own)
                }
            }
        },
    )
}

fn with_labels(mut object: Object, labels: StringMap) -> Object {
    object.metadata.labels = labels;
    object
}

/// The labels of a workload, put together without the index.
fn effective(object: &Object) -> Option<StringMap> {
    if let Some(deployment) = object.as_deployment() {
        return Some(deployment.spec.template.metadata.labels.clone());
    }
    let mut labels = object.as_workload_entry().map(|entry| entry.labels.clone()).unwrap_or_default();
    labels.extend(object.metadata.labels.clone());
    (object.as_pod().is_some() || object.as_workload_entry().is_some()).then_some(labels)
}

/// The places of the objects that a walk over all of them finds.
fn walk(objects: &[Object], namespace: Option<&str>, selector: &StringMap) -> BTreeSet<usize> {
    let found = objects.iter().enumerate().filter(|(_, object)| {
        namespace.is_none_or(|namespace| object.metadata.namespace == namespace)
            && effective(object).is_some_and(|labels| selects(selector, &labels))
    });
    found.map(|(at, _)| at).collect()
}

fn peer() -> impl Strategy<Value = Object> {
    let mode = prop::sample::select(vec![
        MutualTlsMode::Unset,
        MutualTlsMode::Disable,
        MutualTlsMode::Permissive,
        MutualTlsMode::Strict,
    ]);
    let ports = prop::collection::btree_map("80|81", mode.clone().prop_map(|mode| MutualTls { mode }), 0..2);
    (namespace(), prop::option::of(labels(2)), prop::option::of(mode), ports, 0..9u32).prop_map(
        |(namespace, labels, mode, port_level_mtls, number)| {
            let selector = labels.map(|match_labels| PolicySelector { match_labels });
            let mtls = mode.map(|mode| MutualTls { mode });
            let policy = PeerAuthentication { selector, mtls, port_level_mtls };
            Object::new(namespace, &format!("peer-{number}"), policy)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_finds_what_a_walk_finds_model_res_30(
        objects in prop::collection::vec(workload(), 0..12),
        selector in labels(3),
        namespace in prop::option::of(namespace()),
    ) {
        let workloads = Workloads::new(&objects);
        let found: Vec<usize> =
            workloads.select(namespace, &selector).map(|(_, workload)| workload.place).collect();
        prop_assert!(found.is_sorted(), "in order of input");
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), walk(&objects, namespace, &selector));
    }

    #[test]
    fn a_workload_belongs_to_the_first_that_selects_it(
        objects in prop::collection::vec(workload(), 0..10),
        selectors in prop::collection::vec((namespace(), labels(2)), 0..8),
    ) {
        let workloads = Workloads::new(&objects);
        let claims = selectors.iter().enumerate().map(|(at, (namespace, selector))| Claim { at, namespace, selector });
        let claims = Claims::new(&workloads, claims);
        let selected: Vec<BTreeSet<usize>> =
            selectors.iter().map(|(namespace, selector)| walk(&objects, Some(namespace), selector)).collect();
        // Every workload has its own place: there is nothing else among the objects.
        let sidecar = |at: usize| workloads.get(at).unwrap().membership != Membership::Ambient;
        let owner = |workload: usize| (0..selectors.len()).find(|at| selected[*at].contains(&workload));
        for at in 0..objects.len() {
            prop_assert_eq!(claims.owner(at), owner(at).filter(|_| sidecar(at)));
        }
        for (at, own) in selected.iter().enumerate() {
            match claims.fate(at) {
                Some(Fate::Idle) => prop_assert!(own.is_empty()),
                Some(Fate::Second { older, workload }) => {
                    prop_assert!(own.contains(&workload) && sidecar(workload));
                    prop_assert!(older < at);
                    prop_assert_eq!(owner(workload), Some(older));
                }
                None => prop_assert!(
                    !own.is_empty() && own.iter().all(|at_| !sidecar(*at_) || owner(*at_) == Some(at))
                ),
            }
            let ambient = own.iter().copied().find(|at| !sidecar(*at));
            prop_assert_eq!(claims.ambient(at), ambient);
        }
    }

    /// What resolution says of a workload, for policies that say something.
    #[test]
    fn what_a_workload_demands_is_what_resolution_says(
        pods in prop::collection::vec((namespace(), labels(3)), 1..6),
        policies in prop::collection::vec(peer(), 0..8),
    ) {
        let mut objects = policies;
        let mut names = BTreeSet::new();
        objects.retain(|object| names.insert((object.metadata.namespace.clone(), object.metadata.name.clone())));
        for (number, (namespace, labels)) in pods.iter().enumerate() {
            let pod = Object::new(namespace, &format!("pod-{number}"), Pod::default());
            objects.push(with_labels(pod, labels.clone()));
        }
        let settings = validate::Settings::default();
        let index = Index::new(&objects, &settings);
        let peers = Peers::new(&index);
        let set = ResourceSet::new(objects.clone(), MeshConfig::default());
        for (at, (namespace, labels)) in pods.iter().enumerate() {
            let view = set.peer_authentication(&Proxy::sidecar(*namespace, labels.clone()));
            prop_assert_eq!(peers.of(at, None).0, view.mode);
            for port in [80_u16, 81] {
                prop_assert_eq!(peers.of(at, Some(port.into())).0, view.mode_of(port));
            }
        }
    }

    /// Without workloads a RequestAuthentication is only reported if no policy can be for the same ones.
    #[test]
    fn tokens_are_asked_for_in_doubt(
        selectors in prop::collection::vec(labels(2), 0..5),
        own in labels(2),
    ) {
        let asks = Source { request_principals: vec!["*".to_owned()], ..Source::default() };
        let rule = Rule { from: vec![From { source: Some(asks) }], ..Rule::default() };
        let mut objects: Vec<Object> = Vec::new();
        for (number, match_labels) in selectors.iter().enumerate() {
            let policy = AuthorizationPolicy {
                selector: Some(PolicySelector { match_labels: match_labels.clone() }),
                rules: vec![rule.clone()],
                ..AuthorizationPolicy::default()
            };
            objects.push(Object::new("a", &format!("policy-{number}"), policy));
        }
        let jwt = JwtRule { issuer: "https://example.com".to_owned(), ..JwtRule::default() };
        let authentication = RequestAuthentication {
            selector: Some(PolicySelector { match_labels: own.clone() }),
            jwt_rules: vec![jwt],
            ..RequestAuthentication::default()
        };
        objects.push(Object::new("a", "tokens", authentication));
        let told = validate::analyze(&objects).iter().any(|found| found.code == "MODEL-RA-8");
        let compatible = |other: &StringMap| {
            own.iter().all(|(key, value)| other.get(key).is_none_or(|theirs| theirs == value))
        };
        if selectors.iter().any(compatible) {
            prop_assert!(!told);
        }
        if selectors.is_empty() {
            prop_assert!(told);
        }
    }
}

#[test]
fn services_in_front_of_a_workload() {
    let service = |name: &str, selector: &[(&str, &str)]| {
        let mut service = Service::default();
        service.spec.selector =
            selector.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Object::new("a", name, service)
    };
    let pod = |name: &str, version: &str| {
        let labels = [("app".to_owned(), "x".to_owned()), ("version".to_owned(), version.to_owned())].into();
        with_labels(Object::new("a", name, Pod::default()), labels)
    };
    let objects = vec![
        service("all", &[("app", "x")]),
        service("all-too", &[("app", "x")]),
        service("v1", &[("version", "v1")]),
        service("by-hand", &[]),
        pod("one", "v1"),
        pod("two", "v2"),
    ];
    let settings = validate::Settings::default();
    let index = Index::new(&objects, &settings);
    let services = Services::new(&index);
    let names = |at: usize| -> Vec<&str> {
        services.of(at).map(|front| front.object.metadata.name.as_str()).collect()
    };
    assert_eq!(names(0), ["all", "all-too", "v1"]);
    assert_eq!(names(1), ["all", "all-too"]);
    assert_eq!(services.groups.len(), 2, "one for each different selector");
    assert_eq!(services.by_host("v1.a.svc.cluster.local").unwrap().1, [0]);
    assert!(services.by_host("by-hand.a.svc.cluster.local").unwrap().1.is_empty());
    assert!(services.by_host("v1.b.svc.cluster.local").is_none());
}

#[test]
fn who_takes_part_in_the_mesh_model_ana_33() {
    let namespace = |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut object = with_labels(Object::new("", name, Namespace::default()), labels);
        object.metadata.namespace = String::new();
        object
    };
    let pod = |namespace: &str, labels: &[(&str, &str)], more: fn(&mut Pod)| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut pod = Pod::default();
        more(&mut pod);
        with_labels(Object::new(namespace, "pod", pod), labels)
    };
    let proxy = |pod: &mut Pod| {
        let container = crate::kubernetes::Container { name: "istio-proxy".to_owned(), ..Default::default() };
        pod.spec.init_containers.push(container);
    };
    let objects = vec![
        namespace("in", &[("istio-injection", "enabled")]),
        namespace("out", &[("istio-injection", "disabled"), ("istio.io/rev", "canary")]),
        namespace("revision", &[("istio.io/rev", "canary")]),
        namespace("ambient", &[("istio.io/dataplane-mode", "ambient")]),
        pod("in", &[], |_| {}),
        pod("in", &[("sidecar.istio.io/inject", "false")], |_| {}),
        pod("in", &[], |pod| pod.spec.host_network = true),
        pod("out", &[], |_| {}),
        pod("out", &[], proxy),
        pod("out", &[("istio.io/rev", "canary")], |_| {}),
        pod("revision", &[], |_| {}),
        pod("ambient", &[], |_| {}),
        pod("ambient", &[("istio.io/dataplane-mode", "none")], |_| {}),
        pod("unknown", &[], |_| {}),
    ];
    let workloads = Workloads::new(&objects);
    let got: Vec<Membership> = workloads.iter().map(|(_, workload)| workload.membership).collect();
    let want = [
        Membership::Sidecar,
        Membership::Outside,
        Membership::Outside,
        Membership::Outside,
        Membership::Sidecar,
        Membership::Sidecar,
        Membership::Sidecar,
        Membership::Ambient,
        Membership::Outside,
        Membership::Unknown,
    ];
    assert_eq!(got, want);
}

#[test]
fn namespaces_that_say_nothing_are_as_the_mesh_is_installed_model_ana_33() {
    let namespace = |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        with_labels(Object::new("", name, Namespace::default()), labels)
    };
    let objects = |value: bool| {
        let values = format!("{{\"sidecarInjectorWebhook\": {{\"enableNamespacesByDefault\": {value}}}}}");
        let data = [("values".to_owned(), values)].into();
        let config = crate::kubernetes::ConfigMap { data };
        let mut all = vec![
            Object::new("istio-system", "istio-sidecar-injector", config),
            namespace("plain", &[]),
            namespace("ambient", &[("istio.io/dataplane-mode", "ambient")]),
            namespace("out", &[("istio-injection", "disabled")]),
            namespace("kube-system", &[]),
        ];
        let pods = ["plain", "ambient", "out", "kube-system", "unknown"];
        all.extend(pods.map(|namespace| Object::new(namespace, "pod", Pod::default())));
        all
    };
    for (value, plain) in [(true, Membership::Sidecar), (false, Membership::Outside)] {
        let objects = objects(value);
        let workloads = Workloads::new(&objects);
        let got: Vec<Membership> = workloads.iter().map(|(_, workload)| workload.membership).collect();
        let outside = Membership::Outside;
        assert_eq!(got, [plain, Membership::Ambient, outside, outside, Membership::Unknown]);
    }
}

/// Selectors without pairs are for the whole namespace, and never claims.
#[test]
fn an_empty_selector_is_none() {
    let empty = Sidecar { workload_selector: Some(WorkloadSelector::default()), ..Sidecar::default() };
    let object = Object::new("a", "default", empty);
    assert!(attach::selector(&object).is_none() && attach::has_selector(&object));
}
