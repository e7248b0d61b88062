//! Keeps `docs/CONFORMANCE.md` true: which rules of `docs/spec` a test or a test-data case cites, and
//! every deliberate `DIFFERENCE`.
//!
//! What counts:
//!
//! - A rule is *defined* where a list item or a table row of a spec file begins with its id.
//! - A rule is *cited* by its whole id (`ROUTE-MATCH-12`) or by an inclusive range
//!   (`ROUTE-MATCH-11..13`) anywhere in test code or in a test-data file, and by a test function whose
//!   name begins with the id (`fn route_match_12_prefix_is_textual`) or ends with ids
//!   (`fn bound_route_apply_01_02`). Markdown covers nothing.
//! - Test code is what lies under a `tests` directory, in a file with `test` or `tests` as a word of its
//!   name, or in an item under `#[cfg(test)]`.
//! - Every id written anywhere must exist, so that a mistyped one cannot pose as coverage.
#![allow(clippy::expect_used, reason = "a test that cannot read its own tree has nothing better to do")]

mod cite;
mod report;
mod rules;
mod source;
mod unit_tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rules::Rules;

const REPORT: &str = "docs/CONFORMANCE.md";
const REGENERATE: &str = "UPDATE_CONFORMANCE=1 cargo test -p mesh-proxy-core --test conformance";

#[test]
fn the_committed_report_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace");
    let rules =
        Rules::read(&root.join("docs/spec")).expect("the spec is readable and defines each rule once");

    let mut cited = BTreeSet::new();
    let mut differences = Vec::new();
    let mut faults = Vec::new();
    for file in source::files(root).expect("the tree is readable") {
        let scan = source::scan(&file, &rules);
        cited.extend(scan.cited);
        differences.extend(scan.differences);
        faults.extend(scan.faults);
    }
    assert!(faults.is_empty(), "{} faulty citations:\n{}", faults.len(), faults.join("\n"));

    let expected = report::render(&rules, &cited, &mut differences, REGENERATE);
    let path = root.join(REPORT);
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        fs::write(&path, expected).expect("the report is writable");
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let same = committed.lines().zip(expected.lines()).take_while(|(old, new)| old == new).count();
    let (old, new) = (committed.lines().nth(same), expected.lines().nth(same));
    assert!(
        committed == expected,
        "{REPORT} is stale, run `{REGENERATE}`\nline {}: committed {old:?}\ncurrent {new:?}",
        same + 1
    );
}
