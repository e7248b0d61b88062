//! The cases of `testdata/yaml`: what one object is told, and what a set of objects is told.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test"
)]

use mesh_model::{Diagnostic, LoadState, Options, Source, load};
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::path::{Path, PathBuf};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/yaml").join(name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default, rename = "rule")]
    _rule: String,
    #[serde(default, rename = "why")]
    _why: String,
    spec: Option<Value>,
    object: Option<Mapping>,
    #[serde(default)]
    metadata: Mapping,
    #[serde(default)]
    want: Vec<String>,
}

impl Case {
    fn text(&self, api_version: &str, kind: &str) -> String {
        let mut metadata = Mapping::new();
        metadata.insert("name".into(), "case".into());
        metadata.insert("namespace".into(), "shop".into());
        metadata.extend(self.metadata.clone());
        let mut object = self.object.clone().unwrap_or_default();
        object.insert("apiVersion".into(), api_version.into());
        object.insert("kind".into(), kind.into());
        object.insert("metadata".into(), Value::Mapping(metadata));
        if let Some(spec) = &self.spec {
            object.insert("spec".into(), spec.clone());
        }
        serde_yaml::to_string(&object).unwrap()
    }
}

fn told(found: &Diagnostic) -> String {
    format!("{} {} {}", found.severity, found.code, found.path)
}

fn run(file: &str, api_version: &str, kind: &str) {
    let text = std::fs::read_to_string(testdata("validate").join(file)).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "{file}");
    let mut failures = String::new();
    for (number, case) in cases.iter().enumerate() {
        let text = case.text(api_version, kind);
        let loaded = load([Source::new(file, &text)], &Options::default());
        let got: Vec<String> = loaded.diagnostics.iter().map(told).collect();
        if got != case.want {
            failures += &format!(
                "{file}: case {number}: want {:#?}, got {:#?}\n{text}\n",
                case.want,
                loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>()
            );
        }
        let object = &loaded.objects[0];
        let broken = case.want.iter().any(|found| found.starts_with("error"));
        assert_eq!(object.state == LoadState::Invalid, broken, "{file}: case {number}: {:?}", object.state);
        for found in &loaded.diagnostics {
            assert!(found.span.is_some(), "{file}: case {number}: not located: {found}");
            message_grammar(&found.message);
            message_grammar(found.help.as_deref().unwrap_or("a"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Lower case unless it begins with a name that is written otherwise, no full stop, no control characters.
fn message_grammar(message: &str) {
    let first = message.split(' ').next().unwrap();
    let named = first.chars().filter(char::is_ascii_uppercase).count() > 1;
    assert!(
        named || !first.starts_with(|c: char| c.is_ascii_uppercase()) || message.starts_with("RE2"),
        "{message}"
    );
    assert!(!message.ends_with('.') && !message.is_empty(), "{message}");
    assert!(!message.contains(char::is_control), "{message}");
}

#[test]
fn virtual_service() {
    run("virtual-service.yaml", "networking.istio.io/v1", "VirtualService");
}

#[test]
fn destination_rule() {
    run("destination-rule.yaml", "networking.istio.io/v1", "DestinationRule");
}

#[test]
fn gateway() {
    run("gateway.yaml", "networking.istio.io/v1", "Gateway");
}

#[test]
fn service_entry() {
    run("service-entry.yaml", "networking.istio.io/v1", "ServiceEntry");
}

#[test]
fn sidecar() {
    run("sidecar.yaml", "networking.istio.io/v1", "Sidecar");
}

#[test]
fn workload_entry() {
    run("workload-entry.yaml", "networking.istio.io/v1", "WorkloadEntry");
}

#[test]
fn authorization_policy() {
    run("authorization-policy.yaml", "security.istio.io/v1", "AuthorizationPolicy");
}

#[test]
fn service() {
    run("service.yaml", "v1", "Service");
}

#[test]
fn endpoint_slice() {
    run("endpoint-slice.yaml", "discovery.k8s.io/v1", "EndpointSlice");
}

/// `# want:` comments above an object are the findings about it.
fn analyze(file: &str) {
    let text = std::fs::read_to_string(testdata("analyze").join(file)).unwrap();
    let mut options = Options::default();
    options.analyze = true;
    let loaded = load([Source::new(file, &text)], &options);
    let mut failures = String::new();
    for document in text.split("\n---\n") {
        let want: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("# want: ")).collect();
        let name = document.lines().find(|line| line.starts_with("metadata:")).unwrap();
        // The marker belongs to the document that it begins.
        let start = text.find(document).unwrap().saturating_sub("---\n".len());
        let got: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|found| {
                let bytes = found.origin.as_ref().unwrap().bytes;
                (start..start + document.len()).contains(&bytes.0)
                    && found.severity > mesh_model::Severity::Info
            })
            .map(|found| format!("{} {}: {}", found.code, found.path, found.message))
            .collect();
        if got != want {
            failures += &format!("{file}: {name}: want {want:#?}, got {got:#?}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(loaded.diagnostics.iter().all(|found| found.span.is_some()));
}

#[test]
fn analyze_references() {
    analyze("references.yaml");
}

#[test]
fn analyze_conflicts() {
    analyze("conflicts.yaml");
}

/// A gap in the text is told once: what it makes missing is not told again, and what stands behind it keeps its place.
#[test]
fn consequences_of_what_cannot_be_read_are_not_told() {
    let text = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec:
  hosts: [a]
  http:
  -
  - match: [{uri: {exact: /a}}]
    rout:
    - destination: {host: a}
  - match: [{uri: {exact: /b}}]
    route: 17
  - match: [{uri: {regex: '('}}]
    route:
    - destination: {host: a}
";
    let mut loaded = load([Source::new("a.yaml", text)], &Options::default());
    // The repair for a rule without action (MODEL-SEED-6) is not what this is about.
    loaded.diagnostics.retain(|found| found.code != "MODEL-SEED-6");
    let got: Vec<String> = loaded
        .diagnostics
        .iter()
        .map(|found| format!("{}:{}", found.span.unwrap().start.line, told(found)))
        .collect();
    assert_eq!(
        got,
        [
            "8:error MODEL-TYPE-20 spec.http[0]",
            "10:error MODEL-UNK-2 spec.http[1].rout",
            "13:error MODEL-TYPE-18 spec.http[2].route",
            "13:warning MODEL-TYPE-25 spec.http[2].route",
            "14:error MODEL-VS-18 spec.http[3].match[0].uri.regex",
        ]
    );
}
