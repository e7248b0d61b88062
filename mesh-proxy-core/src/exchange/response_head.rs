//! What happens to every response's head on its way to the client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::snapshot::Role;

/// Removes what concerned the connection to the endpoint only (`PROXY-HOP-01`, `-02`). With `upgraded`, the headers
/// that say so stay.
///
/// Says whether the endpoint framed its message in two ways, after which its connection is not to be used again.
pub(crate) fn clean_hop_by_hop(headers: &mut HeaderMap, upgraded: bool) -> bool {
    if upgraded || !headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        return false;
    }
    let mut remove: SmallVec<[HeaderName; 4]> = SmallVec::new();
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(token) {
                remove.push(name);
            }
        }
    }
    for name in headers.keys() {
        if is_hop_by_hop(name.as_str()) {
            remove.push(name.clone());
        }
    }
    // PROXY-SMUG-06: of both framings, the length is the one that does not count.
    let ambiguous =
        headers.contains_key(header::TRANSFER_ENCODING) && headers.remove(header::CONTENT_LENGTH).is_some();
    for name in remove {
        headers.remove(name);
    }
    ambiguous
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "http2-settings"
    )
}

/// Adds what every response carries: the proxy's name (`PROXY-SRV-01`), and `connection: close` when the client is
/// asked to leave (`PROXY-DRAIN-02`).
pub(crate) fn finish(headers: &mut HeaderMap, role: Role, closing: bool) {
    let server = match role {
        Role::Gateway => HeaderValue::from_static("istio-envoy"),
        Role::Sidecar => HeaderValue::from_static("envoy"),
    };
    headers.insert(header::SERVER, server);
    if closing {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-HOP-01, PROXY-HOP-02
    #[test]
    fn the_endpoints_hop_is_not_the_clients() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/plain"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert!(!clean_hop_by_hop(&mut headers, false));
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["content-type"]);
    }

    /// PROXY-SRV-01, PROXY-DRAIN-02
    #[test]
    fn server_is_written_by_role_and_draining_closes() {
        let mut headers = HeaderMap::new();
        headers.insert(header::SERVER, HeaderValue::from_static("mine"));
        finish(&mut headers, Role::Gateway, true);
        assert_eq!(headers["server"], "istio-envoy");
        assert_eq!(headers["connection"], "close");
        finish(&mut headers, Role::Sidecar, false);
        assert_eq!(headers["server"], "envoy");
    }
}
