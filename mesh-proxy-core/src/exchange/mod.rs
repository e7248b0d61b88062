//! One HTTP exchange: take the snapshot, ask the pure crates, act, record. No rule of matching or policy is here.

mod attempt;
mod body;
mod edits;
mod fault;
mod forward;
mod hash;
mod mirror;
mod names;
mod record;
mod reply;
mod request_head;
mod response_head;
mod tokens;
mod upgrade;

use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use mesh_authz::jwt::VerifiedToken;
use mesh_authz::{Claims, ForwardedFor};
use mesh_route::{Lookup, RequestHead, normalize_path};

pub(crate) use self::body::{RequestBody, ResponseBody};
use self::record::Record;
use self::reply::LocalReply;
pub(crate) use self::tokens::RouteClaims;
pub(crate) use self::upgrade::Upgrade;
use crate::snapshot::{Destination, HttpListener, Route, RouteAction};
use crate::upstream::WorkerDraw;
use crate::worker::{Downstream, ListenerView};

/// What stays the same over one exchange.
struct Exchange<'e> {
    connection: &'e Rc<Downstream>,
    view: &'e Rc<ListenerView>,
    listener: &'e HttpListener,
    /// The route, and for a forwarding one the destination that was drawn.
    route: Option<(&'e Route, Option<&'e Destination>)>,
    /// The connection is to be closed after this exchange.
    closing: bool,
}

/// Answers one request.
pub(crate) async fn handle(
    connection: Rc<Downstream>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let Some((view, in_force)) = connection.listener().view(connection.worker()) else {
        // The listener was bound for a snapshot that this worker has not seen yet, or no longer sees.
        return Ok(unavailable());
    };
    let Some(listener) = view.compiled() else { return Ok(unavailable()) };
    let mut exchange = Exchange {
        connection: &connection,
        view: &view,
        listener,
        route: None,
        closing: !in_force || connection.worker().is_draining(),
    };
    let mut record = Record::new(Rc::clone(&connection), Rc::clone(&view), &request);
    let (mut parts, incoming) = request.into_parts();
    let websocket = match prepare(&mut parts, &exchange) {
        Ok(prepared) => prepared.websocket,
        Err(reply) => {
            record.request_headers(&parts.headers);
            return Ok(exchange.local(reply, record, None));
        }
    };
    if let Some(reply) = decide(&mut parts, &mut exchange, &mut record) {
        record.request_headers(&parts.headers);
        return Ok(exchange.local(reply, record, Some(&parts)));
    }
    let Some((route, destination)) = exchange.route else {
        record.request_headers(&parts.headers);
        return Ok(exchange.local(LocalReply::no_route(), record, Some(&parts)));
    };
    if let Some(fault) = &route.fault
        && let Some(reply) = fault::inject(fault, &mut record).await
    {
        record.request_headers(&parts.headers);
        return Ok(exchange.local(reply, record, Some(&parts)));
    }
    match (&route.action, destination) {
        (RouteAction::Forward(forward), Some(destination)) => {
            Ok(forward::forward(&exchange, forward, destination, parts, incoming, websocket, record).await)
        }
        (RouteAction::Redirect(redirect, _), _) => {
            let location = redirect.location(&head(&parts));
            let status = StatusCode::from_u16(redirect.status()).unwrap_or(StatusCode::MOVED_PERMANENTLY);
            record.request_headers(&parts.headers);
            Ok(exchange.local(LocalReply::redirect(status, location), record, Some(&parts)))
        }
        (RouteAction::Direct(direct, _), _) => {
            record.request_headers(&parts.headers);
            Ok(exchange.local(LocalReply::direct(direct, &head(&parts)), record, Some(&parts)))
        }
        (RouteAction::Forward(_), None) => {
            // INVARIANT: `decide` draws a destination for every forwarding route.
            record.request_headers(&parts.headers);
            Ok(exchange.local(LocalReply::no_cluster(), record, Some(&parts)))
        }
    }
}

/// Validation, hop-by-hop and forwarding headers, then path normalisation (`PROXY` 3.1).
fn prepare(parts: &mut Parts, exchange: &Exchange<'_>) -> Result<request_head::Prepared, LocalReply> {
    let prepared = request_head::prepare(parts, exchange.connection)?;
    let raw = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let invalid = || LocalReply::empty(StatusCode::BAD_REQUEST, "path_normalization_failed");
    let normalized = match normalize_path(raw, exchange.listener.path_normalization) {
        Ok(std::borrow::Cow::Borrowed(_)) => None,
        Ok(std::borrow::Cow::Owned(path)) => Some(path),
        Err(_) => return Err(invalid()),
    };
    if let Some(path) = normalized {
        // ROUTE-PATH-01: the normalised path is what everything from here on sees, the upstream included.
        if let Ok(original) = HeaderValue::from_str(raw) {
            parts.headers.insert(names::X_ENVOY_ORIGINAL_PATH, original);
        }
        parts.uri = Uri::try_from(path).map_err(|_| invalid())?;
    }
    Ok(prepared)
}

/// Verifies tokens, routes and authorises. The route is found first and kept, but its absence is answered last: a denied
/// request to an unknown path gets 403, not 404 (`PROXY-ORD-05`).
fn decide(parts: &mut Parts, exchange: &mut Exchange<'_>, record: &mut Record) -> Option<LocalReply> {
    let (token, refused) = match &exchange.listener.tokens {
        Some(tokens) => match tokens::authenticate(tokens, parts, exchange, record) {
            Ok(token) => (token, None),
            Err(reply) => (None, Some(reply)),
        },
        None => (None, None),
    };
    let claims = token.as_ref().map(VerifiedToken::claims);
    // AUTHZ-JWT-32: routes see the claims, and the request without its token.
    let redirect = route(parts, claims, exchange, record);
    refused.or_else(|| authorize(parts, claims, exchange)).or(redirect)
}

