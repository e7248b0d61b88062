//! Objects of every kind and version, made by rules of what is valid: they load without a finding and come back from
//! YAML and JSON as they were. Changed at any place they are still judged, and never taken for something they do not
//! say.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test, which reads how long to try from the environment"
)]

mod generate;

use generate::mutate::{Change, change, places};
use generate::write::yaml;
use mesh_model::{Kind, LoadState, Loaded, Object, Options, Severity, Source, load, load_by_tree};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde_json::Value;

fn read(text: &str, options: &Options) -> Loaded {
    load([Source::new("x.yaml", text)], options)
}

/// The one object of a text, without the place it was read from; panics where anything is found that is worth a
/// warning.
fn clean(text: &str) -> Object {
    let loaded = read(text, &Options::default());
    let found: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity > Severity::Info)
        .map(ToString::to_string)
        .collect();
    assert!(found.is_empty(), "{found:#?}\n{text}");
    assert_eq!(loaded.objects.len(), 1, "{text}");
    let mut object = loaded.objects.into_iter().next().unwrap();
    assert_eq!(object.state, LoadState::Clean, "{text}");
    assert!(object.unread.is_empty(), "{:?}\n{text}", object.unread);
    object.origin = None;
    object
}

/// The texts in a tree that do not stand for a default when they are left out, and are written as they were read.
fn texts(tree: &Value, found: &mut Vec<String>) {
    match tree {
        Value::String(text) => {
            // Names of enumerations, and durations, which have many spellings.
            let name = text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_');
            if !name && text.parse::<mesh_model::common::Duration>().is_err() {
                found.push(text.clone());
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Every text of the `spec` is in the object that was read from it.
fn nothing_lost(tree: &Value, object: &Object) {
    let mut wanted = Vec::new();
    texts(&tree["spec"], &mut wanted);
    let mut there = Vec::new();
    texts(&serde_json::to_value(object).unwrap()["spec"], &mut there);
    there.sort_unstable();
    for text in wanted {
        assert!(there.binary_search(&text).is_ok(), "`{text}` is lost: {tree}");
    }
}

fn round_trip(tree: &Value) {
    let text = yaml(tree);
    let object = clean(&text);
    assert_eq!(object.api_version, tree["apiVersion"], "{text}");
    assert_eq!(object.kind.as_str(), tree["kind"], "{text}");
    assert_eq!(object.metadata.name, tree["metadata"]["name"], "{text}");
    let labels: Vec<(&str, &Value)> =
        tree["metadata"]["labels"].as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v)).collect();
    assert_eq!(object.metadata.labels.len(), labels.len(), "{text}");
    for (key, value) in labels {
        assert_eq!(object.metadata.labels.get(key).unwrap(), value, "{text}");
    }
    for written in
        [object.to_yaml(), serde_json::to_string(&object).unwrap(), serde_json::to_string(tree).unwrap()]
    {
        assert_eq!(clean(&written), object, "{text}\n{written}");
    }
    // That one quotes no words of YAML 1.1: worth a warning, but they are read.
    let written = serde_yaml::to_string(&object).unwrap();
    let again = read(&written, &Options::default());
    assert!(!again.has_errors(), "{written}");
    let [again] = again.objects.as_slice() else { panic!("not one object: {written}") };
    assert_eq!((&again.metadata, &again.body), (&object.metadata, &object.body), "{written}");
    if object.kind.is_istio() {
        nothing_lost(tree, &object);
    }
    let modern = object.canonicalize();
    assert_eq!(modern.canonicalize(), modern, "{text}");
    assert_eq!(modern.body, object.body, "{text}");
}

/// The same cases each time, without a file of failures. `GENERATED_TIMES=20 cargo test -p mesh-model --test generated`
/// tries so many times as many.
fn runner(cases: u32) -> TestRunner {
    let times = std::env::var("GENERATED_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let config = Config { cases: cases * times, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Runs the cases; what the smallest that fails says, which names its text.
fn run<T: std::fmt::Debug>(
    cases: u32,
    tree: &impl Strategy<Value = T>,
    law: impl Fn(&T),
) -> Result<(), String> {
    let result = runner(cases).run(tree, |value| {
        law(&value);
        Ok(())
    });
    match result {
        Err(TestError::Fail(reason, _)) => Err(reason.to_string()),
        Err(TestError::Abort(reason)) => Err(format!("not enough cases: {reason}")),
        Ok(()) => Ok(()),
    }
}

/// MODEL-GV-1, MODEL-API-1
#[test]
fn valid_objects_of_every_kind_round_trip() {
    let mut faults = Vec::new();
    for kind in Kind::all() {
        for version in kind.api_versions() {
            let tree = generate::object(&kind, &version);
            let tree =
                tree.unwrap_or_else(|| panic!("no generator makes a {kind}: add one to generate/mod.rs"));
            if let Err(fault) = run(20, &tree, round_trip) {
                faults.push(format!("{version} {kind}: {fault}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn judged(tree: &Value, changes: &[Change]) {
    let mut tree = tree.clone();
    for change in changes {
        change.apply(&mut tree);
    }
    let text = yaml(&tree);
    let bound = 20 + 4 * places(&tree).len();
    for mut options in [Options::default(), Options::strict()] {
        options.analyze = true;
        let loaded = read(&text, &options);
        let by_tree = load_by_tree([Source::new("x.yaml", &text)], &options);
        assert_eq!(loaded, by_tree, "{text}");
        assert!(loaded.diagnostics.len() <= bound, "{} findings: {text}", loaded.diagnostics.len());
        for object in &loaded.objects {
            assert!(object.state != LoadState::Invalid || loaded.has_errors(), "{text}");
            let modern = object.canonicalize();
            assert_eq!(modern.canonicalize(), modern, "{text}");
            if object.kind.is_security() {
                let spec =
                    |path: &str| path == "spec" || path.starts_with("spec.") || path.starts_with("spec[");
                let unread = object.unread.iter().any(|part| spec(&part.path.to_string()));
                assert!(!unread || object.must_deny(), "{text}");
            }
            if object.kind.is_istio() && object.state == LoadState::Clean {
                nothing_lost(&tree, object);
            }
        }
    }
}

/// MODEL-API-2
#[test]
fn changed_objects_of_every_kind_are_judged() {
    let changes = prop::collection::vec(change(), 1..4);
    let result = run(700, &(generate::any_object(), changes), |(tree, changes)| judged(tree, changes));
    assert_eq!(result, Ok(()));
}
