//! Connection pools, outlier detection and retries.

use super::Duration;
use crate::macros::{spec, spec_enum};

spec_enum! {
    /// Whether HTTP/1.1 connections are upgraded to HTTP/2.
    pub enum H2UpgradePolicy {
        /// The mesh default.
        #[default]
        Default = "DEFAULT",
        /// Never.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// Always.
        Upgrade = "UPGRADE",
    }
}

spec! {
    /// Limits of the connections to an upstream.
    pub struct ConnectionPoolSettings {
        /// TCP and HTTP upstreams.
        pub tcp: Option<TcpSettings>,
        /// HTTP upstreams.
        pub http: Option<HttpSettings>,
    }

    /// Connection limits of TCP and HTTP upstreams.
    pub struct TcpSettings {
        /// 0 is unlimited.
        pub max_connections: i32,
        /// Absent is the mesh's `connectTimeout`.
        pub connect_timeout: Option<Duration>,
        /// Keep-alive probes; absent leaves them off.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Absent is no limit.
        pub max_connection_duration: Option<Duration>,
        /// Absent is one hour, zero is none.
        pub idle_timeout: Option<Duration>,
    }

    /// Keep-alive probes; zero and absent are the operating system's values.
    pub struct TcpKeepalive {
        /// Unanswered probes before the connection is dead.
        pub probes: u32,
        /// Idle time before the first probe.
        pub time: Option<Duration>,
        /// Time between probes.
        pub interval: Option<Duration>,
    }

    /// Request limits of HTTP upstreams.
    pub struct HttpSettings {
        /// Requests queued for a connection; 0 is unlimited.
        pub http1_max_pending_requests: i32,
        /// Requests in flight; 0 is unlimited.
        pub http2_max_requests: i32,
        /// 0 is unlimited, 1 disables keep-alive.
        pub max_requests_per_connection: i32,
        /// Retries in flight; 0 is unlimited.
        pub max_retries: i32,
        /// Absent is one hour.
        pub idle_timeout: Option<Duration>,
        /// See [`H2UpgradePolicy`].
        pub h2_upgrade_policy: H2UpgradePolicy,
        /// Speak to the upstream what the client speaks.
        pub use_client_protocol: bool,
        /// HTTP/2 streams a connection; 0 is 2³¹−1.
        pub max_concurrent_streams: i32,
        /// HTTP/2 pings.
        pub http2_keep_alive: Option<Http2KeepAlive>,
    }

    /// HTTP/2 pings; both fields are required.
    pub struct Http2KeepAlive {
        /// Time between pings.
        pub interval: Option<Duration>,
        /// Time to wait for the answer.
        pub timeout: Option<Duration>,
    }

    /// When an endpoint that misbehaves is taken out. An empty block is present: it means the defaults.
    pub struct OutlierDetection {
        /// Legacy, ignored by Istio (MODEL-LEG-13).
        pub consecutive_errors: i32,
        /// Count local failures apart.
        pub split_external_local_origin_errors: bool,
        /// Needs the field above; absent is 5.
        pub consecutive_local_origin_failures: Option<u32>,
        /// 502, 503 and 504; absent is off.
        pub consecutive_gateway_errors: Option<u32>,
        /// Absent is 5, zero is off.
        #[serde(rename = "consecutive5xxErrors")]
        pub consecutive_5xx_errors: Option<u32>,
        /// Time between sweeps; absent is 10 s.
        pub interval: Option<Duration>,
        /// Absent is 30 s.
        pub base_ejection_time: Option<Duration>,
        /// Percent; 0 is the default of 10.
        pub max_ejection_percent: i32,
        /// Percent; 0 is off.
        pub min_health_percent: i32,
        /// Status codes that count as errors; empty is 5xx.
        pub outlier_detection_http_error_codes: Vec<u32>,
    }
}

/// When and how often a failed request is tried again.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpRetry {
    /// 0 switches retries off (MODEL-RES-29). Always written: an empty block says the same, but by accident mostly
    /// (MODEL-VS-45).
    pub attempts: i32,
    /// Absent is the route's timeout.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub per_try_timeout: Option<Duration>,
    /// Comma list without blanks; empty is the default list.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub retry_on: String,
    /// Also try endpoints of other localities.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub retry_remote_localities: Option<bool>,
    /// Avoid the hosts already tried; absent is true.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Base interval; absent is 25 ms.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub backoff: Option<Duration>,
}
