//! `mesh-proxy explain route`

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use http::HeaderValue;
use mesh_model::Object;

use super::places::Places;
use super::report::Workload;
use super::request::{Asked, Target, header};
use super::route_report::{Report, Table};
use super::shared::{Loaded, Output, RoleName, reply};
use super::{claims, ports, route_text};
use crate::cli::run::Identity;
use crate::snapshot::{Context, ProxyIdentity, Role, Snapshot, outbound};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  a route takes it: it is forwarded, redirected or answered as configured
  1  no listener, virtual host or rule takes it, or nothing that it would be forwarded to is there
  2  wrong usage, or a path that cannot be read

Policies are not asked: see `mesh-proxy explain authz`. The answer repeats parts of the request: mind where it goes.

Examples:
  mesh-proxy explain route --config docs/examples/bookinfo \\
      --request 'GET http://127.0.0.1:8080/productpage'
  mesh-proxy explain route --config docs/examples/bookinfo --workload default/productpage-v1 \\
      --request 'GET http://reviews:9080/reviews/0' -H 'end-user: jason'")]
pub(super) struct Arguments {
    /// File or directory with Istio and Kubernetes objects; may be given several times.
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    config: Vec<PathBuf>,
    /// The request, as method and URL or path.
    #[arg(long, value_name = "'METHOD URL'", value_parser = Target::parse)]
    request: Target,
    /// A header of the request; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "'NAME: VALUE'", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Who routes: the gateway, or the sidecar of the workload that sends the request.
    #[arg(long, value_enum, value_name = "ROLE", default_value = "gateway")]
    role: RoleName,
    /// Take namespace and labels from this Pod of the configuration, and ask as its sidecar.
    #[arg(long, value_name = "NAMESPACE/POD", visible_alias = "from", conflicts_with_all = ["role", "sidecar_namespace", "sidecar_label"])]
    workload: Option<String>,
    #[command(flatten)]
    identity: Identity,
    /// Port that the request is sent to [default: the URL's; without one the gateway's if it has one only, else 80 or
    /// 443].
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// A claim of the verified token; may be given several times, the same name for a list.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claims::pair)]
    claims: Vec<(String, String)>,
    /// All claims of the verified token, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims::object)]
    jwt_claims: Option<serde_json::Map<String, serde_json::Value>>,
    /// How to write the answer.
    #[arg(long, visible_alias = "format", value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    reply(answer(arguments), arguments.output, route_text::render, |report| report.found)
}

fn answer(arguments: &Arguments) -> Result<Report, String> {
    let Loaded { context, snapshot, findings, objects, role } =
        Loaded::new(&arguments.config, &arguments.identity, arguments.workload.as_deref(), arguments.role)?;
    let identity = if role == Role::Gateway { &context.gateway } else { &context.sidecar };
    let identity = identity.clone().unwrap_or_default();
    let port = port(arguments, &snapshot, role)?;
    let asked = asked(arguments, &snapshot, role, port)?;
    let table = table(&snapshot, role, port, &identity, &objects, &context);
    let workload = Workload::new(role, identity, arguments.workload.as_deref());
    let known = snapshot.listeners().iter().filter(|listener| listener.role == role);
    let known: Vec<String> = known.map(|listener| listener.key.to_string()).collect();
    Ok(Report::new(table.as_ref(), &known, workload, &asked, port, &Places::new(&objects, &findings)))
}

/// The routes of the listener at which the request arrives.
fn table<'s>(
    snapshot: &'s Snapshot,
    role: Role,
    port: u16,
    identity: &ProxyIdentity,
    objects: &[Object],
    context: &Context,
) -> Option<Table<'s>> {
    let at = |port: u16| {
        let mut listeners = snapshot.listeners().iter().filter(|listener| listener.role == role);
        listeners.find(|listener| listener.key.port == port)
    };
    // A client knows the port of the Service in front of a gateway, not the one on which the gateway listens.
    let mapped = (role == Role::Gateway).then(|| ports::target(port, identity, objects)).flatten();
    if let Some(listener) = mapped.and_then(at).or_else(|| at(port)) {
        return Some(Table::Listener(listener, snapshot.clusters()));
    }
    // A sidecar knows every port, if the traffic is redirected to it.
    let found = (role == Role::Sidecar).then(|| outbound(objects, context, port)).flatten();
    found.map(|found| Table::Redirected(Box::new(found)))
}

/// The port that the request is sent to.
fn port(arguments: &Arguments, snapshot: &Snapshot, role: Role) -> Result<u16, String> {
    if let Some(port) = arguments.port {
        return Ok(port);
    }
    if let Some(port) = arguments.request.port()? {
        return Ok(port);
    }
    let mut listeners = snapshot.listeners().iter().filter(|listener| listener.role == role);
    Ok(match (role, listeners.next(), listeners.next()) {
        (Role::Gateway, Some(only), None) => only.key.port,
        _ if arguments.request.is_https() => 443,
        _ => 80,
    })
}

/// The request as rules see it: normalised, with what the proxy writes into it first (ROUTE-MATCH-31).
fn asked(arguments: &Arguments, snapshot: &Snapshot, role: Role, port: u16) -> Result<Asked, String> {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut asked = Asked::new(localhost, (localhost, port).into());
    asked.claims = claims::merge(arguments.jwt_claims.as_ref(), &arguments.claims);
    asked.http(&arguments.request, &arguments.headers, snapshot.protection(role).path_normalization)?;
    if let Some(http) = &mut asked.http {
        let scheme = HeaderValue::from_static(http.scheme);
        if role == Role::Gateway {
            http.headers.insert("x-forwarded-proto", scheme);
        } else {
            http.headers.entry("x-forwarded-proto").or_insert(scheme);
        }
        http.headers.entry("x-request-id").or_insert(HeaderValue::from_static("generated"));
    }
    Ok(asked)
}
