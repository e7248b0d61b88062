//! The productpage: HTML for people, JSON for programs, both put together from calls to the others.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::backends::{Answer, Workload};
use super::call::{Failure, Mesh, forwarded, served_by};
use super::services::{NO_RATINGS, PRODUCT, TITLE, body_answer, json_answer, not_found};

/// Header, and cookie, that carries the name of the signed-in user.
const END_USER: &str = "end-user";

/// Path of the style sheet.
const STYLE_PATH: &str = "/static/bookinfo.css";

/// Looks of the page.
const STYLE: &str = "body { font: 16px/1.5 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }
th { text-align: left; padding-right: 1.5em }
blockquote { margin: 1em 0; padding-left: 1em; border-left: 3px solid #ccc }
.stars.black { color: #000 }
.stars.red { color: #c00 }
.error { color: #a40 }
.by { color: #777; font-size: 80% }
";

/// Largest sign-in form read.
const FORM_LIMIT: usize = 4096;

/// Answers one request to the productpage.
pub(super) async fn answer(workload: &Workload, mesh: Mesh, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let (user, headers) = identify(request.headers());
    match path.as_str() {
        "/productpage" => page(workload, mesh, user.as_deref(), &headers).await,
        "/login" => login(request).await,
        "/logout" => back_to_page(format!("{END_USER}=; Path=/; Max-Age=0")),
        STYLE_PATH => body_answer(StatusCode::OK, "text/css", STYLE),
        "/api/v1/products" => {
            let products = json!([{ "id": PRODUCT, "title": TITLE }]);
            json_answer(StatusCode::OK, &json!({ "served_by": workload.name, "products": products }))
        }
        "/api/v1/products/0" => hand_on(mesh, "details", &headers).await,
        "/api/v1/products/0/reviews" => hand_on(mesh, "reviews", &headers).await,
        "/api/v1/products/0/ratings" => hand_on(mesh, "ratings", &headers).await,
        _ => not_found(workload, &path),
    }
}

/// Who is asking, and the headers to send along: a browser names its user by cookie, which becomes the
/// header that routing rules look at.
fn identify(request: &HeaderMap) -> (Option<String>, HeaderMap) {
    let mut headers = forwarded(request);
    if !headers.contains_key(END_USER)
        && let Some(user) = request.get_all(COOKIE).iter().find_map(user_cookie)
        && let Ok(value) = HeaderValue::try_from(user)
    {
        headers.insert(END_USER, value);
    }
    let user = headers.get(END_USER).map(|user| String::from_utf8_lossy(user.as_bytes()).into_owned());
    (user.filter(|user| !user.is_empty()), headers)
}

/// The user in a `Cookie` line.
fn user_cookie(line: &HeaderValue) -> Option<&str> {
    let pairs = line.to_str().ok()?.split(';');
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == END_USER)?.1.into()
}

/// Another service's answer as our own; when there is none, its status and a sentence.
async fn hand_on(mesh: Mesh, service: &str, headers: &HeaderMap) -> Answer {
    match mesh.get(service, &format!("/{service}/{PRODUCT}"), headers).await {
        Ok(document) => json_answer(StatusCode::OK, &document),
        Err(failure) => {
            json_answer(failure.status(), &json!({ "error": unavailable(service), "service": service }))
        }
    }
}

/// The sentence shown where a service's part is missing.
fn unavailable(service: &str) -> Cow<'static, str> {
    match service {
        "details" => "Details service is currently unavailable".into(),
        "reviews" => "Reviews service is currently unavailable".into(),
        "ratings" => NO_RATINGS.into(),
        other => format!("{other} is currently unavailable").into(),
    }
}

/// Signs in the user named by the query (`/login?username=jason`) or by a form. There is no password:
/// the name only serves routing rules.
async fn login(request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let is_form = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let form = if head.method == Method::POST && is_form {
        Limited::new(body, FORM_LIMIT).collect().await.map(http_body_util::Collected::to_bytes).ok()
    } else {
        head.uri.query().map(|query| Bytes::copy_from_slice(query.as_bytes()))
    };
    match form.as_deref().and_then(username) {
        Some(user) => back_to_page(format!("{END_USER}={user}; Path=/; HttpOnly; SameSite=Lax")),
        None => body_answer(
            StatusCode::BAD_REQUEST,
            "text/plain",
            "give a name of letters, digits, `-` and `_`: /login?username=jason\n",
        ),
    }
}

/// The value of `username=`, if it is a plain word: it goes into a cookie, a header and a page.
fn username(form: &[u8]) -> Option<&str> {
    let form = std::str::from_utf8(form).ok()?;
    let name = form.split('&').find_map(|pair| pair.strip_prefix("username="))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (!name.is_empty() && name.len() <= 32 && name.bytes().all(plain)).then_some(name)
}

/// A redirect to the page that sets a cookie.
fn back_to_page(cookie: String) -> Answer {
    let mut answer = body_answer(StatusCode::FOUND, "text/plain", "");
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/productpage"));
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// The page. It is 200 whatever is missing on it: a reader can do without stars.
async fn page(workload: &Workload, mesh: Mesh, user: Option<&str>, headers: &HeaderMap) -> Answer {
    let (details, reviews) =
        tokio::join!(mesh.get("details", "/details/0", headers), mesh.get("reviews", "/reviews/0", headers),);
    let html = format!(
        "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>{TITLE}</title><link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head>
<body>
<p>{}</p>
<h1>{TITLE}</h1>
<section id=\"details\">
<h2>Details</h2>
{}</section>
<section id=\"reviews\">
<h2>Reviews</h2>
{}</section>
<p class=\"by\">page served by {}</p>
</body>
</html>
",
        session(user),
        details_html(&details),
        reviews_html(&reviews),
        workload.name
    );
    body_answer(StatusCode::OK, "text/html; charset=utf-8", html)
}

/// The line that says who is signed in.
fn session(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("Signed in as <b>{}</b>, <a href=\"/logout\">sign out</a>", escape(user)),
        None => "Not signed in, <a href=\"/login?username=jason\">sign in as jason</a>".to_owned(),
    }
}

/// The facts as a table.
fn details_html(details: &Result<Value, Failure>) -> String {
    let Ok(details) = details else { return error_html("details") };
    let mut html = String::from("<table>\n");
    for key in ["author", "year", "kind", "pages", "language"] {
        let value = match details.get(key) {
            Some(Value::String(text)) => escape(text).into_owned(),
            Some(other) => escape(&other.to_string()).into_owned(),
            None => continue,
        };
        push(&mut html, format_args!("<tr><th>{key}</th><td>{value}</td></tr>\n"));
    }
    html.push_str("</table>\n");
    push(&mut html, format_args!("{}", by(details)));
    html
}

/// The reviews, with stars where the version that answered has them.
fn reviews_html(reviews: &Result<Value, Failure>) -> String {
    let Ok(reviews) = reviews else { return error_html("reviews") };
    let mut html = String::new();
    for review in reviews.get("reviews").and_then(Value::as_array).into_iter().flatten() {
        let text = |key| review.get(key).and_then(Value::as_str).map(escape).unwrap_or_default();
        push(&mut html, format_args!("<blockquote>{}<br>&mdash; {}", text("text"), text("reviewer")));
        if let Some(rating) = review.get("rating") {
            push(&mut html, format_args!("<br>{}", rating_html(rating)));
        }
        html.push_str("</blockquote>\n");
    }
    push(&mut html, format_args!("{}", by(reviews)));
    html
}

/// Stars in their colour, or the reason why there are none.
fn rating_html(rating: &Value) -> String {
    let stars = rating.get("stars").and_then(Value::as_u64);
    let color = rating.get("color").and_then(Value::as_str).unwrap_or_default();
    match stars {
        Some(stars) => {
            let stars = usize::try_from(stars).unwrap_or(0).min(5);
            // Written as entities: with raw stars, grep in a C locale takes the page for a binary file.
            let (full, hollow) = ("&#9733;".repeat(stars), "&#9734;".repeat(5 - stars));
            let color = escape(color);
            format!("<span class=\"stars {color}\" title=\"{stars} of 5, {color}\">{full}{hollow}</span>")
        }
        None => error_html("ratings"),
    }
}

/// The line under a section that names the version behind it.
fn by(answer: &Value) -> String {
    format!("<p class=\"by\">served by {}</p>\n", escape(served_by(answer).unwrap_or("an unnamed version")))
}

/// What stands in a section whose service failed.
fn error_html(service: &str) -> String {
    format!("<span class=\"error\">{}</span>\n", unavailable(service))
}

/// Appends to a string, which cannot fail.
fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(text);
}

/// Text made safe for HTML, in elements and in quoted attributes.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe.into()
}
