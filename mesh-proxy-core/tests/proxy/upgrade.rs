//! WebSocket upgrades (`PROXY-UPG-01` to `-03`): bytes both ways, early ones, ends.

use crate::support::{Backend, Client, World, answer, get};

fn upgrade(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches, says `hello` in the same write, then sends everything back doubled until the client has finished, and
/// says `bye`.
fn doubling() -> Backend {
    Backend::raw(|mut wire, _| {
        let Ok(Some(head)) = wire.head() else { return };
        assert_eq!(head.header("upgrade").as_deref(), Some("websocket"));
        assert!(head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
        assert!(head.header("sec-websocket-key").is_some());
        let _ = wire.send(format!("{SWITCHING}hello"));
        while let Ok(byte) = wire.exact(1) {
            let _ = wire.send([byte[0], byte[0]]);
        }
        let _ = wire.send("bye");
    })
}

fn assert_switched(client: &mut Client) {
    let (status, head) = client.head().expect("an answer");
    assert_eq!(status, 101, "{head:?}");
    assert_eq!(head.header("upgrade").as_deref(), Some("websocket"));
    assert!(head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    assert_eq!(head.header("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("transfer-encoding"), None);
}

/// PROXY-UPG-01, PROXY-UPG-03; the log line comes when it is over, with the bytes of both directions.
#[test]
fn bytes_pass_both_ways_after_the_101() {
    let backend = doubling();
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    // What follows the head at once belongs to the upgraded stream.
    client.send(upgrade("/ws") + "ab");
    assert_switched(&mut client);
    assert_eq!(client.0.exact(5).expect("what the upstream sent at once"), b"hello");
    assert_eq!(client.0.exact(4).expect("early bytes"), b"aabb");
    for _ in 0..3 {
        client.send("x");
        assert_eq!(client.0.exact(2).expect("doubled"), b"xx");
    }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(!proxy.log_text().contains("/ws"), "it is not over yet");

    // Half-close: the client has finished, the upstream goes on.
    client.0.finish();
    assert_eq!(client.0.rest().expect("the rest"), b"bye");
    let line = proxy.log_line("/ws");
    assert_eq!((line.code, line.flags.join(",").as_str(), line.details.as_str()), (101, "-", "via_upstream"));
    assert_eq!((line.received, line.sent), (2 + 3, 5 + 4 + 6 + 3));
    assert!(line.duration >= 1500, "{}", line.duration);
    assert_eq!(line.upstream, backend.address().to_string());
}

/// PROXY-UPG-01: client bytes reach the upstream only after its 101.
#[test]
fn early_bytes_of_the_client_wait_for_the_101() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        wire.stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("an option");
        let early = wire.exact(1).is_ok();
        wire.stream.set_read_timeout(Some(crate::support::PATIENCE)).expect("an option");
        let _ = wire.send(SWITCHING);
        let rest = wire.exact(5).unwrap_or_default();
        let _ = wire.send(format!("{early} {}", String::from_utf8_lossy(&rest)));
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send(upgrade("/") + "early");
    assert_switched(&mut client);
    assert_eq!(String::from_utf8_lossy(&client.0.rest().expect("an answer")), "false early");
}

/// The upstream's end is the client's end, although the client could go on.
#[test]
fn the_upstream_may_finish_first() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire.send(format!("{SWITCHING}all there is"));
        wire.finish();
        let heard = wire.rest().unwrap_or_default();
        assert_eq!(heard, b"thanks");
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send(upgrade("/first"));
    assert_switched(&mut client);
    assert_eq!(client.0.rest().expect("everything"), b"all there is");
    client.send("thanks");
    client.0.finish();
    let line = proxy.log_line("/first");
    assert_eq!((line.received, line.sent), (6, 12));
}

/// An upgraded stream is as wide as any other, in both directions at once.
#[test]
fn megabytes_pass_after_the_101() {
    const SIZE: usize = 2_000_000;
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire.send(SWITCHING);
        while let Ok(part) = wire.exact(10_000) {
            let _ = wire.send(part);
        }
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send(upgrade("/"));
    assert_switched(&mut client);
    let bytes: Vec<u8> = (0..SIZE).map(|at| u8::try_from(at % 251).expect("small")).collect();
    let mut writer = client.0.stream.try_clone().expect("a second handle");
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &sent));
    let received = client.0.exact(SIZE).expect("everything comes back");
    assert!(received == bytes, "unchanged");
    sending.join().expect("no panic").expect("everything was sent");
}

/// PROXY-UPG-02: another answer is an ordinary response.
#[test]
fn an_upstream_that_does_not_switch_is_passed_on() {
    let backend = Backend::http(|request| match request.target() {
        "/ok" => answer("200 OK", "", "plain"),
        "/denied" => answer("403 Forbidden", "", "no sockets"),
        _ => answer("426 Upgrade Required", "upgrade: websocket\r\nconnection: upgrade\r\n", ""),
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(upgrade("/ok")).brief(), (200, "plain".to_owned()));
    let mut client = proxy.connect();
    assert_eq!(client.exchange(upgrade("/denied")).brief(), (403, "no sockets".to_owned()));
    let mut client = proxy.connect();
    assert_eq!(client.exchange(upgrade("/other")).status, 426);
    assert_eq!(proxy.log_line("/ok").code, 200);
}

/// PROXY-UPG-03: a route's timeout ends with the 101.
#[test]
fn the_route_timeout_ends_with_the_101() {
    let backend = doubling();
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes("  - timeout: 2s\n    route: [{destination: {host: backend}}]")
        .start();
    let mut client = proxy.connect();
    client.send(upgrade("/"));
    assert_switched(&mut client);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    client.send("x");
    assert_eq!(client.0.exact(7).expect("still open"), b"helloxx");
}

/// PROXY-UPG-02: a 101 that nobody asked for is no answer.
#[test]
fn a_101_without_a_question_is_a_protocol_error() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire.send(format!("{SWITCHING}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"));
        let _ = wire.rest();
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    let response = client.exchange(get("/"));
    assert!(matches!(response.status, 502 | 503), "{}", response.status);
    // Nothing of the forged answer is left for the next request.
    client.send(get("/"));
    if let Ok(response) = client.try_receive(false) {
        assert!(!response.text().contains("forged"));
    }
}
