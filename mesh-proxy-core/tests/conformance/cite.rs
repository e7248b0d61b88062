//! Citations of rule ids in text.

use std::sync::LazyLock;

use regex::Regex;

use crate::rules::{Rules, pattern};

static CITATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?P<area>[A-Z][A-Z0-9]*(?:-[A-Z][A-Z0-9]*)*)-(?P<number>T?[0-9]+)(?:\.\.=?(?:(?P<again>[A-Z0-9-]+)-)?(?P<last>[0-9]+))?",
    )
});
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bfn ([a-z0-9_]+)"));

/// What one line cites: ids that exist, and complaints about those that do not.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Citations {
    pub(crate) ids: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// All whole ids and ranges in a line.
pub(crate) fn in_text(line: &str, rules: &Rules) -> Citations {
    let mut found = Citations::default();
    for hit in CITATION.captures_iter(line) {
        let (Some(whole), Some(area), Some(number)) = (hit.get(0), hit.name("area"), hit.name("number"))
        else {
            continue;
        };
        let glued = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before = line.get(..whole.start()).and_then(|text| text.chars().next_back());
        let after = line.get(whole.end()..).and_then(|text| text.chars().next());
        if before.is_some_and(|c| glued(c) || c == '-') || after.is_some_and(glued) {
            continue;
        }
        let area = area.as_str();
        if !rules.claims_to_be_a_rule(area) {
            continue;
        }
        let first = format!("{area}-{}", number.as_str());
        let last = hit.name("last").map(|last| {
            let area = hit.name("again").map_or(area, |again| again.as_str());
            format!("{area}-{}", last.as_str())
        });
        found.add(&first, last.as_deref(), rules);
    }
    found
}

/// The ids that a test function on this line carries in its name.
pub(crate) fn in_function_name<'r>(line: &str, rules: &'r Rules) -> Vec<&'r str> {
    let name = FUNCTION.captures(line).and_then(|found| found.get(1));
    name.map_or_else(Vec::new, |name| rules.named_by(name.as_str()))
}

impl Citations {
    fn add(&mut self, first: &str, last: Option<&str>, rules: &Rules) {
        let unknown: Vec<&str> =
            [Some(first), last].into_iter().flatten().filter(|id| !rules.contains(id)).collect();
        if !unknown.is_empty() {
            self.faults.extend(unknown.iter().map(|id| format!("the spec has no rule `{id}`")));
            return;
        }
        let Some(last) = last else {
            self.ids.push(first.to_owned());
            return;
        };
        let split = |id: &str| {
            let (area, number) = id.rsplit_once('-')?;
            Some((area.to_owned(), number.parse::<u32>().ok()?))
        };
        match (split(first), split(last)) {
            (Some((area, from)), Some((other, to))) if area == other && from < to => {
                self.ids.extend(rules.range(&area, from, to).map(str::to_owned));
            }
            _ => self.faults.push(format!("`{first}..{last}` is not a range of one area in rising order")),
        }
    }
}
