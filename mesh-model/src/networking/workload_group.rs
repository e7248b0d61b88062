//! WorkloadGroup: what the WorkloadEntries of machines that register themselves have in common.

use super::WorkloadEntry;
use crate::common::StringMap;
use crate::macros::spec;

spec! {
    /// `spec` of a WorkloadGroup.
    pub struct WorkloadGroup {
        /// Put onto the generated entries.
        pub metadata: Option<WorkloadGroupMetadata>,
        /// Required; `address` and `labels` stay empty (MODEL-WG-6).
        pub template: Option<WorkloadEntry>,
        /// How the agent on the machine finds out whether the workload is ready.
        pub probe: Option<ReadinessProbe>,
    }

    /// Labels and annotations of the generated entries.
    pub struct WorkloadGroupMetadata {
        /// Labels.
        pub labels: StringMap,
        /// Annotations.
        pub annotations: StringMap,
    }

    /// A probe by exactly one of four methods.
    pub struct ReadinessProbe {
        /// Wait so long before the first probe; 0.
        pub initial_delay_seconds: i32,
        /// Give up after so long; 0 is 1.
        pub timeout_seconds: i32,
        /// Time between two probes; 0 is 10.
        pub period_seconds: i32,
        /// Ready after so many successes in a row; 0 is 1.
        pub success_threshold: i32,
        /// Not ready after so many failures in a row; 0 is 3.
        pub failure_threshold: i32,
        /// An HTTP request.
        pub http_get: Option<HttpHealthCheck>,
        /// A connection.
        pub tcp_socket: Option<TcpHealthCheck>,
        /// A program.
        pub exec: Option<ExecHealthCheck>,
        /// The health service of gRPC; Istio's admission refuses it (MODEL-WG-4).
        pub grpc: Option<GrpcHealthCheck>,
    }

    /// A GET request that must be answered with 200..399.
    pub struct HttpHealthCheck {
        /// Path and query.
        pub path: String,
        /// 1..65535.
        pub port: u32,
        /// Empty is the machine itself.
        pub host: String,
        /// `HTTP` or `HTTPS`; empty is `HTTP`.
        pub scheme: String,
        /// More headers of the request.
        pub http_headers: Vec<HttpHeader>,
    }

    /// A header of a probe's request.
    pub struct HttpHeader {
        /// Letters, digits and `-`.
        pub name: String,
        /// May be empty.
        pub value: String,
    }

    /// A connection that must be accepted.
    pub struct TcpHealthCheck {
        /// Empty is `localhost`.
        pub host: String,
        /// 1..65535.
        pub port: u32,
    }

    /// A program that must end with 0.
    pub struct ExecHealthCheck {
        /// The program and its arguments; no shell is involved.
        pub command: Vec<String>,
    }

    /// A call of `grpc.health.v1.Health/Check`.
    pub struct GrpcHealthCheck {
        /// 1..65535.
        pub port: u32,
        /// The service asked for; empty is the whole server.
        pub service: String,
    }
}
