//! From pod annotations to a configuration, on the two ways Istio takes.
//!
//! The *CNI* way ([`Pod`]) reads the annotations on the node when the pod starts and validates them. The
//! *injector* way ([`InitContainer`]) turns them into the arguments of an init container. The defaults differ
//! in places (`IPT-ANN-24`): only CNI excludes the outbound port 15020, and the order of excluded inbound
//! ports is another.

mod cni;
mod init_container;
mod validate;

#[cfg(test)]
mod tests;

pub use cni::{Interception, Pod, SkipReason};
pub use init_container::InitContainer;

/// `IPT-ANN-01`.
pub(crate) const MODE: &str = "sidecar.istio.io/interceptionMode";
/// `IPT-ANN-02`.
pub(crate) const INCLUDE_RANGES: &str = "traffic.sidecar.istio.io/includeOutboundIPRanges";
/// `IPT-ANN-03`.
pub(crate) const EXCLUDE_RANGES: &str = "traffic.sidecar.istio.io/excludeOutboundIPRanges";
/// `IPT-ANN-04`.
pub(crate) const INCLUDE_INBOUND: &str = "traffic.sidecar.istio.io/includeInboundPorts";
/// `IPT-ANN-05`.
pub(crate) const EXCLUDE_INBOUND: &str = "traffic.sidecar.istio.io/excludeInboundPorts";
/// `IPT-ANN-06`.
pub(crate) const INCLUDE_OUTBOUND: &str = "traffic.sidecar.istio.io/includeOutboundPorts";
/// `IPT-ANN-07`.
pub(crate) const EXCLUDE_OUTBOUND: &str = "traffic.sidecar.istio.io/excludeOutboundPorts";
/// `IPT-ANN-08`.
pub(crate) const EXCLUDE_INTERFACES: &str = "traffic.sidecar.istio.io/excludeInterfaces";
/// `IPT-ANN-09`.
pub(crate) const VIRTUAL_INTERFACES: &str = "istio.io/reroute-virtual-interfaces";
/// `IPT-ANN-10`.
pub(crate) const KUBEVIRT_INTERFACES: &str = "traffic.sidecar.istio.io/kubevirtInterfaces";
/// `IPT-ANN-11`.
pub(crate) const STATUS_PORT: &str = "status.sidecar.istio.io/port";

/// Name and value pairs, the last one of a name in force.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(held, _)| held == name).map(|(_, value)| &**value)
    }
}
