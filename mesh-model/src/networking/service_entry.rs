//! ServiceEntry: a service the registry does not know.

use super::workload_entry::WorkloadEntry;
use crate::common::{StringMap, WorkloadSelector};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a ServiceEntry.
    pub struct ServiceEntry {
        /// 1..256; not `*`.
        pub hosts: Vec<String>,
        /// Virtual IPs or CIDRs.
        pub addresses: Vec<String>,
        /// At most 256.
        pub ports: Vec<ServicePort>,
        /// See [`Location`].
        pub location: Location,
        /// See [`Resolution`].
        pub resolution: Resolution,
        /// Excludes `workloadSelector`.
        pub endpoints: Vec<WorkloadEntry>,
        /// Pods and WorkloadEntries of the same namespace.
        pub workload_selector: Option<WorkloadSelector>,
        /// Namespaces that see it; `~` is nobody; empty is the mesh default.
        pub export_to: Vec<String>,
        /// Identities of the servers.
        pub subject_alt_names: Vec<String>,
    }

    /// A port of the service.
    pub struct ServicePort {
        /// 1..65535.
        pub number: u32,
        /// Empty is detected; the name's prefix is not consulted.
        pub protocol: String,
        /// Unique.
        pub name: String,
        /// Port of the endpoints; 0 is `number`.
        pub target_port: u32,
    }
}

spec_enum! {
    /// Whether the service is part of the mesh.
    pub enum Location {
        /// Outside.
        #[default]
        MeshExternal = "MESH_EXTERNAL",
        /// Inside.
        MeshInternal = "MESH_INTERNAL",
    }

    /// How endpoints are found (MODEL-RES-36).
    pub enum Resolution {
        /// Forward to the address the client chose.
        #[default]
        None = "NONE",
        /// The endpoints given or selected.
        Static = "STATIC",
        /// Resolve names, use all addresses.
        Dns = "DNS",
        /// Resolve a name, use one address at a time.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// Resolve the host of each request.
        DynamicDns = "DYNAMIC_DNS",
    }
}

impl ServiceEntry {
    /// True when istiod allocates addresses for an entry with these labels, unless the feature is off (MODEL-SE-6).
    /// Where it does not, it takes no notice of addresses in the status either.
    pub(crate) fn allocates_addresses(&self, labels: &StringMap) -> bool {
        let opted_out = labels
            .get("networking.istio.io/enable-autoallocate-ip")
            .is_some_and(|value| value.eq_ignore_ascii_case("false"));
        self.addresses.is_empty() && self.resolution != Resolution::None && !opted_out
    }
}
