//! Why an attempt to reach an endpoint ended without a response.

use std::io;

use crate::telemetry::ResponseFlags;

/// Envoy's reset reasons (`PROXY-LOCAL-01`), as far as HTTP/1.1 can cause them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetReason {
    /// The endpoint refused or cannot be reached.
    RemoteConnectionFailure,
    /// This side could not even try: no local port, no descriptor.
    LocalConnectionFailure,
    ConnectionTimeout,
    ConnectionTermination,
    ProtocolError,
    Overflow,
    /// No attempt was cut by the peer: the request's own body failed.
    LocalReset,
}

impl ResetReason {
    /// As in the body of the local reply.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::RemoteConnectionFailure => "remote connection failure",
            Self::LocalConnectionFailure => "local connection failure",
            Self::ConnectionTimeout => "connection timeout",
            Self::ConnectionTermination => "connection termination",
            Self::ProtocolError => "protocol error",
            Self::Overflow => "overflow",
            Self::LocalReset => "local reset",
        }
    }

    /// `PROXY-LOCAL-03`
    pub(crate) fn flag(self) -> ResponseFlags {
        match self {
            Self::RemoteConnectionFailure | Self::LocalConnectionFailure | Self::ConnectionTimeout => {
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE
            }
            Self::ConnectionTermination => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            Self::ProtocolError => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
            Self::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
            Self::LocalReset => ResponseFlags::LOCAL_RESET,
        }
    }

    /// 502 for a peer that breaks the protocol, else 503 (`PROXY-LOCAL`, table 3.10).
    pub(crate) fn status(self) -> http::StatusCode {
        match self {
            Self::ProtocolError => http::StatusCode::BAD_GATEWAY,
            _ => http::StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn is_connect_failure(self) -> bool {
        matches!(self, Self::RemoteConnectionFailure | Self::LocalConnectionFailure | Self::ConnectionTimeout)
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct UpstreamError {
    pub(crate) reason: ResetReason,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`: the operating system's part of the story.
    pub(crate) transport: Option<Box<str>>,
}

impl UpstreamError {
    pub(crate) fn new(reason: ResetReason) -> Self {
        Self { reason, transport: None }
    }

    /// A connect that failed (`PROXY-LOCAL-02`).
    pub(crate) fn connect(error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {
                ResetReason::LocalConnectionFailure
            }
            io::ErrorKind::TimedOut => ResetReason::ConnectionTimeout,
            _ => ResetReason::RemoteConnectionFailure,
        };
        let transport = error.raw_os_error().map(|errno| format!("delayed connect error: {errno}").into());
        Self { reason, transport }
    }

    /// An exchange that broke after the connection stood.
    pub(crate) fn exchange(error: &hyper::Error) -> Self {
        let reason = if error.is_parse() || error.is_parse_too_large() {
            ResetReason::ProtocolError
        } else if error.is_user() {
            ResetReason::LocalReset
        } else {
            ResetReason::ConnectionTermination
        };
        Self::new(reason)
    }

    /// `upstream_reset_before_response_started{…}`: spaces become underscores (`PROXY-LOCAL-02`).
    pub(crate) fn details(&self) -> String {
        let mut details = format!("upstream_reset_before_response_started{{{}", self.reason.text());
        if let Some(transport) = &self.transport {
            details.push('|');
            details.push_str(transport);
        }
        details.push('}');
        details.replace(' ', "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-LOCAL-02, PROXY-LOCAL-03
    #[test]
    fn a_refused_connect_is_reported_as_envoy_reports_it() {
        let error = UpstreamError::connect(&io::Error::from_raw_os_error(111));
        assert_eq!(
            error.details(),
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}"
        );
        assert_eq!(error.reason.flag(), ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
        assert_eq!(error.reason.status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.reason.is_connect_failure());
    }
}
