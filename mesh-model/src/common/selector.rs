//! Which workloads or services an object speaks about.

use super::StringMap;
use crate::macros::spec;

spec! {
    /// `workloadSelector` of the networking kinds: pods of the same namespace that carry all labels.
    ///
    /// No labels means every workload of the namespace (MODEL-RES-30).
    pub struct WorkloadSelector {
        /// All of these must be present on the workload.
        pub labels: StringMap,
    }

    /// `selector` of the security kinds, and `workloadSelector` of a DestinationRule.
    ///
    /// No labels means every workload of the namespace (MODEL-RES-30).
    pub struct PolicySelector {
        /// All of these must be present on the workload.
        pub match_labels: StringMap,
    }

    /// Attaches a policy to a named object instead of to labels.
    pub struct TargetRef {
        /// API group; empty or `core` is the core group.
        pub group: String,
        /// Service, ServiceEntry, Gateway or GatewayClass.
        pub kind: String,
        /// Name of the target.
        pub name: String,
        /// Must be empty: a target is always in the policy's namespace.
        pub namespace: String,
    }
}
