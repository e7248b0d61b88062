//! The resources of the project's founding documents load in `compat` and mean what the documents say.
#![allow(
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use mesh_model::common::StringMatch;
use mesh_model::networking::envoy_filter::PatchOperation;
use mesh_model::{Body, LoadState, Loaded, Options, Severity, Source, load};
use std::path::PathBuf;

fn seeds() -> Option<Vec<(String, String)>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/seeds/yaml");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("SKIPPED: {} is not there", dir.display());
        return None;
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    Some(files)
}

fn load_one(name: &str, text: &str) -> Loaded {
    let loaded = load([Source::new(name, text)], &Options::default());
    assert_eq!(loaded, mesh_model::load_by_tree([Source::new(name, text)], &Options::default()), "{name}");
    loaded
}

/// What section 4 of the reference says of each resource, remarks left out; of the others there is nothing to say.
const TOLD: &[(&str, &[&str])] = &[
    ("000-0561", &["warning MODEL-SEED-7", "warning MODEL-SEED-7", "warning MODEL-SEED-7"]),
    (
        "000-0578",
        &["warning MODEL-SEED-7", "warning MODEL-SEED-7", "warning MODEL-SEED-7", "warning MODEL-TYPE-19"],
    ),
    // A heading of the document stands behind the resource.
    ("003-0284", &["warning MODEL-LEG-7", "error MODEL-DOC-5"]),
    // MODEL-SEED-16
    ("003-0312", &["warning MODEL-LEG-13", "warning MODEL-LEG-14"]),
    // MODEL-SEED-17
    ("003-0343", &["warning MODEL-LEG-6"]),
    ("003-0410", &["warning MODEL-SEED-6"]),
    // MODEL-SEED-14
    ("004-0062", &["warning MODEL-LEG-4", "warning MODEL-VS-32", "warning MODEL-TYPE-2"]),
    ("004-0195", &["warning MODEL-LEG-10"]),
    ("004-0207", &["warning MODEL-LEG-10"]),
    ("004-0228", &["warning MODEL-LEG-10"]),
    // MODEL-SEED-32
    ("004-0318", &["warning MODEL-LEG-19", "warning MODEL-LEG-20", "warning MODEL-LEG-19"]),
    // MODEL-SEED-1 and MODEL-SEED-2
    ("004-0453", &["warning MODEL-SEED-1", "warning MODEL-TYPE-25"]),
    // MODEL-SEED-13
    ("004-0490", &["warning MODEL-META-1"]),
    ("004-0521", &["warning MODEL-LEG-7"]),
    ("004-0545", &["warning MODEL-LEG-6"]),
    ("004-0606", &["warning MODEL-SEED-5"]),
    ("004-0768", &["warning MODEL-LEG-13"]),
    ("004-0809", &["error MODEL-DOC-5"]),
    // MODEL-SEED-4
    ("004-1018", &["error MODEL-UNK-2"]),
    ("004-1159", &["warning MODEL-LEG-10"]),
    ("004-1187", &["warning MODEL-META-1"]),
    ("004-1270", &["warning MODEL-DR-12"]),
];

