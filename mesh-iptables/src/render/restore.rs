//! Restore text (rules `RST-01` to `RST-03`) and the dry-run transcript (`ORD-02`).

use super::words::{Line, Words as _, write_rule};
use crate::chain::{Family, Table, is_built_in};
use crate::plan::{Layout, RulePlan};
use crate::rule::{Placement, Rule, Target};

/// What serialisation needs to know of a rule. A trait so that the serialiser is also tested on rules with
/// invented tables and options.
pub(super) trait Entry {
    fn table(&self) -> &str;
    fn chain(&self) -> &str;
    fn placement(&self) -> Placement;
    /// The chain jumped to without arguments, if any.
    fn jump(&self) -> Option<&str>;
    fn write(&self, words: &mut Line<'_>);
}

impl Entry for Rule {
    fn table(&self) -> &str {
        self.table.name()
    }

    fn chain(&self) -> &str {
        self.chain.name()
    }

    fn placement(&self) -> Placement {
        self.placement
    }

    fn jump(&self) -> Option<&str> {
        match &self.target {
            Target::Jump(chain) => Some(chain.name()),
            _ => None,
        }
    }

    fn write(&self, words: &mut Line<'_>) {
        write_rule(self, words);
    }
}

/// Whether a chain must be created: it is neither built in nor a verdict.
pub(super) fn is_ours(chain: &str) -> bool {
    !is_built_in(chain) && !matches!(chain, "ACCEPT" | "RETURN" | "DROP")
}

/// The chains to create, in first-seen order (`RST-02`): owners of rules, then jump targets.
pub(super) fn chains<'r, E: Entry>(entries: &[&'r E]) -> Vec<&'r str> {
    let mut seen: Vec<&str> = Vec::with_capacity(8);
    let owners = entries.iter().map(|entry| entry.chain());
    let targets = entries.iter().filter_map(|entry| entry.jump());
    let mut last: Option<&str> = None;
    for chain in owners.chain(targets) {
        // Consecutive rules mostly share a chain, and most chains have the name of a constant.
        if last.is_some_and(|last| std::ptr::eq(last, chain)) {
            continue;
        }
        last = Some(chain);
        if is_ours(chain) && !seen.contains(&chain) {
            seen.push(chain);
        }
    }
    seen
}

/// The chains of one table that a plan creates.
pub(crate) fn chains_of<'r>(rules: &[&'r Rule]) -> Vec<&'r str> {
    chains(rules)
}

pub(super) fn restore_text<E: Entry>(entries: &[E]) -> String {
    let mut tables: Vec<&str> = Vec::with_capacity(Table::ALL.len());
    for entry in entries {
        if !tables.contains(&entry.table()) {
            tables.push(entry.table());
        }
    }
    tables.sort_unstable();
    let mut out = String::with_capacity(entries.len() * 64);
    for table in tables {
        let entries: Vec<&E> = entries.iter().filter(|entry| entry.table() == table).collect();
        out.push_str("* ");
        out.push_str(table);
        out.push('\n');
        for chain in chains(&entries) {
            out.push_str("-N ");
            out.push_str(chain);
            out.push('\n');
        }
        for entry in entries {
            let (operation, place) = match entry.placement() {
                Placement::Append => ("-A ", None),
                Placement::Insert(place) => ("-I ", Some(place)),
            };
            out.push_str(operation);
            out.push_str(entry.chain());
            let mut line = Line(&mut out);
            if let Some(place) = place {
                line.word(&place.to_string());
            }
            entry.write(&mut line);
            out.push('\n');
        }
        out.push_str("COMMIT\n");
    }
    out
}

impl RulePlan {
    /// The input of `iptables-restore --noflush` or `ip6tables-restore --noflush` (rules `RST-01` to
    /// `RST-03`), stable to the byte. Empty if the family is off.
    ///
    /// Cost: linear in the rules; one growing buffer.
    ///
    /// # Examples
    /// ```
    /// use mesh_iptables::{CaptureConfig, Family};
    /// let text = CaptureConfig::builder().drop_invalid().build()?.plan().restore_input(Family::Ipv4);
    /// assert!(text.starts_with(
    ///     "* mangle\n\
    ///      -N ISTIO_DROP\n\
    ///      -A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP\n\
    ///      -A ISTIO_DROP -j DROP\n\
    ///      COMMIT\n"
    /// ));
    /// # Ok::<(), mesh_iptables::ConfigError>(())
    /// ```
    pub fn restore_input(&self, family: Family) -> String {
        restore_text(self.rules(family))
    }

    /// What a dry run of the baseline writes (rule `ORD-02`): the calls without input by name, the calls with
    /// input by their input. This is also the content of the file named by `DRY_RUN_FILE_PATH`.
    pub fn dry_run_transcript(&self) -> String {
        // The state of both families is always looked at first (`ORD-01`).
        let mut out = String::from("iptables-save\nip6tables-save\n");
        for &family in self.families() {
            out.push_str(&self.restore_input(family));
        }
        if self.layout == Layout::Sidecar {
            for family in self.families() {
                out.push_str(match family {
                    Family::Ipv4 => "iptables-save\n",
                    Family::Ipv6 => "ip6tables-save\n",
                });
            }
        }
        out
    }
}
