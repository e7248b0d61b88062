//! Who sees an object (section 6.2).

use super::{in_mesh, object, service, set, sidecar};
use crate::MeshConfig;
use crate::networking::{DestinationRule, ServiceEntry, VirtualService};
use crate::object::Typed;
use crate::resolve::{ResourceSet, Visibility};

fn seen<T: Typed + 'static>(set: &ResourceSet) -> Vec<&'static str> {
    let found = set.all::<T>().next().expect("an object");
    ["own", "friend", "stranger"]
        .into_iter()
        .filter(|namespace| set.visibility(found.object).includes(namespace))
        .collect()
}

const ALL: [&str; 3] = ["own", "friend", "stranger"];

/// `exportTo` of the object and of the mesh, who sees a VirtualService, and who a ServiceEntry.
#[test]
fn lists_model_res_8_9_route_apply_05_06() {
    for (own, mesh, want) in [
        ("[]", &[][..], &ALL[..]),
        ("['*']", &[], &ALL),
        ("['.']", &[], &["own"]),
        ("[own]", &[], &["own"]),
        ("[friend]", &[], &["friend"]),
        ("['.', friend]", &[], &["own", "friend"]),
        ("['~']", &[], &[]),
        ("['~', friend]", &[], &[]),
        ("['~', '*', friend]", &[], &ALL),
        ("[]", &["."], &["own"]),
        ("[]", &["friend"], &["friend"]),
        ("[]", &["~"], &[]),
        ("['*']", &["."], &ALL),
    ] {
        let defaults: Vec<String> = mesh.iter().map(|text| (*text).to_owned()).collect();
        let config = MeshConfig {
            default_virtual_service_export_to: defaults.clone(),
            default_service_export_to: defaults,
            ..MeshConfig::default()
        };
        let spec = format!("{{hosts: [a.com], exportTo: {own}}}");
        let found = in_mesh(&[object("VirtualService", "own", "a", 1, &spec)], config.clone());
        assert_eq!(seen::<VirtualService>(&found), want, "VirtualService {own} {mesh:?}");
        let found = in_mesh(&[object("ServiceEntry", "own", "a", 1, &spec)], config);
        assert_eq!(seen::<ServiceEntry>(&found), want, "ServiceEntry {own} {mesh:?}");
    }
}

/// A Service has an annotation.
#[test]
fn services_model_res_8() {
    for (annotation, want) in [
        ("", &ALL[..]),
        ("'.'", &["own"]),
        ("'friend, .'", &["own", "friend"]),
        ("'~'", &[]),
        ("'*,friend'", &ALL),
        ("' '", &ALL),
    ] {
        let metadata = format!("namespace: own, annotations: {{networking.istio.io/exportTo: {annotation}}}");
        let found = set(&[service("own", "a", "").replace("namespace: own", &metadata)]);
        assert_eq!(seen::<crate::kubernetes::Service>(&found), want, "{annotation}");
        let names: Vec<_> =
            ALL.into_iter().filter(|ns| found.services()[0].visibility.includes(ns)).collect();
        assert_eq!(names, want, "{annotation}");
    }
}

/// Of the mesh default only `.` counts; a list without the own namespace takes the rule from its own namespace; a
/// selector makes it private.
#[test]
fn destination_rules_model_res_10() {
    for (own, mesh, want) in [
        ("", &[][..], &ALL[..]),
        ("", &["."], &["own"]),
        ("", &["*"], &ALL),
        ("", &["friend"], &ALL),
        (", exportTo: [friend]", &[], &["friend"]),
        (", exportTo: ['.']", &[], &["own"]),
        (", exportTo: ['*']", &["."], &ALL),
        (", workloadSelector: {matchLabels: {app: me}}, exportTo: ['*']", &[], &["own"]),
        (", workloadSelector: {matchLabels: {}}, exportTo: ['*']", &[], &ALL),
    ] {
        let config = MeshConfig {
            default_destination_rule_export_to: mesh.iter().map(|text| (*text).to_owned()).collect(),
            ..MeshConfig::default()
        };
        let spec = format!("{{host: a.com, subsets: [{{name: v1}}]{own}}}");
        let found = in_mesh(&[object("DestinationRule", "own", "a", 1, &spec)], config);
        assert_eq!(seen::<DestinationRule>(&found), want, "{own} {mesh:?}");
        // Looked up, the answer is the same.
        let clients =
            ALL.into_iter().filter(|ns| found.destination_rule(&sidecar(ns), "a.com", "own").is_some());
        assert_eq!(clients.collect::<Vec<_>>(), want, "{own} {mesh:?}");
    }
}

#[test]
fn visibility_of_one_namespace_only() {
    let read = |list: &[&str]| Visibility::read(list.iter().copied(), "own");
    assert!(read(&["."]).is_only("own") && read(&["own", "."]).is_only("own"));
    assert!(
        !read(&["*"]).is_only("own") && !read(&[".", "x"]).is_only("own") && !read(&["~"]).is_only("own")
    );
}
