//! Bodies: none, chunked, until close, large.

use crate::support::{Backend, World, answer, get, ok};

/// PROXY-HEAD-01
#[test]
fn head_204_and_304_have_no_body_and_the_connection_goes_on() {
    let backend = Backend::http(|request| match (request.method(), request.target()) {
        ("HEAD", "/chunked") => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        ("HEAD", _) => b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".to_vec(),
        (_, "/204") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        (_, "/304") => b"HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\netag: \"e\"\r\n\r\n".to_vec(),
        _ => ok("body"),
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        let head = client.exchange("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!((head.status, head.header("content-length").as_deref()), (200, Some("1234")));
        assert_eq!(client.exchange("HEAD /chunked HTTP/1.1\r\nhost: a\r\n\r\n").status, 200);
        let none = client.exchange(get("/204"));
        assert_eq!(
            (none.status, none.header("content-length"), none.header("transfer-encoding")),
            (204, None, None)
        );
        let same = client.exchange(get("/304"));
        assert_eq!((same.status, same.header("etag").as_deref()), (304, Some("\"e\"")));
        // DIFFERENCE PROXY-HEAD-01: the HTTP engine writes no content-length on a 304.
        assert_eq!(same.header("content-length"), None);
        assert_eq!(client.exchange(get("/")).brief(), (200, "body".to_owned()));
    }
    assert_eq!(backend.connections(), 1);
}

/// PROXY-HEAD-01, PROXY-LOCAL-04: replies of the proxy itself.
#[test]
fn local_replies_to_head_requests_have_headers_only() {
    let backend = Backend::echo();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes(
            "  - match: [{uri: {exact: /direct}}]\n    directResponse: {status: 418, body: {string: teapot}}\n  \
             - match: [{uri: {exact: /up}}]\n    route: [{destination: {host: backend}}]",
        )
        .start();
    let mut client = proxy.connect();
    let direct = client.exchange("HEAD /direct HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((direct.status, direct.header("content-length").as_deref()), (418, Some("6")));
    assert_eq!(direct.header("content-type").as_deref(), Some("text/plain"));
    let missing = client.exchange("HEAD /missing HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((missing.status, missing.header("content-length").as_deref()), (404, Some("0")));
    assert_eq!(missing.header("content-type"), None);
    assert_eq!(client.exchange(get("/up")).status, 200);
}

/// PROXY-HOP-01 (re-framed), PROXY-SMUG-03 (chunking is rebuilt, extensions are ignored)
#[test]
fn chunked_bodies_pass_in_both_directions() {
    let backend = Backend::http(|request| {
        assert_eq!(request.header("content-length"), None);
        let mut out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in request.body.chunks(3) {
            out.extend_from_slice(format!("{:x};ext=\"1\"\r\n", part.len()).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..3 {
        let response = client.exchange(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
             5;name=value\r\nhello\r\n1\r\n \r\nA\r\nchunk ten!\r\n0\r\n\r\n",
        );
        assert_eq!(response.brief(), (200, "hello chunk ten!".to_owned()));
        assert_eq!(response.header("transfer-encoding").as_deref(), Some("chunked"));
    }
    assert_eq!(backend.connections(), 1);
}

/// PROXY-SMUG-01: only responses may last until the connection ends. The client learns the end all the same.
#[test]
fn a_response_until_close_is_given_an_end() {
    let backend = Backend::raw(|mut wire, _| {
        while let Ok(Some(head)) = wire.head() {
            if head.start.contains("/close") {
                wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end").expect("sent");
                return;
            }
            wire.send(ok("next")).expect("sent");
        }
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    let response = client.exchange(get("/close"));
    assert_eq!(response.brief(), (200, "until the end".to_owned()));
    assert_eq!(
        client.exchange(get("/")).brief(),
        (200, "next".to_owned()),
        "the client's connection goes on"
    );
}

/// PROXY-TRL-01: HTTP/1 trailers are dropped, and what they say never becomes a header.
#[test]
fn trailers_are_dropped() {
    let backend = Backend::http(|_| {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n3\r\nabc\r\n0\r\nx-late: 1\r\n\r\n".to_vec()
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        let response = client.exchange(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-auth: me\r\n\r\n",
        );
        assert_eq!(response.brief(), (200, "abc".to_owned()));
        assert_eq!(response.header("x-late"), None);
    }
    for request in backend.requests() {
        assert_eq!(request.body, b"x");
        assert_eq!(request.header("x-auth"), None);
    }
}

/// Bytes that a mistake in their order or number would change.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    })
    .flatten()
    .take(length)
    .collect()
}

/// Compares without printing megabytes.
fn assert_same(found: &[u8], wanted: &[u8], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}: length");
    let at = found.iter().zip(wanted).position(|(a, b)| a != b);
    assert_eq!(at, None, "{what}: first difference");
}

/// PROXY-FLOW-01: content of several megabytes arrives unchanged, with both framings, in both directions; PROXY-LOG-02:
/// and is counted.
#[test]
fn large_bodies_pass_unchanged() {
    const SIZE: usize = 5_000_011;
    let backend = Backend::http(|request| {
        if request.header("x-answer").as_deref() == Some("chunked") {
            let mut out = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for part in request.body.chunks(70_001) {
                out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                out.extend_from_slice(part);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
            return out;
        }
        answer("200 OK", "", &request.body)
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    let body = pattern(SIZE);
    for framing in ["length", "chunked"] {
        let mut request =
            format!("POST /{framing} HTTP/1.1\r\nhost: a\r\nx-answer: {framing}\r\n").into_bytes();
        if framing == "chunked" {
            request.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            for part in body.chunks(33_333) {
                request.extend_from_slice(format!("{:X}\r\n", part.len()).as_bytes());
                request.extend_from_slice(part);
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"0\r\n\r\n");
        } else {
            request.extend_from_slice(format!("content-length: {SIZE}\r\n\r\n").as_bytes());
            request.extend_from_slice(&body);
        }
        let response = client.exchange(request);
        assert_eq!(response.status, 200, "{framing}");
        assert_same(&response.body, &body, framing);
        let line = proxy.log_line(&format!("/{framing}"));
        assert_eq!((line.received, line.sent), (SIZE as u64, SIZE as u64), "{framing}");
    }
    for request in backend.requests() {
        assert_same(&request.body, &body, "as the backend got it");
    }
    assert_eq!(backend.connections(), 1);
}
