//! The `%…%` operators of header values (ROUTE-HDR-10).

/// A fact that a header value asks for by `%OPERATOR%`.
///
/// What each yields on the request side and on the response side is the table of ROUTE-HDR-10. Names are those
/// of the operators. Header names are lower-case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants are the operators' own names, in another spelling")]
pub enum Operator {
    /// `REQ(name)` and `REQ(name?or)`: the first line of the request header, or of the other if the first is
    /// missing. Pseudo headers such as `:path` are allowed.
    RequestHeader {
        name: Box<str>,
        or: Option<Box<str>>,
    },
    /// `RESP(name)`; nothing on the request side.
    ResponseHeader {
        name: Box<str>,
        or: Option<Box<str>>,
    },
    /// `TRAILER(name)`; nothing on the request side.
    Trailer {
        name: Box<str>,
        or: Option<Box<str>>,
    },
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamRemotePort,
    DownstreamDirectRemoteAddress,
    DownstreamDirectRemoteAddressWithoutPort,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamLocalPort,
    /// `HTTP/1.1`, `HTTP/2`.
    Protocol,
    /// When the request arrived, by a strftime format, else as `2026-01-02T03:04:05.678Z`.
    StartTime(Option<Box<str>>),
    Hostname,
    /// An environment variable; `-` when it is not set.
    Environment(Box<str>),
    RouteName,
    UpstreamCluster,
    StreamId,
    ConnectionId,
    UniqueId,
    RequestedServerName,
    DownstreamTlsVersion,
    DownstreamTlsCipher,
    DownstreamTlsSessionId,
    DownstreamPeerUriSan,
    DownstreamPeerDnsSan,
    DownstreamPeerSubject,
    DownstreamPeerIssuer,
    DownstreamPeerSerial,
    DownstreamPeerCert,
    DownstreamPeerFingerprint256,
    DownstreamPeerFingerprint1,
    DownstreamPeerCertVStart,
    DownstreamPeerCertVEnd,
    DownstreamLocalUriSan,
    DownstreamLocalSubject,
    /// `PATH`: path and query; `PATH(NQ)`: without the query.
    Path {
        with_query: bool,
    },
    QueryParam(Box<str>),
    QueryParams,
    UpstreamHost,
    UpstreamRemoteAddress,
    UpstreamLocalAddress,
    UpstreamProtocol,
    /// `0` on the request side.
    ResponseCode,
    ResponseCodeDetails,
    /// `-` when there is none.
    ResponseFlags,
    BytesReceived,
    BytesSent,
    Duration,
    RequestDuration,
    DynamicMetadata(Box<str>),
    FilterState(Box<str>),
    Metadata(Box<str>),
    UpstreamMetadata(Box<str>),
    Cel(Box<str>),
    TraceId,
    GrpcStatus,
}

