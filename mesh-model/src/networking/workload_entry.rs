//! WorkloadEntry: one endpoint outside Kubernetes; also inline in a ServiceEntry.

use crate::common::StringMap;
use crate::macros::spec;
use std::collections::BTreeMap;

spec! {
    /// `spec` of a WorkloadEntry, and an element of `ServiceEntry.endpoints`.
    pub struct WorkloadEntry {
        /// IP, DNS name, `unix:///path` or `unix://@abstract`.
        pub address: String,
        /// By port *name* of the service.
        pub ports: BTreeMap<String, u32>,
        /// For subsets and selectors.
        pub labels: StringMap,
        /// Network id.
        pub network: String,
        /// `region/zone/subzone`.
        pub locality: String,
        /// Against the other endpoints; absent or 0 is 1.
        pub weight: Option<u32>,
        /// Identity.
        pub service_account: String,
    }
}
