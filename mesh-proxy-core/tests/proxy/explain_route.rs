//! `mesh-proxy explain route`: the answer for people and for programs, and exit codes 0, 1 and 2.

use serde_json::Value;

use crate::support::{Finished, World};

const BOOKINFO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bookinfo");

/// Asks about the example.
fn bookinfo(arguments: &[&str]) -> Finished {
    Finished::run(&[&["explain", "route", "--config", BOOKINFO], arguments].concat())
}

/// Asks about the files of `world`.
fn explain(world: &World, arguments: &[&str]) -> Finished {
    let path = world.config().display().to_string();
    Finished::run(&[&["explain", "route", "--config", &path], arguments].concat())
}

/// The same, as JSON.
fn json(world: &World, arguments: &[&str]) -> Value {
    let ended = explain(world, &[arguments, &["--output", "json"]].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}

/// The exit code, and that the text has all of `parts` in this order.
fn assert_says(ended: &Finished, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:#?}");
    let mut rest = ended.stdout.as_str();
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => panic!("`{part}` is missing, or too early, in\n{}{}", ended.stdout, ended.stderr),
        }
    }
}

/// The destinations with their weights, then each rule with its file, line and the condition that refused.
#[test]
fn at_the_gateway_of_bookinfo() {
    let ended = bookinfo(&["--request", "GET http://127.0.0.1:8080/static/../reviews/0"]);
    let file = "virtual-service-canary.yaml";
    assert_says(
        &ended,
        0,
        &[
            "Forwarded to one of 2 destinations\n",
            &format!(
                "  VirtualService default/bookinfo-canary spec.http[2].match[0] ({BOOKINFO}/{file}:49)\n"
            ),
            "  to outbound|9080|v1|reviews.default.svc.cluster.local, weight 90 of 100, 1 endpoint\n",
            "  to outbound|9080|v3|reviews.default.svc.cluster.local, weight 10 of 100, 1 endpoint\n",
            "request:  GET /reviews/0 (normalised from /static/../reviews/0), host 127.0.0.1:8080, http, port 8080\n",
            "listener: 0.0.0.0:8080, Gateway default/bookinfo-gateway\n",
            "workload: gateway in namespace istio-system, istio=ingressgateway\n",
            "virtual host 127.0.0.1:8080, for 127.0.0.1\n",
            "  0 VirtualService default/bookinfo spec.http[0].match[0] (",
            "virtual-service-bookinfo.yaml:25) does not match\n    path `/reviews/0` is not exact `/productpage`\n",
            &format!("{file}:23) does not match\n    header `end-user` is missing, wanted exact `jason`\n"),
            &format!(
                "{file}:36) does not match\n    query parameter `version` is missing, wanted exact `v3`\n"
            ),
            &format!("{file}:49) matches\n"),
        ],
    );
    let ended =
        bookinfo(&["--request", "GET http://bookinfo.example.com/reviews/0", "-H", "End-User: jason"]);
    assert_says(
        &ended,
        0,
        &[
            "Forwarded to outbound|9080|v2|reviews",
            &format!("{file}:23)\n"),
            &format!("{file}:23) matches\n"),
            &format!("{file}:49) would match, an earlier rule already did\n"),
        ],
    );
}

