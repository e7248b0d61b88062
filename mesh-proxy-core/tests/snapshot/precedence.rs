//! What counts when a rule says several things, and what a missing cluster costs (section 4.1 of the route reference).

use mesh_proxy_core::snapshot::{Forward, Role, RouteAction};
use mesh_route::{NoHeaders, RequestHead};

use crate::world::{World, check, service, sidecar, to, versions, virtual_service};

/// A sidecar on port 80 that knows a, b and m, and one rule for `m`; not validated, so that a rule may say too much.
fn world(rule: &str) -> World {
    World::unvalidated(&[
        sidecar(80, "REGISTRY_ONLY"),
        ["a", "b", "m"].map(|name| service("default", name, "80")).concat(),
        versions("a"),
        virtual_service("m", &format!("  hosts: [m]\n  http:\n  - {rule}")),
    ])
}

/// The action for `GET /p/x`.
fn action<T>(world: &World, question: impl FnOnce(&mesh_proxy_core::snapshot::Route) -> T) -> T {
    let head = RequestHead::new("GET", "m", "/p/x", &NoHeaders);
    question(world.listener(Role::Sidecar).routes.lookup(&head).route().unwrap().action)
}

fn forwarded<T>(world: &World, question: impl FnOnce(&Forward) -> T) -> T {
    action(world, |route| match &route.action {
        RouteAction::Forward(forward) => question(forward),
        other => panic!("{other:?}"),
    })
}

const TO_A: &str = "route: [{destination: {host: a}}]";
const DIRECT: &str = "directResponse: {status: 418}";
const REDIRECT: &str = "redirect: {uri: /new}";

/// Redirect, then direct response, then route.
#[test]
fn the_first_of_several_actions_route_act_01() {
    for (parts, want) in [
        (&[TO_A, DIRECT, REDIRECT][..], "301 http://m/new"),
        (&[DIRECT, REDIRECT], "301 http://m/new"),
        (&[TO_A, REDIRECT], "301 http://m/new"),
        (&[TO_A, DIRECT], "418 n"),
        (&[TO_A], "|80|a.default"),
    ] {
        let rule = format!("name: n\n    {}", parts.join("\n    "));
        assert_eq!(world(&rule).mesh("m"), want, "{parts:?}");
    }
}

/// Port, subset and host as completed; the case of the host stays.
#[test]
fn names_of_clusters_route_act_02() {
    for (destination, want) in [
        ("{host: a}", "outbound|80||a.default.svc.cluster.local"),
        ("{host: a, subset: v1}", "outbound|80|v1|a.default.svc.cluster.local"),
        ("{host: a, subset: v1, port: {number: 81}}", "outbound|81|v1|a.default.svc.cluster.local"),
        ("{host: a.default}", "outbound|80||a.default"),
        ("{host: A.Example.com}", "outbound|80||A.Example.com"),
        ("{host: A}", "outbound|80||A.default.svc.cluster.local"),
    ] {
        let found = world(&format!("route: [{{destination: {destination}}}]"));
        assert_eq!(forwarded(&found, |forward| forward.destinations.pick(0).cluster_name.to_string()), want);
    }
}

/// A destination without a cluster stays in place with its share, and has none (ROUTE-WGT-05).
#[test]
fn a_missing_cluster_route_act_07() {
    let found =
        world("route: [{destination: {host: nosuch}, weight: 1}, {destination: {host: a}, weight: 1}]");
    let clusters =
        [0, 1].map(|draw| forwarded(&found, |forward| forward.destinations.pick(draw).cluster.is_some()));
    assert_eq!(clusters, [false, true]);
    assert!(found.says(&["spec.http[0].route[0].destination", "nosuch", "503 (NC)"]), "{:?}", found.issues());
}

/// Beside a redirect or direct response nothing of forwarding counts, but fault and response headers do.
#[test]
fn beside_a_redirect_route_act_09() {
    let beside = "rewrite: {uri: /rewritten, authority: o.com}\n    timeout: 1s\n    retries: {attempts: 9}\n    mirror: \
                  {host: b}\n    corsPolicy: {allowOrigins: [{exact: o.com}]}\n    fault: {abort: {httpStatus: 500, \
                  percentage: {value: 100}}}\n    headers: {request: {set: {q: v}}, response: {set: {r: v}}}";
    for (what, want) in [(REDIRECT, "301 http://m/new"), (DIRECT, "418 n")] {
        let found = world(&format!("name: n\n    {what}\n    {beside}"));
        // The path of the redirect is its own, whatever `rewrite` says.
        assert_eq!(found.mesh("m/p"), want);
        action(&found, |route| {
            assert!(route.fault.is_some(), "{what}");
            let (RouteAction::Redirect(_, plan) | RouteAction::Direct(_, plan)) = &route.action else {
                panic!("{:?}", route.action)
            };
            let text = format!("{plan:?}");
            assert!(text.contains("\"r\"") && !text.contains("\"q\""), "{text}");
        });
    }
}

