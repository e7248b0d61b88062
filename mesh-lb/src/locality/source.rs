//! Which of the settings that speak of localities applies to a cluster (LB-ILOC-01, LB-ILOC-02).

/// What is configured, from the rule of a host to the mesh; each field is absent if nothing is said there.
///
/// `Z` and `L` are whatever stands for a zone-aware setting and a locality setting, `D` for a traffic distribution.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "the levels of LB-ILOC-01, filled in by the caller")]
pub struct LocalityLevels<Z, L, D> {
    /// `zoneAwareLbSetting` of the DestinationRule.
    pub rule_zone_aware: Option<Z>,
    /// `localityLbSetting` of the DestinationRule; the flag is `enabled`, true if absent.
    pub rule_locality: Option<(bool, L)>,
    /// The traffic distribution of the service.
    pub traffic_distribution: Option<D>,
    /// `zoneAwareLbSetting` of the mesh.
    pub mesh_zone_aware: Option<Z>,
    /// `localityLbSetting` of the mesh, with its flag. Every mesh has one unless it was taken out: enabled, with
    /// nothing in it.
    pub mesh_locality: Option<(bool, L)>,
}

/// The setting that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the kinds of settings there are; another must not compile unnoticed"
)]
pub enum EffectiveLocality<Z, L, D> {
    /// None: localities do not count.
    Nothing,
    /// A zone-aware setting.
    ZoneAware(Z),
    /// A locality setting. Its failover needs outlier detection.
    Locality(L),
    /// A traffic distribution, whose failover needs no outlier detection (LB-ILOC-02).
    TrafficDistribution(D),
}

impl<Z, L, D> LocalityLevels<Z, L, D> {
    /// The one that applies: the rule before the service before the mesh, and zone-aware before locality on each
    /// level. A locality setting that is disabled ends the search.
    #[must_use]
    pub fn effective(self) -> EffectiveLocality<Z, L, D> {
        let of_locality = |(enabled, setting)| {
            if enabled { EffectiveLocality::Locality(setting) } else { EffectiveLocality::Nothing }
        };
        let rule = self.rule_zone_aware.map(EffectiveLocality::ZoneAware);
        rule.or_else(|| self.rule_locality.map(of_locality))
            .or_else(|| self.traffic_distribution.map(EffectiveLocality::TrafficDistribution))
            .or_else(|| self.mesh_zone_aware.map(EffectiveLocality::ZoneAware))
            .or_else(|| self.mesh_locality.map(of_locality))
            .unwrap_or(EffectiveLocality::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_wins_lb_iloc_01() {
        use EffectiveLocality::{Locality, Nothing, TrafficDistribution, ZoneAware};
        let all = LocalityLevels {
            rule_zone_aware: Some("rule zone"),
            rule_locality: Some((true, "rule locality")),
            traffic_distribution: Some("distribution"),
            mesh_zone_aware: Some("mesh zone"),
            mesh_locality: Some((true, "mesh locality")),
        };
        assert_eq!(all.effective(), ZoneAware("rule zone"));
        let rest = LocalityLevels { rule_zone_aware: None, ..all };
        assert_eq!(rest.effective(), Locality("rule locality"));
        let disabled = LocalityLevels { rule_locality: Some((false, "rule locality")), ..rest };
        assert_eq!(disabled.effective(), Nothing);
        let rest = LocalityLevels { rule_locality: None, ..rest };
        assert_eq!(rest.effective(), TrafficDistribution("distribution"));
        let rest = LocalityLevels { traffic_distribution: None, ..rest };
        assert_eq!(rest.effective(), ZoneAware("mesh zone"));
        let rest = LocalityLevels { mesh_zone_aware: None, ..rest };
        assert_eq!(rest.effective(), Locality("mesh locality"));
        assert_eq!(LocalityLevels { mesh_locality: Some((false, "")), ..rest }.effective(), Nothing);
        assert_eq!(LocalityLevels { mesh_locality: None, ..rest }.effective(), Nothing);
    }
}
