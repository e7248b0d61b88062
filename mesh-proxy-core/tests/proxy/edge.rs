//! Request validation in the order of section 3.1, over the wire.

use crate::support::{Backend, LogLine, Proxy, Response, World, get};

fn world() -> (Backend, Proxy) {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    (backend, proxy)
}

/// Sends `request` on a connection of its own and says what came, and whether the connection was closed after it.
fn refused(proxy: &Proxy, request: impl AsRef<[u8]>) -> (Response, bool) {
    let mut client = proxy.connect();
    // A refusal may come before everything has been written.
    let _ = client.0.send(request.as_ref());
    let response = client.try_receive(false).unwrap_or_else(|error| {
        let start = &request.as_ref()[..request.as_ref().len().min(200)];
        panic!("{error}, as the answer to {:?}", String::from_utf8_lossy(start))
    });
    let usable = client.0.send(get("/after")).is_ok()
        && client.try_receive(false).is_ok_and(|after| after.status == 200);
    (response, !usable)
}

fn flags(line: &LogLine) -> String {
    line.flags.join(",")
}

/// PROXY 3.1 order 2, ROUTE-HOST-28
#[test]
fn http_1_0_must_upgrade() {
    // DIFFERENCE PROXY-REQ-01: the HTTP engine answers in the version it was asked in; Envoy answers in 1.1.
    let (backend, proxy) = world();
    let (response, closed) = refused(&proxy, "GET /old HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(response.brief(), (426, "Upgrade Required".to_owned()));
    assert_eq!(response.header("connection").as_deref(), Some("close"));
    assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
    assert!(closed);
    let line = proxy.log_line("/old");
    assert_eq!((line.code, flags(&line).as_str(), line.details.as_str()), (426, "DPE", "low_version"));
    assert_eq!(line.protocol, "HTTP/1.0");
    assert!(backend.requests().is_empty());
}

/// PROXY 3.1 order 6, ROUTE-HOST-28
#[test]
fn a_request_without_host_is_bad_and_the_connection_goes_on() {
    let (backend, proxy) = world();
    let (response, closed) = refused(&proxy, "GET /hostless HTTP/1.1\r\n\r\n");
    assert_eq!(response.brief(), (400, String::new()));
    assert_eq!(response.header("content-length").as_deref(), Some("0"));
    assert!(!closed);
    let line = proxy.log_line("/hostless");
    assert_eq!((line.code, line.details.as_str()), (400, "missing_host_header"));
    assert_eq!(backend.only_request().target(), "/after");
}

/// PROXY-HOP-05, ROUTE-HOST-28
#[test]
fn several_hosts_or_a_list_of_them_are_bad() {
    let (backend, proxy) = world();
    for (path, hosts) in [("/two", "host: a\r\nhost: a"), ("/list", "host: a,b"), ("/blank", "host: a b")] {
        let (response, _) = refused(&proxy, format!("GET {path} HTTP/1.1\r\n{hosts}\r\n\r\n"));
        assert_eq!(response.status, 400, "{hosts:?}");
        assert_eq!(proxy.log_line(path).code, 400, "{hosts:?}");
    }
    assert!(backend.requests().iter().all(|request| request.target() == "/after"));
}

/// PROXY 3.1 orders 7 and 8, ROUTE-HOST-28
#[test]
fn a_target_that_is_no_path_is_not_found() {
    let (backend, proxy) = world();
    for request in [
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n",
    ] {
        let (response, _) = refused(&proxy, request);
        assert_eq!(response.brief(), (404, String::new()), "{request:?}");
    }
    assert!(backend.requests().iter().all(|request| request.target() == "/after"));
}

/// PROXY-CON-01: no tunnel is opened; nothing that follows a refused CONNECT is passed on.
#[test]
fn connect_is_not_found_and_opens_nothing() {
    let (backend, proxy) = world();
    let mut client = proxy.connect();
    client.send("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n");
    assert_eq!(client.receive().status, 404);
    assert!(backend.connections() == 0, "nothing was connected");
}

/// PROXY-PATH-02, AUTHZ-PATH-07; ROUTE-PATH-02 with the difference that `exchange/request_head.rs` states: the fragment is
/// cut off before anything decides, so policy and upstream see the same path.
#[test]
fn a_fragment_is_seen_by_nobody() {
    let (backend, proxy) = world();
    for (target, seen) in [("/a#b", "/a"), ("/#", "/"), ("/a?b#c", "/a?b")] {
        let response = proxy.exchange(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(backend.requests().pop().expect("a request").target(), seen);
    }
}

/// ROUTE-PATH-04, PROXY-PATH-04
#[test]
fn an_encoded_nul_is_bad_and_other_paths_are_normalised() {
    let (backend, proxy) = world();
    let (response, _) = refused(&proxy, get("/a%00b"));
    assert_eq!(response.brief(), (400, String::new()));
    assert_eq!(proxy.log_line("/a%00b").details, "path_normalization_failed");
    // ROUTE-PATH-01, ROUTE-PATH-03, PROXY-PATH-02: what is forwarded is what was decided on; PROXY-FWD-05: the log has
    // the original.
    assert_eq!(proxy.get("/a/./b/../c%41?x=/../y").text(), "GET /a/cA?x=/../y");
    let request = backend.requests().pop().expect("a request");
    assert_eq!(request.header("x-envoy-original-path").as_deref(), Some("/a/./b/../c%41?x=/../y"));
    assert_eq!(proxy.log_line("/a/./b/../c%41?x=/../y").code, 200);
}

/// PROXY 3.1 order 4, PROXY 3.11: 60 KiB.
#[test]
fn a_head_over_the_limit_is_too_large() {
    let (_backend, proxy) = world();
    let with = |bytes: usize| format!("GET /big HTTP/1.1\r\nhost: a\r\nx-big: {}\r\n\r\n", "b".repeat(bytes));
    assert_eq!(proxy.exchange(with(58 * 1024)).status, 200);
    let (response, closed) = refused(&proxy, with(64 * 1024));
    assert_eq!(response.status, 431);
    assert!(closed);
}

/// PROXY 3.1 order 4, PROXY 3.11: 100 headers.
#[test]
fn too_many_headers_are_too_large() {
    let (_backend, proxy) = world();
    let with = |count: usize| {
        let headers: String = (0..count).map(|n| ["x-", &n.to_string(), ": 1\r\n"].concat()).collect();
        format!("GET /many HTTP/1.1\r\nhost: a\r\n{headers}\r\n")
    };
    assert_eq!(proxy.exchange(with(90)).status, 200);
    let (response, closed) = refused(&proxy, with(101));
    assert_eq!(response.status, 431);
    assert!(closed);
}

/// PROXY 3.1 order 3, PROXY-REQ-05
#[test]
fn garbage_is_bad_and_the_connection_ends() {
    let (backend, proxy) = world();
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03 a TLS hello of sorts\r\n\r\n",
        "complete nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nbad name: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        "G@T / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\u{e4} \u{f6} HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    ] {
        let (response, closed) = refused(&proxy, garbage);
        assert_eq!(response.status, 400, "{garbage:?}");
        assert_eq!(response.header("connection").as_deref(), Some("close"), "{garbage:?}");
        assert!(closed, "{garbage:?}");
    }
    assert!(backend.requests().is_empty());
    // What one client sends does not concern another.
    assert_eq!(proxy.get("/").status, 200);
}

/// PROXY-REQ-01 with the difference that `worker/downstream.rs` states: the status, without Envoy's body.
#[test]
fn codec_errors_have_their_status() {
    let (_backend, proxy) = world();
    let (response, _) = refused(&proxy, "complete nonsense\r\n\r\n");
    assert_eq!(response.status, 400);
    let (response, _) =
        refused(&proxy, format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "b".repeat(1 << 17)));
    assert_eq!(response.status, 431);
}

