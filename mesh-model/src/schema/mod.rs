//! JSON Schemas of all kinds, for editors and other programs that check YAML (feature `schemars`).
//!
//! They are derived from the types that objects are read into, so that a field that loads is a field that an editor
//! completes. A schema knows the shape and simple bounds; what [`validate`](crate::validate::validate) finds beyond
//! that needs the whole object, or all of them.
//!
//! A schema asks for what current Istio's own schema asks for. Spellings that [`load`](crate::load()) only repairs
//! (`timeout: 1d`, `attempts: "3"`, snake_case names) are refused, and so is `null` for a field: a key that nothing
//! was written behind is nearly always a mistake.

mod rules;
#[cfg(test)]
mod tests;
mod tidy;
mod types;

use crate::kind::Kind;
use crate::meta::ObjectMeta;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema (draft 2020-12) of a whole object of `kind`, in all its versions; `None` for a kind that is not known.
///
/// Messages of Istio kinds are closed: an unknown field is an error. Kubernetes objects are open, since only the part
/// that a data plane reads is typed, and so is everything of a kind that is kept opaque.
///
/// ```
/// use mesh_model::{Kind, schema};
/// let schema = schema::of(&Kind::VirtualService).expect("a known kind");
/// assert_eq!(schema["properties"]["kind"]["const"], "VirtualService");
/// assert_eq!(schema["$defs"]["HttpRetry"]["properties"]["attempts"]["type"], "integer");
/// ```
pub fn of(kind: &Kind) -> Option<Value> {
    let api_versions = kind.api_versions();
    if api_versions.is_empty() {
        return None;
    }
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<ObjectMeta>();
    let body = crate::object::body_schema(kind, &mut generator).map(schemars::Schema::to_value);
    let mut defs = definitions(&mut generator, kind.is_istio());
    // The metadata of a pod template needs no name, so that this is a schema of its own.
    let mut metadata = defs.get("ObjectMeta").cloned().unwrap_or_else(|| json!({}));
    complete_metadata(&mut metadata, kind.is_cluster_scoped());

    let mut properties = Map::new();
    if kind.is_istio() {
        properties.insert("spec".to_owned(), body.unwrap_or_else(|| json!({"type": "object"})));
        properties
            .insert("status".to_owned(), json!({"description": "Written by a server.", "type": "object"}));
    } else if let Some(own) = body.as_ref().and_then(|body| defs.remove(&definition_name(body)?)) {
        // A Kubernetes body is the object itself.
        if let Some(Value::Object(own)) = own.get("properties") {
            properties.extend(own.clone());
        }
    }
    properties.insert("apiVersion".to_owned(), json!({"type": "string", "enum": api_versions}));
    properties.insert("kind".to_owned(), json!({"type": "string", "const": kind.as_str()}));
    properties.insert("metadata".to_owned(), metadata);
    let mut required = vec!["apiVersion", "kind", "metadata"];
    if kind.requires_spec() {
        required.push("spec");
    }
    let mut schema = json!({
        "$schema": DIALECT,
        "title": kind.as_str(),
        "description": description(kind),
        "type": "object",
        "properties": properties,
        "required": required,
        "$defs": defs,
    });
    if kind.is_istio() {
        set(&mut schema, "additionalProperties", false);
    }
    prune(&mut schema);
    Some(schema)
}

/// Removes definitions that nothing refers to.
fn prune(schema: &mut Value) {
    fn references(schema: &Value, out: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                out.extend(definition_name(schema));
                map.iter().filter(|(key, _)| *key != "$defs").for_each(|(_, value)| references(value, out));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, out)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    let mut next = Vec::new();
    references(schema, &mut next);
    while let Some(name) = next.pop() {
        if let Some(def) = schema.get("$defs").and_then(|defs| defs.get(&name)) {
            if !used.contains(&name) {
                references(def, &mut next);
            }
            used.insert(name);
        }
    }
    if let Some(Value::Object(defs)) = schema.get_mut("$defs") {
        defs.retain(|name, _| used.contains(name));
    }
}

