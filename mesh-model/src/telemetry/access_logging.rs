//! Access logs.

use super::{ProviderRef, WorkloadMode};
use crate::macros::spec;

spec! {
    /// Where requests are logged.
    pub struct AccessLogging {
        /// Absent is both sides.
        #[serde(rename = "match")]
        pub matches: Option<LogSelector>,
        /// Empty inherits, finally `meshConfig.defaultProviders.accessLogging`.
        pub providers: Vec<ProviderRef>,
        /// Switches logging off or on; absent inherits.
        pub disabled: Option<bool>,
        /// Absent logs every request.
        pub filter: Option<AccessLoggingFilter>,
    }

    /// Which requests.
    #[derive(Copy, Eq)]
    pub struct LogSelector {
        /// See [`WorkloadMode`].
        pub mode: WorkloadMode,
    }

    /// Which of the selected requests.
    pub struct AccessLoggingFilter {
        /// CEL, such as `response.code >= 400`.
        pub expression: String,
    }
}
