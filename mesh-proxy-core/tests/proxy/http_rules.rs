//! What the steps of an exchange do to one another, over sockets: order of work, replies the proxy makes itself, and what
//! texts about older releases say otherwise (sections 4, 6 and 9 of the route reference).

use std::time::{Duration, Instant};

use crate::support::{Backend, Client, Response, World, answer, free_port, get, ok};

const TO_BACKEND: &str = "route: [{destination: {host: backend}}]";

/// A gateway with one backend, and these routes.
fn world(backend: &Backend, routes: &str) -> World {
    World::new().service("backend", &[("v1", backend.address())]).routes(routes)
}

fn preflight(path: &str) -> String {
    format!(
        "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: https://cors.example\r\naccess-control-request-method: \
         POST\r\n\r\n"
    )
}

fn from_origin(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\norigin: https://cors.example\r\n\r\n")
}

fn cors_headers(response: &Response) -> usize {
    response
        .head
        .headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
        .count()
}

const CORS: &str = "corsPolicy: {allowOrigins: [{exact: 'https://cors.example'}], allowMethods: [POST]}";

/// ROUTE-MODEL-05, ROUTE-FLT-05, ROUTE-FLT-07, ROUTE-CORS-01, ROUTE-CORS-07, ROUTE-CORS-09, ROUTE-CASE-74
#[test]
fn faults_go_before_cors_and_cors_only_with_forwarding() {
    let backend = Backend::echo();
    let fault = "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}";
    let proxy = world(
        &backend,
        &format!(
            "  - match: [{{uri: {{prefix: /fault}}}}]\n    {fault}\n    {CORS}\n    retries: {{attempts: 3, retryOn: \
             '418'}}\n    timeout: 1s\n    {TO_BACKEND}\n  - match: [{{uri: {{prefix: /moved}}}}]\n    redirect: {{uri: \
             /new}}\n    {CORS}\n  - match: [{{uri: {{prefix: /direct}}}}]\n    directResponse: {{status: 200}}\n    \
             {CORS}\n  - match: [{{uri: {{prefix: /get}}, method: {{exact: GET}}}}]\n    {CORS}\n    {TO_BACKEND}\n  - match: \
             [{{uri: {{prefix: /missing}}}}]\n    {CORS}\n    route: [{{destination: {{host: nowhere}}}}]\n  - match: \
             [{{uri: {{prefix: /both}}}}]\n    {CORS}\n    {TO_BACKEND}"
        ),
    )
    .start();
    let mut client = proxy.connect();
    for request in [preflight("/fault"), from_origin("/fault")] {
        let aborted = client.exchange(request);
        assert_eq!(aborted.brief(), (418, "fault filter abort".to_owned()));
        assert_eq!(cors_headers(&aborted), 0);
    }
    for (request, status) in [
        (preflight("/moved"), 301),
        (from_origin("/moved"), 301),
        (preflight("/direct"), 200),
        (from_origin("/direct"), 200),
        // The rule wants GET, so it never sees the preflight of its own requests.
        (preflight("/get"), 404),
    ] {
        let response = client.exchange(&request);
        assert_eq!((response.status, cors_headers(&response)), (status, 0), "{request}");
    }
    assert_eq!(backend.requests().len(), 0);

    let allowed = |response: &Response| response.header("access-control-allow-origin");
    let answered = client.exchange(preflight("/both"));
    assert_eq!((answered.status, allowed(&answered).as_deref()), (200, Some("https://cors.example")));
    assert_eq!(backend.requests().len(), 0, "the proxy answers preflights");
    let missing = client.exchange(from_origin("/missing"));
    assert_eq!((missing.status, allowed(&missing).as_deref()), (503, Some("https://cors.example")));
    let forwarded = client.exchange(from_origin("/get"));
    assert_eq!((forwarded.status, allowed(&forwarded).as_deref()), (200, Some("https://cors.example")));
    assert_eq!(backend.requests().len(), 1);
}

