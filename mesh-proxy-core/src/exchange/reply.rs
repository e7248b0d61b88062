//! Replies that the proxy makes itself, from one place (`PROXY` 3.10).

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use mesh_route::{DirectResponse, GrpcStatus, Headers, RequestHead};
use smallvec::SmallVec;

use super::names;
use super::record::Record;
use crate::telemetry::ResponseFlags;
use crate::upstream::{ResetReason, UpstreamError};

/// A reply before it is addressed to one request. Boxed: it is the rare outcome of many functions.
#[derive(Debug)]
pub(crate) struct LocalReply(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    body: Bytes,
    flags: ResponseFlags,
    details: Cow<'static, str>,
    headers: SmallVec<[(HeaderName, HeaderValue); 2]>,
    grpc_status: Option<GrpcStatus>,
    transport: Option<Box<str>>,
    close: bool,
    for_nobody: bool,
}

impl LocalReply {
    pub(crate) fn text(
        status: StatusCode,
        body: impl Into<Bytes>,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            body: body.into(),
            flags: ResponseFlags::NONE,
            details: details.into(),
            headers: SmallVec::new(),
            grpc_status: None,
            transport: None,
            close: false,
            for_nobody: false,
        }))
    }

    pub(crate) fn empty(status: StatusCode, details: &'static str) -> Self {
        Self::text(status, "", details)
    }

    pub(crate) fn no_route() -> Self {
        Self::empty(StatusCode::NOT_FOUND, "route_not_found").flags(ResponseFlags::NO_ROUTE_FOUND)
    }

    pub(crate) fn no_cluster() -> Self {
        Self::empty(StatusCode::SERVICE_UNAVAILABLE, "cluster_not_found")
            .flags(ResponseFlags::NO_CLUSTER_FOUND)
    }

    pub(crate) fn no_healthy_upstream() -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream", "no_healthy_upstream")
            .flags(ResponseFlags::NO_HEALTHY_UPSTREAM)
    }

    pub(crate) fn access_denied(details: String) -> Self {
        Self::text(StatusCode::FORBIDDEN, "RBAC: access denied", details)
    }

    pub(crate) fn timeout(details: &'static str) -> Self {
        Self::text(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout", details)
            .flags(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT)
    }

    /// The last attempt failed; `retried` when it was not the first.
    pub(crate) fn upstream(error: UpstreamError, retried: bool) -> Self {
        let reason = error.reason.text();
        let retry = if retried { "retried and the latest reset reason" } else { "reset reason" };
        let body = format!("upstream connect error or disconnect/reset before headers. {retry}: {reason}");
        let mut reply = Self::text(error.reason.status(), body, error.details()).flags(error.reason.flag());
        if error.reason == ResetReason::Overflow {
            reply = reply.header(names::X_ENVOY_OVERLOADED, HeaderValue::from_static("true"));
        }
        reply.0.transport = error.transport;
        reply
    }

    /// A redirect of a route, or of a host that wants TLS.
    pub(crate) fn redirect(status: StatusCode, location: String) -> Self {
        // Envoy answers a location it cannot write with the status alone.
        let reply = Self::empty(status, "direct_response");
        match HeaderValue::try_from(location) {
            Ok(location) => reply.header(header::LOCATION, location),
            Err(_) => reply,
        }
    }

    /// A configured answer (`ROUTE-DIR-01`, `-02`).
    pub(crate) fn direct<H: Headers + ?Sized>(direct: &DirectResponse, head: &RequestHead<'_, H>) -> Self {
        let status = StatusCode::from_u16(direct.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = Bytes::copy_from_slice(direct.body());
        let reply = Self::text(status, body, "direct_response");
        if !direct.has_location() {
            return reply;
        }
        let location = format!("{}://{}{}", head.scheme(), head.authority(), head.path_and_query());
        match HeaderValue::try_from(location) {
            Ok(location) => reply.header(header::LOCATION, location),
            Err(_) => reply,
        }
    }

    /// A request that fault injection ends (`ROUTE-FLT-04`).
    pub(crate) fn fault(abort: mesh_route::AbortReply) -> Self {
        let status = StatusCode::from_u16(abort.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::text(status, mesh_route::AbortReply::TEXT, "fault_filter_abort")
            .flags(ResponseFlags::FAULT_INJECTED)
            .grpc_status(abort.grpc_status)
    }

    /// An answered preflight (`ROUTE-CORS-05`).
    pub(crate) fn preflight() -> Self {
        Self::empty(StatusCode::OK, "cors_response")
    }

    /// Stands for an answer to a client that has gone away; [`Self::is_for_nobody`] tells.
    pub(crate) fn client_gone() -> Self {
        let mut reply = Self::empty(StatusCode::SERVICE_UNAVAILABLE, "downstream_remote_disconnect").close();
        reply.0.for_nobody = true;
        reply
    }

    /// Whether the client is gone, so that its record says `DC` and no status.
    pub(crate) fn is_for_nobody(&self) -> bool {
        self.0.for_nobody
    }

    pub(crate) fn flags(mut self, flags: ResponseFlags) -> Self {
        self.0.flags.insert(flags);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    pub(crate) fn grpc_status(mut self, status: Option<GrpcStatus>) -> Self {
        self.0.grpc_status = status;
        self
    }

    /// Closes the connection after the reply.
    pub(crate) fn close(mut self) -> Self {
        self.0.close = true;
        self
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Renders the reply for the request of `record`. What belongs to every response is added by the caller.
    pub(crate) fn render(self, record: &mut Record) -> (StatusCode, HeaderMap, Bytes) {
        record.insert_flags(self.0.flags);
        record.set_details(self.0.details);
        if self.0.transport.is_some() {
            record.set_transport_failure(self.0.transport);
        }
        let mut headers = HeaderMap::with_capacity(8);
        for (name, value) in self.0.headers {
            headers.append(name, value);
        }
        if self.0.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if record.is_grpc() {
            // PROXY-GRPC-02: status and text travel in headers, and the response is 200.
            let grpc =
                self.0.grpc_status.unwrap_or_else(|| GrpcStatus::of_local_reply(self.0.status.as_u16()));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(names::GRPC_STATUS, names::number(u64::from(grpc.code())));
            if !self.0.body.is_empty()
                && let Ok(message) = HeaderValue::from_str(&percent_encode(&self.0.body))
            {
                headers.insert(names::GRPC_MESSAGE, message);
            }
            return (StatusCode::OK, headers, Bytes::new());
        }
        headers.insert(header::CONTENT_LENGTH, names::number(self.0.body.len() as u64));
        if !self.0.body.is_empty() {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain"));
        }
        let content = if record.is_head() { Bytes::new() } else { self.0.body };
        (self.0.status, headers, content)
    }
}

/// gRPC's encoding of `grpc-message`: everything outside printable ASCII, and `%` itself.
fn percent_encode(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if (0x20..0x7f).contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-LOCAL-01, PROXY-LOCAL-03, table 3.10
    #[test]
    fn upstream_failures_are_worded_as_envoy_words_them() {
        let refused = || UpstreamError::connect(&std::io::Error::from_raw_os_error(111));
        let reply = LocalReply::upstream(refused(), false);
        assert_eq!(reply.0.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            reply.0.body,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
        );
        assert_eq!(reply.0.flags.to_string(), "UF");
        let reply = LocalReply::upstream(refused(), true);
        assert_eq!(
            reply.0.body,
            "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: \
             remote connection failure"
        );
        let reply = LocalReply::upstream(UpstreamError::new(ResetReason::ProtocolError), false);
        assert_eq!(reply.0.status, StatusCode::BAD_GATEWAY);
        let reply = LocalReply::upstream(UpstreamError::new(ResetReason::Overflow), false);
        assert_eq!(reply.0.flags.to_string(), "UO");
        assert_eq!(reply.0.headers[0].0, "x-envoy-overloaded");
    }

    /// PROXY-GRPC-02
    #[test]
    fn grpc_messages_are_percent_encoded() {
        assert_eq!(percent_encode(b"RBAC: 100% no\n"), "RBAC: 100%25 no%0A");
    }
}
