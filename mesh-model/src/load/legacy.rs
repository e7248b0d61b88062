//! Older spellings and slips with one plain meaning, put into today's form before the spec is read (section 4 of the
//! model reference). Under `strict` those that current Istio refuses or drops are errors instead.

mod routes;

use super::context::Context;
use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::path::FieldPath;

/// Rewrites `spec` in place.
pub(super) fn modernize(spec: &mut Value, kind: &Kind, context: &Context) {
    let path = FieldPath::new().field("spec");
    match kind {
        Kind::VirtualService => virtual_service(spec, &path, context),
        Kind::DestinationRule => {
            for_policies(spec, &path, &mut |policy, path| traffic_policy(policy, path, context));
        }
        Kind::Gateway => {
            each(spec, "servers", &path, &mut |server, path| secret_discovery_idiom(server, path, context));
        }
        Kind::Sidecar => {
            sidecar(spec, &path, context);
            closed_by_nothing(spec, &path, context);
        }
        Kind::EnvoyFilter => envoy_filter(spec, &path, context),
        _ => {}
    }
}

/// The body of Istio 0.8 (MODEL-LEG-19): kept as it is, see `EnvoyFilter::modern`.
fn envoy_filter(spec: &Value, path: &FieldPath, context: &Context) {
    for (key, help) in [
        ("workloadLabels", "write workloadSelector: {labels: ...}"),
        ("filters", "write configPatches, each with applyTo, match and patch"),
    ] {
        if spec.get(key).is_none_or(Value::is_null) {
            continue;
        }
        context.repair(
            Diagnostic::warning(
                "MODEL-LEG-19",
                path.clone().field(key),
                format!("`{key}` is of Istio 0.8, later ones ignore it"),
            )
            .help(help)
            .at_key(),
        );
    }
}

/// `outboundTrafficPolicy: {}`, which says REGISTRY_ONLY without saying so (MODEL-SCAR-16).
fn closed_by_nothing(spec: &Value, path: &FieldPath, context: &Context) {
    if matches!(spec.get("outboundTrafficPolicy"), Some(Value::Map(entries)) if entries.is_empty()) {
        context.note(
            Diagnostic::warning(
                "MODEL-SCAR-16",
                path.clone().field("outboundTrafficPolicy"),
                "an empty block refuses all unknown destinations",
            )
            .help("write mode: REGISTRY_ONLY if that is meant, else mode: ALLOW_ANY"),
        );
    }
}

/// Runs `act` on the elements of the list `field`, or on the single mapping that stands in for it.
fn each(parent: &mut Value, field: &str, path: &FieldPath, act: &mut dyn FnMut(&mut Value, &FieldPath)) {
    let path = path.clone().field(field);
    match parent.get_mut(field) {
        Some(Value::List(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                act(item, &path.clone().index(index));
            }
        }
        Some(single @ Value::Map(_)) => act(single, &path),
        _ => {}
    }
}

fn with(parent: &mut Value, field: &str, path: &FieldPath, act: &mut dyn FnMut(&mut Value, &FieldPath)) {
    if let Some(value @ Value::Map(_)) = parent.get_mut(field) {
        act(value, &path.clone().field(field));
    }
}

fn entry(key: &str, value: Value) -> Value {
    Value::Map(vec![(key.to_owned(), value)])
}

/// Moves `from` to `to` unless `to` is set. True when it was moved.
fn rename(value: &mut Value, from: &str, to: &str) -> bool {
    if value.get(to).is_some_and(|present| !present.is_null()) {
        return false;
    }
    match value.remove(from) {
        Some(old) if !old.is_null() => {
            value.set(to, old);
            true
        }
        _ => false,
    }
}

const ACTIONS: [&str; 4] = ["route", "redirect", "directResponse", "delegate"];

/// True when a key of the rule is probably a misspelt action.
fn has_misspelt_action(route: &Value) -> bool {
    let Value::Map(entries) = route else { return false };
    entries.iter().any(|(key, _)| ACTIONS.iter().any(|action| super::distance(key, action, 2) <= 2))
}

