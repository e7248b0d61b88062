//! Derived schemas in the form that editors show best.

use serde_json::Value;

/// Removes what only Rust needs: `null` for an absent field, number formats, links between documentation pages; and
/// writes enums as one list of names.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.remove("format")
                .filter(|format| format == "date-time")
                .map(|format| map.insert("format".to_owned(), format));
            drop_null(map);
            names(map);
            describe(map);
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

type Map = serde_json::Map<String, Value>;

/// `{"type": ["string", "null"]}` and `{"anyOf": [X, {"type": "null"}]}` without the `null`.
fn drop_null(map: &mut Map) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|of| of != "null"));
        if let [only] = choices.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            // `true` says nothing.
            map.extend(only.as_object().cloned().unwrap_or_default());
        }
    }
}

/// `{"oneOf": [{"const": A, "description": …}, …]}` as `{"enum": [A, …]}`, with the descriptions where editors look.
fn names(map: &mut Map) {
    let Some(Value::Array(choices)) = map.get("oneOf") else { return };
    let constants: Option<Vec<(Value, Value)>> = choices
        .iter()
        .map(|choice| {
            let text = choice.get("description").and_then(Value::as_str).map(plain).unwrap_or_default();
            Some((choice.get("const")?.clone(), Value::String(text)))
        })
        .collect();
    let Some(constants) = constants else { return };
    let (values, texts): (Vec<_>, Vec<_>) = constants.into_iter().unzip();
    map.remove("oneOf");
    map.insert("type".to_owned(), "string".into());
    map.insert("enum".to_owned(), values.into());
    map.insert("markdownEnumDescriptions".to_owned(), texts.into());
}

fn describe(map: &mut Map) {
    let Some(Value::String(text)) = map.get_mut("description") else { return };
    *text = plain(text);
    // The referred-to description is shown instead.
    if text.is_empty() || (text.starts_with("See `") && text.ends_with("`.") && !text.contains("::")) {
        map.remove("description");
    }
}

/// A documentation comment without links and without the ids of rules.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let joined = text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    let mut rest = joined.as_str();
    while let Some(at) = rest.find(['[', '(']) {
        let (before, from) = rest.split_at(at);
        let end = from.find([']', ')']).map_or(from.len(), |end| end + 1);
        let (group, after) = from.split_at(end);
        out.push_str(before);
        if group.starts_with("(MODEL-") {
            out.truncate(out.trim_end().len());
        } else if let Some(link) = group.strip_prefix("[`").and_then(|link| link.strip_suffix("`]")) {
            let name = link.rsplit("::").next().unwrap_or(link);
            out.push('`');
            out.push_str(name);
            out.push('`');
        } else {
            out.push_str(group);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
