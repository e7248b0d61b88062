//! Outbound capture (rules `IPT-OUT-01` to `IPT-OUT-15`), in two parts: DNS stands between them.

use super::{Lists, lo, loopback, self_address};
use crate::chain::{Chain, Family, Table};
use crate::config::CaptureConfig;
use crate::criteria::Criteria;
use crate::owner::{OwnerGroups, OwnerId};
use crate::ports::Port;
use crate::reason::{self, Reason};
use crate::rule::{
    Address, Criterion, Protocol, Rule, Target, Test, destination, dport, gid, iif, oif, source, tcp, udp,
    uid,
};

/// The port DNS servers listen on.
pub(crate) const DNS_PORT: Port = Port::new(53);

fn output(reason: Reason, criteria: impl Into<Criteria>, target: Target) -> Rule {
    Rule::new(Table::Nat, Chain::ISTIO_OUTPUT, reason, criteria, target)
}

/// What depends on who sends: `IPT-OUT-01` to `IPT-OUT-10`.
pub(super) fn owner_rules(config: &CaptureConfig, lists: &mut Lists) {
    let lo = lo();
    lists.both(|_| {
        let target = Target::Jump(Chain::ISTIO_OUTPUT);
        Rule::new(Table::Nat, Chain::OUTPUT, reason::OUTPUT_JUMP, [], target)
    });
    for port in &config.outbound_exclude_ports {
        for (protocol, criterion) in [(Protocol::Tcp, tcp()), (Protocol::Udp, udp())] {
            lists.both(|_| {
                let criteria = [criterion.clone(), dport(protocol, port)];
                output(reason::OUTBOUND_EXCLUDE_PORT, criteria, Target::Return)
            });
        }
    }
    lists.both(|family| {
        output(reason::FROM_INBOUND_PROXY, [oif(&lo), source(self_address(family))], Target::Return)
    });
    for id in &config.proxy_uids {
        let ports = if config.dns.is_on() {
            Test::DestinationPorts(Protocol::Tcp, vec![DNS_PORT, config.tunnel_port.clone()]).into()
        } else {
            dport(Protocol::Tcp, &config.tunnel_port)
        };
        let reasons = [reason::UID_SELF_CALL, reason::UID_DIRECT, reason::UID_NO_LOOP];
        owner_triple(config, lists, reasons, &ports, &uid(id));
    }
    for id in &config.proxy_gids {
        // Only the first form here, also with DNS capture: the baseline never gave groups the other one.
        let ports = dport(Protocol::Tcp, &config.tunnel_port);
        let reasons = [reason::GID_SELF_CALL, reason::GID_DIRECT, reason::GID_NO_LOOP];
        owner_triple(config, lists, reasons, &ports, &gid(id));
    }
    match &config.owner_groups {
        OwnerGroups::AllExcept(except) => {
            for group in except {
                lists.both(|_| output(reason::OWNER_GROUPS, [gid(group)], Target::Return));
            }
        }
        OwnerGroups::Only(only) => lists.both(|_| {
            output(
                reason::OWNER_GROUPS,
                only.iter().map(|group: &OwnerId| gid(group).not()).collect::<Criteria>(),
                Target::Return,
            )
        }),
    }
}

/// Self call through the proxy, direct self call, and everything else the proxy sends.
fn owner_triple(
    config: &CaptureConfig,
    lists: &mut Lists,
    [self_call, direct, no_loop]: [Reason; 3],
    tunnel_ports: &Criterion,
    owner: &Criterion,
) {
    let lo = lo();
    lists.both(|family| {
        let loopback = destination(loopback(config, family)).not();
        let criteria = vec![oif(&lo), loopback, tcp(), tunnel_ports.clone().not(), owner.clone()];
        output(self_call, criteria, Target::Jump(Chain::ISTIO_IN_REDIRECT))
    });
    if !config.outbound_ranges.includes_loopback() {
        lists.both(|_| {
            let mut criteria = vec![oif(&lo)];
            if config.dns.is_on() {
                criteria.extend([tcp(), dport(Protocol::Tcp, &DNS_PORT).not()]);
            }
            criteria.push(owner.clone().not());
            output(direct, criteria, Target::Return)
        });
    }
    lists.both(|_| output(no_loop, vec![owner.clone()], Target::Return));
}

/// What depends on where it goes: `IPT-OUT-11` to `IPT-OUT-15`.
pub(super) fn destination_rules(config: &CaptureConfig, lists: &mut Lists) {
    let redirect = Target::Jump(Chain::ISTIO_REDIRECT);
    let of = |family: Family, ranges: &[ipnet::IpNet]| -> Vec<Address> {
        let addresses = ranges.iter().copied().map(Address::Range);
        addresses.filter(|address| address.family() == family).collect()
    };
    lists.both(|family| output(reason::LOOPBACK, [destination(loopback(config, family))], Target::Return));
    for family in Family::BOTH {
        for range in of(family, config.outbound_ranges.excluded()) {
            lists
                .one(family, || output(reason::OUTBOUND_EXCLUDE_RANGE, [destination(range)], Target::Return));
        }
    }
    for port in &config.outbound_include_ports {
        lists.both(|_| output(reason::OUTBOUND_PORT, [tcp(), dport(Protocol::Tcp, port)], redirect.clone()));
    }
    let from_virtual = |reason: Reason, criteria: Criteria| {
        Rule::new(Table::Nat, Chain::PREROUTING, reason, criteria, redirect.clone()).insert_at(1)
    };
    for family in Family::BOTH {
        if config.outbound_ranges.is_all() {
            lists.one(family, || output(reason::OUTBOUND_ALL, [], redirect.clone()));
            for name in &config.virtual_interfaces {
                lists.one(family, || from_virtual(reason::VIRTUAL_ALL, [iif(name)].into()));
            }
        }
        for range in of(family, config.outbound_ranges.included()) {
            for name in &config.virtual_interfaces {
                let criteria = [iif(name), destination(range.clone())];
                lists.one(family, || from_virtual(reason::VIRTUAL_RANGE, criteria.into()));
            }
            lists.one(family, || output(reason::OUTBOUND_RANGE, [destination(range)], redirect.clone()));
        }
    }
}
