//! Pod.

use crate::macros::spec;

spec! {
    /// A Pod.
    pub struct Pod {
        /// Its `spec`.
        pub spec: PodSpec,
        /// Its `status`.
        pub status: PodStatus,
    }

    /// The part of a Pod's `spec` a data plane reads.
    pub struct PodSpec {
        /// Empty is `default`.
        pub service_account_name: String,
        /// Node it runs on.
        pub node_name: String,
        /// Shares the node's network: not captured.
        pub host_network: bool,
        /// Containers.
        pub containers: Vec<Container>,
    }

    /// A container.
    pub struct Container {
        /// Name.
        pub name: String,
        /// Declared ports.
        pub ports: Vec<ContainerPort>,
    }

    /// A declared port.
    pub struct ContainerPort {
        /// Referred to by a Service's `targetPort`.
        pub name: String,
        /// Number.
        pub container_port: u32,
        /// TCP, UDP or SCTP; empty is TCP.
        pub protocol: String,
    }

    /// The part of a Pod's `status` a data plane reads.
    pub struct PodStatus {
        /// Pending, Running, Succeeded, Failed or Unknown.
        pub phase: String,
        /// First address.
        #[serde(rename = "podIP")]
        pub pod_ip: String,
        /// All addresses.
        #[serde(rename = "podIPs")]
        pub pod_ips: Vec<PodIp>,
        /// Conditions, among them `Ready`.
        pub conditions: Vec<PodCondition>,
    }

    /// One address.
    pub struct PodIp {
        /// The address.
        pub ip: String,
    }

    /// One condition.
    pub struct PodCondition {
        /// Such as `Ready`.
        #[serde(rename = "type")]
        pub condition_type: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
    }
}

impl Pod {
    /// The service account, `default` when none is named.
    pub fn service_account(&self) -> &str {
        match self.spec.service_account_name.as_str() {
            "" => "default",
            name => name,
        }
    }

    /// True when the condition `Ready` is `True`, or when no condition is recorded.
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.condition_type == "Ready")
            .is_none_or(|condition| condition.status == "True")
    }

    /// All addresses, the first one first.
    pub fn ips(&self) -> impl Iterator<Item = &str> {
        let first = self.status.pod_ip.as_str();
        let others = self.status.pod_ips.iter().map(|ip| ip.ip.as_str()).filter(move |ip| *ip != first);
        std::iter::once(first).chain(others).filter(|ip| !ip.is_empty())
    }
}
