//! `mesh-proxy demo`

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::run::{report, second};
use super::{Stop, complain, runtime};
use crate::demo::backends::Backends;
use crate::demo::checks;
use crate::engine::{Engine, Options, StartError};
use crate::log::LogLevels;
use crate::snapshot::{Context, ProxyIdentity};

/// Where the example's gateway, mesh listener and admin interface are, as its YAML and the printed commands say.
const GATEWAY: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const MESH: SocketAddr = SocketAddr::new(LOOPBACK, 9080);
const ADMIN: SocketAddr = SocketAddr::new(LOOPBACK, 15000);
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// The example's files as they were when this program was built, for when the source tree is not at hand.
const EMBEDDED: &[(&str, &str)] = &[
    ("authorization-policy.yaml", include_str!("../../bookinfo/authorization-policy.yaml")),
    ("destination-rules.yaml", include_str!("../../bookinfo/destination-rules.yaml")),
    ("gateway.yaml", include_str!("../../bookinfo/gateway.yaml")),
    ("services.yaml", include_str!("../../bookinfo/services.yaml")),
    ("sidecar.yaml", include_str!("../../bookinfo/sidecar.yaml")),
    ("virtual-service-bookinfo.yaml", include_str!("../../bookinfo/virtual-service-bookinfo.yaml")),
    ("virtual-service-canary.yaml", include_str!("../../bookinfo/virtual-service-canary.yaml")),
    ("virtual-service-echo.yaml", include_str!("../../bookinfo/virtual-service-echo.yaml")),
    ("virtual-service-faults.yaml", include_str!("../../bookinfo/virtual-service-faults.yaml")),
    ("virtual-service-mesh.yaml", include_str!("../../bookinfo/virtual-service-mesh.yaml")),
    ("virtual-service-redirects.yaml", include_str!("../../bookinfo/virtual-service-redirects.yaml")),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs in one process on 127.0.0.1: the gateway on port 8080, the listener through which the services call one
another on 9080, the admin interface on 15000, and the services on 19080 to 19086.

Exit codes:
  0  ended as asked; with --check everything was as expected
  1  could not start; with --check a request was not answered as expected")]
pub(super) struct Arguments {
    /// Send the example's requests, print what was expected and observed, and end.
    #[arg(long)]
    check: bool,
    /// Directory with the configuration [default: docs/examples/bookinfo, else a copy of what was built in].
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Log levels, such as `debug`.
    #[arg(long, value_name = "LEVELS", default_value = "warn,mesh_proxy_core::engine=info")]
    log: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, StartError> {
    let levels = LogLevels::start(if arguments.check { "warn" } else { &arguments.log })?;
    let config = match &arguments.config {
        Some(directory) => directory.clone(),
        None => find_example().map_or_else(unpack_example, Ok)?,
    };
    let mut options = Options::new(vec![config.clone()]);
    options.context = identity();
    options.admin = Some(ADMIN);
    options.bind = Some(LOOPBACK);
    options.drain = Duration::from_secs(1);
    let runtime = runtime()?;
    runtime.block_on(async {
        let engine = Engine::start(options, levels, Box::new(report))?;
        let backends = Backends::spawn(MESH).map_err(|error| StartError::from(error.to_string()))?;
        let code = if arguments.check { check(engine).await } else { serve(engine, &config).await };
        drop(backends);
        code
    })
}

async fn serve(engine: Engine, config: &Path) -> Result<ExitCode, StartError> {
    let (stop, again) = (Stop::new()?, Stop::new()?);
    let mut out = std::io::stdout();
    // The example is as useful without its instructions.
    let _ = checks::print_what_to_try(&mut out, GATEWAY, ADMIN, config);
    let _ = out.flush();
    engine.run(stop.received(), second(again)).await;
    Ok(ExitCode::SUCCESS)
}

/// The requests are sent from a thread of their own: they block, and the control thread must go on.
async fn check(engine: Engine) -> Result<ExitCode, StartError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("checks".to_owned())
        .spawn(move || {
            let _ = sender.send(checks::run(GATEWAY, ADMIN));
        })
        .map_err(|error| StartError::from(format!("cannot start the checks: {error}")))?;
    let mut report = None;
    engine
        .run(
            async {
                report = receiver.await.ok();
            },
            std::future::pending(),
        )
        .await;
    let Some(report) = report else {
        complain("the checks ended without a report");
        return Ok(ExitCode::FAILURE);
    };
    let _ = report.write(&mut std::io::stdout());
    Ok(if report.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn identity() -> Context {
    let gateway = ProxyIdentity::new("istio-system")
        .label("istio", "ingressgateway")
        .label("app", "istio-ingressgateway")
        .workload("istio-ingressgateway");
    Context { gateway: Some(gateway), sidecar: Some(ProxyIdentity::new("default")), ..Context::default() }
}

/// The example in the source tree: below the working directory or one of its parents, or where this was built.
fn find_example() -> Option<PathBuf> {
    let example = Path::new("docs/examples/bookinfo");
    let here = std::env::current_dir().ok()?;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    here.ancestors().chain(built).map(|directory| directory.join(example)).find(|path| path.is_dir()).map(
        |path| {
            // A short path in the instructions is one that people will type.
            path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path)
        },
    )
}

/// Writes the built-in example to a directory that can be edited.
fn unpack_example() -> Result<PathBuf, StartError> {
    let directory = std::env::temp_dir().join(format!("mesh-bookinfo-{}", std::process::id()));
    let written = std::fs::create_dir_all(&directory).and_then(|()| {
        EMBEDDED.iter().try_for_each(|(name, text)| std::fs::write(directory.join(name), text))
    });
    written.map(|()| directory.clone()).map_err(|error| {
        StartError::from(format!("cannot write the example to `{}`: {error}", directory.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_example_is_built_in() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bookinfo");
        let mut names: Vec<_> = std::fs::read_dir(directory)
            .expect("the example")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        names.sort();
        assert_eq!(names, EMBEDDED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
