//! What a reviewer should not have to look for: links that lead nowhere, paths of somebody's machine,
//! files that grew too long, marks of unfinished work, examples that do not load, a leaf crate that lost its
//! purity.
#![allow(clippy::expect_used, reason = "a test that cannot read its own tree has nothing better to do")]

use std::fs;
use std::path::{Path, PathBuf};

use mesh_model::{Options, Source, load};
use regex::Regex;

/// The crates that decide and never act. They do not know one another either.
const LEAVES: [&str; 5] = ["mesh-model", "mesh-route", "mesh-lb", "mesh-authz", "mesh-iptables"];

/// One concept a file: past this length a change can no longer be reviewed whole.
const LONGEST_FILE: usize = 600;

struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn has_extension(&self, wanted: &str) -> bool {
        self.path.extension().is_some_and(|extension| extension == wanted)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Every text file of the repository, without build output and without what fuzzing found.
fn files() -> Vec<File> {
    fn walk(directory: &Path, files: &mut Vec<File>) {
        for entry in fs::read_dir(directory).expect("the tree is readable") {
            let entry = entry.expect("the tree is readable");
            let (path, kind) = (entry.path(), entry.file_type().expect("the tree is readable"));
            let skipped = ["target", ".git", "fuzz/corpus", "fuzz/artifacts"];
            if skipped.iter().any(|end| path.ends_with(end)) {
                continue;
            }
            if kind.is_dir() {
                walk(&path, files);
            } else if let (true, Ok(text)) = (kind.is_file(), fs::read_to_string(&path)) {
                files.push(File { path, text });
            }
        }
    }
    let mut files = Vec::new();
    walk(root(), &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 20, "found only {} files, is the walk broken?", files.len());
    files
}

/// Fails once with everything found, each as `path:line: what`.
fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// All lines of the chosen files for which `complaint` has something to say.
fn complaints(
    wanted: impl Fn(&File) -> bool,
    complaint: impl Fn(&File, &str) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| wanted(file)) {
        let path = file.path.strip_prefix(root()).unwrap_or(&file.path).display();
        for (number, line) in file.text.lines().enumerate() {
            found.extend(complaint(file, line).map(|what| format!("{path}:{}: {what}", number + 1)));
        }
    }
    found
}

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the pattern is a literal of this file")
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let homes = pattern(r"(^|[^A-Za-z0-9_.~/-])/(home|Users|root)/[A-Za-z0-9_.]+");
    let checkout = root().display().to_string();
    let complaint = |_: &File, line: &str| {
        let found = homes.find(line).map(|found| found.as_str().to_owned());
        found.or_else(|| line.contains(&format!("{checkout}/")).then(|| checkout.clone()))
    };
    assert_none("paths of one machine", &complaints(|_| true, complaint));
}

#[test]
fn no_source_file_is_too_long_to_review() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.has_extension("rs")) {
        let lines = file.text.lines().count();
        if lines > LONGEST_FILE {
            let path = file.path.strip_prefix(root()).unwrap_or(&file.path).display();
            found.push(format!("{path}: {lines} lines"));
        }
    }
    assert_none("files over 600 lines, split them by concept", &found);
}

#[test]
fn nothing_is_left_unfinished() {
    // The brackets keep these patterns from finding themselves.
    let marks = pattern(r"\b(T[O]DO|F[I]XME|X[X]X)\b|\b(todo|unimplemented)!\(|#\[ignore\]");
    let complaint = |_: &File, line: &str| marks.find(line).map(|found| found.as_str().to_owned());
    assert_none("unfinished marks", &complaints(|file| file.has_extension("rs"), complaint));
}

#[test]
fn links_between_documents_resolve() {
    let link = pattern(r"\]\(([^)\s]+)\)");
    let complaint = |file: &File, line: &str| {
        link.captures_iter(line).filter_map(|found| found.get(1)).find_map(|target| {
            let path = target.as_str().split('#').next().unwrap_or_default();
            let external = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            // Documents that rustdoc renders also link to items, such as `RouteTable::lookup`.
            let item = path.contains("::") || !path.contains(['.', '/']);
            let folder = file.path.parent().unwrap_or(root());
            (!external && !item && !folder.join(path).exists()).then(|| format!("`{path}` does not exist"))
        })
    };
    let wanted = |file: &File| file.has_extension("md") && !file.path.starts_with(root().join("docs/spec"));
    assert_none("dead links", &complaints(wanted, complaint));
}

#[test]
fn names_in_the_glossary_are_in_the_code() {
    let name = pattern(r"`mesh_([a-z_]+)::([A-Za-z_]+)`");
    let files = files();
    let complaint = |_: &File, line: &str| {
        name.captures_iter(line).find_map(|found| {
            let (_, [crate_name, item]) = found.extract();
            let source = root().join(format!("mesh-{}/src", crate_name.replace('_', "-")));
            let definition = pattern(&format!(r"\bpub (struct|enum|trait|fn|mod) {item}\b"));
            let mut sources = files.iter().filter(|file| file.path.starts_with(&source));
            let known = sources.any(|file| file.text.lines().any(|line| definition.is_match(line)));
            (!known).then(|| format!("mesh-{crate_name} has no public `{item}`"))
        })
    };
    let glossary = |file: &File| file.path.ends_with("docs/GLOSSARY.md");
    assert_none("stale names", &complaints(glossary, complaint));
}

#[test]
fn every_example_loads_without_an_error() {
    let examples = root().join("docs/examples");
    let files = files();
    let yaml: Vec<&File> =
        files.iter().filter(|file| file.path.starts_with(&examples) && file.has_extension("yaml")).collect();
    assert!(!yaml.is_empty(), "there are no examples");
    let names: Vec<String> = yaml.iter().map(|file| file.path.display().to_string()).collect();
    let sources = names.iter().zip(&yaml).map(|(name, file)| Source::new(name, &file.text));
    let loaded = load(sources, &Options::default());
    let errors: Vec<String> =
        loaded.diagnostics.iter().filter(|found| found.is_error()).map(ToString::to_string).collect();
    assert_none("examples that do not load", &errors);
}

#[test]
fn leaf_crates_forbid_unsafe_code_and_do_not_know_one_another() {
    for leaf in LEAVES {
        let library =
            fs::read_to_string(root().join(leaf).join("src/lib.rs")).expect("the crate has a library");
        assert!(library.contains("#![forbid(unsafe_code)]"), "{leaf} does not forbid unsafe code");
        let manifest =
            fs::read_to_string(root().join(leaf).join("Cargo.toml")).expect("the crate has a manifest");
        for other in LEAVES.iter().filter(|other| **other != leaf) {
            let depends = manifest.lines().any(|line| line.trim_start().starts_with(other));
            assert!(!depends, "{leaf} depends on {other}, translation belongs into the snapshot bridge");
        }
        // Examples and tests may: what is under `[dev-dependencies]` never reaches an embedder.
        let mut section = "";
        let shipped: Vec<_> = manifest
            .lines()
            .filter(|line| {
                section = if line.starts_with('[') { line } else { section };
                section != "[dev-dependencies]"
            })
            .collect();
        for sockets in ["tokio", "hyper", "socket2", "mio"] {
            let depends = shipped.iter().any(|line| line.trim_start().starts_with(sockets));
            assert!(!depends, "{leaf} depends on {sockets}, a leaf crate does no I/O");
        }
    }
}
