//! The other kinds of networking.istio.io.

use super::build::{Tree, distinct, list, map, may, message, must, one_of, only, text, whole, with, words};
use super::traffic::{connection_pool, named_ports, server_tls, traffic_policy};
use super::values::{
    LINE, V4, address, count, domain, export_to, labels, name, policy_selector, port, service, subnet,
    wildcard, workload_selector,
};
use proptest::prelude::*;
use serde_json::{Value, json};

pub fn destination_rule() -> Tree {
    let subset =
        message([must("name", name()), must("labels", labels()), may("trafficPolicy", traffic_policy())]);
    let rule = message([
        must("host", one_of([service(), wildcard()])),
        may("trafficPolicy", traffic_policy()),
        may("subsets", distinct(subset, 1..=2, |value| value["name"].clone())),
    ]);
    let scope = one_of([
        message([may("exportTo", export_to())]),
        message([must("workloadSelector", policy_selector()), may("exportTo", only(json!(["."])))]),
    ]);
    with(rule, scope)
}

/// Numbers the ports of a list of messages, so that names, ports and binds do not repeat.
fn numbered(list: Tree, first: u64) -> Tree {
    list.prop_map(move |mut list| {
        for (index, entry) in list.as_array_mut().into_iter().flatten().enumerate() {
            let protocol = entry["port"]["protocol"].as_str().unwrap_or("tcp").to_ascii_lowercase();
            entry["port"]["number"] = json!(first + index as u64);
            entry["port"]["name"] = json!(format!("{protocol}-{index}"));
        }
        list
    })
    .boxed()
}

pub fn gateway() -> Tree {
    let host = || {
        one_of([
            only(json!("*")),
            domain(),
            wildcard(),
            text("(\\*|\\.|[a-z]{1,5})/(\\*|\\*\\.[a-z]{1,5}\\.com|[a-z]{1,5}\\.org)"),
        ])
    };
    let hosts = move || must("hosts", distinct(host(), 1..=3, Value::clone));
    let port = |protocols| must("port", message([must("protocol", words(protocols))]));
    let bind = || may("bind", address());
    let server = one_of([
        message([
            port(&["HTTP", "HTTP2", "GRPC"]),
            hosts(),
            bind(),
            may("tls", only(json!({"httpsRedirect": true}))),
        ]),
        message([port(&["HTTPS", "TLS"]), hosts(), bind(), must("tls", server_tls(true))]),
        message([
            port(&["TLS", "HTTPS"]),
            hosts(),
            must("tls", message([must("mode", words(&["PASSTHROUGH", "AUTO_PASSTHROUGH"]))])),
        ]),
        message([port(&["TCP", "MONGO", "REDIS", "MYSQL"]), hosts(), bind()]),
    ]);
    message([must("selector", labels()), must("servers", numbered(list(server, 1..=3), 8000))])
}

fn service_ports(protocols: &'static [&'static str]) -> Tree {
    let port = message([must("protocol", words(protocols)), may("targetPort", port())]);
    prop::collection::vec(port, 1..=3)
        .prop_map(|mut ports| {
            for (index, port) in ports.iter_mut().enumerate() {
                port["number"] = json!(1000 + index);
                port["name"] = json!(format!("p{index}"));
            }
            Value::Array(ports)
        })
        .boxed()
}

/// An endpoint at what `address` generates.
fn endpoint(address: Tree) -> Tree {
    message([
        must("address", address),
        may("ports", message([must("p0", port())])),
        may("labels", labels()),
        may("network", name()),
        may("locality", words(&["eu", "eu/zone-1", "us-west/zone1/rack2"])),
        may("weight", count()),
        may("serviceAccount", name()),
    ])
}

pub fn service_entry() -> Tree {
    const HTTP: &[&str] = &["HTTP", "HTTPS", "GRPC", "HTTP2", "TLS"];
    const ALL: &[&str] = &["HTTP", "HTTPS", "GRPC", "HTTP2", "TLS", "TCP", "MONGO", "REDIS", "MYSQL"];
    let hosts = || distinct(one_of([domain(), wildcard()]), 1..=3, Value::clone);
    let common = || {
        message([
            may("location", words(&["MESH_EXTERNAL", "MESH_INTERNAL"])),
            may("exportTo", export_to()),
            may("subjectAltNames", list(domain(), 1..=2)),
        ])
    };
    let resolution = |name: &'static str| must("resolution", only(json!(name)));
    let shapes = one_of([
        message([
            resolution("NONE"),
            must("hosts", hosts()),
            must("ports", service_ports(HTTP)),
            may("addresses", list(subnet(), 1..=2)),
        ]),
        message([
            must("hosts", list(domain(), 1..=1)),
            must("addresses", list(subnet(), 1..=2)),
            must("ports", service_ports(ALL)),
        ]),
        message([
            resolution("STATIC"),
            must("hosts", hosts()),
            must("ports", service_ports(HTTP)),
            must("endpoints", list(endpoint(text(V4)), 1..=3)),
        ]),
        message([
            resolution("STATIC"),
            must("hosts", list(domain(), 1..=1)),
            must("ports", service_ports(ALL)),
            must("workloadSelector", workload_selector()),
            must("location", only(json!("MESH_INTERNAL"))),
        ]),
        message([
            resolution("DNS"),
            must("hosts", list(domain(), 1..=2)),
            must("ports", service_ports(HTTP)),
            may("endpoints", list(endpoint(one_of([domain(), text(V4)])), 1..=2)),
        ]),
        message([
            resolution("DNS_ROUND_ROBIN"),
            must("hosts", list(domain(), 1..=1)),
            must("ports", service_ports(ALL)),
            may("endpoints", list(endpoint(domain()), 1..=1)),
        ]),
        message([
            resolution("DYNAMIC_DNS"),
            must("hosts", list(wildcard(), 1..=1)),
            must("ports", service_ports(&["HTTP", "TLS"])),
        ]),
    ]);
    with(common(), shapes)
}