/// Looks up the route and keeps it; the reply if the host wants TLS.
fn route(
    parts: &Parts,
    claims: Option<&Claims>,
    exchange: &mut Exchange<'_>,
    record: &mut Record,
) -> Option<LocalReply> {
    let route_claims = claims.map(RouteClaims);
    let mut head = head(parts);
    if let Some(claims) = &route_claims {
        head = head.with_claims(claims);
    }
    let lookup = exchange.listener.routes.lookup(&head);
    if let Lookup::Route(found) = &lookup {
        let route = found.action;
        record.set_route_name(&route.name);
        let destination = match &route.action {
            RouteAction::Forward(forward) => Some(forward.destinations.pick(draw())),
            RouteAction::Redirect(..) | RouteAction::Direct(..) => None,
        };
        if let Some(destination) = destination {
            match destination.cluster {
                Some(cluster) => record.set_cluster(cluster),
                None => record.set_missing_cluster(&destination.cluster_name),
            }
        }
        exchange.route = Some((route, destination));
    }
    // ROUTE-RDR-11: in place of any route.
    matches!(lookup, Lookup::TlsRequired(_))
        .then(|| LocalReply::redirect(StatusCode::MOVED_PERMANENTLY, mesh_route::https_location(&head)))
}

fn authorize(parts: &Parts, claims: Option<&Claims>, exchange: &Exchange<'_>) -> Option<LocalReply> {
    policy_request(parts, exchange, claims, |request| {
        let decision = exchange.listener.policies.evaluate(request);
        decision.response_code_details().map(|details| LocalReply::access_denied(details.to_string()))
    })
}

/// Asks `question` about the request as `mesh-authz` sees it.
fn policy_request<T>(
    parts: &Parts,
    exchange: &Exchange<'_>,
    claims: Option<&Claims>,
    question: impl FnOnce(&mesh_authz::Request<'_>) -> T,
) -> T {
    let connection = exchange.connection;
    let head = head(parts);
    let mut attributes = mesh_authz::HttpAttributes::new(head.method(), head.path_and_query())
        .host(head.authority())
        .scheme(head.scheme())
        .headers(&parts.headers);
    if let Some(claims) = claims {
        attributes = attributes.claims(claims);
    }
    let peer = connection.peer().ip().to_canonical();
    let request = mesh_authz::Request::new(mesh_authz::Peer::new(peer), connection.local())
        .remote_ip(client_address(exchange.listener.client_address, peer, &parts.headers))
        .http(attributes);
    question(&request)
}

/// The client's address for policies (AUTHZ-XFF-02). The peer has been appended to what came in, and is passed over.
fn client_address(how: ForwardedFor, peer: IpAddr, headers: &http::HeaderMap) -> IpAddr {
    let how = match how {
        // What nearly every gateway has: nobody in front of it is trusted.
        ForwardedFor::Gateway { trusted_proxies: 0 } => return peer,
        ForwardedFor::Gateway { trusted_proxies } => {
            ForwardedFor::Gateway { trusted_proxies: trusted_proxies.saturating_add(1) }
        }
        how => how,
    };
    how.client_address(peer, headers.get_all(names::X_FORWARDED_FOR))
}

/// The request as `mesh-route` sees it.
fn head(parts: &Parts) -> RequestHead<'_, http::HeaderMap> {
    let authority = parts.headers.get(header::HOST).and_then(as_text).unwrap_or_default();
    // ROUTE-MATCH-30: both roles have made sure that the header can be believed.
    let scheme = parts.headers.get(names::X_FORWARDED_PROTO).and_then(as_text).unwrap_or("http");
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    RequestHead::new(parts.method.as_str(), authority, path, &parts.headers).with_scheme(scheme)
}

fn as_text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// A draw for a decision by chance; each decision takes its own (`ROUTE-MODEL-06`).
fn draw() -> u64 {
    use mesh_lb::Draw as _;
    WorkerDraw.next_u64()
}

fn unavailable() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::without_record());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl Exchange<'_> {
    /// Turns a local reply into the response of this exchange: the route's header edits apply to it
    /// (`ROUTE-HDR-06`), and then what belongs to every response.
    fn local(&self, reply: LocalReply, mut record: Record, parts: Option<&Parts>) -> Response<ResponseBody> {
        if reply.is_for_nobody() {
            // Dropped without an end, the record says that the client went away.
            drop(record);
            return unavailable();
        }
        let (status, mut headers, content) = reply.render(&mut record);
        if let (Some((route, destination)), Some(parts)) = (self.route, parts) {
            let plan = match (&route.action, destination) {
                (RouteAction::Redirect(_, plan) | RouteAction::Direct(_, plan), _) => Some(plan),
                (RouteAction::Forward(_), destination) => destination.map(|found| &found.response_headers),
            };
            if let Some(plan) = plan {
                edits::response(plan, self, &parts.into(), status, &mut headers, &record);
            }
        }
        response_head::finish(&mut headers, self.listener.role, self.closing);
        record.response_head(status, &headers);
        let mut response = Response::new(ResponseBody::local(content, record));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
