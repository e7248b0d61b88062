//! Rules about HTTP routes that the compile step decides (sections 0, 4 and 9 of the route reference).

use mesh_proxy_core::snapshot::{Context, Forward, ProxyIdentity, Role, RouteAction};
use mesh_route::{NoHeaders, RequestHead};

use crate::world::{World, check, gateway, service, sidecar, to, versions, virtual_service};

fn parts(rules: &str) -> Vec<String> {
    vec![
        sidecar(80, "REGISTRY_ONLY"),
        ["a", "b", "m"].map(|name| service("default", name, "80")).concat(),
        service("default", "odd", "8080"),
        versions("a"),
        virtual_service("m", &format!("  hosts: [m]\n  http:\n{rules}")),
    ]
}

fn world(rules: &str) -> World {
    World::new(&parts(rules))
}

fn with_forward<T>(world: &World, role: Role, host: &str, read: impl FnOnce(&Forward) -> T) -> T {
    let head = RequestHead::new("GET", host, "/", &NoHeaders);
    match &world.listener(role).routes.lookup(&head).route().unwrap().action.action {
        RouteAction::Forward(forward) => read(forward),
        other => panic!("{other:?}"),
    }
}

fn cluster_name(world: &World, host: &str) -> String {
    with_forward(world, Role::Sidecar, host, |forward| forward.destinations.pick(0).cluster_name.to_string())
}

#[test]
fn names_of_clusters_route_act_02() {
    let name = |destination: &str| {
        cluster_name(&world(&format!("  - route: [{{destination: {{{destination}}}}}]")), "m")
    };
    assert_eq!(name("host: a"), "outbound|80||a.default.svc.cluster.local");
    assert_eq!(name("host: a, subset: v1"), "outbound|80|v1|a.default.svc.cluster.local");
    assert_eq!(name("host: odd, port: {number: 8080}"), "outbound|8080||odd.default.svc.cluster.local");
    assert_eq!(name("host: a.default.svc.cluster.local"), "outbound|80||a.default.svc.cluster.local");
    assert_eq!(
        name("host: A.default.svc.cluster.local"),
        "outbound|80||A.default.svc.cluster.local",
        "case is kept"
    );
    assert_eq!(name("host: nowhere.example"), "outbound|80||nowhere.example");
}

/// A mirror's destination is found as a route's is: the listener's port on a sidecar, the service's own at a gateway.
#[test]
fn destinations_of_mirrors_route_mir_05() {
    let rule = |mirror: &str| format!("  - {}\n    mirror: {{{mirror}}}", to("a"));
    let target = |world: &World, role, host: &str| {
        with_forward(world, role, host, |forward| {
            let at = (*forward.mirrors[0].target())?;
            Some(world.compiled.snapshot.cluster(at)?.name.to_string())
        })
    };
    let found = |mirror: &str| target(&world(&rule(mirror)), Role::Sidecar, "m");
    assert_eq!(found("host: b").as_deref(), Some("outbound|80||b.default.svc.cluster.local"));
    assert_eq!(found("host: odd"), None, "only the listener's port counts");
    assert_eq!(
        found("host: odd, port: {number: 8080}").as_deref(),
        Some("outbound|8080||odd.default.svc.cluster.local")
    );
    assert_eq!(found("host: a, subset: v2").as_deref(), Some("outbound|80|v2|a.default.svc.cluster.local"));
    let door = World::new(&[
        gateway("m.example.com"),
        service("default", "a", "80"),
        service("default", "odd", "8080"),
        virtual_service(
            "m",
            &format!("  hosts: [m.example.com]\n  gateways: [door]\n  http:\n{}", rule("host: odd")),
        ),
    ]);
    assert_eq!(
        target(&door, Role::Gateway, "m.example.com").as_deref(),
        Some("outbound|8080||odd.default.svc.cluster.local")
    );
}

/// How many retries may run at once is a circuit breaker's affair, and without one there is no limit.
#[test]
fn the_budget_of_retries_route_rty_10() {
    let limit = |policy: &str| {
        let rule = crate::world::istio(
            "DestinationRule",
            "default",
            "b",
            &format!("  host: b\n  trafficPolicy: {{connectionPool: {{http: {policy}}}}}"),
        );
        let mut parts = parts(&format!("  - {}", to("b")));
        parts.push(rule);
        let world = World::new(&parts);
        with_forward(&world, Role::Sidecar, "m", |forward| {
            let at = forward.destinations.pick(0).cluster.unwrap();
            world.compiled.snapshot.cluster(at).unwrap().limits.max_retries
        })
    };
    assert_eq!(limit("{http1MaxPendingRequests: 7}"), None);
    assert_eq!(limit("{maxRetries: 3}"), Some(3));
}

