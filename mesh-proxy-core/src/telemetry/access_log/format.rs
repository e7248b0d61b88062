//! Envoy's access-log format language, compiled to a list of literal texts and operators.

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::telemetry::ResponseFlags;

/// Istio's default text format (`PROXY-LOG-02`).
pub(crate) const ISTIO_DEFAULT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

/// A compiled format.
#[derive(Debug)]
pub(crate) struct LogFormat {
    parts: Vec<Part>,
    /// Request headers that lines need; captured when the request leaves for the upstream or is answered here.
    captured: Vec<HeaderName>,
}

#[derive(Debug)]
enum Part {
    Text(Box<[u8]>),
    Operator(Operator, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    StartTime,
    Method,
    Path,
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseCodeDetails,
    UpstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    Duration,
    UpstreamServiceTime,
    Captured(usize),
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    DownstreamLocalAddress,
    DownstreamRemoteAddress,
    RouteName,
    AttemptCount,
    /// Known to Envoy, always unset on what this proxy serves today (no TLS, no TCP).
    Unset,
}

/// What one line can say.
pub(crate) struct LogFields<'a> {
    /// `2026-01-02T03:04:05.678Z`
    pub(crate) start_time: &'a [u8],
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) protocol: &'static str,
    pub(crate) code: u16,
    pub(crate) flags: ResponseFlags,
    pub(crate) details: Option<&'a str>,
    pub(crate) transport_failure: Option<&'a str>,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) duration_ms: u64,
    pub(crate) upstream_service_ms: Option<u64>,
    pub(crate) captured: &'a [Option<HeaderValue>],
    pub(crate) upstream_host: Option<&'a str>,
    pub(crate) upstream_cluster: Option<&'a str>,
    pub(crate) upstream_local: Option<&'a str>,
    pub(crate) downstream_local: &'a str,
    pub(crate) downstream_remote: &'a str,
    pub(crate) route_name: Option<&'a str>,
    pub(crate) attempts: u32,
}

/// Request headers captured for the log, in the order of [`LogFormat::captured`].
pub(crate) type Captured = SmallVec<[Option<HeaderValue>; 4]>;

