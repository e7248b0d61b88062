//! Ports, protocols and percentages.

use crate::macros::spec;
use std::fmt;

spec! {
    /// A service port by number; `port: 9080` is read as `port: {number: 9080}` (MODEL-TYPE-18).
    #[derive(Copy, Eq)]
    pub struct PortSelector {
        /// 1..65535.
        pub number: u32,
    }

    /// A share of all requests in percent, 0.0..100.0.
    #[derive(Copy)]
    pub struct Percent {
        /// 0.0..100.0; the smallest step is 0.0001 (MODEL-TYPE-9).
        pub value: f64,
    }
}

impl Percent {
    /// The effective fraction in millionths: `floor(value × 10000)`, clamped to 0..=1 000 000 (MODEL-TYPE-9).
    pub fn millionths(self) -> u32 {
        let scaled = (self.value * 10_000.0).floor();
        if scaled.is_nan() || scaled <= 0.0 {
            return 0;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=1000000 just here"
        )]
        let millionths = scaled.min(1_000_000.0) as u32;
        millionths
    }
}

/// What a port speaks, as Istio decides it from a protocol string, `appProtocol` or the port's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protocol {
    /// Not declared: HTTP/1, HTTP/2 and TLS are detected from the first bytes, TCP otherwise.
    #[default]
    Unsupported,
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 through a forward proxy.
    HttpProxy,
    /// HTTP/2.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// TLS carrying HTTP.
    Https,
    /// TLS carrying anything.
    Tls,
    /// Plain TCP.
    Tcp,
    /// MongoDB, treated as TCP.
    Mongo,
    /// Redis, treated as TCP.
    Redis,
    /// MySQL, treated as TCP.
    MySql,
    /// UDP: not proxied.
    Udp,
}

