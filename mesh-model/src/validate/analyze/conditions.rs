//! What a controller says of an object in its status (MODEL-ANA-36).

use crate::common::Value;
use crate::object::Body;
use crate::validate::report::{At, Report, show};

pub(super) fn check(report: &mut Report<'_>) {
    let object = report.object;
    let status = At::OBJECT.field("status");
    let at = status.field("conditions");
    if let Body::Service(service) = &object.body {
        for (index, condition) in service.status.conditions.iter().enumerate() {
            if condition.status == "False" {
                let why = [condition.reason.as_str(), &condition.message];
                tell(report, &at.index(index), &condition.condition_type, why);
            }
        }
    }
    let Some(Value::List(list)) = object.status.as_ref().and_then(|status| status.get("conditions")) else {
        return;
    };
    for (index, condition) in list.iter().enumerate() {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("status") == "False" {
            tell(report, &at.index(index), text("type"), [text("reason"), text("message")]);
        }
    }
}

fn tell(report: &mut Report<'_>, at: &At<'_>, condition: &str, why: [&str; 2]) {
    let why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).map(show).collect();
    let added = report.warning(
        "MODEL-ANA-36",
        &at.field("status"),
        format!("the condition `{}` does not hold (IST0171)", show(condition)),
    );
    if !why.is_empty() {
        added.help(format!("its controller says: {}", why.join(", ")));
    }
}
