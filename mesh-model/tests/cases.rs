//! What users are told of a text, word for word: the cases of `testdata/model/cases`.
//!
//! A case is
//!
//! ```text
//! === MODEL-VS-1, MODEL-VS-2: a title
//! # options: analyze strict namespace=shop
//! apiVersion: networking.istio.io/v1
//! …
//! >>>
//! 4:1: error[MODEL-VS-1]: VirtualService shop/reviews: spec: …
//!   help: …
//! ```
//!
//! The ids in the headline are the rules that the case is about: it shows that they speak (`>>>` has their code) or that
//! they keep silent. A rule that speaks in some case must keep silent in another case that names it. The line of options
//! may be left out: `analyze` also looks at the references between the objects, `strict` loads with the strict profile,
//! `namespace=` is that of objects that name none, `root=` the root namespace. After `>>>` stand the findings in their
//! order, each without the file's name; nothing when there are none.
//!
//! `UPDATE_CASES=1 cargo test -p mesh-model --test cases` writes what is said today into the files, to be read and judged.
#![allow(
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test"
)]

use mesh_model::{Options, Source, load};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

struct Case {
    headline: String,
    options: Option<String>,
    text: String,
    want: String,
}

impl Case {
    fn parse(block: &str) -> Self {
        let (head, want) = block.split_once("\n>>>").unwrap_or((block, ""));
        let (headline, rest) = head.split_once('\n').unwrap_or((head, ""));
        let (options, text) = match rest.strip_prefix("# options:") {
            Some(rest) => {
                let (options, text) = rest.split_once('\n').unwrap_or((rest, ""));
                (Some(options.trim().to_owned()), text)
            }
            None => (None, rest),
        };
        Self {
            headline: headline.trim().to_owned(),
            options,
            text: format!("{}\n", text.trim_end()),
            want: want.trim().to_owned(),
        }
    }