/// Operators without an argument.
const PLAIN: &[(&str, Operator)] = &[
    ("DOWNSTREAM_REMOTE_ADDRESS", Operator::DownstreamRemoteAddress),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Operator::DownstreamRemoteAddressWithoutPort),
    ("DOWNSTREAM_REMOTE_PORT", Operator::DownstreamRemotePort),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Operator::DownstreamDirectRemoteAddress),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Operator::DownstreamDirectRemoteAddressWithoutPort),
    ("DOWNSTREAM_LOCAL_ADDRESS", Operator::DownstreamLocalAddress),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Operator::DownstreamLocalAddressWithoutPort),
    ("DOWNSTREAM_LOCAL_PORT", Operator::DownstreamLocalPort),
    ("PROTOCOL", Operator::Protocol),
    ("START_TIME", Operator::StartTime(None)),
    ("HOSTNAME", Operator::Hostname),
    ("ROUTE_NAME", Operator::RouteName),
    ("UPSTREAM_CLUSTER", Operator::UpstreamCluster),
    ("STREAM_ID", Operator::StreamId),
    ("CONNECTION_ID", Operator::ConnectionId),
    ("UNIQUE_ID", Operator::UniqueId),
    ("REQUESTED_SERVER_NAME", Operator::RequestedServerName),
    ("DOWNSTREAM_TLS_VERSION", Operator::DownstreamTlsVersion),
    ("DOWNSTREAM_TLS_CIPHER", Operator::DownstreamTlsCipher),
    ("DOWNSTREAM_TLS_SESSION_ID", Operator::DownstreamTlsSessionId),
    ("DOWNSTREAM_PEER_URI_SAN", Operator::DownstreamPeerUriSan),
    ("DOWNSTREAM_PEER_DNS_SAN", Operator::DownstreamPeerDnsSan),
    ("DOWNSTREAM_PEER_SUBJECT", Operator::DownstreamPeerSubject),
    ("DOWNSTREAM_PEER_ISSUER", Operator::DownstreamPeerIssuer),
    ("DOWNSTREAM_PEER_SERIAL", Operator::DownstreamPeerSerial),
    ("DOWNSTREAM_PEER_CERT", Operator::DownstreamPeerCert),
    ("DOWNSTREAM_PEER_FINGERPRINT_256", Operator::DownstreamPeerFingerprint256),
    ("DOWNSTREAM_PEER_FINGERPRINT_1", Operator::DownstreamPeerFingerprint1),
    ("DOWNSTREAM_PEER_CERT_V_START", Operator::DownstreamPeerCertVStart),
    ("DOWNSTREAM_PEER_CERT_V_END", Operator::DownstreamPeerCertVEnd),
    ("DOWNSTREAM_LOCAL_URI_SAN", Operator::DownstreamLocalUriSan),
    ("DOWNSTREAM_LOCAL_SUBJECT", Operator::DownstreamLocalSubject),
    ("PATH", Operator::Path { with_query: true }),
    ("QUERY_PARAMS", Operator::QueryParams),
    ("UPSTREAM_HOST", Operator::UpstreamHost),
    ("UPSTREAM_REMOTE_ADDRESS", Operator::UpstreamRemoteAddress),
    ("UPSTREAM_LOCAL_ADDRESS", Operator::UpstreamLocalAddress),
    ("UPSTREAM_PROTOCOL", Operator::UpstreamProtocol),
    ("RESPONSE_CODE", Operator::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Operator::ResponseCodeDetails),
    ("RESPONSE_FLAGS", Operator::ResponseFlags),
    ("BYTES_RECEIVED", Operator::BytesReceived),
    ("BYTES_SENT", Operator::BytesSent),
    ("DURATION", Operator::Duration),
    ("REQUEST_DURATION", Operator::RequestDuration),
    ("TRACE_ID", Operator::TraceId),
    ("GRPC_STATUS", Operator::GrpcStatus),
];

impl Operator {
    /// The operator of that name with that argument, or what is wrong with them.
    pub(super) fn new(name: &str, argument: Option<&str>) -> Result<Self, &'static str> {
        let Some(argument) = argument else {
            let found = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, operator)| operator.clone());
            return found.ok_or(if Self::with_argument(name, "x").is_some() {
                "needs an argument in parentheses"
            } else {
                "is no operator of header values"
            });
        };
        if argument.is_empty() && name != "START_TIME" {
            return Err("has an empty argument");
        }
        match Self::with_argument(name, argument) {
            Some(operator) => Ok(operator),
            None if name == "PATH" => Err("takes `WQ` or `NQ`"),
            None if PLAIN.iter().any(|(known, _)| *known == name) => Err("takes no argument"),
            None => Err("is no operator of header values"),
        }
    }

    fn with_argument(name: &str, argument: &str) -> Option<Self> {
        let header = || {
            let lower = argument.to_ascii_lowercase();
            match lower.split_once('?') {
                Some((name, or)) => (name.into(), Some(or.into())),
                None => (lower.into(), None),
            }
        };
        Some(match name {
            "REQ" | "REQUEST_HEADER" => {
                let (name, or) = header();
                Self::RequestHeader { name, or }
            }
            "RESP" | "RESPONSE_HEADER" => {
                let (name, or) = header();
                Self::ResponseHeader { name, or }
            }
            "TRAILER" | "RESPONSE_TRAILER" => {
                let (name, or) = header();
                Self::Trailer { name, or }
            }
            "START_TIME" => Self::StartTime((!argument.is_empty()).then(|| argument.into())),
            "ENVIRONMENT" => Self::Environment(argument.into()),
            "PATH" if argument == "WQ" => Self::Path { with_query: true },
            "PATH" if argument == "NQ" => Self::Path { with_query: false },
            "QUERY_PARAM" => Self::QueryParam(argument.into()),
            "DYNAMIC_METADATA" => Self::DynamicMetadata(argument.into()),
            "FILTER_STATE" => Self::FilterState(argument.into()),
            "METADATA" => Self::Metadata(argument.into()),
            "UPSTREAM_METADATA" => Self::UpstreamMetadata(argument.into()),
            "CEL" => Self::Cel(argument.into()),
            _ => return None,
        })
    }
}
