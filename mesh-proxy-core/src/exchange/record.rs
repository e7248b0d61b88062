//! Everything that is logged and counted about one request, emitted exactly once whatever ends it (`PROXY-SHAPE-02`).

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};

use super::body::Received;
use crate::snapshot::ClusterIndex;
use crate::telemetry::access_log::{Captured, LogFields};
use crate::telemetry::{RequestProtocol, ResponseFlags, SeriesKey};
use crate::upstream::{LocalAddress, UpstreamError, WorkerEndpoint};
use crate::worker::{Downstream, ListenerView};

/// The record of a request in flight.
pub(crate) struct Record(Box<Inner>);

struct Inner {
    connection: Rc<Downstream>,
    listener: Rc<ListenerView>,
    start: Instant,
    method: Method,
    /// As received: access logs show what the client asked for (`PROXY-FWD-05`).
    uri: Uri,
    version: Version,
    request_head: u64,
    response_head: u64,
    received: Option<Rc<Received>>,
    sent: u64,
    captured: Captured,
    code: u16,
    flags: ResponseFlags,
    details: Option<Cow<'static, str>>,
    transport_failure: Option<Box<str>>,
    upstream_service_ms: Option<u64>,
    cluster: Option<ClusterIndex>,
    cluster_name: Option<Box<str>>,
    endpoint: Option<(usize, Rc<WorkerEndpoint>)>,
    upstream_local: Option<LocalAddress>,
    route: Option<Box<str>>,
    attempts: u32,
    grpc: bool,
    grpc_status: Option<u8>,
    complete: Option<Instant>,
}

impl Record {
    pub(crate) fn new<B>(
        connection: Rc<Downstream>,
        listener: Rc<ListenerView>,
        request: &Request<B>,
    ) -> Self {
        connection.begin_request();
        Self(Box::new(Inner {
            start: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            request_head: 0,
            response_head: 0,
            received: None,
            sent: 0,
            captured: Captured::new(),
            code: 0,
            flags: ResponseFlags::NONE,
            details: None,
            transport_failure: None,
            upstream_service_ms: None,
            cluster: None,
            cluster_name: None,
            endpoint: None,
            upstream_local: None,
            route: None,
            attempts: 0,
            grpc: is_grpc(request.headers()),
            grpc_status: None,
            complete: None,
            connection,
            listener,
        }))
    }

    pub(crate) fn start(&self) -> Instant {
        self.0.start
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.0.grpc
    }

    pub(crate) fn is_head(&self) -> bool {
        self.0.method == Method::HEAD
    }

    pub(crate) fn method(&self) -> &Method {
        &self.0.method
    }

    pub(crate) fn insert_flags(&mut self, flags: ResponseFlags) {
        self.0.flags.insert(flags);
    }

    pub(crate) fn set_details(&mut self, details: impl Into<Cow<'static, str>>) {
        self.0.details = Some(details.into());
    }

    pub(crate) fn set_transport_failure(&mut self, reason: Option<Box<str>>) {
        self.0.transport_failure = reason;
    }

    /// The name is copied, and only where it is read: a shared count would be written by every worker.
    pub(crate) fn set_route_name(&mut self, name: &str) {
        if !name.is_empty() {
            self.0.route = Some(name.into());
        }
    }

    pub(crate) fn route_name(&self) -> &str {
        self.0.route.as_deref().unwrap_or_default()
    }

    pub(crate) fn flags(&self) -> ResponseFlags {
        self.0.flags
    }

    pub(crate) fn details(&self) -> &str {
        self.0.details.as_deref().unwrap_or_default()
    }

