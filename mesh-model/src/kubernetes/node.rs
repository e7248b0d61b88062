//! Node.

use crate::macros::spec;

spec! {
    /// A Node: its labels tell the locality of what runs on it.
    pub struct Node {
        /// Its `status`.
        pub status: NodeStatus,
    }

    /// The part of a Node's `status` a data plane reads.
    pub struct NodeStatus {
        /// Addresses, which NodePort gateways are reached at.
        pub addresses: Vec<NodeAddress>,
    }

    /// One address of a Node.
    pub struct NodeAddress {
        /// `Hostname`, `InternalIP` or `ExternalIP`.
        #[serde(rename = "type")]
        pub address_type: String,
        /// The address.
        pub address: String,
    }
}
