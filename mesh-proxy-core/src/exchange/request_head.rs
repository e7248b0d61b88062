//! What happens to a request's head before it is routed: validation, hop-by-hop headers, forwarding headers
//! (`PROXY-REQ`, `PROXY-HOP`, `PROXY-FWD`, `PROXY-RID`).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, StatusCode, Version};
use smallvec::SmallVec;

use super::names;
use super::reply::LocalReply;
use crate::snapshot::Role;
use crate::telemetry::ResponseFlags;
use crate::worker::Downstream;

/// What the later steps need to know about a request that passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared {
    /// The client asks for a WebSocket.
    pub(crate) websocket: bool,
}

/// Checks and cleans a request's head, in the order of `PROXY` 3.1 and 3.2, then writes the forwarding headers.
///
/// # Errors
///
/// The reply for a request that must not go on.
pub(crate) fn prepare(parts: &mut Parts, connection: &Downstream) -> Result<Prepared, LocalReply> {
    if parts.version == Version::HTTP_10 {
        return Err(LocalReply::text(StatusCode::UPGRADE_REQUIRED, "Upgrade Required", "low_version")
            .flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
            .close());
    }
    authority(parts)?;
    if parts.method == Method::CONNECT {
        // ROUTE-HOST-28: no generated route accepts CONNECT.
        return Err(LocalReply::no_route());
    }
    if !parts.uri.path().starts_with('/') {
        return Err(LocalReply::empty(StatusCode::NOT_FOUND, "absolute_path_rejected"));
    }
    let websocket = clean_hop_by_hop(&mut parts.headers)?;
    match connection.listener().role() {
        Role::Gateway => forward_from_edge(&mut parts.headers, connection),
        Role::Sidecar => {
            if !parts.headers.contains_key(names::X_FORWARDED_PROTO) {
                parts.headers.insert(names::X_FORWARDED_PROTO, HeaderValue::from_static("http"));
            }
            if !parts.headers.contains_key(names::X_REQUEST_ID) {
                parts.headers.insert(names::X_REQUEST_ID, request_id());
            }
        }
    }
    Ok(Prepared { websocket })
}

/// DIFFERENCE ROUTE-PATH-02: Envoy answers 400 to a target with `#`; the HTTP engine has cut the fragment off before it
/// can be seen. Policy, routing and the upstream all see the path without it.
///
/// Brings the authority of an absolute-form target into `host` (`ROUTE-HOST-20`) and refuses what names no host or
/// several.
fn authority(parts: &mut Parts) -> Result<(), LocalReply> {
    if let Some(authority) = parts.uri.authority() {
        if parts.uri.scheme() == Some(&Scheme::HTTPS) {
            // PROXY-REQ-03: this connection is not encrypted.
            return Err(LocalReply::empty(StatusCode::FORBIDDEN, "scheme_not_allowed"));
        }
        if let Ok(value) = HeaderValue::from_str(authority.as_str()) {
            parts.headers.insert(header::HOST, value);
        }
        if let Some(path_and_query) = parts.uri.path_and_query().cloned() {
            parts.uri = path_and_query.into();
        }
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return Err(LocalReply::empty(StatusCode::BAD_REQUEST, "missing_host_header"));
    };
    // ROUTE-HOST-28, PROXY-HOP-05
    if hosts.next().is_some() || !host.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
    {
        return Err(LocalReply::text(StatusCode::BAD_REQUEST, "Bad Request", "http1.codec_error")
            .flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
            .close());
    }
    Ok(())
}

/// More tokens than this in `connection` are an attack, not a client (`PROXY-HOP-02`).
const MAX_NOMINATED: usize = 9;

