//! Schemas of the types whose YAML form is written by hand. A new one belongs here.

use crate::common::{Duration, StringMatch, Timestamp, Value};
use crate::kubernetes::{IntOrString, SecretText};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! schemas {
    ($($ty:ty, $name:literal, { $($schema:tt)* };)*) => {$(
        impl JsonSchema for $ty {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn schema_id() -> Cow<'static, str> {
                concat!("mesh_model::", $name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ $($schema)* })
            }
        }
    )*};
}

schemas! {
    // Go's notation (MODEL-TYPE-1).
    Duration, "Duration", {
        "description": "A number with a unit: `10s`, `1.5s`, `1h30m`, `100ms`. Units are ns, us, ms, s, m and h.",
        "type": "string",
        "pattern": r"^[-+]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"
    };
    Timestamp, "Timestamp", {
        "description": "A time such as `2024-05-01T12:00:00Z`.",
        "type": "string",
        "format": "date-time"
    };
    StringMatch, "StringMatch", {
        "description": "How a string is compared: one of `exact`, `prefix` and `regex`. `{}` asks only for presence.",
        "type": "object",
        "properties": {
            "exact": {"description": "Equal.", "type": "string"},
            "prefix": {"description": "Starts with.", "type": "string"},
            "regex": {"description": "RE2, against the whole string.", "type": "string"}
        },
        "maxProperties": 1,
        "additionalProperties": false
    };
    IntOrString, "IntOrString", {
        "description": "A port by number or by name.",
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, {"type": "string"}]
    };
    SecretText, "SecretText", {
        "type": "string"
    };
}

impl JsonSchema for Value {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}
