//! `mesh-proxy canonicalize`

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use mesh_model::{Options, Severity, Source, load};

use super::complain;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Comments are not kept. Fields that are not understood are kept and told about.

Exit codes:
  0  written
  2  errors in the files, or a file that cannot be read; what could be read is written

Example:
  mesh-proxy canonicalize old.yaml > new.yaml")]
pub(super) struct Arguments {
    /// Files to read. `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut texts = Vec::new();
    for path in &arguments.files {
        if path.as_os_str() == "-" {
            match super::validate::standard_input() {
                Ok(input) => texts.push((input.name, input.text)),
                Err(error) => {
                    complain(&error);
                    return ExitCode::from(2);
                }
            }
            continue;
        }
        match std::fs::read_to_string(path) {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(error) => {
                complain(&format!("{}: cannot be read: {error}", path.display()));
                return ExitCode::from(2);
            }
        }
    }
    let mut options = Options::default();
    // Only spellings matter here, and an object without namespace stays without.
    options.validate = false;
    options.default_namespace.clear();
    let loaded = load(texts.iter().map(|(name, text)| Source::new(name, text)), &options);
    let mut complaints = std::io::stderr();
    for found in loaded.diagnostics.iter().filter(|found| found.severity > Severity::Info) {
        // Nowhere is left to report that standard error is closed.
        let _ = writeln!(complaints, "{found}");
        if let Some(help) = &found.help {
            let _ = writeln!(complaints, "  help: {help}");
        }
    }
    let mut out = String::new();
    for (index, object) in loaded.objects.iter().enumerate() {
        out.push_str(if index > 0 { "---\n" } else { "" });
        out.push_str(&object.canonicalize().to_yaml());
    }
    if let Err(error) = std::io::stdout().write_all(out.as_bytes()) {
        complain(&format!("cannot write: {error}"));
        return ExitCode::FAILURE;
    }
    if loaded.has_errors() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
