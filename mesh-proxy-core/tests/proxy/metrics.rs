//! Istio's standard metrics, as a scrape sees them (section 7.1).

use crate::support::{Backend, Proxy, World, answer, eventually, free_port, get};

/// The values of all series of `metric` whose labels contain every one of `labels`.
fn series(proxy: &Proxy, metric: &str, labels: &[&str]) -> Vec<(String, f64)> {
    let text = proxy.ask_admin("GET /stats/prometheus").text();
    text.lines()
        .filter(|line| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{')))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn sum(proxy: &Proxy, metric: &str, labels: &[&str]) -> f64 {
    series(proxy, metric, labels).iter().map(|(_, value)| value).sum()
}

fn until(proxy: &Proxy, labels: &[&str], wanted: f64) {
    eventually(&format!("{labels:?} is {wanted}"), || {
        let found = sum(proxy, "istio_requests_total", labels);
        assert!(found <= wanted, "{labels:?}: {found}, more than {wanted}");
        (found >= wanted).then_some(())
    });
}

/// PROXY-MET-01, PROXY-MET-02, PROXY-MET-03, PROXY-SHAPE-02: each request is counted once, whatever became of it.
#[test]
fn requests_are_counted_once_with_their_labels() {
    let backend = Backend::http(|request| match request.target() {
        "/teapot" => answer("418 Teapot", "", ""),
        _ => answer("200 OK", "", "hello"),
    });
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .service("dead", &[("v1", ([127, 0, 0, 1], free_port()).into())])
        .routes(
            "  - match: [{uri: {exact: /dead}}]\n    route: [{destination: {host: dead}}]\n  - match: [{uri: {exact: \
             /missing}}]\n    route: [{destination: {host: nowhere}}]\n  - match: [{uri: {prefix: /up}}, {uri: {exact: \
             /teapot}}]\n    route: [{destination: {host: backend}}]",
        )
        .start();
    for _ in 0..7 {
        assert_eq!(proxy.get("/up").status, 200);
    }
    let mut client = proxy.connect();
    for _ in 0..3 {
        assert_eq!(client.exchange(get("/teapot")).status, 418);
    }
    for path in ["/dead", "/missing", "/unknown", "/unknown"] {
        proxy.get(path);
    }
    let grpc =
        "POST /up HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc+proto\r\ncontent-length: 0\r\n\r\n";
    proxy.exchange(grpc);

    until(&proxy, &["response_code=\"200\"", "request_protocol=\"http\""], 7.0);
    until(&proxy, &["response_code=\"418\""], 3.0);
    until(&proxy, &["response_code=\"503\"", "destination_service_name=\"dead\"", "URX"], 1.0);
    until(&proxy, &["response_code=\"503\"", "response_flags=\"NC\""], 1.0);
    until(
        &proxy,
        &["response_code=\"404\"", "response_flags=\"NR\"", "destination_service=\"unknown\""],
        2.0,
    );
    until(&proxy, &["request_protocol=\"grpc\""], 1.0);
    until(&proxy, &[], 15.0);

    let found =
        series(&proxy, "istio_requests_total", &["response_code=\"200\"", "request_protocol=\"http\""]);
    assert_eq!(found.len(), 1, "{found:#?}");
    for label in [
        "{reporter=\"source\",source_workload=\"istio-ingressgateway\"",
        "source_workload_namespace=\"istio-system\"",
        "destination_workload=\"backend-0\"",
        "destination_workload_namespace=\"default\"",
        "destination_app=\"backend\"",
        "destination_version=\"v1\"",
        "destination_service=\"backend.default.svc.cluster.local\"",
        "destination_canonical_service=\"backend\"",
        "destination_canonical_revision=\"v1\"",
        "destination_service_name=\"backend\"",
        "destination_service_namespace=\"default\"",
        "grpc_response_status=\"\"",
        "response_flags=\"-\"",
        "connection_security_policy=\"unknown\"}",
    ] {
        assert!(found[0].0.contains(label), "`{label}` is missing in {}", found[0].0);
    }
    // PROXY-MET-05
    let labels = ["response_code=\"418\""];
    assert!((sum(&proxy, "istio_request_duration_milliseconds_count", &labels) - 3.0).abs() < 0.1);
    assert!(
        (sum(
            &proxy,
            "istio_request_duration_milliseconds_bucket",
            &["response_code=\"418\"", "le=\"+Inf\""]
        ) - 3.0)
            .abs()
            < 0.1
    );
    let bytes =
        sum(&proxy, "istio_response_bytes_sum", &["response_code=\"200\"", "request_protocol=\"http\""]);
    assert!(bytes > 7.0 * 5.0, "{bytes}: heads and bodies of seven responses");
}

/// PROXY-STAT-01: what clusters and connections did.
#[test]
fn clusters_are_counted() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).argument("--concurrency=1").start();
    let mut client = proxy.connect();
    for _ in 0..5 {
        assert_eq!(client.exchange(get("/")).status, 200);
    }
    let cluster = ["cluster_name=\"outbound|80||backend.default.svc.cluster.local\""];
    let value = |name: &str| sum(&proxy, name, &cluster);
    assert!((value("envoy_cluster_upstream_rq_total") - 5.0).abs() < 0.1);
    assert!((value("envoy_cluster_upstream_cx_total") - 1.0).abs() < 0.1);
    assert!((value("envoy_cluster_upstream_cx_active") - 1.0).abs() < 0.1);
    assert!(value("envoy_cluster_upstream_rq_active").abs() < 0.1);
    let stats = proxy.ask_admin("GET /stats?filter=downstream_cx_active").text();
    assert_eq!(stats, "http.downstream_cx_active: 1\n");
    drop(client);
    eventually("the client's connection is gone", || {
        (proxy.ask_admin("GET /stats?filter=downstream_cx_active").text() == "http.downstream_cx_active: 0\n")
            .then_some(())
    });
}