/// A preflight for a redirect is redirected: such a route has no CORS policy (ROUTE-CORS-01).
#[test]
fn cors_beside_a_redirect_route_case_74() {
    let policy = "corsPolicy: {allowOrigins: [{exact: o.com}]}";
    let found = world(&format!("{REDIRECT}\n    {policy}"));
    assert!(action(&found, |route| matches!(route.action, RouteAction::Redirect(..))));
    let head_headers = [("origin", "o.com"), ("access-control-request-method", "GET")];
    let head = RequestHead::new("OPTIONS", "m", "/", &head_headers[..]);
    let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
    assert!(matches!(lookup.route().unwrap().action.action, RouteAction::Redirect(..)));
    // The same policy beside a destination, even one that does not exist, is there.
    for host in ["a", "nosuch"] {
        let found = world(&format!("{}\n    {policy}", to(host)));
        assert!(forwarded(&found, |forward| forward.cors.is_some()), "{host}");
    }
}

/// A mirror without cluster costs the main request nothing, and is reported as what it is.
#[test]
fn a_mirror_to_nowhere_route_case_67() {
    let found = world(&format!("{TO_A}\n    mirror: {{host: nosuch}}"));
    check("ROUTE-CASE-67", |request| found.mesh(request), &[("m", "|80|a.default")]);
    forwarded(&found, |forward| {
        assert_eq!(forward.mirrors.iter().map(|mirror| *mirror.target()).collect::<Vec<_>>(), [None]);
    });
    assert!(found.says(&["spec.http[0].mirror", "nosuch", "nothing is mirrored"]), "{:?}", found.issues());
}

/// Port and cluster of a mirror follow the rules of a destination: on a sidecar the listener's port.
#[test]
fn clusters_of_mirrors_route_mir_05() {
    let found = world(&format!(
        "{TO_A}\n    mirrors:\n    - destination: {{host: a, subset: v2}}\n    - destination: {{host: b}}"
    ));
    let names = forwarded(&found, |forward| {
        let clusters =
            forward.mirrors.iter().map(|mirror| found.compiled.snapshot.cluster(mirror.target().unwrap()));
        clusters.map(|cluster| cluster.unwrap().name.to_string()).collect::<Vec<_>>()
    });
    assert_eq!(
        names,
        ["outbound|80|v2|a.default.svc.cluster.local", "outbound|80||b.default.svc.cluster.local"]
    );
}

/// Absent is the mesh's policy, which by default is two attempts; zero is none; without conditions the default ones.
#[test]
fn retries_model_res_29() {
    for (rule, attempts, conditions) in [
        ("", 2, true),
        ("retries: {attempts: 0}", 0, true),
        ("retries: {attempts: 5}", 5, true),
        ("retries: {attempts: 5, retryOn: gateway-error}", 5, false),
    ] {
        let found = world(&format!("{TO_A}\n    {rule}"));
        forwarded(&found, |forward| {
            let policy = &forward.retries.policy;
            assert_eq!(policy.attempts(), attempts, "{rule}");
            let same = format!("{policy:?}") == format!("{:?}", mesh_route::RetryPolicy::new(attempts));
            assert_eq!(same, conditions, "{rule}: {policy:?}");
        });
    }
}

/// The route of a rule knows the rule; a default route has none.
#[test]
fn a_route_knows_its_rule() {
    let found = world(&format!("match: [{{uri: {{prefix: /no}}}}, {{uri: {{prefix: /p}}}}]\n    {TO_A}"));
    let source = action(&found, |route| route.source.clone()).unwrap();
    assert_eq!(source.object.to_string(), "VirtualService default/m");
    assert_eq!(source.path().to_string(), "spec.http[0].match[1]");
    let head = RequestHead::new("GET", "a", "/", &NoHeaders);
    let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
    assert_eq!(lookup.route().unwrap().action.source, None);
}
