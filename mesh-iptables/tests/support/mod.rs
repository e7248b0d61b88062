//! Reading golden files and telling two texts apart.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test binaries that each use a part"
)]

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One case: what to feed and what must come out.
pub struct Case {
    pub name: String,
    pub input: Value,
    pub golden: String,
}

/// Where other projects' vectors lie when they are there.
pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/iptables")
}

/// Where the project's own data lies.
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/iptables")
}

/// The cases of a folder by name, or `None` if it is not there.
pub fn cases(folder: &str) -> Option<Vec<Case>> {
    let mut cases: Vec<Case> = std::fs::read_dir(vectors().join(folder))
        .ok()?
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(".input.json")?.to_owned();
            let input = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let golden = std::fs::read_to_string(path.with_file_name(format!("{name}.golden"))).unwrap();
            Some(Case { name, input, golden })
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Some(cases)
}

/// The first line in which two texts differ, with both sides.
pub fn diff(want: &str, found: &str) -> String {
    let (mut want, mut found) = (want.trim_end().lines(), found.trim_end().lines());
    for number in 1.. {
        match (want.next(), found.next()) {
            (None, None) => break,
            (want, found) if want == found => {}
            (want, found) => {
                return format!(
                    "line {number}\n  want  {}\n  found {}",
                    want.unwrap_or("(end)"),
                    found.unwrap_or("(end)")
                );
            }
        }
    }
    String::from("no difference by lines")
}
