//! The report as SARIF 2.1.0, as code scanning systems read it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use mesh_model::{Diagnostic, Severity};
use serde::Serialize;

use super::{Report, istio_code, rules};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
struct Log<'r> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'r>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'r> {
    tool: Tool<'r>,
    /// Columns count characters, not UTF-16 units.
    column_kind: &'static str,
    results: Vec<Finding<'r>>,
}

#[derive(Serialize)]
struct Tool<'r> {
    driver: Driver<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'r> {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'r> {
    id: &'r str,
    short_description: Text,
    full_description: Text,
    help: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<String>,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'r> {
    rule_id: &'r str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
    kind: &'static str,
}

fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        _ => "note",
    }
}

/// A path as the URI of a file: below the root of the sources if it is relative.
fn artifact(name: &str) -> Artifact {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let mut uri = String::with_capacity(name.len());
    let relative = name.strip_prefix("./").unwrap_or(name);
    for byte in relative.bytes() {
        if plain(byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    if relative.starts_with('/') {
        Artifact { uri: format!("file://{uri}"), uri_base_id: None }
    } else {
        Artifact { uri, uri_base_id: Some("%SRCROOT%") }
    }
}

fn location(found: &Diagnostic) -> Vec<Location> {
    let Some(origin) = &found.origin else { return Vec::new() };
    let region = match found.span {
        Some(span) => Region {
            start_line: span.start.line.max(1),
            start_column: Some(span.start.column.max(1)),
            end_line: Some(span.end.line.max(span.start.line).max(1)),
            end_column: Some(span.end.column.max(1)),
        },
        None => {
            Region { start_line: origin.line.max(1), start_column: None, end_line: None, end_column: None }
        }
    };
    let logical = found.object.as_ref().map(|object| Logical {
        fully_qualified_name: if found.path.is_empty() {
            object.to_string()
        } else {
            format!("{object}: {}", found.path)
        },
        kind: "object",
    });
    vec![Location {
        physical_location: Physical { artifact_location: artifact(&origin.source), region },
        logical_locations: logical.into_iter().collect(),
    }]
}

/// What stays when lines move: the code, the object and the field, or the file where no object could be read. The
/// number tells apart what is otherwise the same.
fn fingerprint(found: &Diagnostic, seen: &mut HashMap<String, usize>) -> BTreeMap<&'static str, String> {
    let whose = match (&found.object, &found.origin) {
        (Some(object), _) => object.to_string(),
        (None, Some(origin)) => origin.source.to_string(),
        (None, None) => String::new(),
    };
    let key = format!("{}\n{whose}\n{}", found.code, found.path);
    // FNV-1a: the same in every version of the program.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let count = seen.entry(key).or_default();
    *count += 1;
    BTreeMap::from([("meshFinding/v1", format!("{hash:016x}:{count}"))])
}

impl Report {
    /// As SARIF.
    ///
    /// # Errors
    ///
    /// None in practice: the report is plain data.
    pub(crate) fn sarif(&self) -> serde_json::Result<String> {
        // Of each rule the worst severity, and Istio's code if it has one.
        let mut found_rules: BTreeMap<&str, (Severity, Option<&str>)> = BTreeMap::new();
        for found in self.diagnostics() {
            let known = found_rules.entry(found.code).or_insert((found.severity, None));
            known.0 = known.0.max(found.severity);
            known.1 = known.1.or(istio_code(found));
        }
        let index: HashMap<&str, usize> =
            found_rules.keys().enumerate().map(|(index, code)| (*code, index)).collect();
        let rules = found_rules
            .iter()
            .map(|(code, (severity, istio))| Rule {
                id: code,
                short_description: text(rules::title(code)),
                full_description: text(format!(
                    "{}: rule {code} of the model reference.",
                    rules::title(code)
                )),
                help: text(match istio {
                    Some(istio) => format!("Istio's analyzer reports the same as {istio}."),
                    None => format!("Rule {code} is explained in docs/spec."),
                }),
                help_uri: istio.map(rules::istio_page),
                default_configuration: Configuration { level: level(*severity) },
            })
            .collect();
        let mut seen = HashMap::new();
        let results = self
            .diagnostics()
            .iter()
            .map(|found| {
                let object = found.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
                let path = if found.path.is_empty() { String::new() } else { format!("{}: ", found.path) };
                let help = found.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
                Finding {
                    rule_id: found.code,
                    rule_index: index.get(found.code).copied().unwrap_or_default(),
                    level: level(found.severity),
                    message: text(format!("{object}{path}{}{help}", found.message)),
                    locations: location(found),
                    partial_fingerprints: fingerprint(found, &mut seen),
                }
            })
            .collect();
        let driver = Driver {
            name: "mesh-proxy",
            version: env!("CARGO_PKG_VERSION"),
            semantic_version: env!("CARGO_PKG_VERSION"),
            rules,
        };
        let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results };
        serde_json::to_string_pretty(&Log { schema: SCHEMA, version: "2.1.0", runs: [run] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        let of = |name: &str| {
            let Artifact { uri, uri_base_id } = artifact(name);
            (uri, uri_base_id.is_some())
        };
        assert_eq!(of("./a b/ü.yaml"), ("a%20b/%C3%BC.yaml".to_owned(), true));
        assert_eq!(of("/etc/mesh.yaml"), ("file:///etc/mesh.yaml".to_owned(), false));
        assert_eq!(of("<stdin>"), ("%3Cstdin%3E".to_owned(), true));
    }

    #[test]
    fn fingerprints_do_not_depend_on_lines() {
        let found = |line: &str| {
            let loaded = mesh_model::load(
                [mesh_model::Source::new("a.yaml", &format!("{line}apiVersion: v1\nkind: Pod\n"))],
                &mesh_model::Options::default(),
            );
            fingerprint(&loaded.diagnostics[0], &mut HashMap::new())
        };
        assert_eq!(found(""), found("# a comment\n\n"));
        let mut seen = HashMap::new();
        let loaded = mesh_model::load(
            [mesh_model::Source::new("a.yaml", "kind: Pod\n---\nkind: Pod\n")],
            &mesh_model::Options::default(),
        );
        let both: Vec<_> = loaded.diagnostics.iter().map(|found| fingerprint(found, &mut seen)).collect();
        assert_ne!(both[0], both[1]);
    }
}
