//! `localityLbSetting.failover` and `failoverPriority`.

use crate::endpoint::Locality;
use crate::error::{BuildError, BuildErrorKind};

/// The label that holds a workload's network.
pub(super) const NETWORK: &str = "topology.istio.io/network";
/// The labels of region, zone and sub-zone.
pub(super) const REGION: &str = "topology.kubernetes.io/region";
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
pub(super) const SUB_ZONE: &str = "topology.istio.io/subzone";
pub(super) const NODE: &str = "kubernetes.io/hostname";

/// Which region takes over for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    from: Box<str>,
    to: Box<str>,
}

impl Failover {
    /// An entry of `failover`.
    ///
    /// # Errors
    /// If one is not the plain name of a region, or both are the same (LB-ILOC-07).
    pub fn new(from: &str, to: &str) -> Result<Self, BuildError> {
        for (field, text) in [("failover.from", from), ("failover.to", to)] {
            if text.is_empty() || text.contains(['*', '/']) {
                let problem = "is not the name of a region";
                return Err(BuildErrorKind::Locality { field, text: text.into(), problem }.into());
            }
        }
        if from == to {
            let problem = "is the region it takes over for";
            return Err(BuildErrorKind::Locality { field: "failover.to", text: to.into(), problem }.into());
        }
        Ok(Self { from: from.into(), to: to.into() })
    }

    /// The region that takes over for `from`: what the first entry for it says, if there is one.
    pub(super) fn region_after<'e>(entries: &'e [Self], from: &str) -> Option<&'e str> {
        entries.iter().find(|entry| *entry.from == *from).map(|entry| &*entry.to)
    }
}

/// How far a locality is from the proxy: 0 the same place, 4 another region that does not take over (LB-ILOC-08).
pub(super) fn distance(proxy: &Locality, other: &Locality, failovers: &[Failover]) -> u32 {
    if proxy.region() == other.region() {
        return match (proxy.zone() == other.zone(), proxy.sub_zone() == other.sub_zone()) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
    }
    let takes_over = Failover::region_after(failovers, proxy.region());
    if takes_over.is_some_and(|region| region != other.region()) { 4 } else { 3 }
}

/// How far an endpoint is by the labels of `failoverPriority`; 0 when all are equal (LB-ILOC-10).
pub(super) fn label_distance(items: &[Box<str>], is_equal: impl Fn(&str) -> bool) -> u32 {
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    let equal_items = items.iter().take_while(|item| is_equal(item)).count();
    let other_network = equal_items == 0 && items.first().is_some_and(|item| key_of(item) == NETWORK);
    if !other_network {
        return count(items.len() - equal_items);
    }
    // The network is skipped, and all of another network come after all of the same one.
    let equal_items = 1 + items.iter().skip(1).take_while(|item| is_equal(item)).count();
    count(items.len() - equal_items).saturating_add(count(items.len()))
}

/// Whether an endpoint has the label that an item asks for. `key=value` puts a value in the place of the proxy's
/// label; a label that both lack is equal.
pub(super) fn label_is_equal<'l>(
    item: &'l str,
    proxy: impl FnOnce(&str) -> Option<&'l str>,
    endpoint: impl FnOnce(&str) -> Option<String>,
) -> bool {
    let (key, wanted) = match item.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (item, proxy(item)),
    };
    wanted.unwrap_or_default() == endpoint(key).unwrap_or_default()
}

pub(super) fn key_of(item: &str) -> &str {
    item.split_once('=').map_or(item, |(key, _)| key)
}
