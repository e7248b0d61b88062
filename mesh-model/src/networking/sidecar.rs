//! Sidecar: what a sidecar proxy listens on and what it may reach.

use super::virtual_service::Destination;
use crate::common::{ConnectionPoolSettings, ServerTlsSettings, WorkloadSelector};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a Sidecar.
    pub struct Sidecar {
        /// Absent is all workloads of the namespace.
        pub workload_selector: Option<WorkloadSelector>,
        /// Empty is derived from the services.
        pub ingress: Vec<IstioIngressListener>,
        /// Empty is one listener for `*/*`.
        pub egress: Vec<IstioEgressListener>,
        /// Default of the ingress listeners.
        pub inbound_connection_pool: Option<ConnectionPoolSettings>,
        /// Absent inherits the mesh.
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    }

    /// An inbound port.
    pub struct IstioIngressListener {
        /// Required.
        pub port: Option<SidecarPort>,
        /// IP.
        pub bind: String,
        /// See [`CaptureMode`].
        pub capture_mode: CaptureMode,
        /// Where the application listens; empty is the same port.
        pub default_endpoint: String,
        /// Terminate TLS here.
        pub tls: Option<ServerTlsSettings>,
        /// Limits of this listener.
        pub connection_pool: Option<ConnectionPoolSettings>,
    }

    /// An outbound port, or all of them.
    pub struct IstioEgressListener {
        /// Absent is every other port.
        pub port: Option<SidecarPort>,
        /// IP or `unix://` path.
        pub bind: String,
        /// See [`CaptureMode`].
        pub capture_mode: CaptureMode,
        /// `ns/dnsName`.
        pub hosts: Vec<String>,
    }

    /// A port of a listener.
    pub struct SidecarPort {
        /// 0 only with a `unix://` bind.
        pub number: u32,
        /// Empty is detected.
        pub protocol: String,
        /// A DNS label.
        pub name: String,
        /// Not used.
        pub target_port: u32,
    }
}

/// What happens to traffic for unknown destinations.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OutboundTrafficPolicy {
    /// An empty block is REGISTRY_ONLY. Always written: an empty block is worth a warning (MODEL-SCAR-16).
    pub mode: OutboundTrafficPolicyMode,
    /// Not honoured by Istio.
    #[serde(skip_serializing_if = "crate::macros::is_default")]
    pub egress_proxy: Option<Destination>,
}

spec_enum! {
    /// How traffic reaches a listener.
    pub enum CaptureMode {
        /// As the environment says.
        #[default]
        Default = "DEFAULT",
        /// Redirected.
        Iptables = "IPTABLES",
        /// Addressed to the listener itself.
        None = "NONE",
    }

    /// Treatment of unknown destinations.
    pub enum OutboundTrafficPolicyMode {
        /// Refuse.
        #[default]
        RegistryOnly = "REGISTRY_ONLY",
        /// Pass on.
        AllowAny = "ALLOW_ANY",
        /// Mesh configuration only.
        AllowAnyDynamicDns = "ALLOW_ANY_DYNAMIC_DNS",
    }
}
