//! The files of the workspace that may cite rules, and what each of them says.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::cite;
use crate::rules::Rules;

/// What a file is to this tool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Rust,
    /// Markdown: its ids must exist, but they cover nothing.
    Prose,
    Data,
}

/// One text file, its path relative to the workspace root with `/` between the parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) kind: Kind,
    /// The whole file is test code or test data.
    pub(crate) is_test: bool,
}

/// A place where the code departs from the spec on purpose.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) ids: Vec<String>,
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What one file says about rules.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) cited: BTreeSet<String>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) faults: Vec<String>,
}

/// All text files of the workspace.
pub(crate) fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut paths = Vec::new();
    walk(root, &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // What is not UTF-8 (captured packets, say) cannot cite anything.
        let Ok(text) = String::from_utf8(fs::read(&path)?) else { continue };
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        let kind = match relative.extension().and_then(OsStr::to_str) {
            Some("rs") => Kind::Rust,
            Some("md") => Kind::Prose,
            _ => Kind::Data,
        };
        files.push(File { path: parts.join("/"), text, kind, is_test: is_test(relative, kind) });
    }
    let modules: BTreeSet<String> = files.iter().flat_map(test_modules).collect();
    for file in &mut files {
        file.is_test |= modules.iter().any(|module| {
            file.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
    Ok(files)
}

fn walk(directory: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Links are not followed: what they point to is in the tree as well.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            // Build output and fuzz findings; the reference; and this tool, whose own tests invent ids.
            let skipped = ["target", "docs/spec", "fuzz/corpus", "fuzz/artifacts", "tests/conformance"];
            if !skipped.iter().any(|end| path.ends_with(end)) && !name.starts_with('.') {
                walk(&path, paths)?;
            }
        } else if kind.is_file() && name != "Cargo.lock" && name != "CONFORMANCE.md" {
            paths.push(path);
        }
    }
    Ok(())
}

fn is_test(path: &Path, kind: Kind) -> bool {
    let inside = |folder: &str| path.components().any(|part| part.as_os_str() == OsStr::new(folder));
    let stem = path.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    let named = || stem.split('_').any(|word| word == "test" || word == "tests");
    match kind {
        Kind::Rust => inside("tests") || named(),
        Kind::Data => inside("tests") || inside("testdata"),
        Kind::Prose => false,
    }
}

/// Modules in files of their own that are declared under `#[cfg(test)]`, as path without `.rs`.
fn test_modules(file: &File) -> Vec<String> {
    let Some((stem, "rs")) = file.path.rsplit_once('.') else { return Vec::new() };
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    let mut modules = Vec::new();
    let mut gated = false;
    for line in file.text.lines().map(str::trim) {
        let name = line.strip_suffix(';').and_then(|l| l.rsplit_once("mod ")).map(|(_, name)| name);
        if let (true, Some(name)) = (gated, name) {
            modules.push(format!("{folder}/{name}"));
        }
        gated = is_test_gate(line) || (gated && line.starts_with("#["));
    }
    modules
}

fn is_test_gate(line: &str) -> bool {
    let gates = ["cfg(test)", "(test,", ", test)", ", test,"];
    line.starts_with("#[cfg(") && gates.iter().any(|gate| line.contains(gate)) && !line.contains("not(test")
}

/// Marks the lines of items under `#[cfg(test)]`. Such an item ends with the first closing brace that is
/// indented as the attribute is, which `cargo fmt` guarantees; braces in raw strings are stepped over.
fn test_lines(text: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut inside: Option<usize> = None;
    let mut raw = false;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        if inside.is_none() && !raw && is_test_gate(trimmed) {
            inside = Some(indent);
        }
        marks.push(inside.is_some());
        let was_raw = raw;
        raw = if raw { !line.contains("\"#") } else { opens_raw_string(line) };
        let code = line.split("//").next().unwrap_or_default().trim();
        let ends_item = code.starts_with('}') || code.ends_with(';');
        if inside == Some(indent) && !was_raw && ends_item {
            inside = None;
        }
    }
    marks
}

fn opens_raw_string(line: &str) -> bool {
    line.rsplit_once("r#\"").is_some_and(|(_, rest)| !rest.contains("\"#"))
}

/// The comment part of a line, if it has one.
fn comment(file: &File, line: &str) -> Option<String> {
    let marker = if file.kind == Kind::Rust { "//" } else { "#" };
    let text = match line.trim_start().strip_prefix(marker) {
        Some(text) => text,
        None => line.split_once(&format!(" {marker} "))?.1,
    };
    Some(text.trim_start_matches(['/', '!', '#']).trim().to_owned())
}

/// Reads citations and differences of one file.
pub(crate) fn scan(file: &File, rules: &Rules) -> Scan {
    let mut scan = Scan::default();
    let lines: Vec<&str> = file.text.lines().collect();
    let marks = if file.kind == Kind::Rust && !file.is_test {
        test_lines(&file.text)
    } else {
        vec![file.is_test; lines.len()]
    };
    for (number, (line, is_test)) in lines.iter().zip(marks).enumerate() {
        let found = cite::in_text(line, rules);
        scan.faults.extend(found.faults.iter().map(|fault| format!("{}:{}: {fault}", file.path, number + 1)));
        if is_test {
            scan.cited.extend(found.ids);
            if file.kind == Kind::Rust {
                scan.cited.extend(cite::in_function_name(line, rules).into_iter().map(str::to_owned));
            }
        }
        let Some(text) = difference(file, &lines, number) else { continue };
        let ids = cite::in_text(&text, rules).ids;
        if ids.is_empty() {
            scan.faults.push(format!("{}:{}: a `DIFFERENCE` names no rule id", file.path, number + 1));
        }
        scan.differences.push(Difference { ids, path: file.path.clone(), text });
    }
    scan
}

/// The text of the difference that begins on this line, up to the end of its comment paragraph.
fn difference(file: &File, lines: &[&str], number: usize) -> Option<String> {
    if file.kind == Kind::Prose {
        return None;
    }
    let first = comment(file, lines.get(number)?)?;
    let (_, first) = first.split_once("DIFFERENCE")?;
    let more = lines.iter().skip(number + 1).map_while(|line| {
        let alone = line.trim_start().starts_with(['/', '#']);
        comment(file, line).filter(|text| alone && !text.is_empty() && !text.contains("DIFFERENCE"))
    });
    let text: Vec<String> = std::iter::once(first.to_owned()).chain(more).collect();
    Some(text.join(" ").trim_start_matches([':', ',', ' ']).to_owned())
}