fn has_action(route: &Value) -> bool {
    ACTIONS.iter().any(|action| route.get(action).is_some_and(|value| !value.is_null()))
}

fn virtual_service(spec: &mut Value, path: &FieldPath, context: &Context) {
    misplaced_action(spec, path, context);
    for protocol in ["http", "tls", "tcp"] {
        each(spec, protocol, path, &mut |route, path| routes::route(route, path, context));
    }
    each(spec, "http", path, &mut |route, path| {
        header_keys(route, path, context);
        each(route, "route", path, &mut |destination, path| header_keys(destination, path, context));
        if route.remove("websocketUpgrade").is_some() {
            context.note(
                Diagnostic::warning(
                    "MODEL-LEG-3",
                    path.clone().field("websocketUpgrade"),
                    "the field is gone, upgrades are always allowed",
                )
                .help("remove it")
                .at_key(),
            );
        }
        with(route, "fault", path, &mut |fault, path| faults(fault, path, context));
        with(route, "corsPolicy", path, &mut |cors, path| allow_origin(cors, path, context));
        mirror_percent(route, path, context);
        if matches!(route.get("retries"), Some(Value::Map(entries)) if entries.is_empty()) {
            context.note(
                Diagnostic::warning(
                    "MODEL-VS-45",
                    path.clone().field("retries"),
                    "an empty block switches retries off",
                )
                .help("write attempts: 0 if that is meant, or remove it for the mesh's default"),
            );
        }
        each(route, "match", path, &mut |entry, path| {
            with(entry, "headers", path, &mut |headers, path| cookies(headers, path, context));
        });
    });
    missing_action(spec, path, context);
}

/// `redirect` beside `http` instead of inside its only rule (MODEL-SEED-5).
fn misplaced_action(spec: &mut Value, path: &FieldPath, context: &Context) {
    for action in ["redirect", "directResponse", "delegate"] {
        let open = match spec.get("http") {
            Some(Value::List(items)) => {
                matches!(items.as_slice(), [only @ Value::Map(_)] if !has_action(only))
            }
            _ => false,
        };
        if !open {
            return;
        }
        let Some(moved) = spec.remove(action) else { continue };
        context.repair(
            Diagnostic::warning(
                "MODEL-SEED-5",
                path.clone().field(action),
                format!("`{action}` belongs in `spec.http[0]`"),
            )
            .help("indent it under the rule")
            .at_key(),
        );
        if let Some(Value::List(items)) = spec.get_mut("http")
            && let Some(only) = items.first_mut()
        {
            only.set(action, moved);
        }
    }
}

/// A rule without action, in a VirtualService for one host inside the mesh: route there (MODEL-SEED-6).
fn missing_action(spec: &mut Value, path: &FieldPath, context: &Context) {
    let mesh = match spec.get("gateways") {
        None | Some(Value::Null) => true,
        Some(Value::List(items)) => {
            items.is_empty() || items.iter().any(|item| item.as_str() == Some("mesh"))
        }
        _ => false,
    };
    let host = match spec.get("hosts") {
        Some(Value::List(hosts)) => match hosts.as_slice() {
            [Value::String(host)] if !host.contains('*') && !host.is_empty() => host.clone(),
            _ => return,
        },
        _ => return,
    };
    if !mesh {
        return;
    }
    each(spec, "http", path, &mut |route, path| {
        if !matches!(route, Value::Map(_)) || has_action(route) || has_misspelt_action(route) {
            return;
        }
        context.repair(
            Diagnostic::warning(
                "MODEL-SEED-6",
                path.clone(),
                format!("no action is given, assuming a route to `{host}`"),
            )
            .help("add `route`; a subset cannot be guessed"),
        );
        let destination = entry("destination", entry("host", Value::String(host.clone())));
        route.set("route", Value::List(vec![destination]));
        context.assumed(path.clone().field("route"));
    });
}

