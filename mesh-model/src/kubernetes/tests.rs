use super::*;
use crate::{Loaded, Object, Options, Source, load};

fn read(text: &str) -> Loaded {
    load([Source::new("t.yaml", text)], &Options::default())
}

/// The only object of `text`, and that it is the same once written and read again.
fn round_trip(text: &str) -> Object {
    let first = read(text).objects.remove(0);
    let yaml = serde_yaml::to_string(&first).unwrap();
    let second = read(&yaml).objects.remove(0);
    assert_eq!((&first.metadata, &first.body), (&second.metadata, &second.body), "{yaml}");
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(first.body, read(&json).objects.remove(0).body, "{json}");
    first
}

#[test]
fn the_data_of_a_secret_is_written_but_never_shown() {
    let text = "
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/tls
data: {tls.crt: aHVudGVyMg==}
stringData: {tls.key: hunter2}
";
    let object = round_trip(text);
    let secret = object.as_secret().unwrap();
    assert_eq!(secret.secret_type, "kubernetes.io/tls");
    assert_eq!(secret.data["tls.crt"].expose(), "aHVudGVyMg==");
    let shown = format!("{object:?}");
    assert!(shown.contains("tls.crt") && !shown.contains("hunter2") && !shown.contains("aHVud"), "{shown}");
}

#[test]
fn a_secret_value_of_another_type_is_reported_without_it() {
    for value in ["31337", "31337.5", "true", "[x31337]", "{a: x31337}"] {
        let text = format!("{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, data: {{pin: {value}}}}}");
        let loaded = read(&text);
        let found = &loaded.diagnostics[0];
        assert_eq!((found.code, found.path.to_string().as_str()), ("MODEL-TYPE-18", "data{pin}"), "{found}");
        let said = format!("{loaded:?}");
        assert!(!said.contains("31337") && !found.to_string().contains("true"), "{said}");
    }
}

#[test]
fn workloads_have_the_pods_they_make() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let text = format!(
            "
apiVersion: apps/v1
kind: {kind}
metadata: {{name: w}}
spec:
  selector: {{matchLabels: {{app: w}}}}
  template:
    metadata: {{labels: {{app: w}}, annotations: {{a: b}}}}
    spec:
      securityContext: {{runAsUser: 1337}}
      initContainers: [{{name: istio-proxy, restartPolicy: Always}}]
      containers: [{{name: app, image: app:1, securityContext: {{runAsUser: 1000}}}}]
"
        );
        let object = round_trip(&text);
        let template = match &object.body {
            crate::Body::Deployment(found) => &found.spec.template,
            crate::Body::StatefulSet(found) => &found.spec.template,
            crate::Body::DaemonSet(found) => &found.spec.template,
            _ => panic!("{object:?}"),
        };
        assert_eq!(template.metadata.annotations["a"], "b");
        assert_eq!(template.spec.security_context.run_as_user, Some(1337));
        assert_eq!(template.spec.containers[0].security_context.run_as_user, Some(1000));
        assert_eq!(template.spec.init_containers[0].restart_policy, "Always");
    }
}

#[test]
fn small_kinds_keep_what_they_say() {
    let node = round_trip(
        "{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}",
    );
    assert_eq!(node.as_node().unwrap().status.addresses[0].address, "10.0.0.1");
    let account = round_trip("{apiVersion: v1, kind: ServiceAccount, metadata: {name: sa, namespace: shop}}");
    assert!(account.as_service_account().is_some());
    let endpoints = round_trip(
        "
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- addresses: [{ip: 10.0.0.1, nodeName: n, targetRef: {kind: Pod, name: web-0}}]
  notReadyAddresses: [{ip: 10.0.0.2}]
  ports: [{name: http, port: 8080}]
",
    );
    let subset = &endpoints.as_endpoints().unwrap().subsets[0];
    assert_eq!((subset.ports[0].port, subset.not_ready_addresses[0].ip.as_str()), (Some(8080), "10.0.0.2"));
    let service = round_trip(
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, ports: [{name: http, port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
",
    );
    assert_eq!(service.as_service().unwrap().status.load_balancer.ingress[0].ip, "192.0.2.1");
}

#[test]
fn selectors_with_expressions() {
    let labels = |text: &str| serde_yaml::from_str::<crate::common::StringMap>(text).unwrap();
    let selects = |selector: &str, text: &str| {
        serde_yaml::from_str::<LabelSelector>(selector).unwrap().matches(&labels(text))
    };
    assert!(selects("{}", "{}"));
    assert!(selects("{matchLabels: {a: b}}", "{a: b, c: d}") && !selects("{matchLabels: {a: b}}", "{a: c}"));
    let one =
        |operator: &str| format!("{{matchExpressions: [{{key: a, operator: {operator}, values: [b]}}]}}");
    for (operator, absent, same, other) in [
        ("In", false, true, false),
        ("NotIn", true, false, true),
        ("Exists", false, true, true),
        ("DoesNotExist", true, false, false),
        ("Near", false, false, false),
    ] {
        let selector = one(operator);
        let got = ["{}", "{a: b}", "{a: c}"].map(|text| selects(&selector, text));
        assert_eq!(got, [absent, same, other], "{operator}");
    }
}
