//! Injected faults (section 4.10 of the reference).

use std::time::Duration;

use crate::error::{BuildError, BuildErrorKind};
use crate::grpc::GrpcStatus;
use crate::percentage::Percentage;

/// The faults of a route: a delay, an abort, or both. They run before CORS and routing (ROUTE-FLT-01).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use mesh_route::{Abort, Fault, Percentage};
///
/// let fault = Fault::new()
///     .delay(Percentage::ALL, Duration::from_secs(2))
///     .abort(Percentage::from_percent(50.0), Abort::http(400)?);
/// let decision = fault.decide(17, 499_999);
/// assert_eq!(decision.delay, Some(Duration::from_secs(2)));
/// assert_eq!(decision.abort.map(|abort| abort.reply(false).http_status), Some(400));
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    delay: Option<(Percentage, Duration)>,
    abort: Option<(Percentage, Abort)>,
}

/// What is to happen to one request. Wait first, then abort or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultDecision<'f> {
    /// How long to hold the request; flag `DI`.
    pub delay: Option<Duration>,
    /// What to answer instead of going on; flag `FI`.
    pub abort: Option<&'f Abort>,
}

impl Fault {
    /// No fault.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds that share of requests for `hold`. A missing percentage is [`Percentage::NONE`] (ROUTE-FLT-02).
    #[must_use]
    pub fn delay(mut self, share: Percentage, hold: Duration) -> Self {
        self.delay = Some((share, hold));
        self
    }

    /// Aborts that share of requests. A missing percentage is [`Percentage::NONE`] (ROUTE-FLT-02).
    #[must_use]
    pub fn abort(mut self, share: Percentage, abort: Abort) -> Self {
        self.abort = Some((share, abort));
        self
    }

    /// Whether no draw can lead to a fault.
    pub fn is_none(&self) -> bool {
        self.delay.is_none_or(|(share, _)| share.is_none())
            && self.abort.as_ref().is_none_or(|(share, _)| share.is_none())
    }

    /// Decides for one request, with a fresh random `u64` for each of the two, which are independent
    /// (ROUTE-FLT-03).
    pub fn decide(&self, delay_draw: u64, abort_draw: u64) -> FaultDecision<'_> {
        FaultDecision {
            delay: self.delay.filter(|(share, _)| share.includes(delay_draw)).map(|(_, hold)| hold),
            abort: self
                .abort
                .as_ref()
                .filter(|(share, _)| share.includes(abort_draw))
                .map(|(_, abort)| abort),
        }
    }
}

/// How a request is aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http(u16),
    Grpc(GrpcStatus),
}

/// The reply to an aborted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbortReply {
    /// The HTTP status.
    pub http_status: u16,
    /// For a gRPC request, its status; [`TEXT`](Self::TEXT) is then the message and there is no body. For
    /// others `TEXT` is the body, as `text/plain`.
    pub grpc_status: Option<GrpcStatus>,
}

impl AbortReply {
    /// The body or message.
    pub const TEXT: &'static str = "fault filter abort";
}

impl Abort {
    /// `abort.httpStatus`.
    ///
    /// # Errors
    /// When the status is not within 200 to 599.
    pub fn http(status: u16) -> Result<Self, BuildError> {
        if (200..600).contains(&status) {
            return Ok(Self(Kind::Http(status)));
        }
        let message = format!("abort status is {status}, must be within 200 to 599");
        Err(BuildError::new(BuildErrorKind::Status, message))
    }

    /// `abort.grpcStatus`.
    pub fn grpc(status: GrpcStatus) -> Self {
        Self(Kind::Grpc(status))
    }

    /// What to answer (ROUTE-FLT-04). `is_grpc` says whether the request's content type is gRPC's.
    pub fn reply(self, is_grpc: bool) -> AbortReply {
        match (self.0, is_grpc) {
            (Kind::Http(http_status), false) => AbortReply { http_status, grpc_status: None },
            (Kind::Http(status), true) => {
                AbortReply { http_status: 200, grpc_status: Some(GrpcStatus::of_local_reply(status)) }
            }
            (Kind::Grpc(status), true) => AbortReply { http_status: 200, grpc_status: Some(status) },
            (Kind::Grpc(_), false) => AbortReply { http_status: 200, grpc_status: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-CASE-71, ROUTE-CASE-72, ROUTE-FLT-02, ROUTE-FLT-03.
    #[test]
    fn worked_cases_71_72_route_flt_02_03() {
        let half = Fault::new().abort(Percentage::from_percent(50.0), Abort::http(500).unwrap());
        assert!(half.decide(0, 499_999).abort.is_some() && half.decide(0, 500_000).abort.is_none());
        let never = Fault::new().abort(Percentage::NONE, Abort::http(500).unwrap());
        assert!(never.is_none() && (0..200).all(|draw| never.decide(draw, draw).abort.is_none()));
        let both = Fault::new()
            .delay(Percentage::from_integer(10), Duration::from_secs(2))
            .abort(Percentage::ALL, Abort::http(400).unwrap());
        assert!(!both.is_none());
        assert_eq!(both.decide(9, 3).delay, Some(Duration::from_secs(2)));
        assert_eq!(both.decide(10, 3).delay, None, "the draws are independent");
        assert!(both.decide(10, 3).abort.is_some());
    }

    // ROUTE-FLT-04.
    #[test]
    fn replies_route_flt_04() {
        let reply = |abort: Abort, is_grpc| {
            let reply = abort.reply(is_grpc);
            (reply.http_status, reply.grpc_status.map(GrpcStatus::code))
        };
        let http = |status| Abort::http(status).unwrap();
        assert_eq!(reply(http(400), false), (400, None));
        assert_eq!(reply(http(500), true), (200, Some(2)));
        assert_eq!(reply(http(503), true), (200, Some(14)));
        let grpc = Abort::grpc(GrpcStatus::from_name("NOT_FOUND").unwrap());
        assert_eq!(reply(grpc, true), (200, Some(5)));
        assert_eq!(reply(grpc, false), (200, None));
        assert!(Abort::http(99).is_err() && Abort::http(600).is_err());
    }
}
