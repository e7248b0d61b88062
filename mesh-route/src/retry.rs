//! When to try again, and how long to wait before (section 4.9 of the reference).

use std::time::Duration;

/// A retry policy: data, a decision and a wait. Clock and random draws are the caller's.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use mesh_route::{Attempt, RetryDecision, RetryPolicy};
///
/// let policy = RetryPolicy::new(3).retry_on("connect-failure,503");
/// let busy = Attempt::response(503);
/// assert!(matches!(policy.decide(&busy, 0, 11), RetryDecision::Retry { after } if after < Duration::from_millis(25)));
/// assert_eq!(policy.decide(&busy, 3, 11), RetryDecision::Exhausted);
/// assert_eq!(policy.decide(&Attempt::response(500), 0, 11), RetryDecision::Done);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: u32,
    conditions: Conditions,
    statuses: Box<[u16]>,
    backoff: Duration,
    ignore_previous_hosts: bool,
    remote_localities: bool,
}

/// The tokens of `retryOn`, as one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions(u32);

const TOKENS: [(&str, Conditions); 16] = [
    ("5xx", Conditions::SERVER_ERROR),
    ("gateway-error", Conditions::GATEWAY_ERROR),
    ("reset", Conditions::RESET),
    ("reset-before-request", Conditions::RESET_BEFORE_REQUEST),
    ("connect-failure", Conditions::CONNECT_FAILURE),
    ("refused-stream", Conditions::REFUSED_STREAM),
    ("retriable-4xx", Conditions::RETRIABLE_4XX),
    ("retriable-status-codes", Conditions::RETRIABLE_STATUS_CODES),
    // No header list can be configured, and there is no HTTP/3 upstream: these two never apply.
    ("retriable-headers", Conditions(0)),
    ("http3-post-connect-failure", Conditions(0)),
    ("envoy-ratelimited", Conditions::RATE_LIMITED),
    ("cancelled", Conditions::grpc(1)),
    ("deadline-exceeded", Conditions::grpc(4)),
    ("internal", Conditions::grpc(13)),
    ("resource-exhausted", Conditions::grpc(8)),
    ("unavailable", Conditions::grpc(14)),
];

impl Conditions {
    const SERVER_ERROR: Self = Self(1);
    const GATEWAY_ERROR: Self = Self(1 << 1);
    const RESET: Self = Self(1 << 2);
    const RESET_BEFORE_REQUEST: Self = Self(1 << 3);
    const CONNECT_FAILURE: Self = Self(1 << 4);
    const REFUSED_STREAM: Self = Self(1 << 5);
    const RETRIABLE_4XX: Self = Self(1 << 6);
    const RETRIABLE_STATUS_CODES: Self = Self(1 << 7);
    const RATE_LIMITED: Self = Self(1 << 8);
    /// Whatever retries any reset.
    const ANY_RESET: Self = Self(Self::SERVER_ERROR.0 | Self::GATEWAY_ERROR.0 | Self::RESET.0);

    const fn grpc(status: u32) -> Self {
        Self(1 << (9 + status))
    }

    fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a caller should see when an attempt can end in a new way")]
pub enum Attempt {
    /// The upstream answered; its response headers are in and nothing was sent downstream yet.
    Response {
        /// The real status (ROUTE-RTY-05), never that of a reply the proxy would make.
        status: u16,
        /// `grpc-status` in the response headers, whatever the content type.
        grpc_status: Option<u32>,
        /// Whether the response carries `x-envoy-ratelimited`.
        rate_limited: bool,
    },
    /// No connection could be established, also by timeout.
    ConnectFailure,
    /// The connection broke before the request headers were sent.
    ResetBeforeRequest,
    /// HTTP/2 `REFUSED_STREAM`.
    RefusedStream,
    /// The connection or stream broke without a response, after the request headers were sent.
    Reset,
    /// The per-try timeout expired.
    PerTryTimeout,
    /// Nothing may be tried again: circuit breaker overflow, route timeout, a local reply (ROUTE-RTY-06).
    Final,
}

impl Attempt {
    /// A response without a gRPC status.
    pub fn response(status: u16) -> Self {
        Self::Response { status, grpc_status: None, rate_limited: false }
    }
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a caller must handle each")]
pub enum RetryDecision {
    /// Try again after that time.
    Retry {
        /// How long to wait first.
        after: Duration,
    },
    /// This would be retried but the attempts are used up: pass the result on with flag `URX` (ROUTE-RTY-09).
    Exhausted,
    /// Pass the result on.
    Done,
}

impl RetryPolicy {
    const BACKOFF: Duration = Duration::from_millis(25);
    const DEFAULT_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

    /// `attempts` retries after the first try (ROUTE-RTY-02), on the default conditions:
    /// `connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes`, with no status listed.
    pub fn new(attempts: u32) -> Self {
        let policy = Self {
            attempts,
            conditions: Conditions::default(),
            statuses: Box::default(),
            backoff: Self::BACKOFF,
            ignore_previous_hosts: true,
            remote_localities: false,
        };
        policy.retry_on(Self::DEFAULT_ON)
    }

