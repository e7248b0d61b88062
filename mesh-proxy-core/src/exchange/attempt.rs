//! One attempt: a connection, the request on it, the head of the response; and the clocks that limit it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use mesh_route::{Attempt, Limit};
use tokio::time::{Sleep, sleep};

use super::body::{Received, RequestBody};
use super::names;
use crate::upstream::{ActiveRequest, ResetReason, UpstreamConnection, UpstreamError, WorkerEndpoint};

/// A connection unused for longer than this may be closed by its endpoint just as a request is written to it
/// (`PROXY-H2UP-06`); a copy is then kept. Under load connections are younger and no copy is made.
const STALE_AFTER: Duration = Duration::from_millis(500);

/// A response whose head has arrived.
pub(super) struct Attempted {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Box<UpstreamConnection>,
    pub(super) active: ActiveRequest,
    /// From sending the request to the response's head.
    pub(super) took: Duration,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum End {
    Upstream(UpstreamError),
    PerTry,
    Overall,
}

/// Sends `request` to `endpoint`. The request is taken when it is written to a connection, and put back if it was not
/// written after all.
pub(super) async fn run(
    endpoint: &Rc<WorkerEndpoint>,
    request: &mut Option<Request<RequestBody>>,
    connect_timeout: Duration,
    max_requests: u32,
) -> Result<Attempted, End> {
    let active = ActiveRequest::new(Rc::clone(endpoint));
    loop {
        let mut start = Instant::now();
        let (mut connection, pooled) = if let Some(connection) = checkout(endpoint, start).await {
            (connection, true)
        } else {
            let connected = UpstreamConnection::connect(endpoint, connect_timeout, max_requests).await;
            let connected = connected.map_err(End::Upstream)?;
            start = Instant::now();
            (connected, false)
        };
        let Some(sending) = request.take() else {
            return Err(End::Upstream(UpstreamError::new(ResetReason::LocalReset)));
        };
        let copy =
            if pooled && connection.idle_for(start) >= STALE_AFTER { copy_of_safe(&sending) } else { None };
        match connection.send(sending).await {
            Ok(response) => {
                return Ok(Attempted { response, connection, active, took: start.elapsed() });
            }
            // Not a byte was written: a pooled connection that had ended is no failed attempt.
            Err((_, Some(unsent))) if pooled => *request = Some(unsent),
            Err((error, unsent)) => {
                let stale = error.reason == ResetReason::ConnectionTermination && unsent.is_none();
                match copy {
                    Some(copy) if stale => *request = Some(copy),
                    _ => {
                        *request = unsent;
                        return Err(End::Upstream(error));
                    }
                }
            }
        }
    }
}

/// An idle connection that still stands.
async fn checkout(endpoint: &WorkerEndpoint, now: Instant) -> Option<Box<UpstreamConnection>> {
    std::future::poll_fn(|cx| {
        while let Some(mut connection) = endpoint.take() {
            if connection.check(cx, now) {
                return Poll::Ready(Some(connection));
            }
        }
        Poll::Ready(None)
    })
    .await
}

/// A copy of a request that may be sent twice without harm.
fn copy_of_safe(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if !safe || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut copy = Request::new(RequestBody::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// The same in the words of `mesh-route`'s retry policy.
pub(super) fn as_attempt(ended: &Result<Attempted, End>) -> Attempt {
    match ended {
        Ok(attempted) => {
            let headers = attempted.response.headers();
            Attempt::Response {
                status: attempted.response.status().as_u16(),
                grpc_status: headers
                    .get(names::GRPC_STATUS)
                    .and_then(|value| value.to_str().ok()?.parse().ok()),
                rate_limited: headers.contains_key(names::X_ENVOY_RATELIMITED),
            }
        }
        Err(End::PerTry) => Attempt::PerTryTimeout,
        Err(End::Overall) => Attempt::Final,
        Err(End::Upstream(error)) if error.reason.is_connect_failure() => Attempt::ConnectFailure,
        Err(End::Upstream(error)) => match error.reason {
            ResetReason::Overflow | ResetReason::LocalReset => Attempt::Final,
            _ => Attempt::Reset,
        },
    }
}

/// The timeouts of a request. Without limits no timer is made.
pub(super) struct Clock {
    limit: Limit,
    received: Option<Rc<Received>>,
    /// Started when the request has been received completely (`PROXY-TIME-01`).
    overall: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    pub(super) fn new(limit: Limit, received: Option<Rc<Received>>) -> Self {
        Self { limit, received, overall: None }
    }

    /// Whether the request came with a body.
    pub(super) fn had_body(&self) -> bool {
        self.received.is_some()
    }

    fn request_complete(&self) -> bool {
        self.received.as_ref().is_none_or(|received| received.ended.get())
    }

    /// Runs `work` within the limits.
    pub(super) async fn run<T>(&mut self, work: impl Future<Output = Result<T, End>>) -> Result<T, End> {
        if self.limit.overall.is_none() && self.limit.per_try.is_none() {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        let mut per_try = self.limit.per_try.map(|limit| Box::pin(sleep(limit)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            if let (None, Some(limit), true) = (&self.overall, self.limit.overall, self.request_complete()) {
                self.overall = Some(Box::pin(sleep(limit)));
            }
            if let Some(overall) = &mut self.overall
                && overall.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(End::Overall));
            }
            match &mut per_try {
                Some(timer) => {
                    ready!(timer.as_mut().poll(cx));
                    Poll::Ready(Err(End::PerTry))
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}
