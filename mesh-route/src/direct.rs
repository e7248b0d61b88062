//! Direct responses (section 4.4 of the reference).

use crate::error::{BuildError, BuildErrorKind};

/// A response the proxy makes itself.
///
/// Response header edits of the route apply to it. A 3xx status also gets the `location` of a redirect that
/// changes nothing; HEAD gets the headers only; a gRPC request gets HTTP 200 with
/// [`GrpcStatus::of_local_reply`](crate::GrpcStatus::of_local_reply) and the body as message (ROUTE-DIR-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectResponse {
    status: u16,
    body: Box<[u8]>,
}

impl DirectResponse {
    /// The most bytes a body may have.
    pub const MAX_BODY: usize = 1 << 20;

    /// A response with that status and body (ROUTE-DIR-01).
    ///
    /// # Errors
    /// When the status is not within 200 to 599, or the body is over [`MAX_BODY`](Self::MAX_BODY).
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Result<Self, BuildError> {
        if !(200..600).contains(&status) {
            let message = format!("direct response status is {status}, must be within 200 to 599");
            return Err(BuildError::new(BuildErrorKind::Status, message));
        }
        let body: Vec<u8> = body.into();
        if body.len() > Self::MAX_BODY {
            let message =
                format!("direct response body has {} bytes, at most {} allowed", body.len(), Self::MAX_BODY);
            return Err(BuildError::new(BuildErrorKind::BodyTooLarge, message));
        }
        Ok(Self { status, body: body.into() })
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The content type to send unless a header edit says otherwise: none without a body.
    pub fn content_type(&self) -> Option<&'static str> {
        (!self.body.is_empty()).then_some("text/plain")
    }

    /// Whether a `location` header belongs to it, computed like [`Redirect`](crate::Redirect)'s with nothing
    /// overridden.
    pub fn has_location(&self) -> bool {
        (300..400).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-DIR-01.
    #[test]
    fn bounds_route_dir_01() {
        assert!(DirectResponse::new(200, "").is_ok_and(|response| response.content_type().is_none()));
        assert!(
            DirectResponse::new(599, "x").is_ok_and(|response| response.content_type() == Some("text/plain"))
        );
        assert!(DirectResponse::new(301, "").is_ok_and(|response| response.has_location()));
        for status in [0, 199, 600, u16::MAX] {
            assert_eq!(DirectResponse::new(status, "").map_err(|e| e.kind()), Err(BuildErrorKind::Status));
        }
        assert!(DirectResponse::new(200, vec![0; 1 << 20]).is_ok());
        let error = DirectResponse::new(200, vec![0; (1 << 20) + 1]).unwrap_err();
        assert_eq!(error.to_string(), "direct response body has 1048577 bytes, at most 1048576 allowed");
    }
}