/// `appendHeaders` and its successors (MODEL-LEG-1, MODEL-LEG-2).
fn header_keys(holder: &mut Value, path: &FieldPath, context: &Context) {
    const KEYS: [(&str, &str, &str, &str); 5] = [
        ("appendHeaders", "MODEL-LEG-1", "request", "add"),
        ("appendRequestHeaders", "MODEL-LEG-2", "request", "add"),
        ("removeRequestHeaders", "MODEL-LEG-2", "request", "remove"),
        ("appendResponseHeaders", "MODEL-LEG-2", "response", "add"),
        ("removeResponseHeaders", "MODEL-LEG-2", "response", "remove"),
    ];
    for (key, code, direction, operation) in KEYS {
        let Some(old) = holder.remove(key) else { continue };
        context.repair(
            Diagnostic::warning(code, path.clone().field(key), format!("`{key}` is no longer read by Istio"))
                .help(format!("write headers.{direction}.{operation}"))
                .at_key(),
        );
        let mut headers = holder
            .remove("headers")
            .filter(|value| matches!(value, Value::Map(_)))
            .unwrap_or(Value::Map(Vec::new()));
        let mut side = headers
            .remove(direction)
            .filter(|value| matches!(value, Value::Map(_)))
            .unwrap_or(Value::Map(Vec::new()));
        if side.get(operation).is_none() {
            side.set(operation, old);
        }
        headers.set(direction, side);
        holder.set("headers", headers);
    }
}

/// Integer `percent` of faults (MODEL-LEG-6, MODEL-LEG-7).
fn faults(fault: &mut Value, path: &FieldPath, context: &Context) {
    let set = |value: &Value, field: &str| value.get(field).is_some_and(|value| !value.is_null());
    with(fault, "delay", path, &mut |delay, path| {
        if set(delay, "percent") && !set(delay, "percentage") {
            let code = if delay.get("percent").is_some_and(is_positive) { " (IST0002)" } else { "" };
            context.note(
                Diagnostic::warning(
                    "MODEL-LEG-6",
                    path.clone().field("percent"),
                    format!("`percent` is deprecated{code}"),
                )
                .help("write percentage: {value: ...}")
                .at_key(),
            );
            percent_to_percentage(delay, "percent", "percentage");
        }
    });
    with(fault, "abort", path, &mut |abort, path| {
        if set(abort, "percent") {
            let found = Diagnostic::warning(
                "MODEL-LEG-7",
                path.clone().field("percent"),
                "`percent` was removed, Istio would inject nothing",
            )
            .help("write percentage: {value: ...}")
            .at_key();
            context.repair(found);
            if set(abort, "percentage") {
                abort.remove("percent");
            } else {
                percent_to_percentage(abort, "percent", "percentage");
            }
        }
    });
}

fn is_positive(number: &Value) -> bool {
    match number {
        Value::Int(number) => *number > 0,
        Value::UInt(number) => *number > 0,
        Value::Float(number) => *number > 0.0,
        Value::String(text) => text.parse().is_ok_and(|number: f64| number > 0.0),
        _ => false,
    }
}

fn percent_to_percentage(holder: &mut Value, from: &str, to: &str) {
    if let Some(number) = holder.remove(from) {
        holder.remove(to);
        holder.set(to, entry("value", number));
    }
}

/// `mirrorPercent` and `mirror_percent` (MODEL-LEG-9).
fn mirror_percent(route: &mut Value, path: &FieldPath, context: &Context) {
    for key in ["mirrorPercent", "mirror_percent"] {
        if route.get(key).is_none_or(Value::is_null) {
            continue;
        }
        context.note(
            Diagnostic::warning("MODEL-LEG-9", path.clone().field(key), format!("`{key}` is deprecated"))
                .help("write mirrorPercentage: {value: ...}")
                .at_key(),
        );
        if route.get("mirrorPercentage").is_none_or(Value::is_null) {
            percent_to_percentage(route, key, "mirrorPercentage");
        } else {
            route.remove(key);
        }
    }
}

