//! Wall-clock time for log lines, from the monotonic clock.

use std::time::{Duration, Instant, SystemTime};

/// Turns instants into timestamps. The text up to the second is kept: under load, thousands of lines share it.
#[derive(Debug)]
pub(crate) struct Clock {
    base: (Instant, SystemTime),
    second: u64,
    text: [u8; 24],
}

impl Clock {
    pub(crate) fn new() -> Self {
        let mut clock =
            Self { base: (Instant::now(), SystemTime::now()), second: u64::MAX, text: [b'-'; 24] };
        clock.render(0);
        clock
    }

    /// Follows adjustments of the system's clock; called once a second (`PROXY-ROB-09`).
    pub(crate) fn resynchronise(&mut self) {
        self.base = (Instant::now(), SystemTime::now());
    }

    /// `2026-01-02T03:04:05.678Z` (`PROXY-LOG-04`).
    pub(crate) fn timestamp(&mut self, at: Instant) -> [u8; 24] {
        let (instant, system) = self.base;
        let time = if at >= instant {
            system.checked_add(at.duration_since(instant))
        } else {
            system.checked_sub(instant.duration_since(at))
        };
        let since =
            time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
        if since.as_secs() != self.second {
            self.render(since.as_secs());
        }
        let millis = since.subsec_millis();
        let mut text = self.text;
        for (digit, value) in text[20..23].iter_mut().zip([millis / 100, millis / 10 % 10, millis % 10]) {
            *digit = b'0' + u8::try_from(value).unwrap_or(0);
        }
        text
    }

    fn render(&mut self, second: u64) {
        self.second = second;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND));
        let text = humantime::format_rfc3339_millis(time).to_string();
        if let Some(text) = text.as_bytes().first_chunk() {
            self.text = *text;
        }
    }
}

/// 9999-12-31T23:59:59Z, beyond which the format has no room.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    /// PROXY-LOG-04
    #[test]
    fn timestamps_are_iso_8601_with_milliseconds() {
        let mut clock = Clock::new();
        let base = Instant::now();
        clock.base = (base, SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678));
        assert_eq!(&clock.timestamp(base), b"2026-01-02T03:04:05.678Z");
        assert_eq!(&clock.timestamp(base + Duration::from_millis(322)), b"2026-01-02T03:04:06.000Z");
        assert_eq!(&clock.timestamp(base + Duration::from_millis(5)), b"2026-01-02T03:04:05.683Z");
    }
}