/// What the admission check refuses costs the VirtualService. Read without it, the rest of the rule keeps a meaning.
#[test]
fn refused_redirects_and_rewrites_route_rdr_10_rwr_08() {
    let prefix = "match: [{uri: {prefix: /p}}]";
    for (rule, words) in [
        ("redirect: {}".to_owned(), "redirect"),
        ("redirect: {redirectCode: 302}".to_owned(), "redirect"),
        (
            format!(
                "{prefix}\n    rewrite: {{uri: /q, uriRegexRewrite: {{match: /p, rewrite: /q}}}}\n    {}",
                to("a")
            ),
            "rewrite",
        ),
        (
            format!(
                "{prefix}\n    rewrite: {{uriRegexRewrite: {{match: /p, rewrite: ''}}}}\n    {}",
                to("a")
            ),
            "rewrite",
        ),
        (
            format!(
                "{prefix}\n    rewrite: {{uriRegexRewrite: {{match: '', rewrite: /q}}}}\n    {}",
                to("a")
            ),
            "rewrite",
        ),
    ] {
        let parts = parts(&format!("  - {rule}"));
        let text = parts.concat();
        let loaded =
            mesh_model::load([mesh_model::Source::new("case.yaml", &text)], &mesh_model::Options::default());
        assert!(loaded.has_errors(), "{rule}");
        let said = loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().concat();
        assert!(said.contains(words), "{rule}: {said}");
        // The service's own route answers instead.
        assert_eq!(World::tolerant(&parts).mesh("m/p"), "|80|m.default", "{rule}");
    }
    // Any one of the five will do.
    for field in
        ["uri: /new", "authority: o.com", "port: 81", "scheme: https", "derivePort: FROM_REQUEST_PORT"]
    {
        assert!(world(&format!("  - redirect: {{{field}}}")).mesh("m").starts_with("301 "), "{field}");
    }
}

/// Everything about the proxy is decided when its tables are made; a lookup knows nothing of it, and gives the same answer
/// every time.
#[test]
fn who_the_proxy_is_route_model_01_to_03() {
    let rules = "  - match: [{sourceLabels: {app: me}}]\n    route: [{destination: {host: a}}]\n  - match: \
                 [{sourceNamespace: other}]\n    route: [{destination: {host: b}}]\n  - directResponse: {status: 404}";
    let identity = |namespace: &str, app: &str| {
        let mut context = Context::default();
        context.sidecar = Some(ProxyIdentity::new(namespace).label("app", app));
        context
    };
    let at = |context: &Context| {
        let egress = crate::world::istio(
            "Sidecar",
            &context.sidecar.as_ref().unwrap().namespace,
            "default",
            "  egress:\n  - port: {number: 80, protocol: HTTP, name: http}\n    bind: 127.0.0.1\n    captureMode: NONE\n    \
             hosts: ['*/*']",
        );
        let mut parts = parts(rules);
        parts[0] = egress;
        let world = World::of(&parts, context);
        let first = world.mesh("m.default.svc.cluster.local");
        for draw in [1, 7, u64::MAX] {
            assert_eq!(
                world.ask(Role::Sidecar, "m.default.svc.cluster.local", draw),
                first,
                "ROUTE-MODEL-02"
            );
        }
        first
    };
    assert_eq!(at(&identity("default", "me")), "|80|a.default", "ROUTE-MODEL-01, ROUTE-MODEL-03");
    assert_eq!(at(&identity("other", "you")), "|80|b.default", "ROUTE-MODEL-01, ROUTE-MODEL-03");
    assert_eq!(at(&identity("third", "you")), "404 ", "ROUTE-MODEL-01, ROUTE-MODEL-03");
}

