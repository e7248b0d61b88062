//! `mesh-proxy schema`

use super::{json, run};

#[test]
fn a_kind_is_found_by_any_of_its_names() {
    for name in ["VirtualService", "virtualservices", "VS"] {
        let ended = run(&["schema", name], "");
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_eq!(json(&ended.stdout)["properties"]["kind"]["const"], "VirtualService");
    }
    let ended = run(&["schema", "meshconfig"], "");
    assert_eq!(json(&ended.stdout)["title"], "MeshConfig");
}

#[test]
fn an_unknown_kind_is_2_with_a_suggestion() {
    let ended = run(&["schema", "gatway"], "");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_eq!(ended.stderr, "mesh-proxy: `gatway` is not a known kind, did you mean `Gateway`\n");
    let ended = run(&["schema", "Ingress"], "");
    assert!(ended.stderr.contains("--list"), "{ended:#?}");
    assert_eq!(run(&["schema"], "").code, Some(2));
}

#[test]
fn the_list_names_every_kind() {
    let ended = run(&["schema", "--list"], "");
    assert_eq!(ended.code, Some(0));
    for kind in mesh_model::Kind::all() {
        assert!(ended.stdout.lines().any(|line| line.starts_with(&format!("{kind} "))), "{kind}: {ended:#?}");
    }
}

#[test]
fn a_directory_holds_every_schema_and_one_that_chooses() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("schemas");
    let ended = run(&["schema", "--output-dir", path.to_str().expect("UTF-8")], "");
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let read = |name: &str| json(&std::fs::read_to_string(path.join(name)).expect(name));
    let all = read("all.json");
    for case in all["allOf"].as_array().expect("a list") {
        let schema = read(case["then"]["$ref"].as_str().expect("a file"));
        assert_eq!(schema["properties"]["kind"]["const"], case["if"]["properties"]["kind"]["const"]);
    }
    assert_eq!(read("meshconfig.json")["title"], "MeshConfig");
    assert_eq!(ended.stdout.lines().count(), mesh_model::Kind::all().count() + 2);
}
