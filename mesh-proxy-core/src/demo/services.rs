//! What the services answer: details, reviews, ratings and echo; the productpage has its own file.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::backends::{Answer, Workload};
use super::call::{Mesh, forwarded, served_by};
use super::productpage;

/// The services of the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The page a person sees, and the JSON interface to the same facts.
    Productpage,
    /// Facts about the book.
    Details,
    /// What readers say. Version 1 knows no stars; the later ones ask ratings for them and differ in
    /// their colour, so that one look at the page tells which version answered.
    Reviews {
        /// Colour of the stars, `None` for a version that shows none.
        stars: Option<&'static str>,
    },
    /// How many stars each reader gave.
    Ratings,
    /// Answers with the request it got, slowly or wrongly if asked to.
    Echo,
}

/// The one book on offer.
pub(super) const PRODUCT: u32 = 0;

/// The book's title, the same on the page and in the details.
pub(super) const TITLE: &str = "The Comedy of Errors";

/// Text in place of the stars when ratings did not answer.
pub(super) const NO_RATINGS: &str = "Ratings service is currently unavailable";

/// Readers, what they say and the stars they give.
const READERS: [(&str, &str, u64); 2] = [
    (
        "Ada",
        "Two pairs of twins, one town, no load balancer. I laughed from the first mix-up to the last.",
        5,
    ),
    ("Ben", "Everybody is sent to the wrong house. Better signposts would have ended it in one act.", 4),
];

/// Which attempt of a request `/flaky` answers at last.
const FLAKY_SUCCEEDS_ON: u32 = 3;

/// Longest delay `/delay/MS` grants.
const DELAY_LIMIT: Duration = Duration::from_secs(10);

/// Largest request body that echo reads.
const ECHO_LIMIT: usize = 64 * 1024;

/// Answers one request on behalf of `workload`.
pub(super) async fn answer(workload: &Workload, mesh: Mesh, request: Request<Incoming>) -> Answer {
    if request.uri().path() == "/health" {
        return json_answer(StatusCode::OK, &json!({ "served_by": workload.name, "status": "healthy" }));
    }
    match workload.service {
        Service::Productpage => productpage::answer(workload, mesh, request).await,
        Service::Details => details(workload, request.uri().path()),
        Service::Reviews { stars } => {
            reviews(workload, mesh, stars, request.uri().path(), request.headers()).await
        }
        Service::Ratings => ratings(workload, request.uri().path()),
        Service::Echo => echo(workload, request).await,
    }
}

/// `/details/0`
fn details(workload: &Workload, path: &str) -> Answer {
    if product(path, "/details/").is_none() {
        return not_found(workload, path);
    }
    let book = json!({
        "served_by": workload.name,
        "id": PRODUCT,
        "title": TITLE,
        "author": "William Shakespeare",
        "year": 1594,
        "kind": "paperback",
        "pages": 144,
        "language": "English",
    });
    json_answer(StatusCode::OK, &book)
}

/// `/ratings/0`
fn ratings(workload: &Workload, path: &str) -> Answer {
    if product(path, "/ratings/").is_none() {
        return not_found(workload, path);
    }
    let stars: Map<String, Value> =
        READERS.iter().map(|(reader, _, stars)| ((*reader).to_owned(), Value::from(*stars))).collect();
    json_answer(StatusCode::OK, &json!({ "served_by": workload.name, "id": PRODUCT, "ratings": stars }))
}

/// `/reviews/0`: still an answer when ratings gives none, with the stars' place telling so.
async fn reviews(
    workload: &Workload,
    mesh: Mesh,
    stars: Option<&str>,
    path: &str,
    headers: &HeaderMap,
) -> Answer {
    if product(path, "/reviews/").is_none() {
        return not_found(workload, path);
    }
    let mut document = json!({ "served_by": workload.name, "id": PRODUCT });
    let ratings = match stars {
        Some(_) => {
            let ratings = mesh.get("ratings", "/ratings/0", &forwarded(headers)).await.ok();
            let from = ratings.as_ref().and_then(served_by).map_or(Value::Null, Value::from);
            insert(&mut document, "ratings_served_by", from);
            ratings
        }
        None => None,
    };
    let reviews = READERS.iter().map(|(reader, text, _)| {
        let mut review = json!({ "reviewer": reader, "text": text });
        if let Some(color) = stars {
            let given = ratings.as_ref().and_then(|ratings| ratings.get("ratings")?.get(reader)?.as_u64());
            let rating = match given {
                Some(stars) => json!({ "stars": stars, "color": color }),
                None => json!({ "error": NO_RATINGS }),
            };
            insert(&mut review, "rating", rating);
        }
        review
    });
    let reviews = reviews.collect();
    insert(&mut document, "reviews", reviews);
    json_answer(StatusCode::OK, &document)
}

