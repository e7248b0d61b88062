//! ProxyConfig: settings of proxies that take effect when their pod starts.

use crate::common::{PolicySelector, StringMap};
use crate::macros::spec;

spec! {
    /// `spec` of a ProxyConfig, the resource; not `defaultConfig` of the mesh configuration, which has more fields.
    ///
    /// At each level (mesh, namespace, workload) the oldest object counts alone; the levels are laid over one another
    /// field by field, environment variables by name.
    pub struct ProxyConfig {
        /// Absent is the namespace, or the mesh in the root namespace; without labels it is never applied
        /// (MODEL-PC-2).
        pub selector: Option<PolicySelector>,
        /// Worker threads; 0 is one per core, absent follows the CPU limit.
        pub concurrency: Option<i32>,
        /// Of the proxy's container; `ISTIO_META_*` become metadata of the proxy.
        pub environment_variables: StringMap,
        /// The proxy's image.
        pub image: Option<ProxyImage>,
    }

    /// Which build of the proxy runs.
    pub struct ProxyImage {
        /// `default`, `debug` or `distroless`; empty is `default`.
        pub image_type: String,
    }
}
