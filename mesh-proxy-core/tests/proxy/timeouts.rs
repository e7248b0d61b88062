//! Route and per-try timeouts (section 3.8).

use std::time::{Duration, Instant};

use crate::support::{Backend, World, get, ok};

/// Answers after a long while, far beyond the timeouts of these tests.
fn slow() -> Backend {
    Backend::http(|request| {
        if request.target().starts_with("/slow") {
            std::thread::sleep(Duration::from_secs(20));
        }
        ok("at last")
    })
}

/// PROXY 3.8, 3.10, ROUTE-TMO-02, PROXY-XE-01
#[test]
fn a_route_timeout() {
    let backend = slow();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes("  - timeout: 0.4s\n    route: [{destination: {host: backend}}]")
        .start();
    let mut client = proxy.connect();
    let start = Instant::now();
    let response = client.exchange(get("/slow"));
    assert_eq!(response.brief(), (504, "upstream request timeout".to_owned()));
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
    assert!(start.elapsed() >= Duration::from_millis(400));
    let line = proxy.log_line("/slow");
    assert_eq!((line.flags, line.details.as_str()), (vec!["UT".to_owned()], "response_timeout"));
    assert!((400..15_000).contains(&line.duration), "{}", line.duration);
    assert_eq!(line.upstream, backend.address().to_string());
    assert_eq!(backend.only_request().header("x-envoy-expected-rq-timeout-ms").as_deref(), Some("400"));
    // The client's connection goes on, over another upstream connection.
    assert_eq!(client.exchange(get("/fast")).brief(), (200, "at last".to_owned()));
    assert_eq!(backend.connections(), 2);
}

/// PROXY-GRPC-02, ROUTE-TMO-04: `grpc-timeout` counts for gRPC, and for nothing else.
#[test]
fn a_grpc_timeout() {
    let backend = slow();
    let proxy = World::to(&backend).start();
    let response = proxy.exchange(
        "POST /slow HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ngrpc-timeout: 300m\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!((response.status, response.header("grpc-status").as_deref()), (200, Some("14")));
    assert_eq!(response.header("grpc-message").as_deref(), Some("upstream request timeout"));
    assert_eq!(proxy.log_line("/slow").flags, ["UT"]);
    let plain = proxy.exchange("GET /fast HTTP/1.1\r\nhost: a\r\ngrpc-timeout: 1n\r\n\r\n");
    assert_eq!(plain.status, 200);
}

/// PROXY 3.8, ROUTE-TMO-03: each try has its own limit; `retryOn: reset` tries again.
#[test]
fn a_per_try_timeout() {
    let backend = slow();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes(
            "  - match: [{uri: {prefix: /slow/again}}]\n    retries: {attempts: 2, perTryTimeout: 0.2s, retryOn: reset}\n    \
             route: [{destination: {host: backend}}]\n  - retries: {attempts: 2, perTryTimeout: 0.2s, retryOn: \
             connect-failure}\n    route: [{destination: {host: backend}}]",
        )
        .start();
    assert_eq!(proxy.get("/slow/once").brief(), (504, "upstream request timeout".to_owned()));
    let line = proxy.log_line("/slow/once");
    assert_eq!((line.flags, line.details.as_str()), (vec!["UT".to_owned()], "upstream_per_try_timeout"));
    assert_eq!(backend.requests().len(), 1);

    assert_eq!(proxy.get("/slow/again").brief(), (504, "upstream request timeout".to_owned()));
    let line = proxy.log_line("/slow/again");
    assert_eq!(
        (line.flags, line.details.as_str()),
        (vec!["URX".to_owned(), "UT".to_owned()], "upstream_per_try_timeout")
    );
    assert_eq!(backend.requests().len(), 1 + 3);
}

/// PROXY-TIME-01: a slow upload does not count, the clock starts when the request is complete.
#[test]
fn the_clock_starts_when_the_request_is_complete() {
    let backend = slow();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        // Longer than the answer to a complete request takes on a loaded machine, shorter than the upload.
        .routes("  - timeout: 2s\n    route: [{destination: {host: backend}}]")
        .start();
    let mut client = proxy.connect();
    client.send("POST /fast HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n");
    for part in ["f", "o", "u", "r"] {
        std::thread::sleep(Duration::from_millis(700));
        client.send(part);
    }
    assert_eq!(client.receive().brief(), (200, "at last".to_owned()));
    assert_eq!(backend.only_request().body, b"four");
}

/// PROXY-TIME-02: once the head has been passed on, the route's clock no longer cuts the body.
#[test]
fn a_running_body_is_not_cut_by_the_route_timeout() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
        for part in ["l", "a", "t", "e"] {
            std::thread::sleep(Duration::from_millis(700));
            let _ = wire.send(part);
        }
    });
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes("  - timeout: 2s\n    route: [{destination: {host: backend}}]")
        .start();
    assert_eq!(proxy.get("/").brief(), (200, "late".to_owned()));
}

/// ROUTE-TMO-02: an injected delay is not part of the time; PROXY 7.3: flag `DI`.
#[test]
fn an_injected_delay_does_not_count() {
    let backend = slow();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes(
            "  - timeout: 2s\n    fault: {delay: {fixedDelay: 2.5s, percentage: {value: 100}}}\n    route: \
             [{destination: {host: backend}}]",
        )
        .start();
    assert_eq!(proxy.get("/").status, 200);
    let line = proxy.log_line("/");
    assert_eq!(line.flags, ["DI"]);
    assert!(line.duration >= 2500, "{}", line.duration);
}
