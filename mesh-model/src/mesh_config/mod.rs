//! MeshConfig: the mesh-wide defaults a data plane honours.

mod networks;
mod providers;
mod proxy;

pub use networks::{MeshNetworks, Network, NetworkEndpoints, NetworkGateway};
pub use providers::{
    AccessLogServiceProvider, ExtAuthzGrpc, ExtAuthzHttp, ExtAuthzRequestBody, ExtensionProvider,
    FileAccessLogProvider, HttpHeader, LightstepProvider, LogFormat, OpenCensusProvider, OpenTelemetryGrpc,
    OpenTelemetryHttp, OpenTelemetryProvider, OtelAccessLogProvider, PrometheusProvider, SdsProvider,
    ServiceProvider, SkyWalkingProvider, StackdriverLogging, StackdriverProvider, ZipkinProvider,
};
pub use proxy::{
    ConnectionProfile, ConnectionSettings, ControlPlaneAuthPolicy, DefaultConfig, ForwardClientCertDetails,
    GatewayTopology, HeaderSwitch, InterceptionMode, MetadataExchangeHeaders, PrivateKeyPolling,
    PrivateKeyProvider, ProxyHeaders, ProxyImage, ProxyProtocol, ProxyStatsMatcher, RemoteService, Tracing,
    TracingAddress, TracingLightstep,
};

use crate::common::{
    ClientTlsSettings, ConnectionPoolSettings, Duration, H2UpgradePolicy, HttpRetry, LocalityLbSetting,
    OutlierDetection, TcpKeepalive, TlsProtocol, Value, ZoneAwareLbSetting,
};
use crate::kubernetes::LabelSelector;
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
        /// gRPC access log.
        pub enable_envoy_access_log_service: bool,
        /// No log of connections that no filter chain takes.
        pub disable_envoy_listener_log: bool,
        /// Providers in use unless a Telemetry says otherwise.
        pub default_providers: Option<DefaultProviders>,
        /// Absent is true.
        pub enable_tracing: Option<bool>,
        /// Metrics of the application through the proxy; absent is true.
        pub enable_prometheus_merge: Option<bool>,
        /// Namespaces the control plane watches, by any of these; none is all.
        pub discovery_selectors: Vec<LabelSelector>,
        /// Settings by host.
        pub service_settings: Vec<ServiceSettings>,
        /// Who may see ServiceEntries.
        pub service_entry_visibility: Option<ServiceEntryVisibility>,
        /// TLS between workloads.
        #[serde(rename = "meshMTLS")]
        pub mesh_mtls: Option<MeshTlsConfig>,
        /// TLS of gateways and upstreams.
        pub tls_defaults: Option<MeshTlsConfig>,
        /// Absent is 15001.
        pub proxy_listen_port: Option<i32>,
        /// Absent is 15006.
        pub proxy_inbound_listen_port: Option<i32>,
        /// Absent is off.
        pub proxy_http_port: Option<i32>,
        /// Empty is `istio`.
        pub ingress_class: String,
        /// Empty is `istio-ingressgateway`.
        pub ingress_service: String,
        /// Empty is `ingressgateway`.
        pub ingress_selector: String,
        /// See [`IngressControllerMode`].
        pub ingress_controller_mode: IngressControllerMode,
        /// Defaults of every proxy.
        pub default_config: Option<DefaultConfig>,
        /// Of idle connections between ambient proxies.
        pub hbone_idle_timeout: Option<Duration>,
        /// Check certificates of upstreams by the system's roots; absent is true.
        pub verify_certificate_at_client: Option<bool>,
        /// Name pattern of metrics.
        pub inbound_cluster_stat_name: String,
        /// Name pattern of metrics.
        pub outbound_cluster_stat_name: String,
        /// Of the control plane only; not examined.
        pub config_sources: Option<Value>,
        /// Of the control plane only; not examined.
        pub ca_certificates: Option<Value>,
        /// Of the control plane only; not examined.
        pub certificates: Option<Value>,
        /// Of the control plane only; not examined.
        pub ca: Option<Value>,
        /// Of ambient proxies only; not examined.
        pub service_scope_configs: Option<Value>,
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

    /// Named providers in use unless a Telemetry says otherwise.
    pub struct DefaultProviders {
        /// Of spans.
        pub tracing: Vec<String>,
        /// Of metrics.
        pub metrics: Vec<String>,
        /// Of access logs.
        pub access_logging: Vec<String>,
    }

    /// Settings of some services.
    pub struct ServiceSettings {
        /// What is set.
        pub settings: Option<Settings>,
        /// For services of these hosts.
        pub hosts: Vec<String>,
    }

    /// What can be set for services.
    pub struct Settings {
        /// Only endpoints of the client's cluster.
        pub cluster_local: bool,
    }

    /// Who may see ServiceEntries; absent limits nothing (MODEL-RES-12).
    pub struct ServiceEntryVisibility {
        /// When no policy matches.
        pub default_visibility: EntryVisibility,
        /// Also limit what sidecars see, not only ambient proxies.
        pub apply_to_sidecars: bool,
        /// The first that matches counts.
        pub policies: Vec<EntryVisibilityPolicy>,
    }

    /// Who may see the ServiceEntries of some namespaces.
    pub struct EntryVisibilityPolicy {
        /// All must match; none matches everything.
        pub matching_rules: Vec<EntryVisibilityRule>,
        /// Who sees them.
        pub visibility: EntryVisibility,
    }

    /// A condition; without a selector it matches nothing.
    pub struct EntryVisibilityRule {
        /// Labels of the entry's namespace.
        pub namespace_selector: Option<LabelSelector>,
    }

    /// TLS between workloads, or of everything else.
    pub struct MeshTlsConfig {
        /// Lowest version; AUTO is TLS 1.2.
        pub min_protocol_version: TlsProtocol,
        /// Empty is the proxy's list.
        pub cipher_suites: Vec<String>,
        /// Empty is the proxy's list; not for TLS between workloads.
        pub ecdh_curves: Vec<String>,
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

    /// Who sees the ServiceEntries of a namespace.
    pub enum EntryVisibility {
        /// As their `exportTo` says.
        #[default]
        Public = "PUBLIC",
        /// Their own namespace only.
        Namespace = "NAMESPACE",
        /// Nobody.
        None = "NONE",
    }

    /// Which Ingresses are served.
    pub enum IngressControllerMode {
        /// STRICT.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// None.
        Off = "OFF",
        /// Also those without a class.
        Default = "DEFAULT",
        /// Those of `ingressClass`.
        Strict = "STRICT",
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

    /// True when a provider has the name: one of `extensionProviders`, or one that is always there.
    pub fn has_provider(&self, name: &str) -> bool {
        matches!(name, "prometheus" | "stackdriver" | "envoy")
            || self.extension_providers.iter().any(|provider| provider.name == name)
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