/// PROXY-HOP-02
#[test]
fn nominating_protected_headers_is_bad() {
    let (backend, proxy) = world();
    for nominated in ["host", "x-forwarded-for", "a,b,c,d,e,f,g,h,i,j"] {
        let (response, _) =
            refused(&proxy, format!("GET /no HTTP/1.1\r\nhost: a\r\nconnection: {nominated}\r\n\r\n"));
        assert_eq!(response.status, 400, "{nominated}");
    }
    assert!(backend.requests().iter().all(|request| request.target() == "/after"));
}

/// PROXY 3.1 order 10, PROXY-UPG-01
#[test]
fn an_upgrade_to_an_unknown_protocol_is_forbidden() {
    let (backend, proxy) = world();
    let (response, _) =
        refused(&proxy, "GET /up HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: irc\r\n\r\n");
    assert_eq!(response.brief(), (403, String::new()));
    assert_eq!(proxy.log_line("/up").details, "upgrade_failed");
    assert!(backend.requests().iter().all(|request| request.target() == "/after"));
}

/// PROXY-UPG-05: an offer of h2c is ignored, not refused.
#[test]
fn an_offer_of_h2c_is_ignored() {
    let (backend, proxy) = world();
    let response = proxy.exchange(
        "GET /h2c HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
    );
    assert_eq!(response.brief(), (200, "GET /h2c".to_owned()));
    let request = backend.only_request();
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

/// AUTHZ-XFF-02: behind a trusted proxy policies see the client that it names, and nobody whom the client names.
#[test]
fn policies_see_the_client_behind_trusted_proxies() {
    let allow = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: \
                 istio-system}\nspec: {rules: [{from: [{source: {remoteIpBlocks: [9.9.9.9]}}]}]}\n";
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: \
                |\n    defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}\n";
    let statuses = |proxy: &Proxy| {
        [
            "",
            "x-forwarded-for: 9.9.9.9\r\n",
            "x-forwarded-for: 9.9.9.9, 1.1.1.1\r\n",
            "x-forwarded-for: 1.1.1.1, 9.9.9.9\r\n",
        ]
        .map(|line| proxy.exchange(format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n")).status)
    };
    let guarded = || World::new().routes("  - directResponse: {status: 200}").object("p.yaml", allow);
    assert_eq!(statuses(&guarded().start()), [403; 4], "nobody is trusted");
    assert_eq!(statuses(&guarded().object("mesh.yaml", mesh).start()), [403, 200, 403, 200]);
}
