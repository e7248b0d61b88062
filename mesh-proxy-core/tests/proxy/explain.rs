//! `mesh-proxy explain authz`: the answer for people and for programs, and exit codes 0, 1 and 2.

use serde_json::Value;

use crate::support::{Finished, World, tokens};

const BOOKINFO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bookinfo");

/// Asks about the example.
fn bookinfo(arguments: &[&str]) -> Finished {
    Finished::run(&[&["explain", "authz", "--config", BOOKINFO], arguments].concat())
}

/// Asks about the files of `world`.
fn explain(world: &World, arguments: &[&str]) -> Finished {
    let path = world.config().display().to_string();
    Finished::run(&[&["explain", "authz", "--config", &path], arguments].concat())
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

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: \
         {namespace}}}\nspec:\n{spec}\n"
    )
}

/// A Pod `default/web` labelled `app: web`, and policies.
fn world(policies: &[String]) -> World {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default, labels: {app: web}}\n";
    World::new().object("pod.yaml", pod).object("policies.yaml", &policies.join("---\n"))
}

const WEB: [&str; 2] = ["--workload", "default/web"];

/// The path is normalised first, then the rule, its file and its line are named.
#[test]
fn a_denied_request_of_bookinfo_authz_expl_01() {
    let ended = bookinfo(&["--request", "GET http://127.0.0.1:8080/static/../admin/users"]);
    let file = "authorization-policy.yaml";
    assert_says(
        &ended,
        1,
        &[
            "Denied by rule 0 of istio-system/ingress-deny\n",
            "  AuthorizationPolicy istio-system/ingress-deny (",
            &format!("{file}:21)\n"),
            "403 `RBAC: access denied`, details \
             rbac_access_denied_matched_policy[ns[istio-system]-policy[ingress-deny]-rule[0]]\n",
            "request:  GET /admin/users (normalised from /static/../admin/users), host 127.0.0.1:8080\n",
            "from:     127.0.0.1, without identity\n",
            "port 8080\n",
            "workload: gateway in namespace istio-system, istio=ingressgateway\n",
            "DENY: a rule matches, so it is denied\n",
            &format!("{file}:8)\n    rule 0 (line 21) matches\n"),
            "    rule 1 (line 26) does not match\n",
            "      to[0].operation.methods: found `GET`, wanted `DELETE` or `PUT` or `PATCH`\n",
            "    rule 2 (line 32) does not match\n",
            "      when[0].values of request.headers[user-agent]: the request has no such header, wanted \
             `bad-bot*`\n",
            "ALLOW: there is no policy, so what is not denied is allowed\n",
        ],
    );
}

/// The port is that of the gateway's only listener, and the header that of `-H`.
#[test]
fn requests_at_the_gateway_of_bookinfo_authz_expl_02() {
    let ended = bookinfo(&["--request", "GET http://bookinfo.example.com/productpage"]);
    let parts = [
        "Allowed: no rule denies it",
        "port 8080",
        "DENY: no rule matches",
        "found `/productpage`, wanted `/admin*`",
    ];
    assert_says(&ended, 0, &parts);
    let ended = bookinfo(&["--request", "GET /productpage", "-H", "User-Agent: bad-bot/1.0"]);
    assert_says(
        &ended,
        1,
        &["Denied by rule 2 of istio-system/ingress-deny", "no host", "rule 2 (line 32) matches"],
    );
    // Another port is another listener, of which the rules say nothing.
    let ended = bookinfo(&["--request", "GET http://127.0.0.1/admin", "--destination-port", "9999"]);
    assert_says(&ended, 0, &["port 9999", "to[0].operation.ports: found `9999`, wanted `8080`"]);
}

/// The gateway's policy is not the workload's, and the Service's port not the one it listens on (AUTHZ-OP-04).
#[test]
fn a_workload_of_bookinfo_authz_expl_03() {
    let principal = "cluster.local/ns/default/sa/bookinfo-productpage";
    let request = "GET http://reviews:9080/reviews/0";
    let ended =
        bookinfo(&["--workload", "default/reviews-v1", "--request", request, "--principal", principal]);
    assert_says(
        &ended,
        0,
        &[
            "as spiffe://cluster.local/ns/default/sa/bookinfo-productpage\n",
            "port 19082, mutual TLS PERMISSIVE\n",
            "workload: sidecar in namespace default, pod default/reviews-v1, app=reviews version=v1\n",
            "DENY: there is no policy",
            "ALLOW: there is no policy",
            "1 more AuthorizationPolicy is not for this workload: 1 with a selector for other labels\n",
        ],
    );
    let labels =
        ["--role", "sidecar", "--sidecar-label", "istio=ingressgateway", "--sidecar-namespace", "shop"];
    let ended = bookinfo(&[&labels[..], &["--request", "GET http://x:8080/admin"]].concat());
    assert_says(
        &ended,
        1,
        &["Denied by rule 0", "workload: sidecar in namespace shop, istio=ingressgateway\n"],
    );
}