/// What older texts say, and what holds.
#[test]
fn older_texts_route_old_01_03_04_06() {
    let found = world(&format!(
        "  - match: [{{uri: {{prefix: /service/}}}}]\n    {}\n  - match: [{{uri: {{regex: '/rx/[a-z]+'}}}}]\n    {}\n  - \
         match: [{{uri: {{exact: /split}}}}]\n    route: [{{destination: {{host: a}}, weight: 1}}, {{destination: {{host: \
         b}}, weight: 3}}]",
        to("a"),
        to("b")
    ));
    check(
        "ROUTE-OLD-01, ROUTE-OLD-06",
        |request| found.mesh(request),
        &[
            ("m/service/", "|80|a.default"),
            ("m/service/x", "|80|a.default"),
            ("m/service", "404"),
            ("m/rx/abc", "|80|b.default"),
            ("m/rx/abc1", "404"),
            ("m/x/rx/abc", "404"),
        ],
    );
    let picks: Vec<_> = (0..5).map(|draw| found.ask(Role::Sidecar, "m/split", draw)).collect();
    let (a, b) = ("|80|a.default", "|80|b.default");
    assert_eq!(picks, [a, b, b, b, a], "ROUTE-OLD-03: a sum of 4 is as good as one of 100");

    // A missing share is none of the faults and all of the mirrors.
    let found = world(&format!(
        "  - fault: {{abort: {{httpStatus: 500}}}}\n    mirror: {{host: b}}\n    {}",
        to("a")
    ));
    let head = RequestHead::new("GET", "m", "/", &NoHeaders);
    let route = found.listener(Role::Sidecar).routes.lookup(&head).route().unwrap();
    let fault = route.action.fault.as_ref();
    assert!(
        fault.is_none_or(|fault| (0..100).all(|draw| fault.decide(draw, draw).abort.is_none())),
        "ROUTE-OLD-04"
    );
    let mirrored = with_forward(&found, Role::Sidecar, "m", |forward| {
        (0..100).all(|draw| forward.mirrors[0].pick(draw).is_some())
    });
    assert!(mirrored, "ROUTE-OLD-04");
}

/// A name with a dot is taken as it is, and a port is not guessed on a sidecar.
#[test]
fn older_texts_on_names_and_ports_route_old_07_08() {
    let dotted = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "nginx", "80"),
        service("default", "a", "80"),
        virtual_service("n", &format!("  hosts: [nginx.default]\n  http:\n  - {}", to("a"))),
    ]);
    check(
        "ROUTE-OLD-07",
        |request| dotted.mesh(request),
        &[
            ("nginx.default/", "|80|a.default"),
            ("nginx/", "|80|nginx.default"),
            ("nginx.default.svc.cluster.local/", "|80|nginx.default"),
        ],
    );
    assert_eq!(world(&format!("  - {}", to("odd"))).mesh("m"), "|80|odd.default NC", "ROUTE-OLD-08");
    let door = World::new(&[
        gateway("m.example.com"),
        service("default", "odd", "8080"),
        virtual_service(
            "m",
            &format!("  hosts: [m.example.com]\n  gateways: [door]\n  http:\n  - {}", to("odd")),
        ),
    ]);
    assert_eq!(door.door("m.example.com"), "|8080|odd.default", "ROUTE-OLD-08");
}

/// `uri`, `scheme`, `method` and `authority` are header names like any other.
#[test]
fn older_texts_on_header_keys_route_old_10() {
    for key in ["uri", "scheme", "method", "authority"] {
        let found = world(&format!("  - match: [{{headers: {{{key}: {{exact: x}}}}}}]\n    {}", to("a")));
        assert_eq!(found.mesh(&format!("m/ {key}:x")), "|80|a.default", "{key}");
        assert_eq!(found.mesh("m/x"), "404", "{key}: it is not passed over");
    }
}

/// Without credentials there is no header, and the deprecated list is of exact origins.
#[test]
fn older_texts_on_cors_route_old_11() {
    use mesh_route::CorsDecision;
    let found = world(&format!(
        "  - corsPolicy: {{allowOrigin: ['https://a.example', 'https://.*'], allowCredentials: false}}\n    {}",
        to("a")
    ));
    with_forward(&found, Role::Sidecar, "m", |forward| {
        let cors = forward.cors.as_ref().unwrap();
        let CorsDecision::Forward(headers) = cors.decide("GET", Some(b"https://a.example"), None) else {
            panic!("the origin is allowed");
        };
        let names: Vec<_> = headers.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["access-control-allow-origin"]);
        assert!(matches!(cors.decide("GET", Some(b"https://b.example"), None), CorsDecision::Nothing));
    });
}

