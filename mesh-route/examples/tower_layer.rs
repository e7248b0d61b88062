//! The matcher as a tower layer: an axum service whose requests are routed, rewritten, redirected and answered by a
//! `RouteTable` before a handler sees them.
//!
//! ```sh
//! cargo run -p mesh-route --features http --example tower_layer              # serves on 127.0.0.1:8091
//! cargo run -p mesh-route --features http --example tower_layer -- --check   # sends itself requests, and ends
//! ```
//!
//! The order of work is a proxy's: normalize the path, look the route up, then redirect, answer, or edit and forward
//! (ROUTE-MODEL-05). What is matched is what goes on.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, ServiceExt};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use mesh_route::{
    Conditions, DirectResponse, HeaderEditor, HeaderEdits, HeaderPlan, Headers as _, Limits, Lookup,
    Operator, PathMatch, PathNormalization, PathRewrite, Redirect, RequestHead, RouteTable, StringMatch,
    VirtualHost, WeightedSplit, normalize_path,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service};

/// What a rule does. The table is generic: this enum is the embedder's own.
enum Action {
    Forward { to: WeightedSplit<&'static str>, rewrite: Option<PathRewrite>, headers: HeaderPlan },
    Redirect(Redirect),
    Answer(DirectResponse),
}

/// The destination that was drawn, for the handlers.
#[derive(Clone, Copy)]
struct Destination(&'static str);

fn routes() -> Result<RouteTable<Action>, Box<dyn Error>> {
    let forward = |to, rewrite, headers| Action::Forward { to, rewrite, headers };
    let ratings = PathMatch::prefix("/ratings/");
    let legacy = PathMatch::prefix("/old/");
    let marked = HeaderEdits::new().set("x-original-path", "%REQ(:PATH)%")?.remove("x-internal")?;
    let shop = VirtualHost::new("shop", ["shop.example".parse()?, "*.shop.example".parse()?])
        .rule(
            Conditions::any().path(legacy.clone()),
            Action::Redirect(Redirect::new(308)?.prefix_rewrite(Some(&legacy), "/")),
        )
        .rule(
            Conditions::any().path(PathMatch::exact("/health")),
            Action::Answer(DirectResponse::new(200, "fine\n")?),
        )
        .rule(
            Conditions::any()
                .path(PathMatch::prefix("/reviews"))
                .header("x-canary", StringMatch::regex("v[0-9]+", &Limits::new())?),
            forward(WeightedSplit::single("reviews-canary"), None, HeaderPlan::default()),
        )
        .rule(
            Conditions::any().path(PathMatch::prefix("/reviews")),
            forward(
                WeightedSplit::new([("reviews-v1", 75), ("reviews-v2", 25)])?,
                None,
                HeaderPlan::default(),
            ),
        )
        .rule(
            Conditions::any().path(ratings.clone()).method(StringMatch::exact("GET")),
            forward(
                WeightedSplit::single("ratings"),
                Some(PathRewrite::uri(Some(&ratings), "/v1/")),
                HeaderPlan::route_only(marked),
            ),
        );
    Ok(RouteTable::builder().virtual_host(shop).build()?)
}

/// Puts a table in front of a service.
#[derive(Clone)]
struct RouteLayer(Arc<RouteTable<Action>>);

#[derive(Clone)]
struct RouteService<S> {
    table: Arc<RouteTable<Action>>,
    inner: S,
}

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> RouteService<S> {
        RouteService { table: Arc::clone(&self.0), inner }
    }
}

impl<S> Service<Request> for RouteService<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match route(&self.table, &mut request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(answer) => Box::pin(ready(Ok(answer))),
        }
    }
}

/// Prepares the request for the handlers, or answers it.
#[allow(clippy::result_large_err, reason = "the answer goes out as it is")]
fn route(table: &RouteTable<Action>, request: &mut Request) -> Result<(), Response> {
    let refuse = |status: StatusCode| status.into_response();
    let raw = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let target = normalize_path(raw, PathNormalization::Base).map_err(|_| refuse(StatusCode::BAD_REQUEST))?;
    let target = target.into_owned();
    // The host of an absolute-form target, else the `Host` line (ROUTE-HOST-20).
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = request.headers().first("host").and_then(|host| std::str::from_utf8(host).ok());
    let authority = authority.or(host.map(str::to_owned)).unwrap_or_default();

    let head = RequestHead::new(request.method().as_str(), &authority, &target, request.headers());
    let found = match table.lookup(&head) {
        Lookup::Route(found) => found,
        // What an operator wants to read in the log, and no client.
        Lookup::NoRoute(_) | Lookup::NoVirtualHost | Lookup::TlsRequired(_) => {
            print!("{} {authority}{target}\n{}", request.method(), table.explain(&head));
            return Err(refuse(StatusCode::NOT_FOUND));
        }
    };
    let (to, rewrite, headers) = match found.action {
        Action::Forward { to, rewrite, headers } => (to, rewrite, headers),
        Action::Redirect(redirect) => {
            let status = StatusCode::from_u16(redirect.status()).unwrap_or(StatusCode::FOUND);
            return Err((status, [(header::LOCATION, redirect.location(&head))]).into_response());
        }
        Action::Answer(answer) => {
            let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::OK);
            let body = Body::from(answer.body().to_vec());
            let content_type = answer.content_type().unwrap_or("application/octet-stream");
            return Err((status, [(header::CONTENT_TYPE, content_type)], body).into_response());
        }
    };
    // The library has no dice: a fresh draw for each request is ours to bring.
    let destination = *to.pick(RandomState::new().hash_one(0));
    let forwarded = rewrite.as_ref().map_or_else(|| target.as_str().into(), |rewrite| rewrite.apply(&target));
    let uri = Uri::try_from(&*forwarded).map_err(|_| refuse(StatusCode::BAD_REQUEST))?;
    // Edits come before the rewrite and see the path as it was (ROUTE-HDR-05).
    headers.apply(&mut Edited { headers: request.headers_mut(), path: &target, authority: &authority });
    *request.uri_mut() = uri;
    request.extensions_mut().insert(Destination(destination));
    Ok(())
}