    /// What a route without `retries` does: two retries on the default conditions (ROUTE-RTY-01).
    pub fn mesh_default() -> Self {
        Self::new(2)
    }

    /// No retries, as `attempts: 0`.
    pub fn none() -> Self {
        Self::new(0)
    }

    /// Replaces the conditions: a comma list of tokens and HTTP status numbers (ROUTE-RTY-03). Tokens nobody
    /// knows are passed over, as Envoy does.
    #[must_use]
    pub fn retry_on(mut self, list: &str) -> Self {
        self.conditions = Conditions::default();
        let mut statuses = Vec::new();
        for item in list.split(',').map(str::trim) {
            if let Some(status) = item.parse().ok().filter(|status| is_registered(*status)) {
                statuses.push(status);
                self.conditions.insert(Conditions::RETRIABLE_STATUS_CODES);
            } else if let Some((_, condition)) = TOKENS.iter().find(|(token, _)| *token == item) {
                self.conditions.insert(*condition);
            }
        }
        self.statuses = statuses.into();
        self
    }

    /// Adds a status to the conditions.
    pub(crate) fn and_retry_on(mut self, status: u16) -> Self {
        self.conditions.insert(Conditions::RETRIABLE_STATUS_CODES);
        self.statuses = self.statuses.iter().copied().chain([status]).collect();
        self
    }

    /// Sets the bound of the first wait, 25 ms if not set; later ones double up to ten times it.
    #[must_use]
    pub fn backoff(mut self, base: Duration) -> Self {
        self.backoff = base;
        self
    }

    /// Lets a retry go to a host that was tried already (`retryIgnorePreviousHosts: false`).
    #[must_use]
    pub fn allow_previous_hosts(mut self) -> Self {
        self.ignore_previous_hosts = false;
        self
    }

    /// Lets retries move on to other priorities, every two attempts (`retryRemoteLocalities`).
    #[must_use]
    pub fn remote_localities(mut self) -> Self {
        self.remote_localities = true;
        self
    }

    /// Retries after the first try.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether hosts that were tried are skipped, with up to five picks anew, unless the destination hashes
    /// consistently (ROUTE-RTY-08).
    pub fn ignores_previous_hosts(&self) -> bool {
        self.ignore_previous_hosts
    }

    /// Whether retries move to other priorities.
    pub fn moves_to_remote_localities(&self) -> bool {
        self.remote_localities
    }

    /// Decides what follows `attempt`, when `retries` retries were made already. `draw` is a fresh random `u64`.
    pub fn decide(&self, attempt: &Attempt, retries: u32, draw: u64) -> RetryDecision {
        if !self.is_retriable(attempt) {
            RetryDecision::Done
        } else if retries >= self.attempts {
            // Without retries configured there is no limit to exceed, so no flag.
            if self.attempts == 0 { RetryDecision::Done } else { RetryDecision::Exhausted }
        } else {
            RetryDecision::Retry { after: self.wait(retries.saturating_add(1), draw) }
        }
    }

    /// Whether an attempt that ended so is worth another one (ROUTE-RTY-04).
    pub fn is_retriable(&self, attempt: &Attempt) -> bool {
        let on = self.conditions;
        let any_reset = on.any(Conditions::ANY_RESET);
        match *attempt {
            // A rate-limited answer is retried only by those who ask for exactly that.
            Attempt::Response { rate_limited: true, .. } => on.any(Conditions::RATE_LIMITED),
            Attempt::Response { status, grpc_status, .. } => {
                on.any(Conditions::SERVER_ERROR) && (500..600).contains(&status)
                    || on.any(Conditions::GATEWAY_ERROR) && (502..=504).contains(&status)
                    || on.any(Conditions::RETRIABLE_4XX) && status == 409
                    || on.any(Conditions::RETRIABLE_STATUS_CODES) && self.statuses.contains(&status)
                    || grpc_status.is_some_and(|status| status <= 16 && on.any(Conditions::grpc(status)))
            }
            Attempt::ConnectFailure => {
                any_reset || on.any(Conditions::CONNECT_FAILURE) || on.any(Conditions::RESET_BEFORE_REQUEST)
            }
            Attempt::ResetBeforeRequest => any_reset || on.any(Conditions::RESET_BEFORE_REQUEST),
            Attempt::RefusedStream => any_reset || on.any(Conditions::REFUSED_STREAM),
            // A timed-out attempt is a reset by the proxy: only what retries any reset covers it (ROUTE-TMO-03).
            Attempt::Reset | Attempt::PerTryTimeout => any_reset,
            Attempt::Final => false,
        }
    }

