//! Configuration that changes while the proxy runs.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use crate::support::{
    Backend, Client, Proxy, World, eventually, free_port, get, ok, service, signal, virtual_service,
};

const ALL: &str = "  - route: [{destination: {host: backend}}]";

fn direct(body: &str) -> String {
    format!("  - directResponse: {{status: 200, body: {{string: {body}}}}}")
}

/// Waits until `GET /` answers `body`.
fn until(proxy: &Proxy, body: &str) {
    eventually(&format!("the answer is `{body}`"), || (proxy.get("/").text() == body).then_some(()));
}

/// PROXY-CFG-02, PROXY-SNAP-01: on connections that stand, too.
#[test]
fn an_edit_takes_effect() {
    let proxy = World::new().routes(&direct("one")).start();
    let mut standing = proxy.connect();
    assert_eq!(standing.exchange(get("/")).text(), "one");
    proxy.world.write("routes.yaml", &virtual_service(&direct("two")));
    until(&proxy, "two");
    eventually("the standing connection follows", || {
        (standing.exchange(get("/")).text() == "two").then_some(())
    });
    // PROXY-SNAP-04
    assert!(
        proxy.ask_admin("GET /stats?filter=config_generation").text().contains("server.config_generation: 2")
    );
}

/// PROXY-CFG-02, PROXY-SNAP-05: the last good version stays, and the finding names file and line.
#[test]
fn a_broken_edit_keeps_the_last_good_version() {
    let proxy = World::new().routes(&direct("good")).start();
    let route = virtual_service(&direct("bad"));
    for (broken, line) in [
        // Not YAML any more.
        (format!("{route}    unclosed: [\n"), 8),
        // An unknown field.
        (route.replace("directResponse:", "directAnswer:"), 8),
        // A value that is not allowed.
        (route.replace("status: 200", "status: 42"), 8),
    ] {
        let before = proxy.stderr().len();
        proxy.world.write("routes.yaml", &broken);
        let path = proxy.world.config().join("routes.yaml").display().to_string();
        let text = eventually("the finding is printed", || {
            let text = proxy.stderr().split_off(before);
            text.contains("stays in force").then_some(text)
        });
        let place = text.split(&path).nth(1).unwrap_or_else(|| panic!("no path in {text}"));
        let number: usize = place
            .strip_prefix(':')
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .unwrap_or_else(|| panic!("no line in {text}"));
        assert!(number.abs_diff(line) <= 2, "line {number} in {text}");
        assert_eq!(proxy.get("/").text(), "good");
        assert!(!proxy.ask_admin("GET /issues").body.is_empty());
        // And back, so that the next finding is a new one.
        proxy.world.write("routes.yaml", &virtual_service(&direct("good")));
        eventually("nothing is wrong any more", || {
            proxy.ask_admin("GET /issues").body.is_empty().then_some(())
        });
    }
    proxy.world.write("routes.yaml", &virtual_service(&direct("better")));
    until(&proxy, "better");
}

/// PROXY-SNAP-05: a change that leaves nothing to serve is not taken.
#[test]
fn removing_every_listener_keeps_the_last_good_version() {
    let proxy = World::new().routes(&direct("one")).start();
    let before = proxy.stderr().len();
    proxy.world.remove("gateway.yaml");
    eventually("it is reported", || proxy.stderr()[before..].contains("stays").then_some(()));
    assert_eq!(proxy.get("/").text(), "one");
}

