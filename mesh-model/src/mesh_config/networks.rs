//! MeshNetworks: which endpoints share a network, and how to reach those of another.

use crate::macros::spec;
use std::collections::BTreeMap;

spec! {
    /// The networks of a mesh: the key `meshNetworks` of the ConfigMap `istio`.
    pub struct MeshNetworks {
        /// By name.
        pub networks: BTreeMap<String, Network>,
    }

    /// One network.
    pub struct Network {
        /// Which endpoints are in it.
        pub endpoints: Vec<NetworkEndpoints>,
        /// How other networks reach them.
        pub gateways: Vec<NetworkGateway>,
    }

    /// Endpoints of a network: one of the two fields.
    pub struct NetworkEndpoints {
        /// Those with an address in this range.
        pub from_cidr: Option<String>,
        /// Those of this cluster.
        pub from_registry: Option<String>,
    }

    /// A gateway of a network: a service or an address.
    pub struct NetworkGateway {
        /// Full name of the gateway's service.
        pub registry_service_name: Option<String>,
        /// Address, or name if Istio is set to resolve it.
        pub address: Option<String>,
        /// Port.
        pub port: u32,
        /// `region/zone/subzone` of the gateway.
        pub locality: String,
    }
}