/// A sidecar's listener by the labels of a Pod; `--from` says the same as `--workload`.
#[test]
fn from_a_workload_of_bookinfo() {
    for option in ["--workload", "--from"] {
        let request = "GET http://reviews:9080/reviews/0";
        let ended =
            bookinfo(&[option, "default/productpage-v1", "--request", request, "-H", "end-user: jason"]);
        assert_says(
            &ended,
            0,
            &[
                "Forwarded to outbound|9080|v2|reviews.default.svc.cluster.local\n",
                "virtual-service-mesh.yaml:19)\n",
                "listener: 127.0.0.1:9080, Sidecar default/default egress[0]\n",
                "workload: sidecar in namespace default, pod default/productpage-v1, app=productpage version=v1\n",
                "virtual host reviews.default.svc.cluster.local:9080, for ",
                "virtual-service-mesh.yaml:22) does not match\n    header `end-user` is different, wanted exact \
                 `fault-tester`",
            ],
        );
    }
    let ended = bookinfo(&["--workload", "default/productpage-v1", "--request", "GET http://reviews:9090/"]);
    assert_says(
        &ended,
        1,
        &["Refused: nothing is served on port 9090, the sidecar has these listeners: 127.0.0.1:9080"],
    );
    let ended = bookinfo(&["--workload", "default/nosuch", "--request", "GET http://reviews/"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("`default/productpage-v1`"), "{ended:#?}");
}

fn istio(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\nspec:\n{spec}\n"
    )
}

fn service(name: &str, endpoints: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec: {{ports: [{{name: http, \
         port: 80}}]}}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, namespace: \
         default, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\nendpoints: \
         [{endpoints}]\nports: [{{name: http, port: 8080}}]\n"
    )
}

/// A gateway for `x.org` and `secure.org`, services `full` and `empty`, and rules for `x.org`.
fn world(rules: &str) -> World {
    let door = istio(
        "Gateway",
        "door",
        "  selector: {istio: ingressgateway}\n  servers:\n  - port: {number: 8000, name: http, protocol: HTTP}\n    hosts: \
         ['*.x.org', x.org]\n  - port: {number: 8000, name: http-2, protocol: HTTP}\n    tls: {httpsRedirect: true}\n    \
         hosts: [secure.org]",
    );
    let rules =
        istio("VirtualService", "rules", &format!("  hosts: [x.org]\n  gateways: [door]\n  http:\n{rules}"));
    let services =
        [service("full", "{addresses: [192.0.2.1]}, {addresses: [192.0.2.2]}"), service("empty", "")];
    World::new()
        .object("door.yaml", &door)
        .object("rules.yaml", &rules)
        .object("services.yaml", &services.join("---\n"))
}

/// Everything that a rule can say about forwarding.
#[test]
fn what_forwarding_comes_to() {
    let world = world(
        "  - name: all\n    match: [{uri: {prefix: /a/}}]\n    rewrite: {uri: /b/, authority: up.org}\n    timeout: \
         2s\n    retries: {attempts: 4, perTryTimeout: 500ms}\n    mirror: {host: empty}\n    corsPolicy: {allowOrigins: \
         [{exact: o.org}]}\n    fault: {delay: {fixedDelay: 3s, percentage: {value: 1}}, abort: {httpStatus: 418, \
         percentage: {value: 1}}}\n    headers: {request: {set: {who: '%REQ(x)%!'}, remove: [gone]}}\n    route:\n    - \
         destination: {host: full}\n      weight: 3\n      headers: {response: {add: {r: v}}}\n    - destination: {host: \
         nosuch}\n      weight: 1\n    - destination: {host: full, subset: never}\n      weight: 0\n",
    );
    let ended = explain(&world, &["--request", "GET http://x.org:8000/a/c?d"]);
    assert_says(
        &ended,
        0,
        &[
            "Forwarded to one of 2 destinations, one of which answers with 503\n",
            "VirtualService default/rules spec.http[0].match[0] (",
            "rules.yaml:9)\n",
            "  to outbound|80||full.default.svc.cluster.local, weight 3 of 4, 2 endpoints\n    as host up.org\n    request: \
             remove gone\n    request: set who: %…%!\n    response: add r: v\n",
            "  to outbound|8000||nosuch.default.svc.cluster.local, weight 1 of 4: there is no such cluster, 503 (NC)\n",
            "  path becomes /b/c?d\n",
            "  timeout 2s, timeout per try 500ms, 4 retries\n",
            "  copies to outbound|80||empty.default.svc.cluster.local\n",
            "  some requests: delay of 3s\n  some requests: abort with 418\n",
            "  with a CORS policy\n",
        ],
    );
    let found = json(&world, &["--request", "GET http://x.org:8000/a/c?d"]);
    assert_eq!(found["found"], true);
    assert_eq!(found["decidedBy"]["path"], "spec.http[0].match[0]");
    assert_eq!(found["decidedBy"]["at"]["line"], 9);
    let action = &found["action"];
    assert_eq!(action["kind"], "forward");
    assert_eq!(action["destinations"][0]["endpoints"], 2);
    assert_eq!(action["destinations"][1]["endpoints"], Value::Null);
    assert_eq!(action["timeout"], "2s");
    assert_eq!(found["rules"][0]["routeName"], "all");
}