/// `allowOrigin: [x]` (MODEL-LEG-4); plain strings in `allowOrigins` are repaired by the decoder (MODEL-LEG-5).
fn allow_origin(cors: &mut Value, path: &FieldPath, context: &Context) {
    if cors.get("allowOrigin").is_none_or(Value::is_null) {
        return;
    }
    context.note(
        Diagnostic::warning("MODEL-LEG-4", path.clone().field("allowOrigin"), "`allowOrigin` is deprecated")
            .help("write allowOrigins with entries {exact: ...}")
            .at_key(),
    );
    let Some(old) = cors.remove("allowOrigin") else { return };
    let unset = match cors.get("allowOrigins") {
        None | Some(Value::Null) => true,
        Some(Value::List(items)) => items.is_empty(),
        _ => false,
    };
    if !unset {
        return;
    }
    let items = match old {
        Value::List(items) => items,
        single => vec![single],
    };
    cors.remove("allowOrigins");
    cors.set("allowOrigins", Value::List(items.into_iter().map(|item| entry("exact", item)).collect()));
}

/// `cookie: {user: dev-123}`, which is no comparison of the header but means one cookie (MODEL-SEED-1).
fn cookies(headers: &mut Value, path: &FieldPath, context: &Context) {
    let Value::Map(entries) = headers else { return };
    for (name, value) in entries {
        let Value::Map(pairs) = value else { continue };
        if !name.eq_ignore_ascii_case("cookie") {
            continue;
        }
        // Two pairs would need two conditions on one header, which a map cannot hold.
        let [(key, wanted)] = pairs.as_slice() else { continue };
        if matches!(
            key.as_str(),
            "exact" | "prefix" | "regex" | "extract" | "equals" | "equal" | "suffix" | "contains"
        ) {
            continue;
        }
        let Some(wanted) = wanted.scalar_text() else { continue };
        let pattern = format!(r"^(.*;\s*)?{}={}(;.*)?$", escape(key), escape(&wanted));
        context.repair(
            Diagnostic::warning(
                "MODEL-SEED-1",
                path.clone().key(name),
                format!("unknown key `{key}`, assuming the cookie `{key}` is meant"),
            )
            .help(format!("write regex: '{pattern}'")),
        );
        *value = entry("regex", Value::String(pattern));
    }
}

/// Escapes for a regular expression; `-` means itself outside of a class.
fn escape(text: &str) -> String {
    regex::escape(text).replace("\\-", "-")
}

/// Runs `act` on every traffic policy: the rule's, its ports', the subsets' and their ports'.
fn for_policies(spec: &mut Value, path: &FieldPath, act: &mut dyn FnMut(&mut Value, &FieldPath)) {
    let mut whole = |holder: &mut Value, path: &FieldPath| {
        with(holder, "trafficPolicy", path, &mut |policy, path| {
            act(policy, path);
            each(policy, "portLevelSettings", path, act);
        });
    };
    whole(spec, path);
    each(spec, "subsets", path, &mut whole);
}

/// Blocks of the drafts of Istio 1.0 (MODEL-LEG-34).
fn sidecar(spec: &mut Value, path: &FieldPath, context: &Context) {
    let drop = |holder: &mut Value, path: &FieldPath| {
        for key in ["localhost", "localhostClientTls", "localhostServerTls"] {
            if let Some(value) = holder.remove(key) {
                context.keep(path.clone().field(key), value);
                context.note(
                    Diagnostic::warning(
                        "MODEL-LEG-34",
                        path.clone().field(key),
                        format!("`{key}` never took effect"),
                    )
                    .help("remove it")
                    .at_key(),
                );
            }
        }
    };
    drop(spec, path);
    for list in ["ingress", "egress"] {
        each(spec, list, path, &mut |listener, path| drop(listener, path));
    }
}