/// PROXY-SNAP-06: new ports are served, removed ones refuse, others are not disturbed.
#[test]
fn listeners_come_and_go() {
    let proxy = World::new().routes(&direct("x")).start();
    let (first, second) = (proxy.world.port, free_port());
    let ask = |port: u16| {
        let mut client = Client::try_connect(([127, 0, 0, 1], port).into()).ok()?;
        client.0.send(get("/")).ok()?;
        client.try_receive(false).ok().map(|response| response.status)
    };
    assert_eq!((ask(first), ask(second)), (Some(200), None));
    proxy.world.gateway(&[first, second]);
    eventually("the new port is served", || (ask(second) == Some(200)).then_some(()));
    assert_eq!(ask(first), Some(200));

    let mut standing = proxy.connect();
    assert_eq!(standing.exchange(get("/")).status, 200);
    proxy.world.gateway(&[second]);
    eventually("the removed port refuses", || {
        Client::try_connect(([127, 0, 0, 1], first).into()).is_err().then_some(())
    });
    assert_eq!(ask(second), Some(200));
    // PROXY-SNAP-06: its connections are asked to leave, not cut.
    let response = standing.exchange(get("/"));
    assert_eq!((response.status, response.header("connection").as_deref()), (200, Some("close")));
    assert!(standing.is_closed());

    proxy.world.gateway(&[first, second]);
    eventually("the port is served again", || (ask(first) == Some(200)).then_some(()));
}

/// PROXY-SHAPE-01: a request in flight is finished by the version that it began with.
#[test]
fn requests_in_flight_finish() {
    let (release, released) = channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let slow = Backend::http(move |_| {
        let _ = released.lock().expect("one request only").recv();
        ok("from the old one")
    });
    let new = Backend::named("from the new one");
    let other_port = free_port();
    let proxy = World::to(&slow).start();
    let mut client = proxy.connect();
    client.send(get("/"));
    eventually("the request is in flight", || (slow.requests().len() == 1).then_some(()));
    // Other endpoints, another port: nothing of what the request uses is left.
    proxy.world.write("service-backend.yaml", &service("backend", &[("v1", new.address())]));
    proxy.world.gateway(&[other_port]);
    let address = ([127, 0, 0, 1], other_port).into();
    eventually("the change is in force", || {
        let mut client = Client::try_connect(address).ok()?;
        client.0.send(get("/")).ok()?;
        (client.try_receive(false).ok()?.text() == "from the new one").then_some(())
    });
    release.send(()).expect("the backend waits");
    assert_eq!(client.receive().brief(), (200, "from the old one".to_owned()));
}

/// PROXY-SNAP-02: connections to endpoints survive a change that does not concern them.
#[test]
fn upstream_connections_survive_a_change_elsewhere() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).argument("--concurrency=1").start();
    assert_eq!(proxy.get("/").status, 200);
    proxy.world.write(
        "routes.yaml",
        &virtual_service(&format!(
            "  - match: [{{uri: {{exact: /new}}}}]\n    directResponse: {{status: 204}}\n{ALL}"
        )),
    );
    eventually("the change is in force", || (proxy.get("/new").status == 204).then_some(()));
    assert_eq!(proxy.get("/").status, 200);
    assert_eq!(backend.connections(), 1);
}

/// PROXY-SNAP-02: an endpoint that is gone gets no more requests.
#[test]
fn endpoints_come_and_go() {
    let (one, two) = (Backend::named("one"), Backend::named("two"));
    let proxy = World::to(&one).start();
    assert_eq!(proxy.get("/").text(), "one");
    proxy.world.write("service-backend.yaml", &service("backend", &[("v1", two.address())]));
    until(&proxy, "two");
    for _ in 0..10 {
        assert_eq!(proxy.get("/").text(), "two");
    }
    eventually("connections to the old endpoint are closed", || (one.open_connections() == 0).then_some(()));
    proxy.world.write("service-backend.yaml", &service("backend", &[]));
    eventually("no endpoint is left", || (proxy.get("/").text() == "no healthy upstream").then_some(()));
}

/// PROXY-RESTART-05: SIGHUP never hurts.
#[test]
fn sighup_reads_the_files_again() {
    let proxy = World::new().routes(&direct("one")).start();
    signal("HUP", proxy.pid());
    proxy.world.write("routes.yaml", &virtual_service(&direct("two")));
    signal("HUP", proxy.pid());
    until(&proxy, "two");
}
