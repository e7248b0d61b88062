//! The form in which two rules can be compared (`SAV-34`): what `iptables-save` would print (`SAV-20` to
//! `SAV-30`), whoever wrote the rule and however it was spelled.

use super::rule::parse_rule;
use super::words;
use crate::chain::{Family, Table};
use crate::render::saved_rule;

/// The printed form of a line of restore or save text, from the operation on. A rule with a word the mesh does
/// not know is compared by its words as they stand.
pub(crate) fn normal_form(family: Family, table: Table, line: &str) -> String {
    let words = words::split(line);
    match parse_rule(family, table, &words) {
        Ok(parsed) if !parsed.is_commented => saved_rule(&parsed.rule),
        _ => words.join(" "),
    }
}
