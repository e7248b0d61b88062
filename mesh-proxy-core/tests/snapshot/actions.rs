//! What a route does (section 4 of the route reference).

use std::sync::Arc;
use std::time::Duration;

use mesh_proxy_core::snapshot::{Forward, Role, RouteAction};
use mesh_route::{
    Attempt, CorsDecision, HeaderEditor, HeaderPlan, NoHeaders, Operator, RequestHead, RetryDecision,
    RetryPolicy,
};

use crate::world::{World, check, gateway, service, sidecar, versions, virtual_service};

/// A sidecar on port 80 with services a and b, and one rule for `m`.
fn world(rule: &str) -> World {
    World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        ["a", "b", "m"].map(|name| service("default", name, "80")).concat(),
        service("default", "odd", "8080"),
        versions("a"),
        virtual_service("m", &format!("  hosts: [m]\n  http:\n  - {rule}")),
    ])
}

fn forward(world: &World) -> Arc<Forward> {
    let head = RequestHead::new("GET", "m", "/p/x", &NoHeaders);
    let found = world.listener(Role::Sidecar).routes.lookup(&head).route().unwrap();
    match &found.action.action {
        RouteAction::Forward(forward) => Arc::clone(forward),
        other => panic!("{other:?}"),
    }
}

const TO_A: &str = "route: [{destination: {host: a}}]";

#[test]
fn missing_subsets_and_pods_route_case_50() {
    let found = world("route: [{destination: {host: a, subset: v9}}]");
    assert_eq!(found.mesh("m"), "v9|80|a.default NC", "ROUTE-CASE-50, ROUTE-ACT-05");
    assert!(
        found.says(&[
            "warning: VirtualService default/m: spec.http[0].route[0].destination",
            "v9",
            "503 (NC)"
        ]),
        "{:?}",
        found.issues()
    );
    let rules = versions("a").replace("version: v2", "version: v7");
    let found = World::new(&[
        sidecar(80, "REGISTRY_ONLY"),
        service("default", "a", "80"),
        rules,
        virtual_service("a", "  hosts: [a]\n  http:\n  - route: [{destination: {host: a, subset: v2}}]"),
    ]);
    assert_eq!(found.mesh("a"), "v2|80|a.default UH", "ROUTE-CASE-50, ROUTE-ACT-08");
}

/// Without a port, a sidecar takes the listener's, a gateway the service's only one.
#[test]
fn the_port_of_a_destination_route_case_51() {
    let rule = "route: [{destination: {host: odd}}]";
    let found = world(rule);
    assert_eq!(found.mesh("m"), "|80|odd.default NC", "ROUTE-CASE-51, ROUTE-ACT-04");
    assert!(found.says(&["no port 80", "8080"]), "{:?}", found.issues());
    let found = World::new(&[
        gateway("m.example.com"),
        service("default", "odd", "8080"),
        service("default", "two", "8080 9090"),
        virtual_service(
            "m",
            "  hosts: [m.example.com]\n  gateways: [door]\n  http:\n  - match: [{uri: {prefix: /two}}]\n    route: \
             [{destination: {host: two}}]\n  - match: [{uri: {prefix: /port}}]\n    route: [{destination: {host: two, \
             port: {number: 9090}}}]\n  - match: [{uri: {prefix: /case}}]\n    route: [{destination: {host: \
             ODD.default.svc.cluster.local}}]\n  - route: [{destination: {host: odd}}]",
        ),
    ]);
    check(
        "ROUTE-CASE-51, ROUTE-ACT-03",
        |request| found.door(request),
        &[
            ("m.example.com/", "|8080|odd.default"),
            ("m.example.com/two", "|80|two.default NC"),
            ("m.example.com/port", "|9090|two.default"),
            ("m.example.com/case", "|80|ODD.default NC"),
        ],
    );
}

