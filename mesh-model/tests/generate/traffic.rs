//! Blocks of traffic policies and TLS.

use super::build::{
    Tree, distinct, flag, list, map, may, message, must, one_of, only, something, text, whole, with, words,
};
use super::values::{HEADER, LABEL, count, domain, duration, name, percent, port, words_of};
use proptest::prelude::*;
use serde_json::{Value, json};

fn consistent_hash() -> Tree {
    let cookie = message([
        must("name", name()),
        may("path", words(&["/", "/a"])),
        may("ttl", one_of([duration(), words(&["0s"])])),
        may(
            "attributes",
            distinct(
                message([must("name", words(&["SameSite", "Secure", "Domain"])), may("value", name())]),
                1..=2,
                |value| value["name"].clone(),
            ),
        ),
    ]);
    let key = one_of([
        message([must("httpHeaderName", text(HEADER))]),
        message([must("httpCookie", cookie)]),
        message([must("useSourceIp", flag())]),
        message([must("httpQueryParameterName", name())]),
    ]);
    let table = one_of([
        only(json!({})),
        message([must("ringHash", message([may("minimumRingSize", count())]))]),
        message([must("maglev", message([must("tableSize", words_of(&[2, 251, 65537, 4_999_999]))]))]),
    ]);
    with(key, table)
}

/// `outlier`: whether the policy detects outliers, which failing over needs.
pub fn locality(outlier: bool) -> Tree {
    let share = 1..=99i64;
    let distribute = share.prop_map(
        |share| json!([{"from": "us-west/zone1/*", "to": {"us-west/zone1/*": share, "us-east": 100 - share}}]),
    );
    let distribute = message([may("enabled", flag()), must("distribute", distribute)]);
    if !outlier {
        return one_of([distribute, message([must("enabled", flag())])]);
    }
    one_of([
        distribute,
        message([may("enabled", flag()), must("failover", only(json!([{"from": "us", "to": "eu"}])))]),
        message([must("failoverPriority", list(words(&["network", "rack", "app=v1"]), 1..=2))]),
    ])
}

fn load_balancer(outlier: bool) -> Tree {
    let warmup = message([
        must("duration", duration()),
        may("minimumPercent", percent()),
        may("aggression", words_of(&[1, 2])),
    ]);
    let zone = message([may("enabled", flag()), may("minClusterSize", count())]);
    let near = one_of([
        only(json!({})),
        message([must("localityLbSetting", locality(outlier))]),
        message([must("zoneAwareLbSetting", zone)]),
    ]);
    let mode = one_of([
        message([must("simple", words(&["RANDOM", "PASSTHROUGH", "LEAST_REQUEST", "ROUND_ROBIN"]))]),
        message([must("simple", words(&["LEAST_REQUEST", "ROUND_ROBIN"])), must("warmup", warmup)]),
        message([must("consistentHash", consistent_hash())]),
    ]);
    with(mode, near)
}

pub fn connection_pool() -> Tree {
    let keepalive = message([may("probes", count()), may("time", duration()), may("interval", duration())]);
    let tcp = message([
        may("maxConnections", count()),
        may("connectTimeout", duration()),
        may("tcpKeepalive", keepalive),
        may("maxConnectionDuration", duration()),
        may("idleTimeout", one_of([duration(), words(&["0s"])])),
    ]);
    let http2 = message([must("interval", duration()), must("timeout", duration())]);
    let http = message([
        may("http1MaxPendingRequests", count()),
        may("http2MaxRequests", count()),
        may("maxRequestsPerConnection", count()),
        may("maxRetries", count()),
        may("idleTimeout", duration()),
        may("h2UpgradePolicy", words(&["DEFAULT", "DO_NOT_UPGRADE"])),
        may("useClientProtocol", flag()),
        may("maxConcurrentStreams", count()),
        may("http2KeepAlive", http2),
    ]);
    one_of([
        message([must("tcp", tcp.clone())]),
        message([must("http", http.clone())]),
        message([must("tcp", tcp), must("http", http)]),
    ])
}

fn outlier_detection() -> Tree {
    message([
        may("consecutiveGatewayErrors", whole(0..=9)),
        may("consecutive5xxErrors", whole(0..=9)),
        may("interval", duration()),
        may("baseEjectionTime", duration()),
        may("maxEjectionPercent", whole(0..=100)),
        may("minHealthPercent", whole(0..=100)),
        may("splitExternalLocalOriginErrors", flag()),
        may("outlierDetectionHttpErrorCodes", list(whole(100..=599), 1..=3)),
    ])
}