/// What else can become of a request, with the exit code.
#[test]
fn other_decisions() {
    let rules = "  - match: [{uri: {exact: /empty}}]\n    route: [{destination: {host: empty}}]\n  - match: [{uri: {exact: \
                 /nosuch}}]\n    route: [{destination: {host: nosuch}}]\n  - match: [{uri: {exact: /moved}}]\n    redirect: \
                 {uri: /new, redirectCode: 308}\n    headers: {response: {set: {r: v}}}\n  - match: [{uri: {exact: \
                 /said}}]\n    directResponse: {status: 200}\n  - match: [{uri: {prefix: /dir/}}]\n    route: \
                 [{destination: {host: full}}]\n";
    let world = world(rules);
    for (request, code, says) in [
        ("GET http://x.org/empty", 1, "Answered with 503 (UH): outbound|80||empty"),
        ("GET http://x.org/nosuch", 1, "Answered with 503 (NC): there is no cluster outbound|8000||nosuch"),
        ("GET http://x.org/moved", 0, "Redirected with 308 to http://x.org/new\n"),
        ("GET http://x.org/said", 0, "Answered with 200, as the rule says\n"),
        ("GET http://secure.org/x", 0, "Redirected to https: a server of this host has `httpsRedirect`\n"),
        ("GET http://x.org/else", 1, "Answered with 404 (NR): no rule of the virtual host matches"),
        ("GET http://other.org/", 1, "Answered with 404 (NR): no virtual host has this host\n"),
        ("CONNECT http://x.org/", 1, "Answered with 404 (NR): no rule can take a target that is no path"),
        (
            "GET http://x.org:81/",
            1,
            "Refused: nothing is served on port 81, the gateway has these listeners: 0.0.0.0:8000",
        ),
    ] {
        let port = if request.contains(":81/") { "81" } else { "8000" };
        assert_says(&explain(&world, &["--request", request, "--port", port]), code, &[says]);
    }
    assert_says(
        &explain(&world, &["--request", "GET http://x.org:8000/moved"]),
        0,
        &["  response: set r: v\n"],
    );
    // What was nearly right is said.
    assert_says(
        &explain(&world, &["--request", "GET http://x.org:8000/dir"]),
        1,
        &["path `/dir` is not prefix `/dir/`", "slash"],
    );
    let found = json(&world, &["--request", "GET http://x.org:8000/dir"]);
    let last = found["rules"].as_array().and_then(|rules| rules.last()).unwrap();
    assert_eq!(last["refused"]["condition"], "Path");
    assert!(last["refused"]["near"].is_string(), "{last}");
    assert_eq!(found["found"], false);
}

