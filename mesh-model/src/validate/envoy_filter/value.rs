//! What a patch writes: Envoy's own messages, of which only the outermost is looked at (MODEL-EF-9).

use crate::common::Value;
use crate::networking::envoy_filter::{ApplyTo, PatchOperation};
use crate::validate::report::{At, Report, show};

const CODE: &str = "MODEL-EF-9";

pub(super) fn check(
    report: &mut Report<'_>,
    at: &At<'_>,
    apply_to: ApplyTo,
    operation: PatchOperation,
    content: &Value,
) {
    let Value::Map(_) = content else {
        report
            .error(CODE, at, format!("expected a mapping, found {}", content.type_name()))
            .help("write Envoy's message as YAML");
        return;
    };
    types(report, at, content);
    let places = matches!(
        operation,
        PatchOperation::Add
            | PatchOperation::Replace
            | PatchOperation::InsertBefore
            | PatchOperation::InsertAfter
            | PatchOperation::InsertFirst
    );
    let filter = matches!(apply_to, ApplyTo::HttpFilter | ApplyTo::NetworkFilter | ApplyTo::ListenerFilter);
    let typed = ["typed_config", "typedConfig", "config_discovery", "configDiscovery"]
        .iter()
        .any(|key| content.get(key).is_some_and(|value| !value.is_null()));
    if let (true, true, false, Some(name)) =
        (places, filter, typed, content.get("name").and_then(Value::as_str))
    {
        report
            .warning(CODE, at, format!("the filter `{}` has no `typed_config`", show(name)))
            .help("Envoy finds a filter by typed_config: {\"@type\": ...}, not by its name")
            .absent();
    }
}

/// Every `@type`, however deep; the loader bounds how deep that can be.
fn types(report: &mut Report<'_>, at: &At<'_>, content: &Value) {
    match content {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                types(report, &at.index(index), item);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                let at = at.key(key);
                if key != "@type" {
                    types(report, &at, value);
                    continue;
                }
                match value.as_str() {
                    None => {
                        report
                            .error(
                                CODE,
                                &at,
                                format!("expected the name of a message, found {}", value.type_name()),
                            )
                            .help("write type.googleapis.com/<message>");
                    }
                    Some(name) if name.contains(".v2.") || name.contains(".v2alpha.") => {
                        report
                            .error(CODE, &at, format!("`{}` is of Envoy's API v2, which is gone", show(name)))
                            .help("write the message of the same name of v3");
                    }
                    Some(_) => {}
                }
            }
        }
        _ => {}
    }
}
