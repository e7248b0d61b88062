//! What the proxy reports about an endpoint.

/// How one attempt, or one step of it, went (LB-OD-10). Every attempt reports to its own endpoint (LB-OD-20).
///
/// Not outcomes, and not to be reported: requests refused by a circuit breaker, requests without an endpoint,
/// clients that went away before a response, responses made by a filter (LB-OD-15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A response with this status. For gRPC, when the response *headers* carry `grpc-status`, the status it
    /// maps to ([`grpc_to_http_status`], LB-OD-14).
    Status(u16),
    /// A connection is ready and a request goes on it, also when the connection was pooled.
    ConnectSuccess,
    /// A connection is ready and no protocol above it will tell more: a TCP proxy.
    ConnectSuccessFinal,
    /// The connection was refused, the endpoint unreachable, or the TLS handshake failed.
    ConnectFailure,
    /// The connection did not come up in time.
    ConnectTimeout,
    /// The response did not come in time: the timeout of the route or of the attempt.
    Timeout,
    /// The endpoint broke the connection off.
    Reset,
    /// A request of another protocol succeeded.
    ExternalSuccess,
    /// A request of another protocol failed.
    ExternalFailure,
}

/// Why an endpoint was ejected (LB-OD-70).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EjectionCause {
    /// Too many server errors in a row.
    Consecutive5xx,
    /// Too many of 502, 503 and 504 in a row.
    ConsecutiveGatewayFailure,
    /// Too many failures to connect in a row, counted apart from responses.
    ConsecutiveLocalOriginFailure,
    /// A success rate far below that of the others.
    SuccessRate,
    /// The same, for connecting.
    LocalOriginSuccessRate,
    /// Too large a share of failures.
    FailurePercentage,
    /// The same, for connecting.
    LocalOriginFailurePercentage,
}

impl EjectionCause {
    /// All causes, in the order of Envoy's list.
    pub const ALL: [Self; 7] = [
        Self::Consecutive5xx,
        Self::ConsecutiveGatewayFailure,
        Self::ConsecutiveLocalOriginFailure,
        Self::SuccessRate,
        Self::LocalOriginSuccessRate,
        Self::FailurePercentage,
        Self::LocalOriginFailurePercentage,
    ];

    /// The position in [`ALL`](Self::ALL).
    pub(super) const fn position(self) -> usize {
        self as usize
    }

    /// The name in Envoy's counters `ejections_enforced_…` and `ejections_detected_…`.
    #[must_use]
    pub const fn stat_name(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            Self::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
            Self::SuccessRate => "success_rate",
            Self::LocalOriginSuccessRate => "local_origin_success_rate",
            Self::FailurePercentage => "failure_percentage",
            Self::LocalOriginFailurePercentage => "local_origin_failure_percentage",
        }
    }
}

/// The HTTP status a gRPC status counts as (LB-OD-14).
#[must_use]
pub const fn grpc_to_http_status(grpc_status: u32) -> u16 {
    match grpc_status {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// What an outcome changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Status(u16),
    /// A local failure under split accounting.
    LocalFailure,
    /// A local success under split accounting.
    LocalSuccess,
    /// Both: a success of the endpoint and of the way to it.
    Success,
}

impl Outcome {
    /// LB-OD-11 without split accounting, LB-OD-17 with.
    pub(super) fn effect(self, split: bool, matcher: Option<&[u16]>) -> Effect {
        match (self, split) {
            (Self::Status(status), _) => Effect::Status(matched(status, matcher)),
            (Self::ConnectSuccess, false) => Effect::Nothing,
            (Self::ConnectSuccess | Self::ConnectSuccessFinal, true) => Effect::LocalSuccess,
            (Self::ConnectSuccessFinal | Self::ExternalSuccess, false) => Effect::Status(200),
            (Self::ExternalSuccess, true) => Effect::Success,
            (Self::ConnectFailure | Self::Reset, false) | (Self::ExternalFailure, true) => {
                Effect::Status(503)
            }
            (Self::ConnectTimeout | Self::Timeout, false) => Effect::Status(504),
            (Self::ExternalFailure, false) => Effect::Status(500),
            (Self::ConnectFailure | Self::ConnectTimeout | Self::Timeout | Self::Reset, true) => {
                Effect::LocalFailure
            }
        }
    }
}

/// LB-OD-16: with a matcher, listed responses are failures and all others are not.
fn matched(status: u16, matcher: Option<&[u16]>) -> u16 {
    match matcher {
        None => status,
        Some(codes) if codes.contains(&status) => status.max(500),
        Some(_) => 200,
    }
}