    /// The endpoint's address, as text.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.0.endpoint.as_ref().map(|(_, endpoint)| endpoint.name())
    }

    pub(crate) fn upstream_local(&self) -> Option<&str> {
        self.0.upstream_local.as_ref().map(LocalAddress::as_str)
    }

    pub(crate) fn received_bytes(&self) -> u64 {
        self.0.received.as_ref().map_or(0, |received| received.bytes.get())
    }

    pub(crate) fn set_cluster(&mut self, cluster: ClusterIndex) {
        self.0.cluster = Some(cluster);
    }

    /// A cluster that is named by a route but does not exist.
    pub(crate) fn set_missing_cluster(&mut self, name: &str) {
        self.0.cluster_name = Some(name.into());
    }

    pub(crate) fn set_endpoint(&mut self, at: usize, endpoint: Rc<WorkerEndpoint>) {
        self.0.endpoint = Some((at, endpoint));
        self.0.upstream_local = None;
    }

    pub(crate) fn set_upstream_local(&mut self, local: LocalAddress) {
        self.0.upstream_local = Some(local);
    }

    pub(crate) fn set_attempts(&mut self, attempts: u32) {
        self.0.attempts = attempts;
    }

    pub(crate) fn set_received(&mut self, received: Rc<Received>) {
        self.0.received = Some(received);
    }

    pub(crate) fn set_upstream_service_ms(&mut self, ms: u64) {
        self.0.upstream_service_ms = Some(ms);
    }

    /// Keeps what the access log wants of the request's headers, and their size.
    /// What is logged as the target, instead of what was received.
    pub(crate) fn set_target(&mut self, uri: Uri) {
        self.0.uri = uri;
    }

    pub(crate) fn request_headers(&mut self, headers: &HeaderMap) {
        self.0.request_head = head_bytes(headers);
        self.0.captured = self.0.connection.worker().capture(headers);
    }

    pub(crate) fn response_head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.0.code = status.as_u16();
        self.0.response_head = head_bytes(headers);
        if self.0.grpc {
            self.trailers(headers);
        }
    }

    /// gRPC says how it went in the trailers, or in the head when there is no body (`PROXY-GRPC-03`).
    pub(crate) fn trailers(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse().ok()) {
            self.0.grpc_status = Some(status);
        }
    }

    pub(crate) fn add_sent(&mut self, bytes: usize) {
        self.0.sent += bytes as u64;
    }

    /// Bytes that passed after an upgrade.
    pub(crate) fn add_upgraded(&mut self, received: u64, sent: u64) {
        self.0.received.get_or_insert_default().bytes.update(|bytes| bytes + received);
        self.0.sent += sent;
    }

    /// The last byte of the response has been handed to the connection. Returns when.
    pub(crate) fn complete(&mut self) -> Instant {
        *self.0.complete.get_or_insert_with(Instant::now)
    }

    /// The endpoint broke off in the middle of its response.
    pub(crate) fn body_failed(&mut self, error: &hyper::Error) {
        let reason = UpstreamError::exchange(error).reason;
        self.0.flags.insert(reason.flag());
        let reason = reason.text().replace(' ', "_");
        self.0.details = Some(Cow::Owned(format!("upstream_reset_after_response_started{{{reason}}}")));
        self.complete();
    }
}

/// `PROXY-GRPC-01`
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'+'))
    })
}

/// Sum of names and values, as Istio's size metrics count heads.
fn head_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum()
}

impl Drop for Record {
    fn drop(&mut self) {
        let record = &mut *self.0;
        let end = record.complete.unwrap_or_else(|| {
            // Nobody finished this request: the client went away, or a fault in this process unwound.
            record.flags.insert(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);
            record.details.get_or_insert(Cow::Borrowed("downstream_remote_disconnect"));
            Instant::now()
        });
        let duration = end.saturating_duration_since(record.start);
        let worker = record.connection.worker();
        let snapshot = record.listener.snapshot();
        let received = record.received.as_ref().map_or(0, |received| received.bytes.get());
        let key = SeriesKey {
            target: snapshot.targets().get(
                record.listener.role(),
                record.cluster.map(ClusterIndex::get),
                record.endpoint.as_ref().map(|(at, _)| *at),
            ),
            code: record.code,
            flags: record.flags,
            protocol: if record.grpc { RequestProtocol::Grpc } else { RequestProtocol::Http },
            grpc_status: record.grpc_status,
        };
        worker.count(key, |series| {
            series.requests.add(1);
            series.duration.record_milli(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
            series.request_bytes.record_milli((record.request_head + received).saturating_mul(1_000));
            series.response_bytes.record_milli((record.response_head + record.sent).saturating_mul(1_000));
        });
        worker.log(|format, clock, out| {
            let cluster = record.cluster.and_then(|at| snapshot.compiled().clusters().get(at.get()));
            let start_time = clock.timestamp(record.start);
            format.write(
                &LogFields {
                    start_time: &start_time,
                    method: record.method.as_str(),
                    path: record.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
                    protocol: protocol(record.version),
                    code: record.code,
                    flags: record.flags,
                    details: record.details.as_deref(),
                    transport_failure: record.transport_failure.as_deref(),
                    bytes_received: received,
                    bytes_sent: record.sent,
                    duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                    upstream_service_ms: record.upstream_service_ms,
                    captured: &record.captured,
                    upstream_host: record.endpoint.as_ref().map(|(_, endpoint)| endpoint.name()),
                    upstream_cluster: cluster
                        .map(|cluster| &*cluster.name)
                        .or(record.cluster_name.as_deref()),
                    upstream_local: record.upstream_local.as_ref().map(LocalAddress::as_str),
                    downstream_local: record.connection.local_name(),
                    downstream_remote: record.connection.peer_name(),
                    route_name: record.route.as_deref(),
                    attempts: record.attempts,
                },
                out,
            );
        });
        record.connection.end_request();
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
