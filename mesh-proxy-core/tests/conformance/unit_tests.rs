//! The tool's own tests, on invented ids.

use crate::cite::{self, Citations};
use crate::report;
use crate::rules::Rules;
use crate::source::{self, Difference, File, Kind};

const SPEC: &str = "\
# A reference
- ROUTE-X-01 one
  - **ROUTE-X-02** two, see ROUTE-Y-9
| ROUTE-X-03 | three |
| ROUTE-X-05 | DIFF: five |
Precedence (ROUTE-Y-1): a sentence. **ROUTE-Y-2** another.
- RST-02 out of order
- RST-01 restore
| OUT-T06 | outcome |
";

fn rules() -> Rules {
    let mut rules = Rules::default();
    rules.add("route.md", SPEC).expect("no rule is defined twice");
    rules
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned(), kind: Kind::Rust, is_test: false }
}

fn ids(line: &str) -> Vec<String> {
    let Citations { ids, faults } = cite::in_text(line, &rules());
    assert_eq!(faults, Vec::<String>::new(), "{line}");
    ids
}

#[test]
fn definitions_are_line_heads_bold_ids_and_labels() {
    let found = rules();
    let all: Vec<&str> = found.specs[0].rules.iter().map(|rule| rule.id.as_str()).collect();
    let expected = "ROUTE-X-01 ROUTE-X-02 ROUTE-X-03 ROUTE-X-05 ROUTE-Y-1 ROUTE-Y-2 RST-02 RST-01 OUT-T06";
    assert_eq!(all.join(" "), expected);
    assert_eq!(found.specs[0].rules[3].departs.as_deref(), Some("| DIFF: five |"));
    let twice = rules().add("more.md", "- ROUTE-X-01 again").unwrap_err();
    assert_eq!(twice, "more.md:1: `ROUTE-X-01` is defined twice");
}

#[test]
fn whole_ids_and_ranges_are_citations() {
    assert_eq!(ids("// ROUTE-X-01, (RST-01) and OUT-T06."), ["ROUTE-X-01", "RST-01", "OUT-T06"]);
    assert_eq!(ids("ROUTE-X-02..05"), ["ROUTE-X-02", "ROUTE-X-03", "ROUTE-X-05"]);
    assert_eq!(ids("ROUTE-X-01..=02"), ["ROUTE-X-01", "ROUTE-X-02"]);
    assert_eq!(ids("ROUTE-Y-1..ROUTE-Y-2."), ["ROUTE-Y-1", "ROUTE-Y-2"]);
    assert_eq!(ids("\"ROUTE-X-01-a-case\""), ["ROUTE-X-01"]);
}

#[test]
fn other_upper_case_words_are_not() {
    assert_eq!(ids("SHA-256 UTF-8 XROUTE-X-01 ROUTE-X-01b ROUTE-X MY-ROUTE-X-01"), [""; 0]);
}

#[test]
fn unknown_ids_and_broken_ranges_are_faults() {
    let faults = |line: &str| cite::in_text(line, &rules()).faults;
    assert_eq!(faults("ROUTE-X-1"), ["the spec has no rule `ROUTE-X-1`"]);
    assert_eq!(faults("ROUTE-Z-01 RST-03").len(), 2);
    assert_eq!(faults("ROUTE-X-01..04"), ["the spec has no rule `ROUTE-X-04`"]);
    assert_eq!(
        faults("ROUTE-X-03..01"),
        ["`ROUTE-X-03..ROUTE-X-01` is not a range of one area in rising order"]
    );
    assert_eq!(faults("ROUTE-X-01..ROUTE-Y-2").len(), 1);
}

#[test]
fn function_names_cite_when_they_begin_or_end_with_ids() {
    let rules = rules();
    let named = |line| cite::in_function_name(line, &rules);
    assert_eq!(named("    fn route_x_01_is_textual() {"), ["ROUTE-X-01"]);
    assert_eq!(named("fn out_t06() {"), ["OUT-T06"]);
    assert_eq!(named("fn prefixes_route_x_01_02() {"), ["ROUTE-X-01", "ROUTE-X-02"]);
    for none in [
        "fn route_x_1_host() {",
        "fn with_route_x_01_inside() {",
        "fn route_x() {",
        "fn of_route_x_01_77() {",
    ] {
        assert_eq!(named(none), [""; 0], "{none}");
    }
}

#[test]
fn only_test_code_covers() {
    let text = "\
// ROUTE-X-01
fn real() {}

#[cfg(test)]
mod tests {
    const JSON: &str = r#\"
}
\"#;
    // ROUTE-X-02
    fn route_x_03_holds() {}
}

// ROUTE-X-05
#[cfg(not(test))]
fn also_real() {} // ROUTE-Y-1
#[cfg(all(test, unix))]
use crate::helper; // RST-01
// OUT-T06
";
    let scan = source::scan(&file("mesh-a/src/a.rs", text), &rules());
    assert_eq!(scan.cited.into_iter().collect::<Vec<_>>(), ["ROUTE-X-02", "ROUTE-X-03", "RST-01"]);
    assert_eq!(scan.faults, [""; 0]);
}

#[test]
fn differences_take_their_whole_paragraph() {
    let text = "\
/// DIFFERENCE (ROUTE-X-01): we answer
/// earlier.
///
/// Not part of it.
fn a() {} // DIFFERENCE ROUTE-X-02, RST-01: shorter
// DIFFERENCE without an id
";
    let scan = source::scan(&file("mesh-a/src/a.rs", text), &rules());
    let texts: Vec<&str> = scan.differences.iter().map(|d| d.text.as_str()).collect();
    assert_eq!(texts, ["(ROUTE-X-01): we answer earlier.", "ROUTE-X-02, RST-01: shorter", "without an id"]);
    assert_eq!(scan.faults, ["mesh-a/src/a.rs:6: a `DIFFERENCE` names no rule id"]);
}

#[test]
fn the_report_counts_and_folds() {
    let cited = ["ROUTE-X-03", "ROUTE-Y-1", "ROUTE-Y-2"].map(str::to_owned).into();
    let mut differences = [Difference {
        ids: vec!["ROUTE-X-01".to_owned()],
        path: "mesh-a/src/a.rs".to_owned(),
        text: "(ROUTE-X-01): we answer earlier.".to_owned(),
    }];
    let report = report::render(&rules(), &cited, &mut differences, "make it");
    for line in [
        "| [route.md](spec/route.md) | 9 | 3 | 33.3 % |",
        "- **ROUTE-X-01**, `mesh-a/src/a.rs`: we answer earlier.",
        "- **ROUTE-X-05** | DIFF: five |",
        "<summary>route.md: 6 of 9</summary>",
        "- `ROUTE-X`: 01..02, 05",
        "- `RST`: 01..02",
        "- `OUT`: T06",
    ] {
        assert!(report.lines().any(|found| found == line), "{line} in\n{report}");
    }
}
