//! Header edits: `mesh-route` says what is to be edited and asks for facts; here is the map and the facts.

use std::io::Write as _;
use std::sync::LazyLock;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use mesh_route::{HeaderEditor, HeaderPlan, Operator};

use super::Exchange;
use super::names;
use super::record::Record;

/// The request as the operators see it.
pub(super) struct RequestFacts<'f> {
    method: &'f Method,
    uri: &'f Uri,
    /// `None` while the request's own headers are the map that is edited.
    headers: Option<&'f HeaderMap>,
}

impl<'f> From<&'f Parts> for RequestFacts<'f> {
    fn from(parts: &'f Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: Some(&parts.headers) }
    }
}

/// Edits a request before its path and host are rewritten (`ROUTE-HDR-05`).
pub(super) fn request(plan: &HeaderPlan, exchange: &Exchange<'_>, parts: &mut Parts, record: &Record) {
    if plan.is_empty() {
        return;
    }
    let facts = RequestFacts { method: &parts.method, uri: &parts.uri, headers: None };
    plan.apply(&mut Editor { exchange, record, facts, response: None, map: &mut parts.headers });
}

/// Edits a response.
pub(super) fn response(
    plan: &HeaderPlan,
    exchange: &Exchange<'_>,
    request: &RequestFacts<'_>,
    status: StatusCode,
    headers: &mut HeaderMap,
    record: &Record,
) {
    if plan.is_empty() {
        return;
    }
    let facts = RequestFacts { method: request.method, uri: request.uri, headers: request.headers };
    plan.apply(&mut Editor { exchange, record, facts, response: Some(status), map: headers });
}

struct Editor<'e> {
    exchange: &'e Exchange<'e>,
    record: &'e Record,
    facts: RequestFacts<'e>,
    /// The status, on the response side.
    response: Option<StatusCode>,
    map: &'e mut HeaderMap,
}

impl Editor<'_> {
    fn request_header(&self, name: &str, out: &mut Vec<u8>) -> bool {
        let headers = self.facts.headers.unwrap_or(self.map);
        let value = match name {
            ":method" => Some(self.facts.method.as_str().as_bytes()),
            ":path" => self.facts.uri.path_and_query().map(|path| path.as_str().as_bytes()),
            ":authority" | "host" => headers.get(header::HOST).map(HeaderValue::as_bytes),
            ":scheme" => headers.get(names::X_FORWARDED_PROTO).map(HeaderValue::as_bytes),
            name => headers.get(name).map(HeaderValue::as_bytes),
        };
        out.extend_from_slice(value.unwrap_or_default());
        value.is_some()
    }

    fn response_header(&self, name: &str, out: &mut Vec<u8>) -> bool {
        let value = self.response.and_then(|_| self.map.get(name));
        out.extend_from_slice(value.map(HeaderValue::as_bytes).unwrap_or_default());
        value.is_some()
    }
}

fn print(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

fn print_some(out: &mut Vec<u8>, text: Option<&str>) {
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// The name of this host, read once.
static HOSTNAME: LazyLock<String> = LazyLock::new(|| {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel.map(|name| name.trim().to_owned()).or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default()
});

impl HeaderEditor for Editor<'_> {
    fn write(&self, operator: &Operator, out: &mut Vec<u8>) {
        let connection = self.exchange.connection;
        let on_response = self.response.is_some();
        match operator {
            Operator::RequestHeader { name, or } => {
                if !self.request_header(name, out)
                    && let Some(or) = or
                {
                    self.request_header(or, out);
                }
            }
            Operator::ResponseHeader { name, or } => {
                if !self.response_header(name, out)
                    && let Some(or) = or
                {
                    self.response_header(or, out);
                }
            }
            // No proxy is trusted before this one, so the client is the peer.
            Operator::DownstreamRemoteAddress | Operator::DownstreamDirectRemoteAddress => {
                print(out, connection.peer());
            }
            Operator::DownstreamRemoteAddressWithoutPort
            | Operator::DownstreamDirectRemoteAddressWithoutPort => {
                print(out, connection.peer().ip());
            }
            Operator::DownstreamRemotePort => print(out, connection.peer().port()),
            Operator::DownstreamLocalAddress => print(out, connection.local()),
            Operator::DownstreamLocalAddressWithoutPort => print(out, connection.local().ip()),
            Operator::DownstreamLocalPort => print(out, connection.local().port()),
            Operator::Protocol => out.extend_from_slice(b"HTTP/1.1"),
            // DIFFERENCE ROUTE-HDR-10: a format of its own is not honoured, the time is written in the default one.
            Operator::StartTime(_) => {
                out.extend_from_slice(&connection.worker().timestamp(self.record.start()));
            }
            Operator::Hostname => out.extend_from_slice(HOSTNAME.as_bytes()),
            Operator::Environment(name) => {
                out.extend_from_slice(std::env::var(&**name).as_deref().unwrap_or("-").as_bytes());
            }
            Operator::RouteName => out.extend_from_slice(self.record.route_name().as_bytes()),
            Operator::UpstreamCluster => {
                if let Some((_, Some(destination))) = self.exchange.route {
                    out.extend_from_slice(destination.cluster_name.as_bytes());
                }
            }
            Operator::StreamId | Operator::UniqueId => {
                // The request's own id is the one that everything else about it carries.
                self.request_header(names::X_REQUEST_ID.as_str(), out);
            }
            Operator::ConnectionId => print(out, connection.id()),
            Operator::Path { with_query: true } => {
                out.extend_from_slice(
                    self.facts.uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes(),
                );
            }
            Operator::Path { with_query: false } => out.extend_from_slice(self.facts.uri.path().as_bytes()),
            Operator::QueryParams => {
                out.extend_from_slice(self.facts.uri.query().unwrap_or_default().as_bytes());
            }
            Operator::QueryParam(name) => {
                let pairs = self.facts.uri.query().unwrap_or_default().split('&');
                let value = pairs
                    .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                    .find(|(key, _)| *key == &**name);
                out.extend_from_slice(value.map_or("", |(_, value)| value).as_bytes());
            }
            Operator::UpstreamHost | Operator::UpstreamRemoteAddress if on_response => {
                print_some(out, self.record.upstream());
            }
            Operator::UpstreamLocalAddress if on_response => print_some(out, self.record.upstream_local()),
            Operator::UpstreamProtocol if on_response => out.extend_from_slice(b"HTTP/1.1"),
            Operator::ResponseCode => print(out, self.response.map_or(0, |status| status.as_u16())),
            Operator::ResponseCodeDetails if on_response => {
                out.extend_from_slice(self.record.details().as_bytes());
            }
            Operator::ResponseFlags => print(out, self.record.flags()),
            Operator::BytesReceived => print(out, self.record.received_bytes()),
            Operator::BytesSent => out.push(b'0'),
            Operator::Duration | Operator::RequestDuration => {
                print(out, if on_response { self.record.start().elapsed().as_millis() } else { 0 });
            }
            Operator::GrpcStatus => {
                self.response_header("grpc-status", out);
            }
            // TLS facts on plain text, metadata that nobody sets, and trailers, which come after the head: all empty.
            _ => {}
        }
    }

    fn remove(&mut self, name: &str) {
        self.map.remove(name);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        if let Some((name, value)) = line(name, value) {
            self.map.insert(name, value);
        }
    }

    fn append(&mut self, name: &str, value: &[u8]) {
        if let Some((name, value)) = line(name, value) {
            self.map.append(name, value);
        }
    }
}

/// A value that cannot be sent (an operator brought in a control character) leaves the header as it is.
fn line(name: &str, value: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
}
