//! Arbitrary YAML in the words of Istio's resources.

use std::fmt::Write;

use arbitrary::{Arbitrary, Result, Unstructured};

/// Deep enough for every field of every resource.
const DEEPEST: usize = 12;

/// Keys of resources; the index of the fuzzer's byte picks one.
const KEYS: &[&str] = &[
    "spec",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "hosts",
    "gateways",
    "http",
    "tls",
    "tcp",
    "match",
    "route",
    "destination",
    "host",
    "subset",
    "port",
    "number",
    "weight",
    "uri",
    "exact",
    "prefix",
    "regex",
    "headers",
    "withoutHeaders",
    "queryParams",
    "method",
    "scheme",
    "authority",
    "redirect",
    "rewrite",
    "directResponse",
    "status",
    "body",
    "string",
    "fault",
    "delay",
    "abort",
    "percentage",
    "value",
    "fixedDelay",
    "httpStatus",
    "timeout",
    "retries",
    "attempts",
    "perTryTimeout",
    "retryOn",
    "mirror",
    "mirrorPercentage",
    "corsPolicy",
    "allowOrigins",
    "allowMethods",
    "maxAge",
    "delegate",
    "exportTo",
    "sourceLabels",
    "sourceNamespace",
    "sniHosts",
    "subsets",
    "trafficPolicy",
    "loadBalancer",
    "simple",
    "consistentHash",
    "httpHeaderName",
    "connectionPool",
    "maxConnections",
    "outlierDetection",
    "consecutive5xxErrors",
    "interval",
    "baseEjectionTime",
    "maxEjectionPercent",
    "portLevelSettings",
    "mode",
    "selector",
    "matchLabels",
    "servers",
    "protocol",
    "bind",
    "credentialName",
    "egress",
    "ingress",
    "action",
    "rules",
    "from",
    "to",
    "when",
    "key",
    "values",
    "notValues",
    "source",
    "operation",
    "principals",
    "namespaces",
    "ipBlocks",
    "methods",
    "paths",
    "ports",
    "mtls",
    "jwtRules",
    "issuer",
    "jwks",
    "addresses",
    "endpoints",
    "address",
    "resolution",
    "location",
    "type",
    "clusterIP",
    "targetPort",
    "data",
    "items",
    "mesh",
    "set",
    "add",
    "remove",
    "request",
    "response",
];

/// Texts that mean something somewhere.
const WORDS: &[&str] = &[
    "",
    "a",
    "reviews",
    "*",
    "*.example.com",
    "reviews.default.svc.cluster.local",
    "/",
    "/api",
    "/api/",
    "10.0.0.1",
    "10.0.0.0/8",
    "::1",
    "GET",
    "get",
    "5s",
    "1.5s",
    "1h",
    "1d",
    "-1s",
    "0.5",
    "100%",
    "ALLOW",
    "DENY",
    "CUSTOM",
    "AUDIT",
    "HTTP",
    "HTTPS",
    "TCP",
    "http-web",
    "STRICT",
    "PERMISSIVE",
    "DISABLE",
    "MUTUAL",
    "SIMPLE",
    "ISTIO_MUTUAL",
    "ROUND_ROBIN",
    "LEAST_REQUEST",
    "RANDOM",
    "PASSTHROUGH",
    "mesh",
    ".",
    "~",
    "istio-system",
    "./*",
    "5xx,reset",
    "cluster.local/ns/default/sa/a",
    "request.headers[x]",
    "request.auth.claims[a][b]",
    "[a-z]+",
    "(",
    "{*}",
    "{**}",
    "STATIC",
    "DNS",
    "NONE",
    "MESH_EXTERNAL",
    "true",
    "null",
];

/// Kinds with the group they belong to.
const KINDS: &[(&str, &str)] = &[
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1beta1", "DestinationRule"),
    ("networking.istio.io/v1alpha3", "Gateway"),
    ("networking.istio.io/v1", "ServiceEntry"),
    ("networking.istio.io/v1", "Sidecar"),
    ("networking.istio.io/v1", "WorkloadEntry"),
    ("networking.istio.io/v1", "WorkloadGroup"),
    ("networking.istio.io/v1alpha3", "EnvoyFilter"),
    ("networking.istio.io/v1beta1", "ProxyConfig"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("security.istio.io/v1", "RequestAuthentication"),
    ("telemetry.istio.io/v1", "Telemetry"),
    ("extensions.istio.io/v1alpha1", "WasmPlugin"),
    ("v1", "Service"),
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("v1", "List"),
    ("example.com/v1", "Unknown"),
];

/// A stream of documents in flow style, which is JSON but for the separators.
#[derive(Debug)]
pub struct Tree(pub String);

impl<'a> Arbitrary<'a> for Tree {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        for _ in 0..input.int_in_range(1..=4)? {
            let (group, kind) = input.choose(KINDS)?;
            let name = input.choose(WORDS)?;
            let _ = write!(
                text,
                "---\n{{\"apiVersion\":\"{group}\",\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"{name}\"}}"
            );
            for key in ["spec", "data", "items"] {
                if input.ratio(1, if key == "spec" { 1 } else { 8 })? {
                    let _ = write!(text, ",\"{key}\":");
                    value(input, 1, &mut text)?;
                }
            }
            text.push_str("}\n");
        }
        Ok(Self(text))
    }
}

fn value(input: &mut Unstructured<'_>, depth: usize, text: &mut String) -> Result<()> {
    let leaf = depth >= DEEPEST || input.is_empty();
    match input.int_in_range(if leaf { 5..=9 } else { 0..=9 })? {
        0..=2 => {
            text.push('{');
            for number in 0..input.int_in_range(0..=4)? {
                let comma = if number == 0 { "" } else { "," };
                let _ = write!(text, "{comma}\"{}\":", input.choose(KEYS)?);
                value(input, depth + 1, text)?;
            }
            text.push('}');
        }
        3..=4 => {
            text.push('[');
            for number in 0..input.int_in_range(0..=3)? {
                text.push_str(if number == 0 { "" } else { "," });
                value(input, depth + 1, text)?;
            }
            text.push(']');
        }
        5..=7 => {
            let _ = write!(text, "\"{}\"", input.choose(WORDS)?);
        }
        8 => {
            let _ = write!(text, "{}", input.arbitrary::<i32>()?);
        }
        _ => text.push_str(input.choose(&["true", "false", "null", "0", "80", "1e3", "0.1"])?),
    }
    Ok(())
}