#[test]
fn weights_route_case_52() {
    let split = |first: u32, second: u32| {
        world(&format!(
            "route: [{{destination: {{host: a}}, weight: {first}}}, {{destination: {{host: b}}, weight: {second}}}]"
        ))
    };
    for (weights, draw, want) in [
        ((75, 25), 74, "a"),
        ((75, 25), 75, "b"),
        ((75, 25), 100, "a"),
        ((1, 3), 0, "a"),
        ((1, 3), 1, "b"),
        ((1, 3), 3, "b"),
        ((0, 5), 0, "b"),
        ((0, 5), 9, "b"),
    ] {
        let found = split(weights.0, weights.1).ask(Role::Sidecar, "m", draw);
        assert_eq!(found, format!("|80|{want}.default"), "ROUTE-CASE-52: {weights:?} {draw}");
    }
    let single = world("route: [{destination: {host: a}, weight: 0}]");
    assert_eq!(single.mesh("m"), "|80|a.default", "ROUTE-CASE-52, ROUTE-WGT-01");
}

#[test]
fn redirects_route_case_53_54_56() {
    let at = |rule: &str, request: &str| world(rule).mesh(request);
    assert_eq!(at("redirect: {uri: /new}", "m/foo?key=v"), "301 http://m/new?key=v", "ROUTE-CASE-53");
    assert_eq!(at("redirect: {uri: '/new?z=9', redirectCode: 308}", "m/foo?key=v"), "308 http://m/new?z=9");
    let derived = "redirect: {scheme: https, derivePort: FROM_REQUEST_PORT}";
    assert_eq!(at(derived, "m/foo"), "301 https://m:80/foo", "ROUTE-CASE-54, ROUTE-RDR-05");
    assert_eq!(at("redirect: {authority: o.com, port: 8443}", "m/"), "301 http://o.com:8443/");
    let prefixed = "match: [{uri: {prefix: /old/}}]\n    redirect: {prefixRewrite: /new/}";
    assert_eq!(at(prefixed, "m/old/bar?x=1"), "301 http://m/new/bar?x=1", "ROUTE-CASE-56");
}

/// Redirect, then direct response, then route.
#[test]
fn direct_responses_route_dir_01() {
    let found = world("name: d\n    directResponse: {status: 418, body: {bytes: aMOp}}");
    assert_eq!(found.mesh("m"), "418 d");
    let head = RequestHead::new("GET", "m", "/", &NoHeaders);
    let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
    let RouteAction::Direct(response, _) = &lookup.route().unwrap().action.action else {
        panic!("no response")
    };
    assert_eq!(response.body(), "hé".as_bytes());
}

#[test]
fn rewrites_route_rwr_01_to_06() {
    let path = |rule: &str, path: &str| {
        let found = world(&format!("{rule}\n    {TO_A}"));
        let head = RequestHead::new("GET", "m", path, &NoHeaders);
        let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
        let RouteAction::Forward(forward) = &lookup.route().unwrap().action.action else {
            panic!("no forward")
        };
        forward.rewrite.as_ref().map(|rewrite| rewrite.apply(path).into_owned())
    };
    let with = |block: &str, to: &str| format!("match: [{{uri: {{{block}}}}}]\n    rewrite: {{{to}}}");
    assert_eq!(path(&with("prefix: /p", "uri: /q"), "/p/x?y").unwrap(), "/q/x?y", "ROUTE-RWR-01");
    assert_eq!(path(&with("exact: /p/x", "uri: /q"), "/p/x?y").unwrap(), "/q?y", "ROUTE-RWR-02");
    assert_eq!(path(&with("regex: '/p.*'", "uri: /q"), "/p/x").unwrap(), "/q", "ROUTE-RWR-02");
    assert_eq!(path("rewrite: {uri: /base}", "/p/x").unwrap(), "/basep/x", "ROUTE-RWR-03");
    let regex = "rewrite: {uriRegexRewrite: {match: '^/p/(.*)$', rewrite: '/\\1/p'}}";
    assert_eq!(path(regex, "/p/x?y").unwrap(), "/x/p?y", "ROUTE-RWR-06");
    assert_eq!(path("rewrite: {authority: x}", "/p"), None);
}

