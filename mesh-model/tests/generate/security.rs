//! The kinds that grant and refuse.

use super::build::{
    Tree, distinct, flag, list, map, may, message, must, one_of, only, something, text, with, words,
};
use super::values::{HEADER, domain, duration, name, policy_selector, subnet, targets};
use serde_json::{Value, json};

fn principals() -> Tree {
    list(
        one_of([
            text("cluster\\.local/ns/[a-z]{1,4}/sa/[a-z]{1,4}"),
            words(&["*", "cluster.local/*", "*/sa/web"]),
        ]),
        1..=2,
    )
}

fn namespaces() -> Tree {
    list(one_of([name(), words(&["prod-*", "*-test", "*"])]), 1..=2)
}

/// What the client is: `custom` are the attributes that an external authorizer is asked with.
fn source(custom: bool) -> Tree {
    let addresses = || list(subnet(), 1..=2);
    let place = || {
        [
            may("ipBlocks", addresses()),
            may("notIpBlocks", addresses()),
            may("remoteIpBlocks", addresses()),
            may("notRemoteIpBlocks", addresses()),
        ]
    };
    if custom {
        return something(place());
    }
    let tokens = || {
        message([
            may("requestPrincipals", list(text("https://[a-z]{1,4}\\.com/\\*|\\*"), 1..=2)),
            may("notRequestPrincipals", list(text("https://[a-z]{1,4}\\.com/[a-z]{1,3}"), 1..=2)),
        ])
    };
    let named = something([
        may("principals", principals()),
        may("notPrincipals", principals()),
        may("namespaces", namespaces()),
        may("notNamespaces", namespaces()),
    ]);
    let accounts = something([
        may("serviceAccounts", list(text("[a-z]{1,4}(/[a-z]{1,4})?"), 1..=2)),
        may("notServiceAccounts", list(text("[a-z]{1,4}/[a-z]{1,4}"), 1..=2)),
    ]);
    one_of([with(named, tokens()), accounts, with(something(place()), tokens())])
}

fn operation() -> Tree {
    // With and without port, or any port: a host of its own does not match both.
    let hosts =
        || list(text("[a-z]{1,5}\\.com:\\*|\\*\\.[a-z]{1,5}\\.com|[a-z]{1,4}\\.[a-z]{1,4}\\*"), 1..=2);
    let ports = || list(text("[1-9][0-9]{0,3}"), 1..=2);
    let methods = || list(words(&["GET", "POST", "*", "P*"]), 1..=2);
    let paths =
        || list(one_of([text("/[a-z]{0,4}\\*?"), words(&["/a/{*}", "/a/{**}", "*/x", "/b/{*}/c"])]), 1..=2);
    message([
        may("hosts", hosts()),
        may("notHosts", hosts()),
        must("ports", ports()),
        may("notPorts", ports()),
        may("methods", methods()),
        may("notMethods", methods()),
        may("paths", paths()),
        may("notPaths", paths()),
    ])
}

fn condition(custom: bool) -> Tree {
    let about = |key: Tree, values: Tree| {
        let both = |name| must(name, list(values.clone(), 1..=2));
        one_of([
            message([must("key", key.clone()), both("values")]),
            message([must("key", key.clone()), both("notValues")]),
            message([must("key", key.clone()), both("values"), both("notValues")]),
        ])
    };
    let asked = one_of([
        about(text("request\\.headers\\[x-[a-z]{1,4}\\]"), text("[a-z0-9]{1,4}\\*?")),
        about(words(&["source.ip", "remote.ip", "destination.ip"]), subnet()),
        about(only(json!("destination.port")), text("[1-9][0-9]{0,3}")),
        about(only(json!("connection.sni")), domain()),
    ]);
    if custom {
        return asked;
    }
    one_of([
        asked,
        about(text("request\\.auth\\.claims\\[[a-z]{1,4}\\]"), name()),
        about(words(&["source.namespace", "source.principal", "request.auth.audiences"]), name()),
    ])
}

fn rules(custom: bool) -> Tree {
    let rule = message([
        may("from", list(message([must("source", source(custom))]), 1..=2)),
        must("to", list(message([must("operation", operation())]), 1..=2)),
        may("when", list(condition(custom), 1..=2)),
    ]);
    one_of([list(rule, 1..=2), only(json!([{}]))])
}

pub fn authorization_policy() -> Tree {
    let action = |action: &'static str| must("action", only(json!(action)));
    let what = one_of([
        only(json!({})),
        message([must("rules", rules(false))]),
        message([must("action", words(&["ALLOW", "DENY", "AUDIT"])), must("rules", rules(false))]),
        message([action("DENY"), must("rules", rules(false))]),
        message([
            action("CUSTOM"),
            must("provider", message([must("name", name())])),
            must("rules", rules(true)),
        ]),
    ]);
    with(targets(), what)
}

pub fn peer_authentication() -> Tree {
    let mtls = || message([must("mode", words(&["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]))]);
    one_of([
        message([may("mtls", mtls())]),
        message([
            must("selector", policy_selector()),
            may("mtls", mtls()),
            may("portLevelMtls", map("[1-9][0-9]{0,3}", mtls(), 1..=3)),
        ]),
    ])
}

const KEYS: &str = r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"xAE7eB6qugXyCAG3yhh7pkDkT65pHymX-P7KfIupjf59vsdo91bSP9C8H07pSAGQO1MV_xFj9VswgsCg4R6otmg5PV2He95lZdHtOcU5DXIg_pbhLdKXbi66GlVeK6ABZOUW3WYtnNHD-91gVuoeJT_DwtGGcp4ignkgXfkiEm4sw-4sfb4qdt5oLbyVpmW6x9cfa7vs2WTfURiCrBoUqgBo_-4WTiULmmHSGZHOjzwa8WtrtOQGsAFjIbno85jp6MnGGGZPYZbDAa_b3y5u-YpW7ypZrvD8BgtKVjgtQgZhLAGezMt0ua3DRrWnKqTZ0BJ_EyxOGuHJrLsn00fnMQ"}]}"#;

pub fn request_authentication() -> Tree {
    let keys = one_of([
        only(json!({})),
        message([must("jwksUri", text("https://[a-z]{1,5}\\.example\\.com(:8443)?/keys"))]),
        message([must("jwks", only(json!(KEYS)))]),
    ]);
    let copy =
        message([must("header", text("x-[a-z]{1,4}")), must("claim", text("[a-z]{1,4}(\\.[a-z]{1,3})?"))]);
    let rule = message([
        must(
            "issuer",
            one_of([text("https://[a-z]{1,5}\\.example\\.com"), text("[a-z]{1,5}@example\\.com")]),
        ),
        may("audiences", list(name(), 1..=2)),
        may(
            "fromHeaders",
            list(message([must("name", text(HEADER)), may("prefix", only(json!("Bearer ")))]), 1..=2),
        ),
        may("fromParams", list(text("[a-z]{1,4}"), 1..=2)),
        may("fromCookies", list(text("[a-z]{1,4}"), 1..=2)),
        may("outputPayloadToHeader", text("x-payload-[a-z]{1,4}")),
        may("outputClaimToHeaders", distinct(copy, 1..=2, |copy| copy["header"].clone())),
        may("forwardOriginalToken", flag()),
        may("timeout", duration()),
        may("spaceDelimitedClaims", list(text("[a-z]{1,4}"), 1..=2)),
    ]);
    let rules = distinct(with(rule, keys), 0..=2, |rule: &Value| rule["issuer"].clone());
    with(targets(), message([may("jwtRules", rules)]))
}
