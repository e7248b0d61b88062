//! Istio's `localityLbSetting`: from where a proxy runs to priorities and locality weights (spec 1.6).

mod distribute;
mod failover;
mod pattern;
mod setting;

pub use distribute::Distribute;
pub use failover::Failover;
pub use setting::{LocalityLbSetting, Placement, ProxyPlace};
