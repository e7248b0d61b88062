//! `localityLbSetting.distribute`.

use crate::endpoint::Locality;
use crate::error::{BuildError, BuildErrorKind};

use super::pattern::LocalityPattern;

/// Where the traffic of proxies in one locality goes, in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribute {
    pub(super) from: LocalityPattern,
    to: Vec<(LocalityPattern, u32)>,
}

impl Distribute {
    /// An entry of `distribute`: `from` and the keys of `to` are `region/zone/sub_zone`, where `*` or leaving out
    /// the last parts means any (LB-ILOC-05).
    ///
    /// ```
    /// let entry = mesh_lb::Distribute::new("eu/a/*", [("eu/a/*", 80), ("eu/b/*", 20)])?;
    /// # Ok::<(), mesh_lb::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// If a weight is not 1 to 100, if they do not add up to 100, if a locality is not well formed or overlaps
    /// with another (LB-ILOC-07).
    pub fn new<'t>(from: &str, to: impl IntoIterator<Item = (&'t str, u32)>) -> Result<Self, BuildError> {
        let from = LocalityPattern::new("distribute.from", from)?;
        let mut targets = Vec::new();
        let mut sum = 0;
        for (text, weight) in to {
            if !(1..=100).contains(&weight) {
                let found = u64::from(weight);
                return Err(
                    BuildErrorKind::OutOfRange { field: "distribute.to", min: 1, max: 100, found }.into()
                );
            }
            sum += u64::from(weight);
            targets.push((LocalityPattern::new("distribute.to", text)?, weight));
        }
        LocalityPattern::check_apart("distribute.to", targets.iter().map(|(pattern, _)| pattern))?;
        if sum != 100 {
            return Err(BuildErrorKind::WeightsNotHundred { field: "distribute.to", found: sum }.into());
        }
        Ok(Self { from, to: targets })
    }

    /// The new weight of each group of endpoints, `None` for those that lose their traffic (LB-ILOC-06).
    pub(super) fn weights(&self, groups: &[(Locality, u32)]) -> Vec<Option<u32>> {
        let mut weights = vec![None; groups.len()];
        for (pattern, percent) in &self.to {
            let mine: Vec<(usize, u32)> = groups
                .iter()
                .enumerate()
                .filter(|(at, (locality, _))| {
                    weights.get(*at).is_some_and(Option::is_none) && pattern.matches(locality)
                })
                .map(|(at, &(_, weight))| (at, weight.max(1)))
                .collect();
            let sum: f64 = mine.iter().map(|&(_, weight)| f64::from(weight)).sum();
            for (at, weight) in mine {
                // The product is taken in 32 bits, as the control plane does.
                let share = (f64::from(weight.wrapping_mul(*percent)) / sum).ceil();
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number of at most 32 bits"
                )]
                let share = share as u32;
                if let Some(slot) = weights.get_mut(at) {
                    *slot = Some(share);
                }
            }
        }
        weights
    }
}
