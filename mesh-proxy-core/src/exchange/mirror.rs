//! Copies of requests whose answers nobody reads (`ROUTE-MIR-01` to `-05`).

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Version};
use http_body_util::BodyExt as _;
use mesh_route::Mirror;
use smallvec::SmallVec;

use super::body::RequestBody;
use super::{Exchange, attempt, draw, names};
use crate::snapshot::ClusterIndex;
use crate::upstream::PickInput;

/// A copy that takes longer than this is given up: nobody waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Draws which mirrors get a copy of this request.
pub(super) fn choose(mirrors: &[Mirror<Option<ClusterIndex>>]) -> SmallVec<[ClusterIndex; 1]> {
    // ROUTE-MIR-03: a cluster that does not exist is skipped without a word.
    mirrors.iter().filter_map(|mirror| *mirror.pick(draw())?).collect()
}

/// Sends copies of the request, as it goes to its main destination, in tasks of their own.
pub(super) fn send(
    exchange: &Exchange<'_>,
    clusters: &[ClusterIndex],
    original: Option<&Parts>,
    body: Option<&Bytes>,
) {
    let Some(original) = original else { return };
    for at in clusters {
        let snapshot = Rc::clone(exchange.view.snapshot());
        let mut request = Request::new(body.cloned().map_or(RequestBody::Empty, RequestBody::Replay));
        request.method_mut().clone_from(&original.method);
        request.uri_mut().clone_from(&original.uri);
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().clone_from(&original.headers);
        mark(request.headers_mut(), exchange);
        let at = at.get();
        tokio::task::spawn_local(async move {
            let (Some(cluster), Some(compiled)) =
                (snapshot.cluster(at), snapshot.compiled().clusters().get(at))
            else {
                return;
            };
            let Some((_, endpoint)) = cluster.pick(PickInput::default()) else { return };
            let mut request = Some(request);
            let exchange = async {
                let timeout = compiled.connect_timeout;
                let attempted =
                    attempt::run(endpoint, &mut request, timeout, compiled.max_requests_per_connection).await;
                let Ok(attempted) = attempted else { return };
                let mut connection = attempted.connection;
                let mut response = attempted.response;
                // Reading the answer to its end makes the connection usable again.
                let drained = std::future::poll_fn(|cx| {
                    connection.drive(cx);
                    let mut frame = response.frame();
                    loop {
                        match std::task::ready!(std::pin::Pin::new(&mut frame).poll(cx)) {
                            Some(Ok(_)) => frame = response.frame(),
                            Some(Err(_)) => return std::task::Poll::Ready(false),
                            None => return std::task::Poll::Ready(true),
                        }
                    }
                });
                if drained.await {
                    let mut connection = Some(connection);
                    std::future::poll_fn(|cx| {
                        if let Some(connection) = connection.take() {
                            connection.release(cx, Instant::now());
                        }
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
            };
            let _ = tokio::time::timeout(PATIENCE, exchange).await;
        });
    }
}

/// `ROUTE-MIR-04`
fn mark(headers: &mut HeaderMap, exchange: &Exchange<'_>) {
    headers.insert(names::X_ENVOY_INTERNAL, HeaderValue::from_static("true"));
    let local = exchange.connection.local().ip().to_string();
    let list = match headers.get(names::X_FORWARDED_FOR).and_then(|value| value.to_str().ok()) {
        Some(before) => format!("{before},{local}"),
        None => local,
    };
    if let Ok(list) = HeaderValue::try_from(list) {
        headers.insert(names::X_FORWARDED_FOR, list);
    }
}