#[test]
fn the_upstreams_host_route_rwr_10() {
    let authority = |rule: &str| {
        let found = forward(&world(rule));
        found.destinations.pick(0).authority.as_deref().map(str::to_owned)
    };
    let set = |key: &str, value: &str| format!("headers: {{request: {{set: {{'{key}': {value}}}}}}}");
    let to = |headers: &str| format!("route: [{{destination: {{host: a}}, {headers}}}]");
    assert_eq!(authority(TO_A), None);
    let rewrite = format!("rewrite: {{authority: w}}\n    {}", to(&set("Host", "d")));
    assert_eq!(authority(&rewrite).as_deref(), Some("w"));
    let both = format!("{}\n    {}", set(":authority", "r"), to(&set("Host", "d")));
    assert_eq!(authority(&both).as_deref(), Some("r"), "ROUTE-CASE-64");
    assert_eq!(authority(&to(&set("Host", "d"))).as_deref(), Some("d"));
}

/// A header map to edit.
#[derive(Debug, Default, PartialEq)]
struct Lines(Vec<(String, String)>);

impl HeaderEditor for Lines {
    fn write(&self, _: &Operator, _: &mut Vec<u8>) {}

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    }
}

fn edited(plan: &HeaderPlan) -> String {
    let mut lines = Lines(vec![("x".to_owned(), "C".to_owned())]);
    plan.apply(&mut lines);
    lines.0.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
}

/// One destination is one level with the route; several come before it.
#[test]
fn header_edits_route_hdr_03_04() {
    let one = |route: &str, destination: &str| {
        format!(
            "headers: {{request: {route}, response: {route}}}\n    route: [{{destination: {{host: a}}, headers: \
             {{request: {destination}, response: {destination}}}}}]"
        )
    };
    let two = |route: &str, destination: &str| {
        one(route, destination).replace("}}}]", "}}, weight: 1}, {destination: {host: b}, weight: 1}]")
    };
    let answer = |rule: &str| {
        let found = forward(&world(rule));
        let destination = found.destinations.pick(0);
        let (request, response) =
            (edited(&destination.request_headers), edited(&destination.response_headers));
        assert_eq!(request, response);
        request
    };
    assert_eq!(answer(&one("{set: {x: R}}", "{set: {x: D}}")), "D", "ROUTE-CASE-61, ROUTE-HDR-03");
    assert_eq!(answer(&two("{set: {x: R}}", "{set: {x: D}}")), "R", "ROUTE-CASE-61, ROUTE-HDR-04");
    assert_eq!(answer(&one("{add: {x: R}}", "{set: {x: D}}")), "D,R", "ROUTE-CASE-62");
    assert_eq!(answer(&one("{set: {x: R}}", "{remove: [x]}")), "R", "ROUTE-HDR-03");
    assert_eq!(answer(&two("{remove: [x]}", "{set: {x: D}}")), "", "ROUTE-HDR-04");
}

#[test]
fn header_edits_of_a_direct_response_route_hdr_06() {
    let found = world("headers: {response: {set: {x: R}}}\n    directResponse: {status: 200}");
    let head = RequestHead::new("GET", "m", "/", &NoHeaders);
    let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
    let RouteAction::Direct(_, plan) = &lookup.route().unwrap().action.action else { panic!("no response") };
    assert_eq!(edited(plan), "R");
}

#[test]
fn timeouts_and_retries_route_rty_01_to_03() {
    let plain = forward(&world(TO_A));
    assert_eq!(plain.timeouts.limits().overall, None, "ROUTE-TMO-01");
    assert_eq!(plain.retries.policy, RetryPolicy::mesh_default(), "ROUTE-RTY-01");
    let limited = forward(&world(&format!(
        "timeout: 5s\n    retries: {{attempts: 3, perTryTimeout: 2s, retryOn: '503,reset', backoff: 10ms}}\n    {TO_A}"
    )));
    let limits = limited.timeouts.limits();
    assert_eq!(
        (limits.overall, limits.per_try),
        (Some(Duration::from_secs(5)), Some(Duration::from_secs(2)))
    );
    let policy = &limited.retries.policy;
    assert_eq!(policy.attempts(), 3, "ROUTE-RTY-02");
    let after = |draw| policy.decide(&Attempt::response(503), 0, draw);
    assert_eq!(after(9), RetryDecision::Retry { after: Duration::from_millis(9) }, "ROUTE-RTY-07");
    assert_eq!(after(10), RetryDecision::Retry { after: Duration::ZERO }, "ROUTE-RTY-07");
    assert_eq!(policy.decide(&Attempt::ConnectFailure, 0, 0), RetryDecision::Retry { after: Duration::ZERO });
    assert_eq!(policy.decide(&Attempt::response(500), 0, 0), RetryDecision::Done);
    let none = forward(&world(&format!("retries: {{attempts: 0}}\n    {TO_A}")));
    assert_eq!(none.retries.policy.attempts(), 0);
}

