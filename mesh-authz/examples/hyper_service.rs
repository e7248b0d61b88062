//! A small shop behind mesh-authz: a hyper service that asks a `PolicySet` about every request.
//!
//! ```sh
//! cargo run -p mesh-authz --features http --example hyper_service              # serves on 127.0.0.1:8090
//! cargo run -p mesh-authz --features http --example hyper_service -- --check   # sends itself requests, and ends
//! ```
//!
//! Three things to take over: the connection's part of the question is asked once a connection, the path that is asked
//! about is the path that is served, and what a client is told is the verdict, while the log has the reason.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use mesh_authz::{
    Action, BuildError, Condition, HttpAttributes, Operation, Peer, Policy, PolicyId, PolicySet, Rule, Source,
};
use tokio::net::{TcpListener, TcpStream};

/// Who may do what. The same policies could be read from YAML with `mesh-model`; the evaluator does not need it.
fn policies() -> Result<PolicySet, BuildError> {
    let policy = |name: &str, action: Action| Policy::new(PolicyId::new("shop", name), action);
    // Everybody reads products ...
    let reads =
        Rule::new().to(Operation::new().methods(["GET", "HEAD"]).paths(["/products", "/products/{*}"]));
    // ... operators on this machine order, ...
    let orders = Rule::new()
        .from(Source::new().ip_blocks(["127.0.0.0/8", "::1"]))
        .to(Operation::new().methods(["POST"]).paths(["/orders"]))
        .when(Condition::new("request.headers[x-team]").values(["operators"]));
    // ... and drafts are nobody's business, whatever else allows them.
    let drafts = Rule::new().to(Operation::new().paths(["*/draft"]));
    // Tried out: what would happen if agents of this name were refused?
    let crawlers = Rule::new().when(Condition::new("request.headers[user-agent]").values(["crawler*"]));
    PolicySet::builder()
        .policy(policy("everybody-reads", Action::Allow).rule(reads))
        .policy(policy("operators-order", Action::Allow).rule(orders))
        .policy(policy("no-drafts", Action::Deny).rule(drafts))
        .policy(policy("no-crawlers", Action::Deny).rule(crawlers).dry_run())
        .build()
}

/// What the shop does once a request may pass.
fn shop(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, format!("{} {}\n", request.method(), request.uri().path()))
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

/// Asks the policies, then the shop.
fn serve(
    policies: &PolicySet,
    connection: mesh_authz::Request<'_>,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    // Policies are about normalized paths. What is not in that form is not served, so nobody can write a path in one
    // way for the policies and in another for the shop.
    if path.contains("//") || path.contains('%') || path.split('/').any(|part| part == "." || part == "..") {
        return answer(StatusCode::BAD_REQUEST, "write the path in its plain form\n");
    }
    let host = request.headers().get(header::HOST);
    let mut http = HttpAttributes::new(method, path).headers(request.headers());
    if let Some(host) = host {
        http = http.host(host);
    }
    let question = connection.http(http);
    let decision = policies.evaluate(&question);
    println!("{method} {path}: {decision}");
    let dry_run = policies.dry_run(&question).decision;
    if dry_run.verdict != decision.verdict {
        println!("  with the dry-run policies it would be {dry_run}");
    }
    if decision.is_allowed() {
        return shop(request);
    }
    // What is missing, rule by rule. It repeats what the client sent, so it is for the log alone.
    for line in policies.explain(&question).to_string().lines().skip(1) {
        println!("  {line}");
    }
    // AUTHZ-RESP-01
    answer(StatusCode::FORBIDDEN, "RBAC: access denied")
}

/// Serves connections for as long as the listener lives.
async fn accept(listener: TcpListener, policies: Arc<PolicySet>) -> std::io::Result<()> {
    loop {
        let (stream, client) = listener.accept().await?;
        let local = stream.local_addr()?;
        let policies = Arc::clone(&policies);
        tokio::spawn(async move {
            // Known for the whole connection: who called, and where. With mutual TLS the verified names of the
            // client's certificate would be here too, as `PeerIdentity`.
            let peer = Peer::new(client.ip().to_canonical());
            let handle = |request: Request<Incoming>| {
                let connection = mesh_authz::Request::new(peer, local);
                let response = serve(&policies, connection, &request);
                async move { Ok::<_, Infallible>(response) }
            };
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(handle))
                .await;
            if let Err(error) = served {
                println!("{client}: {error}");
            }
        });
    }
}

/// One request over a connection of its own: its status.
async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<u16, Box<dyn Error>> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(header::HOST, "shop.example");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?;
    Ok(status)
}

/// Sends requests and compares their statuses with what the policies say.
async fn check(address: SocketAddr) -> Result<bool, Box<dyn Error>> {
    let operator = [("x-team", "operators")];
    let mut as_expected = true;
    for (method, path, headers, want) in [
        ("GET", "/products", &[][..], 200),
        ("HEAD", "/products/7", &[], 200),
        ("GET", "/products/7/photo", &[], 403),
        ("GET", "/products/draft", &[], 403),
        ("DELETE", "/products/7", &[], 403),
        ("POST", "/orders", &operator, 200),
        ("POST", "/orders", &[], 403),
        ("POST", "/orders", &[("x-team", "Operators")], 403),
        ("GET", "/orders", &operator, 403),
        ("GET", "/products?draft", &[("user-agent", "crawler/1")], 200),
        ("GET", "/x/../products", &[], 400),
        ("GET", "/products/%64raft", &[], 400),
    ] {
        let status = send(address, method, path, headers).await?;
        if status != want {
            println!("{method} {path} {headers:?}: expected {want}, got {status}");
            as_expected = false;
        }
    }
    Ok(as_expected)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let checking = std::env::args().nth(1).as_deref() == Some("--check");
    let policies = Arc::new(policies()?);
    let listener = TcpListener::bind(("127.0.0.1", if checking { 0 } else { 8090 })).await?;
    let address = listener.local_addr()?;
    if !checking {
        println!("serving on http://{address}, try");
        println!("  curl -i http://{address}/products/7");
        println!("  curl -i -X POST -H 'x-team: operators' http://{address}/orders");
        println!("  curl -i http://{address}/products/draft");
        accept(listener, policies).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::spawn(accept(listener, policies));
    let as_expected = check(address).await?;
    println!("{}", if as_expected { "all as expected" } else { "not as expected" });
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
