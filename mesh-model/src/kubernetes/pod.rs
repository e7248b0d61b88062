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
        /// Defaults of the containers.
        pub security_context: SecurityContext,
        /// Containers that run before the others; with `restartPolicy: Always` they keep running.
        pub init_containers: Vec<Container>,
        /// Containers.
        pub containers: Vec<Container>,
    }

    /// Who the processes of a pod or container run as.
    #[derive(Copy, Eq)]
    pub struct SecurityContext {
        /// Absent is the image's.
        pub run_as_user: Option<i64>,
        /// Absent is the image's.
        pub run_as_group: Option<i64>,
        /// Refuse to start as user 0.
        pub run_as_non_root: Option<bool>,
        /// May do everything.
        pub privileged: Option<bool>,
    }

    /// A container.
    pub struct Container {
        /// Name; the proxy's is `istio-proxy`.
        pub name: String,
        /// Image; `auto` is replaced by the injector.
        pub image: String,
        /// Of an init container: `Always` makes it a sidecar.
        pub restart_policy: String,
        /// Wins over that of the pod.
        pub security_context: SecurityContext,
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
