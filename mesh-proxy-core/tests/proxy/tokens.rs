//! RequestAuthentication at the gateway: tokens are verified before policies are asked (sections 7.2 to 7.4 of the
//! authorization reference).

use crate::support::tokens::{EXPIRED, FOREIGN, GOOD, OTHER_AUDIENCE, request_authentication, with_key};
use crate::support::{Backend, Proxy, Response, World};

/// Policies in the root namespace, which is the gateway's.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: \
         istio-system}}\nspec:\n{spec}\n"
    )
}

/// `GET path` with header lines.
fn request(path: &str, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<Vec<_>>().concat();
    format!("GET {path} HTTP/1.1\r\nhost: test.example\r\n{lines}\r\n")
}

fn ask(proxy: &Proxy, path: &str, token: &str) -> Response {
    proxy.exchange(request(path, &[&format!("authorization: Bearer {token}")]))
}

/// AUTHZ-JWT-28, PROXY-LOCAL-07: the status, the text, the challenge and the details of each failure
/// (AUTHZ-CASE-65, AUTHZ-CASE-66, AUTHZ-CASE-67, AUTHZ-CASE-68).
#[test]
fn tokens_that_are_not_good() {
    let backend = Backend::echo();
    let proxy =
        World::to(&backend).object("jwt.yaml", &with_key("istio-system", "    audiences: [svc]\n")).start();
    let tampered = format!("{}A", GOOD.strip_suffix('k').expect("the last letter"));
    for (path, token, status, message) in [
        ("/expired?a=b", EXPIRED, 401, "Jwt is expired"),
        ("/foreign", FOREIGN, 401, "Jwt issuer is not configured"),
        ("/audience", OTHER_AUDIENCE, 403, "Audiences in Jwt are not allowed"),
        ("/tampered", &tampered, 401, "Jwt verification fails"),
        (
            "/malformed",
            "a.b",
            401,
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        ),
    ] {
        let response = ask(&proxy, path, token);
        assert_eq!(response.brief(), (status, message.to_owned()), "{path}");
        assert_eq!(response.header("content-type").as_deref(), Some("text/plain"));
        let challenge = format!("Bearer realm=\"http://test.example{path}\", error=\"invalid_token\"");
        assert_eq!(response.header("www-authenticate"), Some(challenge), "{path}");
        let line = proxy.log_line(path);
        assert_eq!(line.details, format!("jwt_authn_access_denied{{{}}}", message.replace(' ', "_")));
        assert_eq!(line.flags, ["-"]);
    }
    assert_eq!(backend.requests().len(), 0);
    // No token is no failure, and neither is one that is written in another way (AUTHZ-JWT-11).
    assert_eq!(proxy.get("/none").status, 200);
    assert_eq!(proxy.exchange(request("/bearer", &[&format!("authorization: bearer {GOOD}")])).status, 200);
    assert_eq!(ask(&proxy, "/good", GOOD).status, 200);
}

/// AUTHZ-JWT-28: gRPC clients get the failure as a status.
#[test]
fn tokens_that_are_not_good_on_grpc() {
    let backend = Backend::echo();
    let proxy =
        World::to(&backend).object("jwt.yaml", &with_key("istio-system", "    audiences: [svc]\n")).start();
    for (token, status, message) in
        [(EXPIRED, "16", "Jwt is expired"), (OTHER_AUDIENCE, "7", "Audiences in Jwt are not allowed")]
    {
        let response = proxy.exchange(format!(
            "POST /pkg.Service/Method HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\nauthorization: Bearer \
             {token}\r\ncontent-length: 0\r\n\r\n"
        ));
        assert_eq!(response.status, 200);
        assert_eq!(response.header("grpc-status").as_deref(), Some(status));
        assert_eq!(response.header("grpc-message").as_deref(), Some(message));
    }
}