impl Protocol {
    /// Reads an explicit `protocol` string, ignoring case; `None` when it is not in the table (MODEL-PROTO-5).
    ///
    /// The empty string is [`Protocol::Unsupported`].
    pub fn parse(text: &str) -> Option<Self> {
        const TABLE: [(&str, Protocol); 13] = [
            ("", Protocol::Unsupported),
            ("tcp", Protocol::Tcp),
            ("udp", Protocol::Udp),
            ("grpc", Protocol::Grpc),
            ("grpc-web", Protocol::GrpcWeb),
            ("http", Protocol::Http),
            ("http_proxy", Protocol::HttpProxy),
            ("http2", Protocol::Http2),
            ("https", Protocol::Https),
            ("tls", Protocol::Tls),
            ("mongo", Protocol::Mongo),
            ("redis", Protocol::Redis),
            ("mysql", Protocol::MySql),
        ];
        TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, protocol)| *protocol)
    }

    /// Reads a port *name* such as `http-web`: the part before the first `-` decides (MODEL-PROTO-2).
    ///
    /// `None` when the name declares nothing.
    pub fn from_port_name(name: &str) -> Option<Self> {
        if name.is_empty() {
            return None;
        }
        if name.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("grpc-web")) {
            return Some(Self::GrpcWeb);
        }
        Self::parse(name.split('-').next().unwrap_or(name)).filter(|protocol| *protocol != Self::Unsupported)
    }

    /// Decides the protocol of a Kubernetes Service port (MODEL-PROTO-1, MODEL-PROTO-3).
    pub fn of_service_port(name: &str, protocol: &str, app_protocol: Option<&str>, port: u32) -> Self {
        if protocol.eq_ignore_ascii_case("UDP") || protocol.eq_ignore_ascii_case("SCTP") {
            return Self::Udp;
        }
        let declared = match app_protocol {
            Some("kubernetes.io/h2c") => Some(Self::Http2),
            Some("kubernetes.io/ws") => Some(Self::Http),
            Some("kubernetes.io/wss") => Some(Self::Https),
            // An appProtocol that says nothing known still silences the name.
            Some(app) => Self::from_port_name(app),
            None => Self::from_port_name(name),
        };
        declared.unwrap_or(match port {
            25 | 53 | 3306 | 27017 => Self::Tcp,
            _ => Self::Unsupported,
        })
    }

    /// HTTP, HTTP2, HTTP_PROXY, GRPC and GRPC-Web (MODEL-PROTO-4).
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::HttpProxy | Self::Grpc | Self::GrpcWeb)
    }

    /// HTTP/2 towards the upstream (MODEL-PROTO-4).
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// HTTPS and TLS: opaque unless terminated at a gateway (MODEL-PROTO-4).
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// TCP, HTTPS, TLS, Mongo, Redis and MySQL (MODEL-PROTO-4).
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Https | Self::Tls | Self::Mongo | Self::Redis | Self::MySql)
    }

    /// The canonical spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "",
            Self::Http => "HTTP",
            Self::HttpProxy => "HTTP_PROXY",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-WEB",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Mongo => "MONGO",
            Self::Redis => "REDIS",
            Self::MySql => "MYSQL",
            Self::Udp => "UDP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol::*;
    use super::*;

    #[test]
    fn the_transport_then_the_declaration_then_the_name_model_proto_1() {
        let of = |name: &str, transport: &str, app: Option<&str>| {
            Protocol::of_service_port(name, transport, app, 80)
        };
        assert_eq!(of("http", "UDP", Some("http")), Udp);
        assert_eq!(of("http", "SCTP", None), Udp);
        assert_eq!(of("tcp", "TCP", Some("kubernetes.io/h2c")), Http2);
        assert_eq!(of("tcp", "TCP", Some("kubernetes.io/ws")), Http);
        assert_eq!(of("tcp", "TCP", Some("kubernetes.io/wss")), Https);
        assert_eq!(of("tcp", "TCP", Some("grpc-anything")), Grpc, "read as a name is");
        assert_eq!(of("http", "TCP", Some("unknown")), Unsupported, "the name is not asked");
        assert_eq!(of("http", "", None), Http);
    }

    #[test]
    fn the_part_before_the_dash_decides_model_proto_2() {
        for (name, want) in [
            ("http", Some(Http)),
            ("HTTP-web", Some(Http)),
            ("http2-", Some(Http2)),
            ("http_proxy-x", Some(HttpProxy)),
            ("https-a-b", Some(Https)),
            ("tls", Some(Tls)),
            ("tcp-1", Some(Tcp)),
            ("udp", Some(Udp)),
            ("grpc", Some(Grpc)),
            ("grpc-web", Some(GrpcWeb)),
            ("Grpc-Web-x", Some(GrpcWeb)),
            ("grpc-webx", Some(GrpcWeb)),
            ("mongo", Some(Mongo)),
            ("redis-a", Some(Redis)),
            ("mysql", Some(MySql)),
            ("http2x", None),
            ("httpweb", None),
            ("-http", None),
            ("web-http", None),
            ("hbone", None),
            ("", None),
        ] {
            assert_eq!(Protocol::from_port_name(name), want, "{name}");
        }
    }

    #[test]
    fn classes_of_protocols_model_proto_4() {
        let all =
            [Unsupported, Http, HttpProxy, Http2, Grpc, GrpcWeb, Https, Tls, Tcp, Mongo, Redis, MySql, Udp];
        let are = |test: fn(Protocol) -> bool| all.into_iter().filter(|one| test(*one)).collect::<Vec<_>>();
        assert_eq!(are(Protocol::is_http), [Http, HttpProxy, Http2, Grpc, GrpcWeb]);
        assert_eq!(are(Protocol::is_http2), [Http2, Grpc, GrpcWeb]);
        assert_eq!(are(Protocol::is_tls), [Https, Tls]);
        assert_eq!(are(Protocol::is_tcp), [Https, Tls, Tcp, Mongo, Redis, MySql]);
    }

    #[test]
    fn an_explicit_protocol_is_a_whole_name_model_proto_5() {
        assert_eq!(Protocol::parse("http_PROXY"), Some(HttpProxy));
        assert_eq!(Protocol::parse(""), Some(Unsupported), "detected");
        for bad in ["http-web", "HBONE", "h2c", " http"] {
            assert_eq!(Protocol::parse(bad), None, "{bad}");
        }
    }
}
