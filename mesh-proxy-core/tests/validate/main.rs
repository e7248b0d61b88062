//! `mesh-proxy validate` and `mesh-proxy schema` as their users see them.
//!
//! `broken/` holds files with one kind of mistake each; `expected/` what is said about them, in the three formats.
//! `UPDATE_SNAPSHOTS=1 cargo test -p mesh-proxy-core --test validate` writes what is said today, to be read and judged.
#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::panic, reason = "a test")]

mod sarif;
mod schema;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What the program wrote and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validate")
}

fn run(arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mesh-proxy"))
        .args(arguments)
        .current_dir(here())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // One that does not read its input may have ended already.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn expect(file: &str, got: &str) {
    let path = here().join("expected").join(file);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(&path, got).expect("written");
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    if want != got {
        let differs = want.lines().zip(got.lines()).position(|(want, got)| want != got);
        let line = differs.unwrap_or_else(|| want.lines().count().min(got.lines().count()));
        panic!(
            "{file} differs from line {}:\nwant {:?}\ngot  {:?}\nall of it:\n{got}",
            line + 1,
            want.lines().nth(line),
            got.lines().nth(line)
        );
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON: {error}\n{text}"))
}

#[test]
fn broken_files_are_explained_to_people() {
    let ended = run(&["validate", "broken"], "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    expect("human.txt", &ended.stdout);
}

#[test]
fn broken_files_are_explained_to_programs() {
    let ended = run(&["validate", "--format", "json", "broken"], "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    expect("report.json", &ended.stdout);

    let report = json(&ended.stdout);
    assert_eq!(report["version"], 1);
    let findings = report["findings"].as_array().expect("a list");
    for severity in ["error", "warning", "info"] {
        let count = findings.iter().filter(|found| found["severity"] == severity).count();
        assert_eq!(report["summary"][format!("{severity}s")], count, "{severity}");
    }
    for found in findings {
        let file =
            std::fs::read_to_string(here().join(found["file"].as_str().expect("a file"))).expect("a file");
        let place = |end: &str| {
            let part =
                |part: &str| found[end][part].as_u64().map(|number| usize::try_from(number).expect("small"));
            (part("line").expect("a line"), part("column").expect("a column"))
        };
        let (start, end) = (place("start"), place("end"));
        assert!(start <= end, "{found}");
        for (line, column) in [start, end] {
            let text = file.lines().nth(line - 1).unwrap_or_else(|| panic!("no line {line}: {found}"));
            assert!(column >= 1 && column <= text.chars().count() + 1, "{found}");
        }
    }
    let of = |code: &str| findings.iter().filter(|found| found["istioCode"] == code).count();
    assert!(of("IST0101") >= 3, "{findings:#?}");
}

/// Every file has a mistake, and it is found.
#[test]
fn no_broken_file_passes() {
    for entry in std::fs::read_dir(here().join("broken")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        let path = format!("broken/{name}");
        let ended = run(&["validate", "--quiet", "--strict", "-o", "json", &path], "");
        let found = json(&ended.stdout);
        let codes: BTreeSet<&str> = found["findings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|found| found["code"].as_str())
            .collect();
        assert!(!codes.is_empty() && ended.code != Some(0), "{name}: {codes:?} {:?}", ended.code);
    }
}

const CLEAN: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, name: http}]}\n";
const TYPO: &str = "apiVersion: v1\nkind: Servce\nmetadata: {name: a}\n";
const ASTRAY: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  hosts: \
                      [a.example.com]\n  gateways: [nowhere]\n  http: [{directResponse: {status: 200}}]\n";
const LEGACY: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  hosts: \
                      [a.example.com]\n  http: [{timeout: 1d, route: [{destination: {host: a}}]}]\n";

#[test]
fn standard_input_is_a_file() {
    let ended = run(&["validate", "-"], CLEAN);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.ends_with("1 object from 1 file: 0 errors, 0 warnings\n"), "{ended:#?}");
    let ended = run(&["validate", "-o", "json", "-"], "a: [\n");
    let report = json(&ended.stdout);
    assert_eq!(
        (ended.code, &report["findings"][0]["file"]),
        (Some(2), &Value::from("<stdin>")),
        "{ended:#?}"
    );
    assert_eq!(report["findings"][0]["start"], serde_json::json!({"line": 1, "column": 4}), "{report}");
}

/// MODEL-VS-1 is about the whole `spec`, MODEL-ANA-7 about a part of it that could be read.
#[test]
fn an_error_about_a_whole_spec_hides_nothing() {
    let nothing_to_do = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
        metadata: {name: empty, namespace: shop}\nspec: {hosts: [a.example.com], gateways: [nowhere]}\n";
    let ended = run(&["validate", "--format", "json", "-"], nothing_to_do);
    let found = json(&ended.stdout);
    let codes: Vec<_> =
        found["findings"].as_array().expect("a list").iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["MODEL-VS-1", "MODEL-ANA-7"], "{ended:?}");
}

#[test]
fn references_may_be_left_out() {
    let ended = run(&["validate", "--strict", "-"], ASTRAY);
    assert_ne!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("nowhere"), "{ended:#?}");
    let ended = run(&["validate", "--strict", "--no-references", "-"], ASTRAY);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn the_strict_profile_refuses_what_the_other_repairs() {
    let ended = run(&["validate", "--no-references", "-"], LEGACY);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.contains("0 errors, 1 warning"), "{ended:#?}");
    let ended = run(&["validate", "--no-references", "--profile", "strict", "-"], LEGACY);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
}

#[test]
fn quiet_says_nothing_about_what_is_right() {
    let ended = run(&["validate", "--quiet", "-"], CLEAN);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:#?}");
    let ended = run(&["validate", "-q", "-"], TYPO);
    assert!(ended.code.is_some(), "{ended:#?}");
}

#[test]
fn what_cannot_be_read_is_2_in_every_format() {
    for format in ["human", "json", "sarif"] {
        let ended = run(&["validate", "-o", format, "no-such-file.yaml"], "");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
        assert!(ended.stderr.contains("no-such-file.yaml"), "{ended:#?}");
    }
    assert_eq!(run(&["validate", "--format", "xml", "broken"], "").code, Some(2));
    assert_eq!(run(&["validate"], "").code, Some(2));
}