    /// The wait before retry `number`, counted from 1: uniform over the whole milliseconds below
    /// `backoff × 2^(number − 1)`, which is capped at ten times `backoff` (ROUTE-RTY-07). It can be zero: 25 ms
    /// is the bound of the first wait, not its least value.
    pub fn wait(&self, number: u32, draw: u64) -> Duration {
        let base = u64::try_from(self.backoff.as_millis()).unwrap_or(u64::MAX);
        let doublings = number.saturating_sub(1).min(63);
        let bound = base.saturating_mul(1 << doublings).min(base.saturating_mul(10));
        Duration::from_millis(draw.checked_rem(bound).unwrap_or(0))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::mesh_default()
    }
}

/// The status numbers with a registered name: other numbers in `retryOn` are unknown tokens.
fn is_registered(status: u16) -> bool {
    matches!(
        status,
        100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451
            | 500..=508 | 510 | 511
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(list: &str) -> RetryPolicy {
        RetryPolicy::new(3).retry_on(list)
    }

    fn grpc(status: u32) -> Attempt {
        Attempt::Response { status: 200, grpc_status: Some(status), rate_limited: false }
    }

    // ROUTE-RTY-04.
    #[test]
    fn conditions_route_rty_04() {
        use Attempt::{ConnectFailure, Final, PerTryTimeout, RefusedStream, Reset, ResetBeforeRequest};
        let broken = [ConnectFailure, ResetBeforeRequest, RefusedStream, Reset, PerTryTimeout, Final];
        for (token, want) in [
            ("5xx", [true, true, true, true, true, false]),
            ("gateway-error", [true, true, true, true, true, false]),
            ("reset", [true, true, true, true, true, false]),
            ("reset-before-request", [true, true, false, false, false, false]),
            ("connect-failure", [true, false, false, false, false, false]),
            ("refused-stream", [false, false, true, false, false, false]),
            ("503,retriable-4xx,unavailable,envoy-ratelimited", [false; 6]),
        ] {
            assert_eq!(broken.map(|attempt| on(token).is_retriable(&attempt)), want, "{token}");
        }
        let statuses = [200, 404, 409, 500, 502, 503, 504, 599];
        for (token, want) in [
            ("5xx", &[500, 502, 503, 504, 599][..]),
            ("gateway-error", &[502, 503, 504]),
            ("retriable-4xx", &[409]),
            ("503, 404", &[404, 503]),
            ("reset,connect-failure,refused-stream,retriable-status-codes,retriable-headers", &[]),
        ] {
            let hits =
                statuses.iter().copied().filter(|status| on(token).is_retriable(&Attempt::response(*status)));
            assert_eq!(hits.collect::<Vec<u16>>(), want, "{token}");
        }
        for (token, status) in [
            ("cancelled", 1),
            ("deadline-exceeded", 4),
            ("internal", 13),
            ("resource-exhausted", 8),
            ("unavailable", 14),
        ] {
            assert!(
                (0..40).all(|found| on(token).is_retriable(&grpc(found)) == (found == status)),
                "{token}"
            );
        }
        let limited = Attempt::Response { status: 503, grpc_status: None, rate_limited: true };
        assert!(!on("5xx").is_retriable(&limited) && on("envoy-ratelimited").is_retriable(&limited));
    }

    // ROUTE-RTY-03.
    #[test]
    fn lists_route_rty_03() {
        assert!(on(" 503 ,, 5xy,nonsense ").is_retriable(&Attempt::response(503)));
        assert!(!on("799").is_retriable(&Attempt::response(799)), "no registered number");
        assert!(!on("").is_retriable(&Attempt::ConnectFailure));
    }

    // ROUTE-CASE-69, ROUTE-CASE-70.
    #[test]
    fn worked_cases_69_70() {
        let default = RetryPolicy::default();
        assert_eq!(default.decide(&Attempt::response(503), 0, 0), RetryDecision::Done);
        let tries = |policy: &RetryPolicy, attempt: Attempt| {
            (0..100)
                .take_while(|made| matches!(policy.decide(&attempt, *made, 0), RetryDecision::Retry { .. }))
                .count()
                + 1
        };
        assert_eq!(tries(&default, Attempt::ConnectFailure), 3);
        assert_eq!(default.decide(&Attempt::ConnectFailure, 2, 0), RetryDecision::Exhausted);
        let policy = on("connect-failure,refused-stream,503");
        assert_eq!(tries(&policy, Attempt::response(503)), 4);
        assert_eq!(tries(&policy, Attempt::Reset), 1, "ROUTE-RTY-05");
        assert_eq!(RetryPolicy::none().decide(&Attempt::ConnectFailure, 0, 0), RetryDecision::Done);
    }

    // ROUTE-RTY-07.
    #[test]
    fn waits_route_rty_07() {
        let policy = RetryPolicy::new(9);
        for (number, bound) in
            [(0, 25), (1, 25), (2, 50), (3, 100), (4, 200), (5, 250), (6, 250), (u32::MAX, 250)]
        {
            let all: Vec<_> = (0..bound).map(|draw| policy.wait(number, draw)).collect();
            assert_eq!(all.first(), Some(&Duration::ZERO));
            assert_eq!(all.last(), Some(&Duration::from_millis(bound - 1)));
            assert_eq!(policy.wait(number, bound), Duration::ZERO);
        }
        assert_eq!(RetryPolicy::new(1).backoff(Duration::ZERO).wait(1, 77), Duration::ZERO);
        assert_eq!(RetryPolicy::new(1).backoff(Duration::MAX).wait(9, 77), Duration::from_millis(77));
    }
}
