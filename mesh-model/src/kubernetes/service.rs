//! Service.

use crate::common::{Protocol, StringMap};
use crate::macros::{spec, spec_enum};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

spec! {
    /// A Service.
    pub struct Service {
        /// Its `spec`.
        pub spec: ServiceSpec,
        /// Its `status`.
        pub status: ServiceStatus,
    }

    /// The part of a Service's `status` a data plane reads.
    pub struct ServiceStatus {
        /// See [`LoadBalancerStatus`].
        pub load_balancer: LoadBalancerStatus,
        /// What controllers say of it.
        pub conditions: Vec<ServiceCondition>,
    }

    /// What a controller says of a Service.
    pub struct ServiceCondition {
        /// Such as `istio.io/WaypointBound`.
        #[serde(rename = "type")]
        pub condition_type: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
        /// One word.
        pub reason: String,
        /// A sentence.
        pub message: String,
    }

    /// Where a service of type LoadBalancer is reached from outside.
    pub struct LoadBalancerStatus {
        /// Its addresses and names.
        pub ingress: Vec<LoadBalancerIngress>,
    }

    /// An address or a name.
    pub struct LoadBalancerIngress {
        /// Address.
        pub ip: String,
        /// Name.
        pub hostname: String,
    }

    /// `spec` of a Service.
    pub struct ServiceSpec {
        /// See [`ServiceType`].
        #[serde(rename = "type")]
        pub service_type: ServiceType,
        /// `None` is headless.
        #[serde(rename = "clusterIP")]
        pub cluster_ip: String,
        /// All virtual IPs, the first being `clusterIP`.
        #[serde(rename = "clusterIPs")]
        pub cluster_ips: Vec<String>,
        /// With ExternalName: what the host is an alias of.
        pub external_name: String,
        /// Labels of the pods; empty selects nothing.
        pub selector: StringMap,
        /// Ports.
        pub ports: Vec<ServicePort>,
        /// `Cluster` or `Local`.
        pub internal_traffic_policy: String,
        /// `PreferClose`, `PreferSameZone` or `PreferSameNode`.
        pub traffic_distribution: String,
        /// Endpoints that are not ready count as ready.
        pub publish_not_ready_addresses: bool,
        /// More addresses.
        #[serde(rename = "externalIPs")]
        pub external_ips: Vec<String>,
    }

    /// A port of a Service.
    pub struct ServicePort {
        /// Required when there are several ports.
        pub name: String,
        /// Required.
        pub port: u32,
        /// TCP, UDP or SCTP; empty is TCP.
        pub protocol: String,
        /// What the port speaks; beats the name.
        pub app_protocol: Option<String>,
        /// Port of the pods, by number or name; absent is `port`.
        pub target_port: Option<IntOrString>,
        /// With NodePort and LoadBalancer.
        pub node_port: u32,
    }
}

impl ServiceSpec {
    /// True when there is no virtual IP and clients see the endpoints.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip == "None"
    }
}

impl ServicePort {
    /// What the port speaks (MODEL-PROTO-1 to 3).
    pub fn istio_protocol(&self) -> Protocol {
        Protocol::of_service_port(&self.name, &self.protocol, self.app_protocol.as_deref(), self.port)
    }
}

spec_enum! {
    /// Kind of Service.
    pub enum ServiceType {
        /// Virtual IP inside the cluster.
        #[default]
        ClusterIp = "ClusterIP",
        /// Also on every node.
        NodePort = "NodePort",
        /// Also through a load balancer.
        LoadBalancer = "LoadBalancer",
        /// An alias.
        ExternalName = "ExternalName",
    }
}

/// A number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntOrString {
    /// A number.
    Int(u32),
    /// A name.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_u32(*value),
            Self::String(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = IntOrString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port number or name")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<IntOrString, E> {
                u32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::custom("the port number is too large"))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<IntOrString, E> {
                u32::try_from(value).map(IntOrString::Int).map_err(|_| E::custom("not a port number"))
            }
            fn visit_str<E>(self, text: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
