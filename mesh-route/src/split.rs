//! Weighted destinations (section 4.2 of the reference).

use crate::error::{BuildError, BuildErrorKind};

/// Destinations with weights, one of which is drawn for each request.
///
/// # Examples
/// ```
/// use mesh_route::WeightedSplit;
///
/// let split = WeightedSplit::new([("v1", 75), ("v2", 25), ("off", 0)])?;
/// assert_eq!(*split.pick(74), "v1");
/// assert_eq!(*split.pick(175), "v2"); // 175 mod 100
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightedSplit<T> {
    first: Entry<T>,
    others: Box<[Entry<T>]>,
    sum: u64,
    configured: usize,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    target: T,
    /// Draws below this, and not below the one before, belong here.
    bound: u64,
}

impl<T> WeightedSplit<T> {
    /// A split over `destinations`, in order.
    ///
    /// A single destination gets everything, whatever its weight (ROUTE-WGT-01). Of several, those with weight
    /// 0 are dropped (ROUTE-WGT-02).
    ///
    /// # Errors
    /// When there is no destination, or several and all weights are 0 (ROUTE-WGT-03).
    pub fn new(destinations: impl IntoIterator<Item = (T, u32)>) -> Result<Self, BuildError> {
        let all: Vec<(T, u32)> = destinations.into_iter().collect();
        let configured = all.len();
        let mut sum = 0;
        let mut entries =
            all.into_iter().filter(|(_, weight)| configured == 1 || *weight > 0).map(|(target, weight)| {
                sum += u64::from(weight.max(1));
                Entry { target, bound: sum }
            });
        let Some(first) = entries.next() else {
            let message = if configured == 0 {
                "there is no destination, at least one is needed"
            } else {
                "weights add up to 0, at least one must be positive"
            };
            return Err(BuildError::new(BuildErrorKind::EmptySplit, message));
        };
        let others = entries.collect();
        Ok(Self { first, others, sum, configured })
    }

    /// Everything to one destination.
    pub fn single(target: T) -> Self {
        Self { first: Entry { target, bound: 1 }, others: Box::default(), sum: 1, configured: 1 }
    }

    /// The destination for the request that drew `draw`, a fresh random `u64` (ROUTE-WGT-04). Retries stay with
    /// it. Health does not matter here (ROUTE-WGT-05).
    ///
    /// Cost: a binary search.
    pub fn pick(&self, draw: u64) -> &T {
        let place = draw % self.sum;
        if place < self.first.bound {
            return &self.first.target;
        }
        let at = self.others.partition_point(|entry| entry.bound <= place);
        // The last bound is the sum, so there always is one.
        self.others.get(at).map_or(&self.first.target, |entry| &entry.target)
    }

    /// The destinations that can be drawn, in order.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others).map(|entry| &entry.target)
    }

    /// Whether one destination was given. This, not the number that can be drawn, decides how header edits of
    /// route and destination combine (ROUTE-HDR-03, ROUTE-HDR-04).
    pub fn is_single(&self) -> bool {
        self.configured == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // ROUTE-CASE-52, ROUTE-WGT-01, ROUTE-WGT-02.
    #[test]
    fn worked_case_52_route_wgt_01_02() {
        let split = WeightedSplit::new([(0, 1), (1, 3)]).unwrap();
        assert_eq!((0..5).map(|draw| *split.pick(draw)).collect::<Vec<_>>(), [0, 1, 1, 1, 0]);
        let split = WeightedSplit::new([(0, 0), (1, 5)]).unwrap();
        assert!((0..20).all(|draw| *split.pick(draw) == 1));
        assert!(!split.is_single(), "two were configured");
        assert_eq!(split.targets().count(), 1);
        let split = WeightedSplit::new([(7, 0)]).unwrap();
        assert!((0..20).all(|draw| *split.pick(draw) == 7) && split.is_single());
        assert_eq!(*WeightedSplit::single(3).pick(u64::MAX), 3);
    }

    // ROUTE-WGT-03.
    #[test]
    fn refused_route_wgt_03() {
        let error = WeightedSplit::new([(0, 0), (1, 0)]).unwrap_err();
        assert_eq!(error.kind(), BuildErrorKind::EmptySplit);
        assert_eq!(error.to_string(), "weights add up to 0, at least one must be positive");
        assert!(WeightedSplit::<u8>::new([]).is_err());
    }

    proptest! {
        /// ROUTE-PROP-08.
        #[test]
        fn every_weight_is_hit_exactly(weights in prop::collection::vec(0..9u32, 2..8)) {
            let Ok(split) = WeightedSplit::new(weights.iter().copied().enumerate()) else {
                prop_assert_eq!(weights.iter().sum::<u32>(), 0);
                return Ok(());
            };
            let mut hits = vec![0; weights.len()];
            for draw in 0..weights.iter().sum::<u32>() {
                hits[*split.pick(u64::from(draw))] += 1;
            }
            prop_assert_eq!(hits, weights);
        }
    }
}
