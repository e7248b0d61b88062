//! Settings of a view.

use std::collections::BTreeMap;

use crate::endpoint::Locality;
use crate::error::{BuildError, BuildErrorKind};
use crate::zone::ZoneAware;

/// How a [`PrioritySet`](crate::PrioritySet) turns health into load. The default is what Istio configures.
///
/// | setting | default | Envoy's own default |
/// |---|---|---|
/// | overprovisioning factor | 140 % | 140 % |
/// | panic threshold | 0 %: never panic (LB-PANIC-07) | 50 % |
/// | weighted priority health | off | off |
/// | locality weights | none | none |
/// | zone-aware routing | none | none |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrioritySetConfig {
    pub(crate) overprovisioning_percent: u32,
    pub(crate) panic_threshold_percent: u32,
    pub(crate) weighted_priority_health: bool,
    pub(crate) locality_weights: Option<LocalityWeights>,
    pub(crate) zone_aware: Option<ZoneAware>,
}

impl Default for PrioritySetConfig {
    fn default() -> Self {
        Self {
            overprovisioning_percent: 140,
            panic_threshold_percent: 0,
            weighted_priority_health: false,
            locality_weights: None,
            zone_aware: None,
        }
    }
}

impl PrioritySetConfig {
    /// The defaults of Istio.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the factor, in percent, by which a priority's capacity is thought to exceed its need (LB-PRIO-01).
    #[must_use]
    pub fn overprovisioning_percent(self, percent: u32) -> Self {
        Self { overprovisioning_percent: percent, ..self }
    }

    /// Sets the share of available endpoints, in percent, below which health is ignored (LB-PANIC-01).
    ///
    /// Istio's `outlierDetection.minHealthPercent` is this threshold (LB-PANIC-07). 0 switches panic off;
    /// more than 100 counts as 100.
    #[must_use]
    pub fn panic_threshold_percent(self, percent: u32) -> Self {
        Self { panic_threshold_percent: percent.min(100), ..self }
    }

    /// The same for a fraction of percents, which is rounded to the nearest whole one (LB-PANIC-01).
    #[must_use]
    pub fn panic_threshold_fraction(self, percent: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
        let whole = percent.round().clamp(0.0, 100.0) as u32;
        self.panic_threshold_percent(whole)
    }

    /// Measures the health of a priority by endpoint weights in place of endpoint counts (LB-PRIO-02).
    #[must_use]
    pub fn weighted_priority_health(self) -> Self {
        Self { weighted_priority_health: true, ..self }
    }

    /// Switches locality-weighted choice on (LB-LOC-01).
    #[must_use]
    pub fn locality_weights(self, weights: LocalityWeights) -> Self {
        Self { locality_weights: Some(weights), ..self }
    }

    /// Switches zone-aware routing on, which locality weights switch off again (LB-ZONE-01).
    #[must_use]
    pub fn zone_aware(self, zones: ZoneAware) -> Self {
        Self { zone_aware: Some(zones), ..self }
    }
}

/// The traffic weights of localities, one for each priority they appear in.
///
/// A locality without a weight gets nothing once weights are given (LB-LOC-03).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalityWeights {
    by_place: BTreeMap<(u8, Locality), u32>,
}

impl LocalityWeights {
    /// Weights from triples of priority, locality and weight.
    ///
    /// # Errors
    /// [`DuplicateLocality`](BuildErrorKind::DuplicateLocality), or
    /// [`LocalityWeightOverflow`](BuildErrorKind::LocalityWeightOverflow) if the weights of one priority do
    /// not add up to a `u32` (LB-HOST-07).
    pub fn new(weights: impl IntoIterator<Item = (u8, Locality, u32)>) -> Result<Self, BuildError> {
        let mut by_place = BTreeMap::new();
        let mut sums = BTreeMap::<u8, u64>::new();
        for (priority, locality, weight) in weights {
            let sum = sums.entry(priority).or_default();
            *sum += u64::from(weight);
            if *sum > u64::from(u32::MAX) {
                return Err(BuildErrorKind::LocalityWeightOverflow { priority }.into());
            }
            if by_place.insert((priority, locality.clone()), weight).is_some() {
                let locality = locality.to_string();
                return Err(BuildErrorKind::DuplicateLocality { locality, priority }.into());
            }
        }
        Ok(Self { by_place })
    }

    /// The weight of a locality in a priority, 0 if none was given.
    #[must_use]
    pub fn get(&self, priority: u8, locality: &Locality) -> u32 {
        // The key is a clone of a reference count, not of the texts.
        self.by_place.get(&(priority, locality.clone())).copied().unwrap_or_default()
    }
}
