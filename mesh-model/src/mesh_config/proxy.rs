//! Defaults of every proxy.

use crate::common::{ClientTlsSettings, Duration, StringMap, TcpKeepalive, Value};
use crate::macros::{spec, spec_enum};
use std::collections::BTreeMap;

spec! {
    /// Defaults of every proxy: `defaultConfig`, and the annotation `proxy.istio.io/config`.
    pub struct DefaultConfig {
        /// Worker threads; 0 is one a core.
        pub concurrency: Option<i32>,
        /// Directory of the generated configuration; absent is `./etc/istio/proxy`.
        pub config_path: Option<String>,
        /// The proxy; absent is `/usr/local/bin/envoy`.
        pub binary_path: Option<String>,
        /// Absent is `istio-proxy`.
        pub service_cluster: Option<String>,
        /// How traces name the service; excludes `serviceCluster`.
        pub tracing_service_name: Option<String>,
        /// Absent is 45 s.
        pub drain_duration: Option<Duration>,
        /// Absent is 5 s.
        pub termination_drain_duration: Option<Duration>,
        /// Absent is `istiod.istio-system.svc:15012`.
        pub discovery_address: Option<String>,
        /// Where statsd listens.
        pub statsd_udp_address: String,
        /// Environment of the proxy.
        pub proxy_metadata: StringMap,
        /// Runtime values of Envoy.
        pub runtime_values: StringMap,
        /// Absent is 15000.
        pub proxy_admin_port: Option<i32>,
        /// Absent is 15020.
        pub status_port: Option<i32>,
        /// Absent is 189.
        pub stat_name_length: Option<i32>,
        /// How the proxy speaks to the control plane.
        pub control_plane_auth_policy: ControlPlaneAuthPolicy,
        /// Bootstrap of one's own.
        pub custom_config_file: String,
        /// Template of the bootstrap.
        pub proxy_bootstrap_template_path: String,
        /// How traffic reaches the proxy.
        pub interception_mode: InterceptionMode,
        /// Tracing, the older way; a Telemetry is the newer.
        pub tracing: Option<Tracing>,
        /// gRPC access log.
        pub envoy_access_log_service: Option<RemoteService>,
        /// gRPC metrics.
        pub envoy_metrics_service: Option<RemoteService>,
        /// Deprecated form of the field above.
        pub envoy_metrics_service_address: String,
        /// More tags of the metrics.
        pub extra_stat_tags: Vec<String>,
        /// What stands in front of a gateway.
        pub gateway_topology: Option<GatewayTopology>,
        /// Which metrics are kept.
        pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
        /// Readiness of the proxy, as in a pod's `readinessProbe`.
        pub readiness_probe: Option<Value>,
        /// Start the application when the proxy is ready.
        pub hold_application_until_proxy_starts: Option<bool>,
        /// More roots the proxy trusts, in PEM.
        pub ca_certificates_pem: Vec<String>,
        /// Flavour of the image.
        pub image: Option<ProxyImage>,
        /// Id of the mesh; empty is the trust domain.
        pub mesh_id: String,
        /// Accelerated private keys.
        pub private_key_provider: Option<PrivateKeyProvider>,
        /// Which headers the proxy adds.
        pub proxy_headers: Option<ProxyHeaders>,
        /// Limits of the connections from clients.
        pub connection_settings: Option<ConnectionSettings>,
        /// How often access logs are flushed.
        pub file_flush_interval: Option<Duration>,
        /// KiB of access log before it is flushed.
        pub file_flush_min_size_kb: Option<u32>,
        /// Compress the answers of the stats endpoint.
        pub stats_compression: Option<bool>,
        /// How often unused metrics are forgotten.
        pub stats_eviction_interval: Option<Duration>,
    }

    /// What stands in front of a gateway.
    pub struct GatewayTopology {
        /// Trusted hops in X-Forwarded-For.
        pub num_trusted_proxies: u32,
        /// See [`ForwardClientCertDetails`].
        pub forward_client_cert_details: ForwardClientCertDetails,
        /// Expect the PROXY protocol.
        pub proxy_protocol: Option<ProxyProtocol>,
    }

    /// Expect the PROXY protocol; has no fields.
    pub struct ProxyProtocol {}

    /// A service over gRPC that is not in the mesh.
    pub struct RemoteService {
        /// `host:port`.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// Keep-alive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
    }

    /// Tracing, the older way: at most one backend.
    pub struct Tracing {
        /// Zipkin.
        pub zipkin: Option<TracingAddress>,
        /// Lightstep.
        pub lightstep: Option<TracingLightstep>,
        /// Datadog.
        pub datadog: Option<TracingAddress>,
        /// Google Cloud.
        pub stackdriver: Option<Value>,
        /// OpenCensus.
        pub open_census_agent: Option<Value>,
        /// Tags; a value is one of `literal`, `environment`, `header` and `formatter`.
        pub custom_tags: BTreeMap<String, Value>,
        /// Longest path in a span; 0 is 256.
        pub max_path_tag_length: u32,
        /// Percent of the requests; absent is 1.
        pub sampling: Option<f64>,
        /// TLS towards the backend.
        pub tls_settings: Option<ClientTlsSettings>,
        /// Tags that Istio adds; absent is true.
        pub enable_istio_tags: Option<bool>,
    }

    /// Where a backend of traces listens.
    pub struct TracingAddress {
        /// `host:port`; `$(HOST_IP)` is the node's address.
        pub address: String,
    }

    /// Lightstep, the older way.
    pub struct TracingLightstep {
        /// `host:port`.
        pub address: String,
        /// Required.
        pub access_token: String,
    }

    /// Which metrics are kept, by their names.
    pub struct ProxyStatsMatcher {
        /// Those that begin so.
        pub inclusion_prefixes: Vec<String>,
        /// Those that end so.
        pub inclusion_suffixes: Vec<String>,
        /// Those that match.
        pub inclusion_regexps: Vec<String>,
    }

    /// Flavour of the image.
    pub struct ProxyImage {
        /// `default`, `debug` or `distroless`.
        pub image_type: String,
    }

    /// Accelerated private keys: one of the two.
    pub struct PrivateKeyProvider {
        /// Intel CryptoMB.
        pub cryptomb: Option<PrivateKeyPolling>,
        /// Intel QAT.
        pub qat: Option<PrivateKeyPolling>,
    }

    /// How operations on keys are collected.
    pub struct PrivateKeyPolling {
        /// Longest wait for more operations; required.
        pub poll_delay: Option<Duration>,
        /// Without the hardware, do without.
        pub fallback: Option<bool>,
    }

    /// Which headers the proxy adds or changes.
    pub struct ProxyHeaders {
        /// See [`ForwardClientCertDetails`].
        pub forwarded_client_cert: ForwardClientCertDetails,
        /// Parts of X-Forwarded-Client-Cert.
        pub set_current_client_cert_details: Option<Value>,
        /// X-Request-Id.
        pub request_id: Option<HeaderSwitch>,
        /// Server.
        pub server: Option<HeaderSwitch>,
        /// X-Envoy-Attempt-Count.
        pub attempt_count: Option<HeaderSwitch>,
        /// Headers of Envoy.
        pub envoy_debug_headers: Option<HeaderSwitch>,
        /// Headers that tell Istio's metadata.
        pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
        /// Keep the case of HTTP/1 header names.
        pub preserve_http1_header_case: Option<bool>,
        /// X-Forwarded-Host.
        pub x_forwarded_host: Option<HeaderSwitch>,
        /// X-Forwarded-Port.
        pub x_forwarded_port: Option<HeaderSwitch>,
    }

    /// A header that can be switched off, or on.
    pub struct HeaderSwitch {
        /// Leave it out.
        pub disabled: Option<bool>,
        /// Add it.
        pub enabled: Option<bool>,
        /// Its value, where that can be set.
        pub value: String,
    }

    /// Headers that tell Istio's metadata.
    pub struct MetadataExchangeHeaders {
        /// `UNDEFINED` or `IN_MESH`.
        pub mode: String,
    }

    /// Limits of the connections from clients.
    pub struct ConnectionSettings {
        /// `SIDECAR` or `EDGE`.
        pub profile: ConnectionProfile,
        /// Bytes buffered for a client.
        pub listener_per_connection_buffer_limit_bytes: Option<i64>,
        /// Bytes buffered for an upstream.
        pub cluster_per_connection_buffer_limit_bytes: Option<i64>,
        /// Connections of a listener.
        pub listener_connection_limit: Option<i64>,
        /// Connections of the proxy.
        pub global_downstream_connection_limit: Option<i64>,
        /// Of a connection without requests.
        pub http_idle_timeout: Option<Duration>,
        /// Of a request without progress.
        pub http_stream_idle_timeout: Option<Duration>,
        /// To receive a request.
        pub http_request_timeout: Option<Duration>,
        /// To receive its headers.
        pub http_request_headers_timeout: Option<Duration>,
        /// Longest connection.
        pub http_max_connection_duration: Option<Duration>,
        /// Longest request.
        pub http_max_stream_duration: Option<Duration>,
        /// Between the two announcements that a connection ends.
        pub http_drain_timeout: Option<Duration>,
        /// Requests at a time on an HTTP/2 connection.
        pub http_max_concurrent_streams: Option<i64>,
        /// Bytes in flight of a request.
        pub http2_initial_stream_window_size: Option<i64>,
        /// Bytes in flight of a connection.
        pub http2_initial_connection_window_size: Option<i64>,
        /// What becomes of headers with `_`.
        pub http_headers_with_underscores_action: String,
        /// Wins over `pathNormalization`.
        pub http_merge_slashes: Option<bool>,
        /// Wins over `pathNormalization`.
        pub http_path_with_escaped_slashes_action: String,
    }
}