fn file() -> Tree {
    text("/etc/tls/[a-z]{1,5}\\.pem")
}

pub fn client_tls() -> Tree {
    let sni = || may("sni", domain());
    let names = || may("subjectAltNames", list(domain(), 1..=2));
    let mode = |mode: &'static str| must("mode", only(json!(mode)));
    one_of([
        message([must("mode", words(&["DISABLE", "ISTIO_MUTUAL"]))]),
        message([mode("SIMPLE"), must("caCertificates", file()), sni(), names(), may("caCrl", file())]),
        message([mode("SIMPLE"), must("insecureSkipVerify", only(json!(true))), sni()]),
        message([
            mode("MUTUAL"),
            must("clientCertificate", file()),
            must("privateKey", file()),
            must("caCertificates", file()),
            sni(),
            names(),
        ]),
    ])
}

/// Of a gateway (`credential`: secrets can be named) or a sidecar.
pub fn server_tls(credential: bool) -> Tree {
    let mode = |mode: &'static str| must("mode", only(json!(mode)));
    let versions = message([
        may("minProtocolVersion", words(&["TLS_AUTO", "TLSV1_2"])),
        may("maxProtocolVersion", words(&["TLS_AUTO", "TLSV1_3", "TLSV1_2"])),
        may(
            "cipherSuites",
            distinct(
                words(&["ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA", "ECDHE-ECDSA-CHACHA20-POLY1305"]),
                1..=3,
                Value::clone,
            ),
        ),
    ]);
    let files = one_of([
        message([mode("SIMPLE"), must("serverCertificate", file()), must("privateKey", file())]),
        message([
            must("mode", words(&["MUTUAL", "OPTIONAL_MUTUAL"])),
            must("serverCertificate", file()),
            must("privateKey", file()),
            must("caCertificates", file()),
            may("caCrl", file()),
        ]),
    ]);
    if !credential {
        return with(files, versions);
    }
    let secrets = one_of([
        message([
            must("mode", words(&["SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"])),
            must("credentialName", name()),
        ]),
        message([
            mode("MUTUAL"),
            must("credentialName", name()),
            must("subjectAltNames", list(domain(), 1..=2)),
        ]),
        message([mode("SIMPLE"), must("credentialNames", only(json!(["rsa", "ecdsa"])))]),
        message([mode("ISTIO_MUTUAL")]),
    ]);
    with(one_of([files, secrets]), versions)
}

fn blocks(outlier: bool) -> Tree {
    let block = something([
        may("loadBalancer", load_balancer(outlier)),
        may("connectionPool", connection_pool()),
        may("tls", client_tls()),
    ]);
    if outlier { with(block, message([must("outlierDetection", outlier_detection())])) } else { block }
}

pub fn traffic_policy() -> Tree {
    let block = || one_of([blocks(false), blocks(true)]);
    let by_port = with(block(), message([must("port", message([must("number", port())]))]));
    let tunnel = message([
        may("protocol", words(&["CONNECT", "POST"])),
        must("targetHost", domain()),
        must("targetPort", port()),
    ]);
    let budget = message([
        may("percent", percent()),
        may("minRetryConcurrency", count()),
        may("budgetInterval", duration()),
    ]);
    let more = message([
        may("portLevelSettings", distinct(by_port, 1..=2, |value| value["port"].clone())),
        may("retryBudget", budget),
    ]);
    let last = one_of([
        only(json!({})),
        only(json!({})),
        message([must("tunnel", tunnel)]),
        message([must("proxyProtocol", message([must("version", words(&["V1", "V2"]))]))]),
    ]);
    with(with(block(), more), last)
}

pub fn headers() -> Tree {
    let operations = || {
        message([
            may("set", map(HEADER, text("[a-z0-9]{1,6}"), 1..=2)),
            may("add", map(HEADER, text("[a-z0-9 =;,]{0,6}[a-z]"), 1..=2)),
            may("remove", list(text(HEADER), 1..=2)),
        ])
    };
    message([may("request", operations()), may("response", operations())])
}

/// `{name: port number, ...}`
pub fn named_ports() -> Tree {
    map(LABEL, port(), 1..=2)
}
