//! Timeouts as data, and the one gRPC clients ask for (section 4.8 of the reference).

use std::time::Duration;

/// The timeouts of a route.
///
/// The clock starts when the whole request has been received and covers all attempts and the waits between
/// them, but not a fault's delay (ROUTE-TMO-02).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    route: Option<Duration>,
    per_try: Option<Duration>,
}

impl Timeouts {
    /// No limit at all, which is the default (ROUTE-TMO-01).
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time for everything; zero is no limit.
    #[must_use]
    pub fn route(mut self, limit: Duration) -> Self {
        self.route = Some(limit).filter(|limit| !limit.is_zero());
        self
    }

    /// Sets the time for one attempt; zero is no limit.
    #[must_use]
    pub fn per_try(mut self, limit: Duration) -> Self {
        self.per_try = Some(limit).filter(|limit| !limit.is_zero());
        self
    }

    /// The limits for an ordinary request: for everything and for one attempt. The latter is ignored when it is
    /// not shorter (ROUTE-TMO-03).
    pub fn limits(&self) -> Limit {
        self.with_overall(self.route)
    }

    /// The limits for a gRPC request with that `grpc-timeout` header, which counts up to the route's own limit.
    /// Absent, zero or unreadable, it does not count (ROUTE-TMO-04).
    pub fn grpc_limits(&self, grpc_timeout: Option<&[u8]>) -> Limit {
        let wanted = grpc_timeout.and_then(parse_grpc_timeout).filter(|wanted| !wanted.is_zero());
        self.with_overall(match (wanted, self.route) {
            (Some(wanted), Some(route)) => Some(wanted.min(route)),
            (wanted, route) => wanted.or(route),
        })
    }

    fn with_overall(&self, overall: Option<Duration>) -> Limit {
        let shorter = |limit: &Duration| overall.is_none_or(|overall| *limit < overall);
        Limit { overall, per_try: self.per_try.filter(shorter) }
    }
}

/// What one request may take. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// For all attempts and the waits between them.
    pub overall: Option<Duration>,
    /// For one attempt.
    pub per_try: Option<Duration>,
}

/// Reads a `grpc-timeout`: one to eight digits and one of `H M S m u n`.
pub fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let amount = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(amount: u64) -> Duration {
        Duration::from_millis(amount)
    }

    // ROUTE-TMO-01, ROUTE-TMO-03.
    #[test]
    fn limits_route_tmo_01_03() {
        assert_eq!(Timeouts::new().limits(), Limit { overall: None, per_try: None });
        assert_eq!(Timeouts::new().route(Duration::ZERO).limits().overall, None);
        let both = |route, per_try| Timeouts::new().route(ms(route)).per_try(ms(per_try)).limits().per_try;
        assert_eq!(both(500, 100), Some(ms(100)));
        assert_eq!(both(500, 500), None);
        assert_eq!(Timeouts::new().per_try(ms(5)).limits().per_try, Some(ms(5)));
    }

    // ROUTE-TMO-04.
    #[test]
    fn grpc_timeouts_route_tmo_04() {
        let capped = Timeouts::new().route(ms(500));
        let overall = |timeouts: Timeouts, header: Option<&[u8]>| timeouts.grpc_limits(header).overall;
        assert_eq!(overall(capped, Some(b"100m")), Some(ms(100)));
        assert_eq!(overall(capped, Some(b"2S")), Some(ms(500)));
        assert_eq!(overall(Timeouts::new(), Some(b"2S")), Some(ms(2000)));
        for header in
            [None, Some(&b"0S"[..]), Some(b""), Some(b"S"), Some(b"1"), Some(b"1x"), Some(b"123456789S")]
        {
            assert_eq!(overall(capped, header), Some(ms(500)));
        }
        for (text, want) in [
            (&b"1H"[..], Duration::from_hours(1)),
            (b"1M", ms(60_000)),
            (b"1u", Duration::from_micros(1)),
            (b"99999999n", Duration::from_nanos(99_999_999)),
        ] {
            assert_eq!(parse_grpc_timeout(text), Some(want));
        }
        assert!(parse_grpc_timeout(b"99999999H").is_some());
        assert!(parse_grpc_timeout(b"-1S").is_none());
    }
}
