//! EnvoyFilter, the extensions and Telemetry.

use super::build::{Tree, flag, list, map, may, message, must, one_of, only, text, whole, with, words};
use super::values::{
    HEADER, LINE, REGEXES, domain, duration, labels, name, percent, port, structure, target_refs, targets,
    workload_selector,
};
use serde_json::json;

fn value() -> Tree {
    with(
        structure(),
        message([
            must("name", name()),
            must(
                "typed_config",
                only(json!({"@type": "type.googleapis.com/envoy.config.v3.Any", "1": [null, {}]})),
            ),
        ]),
    )
}

/// A patch: what it applies to, and a match of the same object.
fn patch() -> Tree {
    let context = || must("context", words(&["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY"]));
    let proxy = || {
        let proxy = message([may("proxyVersion", words(REGEXES)), may("metadata", labels())]);
        may("proxy", proxy)
    };
    let change = || {
        one_of([
            only(json!({"operation": "REMOVE"})),
            message([must("operation", words(&["MERGE", "ADD", "REPLACE"])), must("value", value())]),
        ])
    };
    let applies = |kinds| must("applyTo", words(kinds));
    let filter = |inner: bool| {
        let mut filter =
            message([must("name", only(json!("envoy.filters.network.http_connection_manager")))]);
        if inner {
            let router = only(json!({"name": "envoy.filters.http.router"}));
            filter = with(filter, message([may("subFilter", router)]));
        }
        message([
            may("name", name()),
            may("sni", domain()),
            may("transportProtocol", words(&["tls", "raw_buffer"])),
            may("destinationPort", port()),
            must("filter", filter),
        ])
    };
    let listener = |inner| {
        let listener =
            message([may("portNumber", port()), may("name", name()), may("filterChain", filter(inner))]);
        message([context(), proxy(), may("listener", listener)])
    };
    let host = message([
        may("name", text("[a-z]{1,5}:80")),
        may("route", message([may("name", name()), may("action", words(&["ANY", "ROUTE", "REDIRECT"]))])),
    ]);
    let route =
        message([may("portNumber", port()), may("gateway", name()), may("name", name()), may("vhost", host)]);
    let cluster = message([
        may("portNumber", port()),
        may("service", domain()),
        may("subset", name()),
        may("name", name()),
    ]);
    let around = message([
        must("operation", words(&["INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST"])),
        must("value", value()),
        may("filterClass", words(&["AUTHN", "AUTHZ", "STATS"])),
    ]);
    one_of([
        message([applies(&["HTTP_FILTER"]), must("match", listener(true)), must("patch", around)]),
        message([applies(&["NETWORK_FILTER"]), must("match", listener(false)), must("patch", change())]),
        message([
            applies(&["ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE"]),
            may("match", message([context(), proxy(), may("routeConfiguration", route)])),
            must("patch", change()),
        ]),
        message([
            applies(&["CLUSTER"]),
            may("match", message([context(), proxy(), may("cluster", cluster)])),
            must("patch", change()),
        ]),
        message([applies(&["BOOTSTRAP", "EXTENSION_CONFIG"]), must("patch", change())]),
    ])
}

pub fn envoy_filter() -> Tree {
    let whom = one_of([
        message([may("workloadSelector", workload_selector())]),
        message([must("targetRefs", target_refs())]),
    ]);
    with(whom, message([may("priority", whole(-10..=10)), must("configPatches", list(patch(), 1..=2))]))
}

fn traffic() -> Tree {
    let port = message([must("number", port())]);
    let entry = message([
        must("mode", words(&["CLIENT", "SERVER", "CLIENT_AND_SERVER"])),
        may("ports", super::build::distinct(port, 1..=2, serde_json::Value::clone)),
    ]);
    list(entry, 1..=2)
}

fn module() -> Tree {
    let digest = text("[0-9a-f]{64}");
    let variable = one_of([
        message([must("name", text("[A-Z]{1,5}1")), must("value", text(LINE))]),
        message([must("name", text("[A-Z]{1,5}2")), must("valueFrom", only(json!("HOST")))]),
    ]);
    let environment =
        message([must("env", super::build::distinct(variable, 1..=2, |value| value["name"].clone()))]);
    message([
        must(
            "url",
            text("(oci|https)://[a-z]{1,6}\\.example\\.com/[a-z]{1,6}|file:///opt/[a-z]{1,6}\\.wasm"),
        ),
        may("sha256", digest),
        may("imagePullPolicy", words(&["IfNotPresent", "Always"])),
        may("imagePullSecret", name()),
        may("verificationKey", text(LINE)),
        may("pluginConfig", structure()),
        may("pluginName", name()),
        may("failStrategy", words(&["FAIL_CLOSE", "FAIL_OPEN"])),
        may("vmConfig", environment),
        may("type", words(&["HTTP", "NETWORK"])),
    ])
}

fn placed() -> Tree {
    message([
        may("phase", words(&["AUTHN", "AUTHZ", "STATS"])),
        may("priority", whole(-9..=9)),
        may("match", traffic()),
    ])
}

pub fn wasm_plugin() -> Tree {
    with(with(targets(), module()), placed())
}

pub fn traffic_extension() -> Tree {
    let code = text("function envoy_on_request\\(h\\)\n  -- [a-z: #'\"]{0,9}\nend\n?");
    let lua = message([must("inlineCode", code)]);
    let what = one_of([message([must("wasm", module())]), message([must("lua", lua)])]);
    with(with(targets(), what), placed())
}

/// A Telemetry.
pub fn telemetry() -> Tree {
    let providers = || list(message([must("name", name())]), 1..=1);
    let mode = || words(&["CLIENT", "SERVER", "CLIENT_AND_SERVER"]);
    let tag = one_of([
        message([must("literal", message([must("value", text(LINE))]))]),
        message([must("environment", message([must("name", name()), may("defaultValue", text(LINE))]))]),
        message([must("header", message([must("name", text(HEADER)), may("defaultValue", name())]))]),
    ]);
    let tracing = message([
        may("match", message([must("mode", mode())])),
        may("providers", providers()),
        may("randomSamplingPercentage", percent()),
        may("disableSpanReporting", flag()),
        may("customTags", map("[a-z]{1,6}", tag, 1..=2)),
        may("useRequestIdForTraceSampling", flag()),
    ]);
    let change = one_of([
        only(json!({"operation": "REMOVE"})),
        message([
            may("operation", only(json!("UPSERT"))),
            must("value", words(&["request.host", "'a'", "node.id"])),
        ]),
    ]);
    let which = with(
        message([may("mode", mode())]),
        one_of([
            message([must("metric", words(&["ALL_METRICS", "REQUEST_COUNT", "TCP_SENT_BYTES"]))]),
            message([must("customMetric", name())]),
        ]),
    );
    let overrides = message([
        may("match", which),
        may("disabled", flag()),
        may("tagOverrides", map("[a-z_]{1,8}", change, 1..=2)),
    ]);
    let metrics = message([
        may("providers", providers()),
        may("overrides", list(overrides, 1..=2)),
        may("reportingInterval", duration()),
    ]);
    let filter = message([must(
        "expression",
        words(&["response.code >= 400", "connection.mtls == false || response.code == 503", "true"]),
    )]);
    let logging = message([
        may("match", message([must("mode", mode())])),
        may("providers", providers()),
        may("disabled", flag()),
        may("filter", filter),
    ]);
    with(
        targets(),
        message([
            may("tracing", list(tracing, 1..=1)),
            may("metrics", list(metrics, 1..=2)),
            may("accessLogging", list(logging, 1..=2)),
        ]),
    )
}
