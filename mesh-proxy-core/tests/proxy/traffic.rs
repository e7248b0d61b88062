//! What routes do with requests, end to end: mirrors, balancing, direct responses, redirects, edits.

use std::collections::{HashMap, HashSet};

use crate::support::{Backend, World, eventually, get, ok};

/// ROUTE-MIR-01, ROUTE-MIR-03, ROUTE-MIR-04, PROXY-MIRROR-01: a copy with body; its answer goes nowhere.
#[test]
fn a_mirror_gets_a_copy() {
    let main = Backend::http(|request| ok(&request.body));
    let copy = Backend::http(|_| crate::support::answer("500 No", "", "from the mirror"));
    let proxy = World::new()
        .service("main", &[("v1", main.address())])
        .service("copy", &[("v1", copy.address())])
        .routes("  - route: [{destination: {host: main}}]\n    mirror: {host: copy}")
        .start();
    let mut client = proxy.connect();
    assert_eq!(client.exchange(get("/get")).brief(), (200, String::new()));
    let post = "POST /post?x=1 HTTP/1.1\r\nhost: a\r\nx-own: 1\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(client.exchange(post).brief(), (200, "hello".to_owned()));
    let copies = eventually("both copies have come", || Some(copy.requests()).filter(|all| all.len() == 2));
    let post = copies.iter().find(|request| request.method() == "POST").expect("the copy of the POST");
    assert_eq!((post.target(), post.body.as_slice()), ("/post?x=1", b"hello".as_slice()));
    assert_eq!(post.header("x-own").as_deref(), Some("1"));
    assert_eq!(post.header("x-envoy-internal").as_deref(), Some("true"));
    assert_eq!(post.header("x-request-id"), main.requests()[1].header("x-request-id"));
    assert_eq!(main.requests().len(), 2);
    // The client's requests are logged, the copies are not.
    proxy.log_line("/get");
    proxy.log_line("/post?x=1");
}

/// PROXY-MIRROR-01: what happens to the copy never affects the request.
#[test]
fn a_mirror_that_fails_does_no_harm() {
    let main = Backend::echo();
    let hangs = Backend::raw(|mut wire, _| {
        let _ = wire.rest();
    });
    let dead = ([127, 0, 0, 1], crate::support::free_port()).into();
    let proxy = World::new()
        .service("main", &[("v1", main.address())])
        .service("dead", &[("v1", dead)])
        .service("hangs", &[("v1", hangs.address())])
        .routes(
            "  - match: [{uri: {exact: /dead}}]\n    route: [{destination: {host: main}}]\n    mirror: {host: dead}\n  \
             - route: [{destination: {host: main}}]\n    mirror: {host: hangs}",
        )
        .start();
    let mut client = proxy.connect();
    for path in ["/dead", "/hangs", "/dead", "/hangs"] {
        let request = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
        assert_eq!(client.exchange(request).status, 200, "{path}");
    }
}

/// The three versions of one service, each answering its name.
fn versions() -> ([Backend; 3], World) {
    let backends = [Backend::named("v1"), Backend::named("v2"), Backend::named("v3")];
    let [one, two, three] = &backends;
    let world = World::new()
        .service("backend", &[("v1", one.address()), ("v2", two.address()), ("v3", three.address())])
        .routes("  - route: [{destination: {host: backend}}]");
    (backends, world)
}

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: backend, namespace: default}}\n\
         spec:\n  host: backend\n  trafficPolicy:\n    loadBalancer: {policy}\n"
    )
}

/// LB-RING: a header's value stays with one endpoint, over connections and workers; values spread over all of them.
#[test]
fn consistent_hashing_sticks_by_header() {
    for hash in ["ringHash: {minimumRingSize: 256}", "maglev: {tableSize: 65537}"] {
        let (_backends, world) = versions();
        let proxy = world
            .object("rule.yaml", &rule(&format!("{{consistentHash: {{httpHeaderName: x-user, {hash}}}}}")))
            .start();
        let ask = |user: &str| {
            proxy.exchange(format!("GET / HTTP/1.1\r\nhost: a\r\nx-user: {user}\r\n\r\n")).text()
        };
        let mut places = HashSet::new();
        for user in 0..30 {
            let user = format!("user-{user}");
            let place = ask(&user);
            for _ in 0..4 {
                assert_eq!(ask(&user), place, "{hash}, {user}");
            }
            places.insert(place);
        }
        assert_eq!(places.len(), 3, "{hash}: {places:?}");
    }
}

