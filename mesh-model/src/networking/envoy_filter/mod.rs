//! EnvoyFilter: changes to the configuration that Istio generates for Envoy.
//!
//! Patches are kept as they are written and not applied: what they change is Envoy's own configuration.

mod legacy;
mod matching;
pub(crate) mod names;

pub use legacy::{
    LegacyFilter, LegacyFilterType, LegacyInsertIndex, LegacyInsertPosition, LegacyListenerMatch,
    LegacyListenerProtocol, LegacyListenerType,
};
pub use matching::{
    ClusterMatch, FilterChainMatch, FilterMatch, ListenerMatch, PatchContext, PatchMatch, ProxyMatch,
    RouteAction, RouteConfigurationMatch, RouteMatch, SubFilterMatch, VirtualHostMatch, WaypointFilterMatch,
    WaypointMatch, WaypointRouteMatch,
};

use crate::common::{StringMap, TargetRef, Value, WorkloadSelector};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of an EnvoyFilter.
    pub struct EnvoyFilter {
        /// Absent is all workloads of the namespace, or of the mesh in the root namespace.
        pub workload_selector: Option<WorkloadSelector>,
        /// Gateways and waypoints by name; excludes `workloadSelector`.
        pub target_refs: Vec<TargetRef>,
        /// Lower is applied first.
        pub priority: i32,
        /// The changes, in order.
        pub config_patches: Vec<ConfigPatch>,
        /// Istio 0.8, ignored by later ones (MODEL-LEG-19); see [`EnvoyFilter::modern`].
        pub workload_labels: StringMap,
        /// Istio 0.8, ignored by later ones (MODEL-LEG-19); see [`EnvoyFilter::modern`].
        pub filters: Vec<LegacyFilter>,
    }

    /// One change: what of, where, how.
    pub struct ConfigPatch {
        /// Required.
        pub apply_to: ApplyTo,
        /// Absent matches every object of the kind.
        #[serde(rename = "match")]
        pub matches: Option<PatchMatch>,
        /// Required.
        pub patch: Option<Patch>,
    }

    /// The change itself.
    pub struct Patch {
        /// Required.
        pub operation: PatchOperation,
        /// Envoy's message in JSON; required unless the operation is REMOVE. Not checked for unknown fields
        /// (MODEL-UNK-3).
        pub value: Option<Value>,
        /// Where among the filters, with ADD.
        pub filter_class: FilterClass,
    }
}

spec_enum! {
    /// The kind of object that is changed.
    pub enum ApplyTo {
        /// Not given.
        #[default]
        Invalid = "INVALID",
        /// A listener.
        Listener = "LISTENER",
        /// A chain of a listener.
        FilterChain = "FILTER_CHAIN",
        /// A filter of a chain.
        NetworkFilter = "NETWORK_FILTER",
        /// A filter of an HTTP connection manager.
        HttpFilter = "HTTP_FILTER",
        /// A route configuration.
        RouteConfiguration = "ROUTE_CONFIGURATION",
        /// A virtual host of a route configuration.
        VirtualHost = "VIRTUAL_HOST",
        /// A route of a virtual host.
        HttpRoute = "HTTP_ROUTE",
        /// A cluster.
        Cluster = "CLUSTER",
        /// A configuration that filters fetch by name.
        ExtensionConfig = "EXTENSION_CONFIG",
        /// The bootstrap; deprecated.
        Bootstrap = "BOOTSTRAP",
        /// A filter that sees a connection before its chain is chosen.
        ListenerFilter = "LISTENER_FILTER",
    }

    /// How an object is changed.
    pub enum PatchOperation {
        /// Not given.
        #[default]
        Invalid = "INVALID",
        /// Merges `value` into the object.
        Merge = "MERGE",
        /// Adds `value` at the end.
        Add = "ADD",
        /// Removes the object.
        Remove = "REMOVE",
        /// Inserts `value` before the object.
        InsertBefore = "INSERT_BEFORE",
        /// Inserts `value` behind the object.
        InsertAfter = "INSERT_AFTER",
        /// Inserts `value` at the front.
        InsertFirst = "INSERT_FIRST",
        /// Puts `value` in the object's place.
        Replace = "REPLACE",
        /// Merges `value`, whose lists replace those of the object.
        MergeAndReplaceList = "MERGE_AND_REPLACE_LIST",
    }

    /// Which of Istio's own filters an added one stands beside.
    pub enum FilterClass {
        /// At the end.
        #[default]
        Unspecified = "UNSPECIFIED",
        /// Behind authentication.
        Authn = "AUTHN",
        /// Behind authorization.
        Authz = "AUTHZ",
        /// Before the metrics.
        Stats = "STATS",
    }
}