/// ROUTE-FLT-05, ROUTE-FLT-06, ROUTE-OLD-09: an abort reaches nobody, a delay leaves the timeout whole, and headers inject
/// nothing.
#[test]
fn what_faults_leave_alone() {
    let backend = Backend::http(|request| {
        if request.target() == "/delayed" {
            std::thread::sleep(Duration::from_secs(20));
        }
        ok("here")
    });
    let copies = Backend::echo();
    let proxy = world(
        &backend,
        &format!(
            "  - match: [{{uri: {{exact: /aborted}}}}]\n    fault: {{abort: {{httpStatus: 503, percentage: {{value: \
             100}}}}}}\n    retries: {{attempts: 5, retryOn: 5xx}}\n    mirror: {{host: copies}}\n    {TO_BACKEND}\n  - \
             match: [{{uri: {{exact: /delayed}}}}]\n    fault: {{delay: {{fixedDelay: 0.5s, percentage: {{value: \
             100}}}}}}\n    timeout: 0.3s\n    {TO_BACKEND}\n  - {TO_BACKEND}"
        ),
    )
    .service("copies", &[("v1", copies.address())])
    .start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/aborted")).brief(), (503, "fault filter abort".to_owned()));
    assert_eq!((backend.requests().len(), copies.requests().len()), (0, 0));
    assert_eq!(proxy.log_line("/aborted").flags, ["FI"]);

    let start = Instant::now();
    assert_eq!(client.exchange(get("/delayed")).brief(), (504, "upstream request timeout".to_owned()));
    assert!(start.elapsed() >= Duration::from_millis(800), "{:?}", start.elapsed());
    assert_eq!(proxy.log_line("/delayed").flags, ["DI", "UT"]);

    let asked = client.exchange(
        "GET /asked HTTP/1.1\r\nhost: a\r\nx-envoy-fault-abort-request: 503\r\nx-envoy-fault-delay-request: 20000\r\n\r\n",
    );
    assert_eq!(asked.brief(), (200, "here".to_owned()));
}

/// ROUTE-CASE-67, ROUTE-MIR-03, ROUTE-MIR-05
#[test]
fn mirrors_and_missing_clusters() {
    let backend = Backend::echo();
    let proxy = world(
        &backend,
        "  - match: [{uri: {exact: /kept}}]\n    route: [{destination: {host: backend}}]\n    mirror: {host: nowhere}\n  \
         - match: [{uri: {exact: /lost}}]\n    route: [{destination: {host: nowhere}}]\n    mirror: {host: backend}\n  - \
         route: [{destination: {host: backend}}]",
    )
    .start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/kept")).brief(), (200, "GET /kept".to_owned()));
    assert_eq!(client.exchange(get("/lost")).brief(), (503, String::new()));
    // Comes after what a copy would have been, over the same path.
    assert_eq!(client.exchange(get("/last")).status, 200);
    std::thread::sleep(Duration::from_millis(100));
    let targets: Vec<_> = backend.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/kept", "/last"]);
}

/// ROUTE-CASE-68, ROUTE-OLD-02, ROUTE-TMO-01, ROUTE-TMO-05: 504 and not 503, nothing without the field, and no header of a
/// client outside.
#[test]
fn timeouts_are_504_and_only_where_asked_for() {
    let backend = Backend::http(|_| {
        std::thread::sleep(Duration::from_millis(900));
        ok("at last")
    });
    let proxy = world(
        &backend,
        &format!(
            "  - match: [{{uri: {{exact: /limited}}}}]\n    timeout: 0.3s\n    {TO_BACKEND}\n  - {TO_BACKEND}"
        ),
    )
    .start();
    assert_eq!(proxy.get("/limited").brief(), (504, "upstream request timeout".to_owned()));
    assert_eq!(proxy.log_line("/limited").flags, ["UT"]);
    assert_eq!(proxy.get("/unlimited").brief(), (200, "at last".to_owned()));
    let asked = proxy.exchange(
        "GET /asked HTTP/1.1\r\nhost: a\r\nx-envoy-upstream-rq-timeout-ms: 50\r\n\
         x-envoy-upstream-rq-per-try-timeout-ms: 50\r\n\r\n",
    );
    assert_eq!(asked.brief(), (200, "at last".to_owned()));
    let request = backend.requests().pop().unwrap();
    assert_eq!(request.header("x-envoy-upstream-rq-timeout-ms"), None);
}

/// ROUTE-HDR-13: attempts are counted, and a gateway gives a request an id of its own. ROUTE-MATCH-31: routes see the
/// request after that, and without the control headers of strangers.
#[test]
fn what_the_proxy_adds_is_there_when_routes_are_matched() {
    let backend = Backend::http(|request| {
        let status = if request.number == 0 { "503 No" } else { "200 OK" };
        answer(status, "", "done")
    });
    let proxy = world(
        &backend,
        &format!(
            "  - match: [{{headers: {{x-envoy-upstream-rq-timeout-ms: {{}}}}}}]\n    directResponse: {{status: 500}}\n  - \
             match: [{{uri: {{exact: /retried}}}}]\n    retries: {{attempts: 1, retryOn: '503'}}\n    {TO_BACKEND}\n  - \
             match: [{{headers: {{x-request-id: {{regex: '[0-9a-f-]{{36}}'}}, x-forwarded-proto: {{exact: http}}}}}}]\n    \
             directResponse: {{status: 202}}"
        ),
    )
    .start();
    let mut client = proxy.connect();
    let request =
        "GET /retried HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\nx-envoy-upstream-rq-timeout-ms: 1\r\n\r\n";
    assert_eq!(client.exchange(request).brief(), (200, "done".to_owned()));
    let attempts = backend.requests();
    let counts: Vec<_> = attempts.iter().map(|request| request.header("x-envoy-attempt-count")).collect();
    assert_eq!(counts, [Some("1".to_owned()), Some("2".to_owned())]);
    let id = attempts[0].header("x-request-id").unwrap();
    assert!(id != "mine" && attempts[1].header("x-request-id").unwrap() == id);
    assert_eq!(client.exchange(get("/any")).status, 202);
}

