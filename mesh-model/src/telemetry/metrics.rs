//! Metrics.

use super::{ProviderRef, WorkloadMode};
use crate::common::Duration;
use crate::macros::{spec, spec_enum};
use std::collections::BTreeMap;

spec! {
    /// Which metrics are given to which providers.
    pub struct Metrics {
        /// Empty inherits, finally `meshConfig.defaultProviders.metrics`.
        pub providers: Vec<ProviderRef>,
        /// What differs from the defaults, in order.
        pub overrides: Vec<MetricsOverrides>,
        /// Of TCP metrics while a connection lasts; absent is 5 s.
        pub reporting_interval: Option<Duration>,
    }

    /// What differs for some metrics.
    pub struct MetricsOverrides {
        /// Absent is every metric on both sides.
        #[serde(rename = "match")]
        pub matches: Option<MetricSelector>,
        /// Switches the metric off or on; absent inherits.
        pub disabled: Option<bool>,
        /// By name of the tag.
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }

    /// Which metrics: `metric` or `customMetric`.
    pub struct MetricSelector {
        /// One of Istio's.
        pub metric: Option<IstioMetric>,
        /// Any other, by its name at the provider.
        pub custom_metric: Option<String>,
        /// See [`WorkloadMode`].
        pub mode: WorkloadMode,
    }

    /// What becomes of a tag.
    pub struct TagOverride {
        /// See [`TagOverrideOperation`].
        pub operation: TagOverrideOperation,
        /// CEL; with UPSERT only.
        pub value: String,
    }
}

spec_enum! {
    /// Istio's metrics.
    pub enum IstioMetric {
        /// Every one.
        #[default]
        AllMetrics = "ALL_METRICS",
        /// `istio_requests_total`
        RequestCount = "REQUEST_COUNT",
        /// `istio_request_duration_milliseconds`
        RequestDuration = "REQUEST_DURATION",
        /// `istio_request_bytes`
        RequestSize = "REQUEST_SIZE",
        /// `istio_response_bytes`
        ResponseSize = "RESPONSE_SIZE",
        /// `istio_tcp_connections_opened_total`
        TcpOpenedConnections = "TCP_OPENED_CONNECTIONS",
        /// `istio_tcp_connections_closed_total`
        TcpClosedConnections = "TCP_CLOSED_CONNECTIONS",
        /// `istio_tcp_sent_bytes_total`
        TcpSentBytes = "TCP_SENT_BYTES",
        /// `istio_tcp_received_bytes_total`
        TcpReceivedBytes = "TCP_RECEIVED_BYTES",
        /// `istio_request_messages_total`
        GrpcRequestMessages = "GRPC_REQUEST_MESSAGES",
        /// `istio_response_messages_total`
        GrpcResponseMessages = "GRPC_RESPONSE_MESSAGES",
    }

    /// What becomes of a tag.
    pub enum TagOverrideOperation {
        /// Set it, whether it exists or not.
        #[default]
        Upsert = "UPSERT",
        /// Leave it out.
        Remove = "REMOVE",
    }
}
