//! What the types cannot say: fields that are required, that exclude one another, and bounds of ports.

use super::{at, set};
use serde_json::{Value, json};

/// Fields of a message that must be there, as in Istio's own schema.
const REQUIRED: &[(&str, &[&str])] = &[
    ("Destination", &["host"]),
    ("HttpRouteDestination", &["destination"]),
    ("RouteDestination", &["destination"]),
    ("HttpMirrorPolicy", &["destination"]),
    ("HttpDirectResponse", &["status"]),
    ("TlsMatchAttributes", &["sniHosts"]),
    ("TlsRoute", &["match"]),
    ("TargetRef", &["kind", "name"]),
    ("HttpCookie", &["name"]),
    ("CookieAttribute", &["name"]),
    ("WarmupConfiguration", &["duration"]),
    ("DestinationRule", &["host"]),
    ("TunnelSettings", &["targetHost", "targetPort"]),
    ("Subset", &["name"]),
    ("Server", &["hosts", "port"]),
    ("Port", &["name", "number", "protocol"]),
    ("ServiceEntry", &["hosts"]),
    ("ServicePort", &["name", "number"]),
    ("IstioIngressListener", &["port"]),
    ("IstioEgressListener", &["hosts"]),
    ("Condition", &["key"]),
    ("ClaimToHeader", &["claim", "header"]),
    ("JwtHeader", &["name"]),
    ("WorkloadGroup", &["template"]),
    ("HttpHealthCheck", &["port"]),
    ("TcpHealthCheck", &["port"]),
    ("ExecHealthCheck", &["command"]),
];

/// Fields of which at most one may be given.
const ONE_OF: &[(&str, &[&[&str]])] = &[
    ("HttpRedirect", &[&["port", "derivePort"], &["uri", "prefixRewrite"]]),
    ("HttpBody", &[&["string", "bytes"]]),
    ("HttpRoute", &[&["redirect", "directResponse", "route"]]),
    ("Delay", &[&["fixedDelay", "exponentialDelay"]]),
    ("Abort", &[&["httpStatus", "grpcStatus", "http2Error"]]),
    ("LoadBalancerSettings", &[&["simple", "consistentHash"]]),
    (
        "ConsistentHash",
        &[
            &["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"],
            &["ringHash", "maglev"],
        ],
    ),
    ("AuthorizationPolicy", &[&["selector", "targetRef", "targetRefs"]]),
    ("RequestAuthentication", &[&["selector", "targetRef", "targetRefs"]]),
    ("JwtRule", &[&["jwksUri", "jwks"]]),
    ("ServiceEntry", &[&["endpoints", "workloadSelector"]]),
    ("EnvoyFilter", &[&["workloadSelector", "targetRefs"]]),
    ("PatchMatch", &[&["listener", "routeConfiguration", "cluster", "waypoint"]]),
    ("ReadinessProbe", &[&["httpGet", "tcpSocket", "exec", "grpc"]]),
];

/// Fields that load but that today's Istio does not have.
const FORMER: &[(&str, &[&str])] = &[("EnvoyFilter", &["workloadLabels", "filters"])];

/// Numbers of ports, by message and field.
const PORTS: &[(&str, &str, u32)] = &[
    ("PortSelector", "number", 1),
    ("Port", "number", 1),
    ("ServicePort", "number", 1),
    ("ServicePort", "targetPort", 0),
    ("SidecarPort", "number", 0),
    ("TunnelSettings", "targetPort", 1),
    ("HttpRedirect", "port", 1),
    ("HttpMatchRequest", "port", 0),
];

/// Adds what is known about the message `name`.
pub(super) fn apply(name: &str, def: &mut Value) {
    let has = |def: &Value, field: &str| {
        def.get("properties").is_some_and(|properties| properties.get(field).is_some())
    };
    for (_, fields) in REQUIRED.iter().filter(|(message, _)| *message == name) {
        if fields.iter().all(|field| has(def, field)) {
            set(def, "required", json!(fields));
        }
    }
    for (_, fields) in FORMER.iter().filter(|(message, _)| *message == name) {
        if let Some(Value::Object(properties)) = def.get_mut("properties") {
            properties.retain(|field, _| !fields.contains(&field.as_str()));
        }
    }
    for (_, groups) in ONE_OF.iter().filter(|(message, _)| *message == name) {
        let pairs: Vec<Value> = groups
            .iter()
            .flat_map(|group| {
                let fields = group.iter().filter(|field| has(def, field)).collect::<Vec<_>>();
                let pairs = (0..fields.len()).flat_map(|a| (a + 1..fields.len()).map(move |b| (a, b)));
                pairs
                    .filter_map(|(a, b)| Some(json!({"not": {"required": [fields.get(a)?, fields.get(b)?]}})))
                    .collect::<Vec<_>>()
            })
            .collect();
        if !pairs.is_empty() {
            set(def, "allOf", Value::Array(pairs));
        }
    }
    for (_, field, minimum) in PORTS.iter().filter(|(message, ..)| *message == name) {
        if has(def, field) {
            at(def, &["properties", field], |port| {
                set(port, "minimum", *minimum);
                set(port, "maximum", 65_535);
            });
        }
    }
}

/// Messages named above, for the test that each exists.
#[cfg(test)]
pub(super) fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let required =
        REQUIRED.iter().flat_map(|(message, fields)| fields.iter().map(|field| (*message, *field)));
    let one_of = ONE_OF.iter().flat_map(|(message, groups)| {
        groups.iter().flat_map(|group| group.iter().map(|field| (*message, *field)))
    });
    required.chain(one_of).chain(PORTS.iter().map(|(message, field, _)| (*message, *field)))
}