/// ROUTE-ERR-01..03
#[test]
fn replies_of_the_proxy_itself() {
    let backend = Backend::http(|request| {
        if request.target() == "/slow" {
            std::thread::sleep(Duration::from_secs(20));
        }
        ok("here")
    });
    let edit = "headers: {response: {set: {x-route: '1'}}}";
    let proxy = world(
        &backend,
        &format!(
            "  - match: [{{uri: {{exact: /direct}}}}]\n    directResponse: {{status: 200, body: {{string: here}}}}\n    \
             {edit}\n  - match: [{{uri: {{exact: /moved}}}}]\n    redirect: {{uri: /new}}\n    {edit}\n  - match: [{{uri: \
             {{exact: /fault}}}}]\n    fault: {{abort: {{httpStatus: 418, percentage: {{value: 100}}}}}}\n    {edit}\n    \
             {TO_BACKEND}\n  - match: [{{uri: {{exact: /missing}}}}]\n    {edit}\n    route: [{{destination: {{host: \
             nowhere}}}}]\n  - match: [{{uri: {{exact: /unhealthy}}}}]\n    {edit}\n    route: [{{destination: {{host: \
             nobody}}}}]\n  - match: [{{uri: {{exact: /refused}}}}]\n    {edit}\n    retries: {{attempts: 0}}\n    route: \
             [{{destination: {{host: closed}}}}]\n  - match: [{{uri: {{exact: /slow}}}}]\n    timeout: 0.2s\n    {edit}\n    \
             {TO_BACKEND}\n  - match: [{{uri: {{exact: /here}}}}]\n    {edit}\n    {TO_BACKEND}"
        ),
    )
    .service("nobody", &[])
    .service("closed", &[("v1", ([127, 0, 0, 1], free_port()).into())])
    .start();
    let mut client = proxy.connect();
    for (path, status, details, body) in [
        ("/unknown", 404, "route_not_found", false),
        ("/direct", 200, "direct_response", true),
        ("/moved", 301, "direct_response", false),
        ("/fault", 418, "fault_filter_abort", true),
        ("/missing", 503, "cluster_not_found", false),
        ("/unhealthy", 503, "no_healthy_upstream", true),
        ("/refused", 503, "upstream_reset_before_response_started{", true),
        ("/slow", 504, "response_timeout", true),
        ("/here", 200, "via_upstream", true),
    ] {
        let response = client.exchange(get(path));
        assert_eq!(response.status, status, "{path}");
        assert_eq!(!response.body.is_empty(), body, "{path}");
        let own = details != "via_upstream";
        let content_type = response.header("content-type");
        assert_eq!(content_type.as_deref(), (own && body).then_some("text/plain"), "{path}, ROUTE-ERR-01");
        assert_eq!(
            response.header("content-length"),
            Some(response.body.len().to_string()),
            "{path}, ROUTE-ERR-01"
        );
        let edited = response.header("x-route").is_some();
        assert_eq!(edited, path != "/unknown", "{path}: only replies of a matched route, ROUTE-ERR-02");
        let found = proxy.log_line(path).details;
        assert!(found.starts_with(details), "{path}: {found}, ROUTE-ERR-03");
    }
}

/// ROUTE-HDR-13: a sidecar keeps the client's id, and counts attempts too.
#[test]
fn a_sidecar_keeps_the_id_of_a_request() {
    let backend = Backend::echo();
    let port = free_port();
    let sidecar = format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: default}}\nspec:\n  \
         egress:\n  - port: {{number: {port}, protocol: HTTP, name: http}}\n    bind: 127.0.0.1\n    captureMode: NONE\n    \
         hosts: ['./*']\n"
    );
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: inner, namespace: default}}\nspec:\n  ports: [{{name: http, \
         port: {port}, targetPort: {backend}}}]\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  \
         name: inner-1\n  namespace: default\n  labels: {{kubernetes.io/service-name: inner}}\naddressType: \
         IPv4\nendpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]\nports: [{{name: http, port: \
         {backend}, protocol: TCP}}]\n",
        backend = backend.address().port()
    );
    let _proxy = World::new()
        .routes("  - directResponse: {status: 204}")
        .object("sidecar.yaml", &sidecar)
        .object("inner.yaml", &service)
        .start();
    let mut client = Client::connect(([127, 0, 0, 1], port).into());
    assert_eq!(client.exchange("GET /x HTTP/1.1\r\nhost: inner\r\nx-request-id: mine\r\n\r\n").status, 200);
    let request = backend.only_request();
    assert_eq!(request.header("x-request-id").as_deref(), Some("mine"));
    assert_eq!(request.header("x-envoy-attempt-count").as_deref(), Some("1"));
}
