//! What Istio's analyzers of single objects say, by their codes.

use crate::{Options, Source, load};

/// The codes of Istio in the findings, with their severities.
fn codes(text: &str) -> Vec<String> {
    let loaded = load([Source::new("t.yaml", text)], &Options::default());
    let code =
        |message: &str| message.rsplit_once('(').map(|(_, code)| code.trim_end_matches(')').to_owned());
    loaded
        .diagnostics
        .iter()
        .filter_map(|found| Some(format!("{} {}", found.severity, code(&found.message)?)))
        .collect()
}

#[test]
fn annotations_of_four_kinds_model_ana_29() {
    let of = |kind: &str, annotation: &str| {
        codes(&format!(
            "{{apiVersion: v1, kind: {kind}, metadata: {{name: a, annotations: {{{annotation}: x}}}}, spec: {{ports: [{{name: http, port: 80}}]}}}}"
        ))
    };
    assert_eq!(of("Namespace", "sidecar.istio.io/logLevel"), ["warning IST0107"]);
    assert_eq!(of("Service", "sidecar.istio.io/nothing"), ["warning IST0108"]);
    assert_eq!(of("Pod", "sidecar.istio.io/interceptionMode"), ["warning IST0125"]);
    assert_eq!(of("Pod", "sidecar.istio.io/statsInclusionRegexps"), ["info IST0135"]);
    assert_eq!(of("Pod", "sidecar.istio.io/logLevel"), [""; 0]);
    let pods = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {metadata: {annotations: {sidecar.istio.io/nativeSidecar: x}}}}}";
    assert_eq!(codes(pods), ["warning IST0125"]);
}

#[test]
fn names_of_ports_model_ana_30() {
    let of = |spec: &str| {
        codes(&format!("{{apiVersion: v1, kind: Service, metadata: {{name: a}}, spec: {{{spec}}}}}"))
    };
    assert_eq!(of("ports: [{name: web, port: 80}]"), ["info IST0118"]);
    assert_eq!(of("ports: [{name: http-web, port: 80}]"), [""; 0]);
    let alias = |name: &str| {
        of(&format!("type: ExternalName, externalName: a.com, ports: [{{name: {name}, port: 80}}]"))
    };
    assert_eq!(
        (alias("tcp"), alias("web")),
        (vec!["warning IST0150".to_owned()], vec!["warning IST0150".to_owned()])
    );
    assert_eq!((alias("http"), alias("tcp-x")), (vec![], vec![]));
}

#[test]
fn the_user_of_the_proxy_model_ana_32() {
    let of = |user: u32, name: &str| {
        codes(&format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, spec: {{template: {{spec: {{containers: [{{name: {name}, securityContext: {{runAsUser: {user}}}}}]}}}}}}}}"
        ))
    };
    assert_eq!(of(1337, "app"), ["warning IST0144"]);
    assert_eq!(of(1336, "app"), [""; 0]);
    assert_eq!(of(1337, "istio-proxy"), [""; 0]);
}