pub fn sidecar() -> Tree {
    let host = one_of([
        only(json!("./*")),
        text("(\\*|ns-[a-z]{1,3})/(\\*\\.)?[a-z]{1,5}\\.[a-z]{1,5}\\.com"),
        text("~/\\*"),
    ]);
    let hosts = || must("hosts", distinct(host.clone(), 1..=3, Value::clone));
    let protocol = |protocols| must("port", message([must("protocol", words(protocols))]));
    let capture = || may("captureMode", words(&["DEFAULT", "IPTABLES", "NONE"]));
    let egress = numbered(
        list(
            message([
                hosts(),
                protocol(&["HTTP", "TCP", "GRPC", "MONGO"]),
                may("bind", address()),
                capture(),
            ]),
            1..=2,
        ),
        9000,
    );
    let egress = one_of([egress, list(message([hosts()]), 1..=1)]);
    let endpoint = || {
        may(
            "defaultEndpoint",
            words(&["127.0.0.1:8080", "0.0.0.0:80", "unix:///var/run/app.sock", "[::1]:9"]),
        )
    };
    let ingress = one_of([
        message([
            protocol(&["HTTP", "GRPC", "HTTP2"]),
            may("bind", address()),
            capture(),
            endpoint(),
            may("connectionPool", connection_pool()),
        ]),
        message([protocol(&["HTTPS", "TLS"]), endpoint(), must("tls", server_tls(false))]),
    ]);
    let policy = message([must("mode", words(&["REGISTRY_ONLY", "ALLOW_ANY"]))]);
    message([
        may("workloadSelector", workload_selector()),
        must("egress", egress),
        may("ingress", numbered(list(ingress, 1..=2), 7000)),
        may("inboundConnectionPool", connection_pool()),
        may("outboundTrafficPolicy", policy),
    ])
}

fn workload() -> Tree {
    message([
        may("ports", named_ports()),
        may("network", name()),
        may("locality", words(&["eu", "eu/zone-1", "us-west/zone1/rack2"])),
        may("weight", count()),
        may("serviceAccount", name()),
    ])
}

pub fn workload_entry() -> Tree {
    one_of([
        with(workload(), message([must("address", one_of([address(), domain()])), may("labels", labels())])),
        message([must("address", only(json!("unix:///var/run/a.sock"))), may("labels", labels())]),
    ])
}

pub fn workload_group() -> Tree {
    let http = message([
        must("port", port()),
        may("path", text("/[a-z]{0,5}")),
        may("host", domain()),
        may("scheme", words(&["HTTP", "HTTPS"])),
        may(
            "httpHeaders",
            list(message([must("name", text("X-[A-Z][a-z]{0,4}")), must("value", text(LINE))]), 1..=2),
        ),
    ]);
    let method = one_of([
        message([must("httpGet", http)]),
        message([must("tcpSocket", message([must("port", port()), may("host", domain())]))]),
        message([must("exec", message([must("command", list(text(LINE), 1..=3))]))]),
    ]);
    let times = message([
        may("initialDelaySeconds", count()),
        may("timeoutSeconds", count()),
        may("periodSeconds", count()),
        may("successThreshold", count()),
        may("failureThreshold", count()),
    ]);
    let metadata =
        message([may("labels", labels()), may("annotations", map("[a-z]{1,6}", text(LINE), 1..=2))]);
    message([may("metadata", metadata), must("template", workload()), may("probe", with(method, times))])
}

pub fn proxy_config() -> Tree {
    message([
        may("selector", policy_selector()),
        may("concurrency", whole(0..=64)),
        may("environmentVariables", map("[A-Z][A-Z_]{0,6}", text(LINE), 1..=2)),
        may("image", message([must("imageType", words(&["default", "distroless", "debug"]))])),
    ])
}