impl LogFormat {
    /// Compiles `format`; a final newline is added when missing.
    ///
    /// # Errors
    ///
    /// A text that names the operator that is unknown or not closed (`PROXY-LOG-05`).
    pub(crate) fn compile(format: &str) -> Result<Self, String> {
        let mut compiled = Self { parts: Vec::new(), captured: Vec::new() };
        let mut text = Vec::new();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            text.extend_from_slice(before.as_bytes());
            let Some((operator, next)) = after.split_once('%') else {
                return Err(format!(
                    "accessLogFormat: the operator that begins at `%{after}` is not closed, end it with `%`"
                ));
            };
            rest = next;
            if operator.is_empty() {
                text.push(b'%');
                continue;
            }
            match compiled.operator(operator)? {
                // Always unset: part of the text around it.
                Part::Operator(Operator::Unset, _) => text.push(b'-'),
                part => {
                    if !text.is_empty() {
                        compiled.parts.push(Part::Text(std::mem::take(&mut text).into()));
                    }
                    compiled.parts.push(part);
                }
            }
        }
        text.extend_from_slice(rest.as_bytes());
        if !format.ends_with('\n') {
            text.push(b'\n');
        }
        if !text.is_empty() {
            compiled.parts.push(Part::Text(text.into()));
        }
        Ok(compiled)
    }

    fn operator(&mut self, text: &str) -> Result<Part, String> {
        let unknown = || format!("accessLogFormat: unknown operator `%{text}%`");
        let (head, limit) = match text.rsplit_once(':') {
            Some((head, digits)) if head.ends_with(')') => {
                (head, Some(digits.parse::<usize>().map_err(|_| unknown())?))
            }
            _ => (text, None),
        };
        let operator = match head.split_once('(') {
            None => match head {
                "START_TIME" => Operator::StartTime,
                "PROTOCOL" => Operator::Protocol,
                "RESPONSE_CODE" => Operator::ResponseCode,
                "RESPONSE_FLAGS" => Operator::ResponseFlags,
                "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
                "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
                "BYTES_RECEIVED" => Operator::BytesReceived,
                "BYTES_SENT" => Operator::BytesSent,
                "DURATION" => Operator::Duration,
                "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Operator::UpstreamHost,
                "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamCluster,
                "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocalAddress,
                "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::AttemptCount,
                "DOWNSTREAM_LOCAL_ADDRESS" => Operator::DownstreamLocalAddress,
                "DOWNSTREAM_REMOTE_ADDRESS" => Operator::DownstreamRemoteAddress,
                "ROUTE_NAME" => Operator::RouteName,
                "CONNECTION_TERMINATION_DETAILS"
                | "REQUESTED_SERVER_NAME"
                | "DOWNSTREAM_TLS_VERSION"
                | "DOWNSTREAM_TLS_CIPHER"
                | "DOWNSTREAM_PEER_URI_SAN" => Operator::Unset,
                _ => return Err(unknown()),
            },
            Some(("REQ", argument)) => {
                let argument = argument.strip_suffix(')').ok_or_else(unknown)?;
                self.request_header(argument).ok_or_else(unknown)?
            }
            Some(("RESP", argument)) if argument.eq_ignore_ascii_case("x-envoy-upstream-service-time)") => {
                Operator::UpstreamServiceTime
            }
            Some(_) => return Err(unknown()),
        };
        Ok(Part::Operator(operator, limit))
    }

    /// `REQ(A)` and `REQ(A?B)`. The pseudo headers come from the request itself; `x-envoy-original-path` is
    /// the path as received, which is also what `:path` falls back to when nothing was rewritten.
    fn request_header(&mut self, argument: &str) -> Option<Operator> {
        let lower = argument.to_ascii_lowercase();
        match lower.as_str() {
            ":method" => Some(Operator::Method),
            ":path" | "x-envoy-original-path?:path" | "x-envoy-original-path" => Some(Operator::Path),
            ":authority" | "host" => Some(self.capture(http::header::HOST)),
            name => Some(self.capture(HeaderName::from_bytes(name.as_bytes()).ok()?)),
        }
    }

    fn capture(&mut self, name: HeaderName) -> Operator {
        let at = self.captured.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.captured.push(name);
            self.captured.len() - 1
        });
        Operator::Captured(at)
    }

    /// The values that a line needs from the request's headers. Cloning a value shares its bytes.
    pub(crate) fn capture_headers(&self, headers: &http::HeaderMap) -> Captured {
        self.captured.iter().map(|name| headers.get(name).cloned()).collect()
    }

    /// Appends one line.
    pub(crate) fn write(&self, fields: &LogFields<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Operator(operator, None) => write_operator(*operator, fields, out),
                Part::Operator(operator, Some(limit)) => {
                    let start = out.len();
                    write_operator(*operator, fields, out);
                    out.truncate(start.saturating_add(*limit).min(out.len()));
                }
            }
        }
    }
}

fn write_operator(operator: Operator, fields: &LogFields<'_>, out: &mut Vec<u8>) {
    match operator {
        Operator::StartTime => out.extend_from_slice(fields.start_time),
        Operator::Method => write_escaped(fields.method.as_bytes(), out),
        Operator::Path => write_escaped(fields.path.as_bytes(), out),
        Operator::Protocol => out.extend_from_slice(fields.protocol.as_bytes()),
        Operator::ResponseCode => write_number(u64::from(fields.code), out),
        Operator::ResponseFlags => fields.flags.write(out),
        Operator::ResponseCodeDetails => write_or_dash(fields.details, out),
        Operator::UpstreamTransportFailureReason => write_or_dash(fields.transport_failure, out),
        Operator::BytesReceived => write_number(fields.bytes_received, out),
        Operator::BytesSent => write_number(fields.bytes_sent, out),
        Operator::Duration => write_number(fields.duration_ms, out),
        Operator::UpstreamServiceTime => match fields.upstream_service_ms {
            Some(ms) => write_number(ms, out),
            None => out.push(b'-'),
        },
        Operator::Captured(at) => match fields.captured.get(at) {
            Some(Some(value)) => write_escaped(value.as_bytes(), out),
            _ => out.push(b'-'),
        },
        Operator::UpstreamHost => write_plain(fields.upstream_host, out),
        Operator::UpstreamCluster => write_plain(fields.upstream_cluster, out),
        Operator::UpstreamLocalAddress => write_plain(fields.upstream_local, out),
        Operator::DownstreamLocalAddress => write_plain(Some(fields.downstream_local), out),
        Operator::DownstreamRemoteAddress => write_plain(Some(fields.downstream_remote), out),
        Operator::RouteName => write_or_dash(fields.route_name, out),
        Operator::AttemptCount => write_number(u64::from(fields.attempts), out),
        Operator::Unset => out.push(b'-'),
    }
}

