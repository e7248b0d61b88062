//! gRPC facts that routing needs.

use crate::error::{BuildError, BuildErrorKind};

/// Whether a `content-type` makes a request a gRPC request: `application/grpc`, alone or followed by `+`.
///
/// `application/grpc-web` is not gRPC.
pub fn is_grpc_content_type(value: &[u8]) -> bool {
    value.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// A gRPC status.
///
/// # Examples
/// ```
/// use mesh_route::GrpcStatus;
///
/// assert_eq!(GrpcStatus::from_name("UNAVAILABLE")?.code(), 14);
/// assert_eq!(GrpcStatus::of_local_reply(404).code(), 12);
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrpcStatus(u32);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl GrpcStatus {
    /// The status of that number; also numbers without a name.
    pub fn new(code: u32) -> Self {
        Self(code)
    }

    /// The status of that name, as `abort.grpcStatus` writes it.
    ///
    /// # Errors
    /// When there is no such name.
    pub fn from_name(name: &str) -> Result<Self, BuildError> {
        (0..).zip(NAMES).find(|(_, known)| *known == name).map(|(code, _)| Self(code)).ok_or_else(|| {
            let message = format!("`{name}` is no gRPC status, write a name such as `UNAVAILABLE`");
            BuildError::new(BuildErrorKind::GrpcStatus, message)
        })
    }

    /// What a gRPC client sees in place of a reply the proxy itself makes: HTTP 200 and this status
    /// (ROUTE-ERR-04).
    pub fn of_local_reply(http_status: u16) -> Self {
        Self(match http_status {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        })
    }

    /// The number.
    pub fn code(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-ERR-04.
    #[test]
    fn local_replies_route_err_04() {
        for (http, grpc) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (429, 14),
            (502, 14),
            (503, 14),
            (504, 14),
            (500, 2),
            (301, 2),
            (200, 2),
        ] {
            assert_eq!(GrpcStatus::of_local_reply(http).code(), grpc, "{http}");
        }
    }

    #[test]
    fn names_and_content_types() {
        assert_eq!(GrpcStatus::from_name("UNAUTHENTICATED").map(GrpcStatus::code), Ok(16));
        let error = GrpcStatus::from_name("unavailable").unwrap_err();
        assert_eq!(error.to_string(), "`unavailable` is no gRPC status, write a name such as `UNAVAILABLE`");
        assert!(is_grpc_content_type(b"application/grpc") && is_grpc_content_type(b"application/grpc+proto"));
        assert!(!is_grpc_content_type(b"application/grpc-web") && !is_grpc_content_type(b"application/json"));
    }
}
