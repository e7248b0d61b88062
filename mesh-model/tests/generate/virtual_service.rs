//! Virtual services.

use super::build::{Tree, distinct, flag, list, may, message, must, one_of, only, text, whole, with, words};
use super::traffic::headers;
use super::values::{
    HEADER, REGEXES, destination, domain, duration, export_to, header_matches, labels, name, percentage,
    port, string_match, subnet, wildcard,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One destination, or several with shares.
fn destinations(http: bool) -> Tree {
    let one = move |weighted: bool| {
        let mut tree = message([must("destination", destination())]);
        if weighted {
            tree = with(tree, message([must("weight", whole(1..=100))]));
        }
        if http {
            tree = with(tree, message([may("headers", headers())]));
        }
        tree
    };
    one_of([list(one(false), 1..=1), list(one(true), 2..=3)])
}

/// A condition besides the path, which [`rules`] adds.
fn condition() -> Tree {
    message([
        may("name", name()),
        may("scheme", message([must("exact", words(&["http", "https"]))])),
        may("method", message([must("exact", words(&["GET", "POST"]))])),
        may("authority", string_match()),
        may("headers", header_matches()),
        may("withoutHeaders", header_matches()),
        may("queryParams", super::build::map("[a-z]{1,5}", string_match(), 1..=2)),
        may("port", port()),
        may("statPrefix", name()),
    ])
}

fn fault() -> Tree {
    let delay = message([must("fixedDelay", duration()), must("percentage", percentage())]);
    let status = one_of([
        message([must("httpStatus", whole(200..=599))]),
        message([must("grpcStatus", words(&["UNAVAILABLE", "NOT_FOUND", "OK"]))]),
    ]);
    let abort = with(status, message([must("percentage", percentage())]));
    one_of([
        message([must("delay", delay.clone())]),
        message([must("abort", abort.clone())]),
        message([must("delay", delay), must("abort", abort)]),
    ])
}

fn cors() -> Tree {
    message([
        must("allowOrigins", list(message([must("exact", text("https://[a-z]{1,5}\\.com"))]), 1..=2)),
        may("allowMethods", distinct(words(&["GET", "POST", "DELETE"]), 1..=2, Value::clone)),
        may("allowHeaders", distinct(text(HEADER), 1..=2, Value::clone)),
        may("exposeHeaders", distinct(text(HEADER), 1..=2, Value::clone)),
        may("maxAge", words(&["24h", "30s", "1h30m"])),
        may("allowCredentials", flag()),
        may("unmatchedPreflights", words(&["FORWARD", "IGNORE"])),
    ])
}

fn retries() -> Tree {
    one_of([
        only(json!({"attempts": 0})),
        message([
            must("attempts", whole(1..=3)),
            may("retryOn", words(&["5xx", "connect-failure,refused-stream", "503,reset"])),
            may("retryRemoteLocalities", flag()),
            may("retryIgnorePreviousHosts", flag()),
            may("backoff", duration()),
        ]),
    ])
}

fn rewrite() -> Tree {
    one_of([
        message([must("uri", text("/[a-z]{0,4}"))]),
        message([must("authority", domain())]),
        message([must("uri", text("/[a-z]{1,4}")), must("authority", domain())]),
        message([must("uriRegexRewrite", only(json!({"match": "^/a/(.*)$", "rewrite": "/b/\\1"})))]),
    ])
}

fn mirrors() -> Tree {
    one_of([
        only(json!({})),
        message([must("mirror", destination()), may("mirrorPercentage", percentage())]),
        message([must(
            "mirrors",
            list(message([must("destination", destination()), may("percentage", percentage())]), 1..=2),
        )]),
    ])
}

fn action() -> Tree {
    let route = message([
        must("route", destinations(true)),
        may("rewrite", rewrite()),
        may("timeout", duration()),
        may("retries", retries()),
        may("fault", fault()),
        may("corsPolicy", cors()),
        may("headers", headers()),
    ]);
    let redirect = one_of([
        message([
            must("uri", text("/[a-z]{1,4}")),
            may("authority", domain()),
            may("port", port()),
            may("redirectCode", super::values::words_of(&[301, 302, 303, 307, 308])),
        ]),
        message([
            must("authority", domain()),
            may("scheme", words(&["http", "https"])),
            may("derivePort", words(&["FROM_REQUEST_PORT", "FROM_PROTOCOL_DEFAULT"])),
        ]),
    ]);
    let response = message([
        must("status", whole(200..=599)),
        may(
            "body",
            one_of([
                message([must("string", text(super::values::LINE))]),
                only(json!({"bytes": "aGVsbG8="})),
            ]),
        ),
    ]);
    one_of([
        with(route.clone(), mirrors()),
        route,
        message([must("redirect", redirect)]),
        message([must("directResponse", response), may("headers", headers())]),
    ])
}

/// HTTP rules of which each but the last has a path of its own.
fn rules() -> Tree {
    let path = (0..3u8, condition()).prop_map(|(form, condition)| (form, condition));
    let rule = (
        prop::collection::vec(path, 1..=2),
        action(),
        prop::option::of(super::build::pattern(super::values::LABEL)),
    );
    (prop::collection::vec(rule, 1..=3), any::<bool>())
        .prop_map(|(rules, open)| {
            let count = rules.len();
            let rules = rules.into_iter().enumerate().map(|(index, (matches, mut action, name))| {
                let entry = |(number, (form, mut condition)): (usize, (u8, Value))| {
                    let path = format!("/r{index}-{number}/");
                    condition["uri"] = match form {
                        0 => json!({"exact": path}),
                        1 => json!({"prefix": path}),
                        _ => json!({"regex": format!("{path}{}", REGEXES[number])}),
                    };
                    if form < 2 && number == 0 {
                        condition["ignoreUriCase"] = json!(true);
                    }
                    condition
                };
                if !(open && index + 1 == count) {
                    action["match"] = matches.into_iter().enumerate().map(entry).collect();
                }
                if let Some(name) = name {
                    action["name"] = json!(name);
                }
                action
            });
            rules.collect()
        })
        .boxed()
}

fn tls_rules() -> Tree {
    let entry = |sni: Value| {
        message([
            must("sniHosts", only(json!([sni]))),
            may("port", port()),
            may("destinationSubnets", list(subnet(), 1..=2)),
            may("sourceLabels", labels()),
        ])
    };
    let rule = move |sni: &str| {
        message([must("match", list(entry(json!(sni)), 1..=1)), must("route", destinations(false))])
    };
    one_of([
        list(rule("a.example.com"), 1..=1),
        (rule("a.example.com"), rule("b.example.com")).prop_map(|(a, b)| json!([a, b])).boxed(),
    ])
}

fn tcp_rules() -> Tree {
    let entry = message([
        must("port", port()),
        may("destinationSubnets", list(subnet(), 1..=2)),
        may("sourceLabels", labels()),
    ]);
    let rule = message([must("match", list(entry, 1..=1)), must("route", destinations(false))]);
    one_of([
        list(message([must("route", destinations(false))]), 1..=1),
        distinct(rule, 1..=3, |rule| rule["match"][0]["port"].clone()),
    ])
}

pub fn virtual_service() -> Tree {
    let hosts = one_of([distinct(one_of([domain(), name()]), 1..=3, Value::clone), list(wildcard(), 1..=1)]);
    let http = message([
        must("hosts", hosts),
        may(
            "gateways",
            distinct(one_of([name(), words(&["mesh", "istio-system/public"])]), 1..=3, Value::clone),
        ),
        may("exportTo", export_to()),
        must("http", rules()),
    ]);
    let delegate = message([must("http", rules()), may("exportTo", export_to())]);
    let root = message([
        must("hosts", list(domain(), 1..=1)),
        must("gateways", only(json!(["public"]))),
        must(
            "http",
            list(
                message([
                    must("match", only(json!([{"uri": {"prefix": "/team"}}]))),
                    must("delegate", message([must("name", name()), may("namespace", name())])),
                ]),
                1..=1,
            ),
        ),
    ]);
    let tls = message([must("hosts", only(json!(["*.example.com"]))), must("tls", tls_rules())]);
    let tcp = message([must("hosts", list(one_of([domain(), name()]), 1..=1)), must("tcp", tcp_rules())]);
    one_of([http.clone(), http, delegate, root, tls, tcp])
}
