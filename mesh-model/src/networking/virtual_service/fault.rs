//! Fault injection.

use crate::common::{Duration, Percent};
use crate::macros::spec;

spec! {
    /// Delays and errors injected before forwarding.
    pub struct HttpFaultInjection {
        /// Delay.
        pub delay: Option<Delay>,
        /// Error.
        pub abort: Option<Abort>,
    }

    /// An injected delay.
    pub struct Delay {
        /// Legacy, used when `percentage` is absent (MODEL-LEG-6).
        pub percent: i32,
        /// Time to wait.
        pub fixed_delay: Option<Duration>,
        /// Not supported by Istio.
        pub exponential_delay: Option<Duration>,
        /// Share of requests; absent is none.
        pub percentage: Option<Percent>,
    }

    /// An injected error.
    pub struct Abort {
        /// 200..599.
        pub http_status: Option<i32>,
        /// Name of a gRPC status.
        pub grpc_status: Option<String>,
        /// Not supported by Istio.
        pub http2_error: Option<String>,
        /// Share of requests; absent is none.
        pub percentage: Option<Percent>,
    }
}
