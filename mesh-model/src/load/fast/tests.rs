use super::*;

fn read(text: &str, limits: &Limits) -> Option<Plain> {
    let kind = may_be_plain(text, limits)?;
    read_as(kind, serde_yaml::Deserializer::from_str(text), text, limits)
}

fn read_default(text: &str) -> Option<Plain> {
    read(text, &Limits::default())
}

const SERVICE: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: shop
  labels: {app: reviews, version: \"1\"}
  uid: 1234
spec:
  hosts: [reviews]
  http:
  - match:
    - headers:
        end-user:
          exact: jason
      port: 8080
    timeout: 1.5s
    retries:
      attempts: 3
      retryRemoteLocalities: true
    route:
    - destination:
        host: reviews
      weight: 100
";

#[test]
fn plain_documents_are_read_here() {
    let found = read_default(SERVICE).expect("it is in plain form");
    assert_eq!((found.kind, found.metadata.name.as_str()), (Kind::VirtualService, "reviews"));
    let Body::VirtualService(service) = &found.body else { panic!("not a VirtualService") };
    assert_eq!(service.http[0].matches[0].port, 8080);
    assert_eq!(service.http[0].timeout.map(crate::common::Duration::as_nanos), Some(1_500_000_000));
    assert_eq!(found.metadata.labels["version"], "1");
    for text in [
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n",
        "{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"Gateway\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\"servers\": []}}",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports: [{port: 80, targetPort: http}]\n  unknown: {x: [1, ~]}\n",
        "apiVersion: v1\ndata: {a: b}\nkind: ConfigMap\nmetadata: {name: a, creationTimestamp: null}\n",
        "addressType: IPv4\napiVersion: discovery.k8s.io/v1\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: {ready: true}\nkind: EndpointSlice\nmetadata: {name: a}\nports: [{port: 9080}]\n",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec: {hosts: [a.b]}\nstatus: {addresses: [{value: 240.240.0.1}]}\n",
    ] {
        assert!(read_default(text).is_some(), "{text}");
    }
}

#[test]
fn whatever_is_odd_is_left_to_the_other_path() {
    for (from, to) in [
        ("retries:", "retry:"),
        ("retryRemoteLocalities", "retry_remote_localities"),
        ("port: 8080", "port: '8080'"),
        ("port: 8080", "port: 0x1f"),
        ("port: 8080", "port: 99999999999"),
        ("port: 8080", "port: 8080\n      port: 8081"),
        ("exact: jason", "exact: yes"),
        ("exact: jason", "exact: 5"),
        ("[reviews]", "[~]"),
        ("exact: jason", "exact: !!str jason"),
        ("exact: jason", "exact: &a jason\n        other: *a"),
        ("exact: jason", "<<: {exact: jason}"),
        ("exact: jason", "exact: '{{ name }}'"),
        ("exact: jason", "exact: \"\\x7b{ name }}\""),
        ("true", "'true'"),
        ("true", "on"),
        ("1.5s", "1d"),
        ("1.5s", "5"),
        ("[reviews]", "reviews"),
        ("[reviews]", "[reviews, null]"),
        ("version: \"1\"", "version: 1"),
        ("version: \"1\"", "app: reviews"),
        ("uid: 1234", "uid: {a: 1, a: 2}"),
        ("weight: 100", "weight: 100\n    mirrorPercent: 5"),
        ("  name: reviews\n", ""),
        ("kind: VirtualService", "kind: DestinationRule"),
        ("apiVersion: networking.istio.io/v1", "apiVersion: v1"),
        ("apiVersion: networking.istio.io/v1\n", ""),
        ("\nspec:", "\nmore: 1\nspec:"),
    ] {
        let text = SERVICE.replacen(from, to, 1);
        assert_ne!(text, SERVICE);
        assert!(read_default(&text).is_none(), "{from} → {to}");
    }
}

#[test]
fn limits_hold() {
    let tight = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(SERVICE, &limits)
    };
    assert!(tight(|_| {}).is_some());
    assert!(tight(|limits| limits.max_document_bytes = 100).is_none());
    assert!(tight(|limits| limits.max_nodes = 50).is_none());
    assert!(tight(|limits| limits.max_depth = 4).is_none());
}

#[path = "../../../tests/mixed/mod.rs"]
mod mixed;

/// A cluster's usual objects all take the fast path.
#[test]
fn usual_objects_are_read_here() {
    let text = mixed::objects(40);
    let documents: Vec<&str> = text.split("\n---\n").filter(|document| !document.trim().is_empty()).collect();
    assert_eq!(documents.len(), 40);
    for document in documents {
        assert!(read_default(document).is_some(), "{document}");
    }
}
