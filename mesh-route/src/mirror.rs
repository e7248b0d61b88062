//! Mirrors (section 4.7 of the reference).

use crate::percentage::Percentage;

/// A destination that gets a copy of some requests and whose answer nobody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror<T> {
    target: T,
    share: Percentage,
}

impl<T> Mirror<T> {
    /// A mirror, or `None` when `share` is nothing (ROUTE-MIR-01). A missing percentage is
    /// [`Percentage::ALL`] here, unlike for faults.
    pub fn new(target: T, share: Percentage) -> Option<Self> {
        (!share.is_none()).then_some(Self { target, share })
    }

    /// Where the copy goes if the request that drew `draw` is mirrored. Draw anew for each mirror.
    pub fn pick(&self, draw: u64) -> Option<&T> {
        self.share.includes(draw).then_some(&self.target)
    }

    /// Where copies go.
    pub fn target(&self) -> &T {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ROUTE-CASE-66, ROUTE-MIR-01, ROUTE-MIR-02.
    #[test]
    fn worked_case_66_route_mir_01_02() {
        assert!(Mirror::new("m", Percentage::from_percent(0.0)).is_none());
        assert!(Mirror::new("m", Percentage::from_percent(-3.0)).is_none());
        let always = Mirror::new("m", Percentage::ALL).unwrap();
        assert_eq!(always.pick(u64::MAX), Some(&"m"));
        let some = Mirror::new("m", Percentage::from_percent(0.57)).unwrap();
        assert_eq!((some.pick(1_005_698), some.pick(5699)), (Some(&"m"), None));
        assert_eq!(*some.target(), "m");
    }
}
