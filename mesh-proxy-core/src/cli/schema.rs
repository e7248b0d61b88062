//! `mesh-proxy schema`

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mesh_model::{Kind, schema};

use super::complain;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  printed, or written
  2  no such kind, or the directory cannot be written

For VS Code (the extension `redhat.vscode-yaml`), and every editor that runs yaml-language-server:
  mesh-proxy schema --output-dir .mesh-schemas
  and in its settings  \"yaml.schemas\": {\".mesh-schemas/all.json\": [\"deploy/**/*.yaml\"]}

Examples:
  mesh-proxy schema VirtualService
  mesh-proxy schema dr > destinationrule.json
  mesh-proxy schema --list")]
#[group(required = true, multiple = false)]
pub(super) struct Arguments {
    /// The kind: its name, plural or short name in any case, such as `vs`; or `MeshConfig`.
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// List the kinds.
    #[arg(long)]
    list: bool,
    /// Write the schema of every kind into this directory, and `all.json`, which chooses among them.
    #[arg(long, value_name = "DIRECTORY")]
    output_dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let result = match arguments {
        Arguments { kind: Some(name), .. } => one(name),
        Arguments { output_dir: Some(directory), .. } => write(directory),
        _ => Ok(list()),
    };
    match result {
        Ok(text) => {
            // A closed pipe is the reader's wish.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            complain(&message);
            ExitCode::from(2)
        }
    }
}

const MESH_CONFIG: &str = "MeshConfig";

fn one(name: &str) -> Result<String, String> {
    if name.eq_ignore_ascii_case(MESH_CONFIG) {
        return pretty(&schema::mesh_config());
    }
    let unknown = || {
        let help = match Kind::nearest(name) {
            Some(kind) => format!("did you mean `{kind}`"),
            None => "`mesh-proxy schema --list` lists the kinds".to_owned(),
        };
        format!("`{name}` is not a known kind, {help}")
    };
    pretty(&Kind::named(name).and_then(|kind| schema::of(&kind)).ok_or_else(unknown)?)
}

fn list() -> String {
    let row = |name: &str, plural: &str, short: &str, versions: &str| {
        format!("{name:<23}{plural:<24}{short:<8}{versions}\n")
    };
    let mut text = row("KIND", "PLURAL", "SHORT", "VERSIONS");
    for kind in Kind::all() {
        let versions = kind.api_versions().join(", ");
        text.push_str(&row(kind.as_str(), kind.plural(), kind.short_name().unwrap_or(""), &versions));
    }
    text + MESH_CONFIG + "\n"
}

fn write(directory: &Path) -> Result<String, String> {
    let fail = |path: &Path, error: std::io::Error| format!("`{}`: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| fail(directory, error))?;
    let file = |kind: &Kind| format!("{}.json", kind.as_str().to_ascii_lowercase());
    let mut files = vec![
        ("all.json".to_owned(), schema::any(file)),
        (format!("{}.json", MESH_CONFIG.to_ascii_lowercase()), schema::mesh_config()),
    ];
    files.extend(Kind::all().filter_map(|kind| Some((file(&kind), schema::of(&kind)?))));
    let mut written = String::new();
    for (name, schema) in files {
        let path = directory.join(name);
        std::fs::write(&path, pretty(&schema)?).map_err(|error| fail(&path, error))?;
        let _ = writeln!(written, "{}", path.display());
    }
    Ok(written)
}

fn pretty(schema: &serde_json::Value) -> Result<String, String> {
    serde_json::to_string_pretty(schema).map(|text| text + "\n").map_err(|error| error.to_string())
}
