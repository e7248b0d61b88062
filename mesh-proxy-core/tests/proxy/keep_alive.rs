//! Connections on both sides: reuse, pipelining, limits, closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Backend, World, answer, eventually, get, ok};

/// PROXY-FEAT-01: keep-alive on both sides; PROXY-H2UP-05: without a limit a connection serves any number of requests.
#[test]
fn many_requests_on_one_client_connection_use_one_upstream_connection() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for n in 0..200 {
        assert_eq!(client.exchange(get(&format!("/{n}"))).brief(), (200, format!("GET /{n}")));
    }
    assert_eq!(backend.requests().len(), 200);
    assert_eq!(backend.connections(), 1);
}

/// PROXY-H2UP-05
#[test]
fn max_requests_per_connection_closes_upstream_connections() {
    let backend = Backend::echo();
    let proxy = World::to(&backend)
        .object(
            "rule.yaml",
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: backend, namespace: default}\n\
             spec:\n  host: backend\n  trafficPolicy:\n    connectionPool:\n      http: {maxRequestsPerConnection: 2}\n",
        )
        .start();
    let mut client = proxy.connect();
    for _ in 0..10 {
        assert_eq!(client.exchange(get("/")).status, 200);
    }
    let used: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
    assert_eq!(used, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    eventually("used up connections are closed", || (backend.open_connections() == 0).then_some(()));
}

/// PROXY-EXP-02: one after another, although the first is the slowest and all were there at once.
#[test]
fn pipelined_requests_are_answered_in_order_and_one_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let backend = Backend::http(move |request| {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if request.number == 0 {
            std::thread::sleep(Duration::from_millis(300));
        }
        counted.fetch_sub(1, Ordering::SeqCst);
        ok(format!("{} {}", request.target(), String::from_utf8_lossy(&request.body)))
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    let mut requests = String::new();
    for n in 0..20 {
        // Every other one has a body, so that a wrong end of one would be the wrong beginning of the next.
        if n % 2 == 0 {
            requests += &get(&format!("/{n}"));
        } else {
            let request = format!("POST /{n} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nb{n:03}");
            requests.push_str(&request);
        }
    }
    client.send(requests);
    for n in 0..20 {
        let body = if n % 2 == 0 { String::new() } else { format!("b{n:03}") };
        assert_eq!(client.receive().brief(), (200, format!("/{n} {body}")));
    }
    assert_eq!(most.load(Ordering::SeqCst), 1, "requests of one connection at the backend at the same time");
}

/// PROXY-HOP-01: `connection: close` concerns this hop. The client's ends, the upstream one stays and is used again.
#[test]
fn a_client_that_asks_to_close_is_closed_and_the_upstream_connection_stays() {
    let backend = Backend::echo();
    // One worker, so that both clients share its pool.
    let proxy = World::to(&backend).argument("--concurrency=1").start();
    for _ in 0..2 {
        let mut client = proxy.connect();
        let response = client.exchange("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("connection").as_deref(), Some("close"));
        assert!(client.is_closed());
    }
    assert_eq!(backend.connections(), 1);
    assert_eq!(backend.requests()[0].header("connection"), None);
}

/// PROXY-HOP-01: the other way round.
#[test]
fn an_upstream_that_closes_does_not_close_the_client() {
    let backend = Backend::http(|_| answer("200 OK", "connection: close\r\n", "x"));
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    for _ in 0..3 {
        let response = client.exchange(get("/"));
        assert_eq!(response.brief(), (200, "x".to_owned()));
        assert_eq!(response.header("connection"), None);
    }
    assert_eq!(backend.connections(), 3);
}

/// PROXY-SMUG-05: bytes after a complete response belong to nobody. The next request must not get them.
#[test]
fn an_upstream_connection_with_bytes_too_many_is_not_used_again() {
    let backend = Backend::http(|request| match request.target() {
        "/poison" => [ok("real"), answer("200 OK", "", "poison")].concat(),
        _ => ok("clean"),
    });
    let proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/poison")).brief(), (200, "real".to_owned()));
    for _ in 0..3 {
        assert_eq!(client.exchange(get("/")).brief(), (200, "clean".to_owned()));
    }
    let connections: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 1, 1]);
}
