//! `expect: 100-continue`, and answers that come before the request is through.

use std::time::Duration;

use crate::support::{Backend, World, answer, get, ok};

/// PROXY-EXP-01: the proxy says that it will read the body, and the upstream is not asked again.
#[test]
fn expect_100_continue_is_answered_here() {
    let backend = Backend::http(|request| ok(&request.body));
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    let (status, _) = client.head().expect("an interim answer");
    assert_eq!(status, 100);
    assert_eq!(client.exchange("hello").brief(), (200, "hello".to_owned()));
    assert_eq!(backend.only_request().header("expect"), None);
    assert_eq!(client.exchange(get("/")).status, 200);
}

/// PROXY-EXP-01: nobody reads a body that has nowhere to go, so nobody is told to send it.
#[test]
fn a_refused_request_is_not_told_to_continue() {
    let proxy =
        World::new().routes("  - match: [{uri: {exact: /none}}]\n    directResponse: {status: 403}").start();
    let mut client = proxy.connect();
    client.send("POST /none HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.receive().status, 403);
    // The body never came, so nothing else can on this connection (PROXY-SMUG-05).
    assert!(client.is_closed());
}

/// PROXY-FLOW-04: the answer is passed on although the body is still coming, and the leftover is never taken for a
/// request (PROXY-SMUG-05).
#[test]
fn an_early_answer_ends_the_upload() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire.send(answer("413 Payload Too Large", "connection: close\r\n", "enough"));
        // Lingers, so that the answer is not lost to a reset.
        wire.finish();
        let _ = wire.rest();
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    client.send("POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.receive().brief(), (413, "enough".to_owned()));
    std::thread::sleep(Duration::from_millis(200));
    // The rest may be refused already.
    let _ = client.0.send(get("/smuggled"));
    assert!(client.try_receive(false).is_err(), "the connection cannot be used for another request");
    assert_eq!(backend.connections(), 1);
    let line = proxy.log_line("/early");
    assert_eq!((line.code, line.details.as_str()), (413, "via_upstream"));
}

/// PROXY-EXP-01: an interim answer of the upstream is not the answer.
#[test]
fn interim_answers_of_the_upstream_are_no_answers() {
    let backend = Backend::http(|_| {
        [b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".to_vec(), ok("final")].concat()
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send(get("/"));
        let response = loop {
            let response = client.receive();
            // Passing a 103 on is allowed, but nothing else may come first.
            if response.status != 103 {
                break response;
            }
        };
        assert_eq!(response.brief(), (200, "final".to_owned()));
    }
}
