//! The example of the documentation, whole.

use std::path::Path;

use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Context, LoadBalancer, Role, compile};

use crate::world::{World, check};

fn bookinfo() -> World {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/bookinfo");
    let mut texts: Vec<(String, String)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap()))
        .collect();
    texts.sort();
    let loaded = load(texts.iter().map(|(name, text)| Source::new(name, text)), &Options::default());
    assert!(!loaded.has_errors(), "{:#?}", loaded.diagnostics);
    World { compiled: compile(&loaded.objects, &Context::default()) }
}

#[test]
fn listeners_and_virtual_hosts() {
    let world = bookinfo();
    let snapshot = &world.compiled.snapshot;
    let keys: Vec<_> = snapshot.listeners().iter().map(|listener| listener.key.to_string()).collect();
    assert_eq!(keys, ["0.0.0.0:8080", "127.0.0.1:9080"]);
    let hosts = |role| -> Vec<String> {
        world.listener(role).routes.virtual_hosts().map(|host| host.name().to_owned()).collect()
    };
    assert_eq!(hosts(Role::Gateway), ["bookinfo.example.com:8080", "127.0.0.1:8080"], "ROUTE-APPLY-41");
    let service = |name: &str| format!("{name}.default.svc.cluster.local:9080");
    assert_eq!(
        hosts(Role::Sidecar),
        [
            service("reviews"),
            service("ratings"),
            service("details"),
            service("echo"),
            service("productpage"),
            "block_all".to_owned()
        ],
        "ROUTE-APPLY-28, ROUTE-APPLY-30"
    );
    assert_eq!(world.issues().len(), 1, "{:?}", world.issues());
    assert!(world.says(&["VirtualService default/bookinfo-faults: spec.http[2].route[0].destination", "v9"]));
}

/// VirtualServices without a timestamp keep the order of the files; their rules are appended.
#[test]
fn rules_of_the_gateway_in_order_route_apply_41() {
    let world = bookinfo();
    let host = world.listener(Role::Gateway).routes.virtual_host("127.0.0.1").unwrap();
    let names: Vec<_> = host.rules().map(|(_, route)| &*route.name).collect();
    assert_eq!(
        names,
        [
            "pages",
            "pages",
            "pages",
            "pages",
            "api",
            "reviews-jason",
            "reviews-by-query",
            "reviews-canary",
            "echo",
            "header-edits",
            "retries",
            "timeout",
            "abort",
            "delay",
            "beta",
            "moved",
            "home",
            "catalog",
            "book",
            "gateway-health",
        ]
    );
}

#[test]
fn decisions() {
    let world = bookinfo();
    check(
        "gateway",
        |request| world.door(request),
        &[
            ("127.0.0.1:8080/productpage", "|9080|productpage.default"),
            ("bookinfo.example.com/static/x", "|9080|productpage.default"),
            ("127.0.0.1/nowhere", "404"),
            ("unknown.example.com/productpage", "404"),
            ("127.0.0.1/reviews/0", "v1|9080|reviews.default"),
            ("127.0.0.1/reviews/0 end-user:jason", "v2|9080|reviews.default"),
            ("127.0.0.1/reviews/0?version=v3", "v3|9080|reviews.default"),
            ("127.0.0.1:8080/old-products", "301 http://127.0.0.1:8080/productpage"),
            ("127.0.0.1/", "302 http://127.0.0.1/productpage"),
            ("127.0.0.1/book/0/ratings", "|9080|productpage.default"),
            ("127.0.0.1/healthz-gw", "200 gateway-health"),
            ("127.0.0.1/beta", "v9|9080|reviews.default NC"),
        ],
    );
    check(
        "mesh",
        |request| world.mesh(request),
        &[
            ("reviews:9080/reviews/0", "v1|9080|reviews.default"),
            ("reviews:9080/reviews/0 end-user:jason", "v2|9080|reviews.default"),
            ("ratings.default/ratings/0", "v1|9080|ratings.default"),
            ("details:9080/details/0", "|9080|details.default"),
            ("nowhere:9080/", "502 block_all"),
        ],
    );
    assert_eq!(world.ask(Role::Gateway, "127.0.0.1/reviews/0", 89), "v1|9080|reviews.default");
    assert_eq!(world.ask(Role::Gateway, "127.0.0.1/reviews/0", 90), "v3|9080|reviews.default");
}

#[test]
fn clusters() {
    let world = bookinfo();
    let mut found: Vec<_> = world
        .compiled
        .snapshot
        .clusters()
        .iter()
        .map(|cluster| {
            let addresses: Vec<_> = cluster.endpoints.iter().map(|it| it.address.port()).collect();
            let name = cluster.name.replace("outbound|9080|", "").replace(".default.svc.cluster.local", "");
            (name, addresses, cluster.load_balancer.clone())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let want = [
        ("v1|details", 19081, LoadBalancer::LeastRequest),
        ("v1|ratings", 19085, LoadBalancer::LeastRequest),
        ("v1|reviews", 19082, LoadBalancer::RoundRobin),
        ("v2|reviews", 19083, LoadBalancer::Random),
        ("v3|reviews", 19084, LoadBalancer::RoundRobin),
        ("|details", 19081, LoadBalancer::LeastRequest),
        ("|echo", 19086, LoadBalancer::LeastRequest),
        ("|productpage", 19080, LoadBalancer::RoundRobin),
    ];
    assert_eq!(found, want.map(|(name, port, balancer)| (name.to_owned(), vec![port], balancer)));
    let workload = &world.compiled.snapshot.clusters()[0].endpoints[0].workload;
    assert_eq!(
        (workload.canonical_service.as_str(), workload.canonical_revision.as_str()),
        ("productpage", "v1")
    );
}

#[test]
fn policies() {
    let world = bookinfo();
    let denied = |method: &str, path: &str, agent: &str| {
        let headers = [("user-agent", agent)];
        let peer = mesh_authz::Peer::new([127, 0, 0, 1].into());
        let request = mesh_authz::Request::new(peer, ([127, 0, 0, 1], 8080).into())
            .http(mesh_authz::HttpAttributes::new(method, path).host("127.0.0.1:8080").headers(&headers));
        !world.listener(Role::Gateway).policies.evaluate(&request).is_allowed()
    };
    assert!(denied("GET", "/admin/users", "curl"));
    assert!(denied("DELETE", "/productpage", "curl"));
    assert!(denied("GET", "/productpage", "bad-bot/1.0"));
    assert!(!denied("GET", "/productpage", "curl"));
}
