//! The orderly end (section 8.2).

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Backend, Client, Proxy, World, eventually, get, ok, signal};

/// A backend that answers `/held` when it is told to, and everything else at once.
fn held() -> (Backend, Sender<()>) {
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let backend = Backend::http(move |request| {
        if request.target() == "/held" {
            let _ = released.lock().expect("one request only").recv();
        }
        ok(request.target())
    });
    (backend, release)
}

/// A request that is in flight at the backend.
fn in_flight(proxy: &Proxy, backend: &Backend) -> Client {
    let mut client = proxy.connect();
    client.send(get("/held"));
    eventually("the request is in flight", || (!backend.requests().is_empty()).then_some(()));
    client
}

fn until_draining(proxy: &Proxy) {
    eventually("/ready says so", || {
        let ready = proxy.ask_admin("GET /ready");
        (ready.brief() == (503, "DRAINING\n".to_owned())).then_some(())
    });
}

/// PROXY-DRAIN-01, PROXY-DRAIN-02, PROXY-DRAIN-03 (every response is marked), PROXY-DRAIN-04 (ends when nobody is
/// left), PROXY-DRAIN-11
#[test]
fn sigterm_finishes_what_is_in_flight_and_asks_clients_to_leave() {
    let (backend, release) = held();
    let mut proxy = World::to(&backend).argument("--drain-time=25s").start();
    assert_eq!(proxy.ask_admin("GET /ready").brief(), (200, "LIVE\n".to_owned()));
    let mut idle = proxy.connect();
    assert_eq!(idle.exchange(get("/")).header("connection"), None);
    let mut client = in_flight(&proxy, &backend);
    signal("TERM", proxy.pid());
    until_draining(&proxy);

    // New connections are still taken, and an idle one still serves what is already on its way.
    for client in [&mut proxy.connect(), &mut idle] {
        let response = client.exchange(get("/"));
        assert_eq!((response.status, response.header("connection").as_deref()), (200, Some("close")));
        assert!(client.is_closed());
    }
    assert!(proxy.ended().is_none());
    let released = Instant::now();
    release.send(()).expect("the backend waits");
    // Its head was written before the drain began or after it: only the connection's end is certain.
    assert_eq!(client.receive().brief(), (200, "/held".to_owned()));
    drop(client);
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(released.elapsed() < Duration::from_secs(20), "nobody was left, there was nothing to wait for");
    let text = proxy.log_text();
    assert!(text.contains("GET /held "), "the last lines are written before the end: {text}");
}

/// PROXY-DRAIN-01: the drain time is an upper bound; what is left then is cut.
#[test]
fn the_drain_time_cuts_what_is_left() {
    let (backend, _release) = held();
    let mut proxy = World::to(&backend).argument("--drain-time=2s").start();
    let mut client = in_flight(&proxy, &backend);
    let start = Instant::now();
    signal("TERM", proxy.pid());
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(start.elapsed() >= Duration::from_millis(1900), "ended after {:?}", start.elapsed());
    assert!(client.try_receive(false).is_err());
    // PROXY-DRAIN-11
    assert!(proxy.stderr().contains("1 request"), "{}", proxy.stderr());
    let text = proxy.log_text();
    assert!(text.contains("GET /held "), "a request that was cut is logged: {text}");
}

/// PROXY-DRAIN-02, PROXY-DRAIN-04: idle connections do not hold up the end, but they are closed late.
#[test]
fn idle_connections_are_closed_in_the_last_second() {
    let backend = Backend::echo();
    let mut proxy = World::to(&backend).argument("--drain-time=3s").start();
    let mut idle = proxy.connect();
    assert_eq!(idle.exchange(get("/")).status, 200);
    let start = Instant::now();
    signal("TERM", proxy.pid());
    assert!(idle.is_closed());
    assert!(start.elapsed() >= Duration::from_millis(1900), "closed after {:?}", start.elapsed());
    assert_eq!(proxy.wait().code(), Some(0));
}

/// PROXY-DRAIN-01: with nobody there, at once.
#[test]
fn without_connections_sigint_ends_at_once() {
    let backend = Backend::echo();
    let mut proxy = World::to(&backend).argument("--drain-time=25s").start();
    drop(proxy.get("/"));
    let start = Instant::now();
    signal("INT", proxy.pid());
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(proxy.log_text().contains("GET / "), "the last lines are written before the end");
}

/// PROXY-DRAIN-01: a second signal ends now.
#[test]
fn a_second_signal_ends_at_once() {
    let (backend, _release) = held();
    let mut proxy = World::to(&backend).argument("--drain-time=300s").start();
    let mut client = in_flight(&proxy, &backend);
    signal("TERM", proxy.pid());
    until_draining(&proxy);
    assert!(proxy.ended().is_none());
    signal("TERM", proxy.pid());
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(client.try_receive(false).is_err());
}

/// PROXY-DRAIN-07: marks, and goes on.
#[test]
fn drain_listeners_asks_clients_to_leave_and_does_not_end() {
    let backend = Backend::echo();
    let mut proxy = World::to(&backend).start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/")).header("connection"), None);
    assert_eq!(proxy.ask_admin("POST /drain_listeners").brief(), (200, "OK\n".to_owned()));
    until_draining(&proxy);
    let response = client.exchange(get("/"));
    assert_eq!((response.status, response.header("connection").as_deref()), (200, Some("close")));
    assert!(client.is_closed());
    // A connection without a request does not keep the process: nothing ends it but a signal.
    std::thread::sleep(Duration::from_millis(500));
    assert!(proxy.ended().is_none());
    signal("TERM", proxy.pid());
    assert_eq!(proxy.wait().code(), Some(0));
}

/// PROXY-ADM-01, PROXY-ADM-02, PROXY-DRAIN-12
#[test]
fn quitquitquit_ends_now() {
    let (backend, _release) = held();
    let mut proxy = World::to(&backend).argument("--drain-time=300s").start();
    let _client = in_flight(&proxy, &backend);
    for request in ["GET /quitquitquit", "HEAD /quitquitquit", "PUT /quitquitquit", "GET /drain_listeners"] {
        assert_eq!(proxy.ask_admin(request).status, 405, "{request}");
    }
    assert!(proxy.ended().is_none());
    assert_eq!(proxy.ask_admin("POST /quitquitquit").brief(), (200, "OK\n".to_owned()));
    assert_eq!(proxy.wait().code(), Some(0));
}

/// PROXY-DRAIN-10: upgraded streams are left alone until the deadline.
#[test]
fn upgraded_streams_live_until_the_deadline() {
    let backend = Backend::raw(|mut wire, _| {
        let Ok(Some(_)) = wire.head() else { return };
        let _ = wire
            .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        while let Ok(byte) = wire.exact(1) {
            let _ = wire.send(byte);
        }
    });
    let mut proxy = World::to(&backend).argument("--drain-time=4s").start();
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.head().expect("an answer").0, 101);
    signal("TERM", proxy.pid());
    until_draining(&proxy);
    client.send("x");
    assert_eq!(client.0.exact(1).expect("still open"), b"x");
    assert!(client.is_closed());
    assert_eq!(proxy.wait().code(), Some(0));
}
