//! The kind of the group `telemetry.istio.io`: what is traced, counted and logged.

mod access_logging;
mod metrics;
mod tracing;

#[cfg(test)]
mod tests;

pub use access_logging::{AccessLogging, AccessLoggingFilter, LogSelector};
pub use metrics::{
    IstioMetric, MetricSelector, Metrics, MetricsOverrides, TagOverride, TagOverrideOperation,
};
pub use tracing::{CustomTag, EnvironmentTag, FormatterTag, HeaderTag, LiteralTag, Tracing, TracingSelector};

use crate::common::{PolicySelector, TargetRef};
use crate::macros::{spec, spec_enum};

spec! {
    /// `spec` of a Telemetry.
    ///
    /// The mesh's, the namespace's and the workload's are laid over each other field by field (MODEL-RES-30).
    pub struct Telemetry {
        /// Absent is the whole namespace, or the mesh in the root namespace.
        pub selector: Option<PolicySelector>,
        /// Older singular form.
        pub target_ref: Option<TargetRef>,
        /// Attach by name; excludes `selector`.
        pub target_refs: Vec<TargetRef>,
        /// Only the first is used.
        pub tracing: Vec<Tracing>,
        /// Metrics.
        pub metrics: Vec<Metrics>,
        /// Access logs.
        pub access_logging: Vec<AccessLogging>,
    }

    /// A provider, by its name in the mesh configuration.
    pub struct ProviderRef {
        /// Required; one of `meshConfig.extensionProviders`.
        pub name: String,
    }
}

spec_enum! {
    /// On which side of a connection something is observed.
    pub enum WorkloadMode {
        /// Both.
        #[default]
        ClientAndServer = "CLIENT_AND_SERVER",
        /// Outbound traffic.
        Client = "CLIENT",
        /// Inbound traffic.
        Server = "SERVER",
    }
}
