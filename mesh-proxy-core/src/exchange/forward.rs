//! Forwarding: header edits and rewrites, an endpoint, the exchange with it, retries and timeouts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use mesh_route::{CorsDecision, RetryDecision};
use smallvec::SmallVec;

use super::attempt::{self, Attempted, Clock, End};
use super::body::{Kept, Received, RequestBody, ResponseBody};
use super::record::Record;
use super::reply::LocalReply;
use super::upgrade::Upgrade;
use super::{Exchange, draw, edits, hash, mirror, names, response_head};
use crate::snapshot::{Cluster, Destination, Forward};
use crate::telemetry::ResponseFlags;
use crate::upstream::{PickInput, ResetReason, UpstreamError, WorkerCluster};

/// What is kept of a request body for another attempt (`PROXY-RETRY-04`, `PROXY` 3.11).
const KEEP_BYTES: usize = 256 * 1024;

/// Picks again this often when an endpoint has been tried already (`ROUTE-RTY-08`).
const RESELECTIONS: u32 = 5;

/// Sends the request to one of the destination's endpoints and returns its response, or the reply that says why not.
pub(super) async fn forward(
    exchange: &Exchange<'_>,
    plan: &Forward,
    destination: &Destination,
    mut parts: Parts,
    incoming: Incoming,
    websocket: bool,
    mut record: Record,
) -> Response<ResponseBody> {
    let cors = plan.cors.as_ref().map(|policy| {
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let wanted = parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned();
        (policy, origin, wanted)
    });
    let cors = cors.as_ref().map_or(CorsDecision::Nothing, |(policy, origin, wanted)| {
        let bytes = HeaderValue::as_bytes;
        policy.decide(record.method().as_str(), origin.as_ref().map(bytes), wanted.as_ref().map(bytes))
    });
    if let CorsDecision::Preflight(_) = cors {
        record.request_headers(&parts.headers);
        return with_cors(exchange.local(LocalReply::preflight(), record, Some(&parts)), &cors);
    }
    let snapshot = exchange.view.snapshot();
    let found = destination
        .cluster
        .and_then(|at| Some((snapshot.cluster(at.get())?, snapshot.compiled().cluster(at)?)));
    let Some((cluster, compiled)) = found else {
        record.request_headers(&parts.headers);
        return with_cors(exchange.local(LocalReply::no_cluster(), record, Some(&parts)), &cors);
    };

    edits::request(&destination.request_headers, exchange, &mut parts, &record);
    rewrite(plan, destination, &mut parts);
    let limit = if record.is_grpc() {
        plan.timeouts.grpc_limits(parts.headers.get(names::GRPC_TIMEOUT).map(HeaderValue::as_bytes))
    } else {
        plan.timeouts.limits()
    };
    parts.headers.insert(names::X_ENVOY_ATTEMPT_COUNT, HeaderValue::from_static("1"));
    if let Some(expected) = limit.per_try.or(limit.overall) {
        parts.headers.insert(names::X_ENVOY_EXPECTED_TIMEOUT, names::number(milliseconds(expected)));
    }
    record.request_headers(&parts.headers);
    let hash = hash::compute(&compiled.balancing.hash, exchange.connection, &parts);

    let received = (!incoming_ended(&incoming)).then(|| Rc::new(Received::default()));
    if let Some(received) = &received {
        record.set_received(Rc::clone(received));
    }
    let keep = if record.is_grpc() { plan.retries.keep_grpc_request } else { plan.retries.keep_request };
    let mirrors = mirror::choose(&plan.mirrors);
    let kept = (received.is_some() && (keep || !mirrors.is_empty()))
        .then(|| Rc::new(RefCell::new(Kept::new(KEEP_BYTES))));
    // Envoy does not write the head of a request down twice either unless something may need it again.
    let original = (keep || !mirrors.is_empty() || needs_request_facts(destination)).then(|| copy_of(&parts));
    let body = match &received {
        None => RequestBody::Empty,
        Some(received) => RequestBody::Client { incoming, received: Rc::clone(received), keep: kept.clone() },
    };
    parts.version = Version::HTTP_11;
    let mut sending = Sending {
        exchange,
        plan,
        cluster,
        compiled,
        hash: hash.value,
        request: Some(Request::from_parts(parts, body)),
        keep,
        original,
        kept,
        clock: Clock::new(limit, received),
        tried: SmallVec::new(),
        retries: 0,
        mirrors,
    };
    let mut outcome = sending.run(&mut record).await;
    if let Ok(attempted) = &mut outcome {
        for cookie in hash.cookies {
            attempted.response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    let original = sending.original.take();

    let outcome = outcome.and_then(|attempted| {
        // A switch that nobody asked for (PROXY-UPG-01).
        if attempted.response.status() == StatusCode::SWITCHING_PROTOCOLS && !websocket {
            return Err(LocalReply::upstream(UpstreamError::new(ResetReason::ProtocolError), false));
        }
        Ok(attempted)
    });
    match outcome {
        Ok(attempted) => {
            deliver(exchange, destination, attempted, original.as_ref(), websocket, record, &cors).await
        }
        Err(reply) => with_cors(exchange.local(reply, record, original.as_ref()), &cors),
    }
}

fn incoming_ended(incoming: &Incoming) -> bool {
    use http_body::Body as _;
    incoming.is_end_stream()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether edits of the response may ask for the request.
fn needs_request_facts(destination: &Destination) -> bool {
    !destination.response_headers.is_empty()
}

/// The head of a request, to be sent again or asked about.
fn copy_of(parts: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = parts.method.clone();
    copy.uri = parts.uri.clone();
    copy.version = Version::HTTP_11;
    copy.headers = parts.headers.clone();
    copy
}

/// Rewrites path and host (`ROUTE-RWR-01` to `-10`).
fn rewrite(plan: &Forward, destination: &Destination, parts: &mut Parts) {
    if let Some(rewrite) = &plan.rewrite {
        let old = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let new = rewrite.apply(old);
        if new != old {
            let target = if new.starts_with('/') {
                Uri::try_from(new.as_ref())
            } else {
                // DIFFERENCE ROUTE-RWR-05: Envoy sends a path without its slash; HTTP/1.1 has no such request target.
                Uri::try_from(format!("/{new}"))
            };
            if let Ok(target) = target {
                if let (false, Ok(old)) =
                    (parts.headers.contains_key(names::X_ENVOY_ORIGINAL_PATH), HeaderValue::from_str(old))
                {
                    parts.headers.insert(names::X_ENVOY_ORIGINAL_PATH, old);
                }
                parts.uri = target;
            }
        }
    }
    if let Some(authority) = destination.authority.as_deref()
        && let Ok(authority) = HeaderValue::from_str(authority)
        && let Some(original) = parts.headers.insert(header::HOST, authority)
    {
        parts.headers.insert(names::X_ENVOY_ORIGINAL_HOST, original);
    }
}

/// A request on its way, over all its attempts.
struct Sending<'s> {
    exchange: &'s Exchange<'s>,
    plan: &'s Forward,
    cluster: &'s Rc<WorkerCluster>,
    compiled: &'s Cluster,
    hash: Option<u64>,
    /// The request, until it is written to a connection.
    request: Option<Request<RequestBody>>,
    /// Whether the policy may retry a request that was sent.
    keep: bool,
    /// Its head, where it may be needed again.
    original: Option<Parts>,
    kept: Option<Rc<RefCell<Kept>>>,
    clock: Clock,
    /// Endpoints that have been tried.
    tried: SmallVec<[usize; 4]>,
    retries: u32,
    mirrors: SmallVec<[crate::snapshot::ClusterIndex; 1]>,
}

impl Sending<'_> {
    async fn run(&mut self, record: &mut Record) -> Result<Attempted, LocalReply> {
        loop {
            record.set_attempts(self.retries + 1);
            let Some((at, endpoint)) = self.pick() else {
                return Err(LocalReply::no_healthy_upstream());
            };
            let endpoint = Rc::clone(endpoint);
            record.set_endpoint(at, Rc::clone(&endpoint));
            self.tried.push(at);
            if self.kept.is_none() && !self.mirrors.is_empty() {
                mirror::send(self.exchange, &std::mem::take(&mut self.mirrors), self.original.as_ref(), None);
            }
            let timeout = self.compiled.connect_timeout;
            let max_requests = self.compiled.max_requests_per_connection;
            // Pinned here: passed on by value, it would be copied whole.
            let ended = {
                let attempt =
                    std::pin::pin!(attempt::run(&endpoint, &mut self.request, timeout, max_requests));
                self.clock.run(attempt).await
            };
            if let Ok(attempted) = &ended {
                record.set_upstream_local(attempted.connection.local().clone());
            }
            match &ended {
                Ok(attempted) if attempted.response.status().is_server_error() => {
                    endpoint.cells.rq_error.add(1);
                }
                Ok(_) => endpoint.cells.rq_success.add(1),
                Err(End::Overall | End::PerTry) => endpoint.cells.rq_timeout.add(1),
                Err(End::Upstream(_)) => endpoint.cells.rq_error.add(1),
            }
            let policy = &self.plan.retries.policy;
            // A response of a request that was not kept cannot be retried: its head need not be looked at.
            let decision = if ended.is_ok() && !self.keep {
                RetryDecision::Done
            } else {
                policy.decide(&attempt::as_attempt(&ended), self.retries, draw())
            };
            let decision = match decision {
                RetryDecision::Retry { after } if self.prepare_again() => RetryDecision::Retry { after },
                // The body was too large to keep: the result stands (PROXY-RETRY-04).
                RetryDecision::Retry { .. } => RetryDecision::Done,
                other => other,
            };
            match decision {
                RetryDecision::Retry { after } => {
                    self.retries += 1;
                    if let Some(request) = &mut self.request {
                        let count = names::number(u64::from(self.retries) + 1);
                        request.headers_mut().insert(names::X_ENVOY_ATTEMPT_COUNT, count);
                    }
                    if !after.is_zero() && self.clock.run(wait(after)).await.is_err() {
                        return Err(LocalReply::timeout("response_timeout"));
                    }
                }
                RetryDecision::Exhausted | RetryDecision::Done => {
                    if decision == RetryDecision::Exhausted {
                        record.insert_flags(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                    }
                    return match ended {
                        Ok(attempted) => {
                            self.mirror_body();
                            Ok(attempted)
                        }
                        Err(End::Overall) => Err(LocalReply::timeout("response_timeout")),
                        Err(End::PerTry) => Err(LocalReply::timeout("upstream_per_try_timeout")),
                        // The request's own body broke off: nobody is left to answer.
                        Err(End::Upstream(error)) if error.reason == ResetReason::LocalReset => {
                            Err(LocalReply::client_gone())
                        }
                        Err(End::Upstream(error)) => Err(LocalReply::upstream(error, self.retries > 0)),
                    };
                }
            }
        }
    }

    /// Mirrors a request with a body, which is complete once there is a response.
    fn mirror_body(&mut self) {
        if let (false, Some(kept)) = (self.mirrors.is_empty(), &self.kept) {
            let body = kept.borrow_mut().replay();
            if body.is_some() {
                mirror::send(
                    self.exchange,
                    &std::mem::take(&mut self.mirrors),
                    self.original.as_ref(),
                    body.as_ref(),
                );
            }
        }
    }

    /// Chooses an endpoint; on a retry, one that has not been tried if a few picks find one.
    fn pick(&self) -> Option<(usize, &Rc<crate::upstream::WorkerEndpoint>)> {
        let pick = |attempt| self.cluster.pick(PickInput { hash: self.hash, attempt });
        let hashes = !self.compiled.balancing.hash.is_empty();
        if self.tried.is_empty() || hashes || !self.plan.retries.policy.ignores_previous_hosts() {
            return pick(0);
        }
        mesh_lb::reselect(RESELECTIONS, pick, |(at, _)| self.tried.contains(at))
    }

    /// Makes the request ready to be sent again. False when that is not possible any more.
    fn prepare_again(&mut self) -> bool {
        if self.request.is_some() {
            return true;
        }
        let Some(original) = &self.original else { return false };
        let body = match &self.kept {
            None if self.clock.had_body() => return false,
            None => RequestBody::Empty,
            Some(kept) => match kept.borrow_mut().replay() {
                Some(body) => RequestBody::Replay(body),
                None => return false,
            },
        };
        self.request = Some(Request::from_parts(copy_of(original), body));
        true
    }
}

async fn wait(time: Duration) -> Result<(), End> {
    tokio::time::sleep(time).await;
    Ok(())
}

/// Passes an endpoint's response on.
async fn deliver(
    exchange: &Exchange<'_>,
    destination: &Destination,
    attempted: Attempted,
    original: Option<&Parts>,
    websocket: bool,
    mut record: Record,
    cors: &CorsDecision<'_>,
) -> Response<ResponseBody> {
    let Attempted { response, mut connection, active, took } = attempted;
    let (mut head, incoming) = response.into_parts();
    let service_ms = milliseconds(took);
    record.set_upstream_service_ms(service_ms);
    record.set_details("via_upstream");
    let upgraded = websocket && head.status == StatusCode::SWITCHING_PROTOCOLS;
    if response_head::clean_hop_by_hop(&mut head.headers, upgraded) {
        connection.use_no_more();
    }
    head.headers.insert(names::X_ENVOY_UPSTREAM_SERVICE_TIME, names::number(service_ms));
    set_cors(&mut head.headers, cors);
    if let Some(original) = original {
        let plan = &destination.response_headers;
        edits::response(plan, exchange, &original.into(), head.status, &mut head.headers, &record);
    }
    response_head::finish(&mut head.headers, exchange.listener.role, exchange.closing && !upgraded);
    head.version = Version::HTTP_11;
    head.extensions = http::Extensions::new();
    record.response_head(head.status, &head.headers);
    if upgraded {
        let (socket, early) = connection.into_upgraded().await;
        exchange.connection.set_upgrade(Upgrade::new(socket, early, active, record));
        return Response::from_parts(head, ResponseBody::without_record());
    }
    let mut body = Some((incoming, connection, active, record));
    let body = std::future::poll_fn(|cx| {
        let body = body.take().map_or_else(
            ResponseBody::without_record,
            |(incoming, connection, active, record)| {
                ResponseBody::upstream(incoming, connection, active, record, cx)
            },
        );
        std::task::Poll::Ready(body)
    })
    .await;
    Response::from_parts(head, body)
}

fn set_cors(headers: &mut HeaderMap, decision: &CorsDecision<'_>) {
    let (CorsDecision::Preflight(found) | CorsDecision::Forward(found)) = decision else { return };
    for (name, value) in found.headers() {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
}

fn with_cors(mut response: Response<ResponseBody>, decision: &CorsDecision<'_>) -> Response<ResponseBody> {
    set_cors(response.headers_mut(), decision);
    response
}
