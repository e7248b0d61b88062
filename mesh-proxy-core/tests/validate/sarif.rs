//! SARIF, with the members that code scanning systems ask for.

use std::collections::HashSet;

use serde_json::Value;

use super::{expect, here, json, run};

fn text<'v>(value: &'v Value, what: &str) -> &'v str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or_else(|| panic!("no {what}: {value}"))
}

#[test]
fn broken_files_are_explained_to_code_scanning() {
    let ended = run(&["validate", "-o", "sarif", "broken"], "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    let version = env!("CARGO_PKG_VERSION");
    expect("report.sarif", &ended.stdout.replace(&format!("\"{version}\""), "\"VERSION\""));

    let log = json(&ended.stdout);
    assert_eq!(log["version"], "2.1.0");
    assert!(text(&log["$schema"], "schema").ends_with("sarif-schema-2.1.0.json"));
    let [run] = log["runs"].as_array().expect("runs").as_slice() else { panic!("not one run") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "mesh-proxy");
    let rules = driver["rules"].as_array().expect("rules");
    let mut ids = HashSet::new();
    for rule in rules {
        assert!(ids.insert(text(&rule["id"], "id")), "{rule}");
        for member in ["shortDescription", "fullDescription", "help"] {
            text(&rule[member]["text"], member);
        }
        if let Some(uri) = rule.get("helpUri") {
            assert!(text(uri, "helpUri").starts_with("https://"), "{rule}");
        }
        assert!(
            ["error", "warning", "note"].contains(&text(&rule["defaultConfiguration"]["level"], "level"))
        );
    }
    let mut prints = HashSet::new();
    let results = run["results"].as_array().expect("results");
    assert!(!results.is_empty());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&text(&result["level"], "level")));
        text(&result["message"]["text"], "message");
        let [location] = result["locations"].as_array().expect("locations").as_slice() else {
            panic!("{result}")
        };
        let physical = &location["physicalLocation"];
        let uri = text(&physical["artifactLocation"]["uri"], "uri");
        assert!(here().join(uri).is_file(), "{uri}");
        let region = &physical["region"];
        for member in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(region[member].as_u64().is_some_and(|number| number >= 1), "{member}: {result}");
        }
        let print = text(&result["partialFingerprints"]["meshFinding/v1"], "fingerprint");
        assert!(prints.insert(print), "two findings have the fingerprint {print}");
    }
}

/// An empty report is one, too: it closes the alerts of the run before.
#[test]
fn no_findings_are_an_empty_list() {
    let ended = run(&["validate", "-o", "sarif", "-"], super::CLEAN);
    let log = json(&ended.stdout);
    assert_eq!((ended.code, &log["runs"][0]["results"]), (Some(0), &Value::Array(Vec::new())), "{ended:#?}");
}
