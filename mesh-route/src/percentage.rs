//! Percentages, as Envoy draws them.

/// A share of requests: a numerator over 100 or over 1,000,000.
///
/// One draw is true iff `draw % denominator < numerator` (ROUTE-MODEL-06). Draws are the caller's: one fresh
/// random `u64` for each decision.
///
/// # Examples
/// ```
/// use mesh_route::Percentage;
///
/// let share = Percentage::from_percent(0.57);
/// assert!(share.includes(5698));
/// assert!(!share.includes(5699)); // 0.57 × 10,000 is 5,699.99…, and the rest is cut off
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Percentage {
    numerator: u32,
    denominator: u32,
}

impl Percentage {
    /// No request.
    pub const NONE: Self = Self { numerator: 0, denominator: 100 };
    /// Every request.
    pub const ALL: Self = Self { numerator: 100, denominator: 100 };

    /// Istio's `percentage.value`: per cent as a double, cut to millionths (ROUTE-MIR-02). Not a number, and
    /// anything at or below zero, is nothing; above 100 is everything.
    pub fn from_percent(value: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "cutting off is the specified conversion; out of range saturates and not-a-number is 0"
        )]
        let numerator = (value * 10_000.0) as u32;
        Self { numerator, denominator: 1_000_000 }
    }

    /// The deprecated integer form, over 100.
    pub fn from_integer(percent: u32) -> Self {
        Self { numerator: percent, denominator: 100 }
    }

    /// Whether the request that drew `draw` belongs to the share.
    pub fn includes(self, draw: u64) -> bool {
        draw % u64::from(self.denominator) < u64::from(self.numerator)
    }

    /// Whether no draw belongs to the share.
    pub fn is_none(self) -> bool {
        self.numerator == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-MIR-02.
    #[test]
    fn truncation_route_mir_02() {
        for (value, numerator) in [
            (0.57, 5699),
            (50.0, 500_000),
            (100.0, 1_000_000),
            (0.00009, 0),
            (0.0001, 1),
            (-1.0, 0),
            (f64::NAN, 0),
            (f64::NEG_INFINITY, 0),
        ] {
            assert_eq!(Percentage::from_percent(value).numerator, numerator, "{value}");
        }
        assert!(Percentage::from_percent(f64::INFINITY).includes(u64::MAX));
    }

    // ROUTE-MODEL-06.
    #[test]
    fn draws_route_model_06() {
        let half = Percentage::from_percent(50.0);
        assert!(half.includes(499_999) && !half.includes(500_000) && half.includes(1_000_000));
        let third = Percentage::from_integer(33);
        assert!(third.includes(32) && !third.includes(33) && third.includes(132));
        assert!(Percentage::ALL.includes(u64::MAX) && !Percentage::NONE.includes(0));
        assert!(Percentage::from_percent(0.0).is_none());
    }
}