#[test]
fn faults_route_flt_02() {
    let fault = |rule: &str| {
        let found = world(&format!("fault: {{{rule}}}\n    {TO_A}"));
        let head = RequestHead::new("GET", "m", "/", &NoHeaders);
        let lookup = found.listener(Role::Sidecar).routes.lookup(&head);
        lookup.route().unwrap().action.fault.clone()
    };
    assert!(fault("abort: {httpStatus: 500}").is_none(), "a missing percentage is none");
    let half = fault("abort: {httpStatus: 500, percentage: {value: 50}}").unwrap();
    assert!(
        half.decide(0, 499_999).abort.is_some() && half.decide(0, 500_000).abort.is_none(),
        "ROUTE-CASE-71"
    );
    let both = fault("delay: {fixedDelay: 2s, percentage: {value: 100}}, abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}").unwrap();
    let decision = both.decide(0, 0);
    assert_eq!(decision.delay, Some(Duration::from_secs(2)), "ROUTE-CASE-72");
    let reply = decision.abort.unwrap().reply(true);
    assert_eq!((reply.http_status, reply.grpc_status.unwrap().code()), (200, 14), "ROUTE-FLT-04");
}

#[test]
fn mirrors_route_mir_01_02() {
    let mirrors = |rule: &str| forward(&world(&format!("{rule}\n    {TO_A}"))).mirrors.clone();
    let sent =
        |rule: &str, draw: u64| mirrors(rule).iter().filter(|mirror| mirror.pick(draw).is_some()).count();
    assert_eq!(sent("mirror: {host: b}", u64::MAX), 1, "ROUTE-CASE-66");
    assert!(mirrors("mirror: {host: b}\n    mirrorPercentage: {value: 0}").is_empty(), "ROUTE-CASE-66");
    let share = "mirror: {host: b}\n    mirrorPercentage: {value: 0.57}";
    assert_eq!((sent(share, 5698), sent(share, 5699)), (1, 0), "ROUTE-CASE-66");
    let several =
        "mirrors: [{destination: {host: b}}, {destination: {host: nowhere}, percentage: {value: 100}}]";
    let found = mirrors(several);
    assert_eq!(found.len(), 2);
    assert!(found[0].target().is_some());
    assert!(found[1].target().is_none(), "ROUTE-MIR-03");
    let world = world(&format!("{several}\n    {TO_A}"));
    assert!(
        world.says(&["spec.http[0].mirrors[1].destination", "nothing is mirrored"]),
        "{:?}",
        world.issues()
    );
}

#[test]
fn cors_route_cors_02_05() {
    let found = forward(&world(&format!(
        "corsPolicy: {{allowOrigins: [{{exact: 'https://a.com'}}, {{regex: 'https://.*[.]b[.]com'}}], allowMethods: \
         [POST, GET], allowHeaders: [x], exposeHeaders: [y], maxAge: 24h, allowCredentials: true}}\n    {TO_A}"
    )));
    let cors = found.cors.as_ref().unwrap();
    let decide = |origin: &'static [u8]| cors.decide("OPTIONS", Some(origin), Some(b"DELETE"));
    let CorsDecision::Preflight(headers) = decide(b"https://x.b.com") else { panic!("no preflight") };
    let text: Vec<_> =
        headers.headers().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
    assert_eq!(text, ["https://x.b.com", "true", "POST,GET", "x", "86400", "y"]);
    assert!(matches!(decide(b"https://evil.com"), CorsDecision::Nothing));
}
