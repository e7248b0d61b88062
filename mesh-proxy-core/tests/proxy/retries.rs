//! Retries: what is sent again, how often, to whom (section 3.9).

use crate::support::{Backend, World, answer, free_port, get, ok};

const RETRY_503: &str =
    "  - retries: {attempts: 3, retryOn: '503', backoff: 1ms}\n    route: [{destination: {host: backend}}]";

/// Answers 503 until the third request.
fn third_time_lucky() -> Backend {
    Backend::http(|request| match request.number {
        0 | 1 => answer("503 Service Unavailable", "", "not yet"),
        _ => ok(&request.body),
    })
}

/// PROXY-RETRY-04 (the body is kept), PROXY-RETRY-06 (the connection of a failed try is reused when it was read),
/// PROXY-XE-01 (`x-envoy-attempt-count`), ROUTE-RTY-02
#[test]
fn a_retry_sends_the_body_again() {
    for framing in [
        "content-length: 9\r\n\r\nsome body",
        "transfer-encoding: chunked\r\n\r\n5\r\nsome \r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let backend = third_time_lucky();
        let proxy = World::new().service("backend", &[("v1", backend.address())]).routes(RETRY_503).start();
        let mut client = proxy.connect();
        let response = client.exchange(format!("POST /again HTTP/1.1\r\nhost: a\r\nx-own: 1\r\n{framing}"));
        assert_eq!(response.brief(), (200, "some body".to_owned()), "{framing:?}");
        let requests = backend.requests();
        let counts: Vec<_> = requests
            .iter()
            .map(|request| request.header("x-envoy-attempt-count").expect("a count"))
            .collect();
        assert_eq!(counts, ["1", "2", "3"]);
        for request in &requests {
            assert_eq!(request.body, b"some body", "{framing:?}");
            assert_eq!((request.method(), request.target()), ("POST", "/again"));
            assert_eq!(request.header("x-own").as_deref(), Some("1"));
            assert_eq!(request.header("x-request-id"), requests[0].header("x-request-id"));
        }
        let line = proxy.log_line("/again");
        assert_eq!((line.code, line.flags.join(",").as_str()), (200, "-"));
        assert_eq!(line.received, 9, "counted once, however often it was sent");
        assert_eq!(client.exchange(get("/")).status, 200);
    }
}

/// PROXY-RETRY-07, ROUTE-RTY-09: the last answer is passed on.
#[test]
fn exhausted_retries_pass_the_last_answer_on() {
    let backend = Backend::http(|request| {
        answer("503 Service Unavailable", "x-mine: 1\r\n", format!("no {}", request.number))
    });
    let proxy = World::new().service("backend", &[("v1", backend.address())]).routes(RETRY_503).start();
    let response = proxy.get("/never");
    assert_eq!(response.brief(), (503, "no 3".to_owned()));
    assert_eq!(response.header("x-mine").as_deref(), Some("1"));
    assert_eq!(backend.requests().len(), 4);
    let line = proxy.log_line("/never");
    assert_eq!((line.flags, line.details.as_str()), (vec!["URX".to_owned()], "via_upstream"));
}

/// PROXY-RETRY-01: 503 as such is not retried.
#[test]
fn a_503_is_not_retried_by_default() {
    let backend = third_time_lucky();
    let proxy = World::to(&backend).start();
    assert_eq!(proxy.get("/").brief(), (503, "not yet".to_owned()));
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(proxy.log_line("/").flags, ["-"], "an answer of the endpoint is no failure of the proxy");
}

/// PROXY-RETRY-04: a body that is too large to keep is sent once, and the answer stands.
#[test]
fn a_body_over_the_limit_is_not_sent_again() {
    let backend = third_time_lucky();
    let proxy = World::new().service("backend", &[("v1", backend.address())]).routes(RETRY_503).start();
    let body = "b".repeat(1_200_000);
    let request = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(proxy.exchange(request).brief(), (503, "not yet".to_owned()));
    assert_eq!(backend.requests().len(), 1);
}

/// PROXY-RETRY-01, ROUTE-RTY-08: an endpoint that refuses is left for one that does not.
#[test]
fn a_retry_goes_to_another_endpoint() {
    let backend = Backend::echo();
    let dead = ([127, 0, 0, 1], free_port()).into();
    let proxy = World::new()
        .service("backend", &[("v1", dead), ("v1", backend.address())])
        .routes("  - route: [{destination: {host: backend}}]")
        .start();
    for n in 0..30 {
        let request = format!("POST /{n} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
        assert_eq!(proxy.exchange(request).status, 200, "request {n}");
    }
    let requests = backend.requests();
    assert_eq!(requests.len(), 30);
    assert!(requests.iter().all(|request| request.body == b"hi"));
    let retried =
        requests.iter().filter(|request| request.header("x-envoy-attempt-count").as_deref() == Some("2"));
    assert!(retried.count() > 0, "some of the thirty began at the dead endpoint");
}

/// ROUTE-RTY-05: a reset is not the 503 that the client would see.
#[test]
fn a_reset_is_no_503() {
    let backend = Backend::http(|_| Vec::new());
    let proxy = World::new().service("backend", &[("v1", backend.address())]).routes(RETRY_503).start();
    assert_eq!(proxy.get("/").status, 503);
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(proxy.log_line("/").flags, ["UC"]);
}

/// ROUTE-RTY-04: `reset` does retry it; ROUTE-RTY-09: and the text says so.
#[test]
fn a_reset_is_retried_on_demand() {
    let backend = Backend::http(|request| match request.target() {
        "/once" if request.number > 0 => ok("there"),
        _ => Vec::new(),
    });
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes("  - retries: {attempts: 2, retryOn: reset, backoff: 1ms}\n    route: [{destination: {host: backend}}]")
        .start();
    assert_eq!(proxy.get("/once").brief(), (200, "there".to_owned()));
    assert_eq!(
        proxy.get("/never").brief(),
        (
            503,
            "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection \
             termination"
                .to_owned()
        )
    );
    assert_eq!(proxy.log_line("/never").flags, ["UC", "URX"]);
    assert_eq!(backend.requests().len(), 2 + 3);
}