/// ALLOW policies: who, with which token, over what. Policies of others are counted by reason.
#[test]
fn an_allow_policy_says_what_is_missing_authz_expl_01() {
    let spec = "  selector: {matchLabels: {app: web}}\n  rules:\n  - from: [{source: {principals: \
                [cluster.local/ns/default/sa/a]}}]\n    to: [{operation: {methods: [GET]}}]\n  - when: [{key: \
                'request.auth.claims[groups]', values: [ops]}]\n  - from: [{source: {remoteIpBlocks: [9.9.9.0/24]}}]";
    let world = world(&[
        policy("default", "readers", spec),
        policy("other", "far", "  {}"),
        policy("default", "others", "  selector: {matchLabels: {app: other}}"),
        policy("default", "gw", "  targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: g}]"),
    ]);
    let ask = |more: &[&str]| explain(&world, &[&WEB[..], more].concat());
    let ended = ask(&["--request", "POST http://web/x?y"]);
    assert_says(
        &ended,
        1,
        &[
            "Denied: no ALLOW rule matched\n",
            "details rbac_access_denied_matched_policy[none]\n",
            "DENY: there is no policy",
            "ALLOW: no rule matches, and once there is an ALLOW policy everything that none allows is denied\n",
            "  AuthorizationPolicy default/readers (",
            "policies.yaml:1)\n    rule 0 (line 7) does not match\n",
            "      from[0].source.principals: the peer has no identity",
            "      to[0].operation.methods: found `POST`, wanted `GET`\n",
            "    rule 1 (line 9) does not match\n      when[0].values of request.auth.claims[groups]: the request \
             has no verified token",
            "3 more AuthorizationPolicies are not for this workload: 1 in other namespaces, 1 with a selector for \
             other labels, 1 with references to other targets\n",
        ],
    );
    let source = "spiffe://cluster.local/ns/default/sa/a";
    let ended = ask(&["--request", "GET http://web/", "--source-principal", source]);
    assert_says(
        &ended,
        0,
        &["Allowed by rule 0 of default/readers", "ALLOW: a rule matches, so it is allowed"],
    );
    let ended = ask(&["--request", "POST http://web/", "--claim", "groups=dev", "--claim", "groups=ops"]);
    assert_says(&ended, 0, &["Allowed by rule 1", "claims:   groups\n"]);
    let ended = ask(&["--request", "POST http://web/", "--jwt-claims", r#"{"groups": 7}"#]);
    assert_says(&ended, 1, &["the claim is neither a string nor a list of strings"]);
    // AUTHZ-XFF-01: a sidecar takes the last entry of the header.
    let forwarded = ["--request", "POST http://web/", "-H", "x-forwarded-for: 1.1.1.1, 9.9.9.9"];
    assert_says(&ask(&forwarded), 0, &["Allowed by rule 2", "from:     127.0.0.1 for the client 9.9.9.9"]);
    let ended = ask(&[&forwarded[..], &["--remote-ip", "1.1.1.1"]].concat());
    assert_says(&ended, 1, &["found `1.1.1.1`, wanted `9.9.9.0/24`"]);
}

/// On TCP an HTTP field widens a DENY and empties an ALLOW.
#[test]
fn tcp_connections_authz_tcp_02_03() {
    let spec = "  rules: [{to: [{operation: {methods: [GET]}}]}]";
    let tcp = [&WEB[..], &["--tcp", "--destination-port", "9000", "--source-ip", "10.0.0.7"]].concat();
    let ended = explain(&world(&[policy("default", "p", spec)]), &tcp);
    let says = [
        "the connection is closed",
        "a TCP connection\n",
        "from:     10.0.0.7",
        "never matches a TCP connection",
    ];
    assert_says(&ended, 1, &says);
    let world = world(&[policy("default", "p", &format!("  action: DENY\n{spec}"))]);
    assert_says(&explain(&world, &tcp), 1, &["Denied by rule 0 of default/p"]);
    let ended = explain(&world, &[&WEB[..], &["--request", "POST http://web/"]].concat());
    assert_says(&ended, 0, &["found `POST`, wanted `GET`"]);
}

/// A broken policy denies, and the answer has the line and the mistake.
#[test]
fn an_invalid_policy_says_why_it_denies_proxy_feat_04() {
    let world = world(&[policy("default", "p", "  rulez: [{}]")]);
    let ended = explain(&world, &[&WEB[..], &["--request", "GET http://web/"]].concat());
    let parts = [
        "Denied: default/p is invalid and denies everything\n",
        "policies.yaml:1)",
        "until it is mended\n",
        "line 5: spec.rulez",
    ];
    assert_says(&ended, 1, &parts);
    assert!(ended.stderr.contains("2 errors"), "{ended:#?}");
}

/// STRICT refuses plain text before policies are asked; DISABLE takes the identity away (AUTHZ-MTLS-02).
#[test]
fn peer_authentication_authz_mtls_02_03() {
    let mtls = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: m, namespace: \
                default}\nspec:\n  selector: {matchLabels: {app: web}}\n  mtls: {mode: STRICT}\n  portLevelMtls: \
                {9000: {mode: DISABLE}}\n";
    let anyone = "  rules: [{from: [{source: {principals: ['*']}}]}]";
    let world = world(&[mtls.to_owned(), policy("default", "p", anyone)]);
    let ask = |port: &str, more: &[&str]| {
        let request = format!("GET http://web:{port}/");
        explain(&world, &[&WEB[..], &["--request", &request], more].concat())
    };
    let ended = ask("80", &[]);
    let parts = [
        "Denied before any policy is asked: port 80 takes mutual TLS only",
        "PeerAuthentication default/m (",
        "reset, flag NR",
        "mutual TLS STRICT\n",
        "ALLOW (not asked any more)",
        "note: without PeerAuthentication it would be denied: no ALLOW rule matched\n",
    ];
    assert_says(&ended, 1, &parts);
    let principal = ["--principal", "cluster.local/ns/default/sa/a"];
    assert_says(&ask("80", &principal), 0, &["Allowed by rule 0 of default/p"]);
    let ended = ask("9000", &principal);
    assert_says(
        &ended,
        1,
        &["mutual TLS DISABLE\n", "the peer has no identity", "the principal was left out"],
    );
}

/// Dry runs, external authorizers and audits are told, and change nothing that they must not.
#[test]
fn notes_authz_eval_08_09() {
    let dry = policy("default", "dry", "  {}")
        .replace("{name: dry,", "{annotations: {istio.io/dry-run: 'true'}, name: dry,");
    let audit = policy("default", "a", "  action: AUDIT\n  rules: [{}]");
    let world = world(&[dry, audit]);
    let request = [&WEB[..], &["--request", "GET http://web/"]].concat();
    let parts = [
        "Allowed: no rule denies it",
        "AUDIT: a rule matches, so the access log is told\n",
        "ALLOW, dry run: no rule matches; enforced, it would deny\n",
        "it has no rules, so it matches nothing",
        "note: if the dry-run policies were enforced, it would be denied: no ALLOW rule matched\n",
        "note: an AUDIT policy marks it for the access log\n",
    ];
    assert_says(&explain(&world, &request), 0, &parts);
    let custom = policy("default", "c", "  action: CUSTOM\n  provider: {name: opa}\n  rules: [{}]");
    world.write("policies.yaml", &custom);
    let parts =
        ["provider `opa` cannot be asked", "CUSTOM by `opa`, which cannot be asked", "so it is denied"];
    assert_says(&explain(&world, &request), 1, &parts);
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: \
                |\n    extensionProviders:\n    - {name: opa, envoyExtAuthzGrpc: {service: \
                opa.default.svc.cluster.local, port: 9000}}\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: opa, namespace: default}\nspec: {ports: [{name: \
                   grpc, port: 9000}]}\n";
    world.write("mesh.yaml", &format!("{mesh}---\n{service}"));
    let parts = [
        "provider `opa` has not been asked",
        "CUSTOM by `opa`: a rule matches",
        "note: if every external authorizer that is asked allowed it, it would be allowed",
    ];
    assert_says(&explain(&world, &request), 1, &parts);
}

