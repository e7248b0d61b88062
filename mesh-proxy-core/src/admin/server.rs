//! The HTTP side of the admin interface.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::{Admin, Phase, dump, stats};

const HELP: &str = "\
GET  /                   this page
GET  /certs              certificates in use (none yet: this proxy speaks plain HTTP)
GET  /clusters           endpoints with their counters (?format=json)
GET  /config_dump        objects as loaded, and what was compiled from them, as JSON
GET  /issues             findings about the configuration in force
GET  /listeners          addresses that are served
GET  /logging            log levels; POST ?level=debug or ?paths=module:level,… sets them
GET  /ready              LIVE, DRAINING or INITIALIZING
GET  /server_info        version, state, uptime, as JSON
GET  /stats              counters (?filter=text)
GET  /stats/prometheus   metrics for Prometheus
POST /drain_listeners    ask clients to close their connections
POST /quitquitquit       end now
POST /reopen_logs        open the access log anew
";

/// Serves the admin interface on `listener` for the life of the process.
pub(crate) async fn serve(admin: Arc<Admin>, listener: TcpListener) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let admin = Arc::clone(&admin);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer(&admin, peer, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .header_read_timeout(None)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!("admin connection: {error}");
            }
        });
    }
}

fn answer<B>(admin: &Admin, peer: SocketAddr, request: &Request<B>) -> Response<Full<Bytes>> {
    // PROXY-ADM-02: a browser on this machine must not be a way in for a web page.
    if request.headers().contains_key(header::ORIGIN) {
        return text(StatusCode::FORBIDDEN, "requests from web pages are not allowed\n");
    }
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    let post = *request.method() == Method::POST;
    let mutates = matches!(path, "/drain_listeners" | "/quitquitquit" | "/reopen_logs")
        || (path == "/logging" && !query.is_empty());
    if mutates {
        if !post {
            return text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        }
        if !peer.ip().to_canonical().is_loopback() {
            return text(StatusCode::FORBIDDEN, "Only requests from localhost are allowed");
        }
    } else if !(get || post && path == "/logging") {
        return text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    }
    match path {
        "/" | "/help" => text(StatusCode::OK, HELP),
        "/ready" => match admin.phase() {
            Phase::Live => text(StatusCode::OK, "LIVE\n"),
            Phase::Draining => text(StatusCode::SERVICE_UNAVAILABLE, "DRAINING\n"),
            Phase::Initializing => text(StatusCode::SERVICE_UNAVAILABLE, "INITIALIZING\n"),
        },
        "/server_info" => json(dump::server_info(admin)),
        "/stats" => text(StatusCode::OK, stats::text(admin, parameter(query, "filter").unwrap_or_default())),
        "/stats/prometheus" => {
            let mut response = text(StatusCode::OK, stats::prometheus(admin));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
            );
            response
        }
        "/config_dump" => json(dump::config(admin)),
        "/issues" => {
            let mut issues = admin.loaded().issues.join("\n");
            if !issues.is_empty() {
                issues.push('\n');
            }
            text(StatusCode::OK, issues)
        }
        "/clusters" if parameter(query, "format") == Some("json") => json(dump::clusters(admin)),
        "/clusters" => text(StatusCode::OK, dump::clusters_text(admin)),
        "/listeners" => text(StatusCode::OK, dump::listeners_text(admin)),
        "/certs" => json("{\"certificates\":[]}\n".to_owned()),
        "/logging" => logging(admin, query),
        "/drain_listeners" => request_control(admin, super::Request::Drain),
        "/quitquitquit" => request_control(admin, super::Request::Quit),
        "/reopen_logs" => request_control(admin, super::Request::ReopenLogs),
        _ => text(StatusCode::NOT_FOUND, "unknown path, see /\n"),
    }
}

fn logging(admin: &Admin, query: &str) -> Response<Full<Bytes>> {
    let wanted = match (parameter(query, "level"), parameter(query, "paths")) {
        (Some(level), _) => Some(level.to_owned()),
        (None, Some(paths)) => Some(paths.replace(':', "=")),
        (None, None) if query.is_empty() => None,
        (None, None) => {
            return text(StatusCode::BAD_REQUEST, "use ?level=LEVEL or ?paths=MODULE:LEVEL,…\n");
        }
    };
    if let Some(wanted) = wanted
        && let Err(error) = admin.levels.set(&wanted)
    {
        return text(StatusCode::BAD_REQUEST, format!("{error}\n"));
    }
    text(StatusCode::OK, format!("active loggers: {}\n", admin.levels.current()))
}

fn request_control(admin: &Admin, request: super::Request) -> Response<Full<Bytes>> {
    // The control thread is gone only when the process ends, which is what was asked for or better.
    let _ = admin.requests.send(request);
    text(StatusCode::OK, "OK\n")
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", body.into())
}

fn json(body: String) -> Response<Full<Bytes>> {
    reply(StatusCode::OK, "application/json", body.into())
}

fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
