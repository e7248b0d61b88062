//! The services on ports from the kernel, behind a stand-in for the mesh listener.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::client::{self, Probe, Reply};
use super::*;

/// Which workload gets a call to a service, given the request's head; `None` answers 500.
type Route = fn(service: &str, head: &str) -> Option<&'static str>;

/// The services, and the mesh they call through.
struct Bookinfo {
    addresses: Vec<(&'static str, SocketAddr)>,
    /// Heads of the requests the mesh saw.
    calls: Arc<Mutex<Vec<String>>>,
    _backends: Backends,
}

impl Bookinfo {
    fn start(route: Route) -> Self {
        let listeners: Vec<_> =
            WORKLOADS.iter().map(|workload| (workload, bind(workload, 0).unwrap())).collect();
        let addresses: Vec<_> =
            listeners.iter().map(|(workload, at)| (workload.name, at.local_addr().unwrap())).collect();
        let mesh = StdListener::bind("127.0.0.1:0").unwrap();
        let backends = Backends::serve(listeners, mesh.local_addr().unwrap()).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (known, seen) = (addresses.clone(), Arc::clone(&calls));
        thread::spawn(move || {
            for socket in mesh.incoming().flatten() {
                let (known, seen) = (known.clone(), Arc::clone(&seen));
                thread::spawn(move || pass_on(socket, route, &known, &seen));
            }
        });
        Self { addresses, calls, _backends: backends }
    }

    fn address(&self, workload: &str) -> SocketAddr {
        address(&self.addresses, workload)
    }

    fn get(
        &self,
        workload: &str,
        target: &'static str,
        headers: &'static [(&'static str, &'static str)],
    ) -> Reply {
        client::send(self.address(workload), &Probe { method: "GET", target, headers }).unwrap()
    }
}

fn address(addresses: &[(&'static str, SocketAddr)], workload: &str) -> SocketAddr {
    addresses.iter().find(|(name, _)| *name == workload).unwrap().1
}

/// One connection of the stand-in: one request, handed to the workload that `route` names.
fn pass_on(
    mut socket: StdStream,
    route: Route,
    known: &[(&'static str, SocketAddr)],
    seen: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).unwrap() == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    seen.lock().unwrap().push(head.clone());
    let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let service = host.strip_suffix(":9080").unwrap();
    let Some(workload) = route(service, &head) else {
        socket.write_all(b"HTTP/1.1 500 x\r\ncontent-length: 3\r\n\r\nbad").unwrap();
        return;
    };
    let mut upstream = StdStream::connect(address(known, workload)).unwrap();
    upstream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).unwrap();
    std::io::copy(&mut upstream, &mut socket).unwrap();
}

/// jason to reviews v2, everybody else to v1; everything works.
fn healthy(service: &str, head: &str) -> Option<&'static str> {
    match service {
        "details" => Some("details-v1"),
        "reviews" if head.contains("end-user: jason\r\n") => Some("reviews-v2"),
        "reviews" => Some("reviews-v1"),
        "ratings" => Some("ratings-v1"),
        _ => None,
    }
}

/// reviews v3, whose ratings fail.
fn without_ratings(service: &str, _: &str) -> Option<&'static str> {
    match service {
        "details" => Some("details-v1"),
        "reviews" => Some("reviews-v3"),
        _ => None,
    }
}

fn nothing_works(_: &str, _: &str) -> Option<&'static str> {
    None
}

#[test]
fn ports_and_versions_are_those_of_the_example() {
    let yaml = include_str!("../../../docs/examples/bookinfo/services.yaml");
    let of_kind = |kind: &str| -> Vec<&str> {
        yaml.split("\n---\n").filter(|document| document.contains(&format!("\nkind: {kind}\n"))).collect()
    };
    let (slices, pods) = (of_kind("EndpointSlice"), of_kind("Pod"));
    assert_eq!((slices.len(), pods.len()), (WORKLOADS.len(), WORKLOADS.len()));
    for (workload, (slice, pod)) in WORKLOADS.iter().zip(slices.into_iter().zip(pods)) {
        let (service, version) = workload.name.rsplit_once('-').unwrap();
        for line in [
            format!("\n  name: {}\n", workload.name),
            format!("\n    kubernetes.io/service-name: {service}\n"),
            format!("\n      name: {}\n", workload.name),
            format!("\n    port: {}\n", workload.port),
        ] {
            assert!(slice.contains(&line), "{}: no `{}` in its slice", workload.name, line.trim());
        }
        for line in [
            format!("\n  name: {}\n", workload.name),
            format!("\n    app: {service}\n"),
            format!("\n    version: {version}\n"),
            format!("\n          containerPort: {}\n", workload.port),
        ] {
            assert!(pod.contains(&line), "{}: no `{}` in its pod", workload.name, line.trim());
        }
    }
}

