//! `mesh-proxy run`

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{Stop, runtime};
use crate::config::{Findings, render};
use crate::engine::{Engine, Options, StartError};
use crate::log::LogLevels;
use crate::snapshot::{Context, ProxyIdentity};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Signals:
  SIGTERM, SIGINT  drain: ask clients to leave, then end; a second one ends at once
  SIGHUP           read the configuration now
  SIGUSR1          open the access log anew

Example:
  mesh-proxy run --config docs/examples/bookinfo --access-log /dev/stdout")]
pub(super) struct Arguments {
    /// File or directory with Istio and Kubernetes objects; may be given several times. Watched for changes.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    config: Vec<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    /// Address of the admin interface.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15000")]
    admin: SocketAddr,
    /// Serve no admin interface.
    #[arg(long, conflicts_with = "admin")]
    no_admin: bool,
    /// Bind Gateway ports on this address [default: the Gateway's `bind`, else every address].
    #[arg(long, value_name = "IP")]
    bind: Option<IpAddr>,
    /// Worker threads [default: usable cores].
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,
    /// Write an access log to this file [default: `meshConfig.accessLogFile`].
    #[arg(long, value_name = "PATH")]
    access_log: Option<PathBuf>,
    /// How long to drain before ending.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    drain_time: Duration,
    /// Log levels, such as `debug` or `info,mesh_proxy_core::exchange=debug`.
    #[arg(long, value_name = "LEVELS", default_value = "info")]
    log: String,
}

/// Who the proxy is.
#[derive(Debug, clap::Args)]
pub(super) struct Identity {
    /// Namespace of the proxy as a gateway.
    #[arg(long, value_name = "NAMESPACE", default_value = "istio-system")]
    gateway_namespace: String,
    /// Label of the proxy as a gateway; Gateways and policies select by it. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", default_value = "istio=ingressgateway", value_parser = label)]
    gateway_label: Vec<(String, String)>,
    /// Namespace of the proxy as a sidecar.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    sidecar_namespace: String,
    /// Label of the proxy as a sidecar; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    sidecar_label: Vec<(String, String)>,
}

impl Identity {
    pub(super) fn context(&self) -> Context {
        let identity = |namespace: &str, labels: &[(String, String)]| {
            labels
                .iter()
                .fold(ProxyIdentity::new(namespace), |identity, (key, value)| identity.label(key, value))
        };
        let gateway = identity(&self.gateway_namespace, &self.gateway_label).workload("istio-ingressgateway");
        let sidecar = identity(&self.sidecar_namespace, &self.sidecar_label);
        Context { gateway: Some(gateway), sidecar: Some(sidecar), ..Context::default() }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

pub(super) fn run(arguments: Arguments) -> Result<(), StartError> {
    let levels = LogLevels::start(&arguments.log)?;
    let mut options = Options::new(arguments.config);
    options.context = arguments.identity.context();
    options.admin = (!arguments.no_admin).then_some(arguments.admin);
    options.bind = arguments.bind;
    options.concurrency = arguments.concurrency;
    options.access_log = arguments.access_log;
    options.drain = arguments.drain_time;
    let runtime = runtime()?;
    runtime.block_on(async {
        let engine = Engine::start(options, levels, Box::new(report))?;
        for (name, address) in engine.listeners() {
            tracing::info!("{name}: listening on {address} with {} workers", engine.concurrency());
        }
        let (stop, again) = (Stop::new()?, Stop::new()?);
        engine.run(stop.received(), second(again)).await;
        Ok(())
    })
}

/// Both handlers see every signal: the second is the one after the first.
pub(super) async fn second(stop: Stop) {
    let Stop { mut interrupt, mut terminate } = stop;
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Shows findings on standard error.
pub(super) fn report(findings: &Findings) {
    let styled = std::io::stderr().is_terminal();
    let _ = std::io::stderr().write_all(render(findings, styled).as_bytes());
}