/// AUTHZ-JWT-15, AUTHZ-JWT-31: the token is not passed on, what rules write is, and clients cannot forge it.
#[test]
fn a_good_token_edits_the_request() {
    let backend = Backend::echo();
    let rule = "    fromHeaders: [{name: authorization, prefix: 'Bearer '}]\n    fromParams: [t]\n    \
                outputPayloadToHeader: x-payload\n    outputClaimToHeaders: [{header: x-sub, claim: sub}]\n";
    let proxy = World::to(&backend).object("jwt.yaml", &with_key("istio-system", rule)).start();
    assert_eq!(ask(&proxy, "/a", GOOD).status, 200);
    let forged = ["x-sub: root", "x-payload: e30"];
    assert_eq!(proxy.exchange(request("/b", &forged)).status, 200);
    assert_eq!(proxy.exchange(request(&format!("/c?x=1&t={GOOD}&y=2"), &forged)).status, 200);
    let seen = backend.requests();
    let [a, b, c] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(a.header("authorization"), None);
    assert_eq!(a.header("x-sub").as_deref(), Some("s1"));
    assert_eq!(a.header("x-payload").as_deref(), GOOD.split('.').nth(1));
    assert_eq!((b.header("x-sub"), b.header("x-payload")), (None, None));
    assert_eq!(c.target(), "/c?x=1&y=2");
    assert_eq!(c.header("x-sub").as_deref(), Some("s1"));
}

/// AUTHZ-JWT-15
#[test]
fn a_token_is_passed_on_if_asked_for() {
    let backend = Backend::echo();
    let rule = with_key("istio-system", "    forwardOriginalToken: true\n");
    let proxy = World::to(&backend).object("jwt.yaml", &rule).start();
    assert_eq!(ask(&proxy, "/", GOOD).status, 200);
    assert_eq!(backend.requests()[0].header("authorization"), Some(format!("Bearer {GOOD}")));
}

/// AUTHZ-CASE-61, AUTHZ-CASE-74, AUTHZ-EVAL-01: policies see the claims, and a 401 comes before their 403.
#[test]
fn policies_see_the_claims() {
    let backend = Backend::echo();
    let allow = "  rules:\n  - {to: [{operation: {paths: [/open]}}]}\n  - {from: [{source: {requestPrincipals: \
                 [iss1/s1]}}], when: [{key: 'request.auth.claims[groups]', values: [ops]}, {key: \
                 'request.auth.claims[scope]', values: [write]}]}";
    let deny = "  action: DENY\n  rules: [{when: [{key: 'request.headers[authorization]', values: ['*']}]}]";
    let proxy = World::to(&backend)
        .object("jwt.yaml", &with_key("istio-system", ""))
        .object("allow.yaml", &policy("allow", allow))
        .object("deny.yaml", &policy("deny", deny))
        .start();
    let denied = (403, "RBAC: access denied".to_owned());
    assert_eq!(ask(&proxy, "/closed", GOOD).status, 200);
    assert_eq!(proxy.get("/closed").brief(), denied, "AUTHZ-TRIP-12");
    assert_eq!(proxy.get("/open").status, 200);
    assert_eq!(ask(&proxy, "/open", EXPIRED).brief(), (401, "Jwt is expired".to_owned()), "AUTHZ-TRIP-09");
    // Policies see the request without the token, but with what was no token.
    assert_eq!(proxy.exchange(request("/open", &["authorization: Basic YTpi"])).brief(), denied);
    // AUTHZ-JWT-07: a preflight is asked for no token, and goes to the policies without identity.
    let preflight = |path: &str| {
        proxy.exchange(format!(
            "OPTIONS {path} HTTP/1.1\r\nhost: a\r\norigin: http://b\r\naccess-control-request-method: \
             GET\r\nx-token: {EXPIRED}\r\n\r\n"
        ))
    };
    assert_eq!(preflight("/open").status, 200);
    assert_eq!(preflight("/closed").brief(), denied);
}

