//! Endpoints.

use super::endpoint_slice::{EndpointPort, ObjectReference};
use crate::macros::spec;

spec! {
    /// The endpoints of the Service of the same name; used only when it has no EndpointSlice.
    pub struct Endpoints {
        /// Addresses and the ports that all of them serve.
        pub subsets: Vec<EndpointSubset>,
    }

    /// Addresses with the same ports.
    pub struct EndpointSubset {
        /// The ready ones.
        pub addresses: Vec<EndpointAddress>,
        /// The others.
        pub not_ready_addresses: Vec<EndpointAddress>,
        /// Ports; they join the Service's ports by name.
        pub ports: Vec<EndpointPort>,
    }

    /// One address.
    pub struct EndpointAddress {
        /// The address.
        pub ip: String,
        /// Host name, for headless services.
        pub hostname: String,
        /// Node it runs on.
        pub node_name: String,
        /// The pod.
        pub target_ref: Option<ObjectReference>,
    }
}
