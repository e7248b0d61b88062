//! Arbitrary YAML in the words of Istio's resources.

use std::fmt::Write;

use arbitrary::{Arbitrary, Result, Unstructured};

/// Deep enough for every field of every resource.
const DEEPEST: usize = 12;

/// Resources, and the fields of what stands under a name. A field is a scalar, or `{}` a map, `[]` a list of
/// scalars, `[{}]` a list of maps. One name has the same fields wherever it stands, which is true often enough.
const GRAMMAR: &[(&str, &str)] = &[
    ("VirtualService", "hosts[] gateways[] http[{}] tls[{}] tcp[{}] exportTo[]"),
    (
        "http",
        "name match[{}] route[{}] redirect{} rewrite{} directResponse{} fault{} timeout retries{} mirror{} mirrors[{}] \
         mirrorPercentage{} corsPolicy{} headers{} delegate{}",
    ),
    ("tls", "match[{}] route[{}] mode credentialName httpsRedirect"),
    ("tcp", "match[{}] route[{}] maxConnections connectTimeout"),
    (
        "match",
        "name uri{} scheme{} method{} authority{} headers{} withoutHeaders{} queryParams{} port ignoreUriCase sniHosts[] \
         sourceLabels{} sourceNamespace gateways[]",
    ),
    ("uri", "exact prefix regex"),
    ("scheme", "exact"),
    ("method", "exact prefix regex"),
    ("authority", "exact prefix regex"),
    ("withoutHeaders", "x{}"),
    ("queryParams", "x{}"),
    ("x", "exact prefix regex"),
    ("route", "destination{} weight headers{}"),
    ("destination", "host subset port{}"),
    ("port", "number name protocol targetPort"),
    ("redirect", "uri authority redirectCode scheme port derivePort"),
    ("rewrite", "uri authority uriRegexRewrite{}"),
    ("uriRegexRewrite", "match rewrite"),
    ("directResponse", "status body{}"),
    ("body", "string bytes"),
    ("fault", "delay{} abort{}"),
    ("delay", "fixedDelay percentage{} percent"),
    ("abort", "httpStatus grpcStatus percentage{}"),
    ("percentage", "value"),
    ("mirrorPercentage", "value"),
    ("retries", "attempts perTryTimeout retryOn"),
    ("mirror", "host subset port{}"),
    ("mirrors", "destination{} percentage{}"),
    ("corsPolicy", "allowOrigins[{}] allowMethods[] allowHeaders[] exposeHeaders[] maxAge allowCredentials"),
    ("allowOrigins", "exact prefix regex"),
    ("headers", "request{} response{} x{}"),
    ("request", "set{} add{} remove[]"),
    ("response", "set{} add{} remove[]"),
    ("set", "x-a host"),
    ("add", "x-a"),
    ("delegate", "name namespace"),
    ("DestinationRule", "host subsets[{}] trafficPolicy{} exportTo[] workloadSelector{}"),
    ("subsets", "name labels{} trafficPolicy{}"),
    ("labels", "app version"),
    ("trafficPolicy", "loadBalancer{} connectionPool{} outlierDetection{} tls{} portLevelSettings[{}]"),
    ("portLevelSettings", "port{} loadBalancer{} connectionPool{} outlierDetection{}"),
    ("loadBalancer", "simple consistentHash{} localityLbSetting{} warmup{}"),
    (
        "consistentHash",
        "httpHeaderName useSourceIp httpQueryParameterName httpCookie{} minimumRingSize ringHash{} maglev{}",
    ),
    ("httpCookie", "name path ttl"),
    ("ringHash", "minimumRingSize"),
    ("maglev", "tableSize"),
    ("localityLbSetting", "enabled distribute[{}] failover[{}] failoverPriority[]"),
    ("distribute", "from to{}"),
    ("failover", "from to"),
    ("connectionPool", "tcp{} http{}"),
    (
        "outlierDetection",
        "consecutive5xxErrors consecutiveGatewayErrors interval baseEjectionTime maxEjectionPercent minHealthPercent",
    ),
    ("Gateway", "selector{} servers[{}]"),
    ("servers", "port{} hosts[] tls{} bind name"),
    ("selector", "istio app matchLabels{}"),
    ("matchLabels", "istio app"),
    (
        "ServiceEntry",
        "hosts[] addresses[] ports[{}] location resolution endpoints[{}] workloadSelector{} exportTo[]",
    ),
    ("ports", "number name protocol targetPort port"),
    (
        "endpoints",
        "address ports{} labels{} weight locality serviceAccount addresses[] targetRef{} conditions{}",
    ),
    ("Sidecar", "workloadSelector{} ingress[{}] egress[{}] outboundTrafficPolicy{}"),
    ("workloadSelector", "labels{}"),
    ("egress", "port{} bind captureMode hosts[]"),
    ("ingress", "port{} bind captureMode defaultEndpoint"),
    ("outboundTrafficPolicy", "mode"),
    ("AuthorizationPolicy", "selector{} action rules[{}] provider{} targetRefs[{}]"),
    ("provider", "name"),
    ("targetRefs", "group kind name"),
    ("rules", "from[{}] to[{}] when[{}]"),
    ("from", "source{}"),
    ("to", "operation{}"),
    (
        "source",
        "principals[] notPrincipals[] requestPrincipals[] namespaces[] serviceAccounts[] ipBlocks[] remoteIpBlocks[]",
    ),
    ("operation", "hosts[] ports[] methods[] paths[] notPaths[]"),
    ("when", "key values[] notValues[]"),
    ("PeerAuthentication", "selector{} mtls{} portLevelMtls{}"),
    ("mtls", "mode"),
    ("RequestAuthentication", "selector{} jwtRules[{}]"),
    ("jwtRules", "issuer audiences[] jwksUri jwks fromHeaders[{}] fromParams[]"),
    ("Service", "clusterIP type ports[{}] selector{}"),
    ("WorkloadEntry", "address ports{} labels{} network locality weight serviceAccount"),
    ("Telemetry", "selector{} accessLogging[{}] metrics[{}]"),
];

