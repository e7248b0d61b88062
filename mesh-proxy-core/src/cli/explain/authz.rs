//! `mesh-proxy explain authz`

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use mesh_model::Object;

use super::places::Places;
use super::report::{Report, Workload};
use super::request::{Asked, Target, header};
use super::shared::{Loaded, Output, RoleName, reply};
use super::{claims, ports, text};
use crate::cli::run::Identity;
use crate::snapshot::{ProxyIdentity, Role, Snapshot};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  allowed
  1  denied
  2  wrong usage, or a path that cannot be read

The answer repeats headers, claims and identities of the request: mind where it goes.

Examples:
  mesh-proxy explain authz --config docs/examples/bookinfo \\
      --request 'GET http://127.0.0.1:8080/admin/users'
  mesh-proxy explain authz --config docs/examples/bookinfo --workload default/reviews-v1 \\
      --request 'GET http://reviews:9080/reviews/0' --principal cluster.local/ns/default/sa/bookinfo-productpage
  mesh-proxy explain authz --config DIR --workload default/mongodb-v1 --tcp --destination-port 27017")]
pub(super) struct Arguments {
    /// File or directory with Istio and Kubernetes objects; may be given several times.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    config: Vec<PathBuf>,
    /// The request, as method and URL or path.
    #[arg(long, value_name = "'METHOD URL'", value_parser = Target::parse, required_unless_present = "tcp", conflicts_with = "tcp")]
    request: Option<Target>,
    /// A header of the request; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", value_parser = header, conflicts_with = "tcp")]
    headers: Vec<(String, String)>,
    /// Ask about a TCP connection instead of a request.
    #[arg(long, requires = "destination_port")]
    tcp: bool,
    /// Whose policies are asked: the gateway's, or those of the workload that a sidecar belongs to.
    #[arg(long, value_enum, value_name = "ROLE", default_value = "gateway")]
    role: RoleName,
    /// Take namespace and labels from this Pod of the configuration, and ask as its sidecar.
    #[arg(long, value_name = "NAMESPACE/POD", conflicts_with_all = ["role", "sidecar_namespace", "sidecar_label"])]
    workload: Option<String>,
    #[command(flatten)]
    identity: Identity,
    /// Identity in the client's certificate, as spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; the scheme may be left out.
    /// Without it the client has proved no identity.
    #[arg(long, value_name = "SPIFFE-ID", visible_alias = "source-principal")]
    principal: Option<String>,
    /// Address of the directly connected client.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    source_ip: IpAddr,
    /// Address of the original client [default: as x-forwarded-for and `numTrustedProxies` say].
    #[arg(long, value_name = "IP")]
    remote_ip: Option<IpAddr>,
    /// Address of the workload.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    destination_ip: IpAddr,
    /// Port on which the workload or gateway listens [default: the URL's port, or the target port of a Service of the
    /// workload with that port; without a port in the URL the gateway's if it has one only, else 80 or 443].
    #[arg(long, value_name = "PORT")]
    destination_port: Option<u16>,
    /// Server name in the TLS handshake.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// A claim of the verified token; may be given several times, the same name for a list.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claims::pair, conflicts_with = "tcp")]
    claims: Vec<(String, String)>,
    /// All claims of the verified token, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims::object, conflicts_with = "tcp")]
    jwt_claims: Option<serde_json::Map<String, serde_json::Value>>,
    /// How to write the answer.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    reply(answer(arguments), arguments.output, text::render, |report| report.allowed)
}

fn answer(arguments: &Arguments) -> Result<Report, String> {
    let Loaded { context, snapshot, findings, objects, role } =
        Loaded::new(&arguments.config, &arguments.identity, arguments.workload.as_deref(), arguments.role)?;
    let protection = snapshot.protection(role);
    let identity = if role == Role::Gateway { context.gateway } else { context.sidecar }.unwrap_or_default();
    let asked = asked(arguments, &snapshot, role, &identity, &objects)?;
    let workload = Workload::new(role, identity, arguments.workload.as_deref());
    Ok(Report::new(protection, workload, &asked, &Places::new(&objects, &findings)))
}

fn asked(
    arguments: &Arguments,
    snapshot: &Snapshot,
    role: Role,
    identity: &ProxyIdentity,
    objects: &[Object],
) -> Result<Asked, String> {
    let protection = snapshot.protection(role);
    let port = arguments.destination_port.map_or_else(|| port(arguments, snapshot, role), Ok)?;
    let mapped = (role == Role::Sidecar && arguments.destination_port.is_none())
        .then(|| ports::target(port, identity, objects))
        .flatten();
    let port = mapped.unwrap_or(port);
    let mut asked = Asked::new(arguments.source_ip, (arguments.destination_ip, port).into());
    asked.principal = arguments.principal.as_deref().map(principal);
    asked.sni.clone_from(&arguments.sni);
    asked.claims = claims::merge(arguments.jwt_claims.as_ref(), &arguments.claims);
    if let Some(target) = &arguments.request {
        asked.http(target, &arguments.headers, protection.path_normalization)?;
    }
    asked.remote_ip = match arguments.remote_ip {
        Some(ip) => ip,
        None => protection.client_address.client_address(arguments.source_ip, asked.forwarded_for()),
    };
    Ok(asked)
}

/// The port that a request arrives at when nobody has said it.
fn port(arguments: &Arguments, snapshot: &Snapshot, role: Role) -> Result<u16, String> {
    let target = arguments.request.as_ref();
    if let Some(port) = target.map_or(Ok(None), Target::port)? {
        return Ok(port);
    }
    let mut listeners = snapshot.listeners().iter().filter(|listener| listener.role == role);
    Ok(match (role, listeners.next(), listeners.next()) {
        (Role::Gateway, Some(only), None) => only.key.port,
        _ if target.is_some_and(Target::is_https) => 443,
        _ => 80,
    })
}

/// Policies leave the scheme out, certificates have it.
fn principal(text: &str) -> String {
    if text.contains("://") { text.to_owned() } else { format!("spiffe://{text}") }
}