/// `/anything`, `/status/N`, `/delay/MILLISECONDS`, `/flaky`
async fn echo(workload: &Workload, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let mut status = StatusCode::OK;
    if let Some(wanted) = path.strip_prefix("/status/") {
        match wanted.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok()) {
            // An interim status is no final answer; hyper would refuse to send it.
            Some(code) if !code.is_informational() => status = code,
            _ => return not_found(workload, path),
        }
    } else if let Some(wanted) = path.strip_prefix("/delay/") {
        let Ok(milliseconds) = wanted.parse() else { return not_found(workload, path) };
        tokio::time::sleep(Duration::from_millis(milliseconds).min(DELAY_LIMIT)).await;
    } else if path == "/flaky" {
        return flaky(workload, &head.headers);
    } else if !path.starts_with("/anything") {
        return not_found(workload, path);
    }

    let Ok(body) = Limited::new(body, ECHO_LIMIT).collect().await else {
        let error =
            json!({ "served_by": workload.name, "error": "the body is longer than 64 KiB or broke off" });
        return json_answer(StatusCode::PAYLOAD_TOO_LARGE, &error);
    };
    let document = json!({
        "served_by": workload.name,
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map_or("", |path| path.as_str()),
        "headers": header_lines(&head.headers),
        "body": String::from_utf8_lossy(&body.to_bytes()),
    });
    let mut answer = json_answer(status, &document);
    // There to be removed by a route's response headers.
    answer.headers_mut().insert("x-echo-internal", HeaderValue::from_static("not for clients"));
    answer
}

/// Fails until the proxy says, in `x-envoy-attempt-count`, that it is trying for the third time. No
/// memory is needed for that, so requests do not disturb one another.
fn flaky(workload: &Workload, headers: &HeaderMap) -> Answer {
    let attempt = headers
        .get("x-envoy-attempt-count")
        .and_then(|count| count.to_str().ok()?.parse().ok())
        .unwrap_or(1_u32);
    let status = if attempt < FLAKY_SUCCEEDS_ON { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    json_answer(status, &json!({ "served_by": workload.name, "attempt": attempt }))
}

/// Header lines as an object, lines of one name in an array.
fn header_lines(headers: &HeaderMap) -> Value {
    let mut object = Map::new();
    for name in headers.keys() {
        let mut lines: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let value = match lines.pop() {
            Some(only) if lines.is_empty() => only,
            Some(last) => {
                lines.push(last);
                Value::Array(lines)
            }
            None => continue,
        };
        object.insert(name.as_str().to_owned(), value);
    }
    Value::Object(object)
}

/// The product a path like `/reviews/0` names, if it is the one there is.
fn product(path: &str, prefix: &str) -> Option<u32> {
    path.strip_prefix(prefix)?.parse().ok().filter(|id| *id == PRODUCT)
}

/// Sets a member of a JSON object.
fn insert(document: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = document {
        members.insert(key.to_owned(), value);
    }
}

/// 404 in the words of the services.
pub(super) fn not_found(workload: &Workload, path: &str) -> Answer {
    let error = format!("{} has nothing at `{path}`", workload.name);
    json_answer(StatusCode::NOT_FOUND, &json!({ "served_by": workload.name, "error": error }))
}

/// An answer with a JSON body, ended by a line break for the sake of terminals.
pub(super) fn json_answer(status: StatusCode, document: &Value) -> Answer {
    body_answer(status, "application/json", format!("{document}\n"))
}

/// An answer with a text of the given media type.
pub(super) fn body_answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
