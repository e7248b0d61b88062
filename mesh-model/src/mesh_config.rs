//! MeshConfig: the mesh-wide defaults a data plane honours.

use crate::common::{
    ClientTlsSettings, ConnectionPoolSettings, Duration, H2UpgradePolicy, HttpRetry, LocalityLbSetting,
    OutlierDetection, StringMap, TcpKeepalive, ZoneAwareLbSetting,
};
use crate::macros::{spec, spec_enum};
use crate::networking::sidecar::OutboundTrafficPolicyMode;

spec! {
    /// The part of MeshConfig that is decided by a data plane (section 2.11 of the model reference).
    ///
    /// Fields are as written: absent means the default, and the methods give the value in force.
    pub struct MeshConfig {
        /// See [`MeshConfig::root_namespace`].
        pub root_namespace: String,
        /// See [`MeshConfig::trust_domain`].
        pub trust_domain: String,
        /// Other trust domains that are ours.
        pub trust_domain_aliases: Vec<String>,
        /// Treatment of unknown destinations; absent is ALLOW_ANY.
        pub outbound_traffic_policy: Option<MeshOutboundTrafficPolicy>,
        /// Treatment of unknown inbound ports.
        pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
        /// Absent is true.
        pub enable_auto_mtls: Option<bool>,
        /// `exportTo` of Services that have none.
        pub default_service_export_to: Vec<String>,
        /// `exportTo` of VirtualServices that have none.
        pub default_virtual_service_export_to: Vec<String>,
        /// `exportTo` of DestinationRules that have none; only `.` and `*` count.
        pub default_destination_rule_export_to: Vec<String>,
        /// Absent is 10 s.
        pub connect_timeout: Option<Duration>,
        /// Absent leaves probes off.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Absent and zero wait for ever.
        pub protocol_detection_timeout: Option<Duration>,
        /// Absent is 60 s.
        pub dns_refresh_rate: Option<Duration>,
        /// Absent is enabled without shares.
        pub locality_lb_setting: Option<LocalityLbSetting>,
        /// Wins over `localityLbSetting`.
        pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
        /// DEFAULT is DO_NOT_UPGRADE.
        pub h2_upgrade_policy: H2UpgradePolicy,
        /// Absent is two attempts.
        pub default_http_retry_policy: Option<HttpRetry>,
        /// Absent is two attempts on `reset-before-request`.
        pub default_inbound_http_retry_policy: Option<HttpRetry>,
        /// Baseline of the connection limits and of ejection.
        pub default_traffic_policy: Option<DefaultTrafficPolicy>,
        /// Normalisation of paths before authorization.
        pub path_normalization: Option<PathNormalization>,
        /// Empty writes no access log.
        pub access_log_file: String,
        /// Empty is the default format.
        pub access_log_format: String,
        /// See [`AccessLogEncoding`].
        pub access_log_encoding: AccessLogEncoding,
        /// Named services a policy may call upon.
        pub extension_providers: Vec<ExtensionProvider>,
        /// 0 is 15001.
        pub proxy_listen_port: i32,
        /// 0 is 15006.
        pub proxy_inbound_listen_port: i32,
        /// 0 is off.
        pub proxy_http_port: i32,
        /// Defaults of every proxy.
        pub default_config: Option<DefaultConfig>,
    }

    /// Treatment of unknown destinations.
    pub struct MeshOutboundTrafficPolicy {
        /// An empty block is REGISTRY_ONLY.
        pub mode: OutboundTrafficPolicyMode,
        /// With ALLOW_ANY_DYNAMIC_DNS.
        pub tls: Option<ClientTlsSettings>,
    }

    /// Treatment of inbound ports no service declares.
    pub struct InboundTrafficPolicy {
        /// See [`InboundTrafficPolicyMode`].
        pub mode: InboundTrafficPolicyMode,
    }

    /// Baseline of every destination.
    pub struct DefaultTrafficPolicy {
        /// Limits.
        pub connection_pool: Option<ConnectionPoolSettings>,
        /// Ejection.
        pub outlier_detection: Option<OutlierDetection>,
    }

    /// Normalisation of paths.
    pub struct PathNormalization {
        /// See [`NormalizationType`].
        pub normalization: NormalizationType,
    }

    /// A named provider. Only the external authorizers are typed; other members are ignored.
    pub struct ExtensionProvider {
        /// Unique.
        pub name: String,
        /// Authorizer over HTTP.
        pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
        /// Authorizer over gRPC.
        pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
    }

    /// An authorizer over HTTP.
    pub struct ExtAuthzHttp {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Absent is 600 s.
        pub timeout: Option<Duration>,
        /// Put before the path.
        pub path_prefix: String,
        /// Allow when the authorizer cannot be reached.
        pub fail_open: bool,
        /// Choose the route again after headers changed.
        pub clear_route_cache: Option<bool>,
        /// Status when it cannot be reached; empty is 403.
        pub status_on_error: String,
        /// Request headers sent along.
        pub include_request_headers_in_check: Vec<String>,
        /// Legacy form of the field above.
        pub include_headers_in_check: Vec<String>,
        /// Fixed headers sent along.
        pub include_additional_headers_in_check: StringMap,
        /// Send part of the body.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
        /// Copied from the answer to the upstream request.
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Copied from the answer to the client.
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Copied from the answer to the client.
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// An authorizer over gRPC.
    pub struct ExtAuthzGrpc {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Absent is 600 s.
        pub timeout: Option<Duration>,
        /// Allow when the authorizer cannot be reached.
        pub fail_open: bool,
        /// Choose the route again after headers changed.
        pub clear_route_cache: Option<bool>,
        /// Status when it cannot be reached; empty is 403.
        pub status_on_error: String,
        /// Send part of the body.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    }

    /// How much of the body the authorizer sees.
    pub struct ExtAuthzRequestBody {
        /// Bytes.
        pub max_request_bytes: u32,
        /// Send what there is instead of refusing longer bodies.
        pub allow_partial_message: bool,
        /// As bytes, not as text.
        pub pack_as_bytes: bool,
    }

    /// Defaults of every proxy.
    pub struct DefaultConfig {
        /// Worker threads; 0 is one a core.
        pub concurrency: Option<i32>,
        /// Absent is 45 s.
        pub drain_duration: Option<Duration>,
        /// Absent is 5 s.
        pub termination_drain_duration: Option<Duration>,
        /// Environment of the proxy.
        pub proxy_metadata: StringMap,
        /// 0 is 15000.
        pub proxy_admin_port: i32,
        /// 0 is 15020.
        pub status_port: i32,
        /// Proxies in front of the gateway.
        pub gateway_topology: Option<GatewayTopology>,
    }

    /// What stands in front of a gateway.
    pub struct GatewayTopology {
        /// Trusted hops in X-Forwarded-For.
        pub num_trusted_proxies: u32,
        /// See [`ForwardClientCertDetails`].
        pub forward_client_cert_details: ForwardClientCertDetails,
    }
}

spec_enum! {
    /// Treatment of inbound ports no service declares.
    pub enum InboundTrafficPolicyMode {
        /// Pass on to the address the client chose.
        #[default]
        Passthrough = "PASSTHROUGH",
        /// Pass on to the loopback address.
        Localhost = "LOCALHOST",
    }

    /// Normalisation of paths.
    pub enum NormalizationType {
        /// BASE.
        #[default]
        Default = "DEFAULT",
        /// None.
        None = "NONE",
        /// RFC 3986.
        Base = "BASE",
        /// And merge slashes.
        MergeSlashes = "MERGE_SLASHES",
        /// And decode encoded slashes before.
        DecodeAndMergeSlashes = "DECODE_AND_MERGE_SLASHES",
    }

    /// Form of the access log.
    pub enum AccessLogEncoding {
        /// A line of text.
        #[default]
        Text = "TEXT",
        /// A JSON object.
        Json = "JSON",
    }

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
}

impl MeshConfig {
    /// Namespace of mesh-wide policies; `istio-system` unless set.
    pub fn root_namespace(&self) -> &str {
        if self.root_namespace.is_empty() { "istio-system" } else { &self.root_namespace }
    }

    /// Trust domain of the mesh; `cluster.local` unless set.
    pub fn trust_domain(&self) -> &str {
        if self.trust_domain.is_empty() { "cluster.local" } else { &self.trust_domain }
    }

    /// Treatment of unknown destinations; ALLOW_ANY unless set.
    pub fn outbound_mode(&self) -> OutboundTrafficPolicyMode {
        self.outbound_traffic_policy
            .as_ref()
            .map_or(OutboundTrafficPolicyMode::AllowAny, |policy| policy.mode)
    }

    /// Whether mutual TLS is used without being asked for; true unless set.
    pub fn auto_mtls(&self) -> bool {
        self.enable_auto_mtls.unwrap_or(true)
    }

    /// Time to connect to an upstream; 10 s unless set.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_nanos(10_000_000_000))
    }
}
