//! Requests whose end two readers could see at different places (section 3.14).

use crate::support::{Backend, Proxy, World, ok};

fn world() -> (Backend, Proxy) {
    let backend = Backend::http(|request| {
        ok(format!("{} [{}]", request.target(), String::from_utf8_lossy(&request.body)))
    });
    let proxy = World::to(&backend).start();
    (backend, proxy)
}

/// The statuses of all answers to `bytes`, until the proxy closes or has nothing more to say.
fn answers(proxy: &Proxy, bytes: &str) -> Vec<u16> {
    let mut client = proxy.connect();
    let _ = client.0.send(bytes);
    // The answers to what was sent come; then the proxy sees the end and closes.
    client.0.finish();
    let mut statuses = Vec::new();
    while let Ok(response) = client.try_receive(false) {
        statuses.push(response.status);
    }
    statuses
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// PROXY-SMUG-01: framing that is not certain is refused, and nothing after it is looked at.
#[test]
fn framing_that_is_not_certain_is_bad() {
    let (backend, proxy) = world();
    for headers in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: +5",
        "content-length: -5",
        "content-length: 5x",
        "content-length: 0x5",
        "content-length: 5,6",
        "content-length: 99999999999999999999999",
        "content-length:",
        "transfer-encoding: gzip",
        "transfer-encoding: identity",
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: xchunked",
    ] {
        let statuses = answers(&proxy, &format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n{SMUGGLED}"));
        assert!(matches!(statuses[..], [400 | 501]), "{headers:?}: {statuses:?}");
    }
    assert!(backend.requests().is_empty(), "{:#?}", backend.requests());
}

/// PROXY-SMUG-01 with the difference that `worker/downstream.rs` states: the chunks count and the length is dropped,
/// whichever comes first. What follows the chunks is another request, and a bad one.
#[test]
fn of_a_length_and_chunks_the_chunks_count() {
    let (backend, proxy) = world();
    for headers in
        ["content-length: 6\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 6"]
    {
        let statuses =
            answers(&proxy, &format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\n0\r\n\r\nX{SMUGGLED}"));
        assert_eq!(statuses, [200], "{headers:?}");
    }
    let requests = backend.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!((request.target(), request.body.as_slice()), ("/", &[][..]));
    }
}

/// What must hold however such a request is answered: the upstream sees one framing, and the bytes after the chunks
/// are not passed to it as part of the body.
#[test]
fn a_length_and_chunks_together_never_reach_the_upstream_together() {
    let (backend, proxy) = world();
    let mut client = proxy.connect();
    client.send("POST /both HTTP/1.1\r\nhost: a\r\ncontent-length: 44\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.receive().status, 200);
    // The backend's reader refuses both headers together.
    let request = backend.only_request();
    assert_eq!((request.target(), request.body.as_slice()), ("/both", b"abc".as_slice()));
}

/// PROXY-SMUG-02
#[test]
fn header_lines_out_of_form_are_bad() {
    let (backend, proxy) = world();
    for lines in [
        "content-length : 5",
        "transfer-encoding : chunked",
        " folded: 1",
        "x: 1\r\n folded",
        "x: 1\r\n\tfolded",
        "x\0y: 1",
        "(x): 1",
        ": 1",
        "x: a\rb",
    ] {
        let statuses = answers(&proxy, &format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n{SMUGGLED}"));
        assert_eq!(statuses, [400], "{lines:?}");
    }
    assert!(backend.requests().is_empty(), "{:#?}", backend.requests());
}

/// PROXY-SMUG-02 with the difference that `worker/downstream.rs` states: a bare line feed ends a line as well, on this
/// hop only: what goes upstream is written anew.
#[test]
fn a_bare_line_feed_does_not_travel() {
    let (backend, proxy) = world();
    for request in [
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\nx: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
    ] {
        // Not `answers`: a client that ends its side while a request is under way has left, as for Envoy.
        assert_eq!(proxy.connect().exchange(request).status, 200, "{request:?}");
    }
    // The backend's reader takes CRLF only, and would see a line feed within a value.
    let requests = backend.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.target(), request.header("host").as_deref()), ("/", Some("a")));
    }
}

/// PROXY-SMUG-02: one blank between the parts of the request line.
#[test]
fn a_request_line_out_of_form_is_bad() {
    let (backend, proxy) = world();
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /",
    ] {
        let statuses = answers(&proxy, &format!("{line}\r\nhost: a\r\n\r\n"));
        assert_eq!(statuses, [400], "{line:?}");
    }
    assert!(backend.requests().is_empty(), "{:#?}", backend.requests());
}

/// PROXY-SMUG-03: the body cannot be read to its end, so nothing after it is a request, and the upstream never sees a
/// body that looks complete.
#[test]
fn chunks_out_of_form_end_the_connection() {
    let (backend, proxy) = world();
    let whole = proxy.exchange(
        "POST /good HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert_eq!(whole.brief(), (200, "/good [abc]".to_owned()));
    for chunks in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "g\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcde\r\n0\r\n\r\n",
        "11111111111111111\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
    ] {
        let statuses = answers(
            &proxy,
            &format!(
                "POST /chunks HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{SMUGGLED}"
            ),
        );
        // 400 as Envoy says, or cut off without an answer.
        assert!(
            statuses.iter().all(|status| *status >= 400) && statuses.len() <= 1,
            "{chunks:?}: {statuses:?}"
        );
    }
    let complete: Vec<_> = backend.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(complete, ["/good"]);
}