#[test]
fn every_answer_names_its_workload() {
    let bookinfo = Bookinfo::start(nothing_works);
    for workload in &WORKLOADS {
        for target in ["/health", "/no/such/thing"] {
            let reply = bookinfo.get(workload.name, target, &[]);
            assert_eq!(reply.status, if target == "/health" { 200 } else { 404 }, "{}", workload.name);
            assert_eq!(reply.header("x-served-by").as_deref(), Some(workload.name));
            assert!(reply.body.contains(workload.name), "{}", reply.body);
        }
    }
}

#[test]
fn the_page_shows_what_the_mesh_chose() {
    let bookinfo = Bookinfo::start(healthy);
    let page = bookinfo.get("productpage-v1", "/productpage", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("served by details-v1") && page.body.contains("served by reviews-v1"));
    assert!(page.body.is_ascii(), "{}", page.body);
    assert!(page.body.contains("Not signed in") && !page.body.contains("class=\"stars"), "{}", page.body);

    for headers in [
        &[("end-user", "jason")] as &[_],
        &[("cookie", "theme=dark; end-user=jason")],
        // The header is the stronger of the two.
        &[("end-user", "jason"), ("cookie", "end-user=other")],
    ] {
        let page = bookinfo.get("productpage-v1", "/productpage", headers);
        assert!(page.body.contains("Signed in as <b>jason</b>"), "{}", page.body);
        assert!(page.body.contains("served by reviews-v2"), "{}", page.body);
        assert!(
            page.body.contains("\"4 of 5, black\">&#9733;&#9733;&#9733;&#9733;&#9734;<"),
            "{}",
            page.body
        );
    }
}

#[test]
fn user_and_trace_headers_travel_and_others_do_not() {
    let bookinfo = Bookinfo::start(healthy);
    let headers = &[
        ("end-user", "jason"),
        ("x-request-id", "r1"),
        ("traceparent", "t1"),
        ("x-b3-traceid", "b1"),
        ("x-other", "o1"),
    ];
    bookinfo.get("productpage-v1", "/productpage", headers);
    let calls = bookinfo.calls.lock().unwrap();
    let ratings = calls.iter().find(|head| head.contains("host: ratings:9080\r\n")).unwrap();
    for (name, value) in &headers[..4] {
        assert!(ratings.contains(&format!("{name}: {value}\r\n")), "{ratings}");
    }
    assert!(!ratings.contains("x-other"), "{ratings}");
    assert_eq!(calls.len(), 3, "details, reviews, ratings: {calls:?}");
}