/// Without a listener of that port the answer is that of a sidecar to which traffic is redirected: virtual hosts of
/// services, and what becomes of hosts that nobody knows (ROUTE-HOST-40).
#[test]
fn redirected_traffic_route_host_40() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: me, namespace: default, labels: {app: me}}\n";
    let world = |more: &str| {
        let world = world("  - route: [{destination: {host: full}}]").object("pod.yaml", pod);
        if more.is_empty() { world } else { world.object("more.yaml", more) }
    };
    let ask =
        |world: &World, request: &str| explain(world, &["--workload", "default/me", "--request", request]);
    let open = world("");
    assert_says(
        &ask(&open, "GET http://full/"),
        0,
        &[
            "Forwarded to outbound|80||full.default.svc.cluster.local by the default route of the service\n",
            "listener: outbound traffic that is redirected\n",
            "virtual host full.default.svc.cluster.local:80",
            "  0 `default` matches\n",
            "note: no listener has an address with this port",
        ],
    );
    let passed = "Forwarded to the address that the client dialled (PassthroughCluster)";
    assert_says(&ask(&open, "GET http://unknown.org/"), 0, &[passed]);
    let closed = world(&istio("Sidecar", "default", "  outboundTrafficPolicy: {mode: REGISTRY_ONLY}"));
    let blocked =
        "Answered with 502: no service or VirtualService has this host, and the policy is REGISTRY_ONLY";
    assert_says(&ask(&closed, "GET http://unknown.org/"), 1, &[blocked, "virtual host block_all"]);
    assert_says(&ask(&closed, "GET http://full/"), 0, &["by the default route"]);
    // The mesh and the source count: a rule for the mesh, and one that asks for other labels.
    let rules = istio(
        "VirtualService",
        "mesh",
        "  hosts: [full]\n  http:\n  - match: [{sourceLabels: {app: you}}]\n    route: [{destination: {host: nosuch}}]\n  - \
         match: [{headers: {'x': {exact: y}}}]\n    route: [{destination: {host: full}}]",
    );
    let ruled = world(&rules);
    let ended = ask(&ruled, "GET http://full/");
    assert_says(
        &ended,
        1,
        &["Answered with 404", "spec.http[1].match[0]", "header `x` is missing, wanted exact `y`"],
    );
    assert!(!ended.stdout.contains("http[0]"), "a block for other labels is not compiled: {}", ended.stdout);
    let with = ["--workload", "default/me", "--request", "GET http://full/", "--header", "x: y"];
    assert_says(&explain(&ruled, &with), 0, &["Forwarded to outbound|80||full"]);
}

/// Claims are given, not verified (ROUTE-MATCH-32); `--port` and the Service in front of the gateway say where it goes.
#[test]
fn claims_and_ports() {
    let front = "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: istio-system}\nspec: {selector: {istio: \
                 ingressgateway}, ports: [{name: http, port: 8000, targetPort: 18000}]}\n";
    let rules = "  - match: [{headers: {'@request.auth.claims.group': {exact: ops}}}]\n    route: [{destination: {host: \
                 full}}]\n";
    let world = world(rules).object("front.yaml", front);
    let ask = |more: &[&str]| {
        explain(&world, &[&["--request", "GET http://x.org/", "--port", "8000"], more].concat())
    };
    assert_says(&ask(&[]), 1, &["claim", "no verified token"]);
    assert_says(&ask(&["--claim", "group=ops"]), 0, &["listener: 0.0.0.0:18000"]);
    assert_says(&ask(&["--jwt-claims", r#"{"group": ["dev", "ops"]}"#]), 0, &["Forwarded"]);
    assert_says(&ask(&["--claim", "group=dev"]), 1, &["listener: 0.0.0.0:18000", "claim"]);
    let elsewhere = explain(&world, &["--request", "GET http://x.org:9/", "--claim", "group=ops"]);
    assert_says(&elsewhere, 1, &["nothing is served on port 9"]);
}

#[test]
fn wrong_usage() {
    for (arguments, says) in [
        (&["--request", "x.org"][..], "METHOD URL"),
        (&["--request", "GET http://x.org/", "-H", "no colon"], "NAME: VALUE"),
        (&[], "--request"),
        (&["--request", "GET http://x.org/%00"], "answers 400"),
    ] {
        let ended = bookinfo(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(says), "{ended:#?}");
    }
    let ended = Finished::run(&[
        "explain",
        "route",
        "--config",
        "/nonexistent/dir",
        "--request",
        "GET http://x.org/",
    ]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
}
