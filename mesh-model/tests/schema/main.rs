//! JSON Schemas: each is one, takes what loads without a finding, and refuses what people get wrong.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod check;

use check::{check_schema, problems};
use mesh_model::{Kind, LoadState, Options, Source, load, schema};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn schema(kind: &Kind) -> Value {
    schema::of(kind).unwrap_or_else(|| panic!("{kind} has no schema"))
}

#[test]
fn every_kind_has_a_schema_that_is_one() {
    let mut typed = 0;
    for kind in Kind::all() {
        let schema = schema(&kind);
        check_schema(&schema, &schema);
        assert_eq!(schema["properties"]["kind"]["const"], kind.as_str());
        assert_eq!(
            schema["properties"]["apiVersion"]["enum"],
            serde_json::to_value(kind.api_versions()).unwrap()
        );
        // Every definition is used.
        let text = schema.to_string();
        for name in schema["$defs"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("\"#/$defs/{name}\"")), "{kind}: {name} is not used");
        }
        typed += usize::from(schema["properties"]["spec"]["$ref"].is_string());
    }
    assert!(typed >= 9, "{typed}");
    let mesh = schema::mesh_config();
    check_schema(&mesh, &mesh);
    assert!(mesh["properties"]["outboundTrafficPolicy"].is_object(), "{mesh}");
    assert_eq!(schema::of(&Kind::Other("Ingress".to_owned())), None);
    let any = schema::any(|kind| format!("#/$defs/{kind}"));
    assert_eq!(any["allOf"].as_array().unwrap().len(), Kind::all().count());
}

/// All YAML files of the project.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            out.push(path);
        }
    }
}

/// What loads without any finding is what current Istio accepts, and then the schema must accept it too.
#[test]
fn the_projects_own_documents_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for folder in ["docs", "testdata", "mesh-proxy-core/tests"] {
        files(&root.join(folder), &mut paths);
    }
    let mut accepted: BTreeMap<Kind, usize> = BTreeMap::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load([Source::new("x.yaml", &text)], &Options::strict());
        let blamed: BTreeSet<_> = loaded.diagnostics.iter().map(|found| found.object.clone()).collect();
        for object in loaded.objects {
            let clean = object.state == LoadState::Clean && !blamed.contains(&Some(object.reference()));
            if !clean || matches!(object.kind, Kind::Other(_)) {
                continue;
            }
            // The document as it was written, not as it would be written.
            let (start, end) = object.origin.as_ref().unwrap().bytes;
            let Ok(document) = serde_yaml::from_str::<Value>(&text[start..end]) else { continue };
            if document["kind"] != object.kind.as_str() {
                continue;
            }
            assert_eq!(problems(&schema(&object.kind), &document), [""; 0], "{}: {document}", path.display());
            *accepted.entry(object.kind).or_default() += 1;
        }
    }
    for kind in [Kind::VirtualService, Kind::DestinationRule, Kind::Gateway, Kind::Service] {
        assert!(accepted.contains_key(&kind), "{kind}: {accepted:?}");
    }
}

/// A mistake, and the place and words of the refusal.
const MISTAKES: &[(&str, &str)] = &[
    ("{apiVersion: networking.istio.io/v1, kind: VirtualService}", "$: \"metadata\" is missing"),
    (
        "{apiVersion: networking.istio.io/v2, kind: VirtualService, metadata: {name: a}}",
        "$.apiVersion: \"networking.istio.io/v2\" is none of",
    ),
    (
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: A_b}}",
        "$.metadata.name: \"A_b\" does not match",
    ),
    (
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}, specs: {}}",
        "$.specs: not allowed",
    ),
    ("VirtualService: {host: [a]}", "$.spec.host: not allowed"),
    ("VirtualService: {http: {}}", "$.spec.http: {} is not of type \"array\""),
    ("VirtualService: {http: [{timeout: 5}]}", "$.spec.http[0].timeout: 5 is not of type \"string\""),
    ("VirtualService: {http: [{timeout: 5 s}]}", "$.spec.http[0].timeout: \"5 s\" does not match"),
    ("VirtualService: {http: [{timeout: 1d}]}", "$.spec.http[0].timeout: \"1d\" does not match"),
    ("VirtualService: {http: [{timeout: }]}", "$.spec.http[0].timeout: null is not of type \"string\""),
    (
        "VirtualService: {http: [{match: [{uri: {exact: a, prefix: b}}]}]}",
        "$.spec.http[0].match[0].uri: more than 1 fields",
    ),
    ("VirtualService: {http: [{match: [{uri: /a}]}]}", "$.spec.http[0].match[0].uri: \"/a\" is not of type"),
    (
        "VirtualService: {http: [{route: [{weight: 1}]}]}",
        "$.spec.http[0].route[0]: \"destination\" is missing",
    ),
    (
        "VirtualService: {http: [{route: [{destination: {host: a, port: 80}}]}]}",
        "$.spec.http[0].route[0].destination.port: 80 is not of type \"object\"",
    ),
    (
        "VirtualService: {http: [{route: [{destination: {host: a, port: {number: 80800}}}]}]}",
        "$.spec.http[0].route[0].destination.port.number: 80800 is above 65535",
    ),
    (
        "VirtualService: {http: [{redirect: {uri: /}, directResponse: {status: 200}}]}",
        "$.spec.http[0]: excluded by",
    ),
    ("DestinationRule: {}", "$.spec: \"host\" is missing"),
    (
        "DestinationRule: {host: a, trafficPolicy: {loadBalancer: {simple: RoundRobin}}}",
        "$.spec.trafficPolicy.loadBalancer.simple: \"RoundRobin\" is none of",
    ),
    (
        "DestinationRule: {host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {}}}}",
        "$.spec.trafficPolicy.loadBalancer: excluded by",
    ),
    (
        "Gateway: {servers: [{port: {number: 80, name: a}, hosts: [a]}]}",
        "$.spec.servers[0].port: \"protocol\" is missing",
    ),
    ("PeerAuthentication: {mtls: {mode: strict}}", "$.spec.mtls.mode: \"strict\" is none of"),
    ("AuthorizationPolicy: {action: DENIED}", "$.spec.action: \"DENIED\" is none of"),
    (
        "AuthorizationPolicy: {rules: [{from: [{source: {ipBlocks: 10.0.0.0/8}}]}]}",
        "ipBlocks: \"10.0.0.0/8\" is not of type",
    ),
    (
        "AuthorizationPolicy: {rules: [{to: [{operation: {ports: [80]}}]}]}",
        "ports[0]: 80 is not of type \"string\"",
    ),
    ("Sidecar: {egress: [{hosts: ['*/*'], bindd: a}]}", "$.spec.egress[0].bindd: not allowed"),
    (
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: http}]}}",
        "$.spec.ports[0].port: \"http\" is not of type",
    ),
];

