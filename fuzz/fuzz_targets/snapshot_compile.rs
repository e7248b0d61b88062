//! From YAML to decisions: whatever was loaded compiles, every finding is one line, every cluster that a route
//! names is there, and compiling again gives the same answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::Tree;
use mesh_model::{Options, Source, load};
use mesh_proxy_core::snapshot::{Context, RouteAction, compile};
use mesh_route::RequestHead;

/// What makes the rest reachable: a door, and a service behind it.
const FIXED: &str = r#"
{"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "door"}, "spec": {"selector":
 {"istio": "ingressgateway"}, "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews"}, "spec": {"ports": [{"port": 80, "name": "http"}]}}
---
{"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": "default"}, "spec": {"egress": [{"port":
 {"number": 9080, "protocol": "HTTP", "name": "http"}, "bind": "127.0.0.1", "captureMode": "NONE", "hosts": ["*/*"]}]}}
"#;

fuzz_target!(|tree: Tree| {
    let sources = [Source::new("fixed.yaml", FIXED), Source::new("input.yaml", &tree.0)];
    let loaded = load(sources, &Options::default());
    let context = Context::default();
    let compiled = compile(&loaded.objects, &context);
    let again = compile(&loaded.objects, &context);
    assert_eq!(compiled.issues, again.issues);
    for issue in &compiled.issues {
        assert!(!issue.to_string().contains('\n'), "more than one line: {issue}");
    }
    for (listener, same) in compiled.snapshot.listeners().iter().zip(again.snapshot.listeners()) {
        let actions =
            listener.routes.virtual_hosts().flat_map(|host| host.rules().map(|(_, route)| &route.action));
        for action in actions {
            let RouteAction::Forward(forward) = action else { continue };
            for draw in [0, 1, u64::MAX / 2, u64::MAX] {
                if let Some(index) = forward.destinations.pick(draw).cluster {
                    assert!(compiled.snapshot.cluster(index).is_some(), "{index:?} is nowhere");
                }
            }
        }
        let lines = [("x", "a"), ("x-a", "v1")];
        for host in ["a.example.com", "reviews", "reviews.default.svc.cluster.local:80", ""] {
            for target in ["/", "/api", "/api/?x=a", "/a"] {
                let head = RequestHead::new("GET", host, target, &lines);
                let name = |routes: &mesh_route::RouteTable<_>| {
                    routes
                        .lookup(&head)
                        .route()
                        .map(|found| (found.virtual_host.name().to_owned(), found.rule))
                };
                assert_eq!(name(&listener.routes), name(&same.routes));
            }
        }
    }
});
