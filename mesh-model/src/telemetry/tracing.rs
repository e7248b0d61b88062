//! Traces.

use super::{ProviderRef, WorkloadMode};
use crate::macros::spec;
use std::collections::BTreeMap;

spec! {
    /// How requests are traced.
    pub struct Tracing {
        /// Absent is both sides.
        #[serde(rename = "match")]
        pub matches: Option<TracingSelector>,
        /// Empty inherits, finally `meshConfig.defaultProviders.tracing`. One is used.
        pub providers: Vec<ProviderRef>,
        /// 0..100 in steps of 0.01; absent inherits.
        pub random_sampling_percentage: Option<f64>,
        /// Propagate, but report nothing; absent inherits, finally false.
        pub disable_span_reporting: Option<bool>,
        /// By name of the tag; replaces the wider scope's tags whole.
        pub custom_tags: BTreeMap<String, CustomTag>,
        /// Let the request id carry the sampling decision; absent is true.
        pub use_request_id_for_trace_sampling: Option<bool>,
        /// Tags such as `istio.mesh_id`; absent is true.
        pub enable_istio_tags: Option<bool>,
        /// Pass no trace headers on; absent is false.
        pub disable_context_propagation: Option<bool>,
    }

    /// Which requests.
    #[derive(Copy, Eq)]
    pub struct TracingSelector {
        /// See [`WorkloadMode`].
        pub mode: WorkloadMode,
    }

    /// Where the value of a tag comes from: one of the four.
    pub struct CustomTag {
        /// A fixed text.
        pub literal: Option<LiteralTag>,
        /// A variable of the proxy's environment.
        pub environment: Option<EnvironmentTag>,
        /// A request header.
        pub header: Option<HeaderTag>,
        /// An access log format.
        pub formatter: Option<FormatterTag>,
    }

    /// A fixed text.
    pub struct LiteralTag {
        /// Required.
        pub value: String,
    }

    /// A variable of the proxy's environment.
    pub struct EnvironmentTag {
        /// Required.
        pub name: String,
        /// When the variable is not set.
        pub default_value: String,
    }

    /// A request header.
    pub struct HeaderTag {
        /// Required.
        pub name: String,
        /// When the request has no such header.
        pub default_value: String,
    }

    /// An access log format.
    pub struct FormatterTag {
        /// Required; such as `%REQ(x-id)%`.
        pub value: String,
    }
}
