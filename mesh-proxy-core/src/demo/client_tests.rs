//! Reading answers framed in every way a server may choose, and refusing broken ones.

use super::*;

fn read(text: &str) -> io::Result<Reply> {
    read_reply(&mut text.as_bytes(), false)
}

#[test]
fn a_body_ends_where_its_framing_says() {
    let cases = [
        ("length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhellorest", "hello"),
        ("no length, to the end", "HTTP/1.1 200 OK\r\n\r\nhello", "hello"),
        ("empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (
            "chunks with an extension and a trailer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nhell\r\n1\r\no\r\n0\r\nt: 1\r\n\r\n",
            "hello",
        ),
        ("no content", "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", ""),
        (
            "an interim answer first",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "hi",
        ),
        ("bare line feeds", "HTTP/1.0 200 OK\ncontent-length: 2\n\nhi", "hi"),
    ];
    for (name, text, body) in cases {
        assert_eq!(read(text).unwrap().body, body, "{name}");
    }
}

#[test]
fn the_answer_to_head_has_no_body() {
    let reply = read_reply(&mut "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".as_bytes(), true).unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
}

#[test]
fn header_names_ignore_case_and_lines_are_joined() {
    let reply = read("HTTP/1.1 302 Found\r\nX-A:  1 \r\nx-a: 2\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(reply.header("x-A").as_deref(), Some("1, 2"));
    assert_eq!(reply.header("x-b"), None);
}

#[test]
fn broken_answers_are_errors() {
    let cases = [
        ("", "the answer broke off"),
        ("HTTP/1.1 200 OK\r\n", "the answer broke off"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "the answer broke off"),
        ("HTTP/2 200\r\n\r\n", "`HTTP/2 200` is not a status line"),
        ("HTTP/1.1 OK\r\n\r\n", "`HTTP/1.1 OK` is not a status line"),
        ("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "`nonsense` is not a header"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello",
            "content-length `5, 5` is no length up to 8 MiB",
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "`xyz` is not a chunk size"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n",
            "a chunk is longer than it says",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "the body is longer than 8 MiB",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nffffffffffffffff\r\n",
            "the body is longer than 8 MiB",
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhell", "the answer broke off"),
    ];
    for (text, message) in cases {
        assert_eq!(read(text).unwrap_err().to_string(), message, "{text:?}");
    }
}

#[test]
fn a_given_host_replaces_the_address() {
    let server = SocketAddr::from(([127, 0, 0, 1], 8080));
    let plain = Probe { method: "GET", target: "/a?b", headers: &[] };
    assert_eq!(
        request_text(server, &plain),
        "GET /a?b HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nuser-agent: mesh-proxy-demo\r\n\
         accept: */*\r\nconnection: close\r\n\r\n"
    );
    let other = Probe {
        method: "OPTIONS",
        target: "/",
        headers: &[("Host", "a.example.com"), ("user-agent", "bot"), ("x-a", "1")],
    };
    assert_eq!(
        request_text(server, &other),
        "OPTIONS / HTTP/1.1\r\nHost: a.example.com\r\nuser-agent: bot\r\nx-a: 1\r\n\
         accept: */*\r\nconnection: close\r\n\r\n"
    );
}
