//! The serialisers on rules with invented tables and options (rules `RST-01` to `RST-04` in isolation).

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use super::commands::{guardrail_cleanup_commands, guardrail_commands, owned_chains};
use super::restore::{Entry, restore_text};
use super::words::{Line, Words as _, write_operation};
use crate::rule::Placement;

/// A rule of words.
struct Invented {
    table: String,
    chain: String,
    placement: Placement,
    words: Vec<String>,
}

impl Invented {
    fn new(table: &str, chain: &str, place: usize, words: &str) -> Self {
        Self {
            table: table.to_owned(),
            chain: chain.to_owned(),
            placement: NonZeroUsize::new(place).map_or(Placement::Append, Placement::Insert),
            words: words.split(' ').map(str::to_owned).collect(),
        }
    }
}

impl Entry for Invented {
    fn table(&self) -> &str {
        &self.table
    }

    fn chain(&self) -> &str {
        &self.chain
    }

    fn placement(&self) -> Placement {
        self.placement
    }

    fn jump(&self) -> Option<&str> {
        match &*self.words {
            [.., jump, target] if jump == "-j" => Some(target),
            _ => None,
        }
    }

    fn write(&self, words: &mut Line<'_>) {
        for word in &self.words {
            words.word(word);
        }
    }
}

/// `RST-04` for invented rules.
fn commands_text(rules: &[Invented]) -> String {
    let mut out = String::new();
    for (table, chain) in owned_chains(rules.iter()) {
        writeln!(out, "-t {table} -N {chain}").unwrap();
    }
    for rule in rules {
        write!(out, "-t {}", rule.table).unwrap();
        let mut line = Line(&mut out);
        write_operation(&rule.chain, rule.placement, &mut line);
        rule.write(&mut line);
        out.push('\n');
    }
    out
}

#[test]
fn rst_01_to_04_builder_vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/iptables/builder");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        // Written past the test harness, which hides what a passing test prints.
        let text = format!("SKIPPED builder: no vectors at {}\n", folder.display());
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
        return;
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".input.json") else { continue };
        let golden = std::fs::read_to_string(path.with_file_name(format!("{name}.golden"))).unwrap();
        let input: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let rules: Vec<Invented> = input["ops"]
            .as_array()
            .unwrap()
            .iter()
            .map(|op| {
                let text = |index: usize| op[index].as_str().unwrap();
                match text(0) {
                    "append" => Invented::new(text(2), text(1), 0, text(3)),
                    "insert" => Invented::new(
                        text(2),
                        text(1),
                        usize::try_from(op[3].as_u64().unwrap()).unwrap(),
                        text(4),
                    ),
                    other => panic!("{other}"),
                }
            })
            .collect();
        let found = match input["form"].as_str() {
            Some("commands") => commands_text(&rules),
            _ => restore_text(&rules),
        };
        assert_eq!(found.trim_end(), golden.trim_end(), "{name}");
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn rst_01_tables_by_name_each_with_its_own_chains() {
    let rules = [
        Invented::new("raw", "B", 0, "-j A"),
        Invented::new("nat", "OUTPUT", 0, "-j B"),
        Invented::new("nat", "B", 2, "-x y"),
        Invented::new("filter", "INPUT", 0, "-j DROP"),
    ];
    let want = "* filter\n-A INPUT -j DROP\nCOMMIT\n\
                * nat\n-N B\n-A OUTPUT -j B\n-I B 2 -x y\nCOMMIT\n\
                * raw\n-N B\n-N A\n-A B -j A\nCOMMIT\n";
    assert_eq!(restore_text(&rules), want);
    assert_eq!(restore_text::<Invented>(&[]), "");
}

#[test]
fn rst_02_targets_with_arguments_are_no_chains() {
    let rules = [
        Invented::new("nat", "X", 0, "-j REDIRECT --to-ports 1"),
        Invented::new("nat", "X", 0, "-j RETURN"),
        Invented::new("nat", "X", 0, "-j Y"),
        Invented::new("nat", "X", 0, "-j Y"),
    ];
    assert!(restore_text(&rules).starts_with("* nat\n-N X\n-N Y\n-A X"));
    assert_eq!(owned_chains(rules.iter()), [("nat", "X")], "RST-04 has no second pass");
}

#[test]
fn rst_08_guardrails() {
    let text = |commands: Vec<super::Command>| commands.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        text(guardrail_commands()),
        [
            "-t filter -I INPUT 1 -p tcp -j DROP",
            "-t filter -I INPUT 1 -p udp -j DROP",
            "-t filter -I FORWARD 1 -p tcp -j DROP",
            "-t filter -I FORWARD 1 -p udp -j DROP",
            "-t filter -I OUTPUT 1 -p tcp -j DROP",
            "-t filter -I OUTPUT 1 -p udp -j DROP",
        ]
    );
    assert_eq!(
        text(guardrail_cleanup_commands()),
        [
            "-t filter -D INPUT -p tcp -j DROP",
            "-t filter -D INPUT -p udp -j DROP",
            "-t filter -D FORWARD -p tcp -j DROP",
            "-t filter -D FORWARD -p udp -j DROP",
            "-t filter -D OUTPUT -p tcp -j DROP",
            "-t filter -D OUTPUT -p udp -j DROP",
        ]
    );
}