/// Texts that mean something somewhere.
const WORDS: &[&str] = &[
    "",
    "a",
    "reviews",
    "*",
    "*.example.com",
    "a.example.com",
    "reviews.default.svc.cluster.local",
    "/",
    "/api",
    "/api/",
    "10.0.0.1",
    "10.0.0.0/8",
    "::1",
    "GET",
    "5s",
    "1.5s",
    "1h",
    "1d",
    "-1s",
    "0.5",
    "100",
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
    "door",
    ".",
    "~",
    "istio-system",
    "./*",
    "5xx,reset",
    "v1",
    "ingressgateway",
    "cluster.local/ns/default/sa/a",
    "request.headers[x]",
    "request.auth.claims[a][b]",
    "source.ip",
    "[a-z]+",
    "(",
    "{*}",
    "{**}",
    "STATIC",
    "DNS",
    "NONE",
    "MESH_EXTERNAL",
    "X-A",
    "region/zone",
    "%REQ(x)%",
];

/// Kinds with their group.
const KINDS: &[(&str, &str)] = &[
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1beta1", "DestinationRule"),
    ("networking.istio.io/v1alpha3", "Gateway"),
    ("networking.istio.io/v1", "ServiceEntry"),
    ("networking.istio.io/v1", "Sidecar"),
    ("networking.istio.io/v1", "WorkloadEntry"),
    ("security.istio.io/v1", "AuthorizationPolicy"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("security.istio.io/v1", "RequestAuthentication"),
    ("telemetry.istio.io/v1", "Telemetry"),
    ("v1", "Service"),
    ("example.com/v1", "Unknown"),
];

/// A stream of documents in flow style: each is JSON.
#[derive(Debug)]
pub struct Tree(pub String);

impl<'a> Arbitrary<'a> for Tree {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        for _ in 0..input.int_in_range(1..=6)? {
            let (group, kind) = input.choose(KINDS)?;
            let name = input.choose(&["a", "door", "reviews", "mesh"])?;
            let namespace = input.choose(&["default", "istio-system", "b"])?;
            let _ = write!(
                text,
                "---\n{{\"apiVersion\":\"{group}\",\"kind\":\"{kind}\",\
                 \"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{namespace}\"}},\"spec\":"
            );
            map(input, kind, 1, &mut text)?;
            text.push_str("}\n");
        }
        Ok(Self(text))
    }
}

/// The map under a name: some of the fields it should have, rarely one that it should not.
fn map(input: &mut Unstructured<'_>, name: &str, depth: usize, text: &mut String) -> Result<()> {
    let fields: Vec<&str> = GRAMMAR
        .iter()
        .filter(|(of, _)| *of == name)
        .flat_map(|(_, fields)| fields.split_whitespace())
        .collect();
    text.push('{');
    let mut first = true;
    let mut member = |input: &mut Unstructured<'_>, field: &str, text: &mut String| {
        let at = field.find(['{', '[']).unwrap_or(field.len());
        let (key, shape) = field.split_at(at);
        let comma = if first { "" } else { "," };
        first = false;
        let _ = write!(text, "{comma}\"{key}\":");
        let stray = input.ratio(1, 32)?;
        shaped(input, key, if stray { "" } else { shape }, depth + 1, text)
    };
    // A generous share at the top, where nothing happens otherwise.
    for field in fields {
        if input.ratio(if depth < 4 { 2 } else { 1 }, 3)? {
            member(input, field, text)?;
        }
    }
    if input.ratio(1, 16)? {
        let (stray, _) = input.choose(GRAMMAR)?;
        member(input, stray, text)?;
    }
    text.push('}');
    Ok(())
}

fn shaped(
    input: &mut Unstructured<'_>,
    key: &str,
    shape: &str,
    depth: usize,
    text: &mut String,
) -> Result<()> {
    match shape {
        "{}" if depth < DEEPEST => map(input, key, depth, text),
        "[]" | "[{}]" if depth < DEEPEST => {
            text.push('[');
            for number in 0..input.int_in_range(0..=3)? {
                text.push_str(if number == 0 { "" } else { "," });
                if shape == "[]" { scalar(input, text)? } else { map(input, key, depth + 1, text)? }
            }
            text.push(']');
            Ok(())
        }
        _ => scalar(input, text),
    }
}

fn scalar(input: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    match input.int_in_range(0..=9)? {
        0..=6 => {
            let _ = write!(text, "\"{}\"", input.choose(WORDS)?);
        }
        7 => {
            let _ = write!(text, "{}", input.arbitrary::<i32>()?);
        }
        _ => {
            text.push_str(input.choose(&[
                "true", "false", "null", "0", "80", "8080", "301", "503", "1e3", "0.1", "{}", "[]",
            ])?)
        }
    }
    Ok(())
}
