//! The report as Markdown. It holds no line numbers and no dates, so that it changes only when a rule,
//! a citation or a difference does.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::rules::{Rule, Rules, Spec};
use crate::source::Difference;

/// Renders `docs/CONFORMANCE.md`.
pub(crate) fn render(
    rules: &Rules,
    cited: &BTreeSet<String>,
    differences: &mut [Difference],
    regenerate: &str,
) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail; the result is only there for the `?`.
    let _ = write_report(&mut out, rules, cited, differences, regenerate);
    out
}

fn write_report(
    out: &mut String,
    rules: &Rules,
    cited: &BTreeSet<String>,
    differences: &mut [Difference],
    regenerate: &str,
) -> std::fmt::Result {
    writeln!(out, "# Conformance\n")?;
    writeln!(
        out,
        "How much of the behaviour reference in [`spec/`](spec/) is pinned by tests. A rule counts as cited when \
         a test or a test-data case names its whole id, or a range such as `ROUTE-MATCH-11..13` that holds it. \
         The reference also holds facts, measurements and advice that no test can pin, so 100 % is not the aim; \
         an uncited rule is one that nobody has claimed to have tested.\n\n\
         Generated: `{regenerate}`. A test fails when this file is stale.\n"
    )?;
    writeln!(out, "| reference | rules | cited | share |\n|---|---:|---:|---:|")?;
    let (mut all, mut all_cited) = (0, 0);
    for spec in &rules.specs {
        let count = cited_in(spec, cited);
        all += spec.rules.len();
        all_cited += count;
        let (file, total) = (&spec.file, spec.rules.len());
        writeln!(out, "| [{file}](spec/{file}) | {total} | {count} | {} |", share(count, total))?;
    }
    writeln!(out, "| **all** | {all} | {all_cited} | {} |\n", share(all_cited, all))?;

    writeln!(out, "## Differences\n")?;
    writeln!(
        out,
        "Where the code departs from the reference on purpose; each entry is a `DIFFERENCE` comment in the file named.\n"
    )?;
    if differences.is_empty() {
        writeln!(out, "None.")?;
    }
    differences.sort_by_cached_key(|d| {
        (d.ids.first().map_or(usize::MAX, |id| rules.position(id)), d.path.clone(), d.text.clone())
    });
    for Difference { ids, path, text } in differences.iter() {
        writeln!(out, "- **{}**, `{path}`: {}", distinct(ids).join(", "), without_leading_ids(text, ids))?;
    }

    writeln!(out, "\n## Departures that the reference itself decides\n")?;
    writeln!(
        out,
        "Rules marked `DIFF`: here the reference asks for something else than Envoy under Istio does.\n"
    )?;
    for rule in rules.specs.iter().flat_map(|spec| &spec.rules) {
        if let Some(text) = &rule.departs {
            writeln!(out, "- **{}** {text}", rule.id)?;
        }
    }

    writeln!(out, "\n## Rules without a citation")?;
    for spec in &rules.specs {
        let open = spec.rules.len() - cited_in(spec, cited);
        if open == 0 {
            continue;
        }
        writeln!(out, "\n<details>\n<summary>{}: {open} of {}</summary>\n", spec.file, spec.rules.len())?;
        for area in areas(spec) {
            let mut members: Vec<&Rule> = spec.rules.iter().filter(|rule| rule.area() == area).collect();
            members.sort_by_key(|rule| rule.number().trim_start_matches('T').parse::<u32>().ok());
            let open: Vec<bool> = members.iter().map(|rule| !cited.contains(&rule.id)).collect();
            if open.contains(&true) {
                writeln!(out, "- `{area}`: {}", runs(&members, &open).join(", "))?;
            }
        }
        writeln!(out, "\n</details>")?;
    }
    Ok(())
}

fn cited_in(spec: &Spec, cited: &BTreeSet<String>) -> usize {
    spec.rules.iter().filter(|rule| cited.contains(&rule.id)).count()
}

/// Percentage with one decimal, rounded down so that only complete coverage prints as 100 %.
fn share(part: usize, whole: usize) -> String {
    let tenths = (part * 1000).checked_div(whole).unwrap_or(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// The areas of a spec file in the order in which they first appear.
fn areas(spec: &Spec) -> Vec<&str> {
    let mut areas: Vec<&str> = Vec::new();
    for rule in &spec.rules {
        if !areas.contains(&rule.area()) {
            areas.push(rule.area());
        }
    }
    areas
}

/// Folds neighbouring open rules: `01..03, 07`.
fn runs(members: &[&Rule], open: &[bool]) -> Vec<String> {
    let numbered: Vec<(&str, bool)> =
        members.iter().map(|rule| rule.number()).zip(open.iter().copied()).collect();
    numbered
        .chunk_by(|(_, a), (_, b)| a == b)
        .filter(|run| run.first().is_some_and(|(_, open)| *open))
        .filter_map(|run| match (run.first(), run.last()) {
            (Some((first, _)), Some((last, _))) if first == last => Some((*first).to_owned()),
            (Some((first, _)), Some((last, _))) => Some(format!("{first}..{last}")),
            _ => None,
        })
        .collect()
}

fn distinct(ids: &[String]) -> Vec<&str> {
    let mut seen: Vec<&str> = Vec::new();
    for id in ids {
        if !seen.contains(&id.as_str()) {
            seen.push(id);
        }
    }
    seen
}

/// `(ROUTE-MATCH-12): text` and `ROUTE-MATCH-12: text` are printed as `text`.
fn without_leading_ids<'t>(text: &'t str, ids: &[String]) -> &'t str {
    let punctuation = ['(', ')', ':', ',', ' ', '`', '[', ']'];
    let mut rest = text;
    while let Some(shorter) =
        ids.iter().find_map(|id| rest.trim_start_matches(punctuation).strip_prefix(id.as_str()))
    {
        rest = shorter.trim_start_matches(punctuation);
    }
    rest
}
