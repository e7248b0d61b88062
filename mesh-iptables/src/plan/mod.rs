//! The rules of one configuration, by family, with their renderings.

mod ambient;
mod dns;
mod host;
mod inbound;
mod outbound;
mod preset;
mod sidecar;
mod tproxy;

#[cfg(test)]
mod tests;

pub use ambient::{AmbientConfig, AmbientPod};
pub(crate) use ambient::{
    CONNECTION_MARK, INBOUND_PORT, JUMPS, OUTBOUND_PORT, PACKET_MASK, TUNNEL_PORT, arriving, leaving, masked,
    not_local, packet_mark, probe_set,
};
pub(crate) use dns::{AGENT_PORT, AGENT_ZONE, APPLICATION_ZONE};
pub use host::HostStep;
pub(crate) use host::sidecar_steps;
pub(crate) use inbound::KNOWN;
pub(crate) use outbound::DNS_PORT;
pub use preset::Preset;
pub(crate) use tproxy::OUTBOUND_MARK;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::chain::{Chain, Family, Table};
use crate::config::{CaptureConfig, InterfaceName};
use crate::owner::OwnerId;
use crate::rule::{self, Address, Rule, Test};

/// Which rules a plan holds; decides how it is cleaned up and transcribed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Sidecar,
    AmbientPod,
    AmbientHost,
}

/// The complete set of rules for one pod (or for the node, in ambient mode), in both families.
///
/// A plan is plain data: rules with their reasons, in the order they are emitted. It is rendered by
/// [`restore_input`](Self::restore_input) for `iptables-restore --noflush`, by
/// [`commands`](Self::commands) for single `iptables` calls, and by [`save_text`](Self::save_text) and
/// [`listing`](Self::listing) as the kernel tools would print it afterwards.
///
/// IPv4 rules are always there; IPv6 rules only if IPv6 is on (`IPT-CFG-52`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RulePlan {
    pub(crate) ipv4: Vec<Rule>,
    pub(crate) ipv6: Option<Vec<Rule>>,
    pub(crate) steps: Vec<HostStep>,
    pub(crate) layout: Layout,
}

impl RulePlan {
    /// The rules of a family in the order they are emitted; empty if the family is off.
    pub fn rules(&self, family: Family) -> &[Rule] {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => self.ipv6.as_deref().unwrap_or_default(),
        }
    }

    /// The families planned.
    pub fn families(&self) -> &'static [Family] {
        if self.ipv6.is_some() { &Family::BOTH } else { &[Family::Ipv4] }
    }

    /// The rules of one chain in the order the kernel walks them, inserts applied.
    pub fn chain(&self, family: Family, table: Table, chain: &Chain) -> Vec<&Rule> {
        rule::in_chain_order(
            self.rules(family).iter().filter(|rule| rule.table == table && rule.chain == *chain),
        )
    }

    /// The plan with the names of users and groups replaced by what `user` and `group` know of them, so that
    /// it can be compared with a save (`SAV-30`) or simulated. Names they do not know stay.
    #[must_use]
    pub fn with_numeric_owners(
        mut self,
        user: impl Fn(&str) -> Option<u32>,
        group: impl Fn(&str) -> Option<u32>,
    ) -> Self {
        let rules = self.ipv4.iter_mut().chain(self.ipv6.iter_mut().flatten());
        for criterion in rules.flat_map(|rule| &mut rule.criteria) {
            let (id, number) = match &mut criterion.test {
                Test::Uid(id) if id.number().is_none() => {
                    let number = user(&id.to_string());
                    (id, number)
                }
                Test::Gid(id) if id.number().is_none() => {
                    let number = group(&id.to_string());
                    (id, number)
                }
                _ => continue,
            };
            if let Some(number) = number {
                *id = OwnerId::new(number);
            }
        }
        self
    }

    /// What must be set up beside the rules: addresses, policy rules and routes, in order. Rules first for a
    /// sidecar (section 2.2), steps first for an ambient pod (`AMB-13`).
    pub fn host_steps(&self) -> &[HostStep] {
        &self.steps
    }
}

/// The two rule lists while they grow.
pub(crate) struct Lists {
    ipv4: Vec<Rule>,
    ipv6: Option<Vec<Rule>>,
}

impl Lists {
    /// Empty lists with room for `expected` rules each: lists of thousands are not moved while they grow.
    pub(crate) fn new(ipv6: bool, expected: usize) -> Self {
        Self { ipv4: Vec::with_capacity(expected), ipv6: ipv6.then(|| Vec::with_capacity(expected)) }
    }

    /// Adds a rule to both lists; the closure sees the family it is for.
    pub(crate) fn both(&mut self, make: impl Fn(Family) -> Rule) {
        self.ipv4.push(make(Family::Ipv4));
        if let Some(list) = &mut self.ipv6 {
            list.push(make(Family::Ipv6));
        }
    }

    /// Adds a rule to one list; dropped if that family is off.
    pub(crate) fn one(&mut self, family: Family, make: impl FnOnce() -> Rule) {
        match (family, &mut self.ipv6) {
            (Family::Ipv4, _) => self.ipv4.push(make()),
            (Family::Ipv6, Some(list)) => list.push(make()),
            (Family::Ipv6, None) => {}
        }
    }

    pub(crate) fn finish(self, steps: Vec<HostStep>, layout: Layout) -> RulePlan {
        RulePlan { ipv4: self.ipv4, ipv6: self.ipv6, steps, layout }
    }
}

/// The address the proxy uses as its source when it calls the application: 127.0.0.6 or ::6.
pub(crate) fn self_address(family: Family) -> Address {
    match family {
        Family::Ipv4 => Ipv4Net::from(Ipv4Addr::new(127, 0, 0, 6)).into(),
        Family::Ipv6 => Ipv6Net::from(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)).into(),
    }
}

/// The loopback range of a family: the setting in IPv4, always `::1/128` in IPv6.
pub(crate) fn loopback(config: &CaptureConfig, family: Family) -> Address {
    match family {
        Family::Ipv4 => config.loopback.into(),
        Family::Ipv6 => Ipv6Net::from(Ipv6Addr::LOCALHOST).into(),
    }
}

/// The name of the loopback interface, shared by the rules of one plan.
pub(crate) fn lo() -> InterfaceName {
    Arc::from("lo")
}