/// Removes what concerns this hop only. Says whether a WebSocket is asked for; its `connection` and `upgrade` stay.
fn clean_hop_by_hop(headers: &mut HeaderMap) -> Result<bool, LocalReply> {
    // Most requests carry none of them, and comparing names is cheaper than looking each up.
    if !headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        return Ok(false);
    }
    let mut remove: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut upgrade_nominated = false;
    let mut tokens = 0;
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.is_empty() {
                continue;
            }
            tokens += 1;
            if token.eq_ignore_ascii_case(b"upgrade") {
                upgrade_nominated = true;
            } else if !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive") {
                match HeaderName::from_bytes(token) {
                    Ok(name) if !is_protected(&name) => remove.push(name),
                    _ => tokens = MAX_NOMINATED + 1,
                }
            }
        }
    }
    if tokens > MAX_NOMINATED {
        return Err(LocalReply::text(StatusCode::BAD_REQUEST, "Bad Request", "http1.codec_error")
            .flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
            .close());
    }
    let websocket = match headers.get(header::UPGRADE).map(HeaderValue::as_bytes) {
        Some(upgrade) if upgrade_nominated && upgrade.eq_ignore_ascii_case(b"websocket") => true,
        // PROXY-UPG-05: h2c is ignored, not refused.
        Some(upgrade) if upgrade_nominated && !upgrade.eq_ignore_ascii_case(b"h2c") => {
            return Err(LocalReply::empty(StatusCode::FORBIDDEN, "upgrade_failed"));
        }
        _ => false,
    };
    let te_is_trailers =
        headers.get(header::TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in headers.keys() {
        let hop = match name.as_str() {
            "connection" | "upgrade" => !websocket,
            "te" => !te_is_trailers,
            // The client's `expect` is answered here, when its body is read (PROXY-EXP-01).
            "keep-alive" | "proxy-connection" | "transfer-encoding" | "http2-settings" | "expect" => true,
            // PROXY-FWD-07: only an absolute http or https URL is kept.
            "referer" => !headers.get(header::REFERER).is_some_and(is_absolute_url),
            _ => false,
        };
        if hop {
            remove.push(name.clone());
        }
    }
    for name in remove {
        headers.remove(name);
    }
    if websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(websocket)
}

/// The headers that [`clean_hop_by_hop`] is about.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "upgrade"
            | "te"
            | "keep-alive"
            | "proxy-connection"
            | "transfer-encoding"
            | "http2-settings"
            | "expect"
            | "referer"
    )
}

/// Headers that a client must not make this proxy remove (`PROXY-HOP-02`).
fn is_protected(name: &HeaderName) -> bool {
    *name == header::HOST
        || *name == header::CONTENT_LENGTH
        || name.as_str().starts_with("x-forwarded-")
        || name.as_str().starts_with("x-envoy-")
        || *name == names::X_REQUEST_ID
}

fn is_absolute_url(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    value.starts_with(b"http://") || value.starts_with(b"https://")
}