/// The schema of MeshConfig: the text under the key `mesh` of the ConfigMap `istio`.
///
/// It is open, since only the fields that a data plane acts on are typed.
pub fn mesh_config() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = generator.subschema_for::<crate::MeshConfig>().to_value();
    let mut defs = definitions(&mut generator, false);
    let mut schema = definition_name(&root).and_then(|name| defs.remove(&name)).unwrap_or_else(|| json!({}));
    set(&mut schema, "$schema", DIALECT);
    set(&mut schema, "title", "MeshConfig");
    set(&mut schema, "$defs", Value::Object(defs));
    prune(&mut schema);
    schema
}

/// A schema that chooses by `apiVersion` and `kind` among the schemas of all kinds, each at the address that `locate`
/// gives for it. Objects of other kinds pass.
///
/// This is what an editor needs for files of several documents.
pub fn any(locate: impl Fn(&Kind) -> String) -> Value {
    let cases: Vec<Value> = Kind::all()
        .map(|kind| {
            json!({
                "if": {
                    "properties": {
                        "apiVersion": {"enum": kind.api_versions()},
                        "kind": {"const": kind.as_str()},
                    },
                    "required": ["apiVersion", "kind"],
                },
                "then": {"$ref": locate(&kind)},
            })
        })
        .collect();
    json!({
        "$schema": DIALECT,
        "title": "Istio and Kubernetes objects",
        "type": "object",
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}},
        "required": ["apiVersion", "kind"],
        "allOf": cases,
    })
}

fn description(kind: &Kind) -> String {
    match kind.group() {
        "" => format!("{kind} of Kubernetes; fields that a data plane does not read are not described."),
        group if kind.is_istio() => format!("{kind} of {group}."),
        group => format!("{kind} of {group}; fields that a data plane does not read are not described."),
    }
}

/// The definitions collected so far, put into the form that editors show best.
fn definitions(generator: &mut SchemaGenerator, closed: bool) -> Map<String, Value> {
    let mut defs = generator.take_definitions(true);
    for (name, def) in &mut defs {
        tidy::tidy(def);
        if closed {
            rules::apply(name, def);
            close(def);
        }
    }
    defs
}

/// Refuses unknown fields.
fn close(def: &mut Value) {
    if let Value::Object(def) = def
        && def.get("type").is_some_and(|of| of == "object")
        && !def.contains_key("additionalProperties")
    {
        def.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Gives an object's member a value.
fn set(schema: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(members) = schema {
        members.insert(key.to_owned(), value.into());
    }
}

/// Changes the member at the end of a path of members, if there is one.
fn at(schema: &mut Value, path: &[&str], act: impl FnOnce(&mut Value)) {
    if let Some(member) = path.iter().try_fold(schema, |inner, key| inner.get_mut(*key)) {
        act(member);
    }
}

/// `Name` of `{"$ref": "#/$defs/Name"}`.
fn definition_name(schema: &Value) -> Option<String> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/").map(str::to_owned)
}

/// `metadata` has many more fields than are kept, and rules for its names (MODEL-META-1, MODEL-META-2).
fn complete_metadata(meta: &mut Value, cluster_scoped: bool) {
    set(meta, "additionalProperties", true);
    set(meta, "required", json!(["name"]));
    at(meta, &["properties", "name"], |name| {
        set(name, "pattern", r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
        set(name, "maxLength", 253);
    });
    at(meta, &["properties", "namespace"], |namespace| {
        let description = if cluster_scoped {
            "Ignored: the kind is cluster-scoped."
        } else {
            "Absent is the namespace of the context, usually `default`."
        };
        set(namespace, "description", description);
        set(namespace, "pattern", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
        set(namespace, "maxLength", 63);
    });
    // What programs write for an object that no server has seen.
    at(meta, &["properties", "creationTimestamp"], |created| {
        let anything = json!([created.take(), {"type": "null"}]);
        *created = json!({"description": "When a server created the object.", "anyOf": anything});
    });
}