/// AUTHZ-EVAL-02: what an external authorizer would have to be asked about is denied before tokens are looked at.
#[test]
fn external_authorizers_come_first() {
    let backend = Backend::echo();
    let custom =
        "  action: CUSTOM\n  provider: {name: opa}\n  rules: [{to: [{operation: {paths: [/asked]}}]}]";
    let proxy = World::to(&backend)
        .object("jwt.yaml", &with_key("istio-system", ""))
        .object("custom.yaml", &policy("custom", custom))
        .start();
    assert_eq!(ask(&proxy, "/asked", EXPIRED).brief(), (403, "RBAC: access denied".to_owned()));
    assert_eq!(ask(&proxy, "/other", EXPIRED).status, 401);
    assert_eq!(ask(&proxy, "/other", GOOD).status, 200);
}

/// AUTHZ-JWT-32: routes are chosen by claims, and without the token in the query.
#[test]
fn routes_see_the_claims() {
    let (ops, all) = (Backend::named("ops"), Backend::named("all"));
    let proxy = World::new()
        .service("ops", &[("v1", ops.address())])
        .service("all", &[("v1", all.address())])
        .routes(
            "  - match: [{headers: {'@request.auth.claims.groups': {exact: ops}}}]\n    route: [{destination: {host: \
             ops}}]\n  - route: [{destination: {host: all}}]",
        )
        .object("jwt.yaml", &with_key("istio-system", ""))
        .start();
    assert_eq!(ask(&proxy, "/", GOOD).text(), "ops");
    assert_eq!(proxy.get("/").text(), "all");
    // A header of that name is no claim.
    assert_eq!(proxy.exchange(request("/", &["x-groups: ops"])).text(), "all");
}

/// AUTHZ-JWKS-03: keys that would have to be fetched are not there, so tokens are refused and nothing else is.
#[test]
fn keys_that_are_not_fetched() {
    let backend = Backend::echo();
    let rule = request_authentication("istio-system", "    jwksUri: https://keys.example.com/\n");
    let proxy = World::to(&backend).object("jwt.yaml", &rule).start();
    assert_eq!(ask(&proxy, "/", GOOD).brief(), (401, "Jwks remote fetch is failed".to_owned()));
    assert_eq!(proxy.get("/").status, 200);
    assert!(proxy.stderr().contains("keys are not fetched yet"), "{}", proxy.stderr());
}

/// PROXY-FEAT-04: an object that was not read whole denies, whatever comes.
#[test]
fn an_unreadable_object_denies() {
    let backend = Backend::echo();
    let rule = with_key("istio-system", "    fromHeadders: []\n");
    let proxy = World::to(&backend).object("jwt.yaml", &rule).start();
    assert_eq!(proxy.get("/").status, 403);
    assert_eq!(ask(&proxy, "/", GOOD).status, 403);
}

/// AUTHZ-JWT-15: a token in the query goes no further, neither to the upstream as part of the original path nor into the
/// access log.
#[test]
fn a_token_in_the_query_is_kept_from_the_original_path() {
    let backend = Backend::echo();
    let proxy = World::to(&backend).object("jwt.yaml", &with_key("istio-system", "")).start();
    for (sent, seen, original) in [
        (format!("/b?access_token={GOOD}&x=1"), "/b?x=1", None),
        (format!("/a/../b?x=2&access_token={GOOD}"), "/b?x=2", Some("/a/../b?x=2")),
        (format!("/%61?access_token={GOOD}"), "/a", Some("/%61")),
    ] {
        assert_eq!(proxy.get(&sent).status, 200, "{seen}");
        let request = backend.requests().pop().expect("a request");
        assert_eq!(request.target(), seen);
        assert_eq!(request.header("x-envoy-original-path").as_deref(), original, "{seen}");
        assert_eq!(proxy.log_line(original.unwrap_or(seen)).code, 200);
    }
    assert!(!proxy.log_text().contains(GOOD), "{}", proxy.log_text());
}
