//! What Istio's controllers say of an object in its status (MODEL-ANA-36).

use crate::common::Value;
use crate::kind::Kind;
use crate::object::Body;
use crate::validate::report::{At, Report, show};

/// What is read of one condition.
struct Condition<'c> {
    name: &'c str,
    status: &'c str,
    reason: &'c str,
    message: &'c str,
}

/// The conditions of a kind that say something when they do not hold; those of other controllers are their own matter.
fn telling(report: &Report<'_>) -> &'static [&'static str] {
    let object = report.object;
    match &object.kind {
        Kind::Service | Kind::ServiceEntry => &["istio.io/WaypointBound"],
        Kind::AuthorizationPolicy => {
            &["ZtunnelAccepted", "WaypointAccepted", "istio.io/ZtunnelAccepted", "istio.io/WaypointAccepted"]
        }
        Kind::Other(kind) if object.api_version.starts_with("gateway.networking.k8s.io/") => {
            match kind.as_str() {
                "Gateway" | "HTTPRoute" | "GRPCRoute" => &["Accepted", "Programmed", "ResolvedRefs"],
                _ => &[],
            }
        }
        _ => &[],
    }
}

pub(super) fn check(report: &mut Report<'_>) {
    let telling = telling(report);
    if telling.is_empty() {
        return;
    }
    let object = report.object;
    let at = At::OBJECT.field("status");
    if let Body::Service(service) = &object.body {
        let at = at.field("conditions");
        for (index, condition) in service.status.conditions.iter().enumerate() {
            let condition = Condition {
                name: &condition.condition_type,
                status: &condition.status,
                reason: &condition.reason,
                message: &condition.message,
            };
            one(report, &at.index(index), &condition, telling);
        }
        return;
    }
    let status = match &object.body {
        Body::Opaque(root) => root.get("status"),
        _ => object.status.as_ref(),
    };
    let Some(status) = status else { return };
    list(report, &at, status, telling);
    // A route is told by each of its parents.
    if let Some(Value::List(parents)) = status.get("parents") {
        let at = at.field("parents");
        for (index, parent) in parents.iter().enumerate() {
            list(report, &at.index(index), parent, telling);
        }
    }
}

/// The list `conditions` of the map at `at`.
fn list(report: &mut Report<'_>, at: &At<'_>, map: &Value, telling: &[&str]) {
    let Some(Value::List(list)) = map.get("conditions") else { return };
    let at = at.field("conditions");
    for (index, condition) in list.iter().enumerate() {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, status) = (text("type"), text("status"));
        let condition = Condition { name, status, reason: text("reason"), message: text("message") };
        one(report, &at.index(index), &condition, telling);
    }
}

fn one(report: &mut Report<'_>, at: &At<'_>, condition: &Condition<'_>, telling: &[&str]) {
    let Condition { name, status, reason, message } = *condition;
    if !telling.contains(&name) {
        return;
    }
    // Some of what a policy is attached to was not found, or some of it cannot be had of a waypoint.
    let partly = name.ends_with("WaypointAccepted") && reason == "PartiallyInvalid";
    let found = match status {
        "False" => "does not hold",
        "True" if partly => "holds in part only",
        _ => return,
    };
    let why: Vec<String> = [reason, message].into_iter().filter(|text| !text.is_empty()).map(show).collect();
    let added = report.warning(
        "MODEL-ANA-36",
        &at.field("status"),
        format!("the condition `{}` {found} (IST0171)", show(name)),
    );
    if why.is_empty() {
        added.help("the log of istiod says why");
    } else {
        added.help(format!("its controller says: {}", why.join(", ")));
    }
}
