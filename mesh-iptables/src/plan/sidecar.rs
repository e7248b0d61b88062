//! The sidecar's rules in their order (section 2.1): interfaces, invalid packets, base chains, then the rest.

use super::{Layout, Lists, RulePlan, host};
use crate::chain::{Chain, Table};
use crate::config::{CaptureConfig, Mode};
use crate::ports::{Port, PortSet};
use crate::reason;
use crate::rule::{ConnectionState, Protocol, Rule, Target, dport, iif, oif, state, tcp};

impl CaptureConfig {
    /// The interception rules of a sidecar. Cannot fail.
    ///
    /// Cost: linear in the number of rules; a rule of more than two conditions costs an allocation.
    ///
    /// # Examples
    /// ```
    /// use mesh_iptables::{CaptureConfig, CidrSet, Family, PortSet};
    /// let config = CaptureConfig::builder()
    ///     .inbound_ports(&PortSet::all())
    ///     .outbound_ranges(&CidrSet::all())
    ///     .build()?;
    /// let plan = config.plan();
    /// assert!(plan.restore_input(Family::Ipv4).starts_with("* nat\n-N ISTIO_INBOUND\n"));
    /// assert_eq!(plan.restore_input(Family::Ipv6), ""); // IPv6 is off
    /// # Ok::<(), mesh_iptables::ConfigError>(())
    /// ```
    pub fn plan(&self) -> RulePlan {
        let mut lists = Lists::new(self.ipv6, self.expected_rules());
        interfaces(self, &mut lists);
        invalid_packets(self, &mut lists);
        base_chains(self, &mut lists);
        super::inbound::rules(self, &mut lists);
        super::outbound::owner_rules(self, &mut lists);
        super::dns::rules(self, &mut lists);
        super::outbound::destination_rules(self, &mut lists);
        if self.mode == Mode::Tproxy {
            super::tproxy::rules(self, &mut lists);
        }
        lists.finish(host::sidecar_steps(self), Layout::Sidecar)
    }

    /// A plan to clean up with when it is not known which mode made what is there: it also holds the marks, the
    /// policy rules and the routes that TPROXY adds with the same options. They carry no name of Istio's by which
    /// a cleanup could find them.
    ///
    /// # Examples
    /// ```
    /// use mesh_iptables::CaptureConfig;
    /// let config = CaptureConfig::builder().build()?;
    /// assert!(config.plan().host_steps().is_empty());
    /// assert_eq!(config.removal_plan().host_steps().len(), 2); // the policy rule and the route of IPv4
    /// # Ok::<(), mesh_iptables::ConfigError>(())
    /// ```
    pub fn removal_plan(&self) -> RulePlan {
        let mut config = self.clone();
        config.mode = Mode::Tproxy;
        if config.inbound_ports.is_none() {
            config.inbound_ports = PortSet::all();
        }
        config.plan()
    }
}

impl CaptureConfig {
    /// About how many rules a plan has, for reserving memory.
    pub(crate) fn expected_rules(&self) -> usize {
        let inbound =
            self.inbound_ports.all_except().or(self.inbound_ports.listed()).map_or(0, <[Port]>::len);
        let outbound = self.outbound_exclude_ports.len() * 2 + self.outbound_include_ports.len();
        let ranges = self.outbound_ranges.included().len() * (1 + self.virtual_interfaces.len())
            + self.outbound_ranges.excluded().len();
        let inbound = if self.mode == Mode::Tproxy { inbound * 2 } else { inbound };
        32 + inbound + outbound + ranges
    }
}

fn interfaces(config: &CaptureConfig, lists: &mut Lists) {
    for (table, reason, wanted) in [
        (Table::Nat, reason::EXCLUDED_INTERFACE, true),
        (Table::Mangle, reason::EXCLUDED_INTERFACE_MANGLE, config.mode == Mode::Tproxy),
    ] {
        for name in config.exclude_interfaces.iter().filter(|_| wanted) {
            lists.both(|_| Rule::new(table, Chain::PREROUTING, reason, [iif(name)], Target::Return));
            lists.both(|_| Rule::new(table, Chain::OUTPUT, reason, [oif(name)], Target::Return));
        }
    }
    for name in &config.virtual_interfaces {
        lists.both(|_| {
            let criteria = [iif(name)];
            Rule::new(Table::Nat, Chain::PREROUTING, reason::VIRTUAL_INTERFACE, criteria, Target::Return)
                .insert_at(1)
        });
    }
}

fn invalid_packets(config: &CaptureConfig, lists: &mut Lists) {
    if config.drop_invalid {
        lists.both(|_| {
            let criteria = [state(&[ConnectionState::Invalid])];
            let target = Target::Jump(Chain::ISTIO_DROP);
            Rule::new(Table::Mangle, Chain::PREROUTING, reason::INVALID_JUMP, criteria, target)
        });
        lists.both(|_| Rule::new(Table::Mangle, Chain::ISTIO_DROP, reason::INVALID_DROP, [], Target::Drop));
    }
}

/// Emitted whatever is captured, so that the chains exist.
fn base_chains(config: &CaptureConfig, lists: &mut Lists) {
    lists.both(|_| {
        let criteria = [tcp(), dport(Protocol::Tcp, &config.tunnel_port)];
        Rule::new(Table::Nat, Chain::ISTIO_INBOUND, reason::TUNNEL, criteria, Target::Return)
    });
    lists.both(|_| {
        let target = Target::Redirect(config.outbound_port.clone());
        Rule::new(Table::Nat, Chain::ISTIO_REDIRECT, reason::TO_OUTBOUND, [tcp()], target)
    });
    lists.both(|_| {
        let target = Target::Redirect(config.inbound_port.clone());
        Rule::new(Table::Nat, Chain::ISTIO_IN_REDIRECT, reason::TO_INBOUND, [tcp()], target)
    });
}
