//! `mesh-proxy validate`

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use mesh_model::Severity;
use mesh_model::common::Timestamp;

use super::complain;
use super::run::Identity;
use crate::config::{Report, Source, SourceText};

/// So much of standard input is read: what one document may have, 64 MiB, four times.
const MAX_INPUT: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  no errors (and with --strict no warnings)
  1  warnings, with --strict
  2  errors, a path that cannot be read, or wrong usage

The annotation `galley.istio.io/analyze-suppress: IST0101` (or `*`) on an object silences the findings about its
references that bear this code of Istio.

Examples:
  mesh-proxy validate --strict docs/examples/bookinfo
  mesh-proxy validate -o sarif deploy/ > mesh.sarif
  helm template ./chart | mesh-proxy validate -")]
pub(super) struct Arguments {
    /// Files and directories to check, together: references between their objects are checked too. `-` is standard
    /// input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Form of the output: with source lines for people, JSON for programs, SARIF for code scanning.
    #[arg(long, short = 'o', value_name = "FORMAT", value_enum, default_value = "human")]
    format: Format,
    /// Treat warnings as a failure.
    #[arg(long)]
    strict: bool,
    /// What to do about spellings that current Istio does not accept: repair and warn, or refuse.
    #[arg(long, value_name = "PROFILE", value_enum, default_value = "compat")]
    profile: Profile,
    /// Check each object by itself: what they refer to is defined elsewhere.
    #[arg(long)]
    no_references: bool,
    /// Leave out remarks and the summary.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    identity: Identity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Profile {
    Compat,
    Strict,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match check(arguments) {
        Ok(verdict) => verdict,
        Err(message) => {
            complain(&message);
            ExitCode::from(2)
        }
    }
}

fn check(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut options = match arguments.profile {
        Profile::Compat => mesh_model::Options::default(),
        Profile::Strict => mesh_model::Options::strict(),
    };
    let context = arguments.identity.context();
    options.settings.root_namespace.clone_from(&context.root_namespace);
    options.settings.cluster_domain.clone_from(&context.cluster_domain);
    options.settings.now = now();
    let settings = options.settings.clone();
    let from_input = |path: &PathBuf| path.as_os_str() == "-";
    let texts = if arguments.paths.iter().any(from_input) { vec![standard_input()?] } else { Vec::new() };
    let paths = arguments.paths.iter().filter(|path| !from_input(path)).cloned().collect();
    let mut source = Source::new(paths, context).with_options(options).with_texts(texts);
    let (_, mut findings) = source.load().map_err(|error| error.to_string())?;
    let objects = source.objects();
    // Not while loading: an object that refers to nothing is served all the same.
    let references = if arguments.no_references {
        findings.issues.clear();
        Vec::new()
    } else {
        mesh_model::validate::analyze_with(&objects, &settings)
    };
    let report = Report::new(findings, references, &objects, &settings);
    let report = if arguments.quiet { report.without_remarks() } else { report };

    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let mut out = std::io::stdout();
    let text = match arguments.format {
        Format::Human => {
            let mut text = report.human(out.is_terminal());
            if !arguments.quiet {
                let counts = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
                text = format!("{text}{}: {counts}\n", source.summary());
            }
            text
        }
        Format::Json => report.json().map_err(|error| error.to_string())? + "\n",
        Format::Sarif => report.sarif().map_err(|error| error.to_string())? + "\n",
    };
    // A closed pipe must not hide the verdict, which is the exit code.
    let _ = out.write_all(text.as_bytes());
    Ok(match (errors, warnings) {
        (1.., _) => ExitCode::from(2),
        (_, 1..) if arguments.strict => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// For certificates that are no longer valid.
fn now() -> Option<Timestamp> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Timestamp::from_unix_seconds)
}

pub(super) fn standard_input() -> Result<SourceText, String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err("standard input: more than 256 MiB, check it in parts".to_owned());
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| "standard input: not UTF-8 text, encode it as UTF-8".to_owned())?;
    Ok(SourceText { name: "<stdin>".to_owned(), text })
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
