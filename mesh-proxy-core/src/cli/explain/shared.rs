//! What the questions share: the configuration they are about, and how the answer is written.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use mesh_model::{Object, Severity};

use crate::cli::complain;
use crate::cli::run::Identity;
use crate::config::{Findings, Source};
use crate::snapshot::{Context, ProxyIdentity, Role, Snapshot, compile};

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum RoleName {
    Gateway,
    Sidecar,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

/// The configuration, compiled for the proxy that is asked about.
pub(super) struct Loaded {
    pub(super) context: Context,
    pub(super) snapshot: Snapshot,
    pub(super) findings: Findings,
    pub(super) objects: Arc<Vec<Object>>,
    pub(super) role: Role,
}

impl Loaded {
    pub(super) fn new(
        config: &[PathBuf],
        identity: &Identity,
        pod: Option<&str>,
        role: RoleName,
    ) -> Result<Self, String> {
        let mut context = identity.context();
        let mut source = Source::new(config.to_vec(), context.clone());
        let (mut snapshot, findings) = source.load().map_err(|error| error.to_string())?;
        let objects = source.objects();
        let role = match (pod, role) {
            (Some(pod), _) => {
                context.sidecar = Some(workload(pod, &objects)?);
                snapshot = compile(&objects, &context).snapshot;
                Role::Sidecar
            }
            (None, RoleName::Sidecar) => Role::Sidecar,
            (None, RoleName::Gateway) => Role::Gateway,
        };
        warn(&findings);
        Ok(Self { context, snapshot, findings, objects, role })
    }
}

/// Writes an answer. The exit code is 0 or 1 as `holds` says, or 2 when there is no answer.
pub(super) fn reply<R: serde::Serialize>(
    answer: Result<R, String>,
    output: Output,
    text: impl Fn(&R) -> String,
    holds: impl Fn(&R) -> bool,
) -> ExitCode {
    match answer {
        Ok(report) => {
            let mut out = std::io::stdout();
            // A closed pipe must not hide the answer, which is the exit code.
            let _ = match output {
                Output::Text => out.write_all(text(&report).as_bytes()),
                Output::Json => {
                    writeln!(out, "{}", serde_json::to_string_pretty(&report).unwrap_or_default())
                }
            };
            ExitCode::from(u8::from(!holds(&report)))
        }
        Err(message) => {
            complain(&message);
            ExitCode::from(2)
        }
    }
}

/// Says that an answer is about less than what was written.
fn warn(findings: &Findings) {
    let errors = findings.count(Severity::Error);
    if errors > 0 {
        let errors = if errors == 1 { "an error".to_owned() } else { format!("{errors} errors") };
        complain(&format!(
            "the configuration has {errors}, see `mesh-proxy validate`: what cannot be used is left out, policies deny"
        ));
    }
}

/// Namespace and labels of a Pod.
fn workload(name: &str, objects: &[Object]) -> Result<ProxyIdentity, String> {
    let pods = || objects.iter().filter(|object| object.as_pod().is_some()).map(|object| &object.metadata);
    let (namespace, pod) = name.split_once('/').unwrap_or(("default", name));
    let Some(found) = pods().find(|pod_| pod_.name == pod && pod_.namespace == namespace) else {
        let known: Vec<_> = pods().map(|pod| format!("`{}/{}`", pod.namespace, pod.name)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("--workload `{name}`: there is no such Pod, the configuration has {known}"));
    };
    let identity = ProxyIdentity::new(&found.namespace).workload(&found.name);
    Ok(found.labels.iter().fold(identity, |identity, (key, value)| identity.label(key, value)))
}
