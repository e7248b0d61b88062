//! How one demo service calls another: an HTTP/1.1 request to the mesh listener.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use serde_json::Value;
use tokio::net::TcpStream;

use super::io::Io;

/// Longest wait for another service. A page with a part missing beats a page that never comes.
const PATIENCE: Duration = Duration::from_secs(3);

/// Largest answer accepted from another service.
const ANSWER_LIMIT: usize = 256 * 1024;

/// Port all services of the mesh have, as their Service objects say.
const SERVICE_PORT: u16 = 9080;

/// Headers a service copies from the request it got to the requests it makes.
///
/// A proxy cannot do this for a service: it does not see which outgoing call belongs to which request.
/// Routing by user and tracing both end at the first service that does not copy them.
const FORWARDED: [&str; 11] = [
    "end-user",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
];

/// The headers of `request` that belong on every call made for its sake.
pub(super) fn forwarded(request: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in FORWARDED {
        for value in request.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// The way to the other services.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mesh {
    listener: SocketAddr,
}

/// Why a call gave nothing usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// An answer came, with a status other than 200.
    Status(StatusCode),
    /// No whole answer came in time, or it was not JSON.
    NoAnswer,
}

impl Failure {
    /// The status to hand on to one's own caller.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Status(status) => status,
            Self::NoAnswer => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Mesh {
    /// Calls go to the proxy that listens at `listener`.
    pub(super) fn at(listener: SocketAddr) -> Self {
        Self { listener }
    }

    /// Asks `service` for the JSON document at `path`.
    ///
    /// # Errors
    /// Any status but 200, no whole answer within three seconds, or a body that is not JSON.
    pub(super) async fn get(
        self,
        service: &str,
        path: &str,
        forwarded: &HeaderMap,
    ) -> Result<Value, Failure> {
        let call = self.exchange(service, path, forwarded);
        let (status, body) =
            tokio::time::timeout(PATIENCE, call).await.ok().flatten().ok_or(Failure::NoAnswer)?;
        if status != StatusCode::OK {
            return Err(Failure::Status(status));
        }
        serde_json::from_slice(&body).map_err(|_| Failure::NoAnswer)
    }

    /// One request on a connection of its own; `None` if anything breaks on the way. The reason is
    /// dropped because the proxy in between reports it, in its access log and its flags.
    async fn exchange(self, service: &str, path: &str, forwarded: &HeaderMap) -> Option<(StatusCode, Bytes)> {
        let host = HeaderValue::try_from(format!("{service}:{SERVICE_PORT}")).ok()?;
        let mut request = Request::get(path).body(Empty::<Bytes>::new()).ok()?;
        request.headers_mut().extend(forwarded.clone());
        request.headers_mut().insert(HOST, host);

        let socket = TcpStream::connect(self.listener).await.ok()?;
        let (mut sender, connection) = http1::handshake(Io(socket)).await.ok()?;
        // Ends by itself when `sender` and the answer's body are gone.
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.ok()?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.ok()?.to_bytes();
        Some((head.status, body))
    }
}

/// The `served_by` member that every JSON answer of the demo carries.
pub(super) fn served_by(answer: &Value) -> Option<&str> {
    answer.get("served_by").and_then(Value::as_str)
}
