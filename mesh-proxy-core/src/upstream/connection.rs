//! One HTTP/1.1 connection to an endpoint, driven by the request that uses it.
//!
//! hyper's client connection is a future. It is polled inside the request (and response body) that borrows it instead
//! of in a task of its own: client side and upstream side of a request stay in one task, and a small exchange costs
//! two polls and no wake-up between tasks (`PROXY-PERF-27`). While idle nobody polls it; the checkout does, which
//! notices a peer that has closed meanwhile (`PROXY-H2UP-06`).

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::cluster::WorkerEndpoint;
use super::error::{ResetReason, UpstreamError};
use crate::exchange::RequestBody;
use crate::joined::Joined;

/// Response heads above this are an upstream protocol error (`PROXY-LIM-02`).
const MAX_RESPONSE_HEAD: usize = 80 * 1024;

/// Younger idle connections are taken as they are.
const FRESH: Duration = Duration::from_millis(5);

/// A pooled connection.
pub(crate) struct UpstreamConnection {
    sender: SendRequest<RequestBody>,
    driver: Connection<TokioIo<Joined>, RequestBody>,
    local: LocalAddress,
    gauge: ConnectionGauge,
    idle_since: Instant,
    /// Requests that may still be sent (`PROXY-H2UP-05`).
    requests_left: u32,
    closed: bool,
}

/// The local address of a connection as logs write it, rendered once; shared with the records of its requests.
#[derive(Clone, Debug)]
pub(crate) struct LocalAddress(Rc<str>);

impl LocalAddress {
    fn of(stream: &TcpStream) -> Self {
        Self(stream.local_addr().map_or_else(|_| "-".into(), |address| address.to_string().into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Counts the connection as open on its endpoint until it is dropped.
struct ConnectionGauge(Rc<WorkerEndpoint>);

impl ConnectionGauge {
    fn new(endpoint: &Rc<WorkerEndpoint>) -> Self {
        endpoint.cells.cx_active.add(1);
        Self(Rc::clone(endpoint))
    }
}

impl Drop for ConnectionGauge {
    fn drop(&mut self) {
        self.0.cells.cx_active.sub(1);
    }
}

impl UpstreamConnection {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    ///
    /// Refused, unreachable, no local resources, or nothing within `timeout`.
    pub(crate) async fn connect(
        endpoint: &Rc<WorkerEndpoint>,
        timeout: Duration,
        max_requests: u32,
    ) -> Result<Box<Self>, UpstreamError> {
        endpoint.cells.cx_total.add(1);
        let connected = tokio::time::timeout(timeout, TcpStream::connect(endpoint.address())).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                endpoint.cells.cx_connect_fail.add(1);
                return Err(UpstreamError::connect(&error));
            }
            Err(_) => {
                endpoint.cells.cx_connect_fail.add(1);
                return Err(UpstreamError::new(ResetReason::ConnectionTimeout));
            }
        };
        // A socket that refuses the option still works, only later.
        let _ = stream.set_nodelay(true);
        let local = LocalAddress::of(&stream);
        let handshake = Builder::new()
            .max_header_size(MAX_RESPONSE_HEAD)
            .handshake(TokioIo::new(Joined(stream)))
            .await
            .map_err(|error| UpstreamError::exchange(&error));
        let (sender, driver) = handshake?;
        Ok(Box::new(Self {
            sender,
            driver,
            local,
            gauge: ConnectionGauge::new(endpoint),
            idle_since: Instant::now(),
            requests_left: if max_requests == 0 { u32::MAX } else { max_requests },
            closed: false,
        }))
    }

    /// The local address, for the access log.
    pub(crate) fn local(&self) -> &LocalAddress {
        &self.local
    }

    /// How long the connection has been unused at `now`.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.idle_since)
    }

    /// Whether the connection can take a request now. Reads what the peer may have sent, so that a close that has
    /// arrived is seen.
    ///
    /// A connection that was used a moment ago is not read again: what arrived until then has been seen.
    pub(crate) fn check(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.idle_for(now) >= FRESH {
            self.drive(cx);
        }
        self.is_usable()
    }

    fn is_usable(&self) -> bool {
        !self.closed && self.requests_left > 0 && self.sender.is_ready()
    }

    /// [`Self::check`] for the idle sweep, which has no task to wake.
    pub(crate) fn check_idle(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.is_usable()
    }

    /// Sends `request` and drives the connection until the response's head is there.
    ///
    /// # Errors
    ///
    /// The reason, and the request when it was not written at all.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<RequestBody>,
    ) -> Result<http::Response<Incoming>, (UpstreamError, Option<http::Request<RequestBody>>)> {
        self.requests_left = self.requests_left.saturating_sub(1);
        let response = self.sender.try_send_request(request);
        let mut response = std::pin::pin!(response);
        std::future::poll_fn(|cx| {
            if !self.closed {
                match Pin::new(&mut self.driver).poll(cx) {
                    Poll::Ready(_) => self.closed = true,
                    Poll::Pending => {}
                }
            }
            // The driver has answered the request's channel if it could; after its end it always has.
            response.as_mut().poll(cx)
        })
        .await
        .map_err(|mut failed| {
            let request = failed.take_message();
            (UpstreamError::exchange(failed.error()), request)
        })
    }

    /// Keeps the connection out of the pool.
    pub(crate) fn use_no_more(&mut self) {
        self.requests_left = 0;
    }

    /// Makes progress on reading and writing.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed && Pin::new(&mut self.driver).poll(cx).is_ready() {
            self.closed = true;
        }
    }

    /// After a 101: the socket and what was read beyond the head (`PROXY-UPG-01`).
    pub(crate) async fn into_upgraded(mut self: Box<Self>) -> (TcpStream, bytes::Bytes) {
        std::future::poll_fn(|cx| {
            if self.closed {
                return Poll::Ready(());
            }
            self.driver.poll_without_shutdown(cx).map(|_| ())
        })
        .await;
        let parts = self.driver.into_parts();
        (parts.io.into_inner().0, parts.read_buf)
    }

    /// Returns the connection to its endpoint's pool, if the exchange ended cleanly and it may be used again.
    pub(crate) fn release(mut self: Box<Self>, cx: &mut Context<'_>, now: Instant) {
        self.drive(cx);
        if self.is_usable() {
            self.idle_since = now;
            let endpoint = Rc::clone(&self.gauge.0);
            endpoint.put(self);
        }
    }
}

/// Counts a request as active on its endpoint for as long as it lives, whatever ends it.
pub(crate) struct ActiveRequest(Rc<WorkerEndpoint>);

impl ActiveRequest {
    pub(crate) fn new(endpoint: Rc<WorkerEndpoint>) -> Self {
        endpoint.cells.rq_total.add(1);
        endpoint.cells.rq_active.add(1);
        Self(endpoint)
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.cells.rq_active.sub(1);
    }
}