#[test]
fn all_75_resources_load_with_types_and_with_what_the_reference_says() {
    let Some(files) = seeds() else { return };
    assert_eq!(files.len(), 75);
    let mut failures = String::new();
    for (name, text) in &files {
        let loaded = load_one(name, text);
        assert_eq!(loaded.objects.len(), 1, "{name}");
        let object = &loaded.objects[0];
        assert!(name.contains(object.kind.as_str()), "{name}: {}", object.kind);
        assert!(!matches!(object.body, Body::Opaque(_)), "{name}");
        assert!(object.state <= LoadState::Recovered, "{name}: {:?}", object.state);
        let told: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|found| found.severity > Severity::Info)
            .map(|found| format!("{} {}", found.severity, found.code))
            .collect();
        let want = TOLD.iter().find(|(seed, _)| name.starts_with(seed)).map_or(&[][..], |(_, want)| want);
        if told != want {
            failures += &format!("{name}: want {want:?}, got {:#?}\n", loaded.diagnostics);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn seed<'f>(files: &'f [(String, String)], start: &str) -> Loaded {
    let (name, text): &'f (String, String) = files.iter().find(|(name, _)| name.starts_with(start)).unwrap();
    load_one(name, text)
}

#[test]
fn remarks_of_the_reference() {
    let Some(files) = seeds() else { return };
    for (start, code) in [
        ("000-0186", "MODEL-SEED-22"),
        ("000-0510", "MODEL-SEED-28"),
        ("000-0578", "MODEL-SEED-10"),
        ("001-0084", "MODEL-SEED-12"),
        ("003-0565", "MODEL-SEED-20"),
        // MODEL-SEED-21
        ("003-0530", "MODEL-LEG-16"),
        ("004-0406", "MODEL-LEG-16"),
        ("004-0893", "MODEL-SEED-29"),
        ("004-1086", "MODEL-SEED-30"),
    ] {
        let loaded = seed(&files, start);
        let found = loaded.diagnostics.iter().find(|found| found.code == code);
        assert!(found.is_some_and(|found| found.severity == Severity::Info), "{start}: {code}");
    }
}

/// What was repaired means what its author wrote about it.
#[test]
fn repaired_resources_mean_what_the_documents_say() {
    let Some(files) = seeds() else { return };
    // MODEL-SEED-1, MODEL-SEED-2
    let loaded = seed(&files, "004-0453");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(
        rules[0].matches[0].headers["cookie"],
        StringMatch::Regex(r"^(.*;\s*)?user=dev-123(;.*)?$".to_owned())
    );
    assert_eq!(rules[1].matches[0].uri, Some(StringMatch::Prefix("/reviews/".to_owned())));
    // MODEL-SEED-4
    let loaded = seed(&files, "004-1018");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(rules[1].matches[0].gateways, ["istio-egressgateway"]);
    // MODEL-SEED-5
    let loaded = seed(&files, "004-0606");
    assert!(loaded.objects[0].as_virtual_service().unwrap().http[0].redirect.is_some());
    // MODEL-SEED-6
    let loaded = seed(&files, "003-0410");
    let rules = &loaded.objects[0].as_virtual_service().unwrap().http;
    assert_eq!(rules[0].route[0].destination.as_ref().unwrap().host, "ratings");
    // MODEL-SEED-7, MODEL-SEED-9
    let loaded = seed(&files, "000-0578");
    let policy = loaded.objects[0].as_authorization_policy().unwrap();
    assert_eq!(policy.rules[0].to[1].operation.as_ref().unwrap().ports, ["3306"]);
    assert_eq!(policy.selector.as_ref().unwrap().match_labels["app"], "nginx");
    // MODEL-SEED-14
    let loaded = seed(&files, "004-0062");
    let cors = loaded.objects[0].as_virtual_service().unwrap().http[0].cors_policy.clone().unwrap();
    assert_eq!(cors.allow_origins, [StringMatch::Exact("example.com".to_owned())]);
    assert_eq!(cors.max_age.unwrap().to_string(), "86400s");
    // MODEL-SEED-16
    let loaded = seed(&files, "003-0312");
    let rule = loaded.objects[0].as_destination_rule().unwrap();
    let outlier = rule.traffic_policy.as_ref().unwrap().outlier_detection.as_ref().unwrap();
    assert!(outlier.consecutive_5xx_errors.is_some() && outlier.interval.is_some());
    // MODEL-SEED-32
    let loaded = seed(&files, "004-0318");
    let filter = loaded.objects[0].as_envoy_filter().unwrap().modern();
    assert_eq!(filter.workload_selector.unwrap().labels["app"], "reviews");
    let change = filter.config_patches[0].patch.as_ref().unwrap();
    assert_eq!(change.operation, PatchOperation::InsertFirst);
    assert_eq!(
        change.value.as_ref().unwrap().get("config").unwrap().get("inlineCode").unwrap().as_str(),
        Some("... lua code .\n")
    );
    // MODEL-SEED-17
    let loaded = seed(&files, "003-0343");
    let fault = loaded.objects[0].as_virtual_service().unwrap().http[0].fault.clone().unwrap();
    assert!(fault.delay.unwrap().percentage.unwrap().value > 0.0);
}
