//! What holds for the tables; the schemas themselves are examined in `tests/schema.rs`.

use super::*;

/// A table entry that fits no message would be a rule that nobody checks.
#[test]
fn every_rule_finds_its_message_and_field() {
    let schemas: Vec<Value> = Kind::all().filter(Kind::is_istio).filter_map(|kind| of(&kind)).collect();
    for (message, field) in rules::fields() {
        assert!(
            schemas.iter().any(|schema| !schema["$defs"][message]["properties"][field].is_null()),
            "{message}.{field}"
        );
    }
}

#[test]
fn descriptions_are_for_people_who_write_yaml() {
    let shown = |text: &str| {
        let mut schema = json!({"description": text, "type": ["integer", "null"], "format": "uint32"});
        tidy::tidy(&mut schema);
        schema
    };
    assert_eq!(shown("See [`CaptureMode`]."), json!({"type": "integer"}));
    assert_eq!(
        shown("At most one (MODEL-VS-10), see\n[`crate::Profile`]."),
        json!({"description": "At most one, see `Profile`.", "type": "integer"})
    );
}