#[test]
fn a_missing_part_is_named_and_the_rest_stays() {
    let bookinfo = Bookinfo::start(without_ratings);
    let page = bookinfo.get("productpage-v1", "/productpage", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("served by reviews-v3"), "{}", page.body);
    assert!(page.body.contains("Ratings service is currently unavailable"), "{}", page.body);
    let reviews = bookinfo.get("reviews-v3", "/reviews/0", &[]);
    assert!(reviews.body.contains("\"ratings_served_by\":null"), "{}", reviews.body);

    let bookinfo = Bookinfo::start(nothing_works);
    let page = bookinfo.get("productpage-v1", "/productpage", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Details service is currently unavailable"), "{}", page.body);
    assert!(page.body.contains("Reviews service is currently unavailable"), "{}", page.body);
}

#[test]
fn the_api_hands_on_the_status_of_the_failure() {
    let bookinfo = Bookinfo::start(without_ratings);
    let reviews = bookinfo.get("productpage-v1", "/api/v1/products/0/reviews", &[]);
    assert_eq!(reviews.status, 200);
    assert!(reviews.body.contains("\"served_by\":\"reviews-v3\""), "{}", reviews.body);
    let ratings = bookinfo.get("productpage-v1", "/api/v1/products/0/ratings", &[]);
    assert_eq!(ratings.status, 500, "what the mesh answered");
    assert_eq!(bookinfo.get("productpage-v1", "/api/v1/products", &[]).status, 200);
    assert_eq!(bookinfo.get("productpage-v1", "/api/v1/products/1", &[]).status, 404);

    // Nobody listens at the mesh address.
    let closed = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = bind(&WORKLOADS[0], 0).unwrap();
    let address = listener.local_addr().unwrap();
    let _backends = Backends::serve(vec![(&WORKLOADS[0], listener)], closed).unwrap();
    let probe = Probe { method: "GET", target: "/api/v1/products/0", headers: &[] };
    assert_eq!(client::send(address, &probe).unwrap().status, 503);
}

#[test]
fn user_names_cannot_carry_markup() {
    let bookinfo = Bookinfo::start(healthy);
    let page = bookinfo.get("productpage-v1", "/productpage", &[("end-user", "<i>'\"&")]);
    assert!(page.body.contains("Signed in as <b>&lt;i&gt;&#39;&quot;&amp;</b>"), "{}", page.body);

    let login = bookinfo.get("productpage-v1", "/login?next=/&username=jason", &[]);
    assert_eq!((login.status, login.header("location").as_deref()), (302, Some("/productpage")));
    assert!(login.header("set-cookie").unwrap().starts_with("end-user=jason;"));
    for target in ["/login", "/login?username=", "/login?username=a%20b", "/login?username=a;b"] {
        assert_eq!(bookinfo.get("productpage-v1", target, &[]).status, 400, "{target}");
    }
    let logout = bookinfo.get("productpage-v1", "/logout", &[]);
    assert!(logout.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[test]
fn a_form_signs_in() {
    let bookinfo = Bookinfo::start(healthy);
    let mut socket = StdStream::connect(bookinfo.address("productpage-v1")).unwrap();
    let request = "POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 23\r\n\
                   content-type: application/x-www-form-urlencoded\r\n\r\nusername=ann_1&passwd=x";
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 302 ") && answer.contains("end-user=ann_1;"), "{answer}");
}

#[test]
fn echo_does_as_it_is_told() {
    let bookinfo = Bookinfo::start(nothing_works);
    let echo = |target, headers| bookinfo.get("echo-v1", target, headers);
    let reply = echo("/anything/x?q=1", &[("x-one", "1"), ("x-two", "a"), ("x-two", "b")]);
    assert_eq!(reply.status, 200);
    for part in ["\"path\":\"/anything/x?q=1\"", "\"x-one\":\"1\"", "\"x-two\":[\"a\",\"b\"]"] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    assert!(reply.header("x-echo-internal").is_some());
    assert_eq!(echo("/status/418", &[]).status, 418);
    assert_eq!(echo("/status/100", &[]).status, 404);
    assert_eq!(echo("/status/abc", &[]).status, 404);
    assert!(echo("/delay/60", &[]).took >= Duration::from_millis(60));
    assert_eq!(echo("/flaky", &[]).status, 503);
    assert_eq!(echo("/flaky", &[("x-envoy-attempt-count", "2")]).status, 503);
    assert_eq!(echo("/flaky", &[("x-envoy-attempt-count", "3")]).status, 200);
}

#[test]
fn a_taken_port_is_named() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = bind(&WORKLOADS[3], port).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("demo service `reviews-v2` cannot listen on 127.0.0.1:{port}: ")),
        "{text}"
    );
    assert!(text.ends_with("; stop the program that has this port, perhaps another demo"), "{text}");
}

#[test]
fn dropping_stops_the_services() {
    let listener = bind(&WORKLOADS[1], 0).unwrap();
    let address = listener.local_addr().unwrap();
    let backends = Backends::serve(vec![(&WORKLOADS[1], listener)], address).unwrap();
    let probe = Probe { method: "GET", target: "/details/0", headers: &[] };
    assert_eq!(client::send(address, &probe).unwrap().status, 200);
    drop(backends);
    assert!(StdStream::connect(address).is_err(), "still listening");
}
