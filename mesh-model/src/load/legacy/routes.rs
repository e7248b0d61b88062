//! Fields of routes that are gone: ports by name, destinations and sources as in Istio 0.7 (MODEL-LEG-22 to 24).

use super::{each, entry, with};
use crate::common::Value;
use crate::diagnostic::Diagnostic;
use crate::load::context::Context;
use crate::path::FieldPath;

/// An element of `http`, `tls` or `tcp`.
pub(super) fn route(route: &mut Value, path: &FieldPath, context: &Context) {
    each(route, "route", path, &mut |holder, path| {
        with(holder, "destination", path, &mut |value, path| destination(value, path, context));
    });
    with(route, "mirror", path, &mut |value, path| destination(value, path, context));
    each(route, "mirrors", path, &mut |holder, path| {
        with(holder, "destination", path, &mut |value, path| destination(value, path, context));
    });
    each(route, "match", path, &mut |condition, path| {
        port_name(condition, path, context);
        source(condition, path, context);
    });
    route_labels(route, path, context);
}

/// `name` and `domain` of a destination (MODEL-LEG-23), and the name of its port (MODEL-LEG-22).
fn destination(value: &mut Value, path: &FieldPath, context: &Context) {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let host = text(value, "host").filter(|host| !host.is_empty());
    if let (None, Some(name)) = (host, text(value, "name")) {
        // Istio 0.7 completed a name to `name.namespace.domain` unless it had a dot.
        let full = match text(value, "domain").filter(|domain| !domain.is_empty() && !name.contains('.')) {
            Some(domain) => {
                let namespace =
                    text(value, "namespace").unwrap_or_else(|| context.namespace.borrow().clone());
                let service = if domain.starts_with("svc.") { "" } else { "svc." };
                let service = if domain.ends_with("local") { service } else { "" };
                format!("{name}.{namespace}.{service}{domain}")
            }
            None => name.clone(),
        };
        for field in ["name", "domain"] {
            if value.remove(field).is_some() {
                context.repair(
                    Diagnostic::warning(
                        "MODEL-LEG-23",
                        path.clone().field(field),
                        format!("`{field}` of a destination is of Istio 0.7"),
                    )
                    .help(format!("write host: {full}"))
                    .at_key(),
                );
            }
        }
        value.remove("host");
        value.set("host", Value::String(full));
    }
    port_name(value, path, context);
}

/// A port by name, in `port: {name: http}` or `port: http` (MODEL-LEG-22): which number it has is not known here.
pub(super) fn port_name(holder: &mut Value, path: &FieldPath, context: &Context) {
    let found = match holder.get("port") {
        Some(Value::String(name)) if name.replace('_', "").parse::<i64>().is_err() => {
            Some((None, name.clone()))
        }
        Some(port @ Value::Map(_)) if port.get("number").is_none() => {
            port.get("name").and_then(Value::as_str).map(|name| (Some("name"), name.to_owned()))
        }
        _ => None,
    };
    let Some((field, name)) = found else { return };
    let path = path.clone().field("port");
    let short: String = name.chars().take(60).collect();
    context.lost(
        Diagnostic::error(
            "MODEL-LEG-22",
            field.map_or_else(|| path.clone(), |field| path.clone().field(field)),
            format!("a port cannot be named any more, found `{short}`"),
        )
        .help(if field.is_some() {
            "write number: and the port's number"
        } else {
            "write the port's number"
        }),
    );
    // The value is taken out so that nothing is found in it twice.
    if let Some(port) = holder.remove("port") {
        context.keep(path, port);
    }
}

/// `source` of a condition (MODEL-LEG-24).
fn source(condition: &mut Value, path: &FieldPath, context: &Context) {
    let Some(source @ Value::Map(entries)) = condition.get("source") else { return };
    let labels = match source.get("labels") {
        Some(labels @ Value::Map(_)) => labels.clone(),
        _ if entries.iter().all(|(_, value)| value.scalar_text().is_some())
            && source.get("name").is_none() =>
        {
            source.clone()
        }
        _ => Value::Map(Vec::new()),
    };
    let path = path.clone().field("source");
    let message = "`source` of a condition is of Istio 0.7";
    let help = "write sourceLabels: with the labels of the caller";
    if matches!(&labels, Value::Map(labels) if labels.is_empty()) {
        // A service's name selects no workloads.
        context.lost(Diagnostic::error("MODEL-LEG-24", path.clone(), message).help(help).at_key());
        if let Some(value) = condition.remove("source") {
            context.keep(path, value);
        }
        return;
    }
    context.repair(Diagnostic::warning("MODEL-LEG-24", path, message).help(help).at_key());
    condition.remove("source");
    add_labels(condition, &labels);
}

/// `sourceLabels` of a whole route: they belong into every condition, or into the only one (MODEL-LEG-24).
fn route_labels(route: &mut Value, path: &FieldPath, context: &Context) {
    if !matches!(route.get("sourceLabels"), Some(Value::Map(_))) {
        return;
    }
    let Some(labels) = route.remove("sourceLabels") else { return };
    context.repair(
        Diagnostic::warning(
            "MODEL-LEG-24",
            path.clone().field("sourceLabels"),
            "`sourceLabels` is a field of each condition",
        )
        .help("move it into every entry of `match`")
        .at_key(),
    );
    let none = match route.get("match") {
        None | Some(Value::Null) => true,
        Some(Value::List(items)) => items.is_empty(),
        Some(_) => false,
    };
    if none {
        route.remove("match");
        route.set("match", Value::List(vec![entry("sourceLabels", labels)]));
    } else {
        each(route, "match", path, &mut |condition, _| add_labels(condition, &labels));
    }
}

/// Adds labels that must hold as well; those that are there already stay.
fn add_labels(condition: &mut Value, more: &Value) {
    let (Value::Map(_), Value::Map(more)) = (&*condition, more) else { return };
    let mut labels = match condition.remove("sourceLabels") {
        Some(labels @ Value::Map(_)) => labels,
        _ => Value::Map(Vec::new()),
    };
    for (key, value) in more {
        if labels.get(key).is_none() {
            labels.set(key, value.clone());
        }
    }
    condition.set("sourceLabels", labels);
}
