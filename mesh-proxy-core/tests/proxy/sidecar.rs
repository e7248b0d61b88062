//! The sidecar's outbound side: what differs from a gateway (section 3.3).

use crate::support::{Backend, Client, World, free_port};

fn sidecar(port: u16) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: default}}\nspec:\n  \
         egress:\n  - port: {{number: {port}, protocol: HTTP, name: http}}\n    bind: 127.0.0.1\n    captureMode: NONE\n    \
         hosts: ['./*']\n  outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n"
    )
}

/// A service on the listener's own port: no other is served there (ROUTE-APPLY-19).
fn inner(port: u16, backend: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: inner, namespace: default}}\nspec:\n  \
         ports: [{{name: http, port: {port}, targetPort: {backend}}}]\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: inner-1\n  namespace: default\n  \
         labels: {{kubernetes.io/service-name: inner}}\naddressType: IPv4\n\
         endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]\n\
         ports: [{{name: http, port: {backend}, protocol: TCP}}]\n"
    )
}

/// PROXY 3.3: forwarding headers are left alone; PROXY-RID-01: an id is kept; PROXY-SRV-01: `envoy`; PROXY-LIS-03: an
/// unknown host is 502 where only the registry may be reached.
#[test]
fn a_sidecar_leaves_forwarding_headers_alone() {
    let backend = Backend::echo();
    let port = free_port();
    let _proxy = World::new()
        .routes("  - directResponse: {status: 204}")
        .service("backend", &[("v1", backend.address())])
        .object("sidecar.yaml", &sidecar(port))
        .object("inner.yaml", &inner(port, backend.address().port()))
        .start();
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    let response = client.exchange(
        "GET /x HTTP/1.1\r\nhost: inner\r\nx-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-request-id: mine\r\n\r\n",
    );
    assert_eq!(response.brief(), (200, "GET /x".to_owned()));
    assert_eq!(response.head.values("server"), ["envoy"]);
    let request = backend.only_request();
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("1.2.3.4"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(request.header("x-request-id").as_deref(), Some("mine"));
    assert_eq!(request.header("x-envoy-external-address"), None);

    assert_eq!(client.exchange("GET / HTTP/1.1\r\nhost: nowhere\r\n\r\n").brief(), (502, String::new()));
    assert_eq!(
        client.exchange("GET /bare HTTP/1.1\r\nhost: inner.default.svc.cluster.local\r\n\r\n").status,
        200
    );
    let request = backend.requests().pop().expect("a request");
    assert_eq!(request.header("x-forwarded-for"), None);
    assert_eq!(request.header("x-request-id").expect("one was made").len(), 36);
}
