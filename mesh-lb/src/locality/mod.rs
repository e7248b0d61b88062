//! Istio's `localityLbSetting`: from where a proxy runs to priorities and locality weights (spec 1.6).

mod ambient;
mod distribute;
mod failover;
mod pattern;
mod setting;
mod source;
mod zone_aware;

pub use ambient::{AmbientMode, AmbientPreference};
pub use distribute::Distribute;
pub use failover::Failover;
pub use setting::{LocalityLbSetting, Placement, ProxyPlace};
pub use source::{EffectiveLocality, LocalityLevels};
pub use zone_aware::ZoneAwareLbSetting;