/// The same for programs.
#[test]
fn json_for_programs_authz_expl_01() {
    let spec = "  action: DENY\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n  - to: [{operation: {paths: [/x]}}]";
    let world = world(&[policy("default", "p", spec), policy("other", "q", spec)]);
    let answer = json(&world, &[&WEB[..], &["--request", "GET http://web:8080/y"]].concat());
    assert_eq!(answer["allowed"], false, "{answer:#}");
    assert_eq!(answer["decision"], "denied by rule 0 of default/p");
    let by = &answer["decidedBy"];
    assert_eq!(
        (&by["kind"], &by["name"], &by["rule"]),
        (&"AuthorizationPolicy".into(), &"p".into(), &0.into())
    );
    assert_eq!(by["at"]["line"], 7);
    assert_eq!(answer["request"]["path"], "/y");
    assert_eq!(answer["request"]["destinationPort"], 8080);
    assert_eq!(answer["request"]["principal"], Value::Null);
    assert_eq!(answer["workload"]["labels"]["app"], "web");
    assert_eq!(answer["notSelected"]["namespace"], 1);
    let stage = &answer["stages"][0];
    assert_eq!((&stage["stage"], &stage["reached"]), (&"DENY".into(), &true.into()));
    let rules = &stage["policies"][0]["rules"];
    assert_eq!((&rules[0]["matches"], &rules[1]["matches"]), (&true.into(), &false.into()));
    assert_eq!(rules[1]["failed"][0]["field"], "to[0].operation.paths");
    assert_eq!(rules[1]["failed"][0]["why"], "found `/y`, wanted `/x`");
}

