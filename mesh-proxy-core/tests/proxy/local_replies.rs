//! Replies that the proxy makes itself, word for word (section 3.10), and what the access log says about them.

use std::net::SocketAddr;

use crate::support::{Backend, Proxy, Response, World, free_port, get, ok};

fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A gRPC request.
fn grpc(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\nte: trailers\r\ncontent-length: 0\r\n\r\n"
    )
}

const TEXT: &str = "upstream connect error or disconnect/reset before headers. ";

/// PROXY-LOCAL-04
fn assert_plain(response: &Response) {
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string()));
    assert_eq!(response.header("server").as_deref(), Some("istio-envoy"));
}

/// PROXY 3.10, PROXY-LOCAL-02, PROXY-LOCAL-03, PROXY-RETRY-01 (a refused connect is tried three times),
/// PROXY-RETRY-07, ROUTE-RTY-09, PROXY-LOG-02
#[test]
fn a_refused_connect() {
    let address = nobody();
    let proxy = World::new()
        .service("backend", &[("v1", address)])
        .routes("  - name: all\n    route: [{destination: {host: backend}}]")
        .start();
    let mut client = proxy.connect();
    let response = client.exchange(
        "POST /refused?q=1 HTTP/1.1\r\nhost: test.example:81\r\nuser-agent: a \"quoted\" agent\r\ncontent-length: 5\r\n\r\nhello",
    );
    assert_eq!(response.status, 503);
    let body = response.text();
    assert_eq!(body, format!("{TEXT}retried and the latest reset reason: remote connection failure"));
    assert_plain(&response);
    // The connection to the client is as good as before.
    assert_eq!(client.exchange(get("/again")).status, 503);

    let line = proxy.log_lines("/again", 1).remove(0);
    assert_eq!(line.flags, ["UF", "URX"]);
    let text = proxy.log_text();
    let line = text.lines().find(|line| line.contains("/refused?q=1")).expect("a line").to_owned();
    // Quotes of the client are escaped (PROXY-LOG-06), which the reader of lines does not undo.
    assert!(line.contains(r#""a \"quoted\" agent""#), "{line}");
    let line =
        crate::support::LogLine::parse(&line.replace(r#"a \"quoted\" agent"#, "agent")).expect("a line");
    assert_eq!(
        (line.method.as_str(), line.path.as_str(), line.protocol.as_str()),
        ("POST", "/refused?q=1", "HTTP/1.1")
    );
    assert_eq!(line.code, 503);
    assert_eq!(line.flags, ["UF", "URX"]);
    assert_eq!(
        line.details,
        "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}"
    );
    assert_eq!(line.transport_failure, "delayed connect error: 111");
    assert_eq!((line.sent, line.service_time.as_str()), (body.len() as u64, "-"));
    assert!(line.duration < 60_000, "{}", line.duration);
    assert_eq!(line.forwarded_for, "127.0.0.1");
    assert_eq!(line.request_id.len(), 36);
    assert_eq!(line.authority, "test.example:81");
    assert_eq!(line.upstream, address.to_string());
    assert_eq!(line.cluster, "outbound|80||backend.default.svc.cluster.local");
    assert_eq!(line.upstream_local, "-");
    assert_eq!(line.downstream_local, proxy.address().to_string());
    assert!(
        line.downstream_remote.starts_with("127.0.0.1:") && line.downstream_remote != line.downstream_local
    );
    assert_eq!(line.route, "all");
    // `2026-01-02T03:04:05.678Z`
    assert_eq!((line.start.len(), line.start.as_bytes()[10], line.start.as_bytes()[23]), (24, b'T', b'Z'));
}

/// PROXY 3.10 (the form since Envoy 1.39), PROXY-LOCAL-02: the cause is in the log and not in the text.
#[test]
fn a_refused_connect_names_the_cause_in_the_log() {
    let proxy = World::new()
        .service("backend", &[("v1", nobody())])
        .routes("  - retries: {attempts: 0}\n    route: [{destination: {host: backend}}]")
        .start();
    assert_eq!(proxy.get("/").text(), format!("{TEXT}reset reason: remote connection failure"));
    let line = proxy.log_line("/");
    assert_eq!(line.flags, ["UF"], "no retry, so no limit of retries");
    assert!(line.details.contains("delayed_connect_error:_111"), "{}", line.details);
}

/// PROXY 3.10, PROXY-LOCAL-03: this reset is not retried by default (PROXY-RETRY-01).
#[test]
fn an_upstream_that_closes_before_it_answers() {
    let backend = Backend::http(|_| Vec::new());
    let proxy = World::to(&backend).start();
    for (path, request) in [
        ("/get", get("/get")),
        ("/post", "POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi".to_owned()),
    ] {
        let response = proxy.exchange(request);
        assert_eq!(response.brief(), (503, format!("{TEXT}reset reason: connection termination")), "{path}");
        assert_plain(&response);
        let line = proxy.log_line(path);
        assert_eq!(line.flags, ["UC"]);
        assert_eq!(line.details, "upstream_reset_before_response_started{connection_termination}");
        assert_eq!((line.upstream, line.transport_failure.as_str()), (backend.address().to_string(), "-"));
    }
    assert_eq!(backend.requests().len(), 2, "one try each");
}

/// PROXY 3.10, PROXY-SMUG-06, PROXY-LIM-02: the endpoint breaks the protocol.
#[test]
fn an_upstream_that_breaks_the_protocol() {
    let backend = Backend::http(|request| match request.target() {
        "/garbage" => b"this is not HTTP\r\n\r\n".to_vec(),
        "/lengths" => b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_vec(),
        "/length" => b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nabcd".to_vec(),
        _ => format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(90 * 1024))
            .into_bytes(),
    });
    let proxy = World::to(&backend).start();
    for path in ["/garbage", "/lengths", "/length", "/large"] {
        let response = proxy.get(path);
        assert_eq!(response.brief(), (502, format!("{TEXT}reset reason: protocol error")), "{path}");
        assert_plain(&response);
        let line = proxy.log_line(path);
        assert_eq!(line.flags, ["UPE"], "{path}");
        assert_eq!(line.details, "upstream_reset_before_response_started{protocol_error}", "{path}");
    }
    assert_eq!(backend.connections(), 4, "none was used again");
}

/// PROXY-SMUG-06: chunks win over a length, the length is removed, the connection is not used again.
#[test]
fn an_upstream_that_sends_both_framings() {
    let backend = Backend::http(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            .to_vec()
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        assert_eq!(client.exchange(get("/")).brief(), (200, "abc".to_owned()));
    }
    assert_eq!(backend.connections(), 2);
}

/// An endpoint that breaks off in the middle: the client must notice, and the log says who it was.
#[test]
fn an_upstream_that_breaks_off() {
    let backend = Backend::http(|request| match request.target() {
        "/length" => b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
            .to_vec(),
    });
    let proxy = World::to(&backend).start();
    for path in ["/length", "/chunked"] {
        let mut client = proxy.connect();
        client.send(get(path));
        // PROXY-GRPC-05, for any content: never a silent end.
        assert!(client.try_receive(false).is_err(), "{path}");
        let line = proxy.log_line(path);
        assert_eq!((line.code, line.flags), (200, vec!["UC".to_owned()]), "{path}");
        assert_eq!(line.details, "upstream_reset_after_response_started{connection_termination}", "{path}");
    }
}

/// PROXY 3.1 order 14
#[test]
fn no_endpoint() {
    let proxy =
        World::new().service("backend", &[]).routes("  - route: [{destination: {host: backend}}]").start();
    let response = proxy.get("/");
    assert_eq!(response.brief(), (503, "no healthy upstream".to_owned()));
    assert_plain(&response);
    let line = proxy.log_line("/");
    assert_eq!((line.flags, line.details.as_str()), (vec!["UH".to_owned()], "no_healthy_upstream"));
    assert_eq!(line.cluster, "outbound|80||backend.default.svc.cluster.local");
    assert_eq!(line.upstream, "-");
}

/// PROXY 3.1 order 13
#[test]
fn no_cluster() {
    let proxy = World::new().routes("  - route: [{destination: {host: nowhere}}]").start();
    assert_eq!(proxy.get("/").brief(), (503, String::new()));
    let line = proxy.log_line("/");
    assert_eq!((line.flags, line.details.as_str()), (vec!["NC".to_owned()], "cluster_not_found"));
}

/// PROXY 3.1 order 12
#[test]
fn no_route() {
    let proxy =
        World::new().routes("  - match: [{uri: {exact: /known}}]\n    directResponse: {status: 204}").start();
    let response = proxy.exchange("POST /unknown HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(response.brief(), (404, String::new()));
    assert_eq!(response.header("content-length").as_deref(), Some("0"));
    assert_eq!(response.header("content-type"), None);
    let line = proxy.log_line("/unknown");
    assert_eq!((line.flags, line.details.as_str()), (vec!["NR".to_owned()], "route_not_found"));
    assert_eq!((line.cluster.as_str(), line.upstream.as_str(), line.route.as_str()), ("-", "-", "-"));
}

/// PROXY 3.10, ROUTE-FLT-04
#[test]
fn an_injected_fault() {
    let proxy = World::new()
        .service("backend", &[("v1", nobody())])
        .routes("  - fault: {abort: {httpStatus: 418, percentage: {value: 100}}}\n    route: [{destination: {host: backend}}]")
        .start();
    assert_eq!(proxy.get("/").brief(), (418, "fault filter abort".to_owned()));
    let line = proxy.log_line("/");
    assert_eq!((line.flags, line.details.as_str()), (vec!["FI".to_owned()], "fault_filter_abort"));
}

/// PROXY 3.10, PROXY-ORD-05: a denied request to an unknown path gets 403, not 404. AUTHZ-RESP-01, AUTHZ-RESP-02: its
/// text, also for HEAD and for gRPC, by the exact content type.
#[test]
fn a_denied_request() {
    let backend = Backend::echo();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes("  - match: [{uri: {prefix: /known}}]\n    route: [{destination: {host: backend}}]")
        .object(
            "deny.yaml",
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: no-admin, namespace: \
             istio-system}\nspec:\n  selector: {matchLabels: {istio: ingressgateway}}\n  action: DENY\n  rules:\n  - to: \
             [{operation: {paths: ['*/admin']}}]\n",
        )
        .start();
    assert_eq!(proxy.get("/known").status, 200);
    for path in ["/known/admin", "/unknown/admin"] {
        let response = proxy.get(path);
        assert_eq!(response.brief(), (403, "RBAC: access denied".to_owned()), "{path}");
        assert_plain(&response);
        let line = proxy.log_line(path);
        assert_eq!(line.flags, ["-"]);
        assert!(line.details.starts_with("rbac_access_denied_matched_policy["), "{}", line.details);
    }
    let head = proxy.exchange("HEAD /known/admin HTTP/1.1\r\nhost: test.example\r\n\r\n");
    assert_eq!(head.brief(), (403, String::new()));
    assert_eq!(head.header("content-length").as_deref(), Some("19"));
    assert_grpc(&proxy, "/pkg.Service/admin", "7", Some("RBAC: access denied"));
    for content_type in ["application/grpc-web", "application/grpc;charset=utf-8", "Application/grpc"] {
        let response = proxy.exchange(format!(
            "POST /x/admin HTTP/1.1\r\nhost: test.example\r\ncontent-type: {content_type}\r\ncontent-length: 0\r\n\r\n"
        ));
        assert_eq!(response.brief(), (403, "RBAC: access denied".to_owned()), "{content_type}");
    }
    assert_eq!(backend.requests().len(), 1);
}

fn assert_grpc(proxy: &Proxy, path: &str, status: &str, message: Option<&str>) -> Response {
    let response = proxy.exchange(grpc(path));
    assert_eq!(response.brief(), (200, String::new()), "{path}");
    assert_eq!(response.header("content-type").as_deref(), Some("application/grpc"), "{path}");
    assert_eq!(response.header("grpc-status").as_deref(), Some(status), "{path}");
    assert_eq!(response.header("grpc-message").as_deref(), message, "{path}");
    response
}

/// PROXY-GRPC-01, PROXY-GRPC-02
#[test]
fn local_replies_to_grpc() {
    let proxy = World::new()
        .service("empty", &[])
        .service("refused", &[("v1", nobody())])
        .routes(
            "  - match: [{uri: {exact: /empty}}]\n    route: [{destination: {host: empty}}]\n  \
             - match: [{uri: {exact: /refused}}]\n    route: [{destination: {host: refused}}]\n  \
             - match: [{uri: {exact: /direct}}]\n    directResponse: {status: 401, body: {string: '100% no'}}",
        )
        .start();
    assert_grpc(&proxy, "/missing", "12", None);
    assert_grpc(&proxy, "/empty", "14", Some("no healthy upstream"));
    assert_grpc(&proxy, "/direct", "16", Some("100%25 no"));
    let response = proxy.exchange(grpc("/refused"));
    assert_eq!((response.status, response.header("grpc-status").as_deref()), (200, Some("14")));
    let message = response.header("grpc-message").expect("a message");
    assert_eq!(message, format!("{TEXT}retried and the latest reset reason: remote connection failure"));
    let line = proxy.log_line("/refused");
    assert_eq!((line.code, line.flags), (200, vec!["UF".to_owned(), "URX".to_owned()]));
    // Not gRPC (PROXY-GRPC-01).
    let web = grpc("/empty").replace("application/grpc", "application/grpc-web");
    assert_eq!(proxy.exchange(web).status, 503);
}

/// PROXY-LOG-02, PROXY-LOG-04: the line of a request that went well.
#[test]
fn a_request_that_went_well_is_logged_in_full() {
    let backend = Backend::http(|_| ok("four"));
    let proxy = World::to(&backend).start();
    let response = proxy.exchange(
        "PUT /a?b=c HTTP/1.1\r\nhost: test.example\r\nuser-agent: me/1\r\nx-forwarded-for: 8.8.8.8\r\ncontent-length: 3\r\n\r\nabc",
    );
    assert_eq!(response.status, 200);
    let line = proxy.log_line("/a?b=c");
    assert_eq!((line.method.as_str(), line.code, line.flags.join(",").as_str()), ("PUT", 200, "-"));
    assert_eq!((line.details.as_str(), line.transport_failure.as_str()), ("via_upstream", "-"));
    assert_eq!((line.received, line.sent), (3, 4));
    assert_eq!(Some(line.service_time), response.header("x-envoy-upstream-service-time"));
    assert_eq!(line.forwarded_for.replace(' ', ""), "8.8.8.8,127.0.0.1");
    assert_eq!((line.user_agent.as_str(), line.authority.as_str()), ("me/1", "test.example"));
    assert_eq!(Some(line.request_id), backend.only_request().header("x-request-id"));
    assert_eq!(line.upstream, backend.address().to_string());
    assert!(line.upstream_local.starts_with("127.0.0.1:"), "{}", line.upstream_local);
}