spec_enum! {
    /// Treatment of the header X-Forwarded-Client-Cert.
    pub enum ForwardClientCertDetails {
        /// Sidecars append, gateways replace.
        #[default]
        Undefined = "UNDEFINED",
        /// Drop it.
        Sanitize = "SANITIZE",
        /// Pass it on when the client used mutual TLS.
        ForwardOnly = "FORWARD_ONLY",
        /// Append when the client used mutual TLS.
        AppendForward = "APPEND_FORWARD",
        /// Replace it.
        SanitizeSet = "SANITIZE_SET",
        /// Pass it on.
        AlwaysForwardOnly = "ALWAYS_FORWARD_ONLY",
    }

    /// How the proxy speaks to the control plane.
    pub enum ControlPlaneAuthPolicy {
        /// In the clear.
        #[default]
        None = "NONE",
        /// With its certificate.
        MutualTls = "MUTUAL_TLS",
        /// Not valid here.
        Inherit = "INHERIT",
    }

    /// How traffic reaches the proxy.
    pub enum InterceptionMode {
        /// The kernel rewrites the destination.
        #[default]
        Redirect = "REDIRECT",
        /// The destination stays what it is.
        Tproxy = "TPROXY",
        /// Not at all.
        None = "NONE",
    }

    /// A set of defaults of [`ConnectionSettings`].
    pub enum ConnectionProfile {
        /// None.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// None.
        Sidecar = "SIDECAR",
        /// Envoy's advice for proxies that face strangers; gateways only.
        Edge = "EDGE",
    }
}