/// LB-COOKIE: the first answer sets the cookie, and whoever brings it back stays.
#[test]
fn consistent_hashing_by_cookie_sets_the_cookie() {
    let (_backends, world) = versions();
    let policy = "{consistentHash: {httpCookie: {name: stick, path: /, ttl: 60s}}}";
    let proxy = world.object("rule.yaml", &rule(policy)).start();
    let first = proxy.get("/");
    let cookie = first.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("stick=") && cookie.contains("Max-Age=60"), "{cookie}");
    let value = cookie.split(';').next().expect("a pair");
    for _ in 0..10 {
        let again = proxy.exchange(format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {value}\r\n\r\n"));
        assert_eq!((again.text(), again.header("set-cookie")), (first.text(), None));
    }
}

/// LB-RR, LB-LR, LB-RANDOM: every endpoint gets its part, of one connection and of many.
#[test]
fn requests_spread_over_the_endpoints() {
    for algorithm in ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"] {
        let (_backends, world) = versions();
        let proxy = world.object("rule.yaml", &rule(&format!("{{simple: {algorithm}}}"))).start();
        let mut client = proxy.connect();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for _ in 0..150 {
            *counts.entry(client.exchange(get("/")).text()).or_default() += 1;
        }
        let (least, most) = (counts.values().min().expect("some"), counts.values().max().expect("some"));
        assert_eq!(counts.len(), 3, "{algorithm}: {counts:?}");
        match algorithm {
            // One connection is one worker, and one worker takes turns.
            "ROUND_ROBIN" => assert_eq!((*least, *most), (50, 50), "{counts:?}"),
            // Six standard deviations.
            _ => assert!(*least > 15 && *most < 85, "{algorithm}: {counts:?}"),
        }
    }
}

