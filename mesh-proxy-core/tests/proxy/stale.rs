//! Kept upstream connections that the endpoint closes (`PROXY-H2UP-06`).

use std::time::Duration;

use crate::support::{Backend, World, get, ok};

const POST: &str = "POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

/// PROXY-H2UP-06: the end of an idle connection is seen when it is taken from the pool, whatever the method.
#[test]
fn a_connection_that_the_endpoint_closed_while_idle_is_not_used() {
    let backend = Backend::raw(|mut wire, _| {
        wire.stream.set_read_timeout(Some(Duration::from_millis(600))).expect("an option");
        while let Ok(Some(head)) = wire.head() {
            let Ok(body) = wire.body(&head) else { return };
            let _ = wire.send(ok(body.unwrap_or_default()));
        }
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/")).status, 200);
    for (request, body) in [(get("/"), ""), (POST.to_owned(), "hi")] {
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(client.exchange(request).brief(), (200, body.to_owned()));
    }
    assert_eq!(backend.connections(), 3);
}

/// Serves one request on each connection and closes when a second one arrives: the race between a closing endpoint and
/// a request on its way, lost every time.
fn closes_on_second() -> Backend {
    Backend::http(|request| match request.on_connection {
        0 => ok(&request.body),
        _ => Vec::new(),
    })
}

/// PROXY-H2UP-06: a request without side effect is sent again, on another connection, and nobody notices.
#[test]
fn a_get_that_meets_a_closing_connection_is_sent_again() {
    let backend = closes_on_second();
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/")).status, 200);
    for n in 1..=2 {
        std::thread::sleep(Duration::from_millis(900));
        let path = format!("/stale/{n}");
        assert_eq!(client.exchange(get(&path)).status, 200);
        let line = proxy.log_line(&path);
        assert_eq!((line.code, line.flags.join(",").as_str()), (200, "-"));
    }
    let requests: Vec<_> = backend.requests().iter().map(|r| (r.connection, r.on_connection)).collect();
    assert_eq!(requests, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]);
}

/// PROXY-H2UP-06: one that may have had an effect is not; the client learns that the connection was cut.
#[test]
fn a_post_that_meets_a_closing_connection_is_not_sent_again() {
    let backend = closes_on_second();
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(POST).status, 200);
    std::thread::sleep(Duration::from_millis(900));
    let response = client.exchange(POST);
    assert_eq!(
        response.brief(),
        (
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
                .to_owned()
        )
    );
    let lines = proxy.log_lines("/post", 2);
    assert_eq!((lines[1].code, lines[1].flags.clone()), (503, vec!["UC".to_owned()]));
    assert_eq!(backend.requests().len(), 2, "the second was sent once");
    assert_eq!(client.exchange(POST).status, 200, "the client's connection goes on");
}