    /// The rules in front of the title.
    fn rules(&self) -> Vec<&str> {
        let (ids, _) = self.headline.split_once(": ").unwrap_or((&self.headline, ""));
        ids.split(", ").collect()
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        for option in self.options.iter().flat_map(|line| line.split_whitespace()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("analyze", "") => options.analyze = true,
                ("strict", "") => options.profile = mesh_model::Profile::Strict,
                ("namespace", name) => name.clone_into(&mut options.default_namespace),
                ("root", name) => name.clone_into(&mut options.settings.root_namespace),
                _ => panic!("{}: no option `{option}`", self.headline),
            }
        }
        options
    }

    fn told(&self) -> String {
        let loaded = load([Source::new("case", &self.text)], &self.options());
        let by_tree = mesh_model::load_by_tree([Source::new("case", &self.text)], &self.options());
        assert_eq!(loaded, by_tree, "the fast path reads it otherwise: {}", self.headline);
        let among = self.among_plain();
        let source = || [Source::new("case", &among)];
        let (loaded_among, by_tree) =
            (load(source(), &self.options()), mesh_model::load_by_tree(source(), &self.options()));
        assert_eq!(
            loaded_among, by_tree,
            "the fast path reads it otherwise behind others: {}",
            self.headline
        );
        let mut out = String::new();
        for found in &loaded.diagnostics {
            let line = found.to_string();
            out += &format!("{}\n", line.strip_prefix("case:").unwrap_or(&line));
            if let Some(help) = &found.help {
                out += &format!("  help: {}\n", help.replace('\n', "\n    "));
            }
        }
        out.trim().to_owned()
    }

    /// The text behind and before documents in plain form, which share a parser where they can.
    fn among_plain(&self) -> String {
        let plain = |number: usize| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: plain-{number}\nspec:\n  address: 10.1.2.{number}\n---\n"
            )
        };
        let before: String = (0..10).map(plain).collect();
        format!("{before}{}\n---\n{}{}", self.text, plain(10), plain(11))
    }

    fn write(&self, told: &str) -> String {
        let options = self.options.as_ref().map(|line| format!("# options: {line}\n")).unwrap_or_default();
        let told = if told.is_empty() { String::new() } else { format!("{told}\n") };
        format!("=== {}\n{options}{}>>>\n{told}\n", self.headline, self.text)
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/model/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn cases(text: &str) -> Vec<Case> {
    let text = format!("\n{text}");
    text.split("\n=== ").skip(1).map(Case::parse).collect()
}

#[test]
fn every_case_is_told_as_written() {
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut failures = Vec::new();
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let cases = cases(&text);
        assert!(!cases.is_empty(), "{file} has no case");
        let mut out = String::new();
        for case in &cases {
            let got = case.told();
            if got != case.want && !update {
                failures
                    .push(format!("{file}: {}:\n--- want\n{}\n--- got\n{got}\n", case.headline, case.want));
            }
            out += &case.write(&got);
        }
        if update {
            std::fs::write(&path, out.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(failures.is_empty(), "{} cases differ:\n{}", failures.len(), failures.join("\n"));
}

/// Messages name what is wrong in the project's grammar, and every error says what to do (MODEL-API-5).
#[test]
fn messages_are_in_the_grammar_and_errors_have_a_fix() {
    let fine = |text: &str| {
        let first = text.split([' ', ':']).next().unwrap();
        // A name such as `ISTIO_MUTUAL` or EnvoyFilter may stand first.
        let named = first.chars().skip(1).any(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit());
        let lower = named || !first.starts_with(|c: char| c.is_ascii_uppercase());
        lower && !text.is_empty() && !text.ends_with('.') && !text.contains(|c: char| c.is_control())
    };
    // Kinds of one word, which begin a message as they are written.
    let is_kind = |text: &str| {
        [
            "Sidecar",
            "Gateway",
            "Istio",
            "Kubernetes",
            "Envoy",
            "Service",
            "Telemetry",
            "Pod",
            "Deployment",
            "Node",
        ]
        .iter()
        .any(|kind| text.starts_with(kind))
    };
    let mut failures = Vec::new();
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            let loaded = load([Source::new("case", &case.text)], &case.options());
            for found in &loaded.diagnostics {
                let help = found.help.as_deref();
                let texts =
                    std::iter::once(found.message.as_str()).chain(help.iter().flat_map(|help| help.lines()));
                for text in texts.filter(|text| !fine(text) && !is_kind(text)) {
                    failures.push(format!("{file}: {}: {text}", found.code));
                }
                if found.is_error() && help.is_none() {
                    failures.push(format!("{file}: {}: no help: {}", found.code, found.message));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Findings come in the order of the documents, then of the fields, then of the rules, and in the same order each time
/// (MODEL-API-4).
#[test]
fn findings_are_in_order() {
    for path in files() {
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            let told = || load([Source::new("case", &case.text)], &case.options()).diagnostics;
            let found = told();
            assert_eq!(found, told(), "{}", case.headline);
            let place = |found: &mesh_model::Diagnostic| {
                let origin = found.origin.clone().unwrap();
                (origin.bytes, origin.path, found.path.clone(), found.code)
            };
            assert!(found.iter().map(place).is_sorted(), "{}", case.headline);
        }
    }
}

/// A rule that always speaks, or a case that names a rule it has nothing to do with, proves nothing.
#[test]
fn a_rule_that_speaks_also_keeps_silent() {
    let mut speaks = BTreeSet::new();
    let mut silent = BTreeMap::new();
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            for rule in case.rules() {
                assert!(
                    rule.starts_with("MODEL-") && !rule.contains(' '),
                    "{file}: `{}` does not begin with rule ids",
                    case.headline
                );
                if case.want.contains(&format!("[{rule}]")) {
                    speaks.insert(rule.to_owned());
                } else {
                    silent.insert(rule.to_owned(), file.clone());
                }
            }
        }
    }
    let only: Vec<_> = speaks.iter().filter(|rule| !silent.contains_key(*rule)).collect();
    assert!(only.is_empty(), "no case where these keep silent: {only:?}");
}