/// LB-LR: an endpoint that is busy is avoided.
#[test]
fn least_request_avoids_a_busy_endpoint() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let busy = Backend::http(move |request| {
        if request.target() == "/hold" {
            let _ = released.lock().expect("one only").recv();
        }
        ok("busy")
    });
    let free = Backend::named("free");
    // One worker compares its own requests only.
    let proxy = World::new()
        .service("backend", &[("v1", busy.address()), ("v1", free.address())])
        .routes("  - route: [{destination: {host: backend}}]")
        .object("rule.yaml", &rule("{simple: LEAST_REQUEST}"))
        .argument("--concurrency=1")
        .start();
    // Held requests that end up at the free one are answered at once; one will be held.
    let mut held = Vec::new();
    eventually("a request is held", || {
        let mut client = proxy.connect();
        client.send(get("/hold"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        held.push(client);
        (!busy.requests().is_empty()).then_some(())
    });
    let before = busy.requests().len();
    let mut client = proxy.connect();
    let answers: Vec<_> = (0..100).map(|_| client.exchange(get("/")).text()).collect();
    let avoided = answers.iter().filter(|answer| *answer == "free").count();
    // Two choices of two endpoints: only both draws falling on the busy one send it anything, a quarter at most.
    assert!(
        avoided >= 60,
        "{avoided} of 100 went to the free endpoint; {} to the busy",
        busy.requests().len() - before
    );
    release.send(()).expect("the backend waits");
}

/// ROUTE-SPLIT: weights, and subsets by label.
#[test]
fn subsets_and_weights() {
    let (_backends, world) = versions();
    let proxy = world
        .routes(
            "  - match: [{headers: {x-only: {exact: v2}}}]\n    route: [{destination: {host: backend, subset: v2}}]\n  \
             - route:\n    - {destination: {host: backend, subset: v1}, weight: 80}\n    - {destination: {host: backend, \
             subset: v3}, weight: 20}",
        )
        .object(
            "rule.yaml",
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: backend, namespace: default}\n\
             spec:\n  host: backend\n  subsets:\n  - {name: v1, labels: {version: v1}}\n  - {name: v2, labels: {version: \
             v2}}\n  - {name: v3, labels: {version: v3}}\n",
        )
        .start();
    let mut client = proxy.connect();
    for _ in 0..10 {
        assert_eq!(client.exchange("GET / HTTP/1.1\r\nhost: a\r\nx-only: v2\r\n\r\n").text(), "v2");
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for _ in 0..300 {
        *counts.entry(client.exchange(get("/")).text()).or_default() += 1;
    }
    // 60 are expected; the standard deviation is 7.
    assert!((18..=102).contains(&counts["v3"]) && counts["v1"] + counts["v3"] == 300, "{counts:?}");
}

/// ROUTE-DIR-01, ROUTE-RDR-01, ROUTE-RDR-02, ROUTE-RDR-04, ROUTE-RDR-08, ROUTE-HDR-06
#[test]
fn direct_responses_and_redirects() {
    let proxy = World::new()
        .routes(
            "  - match: [{uri: {exact: /direct}}]\n    directResponse: {status: 418, body: {string: short and stout}}\n    \
             headers: {response: {set: {x-from: route}}}\n  - match: [{uri: {exact: /empty}}]\n    directResponse: \
             {status: 204}\n  - match: [{uri: {prefix: /old}}]\n    redirect: {uri: /new}\n  - match: [{uri: {prefix: \
             /moved}}]\n    redirect: {authority: other.example, redirectCode: 308}\n    headers: {response: {set: \
             {x-from: redirect}}}",
        )
        .start();
    let mut client = proxy.connect();
    let direct = client.exchange(get("/direct"));
    assert_eq!(direct.brief(), (418, "short and stout".to_owned()));
    assert_eq!(direct.header("content-type").as_deref(), Some("text/plain"));
    assert_eq!(direct.header("x-from").as_deref(), Some("route"));
    assert_eq!(client.exchange(get("/empty")).brief(), (204, String::new()));
    // A body that is not read must not be taken for the next request.
    let moved = client.exchange("POST /moved/x?y=1 HTTP/1.1\r\nhost: A.example:81\r\ncontent-length: 30\r\n\r\nGET /empty HTTP/1.1\r\nhost: a\r\n");
    assert_eq!(moved.brief(), (308, String::new()));
    assert_eq!(moved.header("location").as_deref(), Some("http://other.example/moved/x?y=1"));
    assert_eq!(moved.header("x-from").as_deref(), Some("redirect"));
    let mut client = proxy.connect();
    let old = client.exchange("GET /old/thing?y=1 HTTP/1.1\r\nhost: A.example:81\r\n\r\n");
    assert_eq!(old.brief(), (301, String::new()));
    assert_eq!(old.header("location").as_deref(), Some("http://A.example:81/new?y=1"));
    let line = proxy.log_line("/direct");
    assert_eq!((line.details.as_str(), line.sent), ("direct_response", 15));
    assert_eq!(proxy.log_line("/old/thing?y=1").details, "direct_response");
}

/// ROUTE-RWR-01, ROUTE-HDR-01, ROUTE-HDR-05, ROUTE-HDR-06, PROXY-FWD-05
#[test]
fn rewrites_and_header_edits() {
    let backend = Backend::http(|request| {
        crate::support::answer(
            "200 OK",
            "x-secret: 1\r\n",
            format!("{} {:?}", request.target(), request.header("x-added")),
        )
    });
    let proxy = World::new()
        .service("backend", &[("v1", backend.address())])
        .routes(
            "  - match: [{uri: {prefix: /v1/}}]\n    rewrite: {uri: /, authority: inside.example}\n    headers:\n      \
             request: {set: {x-added: 'path %REQ(:PATH)%'}, remove: [x-gone]}\n      response: {remove: [x-secret], add: \
             {x-seen: '%REQ(:authority)%'}}\n    route: [{destination: {host: backend}}]",
        )
        .start();
    let response = proxy.exchange("GET /v1/thing?a=b HTTP/1.1\r\nhost: outside.example\r\nx-gone: 1\r\n\r\n");
    assert_eq!(response.brief(), (200, "/thing?a=b Some(\"path /v1/thing?a=b\")".to_owned()));
    assert_eq!(response.header("x-secret"), None);
    let request = backend.only_request();
    assert_eq!(request.header("host").as_deref(), Some("inside.example"));
    assert_eq!(request.header("x-gone"), None);
    assert_eq!(request.header("x-envoy-original-path").as_deref(), Some("/v1/thing?a=b"));
    assert_eq!(request.header("x-envoy-original-host").as_deref(), Some("outside.example"));
    let line = proxy.log_line("/v1/thing?a=b");
    assert_eq!(line.code, 200);
}