fn traffic_policy(policy: &mut Value, path: &FieldPath, context: &Context) {
    routes::port_name(policy, path, context);
    with(policy, "loadBalancer", path, &mut |balancer, path| load_balancer(balancer, path, context));
    with(policy, "outlierDetection", path, &mut |outlier, path| outlier_detection(outlier, path, context));
}

fn load_balancer(balancer: &mut Value, path: &FieldPath, context: &Context) {
    if balancer.get("simple").and_then(Value::as_str) == Some("LEAST_CONN") {
        context.note(
            Diagnostic::warning("MODEL-LEG-10", path.clone().field("simple"), "`LEAST_CONN` is an old name")
                .help("write LEAST_REQUEST"),
        );
        balancer.set("simple", Value::String("LEAST_REQUEST".to_owned()));
    }
    with(balancer, "consistentHash", path, &mut |hash, path| {
        if hash.get("ringHash").is_some() || hash.get("maglev").is_some() {
            return;
        }
        if let Some(size) = hash.remove("minimumRingSize") {
            context.note(
                Diagnostic::warning(
                    "MODEL-LEG-11",
                    path.clone().field("minimumRingSize"),
                    "`minimumRingSize` moved",
                )
                .help("write ringHash: {minimumRingSize: ...}")
                .at_key(),
            );
            hash.set("ringHash", entry("minimumRingSize", size));
        }
    });
    if balancer.get("warmup").is_none_or(Value::is_null)
        && let Some(duration) = balancer.remove("warmupDurationSecs")
    {
        context.note(
            Diagnostic::warning(
                "MODEL-LEG-12",
                path.clone().field("warmupDurationSecs"),
                "`warmupDurationSecs` is deprecated",
            )
            .help("write warmup: {duration: ...}")
            .at_key(),
        );
        balancer.remove("warmup");
        balancer.set("warmup", entry("duration", duration));
    }
}

/// The fields of Istio 0.8, one level too deep, and `consecutiveErrors` (MODEL-LEG-13 to 15).
fn outlier_detection(outlier: &mut Value, path: &FieldPath, context: &Context) {
    let mut written = path.clone().field("consecutiveErrors");
    for (nested, code) in [("http", "MODEL-LEG-14"), ("tcp", "MODEL-LEG-15")] {
        if !matches!(outlier.get(nested), Some(Value::Map(_))) {
            continue;
        }
        let Some(Value::Map(entries)) = outlier.remove(nested) else { continue };
        context.repair(
            Diagnostic::warning(
                code,
                path.clone().field(nested),
                format!("the fields under `{nested}` are dropped by Istio"),
            )
            .help("put them one level up")
            .at_key(),
        );
        for (key, value) in entries {
            if outlier.get(&key).is_none() {
                if key == "consecutiveErrors" {
                    written = path.clone().field(nested).field(&key);
                }
                outlier.set(&key, value);
            }
        }
    }
    if rename(outlier, "consecutiveErrors", "consecutive5xxErrors") {
        context.note(
            Diagnostic::warning("MODEL-LEG-13", written, "`consecutiveErrors` is ignored by Istio")
                .help("write consecutive5xxErrors")
                .at_key(),
        );
    }
}

/// `credentialName` together with `serverCertificate: sds` (MODEL-LEG-17).
fn secret_discovery_idiom(server: &mut Value, path: &FieldPath, context: &Context) {
    with(server, "tls", path, &mut |tls, path| {
        if tls.get("credentialName").and_then(Value::as_str).is_none_or(str::is_empty) {
            return;
        }
        for key in ["serverCertificate", "privateKey", "caCertificates"] {
            if tls.get(key).and_then(Value::as_str) == Some("sds") {
                tls.remove(key);
                context.repair(
                    Diagnostic::warning(
                        "MODEL-LEG-17",
                        path.clone().field(key),
                        "`sds` is an old idiom, `credentialName` says it all",
                    )
                    .help("remove it")
                    .at_key(),
                );
            }
        }
    });
}