/// A gateway trusts nothing a client says about where it came from (`PROXY-FWD-01` to `-04`, `-09`).
fn forward_from_edge(headers: &mut HeaderMap, connection: &Downstream) {
    // Room for what is written here and on the way to the endpoint, so that the map grows once.
    headers.reserve(8);
    if headers.keys().any(|name| is_control_header(name.as_str())) {
        let untrusted: SmallVec<[HeaderName; 4]> =
            headers.keys().filter(|name| is_control_header(name.as_str())).cloned().collect();
        for name in untrusted {
            headers.remove(name);
        }
    }
    let peer = connection.peer_value();
    let forwarded_for = if headers.get(names::X_FORWARDED_FOR).is_none() {
        peer.clone()
    } else {
        let mut list = Vec::new();
        for value in headers.get_all(names::X_FORWARDED_FOR) {
            list.extend_from_slice(value.as_bytes());
            list.push(b',');
        }
        list.extend_from_slice(peer.as_bytes());
        HeaderValue::from_bytes(&list).unwrap_or_else(|_| peer.clone())
    };
    headers.insert(names::X_FORWARDED_FOR, forwarded_for);
    headers.insert(names::X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(names::X_ENVOY_EXTERNAL_ADDRESS, peer.clone());
    headers.insert(names::X_REQUEST_ID, request_id());
}

/// Headers with which the mesh talks to itself; from outside they are forged (`PROXY-FWD-03`, `-09`).
fn is_control_header(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("x-envoy-") else { return name == "x-forwarded-client-cert" };
    rest.starts_with("upstream-")
        || rest.starts_with("downstream-service-")
        || rest.starts_with("retri")
        || rest.starts_with("retry-")
        || rest.starts_with("peer-metadata")
        || matches!(
            rest,
            "attempt-count"
                | "decorator-operation"
                | "expected-rq-timeout-ms"
                | "external-address"
                | "force-trace"
                | "hedge-on-per-try-timeout"
                | "internal"
                | "ip-tags"
                | "is-timeout-retry"
                | "max-retries"
                | "original-host"
                | "original-path"
        )
}

/// A random UUID, version 4 (`PROXY-RID-01`); the version digit doubles as "not traced" (`PROXY-RID-02`).
fn request_id() -> HeaderValue {
    let random = (u128::from(fastrand::u64(..)) << 64) | u128::from(fastrand::u64(..));
    // Version and variant as RFC 9562 places them.
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = [b'-'; 36];
    // Where the digits of each byte begin.
    const AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (at, byte) in AT.into_iter().zip(bits.to_be_bytes()) {
        if let Some(digits) = text.get_mut(at..at + 2) {
            digits.copy_from_slice(&[hex(byte >> 4), hex(byte & 0xf)]);
        }
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// The digit for a value below 16.
fn hex(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        map
    }

    fn names_of(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    /// PROXY-HOP-01, PROXY-HOP-02, PROXY-EXP-01, PROXY-FWD-07
    #[test]
    fn hop_by_hop_headers_are_removed() {
        let mut headers = map(&[
            ("host", "a"),
            ("connection", "keep-alive, x-mine"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("referer", "not a url"),
            ("x-other", "2"),
        ]);
        assert!(!clean_hop_by_hop(&mut headers).expect("accepted"));
        assert_eq!(names_of(&headers), ["host", "x-other"]);

        let mut headers = map(&[("te", "trailers"), ("referer", "https://a.example/")]);
        clean_hop_by_hop(&mut headers).expect("accepted");
        assert_eq!(names_of(&headers), ["te", "referer"]);
    }

    /// PROXY-HOP-02
    #[test]
    fn protected_headers_cannot_be_nominated() {
        for value in ["host", "x-forwarded-for", "x-request-id", "a,b,c,d,e,f,g,h,i,j"] {
            let refused = clean_hop_by_hop(&mut map(&[("connection", value)])).expect_err(value);
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{value}");
        }
    }

    /// PROXY-UPG-01, PROXY-UPG-05
    #[test]
    fn only_web_sockets_are_upgraded() {
        let mut headers = map(&[("connection", "Upgrade"), ("upgrade", "WebSocket")]);
        assert!(clean_hop_by_hop(&mut headers).expect("accepted"));
        assert_eq!(headers["connection"], "upgrade");
        assert_eq!(headers["upgrade"], "WebSocket");

        let mut headers =
            map(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "A")]);
        assert!(!clean_hop_by_hop(&mut headers).expect("accepted"));
        assert!(headers.is_empty());

        let refused =
            clean_hop_by_hop(&mut map(&[("connection", "upgrade"), ("upgrade", "foo")])).expect_err("no");
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }

    /// PROXY-FWD-03, PROXY-FWD-09
    #[test]
    fn control_headers_of_the_mesh_are_known() {
        for name in [
            "x-envoy-retry-on",
            "x-envoy-max-retries",
            "x-envoy-upstream-rq-timeout-ms",
            "x-envoy-retriable-status-codes",
            "x-envoy-internal",
            "x-envoy-peer-metadata-id",
            "x-forwarded-client-cert",
        ] {
            assert!(is_control_header(name), "{name}");
        }
        for name in ["x-envoy-fault-delay-request", "x-request-id", "x-custom"] {
            assert!(!is_control_header(name), "{name}");
        }
    }

    /// PROXY-RID-01, PROXY-RID-02
    #[test]
    fn request_ids_are_version_4_uuids() {
        let (a, b) = (request_id(), request_id());
        assert_ne!(a, b);
        let text = a.to_str().expect("text");
        let groups: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