#[test]
fn typical_mistakes_are_refused() {
    for (text, want) in MISTAKES {
        let short: Value = serde_yaml::from_str(text).unwrap();
        let document = match short.as_object().unwrap().iter().next().unwrap() {
            (name, spec) if short.get("kind").is_none() => {
                let kind = Kind::named(name).unwrap();
                serde_json::json!({
                    "apiVersion": kind.api_versions()[0], "kind": name, "metadata": {"name": "a"}, "spec": spec,
                })
            }
            _ => short,
        };
        let kind = Kind::named(document["kind"].as_str().unwrap()).unwrap();
        let found = problems(&schema(&kind), &document);
        assert!(found.iter().any(|found| found.contains(want)), "{text}: want {want}, found {found:#?}");
    }
}

/// A field that the schema has is a field that loads, and the other way round: both come from one type. What is
/// written by hand could differ.
#[test]
fn hand_written_schemas_agree_with_what_loads() {
    let virtual_service = schema(&Kind::VirtualService);
    for (duration, good) in [
        ("10s", true),
        ("1.5s", true),
        (".5s", true),
        ("1h30m", true),
        ("-1s", true),
        ("0", true),
        ("1us", true),
        ("", false),
        ("5", false),
        ("5sec", false),
        ("1 s", false),
        ("s", false),
        ("1d", false),
        ("5S", false),
    ] {
        let document = serde_json::json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"},
            "spec": {"hosts": ["a"], "http": [{"timeout": duration}]},
        });
        assert_eq!(problems(&virtual_service, &document).is_empty(), good, "{duration}");
        assert_eq!(duration.parse::<mesh_model::common::Duration>().is_ok(), good, "{duration}");
    }
}

/// Free-form subtrees stay open, Kubernetes objects too.
#[test]
fn what_is_not_typed_is_open() {
    for (kind, document) in [
        (
            Kind::Pod,
            "{apiVersion: v1, kind: Pod, metadata: {name: a, uid: x}, spec: {volumes: [], containers: [{image: a}]}}",
        ),
        (
            Kind::Deployment,
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 3}}",
        ),
        (
            Kind::ConfigMap,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, creationTimestamp: null}, immutable: true}",
        ),
    ] {
        let document: Value = serde_yaml::from_str(document).unwrap();
        assert_eq!(problems(&schema(&kind), &document), [""; 0], "{kind}");
    }
}

#[test]
fn kinds_are_found_by_every_name() {
    for kind in Kind::all() {
        for name in [Some(kind.as_str()), Some(kind.plural()), kind.short_name()].into_iter().flatten() {
            assert_eq!(Kind::named(&name.to_uppercase()), Some(kind.clone()), "{name}");
        }
        let full = format!("{}.{}", kind.plural(), kind.group());
        assert_eq!(Kind::named(full.trim_end_matches('.')), Some(kind.clone()), "{full}");
    }
    assert_eq!(Kind::named("virtualservices.security.istio.io"), None);
    assert_eq!(Kind::named(""), None);
    for (typo, kind) in [
        ("virtualservce", Some(Kind::VirtualService)),
        ("Gatway", Some(Kind::Gateway)),
        ("dets", None),
        ("authorization", Some(Kind::AuthorizationPolicy)),
        ("ingress", None),
    ] {
        assert_eq!(Kind::nearest(typo), kind, "{typo}");
    }
}
