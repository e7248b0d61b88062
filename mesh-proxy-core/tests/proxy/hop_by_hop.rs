//! Headers on their way through a gateway: hop-by-hop, forwarding, control, identification.

use crate::support::{Backend, Request, World, answer, get};

fn seen(headers: &str) -> Request {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    let response = proxy.exchange(format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n"));
    assert_eq!(response.status, 200, "{headers:?}");
    backend.only_request()
}

/// PROXY-HOP-01, PROXY-HOP-02, PROXY-HOP-03, PROXY-FWD-07
#[test]
fn what_concerns_the_clients_hop_is_removed_from_requests() {
    let request = seen(
        "connection: keep-alive, x-mine\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nx-mine: 1\r\n\
         te: gzip\r\nupgrade: irc\r\nreferer: about:blank\r\nproxy-authorization: Basic eA==\r\nx-other: 2\r\n",
    );
    for gone in ["connection", "keep-alive", "proxy-connection", "x-mine", "te", "upgrade", "referer"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(request.header("proxy-authorization").as_deref(), Some("Basic eA=="));
    assert_eq!(request.header("x-other").as_deref(), Some("2"));
    assert_eq!(request.header("host").as_deref(), Some("a"));
}

/// PROXY-HOP-02: `te` survives as `trailers`.
#[test]
fn te_trailers_and_a_real_referer_stay() {
    let request = seen("te: trailers\r\nreferer: https://b.example/page\r\n");
    assert_eq!(request.header("te").as_deref(), Some("trailers"));
    assert_eq!(request.header("referer").as_deref(), Some("https://b.example/page"));
}

/// PROXY-HOP-01, PROXY-HOP-02, PROXY-HOP-05 (`set-cookie` is never merged), PROXY-SRV-01, PROXY-XE-02
#[test]
fn what_concerns_the_upstreams_hop_is_removed_from_responses() {
    let backend = Backend::http(|_| {
        answer(
            "200 Fine",
            "Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nProxy-Connection: x\r\nUpgrade: h2c\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: nginx\r\nProxy-Authenticate: Basic\r\nX-Kept: yes\r\n",
            "",
        )
    });
    let proxy = World::to(&backend).start();
    let response = proxy.get("/");
    for gone in ["connection", "keep-alive", "x-hop", "proxy-connection", "upgrade"] {
        assert_eq!(response.header(gone), None, "{gone}");
    }
    assert_eq!(response.head.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.head.values("server"), ["istio-envoy"]);
    assert_eq!(response.header("x-kept").as_deref(), Some("yes"));
    assert_eq!(response.header("proxy-authenticate").as_deref(), Some("Basic"));
    let time = response.header("x-envoy-upstream-service-time").expect("a time");
    assert!(time.parse::<u64>().is_ok(), "{time}");
    // PROXY-HOP-04
    assert!(
        response.head.headers.iter().all(|(name, _)| name.bytes().all(|byte| !byte.is_ascii_uppercase()))
    );
}

/// PROXY-SRV-01: local replies too; `date` is added.
#[test]
fn local_replies_carry_server_and_date() {
    let backend = Backend::echo();
    let proxy = World::to(&backend)
        .routes("  - match: [{uri: {exact: /}}]\n    route: [{destination: {host: backend}}]")
        .start();
    let response = proxy.get("/missing");
    assert_eq!(response.status, 404);
    assert_eq!(response.head.values("server"), ["istio-envoy"]);
    assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
}

/// PROXY-FWD-01, PROXY-FWD-02, PROXY-FWD-03, PROXY-FWD-06
#[test]
fn a_gateway_writes_the_forwarding_headers() {
    let request = seen("");
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(request.header("x-envoy-external-address").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("x-envoy-attempt-count").as_deref(), Some("1"), "PROXY-XE-01");
    for absent in ["via", "forwarded", "x-forwarded-port", "x-envoy-internal"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }

    let request = seen(
        "x-forwarded-for: 1.2.3.4\r\nx-forwarded-for: 5.6.7.8\r\nx-forwarded-proto: https\r\n\
         x-envoy-external-address: 9.9.9.9\r\n",
    );
    let forwarded: Vec<_> = request
        .head
        .values("x-forwarded-for")
        .join(",")
        .split(',')
        .map(|one| one.trim().to_owned())
        .collect();
    assert_eq!(forwarded, ["1.2.3.4", "5.6.7.8", "127.0.0.1"]);
    assert_eq!(
        request.header("x-forwarded-proto").as_deref(),
        Some("http"),
        "the client's word is not taken"
    );
    assert_eq!(request.header("x-envoy-external-address").as_deref(), Some("127.0.0.1"));
}

/// PROXY-FWD-03, PROXY-FWD-04, PROXY-FWD-09: from outside these are forged.
#[test]
fn control_headers_of_clients_are_stripped_and_have_no_effect() {
    let backend = Backend::http(|_| answer("503 Service Unavailable", "", "down"));
    let proxy = World::to(&backend).start();
    let control = [
        "x-envoy-retry-on",
        "x-envoy-max-retries",
        "x-envoy-retriable-status-codes",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-internal",
        "x-envoy-original-path",
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-peer-metadata",
        "x-forwarded-client-cert",
    ];
    let value = |name: &str| if name.ends_with("retry-on") { "5xx" } else { "7" };
    let headers: String = control.iter().map(|name| [name, ": ", value(name), "\r\n"].concat()).collect();
    let response =
        proxy.exchange(format!("GET / HTTP/1.1\r\nhost: a\r\nx-envoy-attempt-count: 7\r\n{headers}\r\n"));
    assert_eq!(response.brief(), (503, "down".to_owned()));
    // `x-envoy-retry-on: 5xx` would have caused retries.
    let request = backend.only_request();
    for name in control {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("x-envoy-attempt-count").as_deref(), Some("1"));
}

/// PROXY-RID-01, PROXY-RID-02
#[test]
fn a_gateway_replaces_the_request_id() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    let response = client.exchange("GET /id HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\n\r\n");
    assert_eq!(response.header("x-request-id"), None, "returned only on request");
    client.exchange(get("/other"));
    let ids: Vec<_> =
        backend.requests().iter().map(|request| request.header("x-request-id").expect("an id")).collect();
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        let groups: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id}");
    }
    assert_eq!(proxy.log_line("/id").request_id, ids[0]);
}

/// PROXY-REQ-05: bytes above ASCII are allowed in values and pass unchanged; names keep their underscore
/// (PROXY-REQ-04).
#[test]
fn unusual_but_allowed_headers_pass() {
    let request = seen("x_under_score: 1\r\nx-latin: gr\u{fc}n\r\nx-empty:\r\nx-dup: 1\r\nx-dup: 2\r\n");
    assert_eq!(request.header("x_under_score").as_deref(), Some("1"));
    assert_eq!(request.header("x-latin").as_deref(), Some("gr\u{fc}n"));
    assert_eq!(request.header("x-empty").as_deref(), Some(""));
    assert_eq!(request.head.values("x-dup"), ["1", "2"]);
}
