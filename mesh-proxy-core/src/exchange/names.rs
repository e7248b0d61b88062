//! Header names and values that the proxy writes or reads.

use http::{HeaderName, HeaderValue};

macro_rules! names {
    ($($name:ident = $text:literal;)*) => {
        $(pub(crate) const $name: HeaderName = HeaderName::from_static($text);)*
    };
}

names! {
    X_FORWARDED_FOR = "x-forwarded-for";
    X_FORWARDED_PROTO = "x-forwarded-proto";
    X_REQUEST_ID = "x-request-id";
    X_ENVOY_ATTEMPT_COUNT = "x-envoy-attempt-count";
    X_ENVOY_EXPECTED_TIMEOUT = "x-envoy-expected-rq-timeout-ms";
    X_ENVOY_EXTERNAL_ADDRESS = "x-envoy-external-address";
    X_ENVOY_INTERNAL = "x-envoy-internal";
    X_ENVOY_ORIGINAL_HOST = "x-envoy-original-host";
    X_ENVOY_ORIGINAL_PATH = "x-envoy-original-path";
    X_ENVOY_OVERLOADED = "x-envoy-overloaded";
    X_ENVOY_RATELIMITED = "x-envoy-ratelimited";
    X_ENVOY_UPSTREAM_SERVICE_TIME = "x-envoy-upstream-service-time";
    GRPC_STATUS = "grpc-status";
    GRPC_MESSAGE = "grpc-message";
    GRPC_TIMEOUT = "grpc-timeout";
}

/// A number as a header value; small ones, which are nearly all, cost no allocation.
pub(crate) fn number(value: u64) -> HeaderValue {
    static SMALL: [HeaderValue; 16] = [
        HeaderValue::from_static("0"),
        HeaderValue::from_static("1"),
        HeaderValue::from_static("2"),
        HeaderValue::from_static("3"),
        HeaderValue::from_static("4"),
        HeaderValue::from_static("5"),
        HeaderValue::from_static("6"),
        HeaderValue::from_static("7"),
        HeaderValue::from_static("8"),
        HeaderValue::from_static("9"),
        HeaderValue::from_static("10"),
        HeaderValue::from_static("11"),
        HeaderValue::from_static("12"),
        HeaderValue::from_static("13"),
        HeaderValue::from_static("14"),
        HeaderValue::from_static("15"),
    ];
    usize::try_from(value)
        .ok()
        .and_then(|at| SMALL.get(at))
        .cloned()
        .unwrap_or_else(|| HeaderValue::from(value))
}