/// Rewrites, mirrors, retries and timeouts belong to forwarding: Istio does not admit most of them beside a redirect or a
/// direct response, and read all the same they change nothing. Response headers and faults do apply.
#[test]
fn what_a_redirect_ignores_route_act_09() {
    let more = "timeout: 1s\n    retries: {attempts: 9}\n    mirror: {host: b}\n    fault: {abort: {httpStatus: 500, \
                percentage: {value: 100}}}\n    headers: {request: {set: {x: y}}, response: {set: {x-from: route}}}";
    for (action, want) in
        [("redirect: {uri: /new}", "301 http://m/new"), ("directResponse: {status: 418}", "418 ")]
    {
        let world = World::unvalidated(&parts(&format!("  - {action}\n    {more}")));
        assert_eq!(world.mesh("m/old"), want, "{:?}", world.issues());
        let head = RequestHead::new("GET", "m", "/old", &NoHeaders);
        let route = world.listener(Role::Sidecar).routes.lookup(&head).route().unwrap().action;
        let fault = route.fault.as_ref().map(|fault| fault.decide(0, 0));
        assert!(fault.is_some_and(|fault| fault.abort.is_some()), "ROUTE-FLT-01");
        let (RouteAction::Redirect(_, plan) | RouteAction::Direct(_, plan)) = &route.action else {
            panic!("{:?}", route.action)
        };
        assert!(!plan.is_empty(), "response headers are edited");
    }
}

/// A delegate's block joined with its root's takes a request if both take it, and nothing that either refuses; blocks in
/// conflict take nothing.
#[test]
fn a_merged_block_is_both_blocks_route_prop_13() {
    let uris = ["", "uri: {prefix: /p}", "uri: {prefix: /p/}", "uri: {exact: /p/x}", "uri: {regex: '/p.*'}"];
    let block = |parts: [&str; 3]| {
        let fields: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("match: [{{{}}}]", fields.join(", "))
    };
    let roots: Vec<_> = uris
        .iter()
        .flat_map(|uri| ["", "headers: {x: {exact: '1'}}"].map(|headers| block([*uri, headers, ""])))
        .chain([block(["", "", "method: {exact: GET}"]), block(["", "", "method: {exact: POST}"])])
        .collect();
    let delegates: Vec<_> = uris
        .iter()
        .chain(&["uri: {exact: /q}"])
        .flat_map(|uri| ["", "headers: {y: {exact: '1'}}"].map(|headers| block([*uri, headers, ""])))
        .chain([block(["queryParams: {k: {exact: '1'}}", "", "method: {exact: GET}"])])
        .collect();
    let mut parts = vec![sidecar(80, "REGISTRY_ONLY"), service("default", "a", "80")];
    let alone = |name: &str, block: &str| {
        virtual_service(name, &format!("  hosts: [{name}.x]\n  http:\n  - {block}\n    {}", to("a")))
    };
    parts.extend(roots.iter().enumerate().map(|(at, block)| alone(&format!("root-{at}"), block)));
    parts.extend(delegates.iter().enumerate().map(|(at, block)| alone(&format!("own-{at}"), block)));
    for (at, block) in delegates.iter().enumerate() {
        parts.push(virtual_service(
            &format!("delegate-{at}"),
            &format!("  http:\n  - {block}\n    {}", to("a")),
        ));
    }
    for (root, block) in roots.iter().enumerate() {
        for delegate in 0..delegates.len() {
            let name = format!("merged-{root}-{delegate}");
            let rule = format!("{block}\n    delegate: {{name: delegate-{delegate}}}");
            parts.push(virtual_service(&name, &format!("  hosts: [{name}.x]\n  http:\n  - {rule}")));
        }
    }
    let world = World::new(&parts);
    let (mut joined, mut conflicts) = (0, 0);
    for (root, outer) in roots.iter().enumerate() {
        for (delegate, inner) in delegates.iter().enumerate() {
            let mut any = false;
            let mut both_take = Vec::new();
            for path in ["/", "/p", "/p/", "/p/x", "/px", "/q", "/p/x?k=1", "/q?k=1"] {
                for lines in ["", " x:1", " y:1", " x:1 y:1", " x:2 y:1"] {
                    let takes =
                        |name: String| world.mesh(&format!("{name}.x{path}{lines}")) == "|80|a.default";
                    let merged = takes(format!("merged-{root}-{delegate}"));
                    let both = takes(format!("root-{root}")) && takes(format!("own-{delegate}"));
                    assert!(!merged || both, "{outer} with {inner} takes {path}{lines}");
                    any |= merged;
                    if both && !merged {
                        both_take.push(format!("{path}{lines}"));
                    }
                }
            }
            // Either the blocks are in conflict and the rule is gone, or nothing that both take is lost.
            assert!(!any || both_take.is_empty(), "{outer} with {inner} loses {both_take:?}");
            joined += u32::from(any);
            conflicts += u32::from(!both_take.is_empty());
        }
    }
    assert!(joined > 50 && conflicts > 5, "{joined} {conflicts}");
}
