//! What a controller says of an object in its status (MODEL-ANA-36).

use crate::common::Value;
use crate::validate::report::{At, Report, show};

pub(super) fn check(report: &mut Report<'_>) {
    let object = report.object;
    let Some(Value::List(list)) = object.status.as_ref().and_then(|status| status.get("conditions")) else {
        return;
    };
    let status = At::OBJECT.field("status");
    let at = status.field("conditions");
    for (index, condition) in list.iter().enumerate() {
        let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("status") != "False" {
            continue;
        }
        let why = [text("reason"), text("message")].into_iter().filter(|text| !text.is_empty());
        let why: Vec<String> = why.map(show).collect();
        let at = at.index(index);
        let added = report.warning(
            "MODEL-ANA-36",
            &at.field("status"),
            format!("the condition `{}` does not hold (IST0171)", show(text("type"))),
        );
        if !why.is_empty() {
            added.help(format!("its controller says: {}", why.join(", ")));
        }
    }
}
