//! What the rules need beside themselves: addresses, policy rules and routes (section 2.2, `AMB-13`).

use std::net::{IpAddr, Ipv6Addr};

use crate::chain::Family;
use crate::config::{CaptureConfig, Mode};
use crate::numeral::Numeral;

/// One change outside the packet filter. An identical one already there counts as done.
///
/// DIFFERENCE (IPT-HST-02): the baseline fails on a policy rule that exists already, so its second run fails.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum HostStep {
    /// Add this address, with the full length of its family, to `lo` (`IPT-HST-01`).
    LoopbackAddress(IpAddr),
    /// Look packets with this mark up in another route table (`IPT-HST-02`, `AMB-13`).
    PolicyRule {
        /// The family.
        family: Family,
        /// The packet mark; it must be a decimal number to be applied (`IPT-VAL-11`).
        mark: Numeral,
        /// The bits that count; all when absent.
        mask: Option<u32>,
        /// The route table.
        table: Numeral,
        /// The rule's priority; the system's choice when absent.
        priority: Option<u32>,
    },
    /// Deliver every address locally through `lo` in this route table (`IPT-HST-02`, `AMB-13`).
    LocalRoute {
        /// The family.
        family: Family,
        /// The route table.
        table: Numeral,
    },
}

pub(crate) fn sidecar_steps(config: &CaptureConfig) -> Vec<HostStep> {
    let mut steps = Vec::new();
    if config.ipv6 {
        steps.push(HostStep::LoopbackAddress(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into()));
    }
    if config.mode == Mode::Tproxy && !config.inbound_ports.is_none() {
        let families = if config.ipv6 { &Family::BOTH[..] } else { &[Family::Ipv4] };
        let (mark, table) = (&config.tproxy_mark, &config.tproxy_route_table);
        steps.extend(families.iter().map(|&family| HostStep::PolicyRule {
            family,
            mark: mark.clone(),
            mask: None,
            table: table.clone(),
            priority: None,
        }));
        steps.extend(families.iter().map(|&family| HostStep::LocalRoute { family, table: table.clone() }));
    }
    steps
}