pub(crate) fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What the proxy or its configuration says, which needs no escaping.
fn write_plain(text: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(text.unwrap_or("-").as_bytes());
}

fn write_or_dash(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) if !text.is_empty() => write_escaped(text.as_bytes(), out),
        _ => out.push(b'-'),
    }
}

/// Escapes what could end the field or drive a terminal (`PROXY-LOG-06`).
fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && (byte != b'"') && (byte != b'\\');
    // Without an early end and in bytes, the compiler tests many at once.
    let special = |byte: u8| {
        u8::from(byte.wrapping_sub(0x20) >= 0x5f) | u8::from(byte == b'"') | u8::from(byte == b'\\')
    };
    if bytes.iter().fold(0, |any, byte| any | special(*byte)) == 0 {
        out.extend_from_slice(bytes);
        return;
    }
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            byte if plain(*byte) || *byte >= 0x80 => out.push(*byte),
            byte => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn line(format: &str, headers: &[(&'static str, &'static str)]) -> String {
        let format = LogFormat::compile(format).expect("a format");
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let captured = format.capture_headers(&headers);
        let fields = LogFields {
            start_time: b"2026-01-02T03:04:05.678Z",
            method: "GET",
            path: "/productpage?u=1",
            protocol: "HTTP/1.1",
            code: 200,
            flags: ResponseFlags::NONE,
            details: Some("via_upstream"),
            transport_failure: None,
            bytes_received: 0,
            bytes_sent: 1024,
            duration_ms: 12,
            upstream_service_ms: Some(11),
            captured: &captured,
            upstream_host: Some("10.0.0.7:9080"),
            upstream_cluster: Some("outbound|9080|v1|productpage.default.svc.cluster.local"),
            upstream_local: Some("10.0.0.1:40000"),
            downstream_local: "127.0.0.1:8080",
            downstream_remote: "192.168.0.9:51000",
            route_name: None,
            attempts: 1,
        };
        let mut out = Vec::new();
        format.write(&fields, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// PROXY-LOG-02, PROXY-LOG-04
    #[test]
    fn the_default_line_is_istios() {
        assert_eq!(
            line(
                ISTIO_DEFAULT,
                &[("host", "bookinfo.example.com"), ("user-agent", "curl/8"), ("x-request-id", "r-1")]
            ),
            "[2026-01-02T03:04:05.678Z] \"GET /productpage?u=1 HTTP/1.1\" 200 - via_upstream - \"-\" 0 1024 12 11 \
             \"-\" \"curl/8\" \"r-1\" \"bookinfo.example.com\" \"10.0.0.7:9080\" \
             outbound|9080|v1|productpage.default.svc.cluster.local 10.0.0.1:40000 127.0.0.1:8080 \
             192.168.0.9:51000 - -\n"
        );
    }

    /// PROXY-LOG-06
    #[test]
    fn client_values_cannot_forge_a_line() {
        assert_eq!(line("%REQ(USER-AGENT)%", &[("user-agent", "a\" \\ \tb")]), "a\\\" \\\\ \\x09b\n");
    }

    /// PROXY-LOG-04
    #[test]
    fn a_limit_cuts_and_a_doubled_percent_sign_is_one() {
        assert_eq!(line("%REQ(USER-AGENT):3% 100%%", &[("user-agent", "curl/8")]), "cur 100%\n");
    }

    /// PROXY-LOG-05
    #[test]
    fn unknown_operators_are_named() {
        let error = LogFormat::compile("%START_TIME% %NO_SUCH_THING%").expect_err("unknown");
        assert_eq!(error, "accessLogFormat: unknown operator `%NO_SUCH_THING%`");
        let error = LogFormat::compile("x %START_TIME").expect_err("open");
        assert_eq!(
            error,
            "accessLogFormat: the operator that begins at `%START_TIME` is not closed, end it with `%`"
        );
    }
}
