//! Extension providers: named services that policies and Telemetry call upon.

use crate::common::{Duration, StringMap, Value};
use crate::macros::spec;

spec! {
    /// A named provider: `name` and one of the others.
    pub struct ExtensionProvider {
        /// Unique.
        pub name: String,
        /// Authorizer over HTTP.
        pub envoy_ext_authz_http: Option<ExtAuthzHttp>,
        /// Authorizer over gRPC.
        pub envoy_ext_authz_grpc: Option<ExtAuthzGrpc>,
        /// Spans to Zipkin.
        pub zipkin: Option<ZipkinProvider>,
        /// Spans to Lightstep; deprecated, its collectors speak OpenTelemetry.
        pub lightstep: Option<LightstepProvider>,
        /// Spans to Datadog.
        pub datadog: Option<ServiceProvider>,
        /// Spans, metrics and logs to Google Cloud.
        pub stackdriver: Option<StackdriverProvider>,
        /// Spans to OpenCensus; deprecated.
        pub opencensus: Option<OpenCensusProvider>,
        /// Spans to SkyWalking.
        pub skywalking: Option<SkyWalkingProvider>,
        /// Spans by OpenTelemetry.
        pub opentelemetry: Option<OpenTelemetryProvider>,
        /// Metrics for Prometheus.
        pub prometheus: Option<PrometheusProvider>,
        /// Access log to a file.
        pub envoy_file_access_log: Option<FileAccessLogProvider>,
        /// Access log of HTTP over gRPC.
        pub envoy_http_als: Option<AccessLogServiceProvider>,
        /// Access log of TCP over gRPC.
        pub envoy_tcp_als: Option<AccessLogServiceProvider>,
        /// Access log by OpenTelemetry.
        pub envoy_otel_als: Option<OtelAccessLogProvider>,
        /// Certificates from another source.
        pub sds: Option<SdsProvider>,
    }

    /// An authorizer over HTTP.
    pub struct ExtAuthzHttp {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Absent is 600 s.
        pub timeout: Option<Duration>,
        /// Put before the path.
        pub path_prefix: String,
        /// Allow when the authorizer cannot be reached.
        pub fail_open: bool,
        /// Choose the route again after headers changed.
        pub clear_route_cache: Option<bool>,
        /// Status when it cannot be reached; empty is 403.
        pub status_on_error: String,
        /// Request headers sent along.
        pub include_request_headers_in_check: Vec<String>,
        /// Legacy form of the field above.
        pub include_headers_in_check: Vec<String>,
        /// Fixed headers sent along.
        pub include_additional_headers_in_check: StringMap,
        /// Send part of the body.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
        /// Copied from the answer to the upstream request.
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Copied from the answer to the client.
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Copied from the answer to the client.
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// An authorizer over gRPC.
    pub struct ExtAuthzGrpc {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Absent is 600 s.
        pub timeout: Option<Duration>,
        /// Allow when the authorizer cannot be reached.
        pub fail_open: bool,
        /// Choose the route again after headers changed.
        pub clear_route_cache: Option<bool>,
        /// Status when it cannot be reached; empty is 403.
        pub status_on_error: String,
        /// Send part of the body.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    }

    /// How much of the body the authorizer sees.
    pub struct ExtAuthzRequestBody {
        /// Bytes.
        pub max_request_bytes: u32,
        /// Send what there is instead of refusing longer bodies.
        pub allow_partial_message: bool,
        /// As bytes, not as text.
        pub pack_as_bytes: bool,
    }

    /// Zipkin.
    pub struct ZipkinProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
        /// Trace ids of 128 bits unless set; 64 bits if set.
        #[serde(rename = "enable64bitTraceId")]
        pub enable_64bit_trace_id: bool,
        /// Empty is `/api/v2/spans`.
        pub path: String,
        /// Empty is `USE_B3`; or `USE_B3_WITH_W3C_PROPAGATION`.
        pub trace_context_option: String,
        /// Absent is 5 s.
        pub timeout: Option<Duration>,
        /// Headers of the requests.
        pub headers: Vec<HttpHeader>,
    }

    /// A header with a fixed value.
    pub struct HttpHeader {
        /// Name.
        pub name: String,
        /// Value.
        pub value: String,
        /// Environment variable of the proxy that holds the value.
        pub env_name: String,
    }

    /// Lightstep.
    pub struct LightstepProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Required.
        pub access_token: String,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
    }

    /// A provider of which only the service is known.
    pub struct ServiceProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
    }

    /// Google Cloud.
    pub struct StackdriverProvider {
        /// Spans to the standard output.
        pub debug: bool,
        /// Attributes a span.
        pub max_number_of_attributes: Option<i64>,
        /// Annotations a span.
        pub max_number_of_annotations: Option<i64>,
        /// Messages a span.
        pub max_number_of_message_events: Option<i64>,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
        /// Labels of the log.
        pub logging: Option<StackdriverLogging>,
    }

    /// Logs of Google Cloud.
    pub struct StackdriverLogging {
        /// Label and the command or expression of its value.
        pub labels: StringMap,
    }

    /// OpenCensus.
    pub struct OpenCensusProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Formats of the trace context, in order.
        pub context: Vec<String>,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
    }

    /// SkyWalking.
    pub struct SkyWalkingProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Token of the collector.
        pub access_token: String,
    }

    /// OpenTelemetry: over HTTP or gRPC, not both.
    pub struct OpenTelemetryProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Longest tag, in bytes; 0 is 256.
        pub max_tag_length: u32,
        /// Over HTTP.
        pub http: Option<OpenTelemetryHttp>,
        /// Over gRPC.
        pub grpc: Option<OpenTelemetryGrpc>,
        /// Where attributes of the resource come from: `environment`, `dynatrace`.
        pub resource_detectors: Option<Value>,
        /// Which attributes name the service.
        pub service_attribute_enrichment: String,
        /// Sampler of Dynatrace.
        pub dynatrace_sampler: Option<Value>,
    }

    /// OpenTelemetry over HTTP.
    pub struct OpenTelemetryHttp {
        /// Path of the requests.
        pub path: String,
        /// Absent is 3 s.
        pub timeout: Option<Duration>,
        /// Headers of the requests.
        pub headers: Vec<HttpHeader>,
    }

    /// OpenTelemetry over gRPC.
    pub struct OpenTelemetryGrpc {
        /// Absent is none.
        pub timeout: Option<Duration>,
        /// Metadata of the calls.
        pub initial_metadata: Vec<HttpHeader>,
    }

    /// Prometheus reads the proxies: there is nothing to set.
    pub struct PrometheusProvider {}

    /// Access log to a file.
    pub struct FileAccessLogProvider {
        /// Such as `/dev/stdout`.
        pub path: String,
        /// Absent is the default line.
        pub log_format: Option<LogFormat>,
        /// Leave out commands without a value.
        pub omit_empty_values: bool,
    }

    /// A line of the log: a text, or the members of a JSON object.
    pub struct LogFormat {
        /// Text with commands.
        pub text: Option<String>,
        /// Members with commands; free-form (MODEL-UNK-3).
        pub labels: Option<Value>,
    }

    /// Access log over gRPC.
    pub struct AccessLogServiceProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Name of the log.
        pub log_name: String,
        /// Filter state to log.
        pub filter_state_objects_to_log: Vec<String>,
        /// Request headers to log.
        pub additional_request_headers_to_log: Vec<String>,
        /// Response headers to log.
        pub additional_response_headers_to_log: Vec<String>,
        /// Response trailers to log.
        pub additional_response_trailers_to_log: Vec<String>,
    }

    /// Access log by OpenTelemetry.
    pub struct OtelAccessLogProvider {
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
        /// Name of the log.
        pub log_name: String,
        /// Body and attributes of a record.
        pub log_format: Option<LogFormat>,
    }

    /// Certificates from another source.
    pub struct SdsProvider {
        /// Name, as in `sds://name`.
        pub name: String,
        /// `ns/host` or host.
        pub service: String,
        /// Port of the service.
        pub port: u32,
    }
}