/// Headers to edit, and the facts that `%REQ(…)%` may ask for. Other operators yield nothing here.
struct Edited<'e> {
    headers: &'e mut HeaderMap,
    path: &'e str,
    authority: &'e str,
}

impl HeaderEditor for Edited<'_> {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        let find = |name: &str| match name {
            ":path" => Some(self.path.as_bytes()),
            ":authority" => Some(self.authority.as_bytes()),
            _ => self.headers.get(name).map(HeaderValue::as_bytes),
        };
        if let Operator::RequestHeader { name, or } = operator {
            out.extend_from_slice(find(name).or_else(|| find(or.as_deref()?)).unwrap_or_default());
        }
    }

    fn remove(&mut self, name: &str) {
        self.headers.remove(name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            self.headers.insert(name, value);
        }
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            self.headers.append(name, value);
        }
    }
}

/// What lies behind: it says which destination it stands for and what it was asked.
async fn upstream(request: Request) -> String {
    let destination =
        request.extensions().get::<Destination>().map_or("nowhere", |destination| destination.0);
    let line = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    format!(
        "{destination} {} original={} internal={}",
        request.uri(),
        line("x-original-path"),
        line("x-internal")
    )
}

async fn serve(listener: TcpListener, table: Arc<RouteTable<Action>>) -> std::io::Result<()> {
    // Around the router, not by `Router::layer`, which comes after axum chose its handler.
    let service = RouteLayer(table).layer(Router::new().fallback(upstream));
    axum::serve(listener, ServiceExt::<Request>::into_make_service(service)).await
}

/// One request over a connection of its own: status, `location` and body.
async fn send(
    address: SocketAddr,
    (method, host, target): (&str, &str, &str),
    line: Option<(&str, &str)>,
) -> Result<(u16, String, String), Box<dyn Error>> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = hyper::Request::builder().method(method).uri(target).header(header::HOST, host);
    let request = line.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(|value| value.to_str().map(str::to_owned));
    let location = location.transpose()?.unwrap_or_default();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, location, String::from_utf8(body.into())?))
}

/// Sends requests and compares the answers with what the rules say.
async fn check(address: SocketAddr) -> Result<bool, Box<dyn Error>> {
    let mut as_expected = true;
    let mut expect = |what: &str, holds: bool| {
        if !holds {
            println!("not as expected: {what}");
            as_expected = false;
        }
    };
    for (request, line, want) in [
        (("GET", "shop.example", "/health"), None, (200, "", "fine\n")),
        (("GET", "SHOP.example:8091", "/x/../%68ealth"), None, (200, "", "fine\n")),
        (("GET", "shop.example", "/old/a?b=1"), None, (308, "http://shop.example/a?b=1", "")),
        (
            ("GET", "eu.shop.example", "/reviews/7"),
            Some(("x-canary", "v2")),
            (200, "", "reviews-canary /reviews/7 original=- internal=-"),
        ),
        (
            ("GET", "shop.example", "/ratings/7?full"),
            Some(("x-internal", "secret")),
            (200, "", "ratings /v1/7?full original=/ratings/7?full internal=-"),
        ),
        (("POST", "shop.example", "/ratings/7"), None, (404, "", "")),
        (("GET", "shop.example", "/ratings"), None, (404, "", "")),
        (("GET", "other.example", "/health"), None, (404, "", "")),
        (("GET", "shop.example", "/a%00"), None, (400, "", "")),
    ] {
        let (status, location, body) = send(address, request, line).await?;
        let got = (status, location.as_str(), body.as_str());
        expect(&format!("{request:?} {line:?}: wanted {want:?}, got {got:?}"), got == want);
    }
    // Three quarters and one; 10 draws in 40 are the mean, 0 and 30 are beyond any bad luck.
    let mut second = 0;
    for _ in 0..40 {
        let (_, _, body) =
            send(address, ("GET", "shop.example", "/reviews"), Some(("x-canary", "no"))).await?;
        second += u32::from(body.starts_with("reviews-v2 "));
    }
    expect(&format!("{second} of 40 requests went to reviews-v2"), (1..30).contains(&second));
    Ok(as_expected)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let checking = std::env::args().nth(1).as_deref() == Some("--check");
    let table = Arc::new(routes()?);
    let listener = TcpListener::bind(("127.0.0.1", if checking { 0 } else { 8091 })).await?;
    let address = listener.local_addr()?;
    if !checking {
        println!("serving on http://{address}, try");
        println!("  curl -i -H 'host: shop.example' http://{address}/reviews");
        println!("  curl -i -H 'host: shop.example' 'http://{address}/ratings/7?full'");
        println!("  curl -i -H 'host: shop.example' http://{address}/old/a");
        serve(listener, table).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::spawn(serve(listener, table));
    let as_expected = check(address).await?;
    println!("{}", if as_expected { "all as expected" } else { "not as expected" });
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