/// PROXY-DRAIN-11: usage and unreadable files are 2, with one reason.
#[test]
fn wrong_usage_is_2() {
    let request = ["--request", "GET http://web/"];
    for (arguments, word) in [
        (&[][..], "--request"),
        (&["--request", "http://web/"], "METHOD URL"),
        (&["--tcp"], "--destination-port"),
        (&["--tcp", "--destination-port", "80", "--request", "GET /"], "cannot be used with"),
        (&["--request", "GET /", "-H", "nonsense"], "NAME: VALUE"),
        (&["--request", "GET /", "--claim", "x"], "NAME=VALUE"),
        (&["--request", "GET /%00"], "400"),
        (&["--request", "GET /", "--workload", "default/nobody"], "`default/reviews-v1`"),
    ] {
        let ended = bookinfo(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains(word), "`{word}` is missing in {ended:#?}");
        assert_eq!(ended.stdout, "");
    }
    let ended =
        Finished::run(&[&["explain", "authz", "--config", "/no/such/file.yaml"], &request[..]].concat());
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("/no/such/file.yaml"), "{ended:#?}");
    let ended = Finished::run(&["explain", "authz", "--help"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stdout.contains("Exit codes:") && ended.stdout.contains("1  denied"), "{ended:#?}");
}

/// A token in the request is verified as the proxy would (AUTHZ-JWT-28).
#[test]
fn tokens_are_verified_authz_jwt_28() {
    let spec = "  rules: [{from: [{source: {requestPrincipals: [iss1/s1]}}]}]";
    let world = world(&[tokens::with_key("default", ""), policy("default", "p", spec)]);
    let ask = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        explain(&world, &[&WEB[..], &["--request", "GET http://web/", "-H", &header]].concat())
    };
    let parts = [
        "Allowed by rule 0 of default/p",
        "token:    verified, of iss1/s1; RequestAuthentication default/jwt (",
    ];
    assert_says(&ask(tokens::GOOD), 0, &parts);
    let parts = [
        "Denied because of its token: Jwt is expired\n",
        "401 `Jwt is expired`, details jwt_authn_access_denied{Jwt_is_expired}\n",
        "token:    refused: Jwt is expired",
        "ALLOW (not asked any more)",
    ];
    assert_says(&ask(tokens::EXPIRED), 1, &parts);
    let ended = explain(&world, &[&WEB[..], &["--request", "GET http://web/"]].concat());
    assert_says(
        &ended,
        1,
        &["Denied: no ALLOW rule matched", "token:    none was found", "no verified token"],
    );
    // Claims on the command line stand for a token that is good.
    let claims = ["--request", "GET http://web/", "--jwt-claims", r#"{"iss": "iss1", "sub": "s1"}"#];
    assert_says(
        &explain(&world, &[&WEB[..], &claims].concat()),
        0,
        &["claims:   iss, sub\n", "claims were given"],
    );
}
