//! Whether a rule's condition holds for a packet (section 6.3).

use std::net::IpAddr;

use super::namespace::Namespace;
use super::packet::Owner;
use super::ruleset::Backend;
use crate::numeral::Numeral;
use crate::rule::{Address, ConnectionState, Criterion, Mark, Protocol, Test};

/// The interfaces a rule sees at one place of the way.
#[derive(Clone, Copy)]
pub(super) struct At<'i> {
    pub(super) incoming: Option<&'i str>,
    pub(super) outgoing: Option<&'i str>,
}

/// The packet as a rule sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) protocol: Protocol,
    pub(super) source: IpAddr,
    pub(super) source_port: Option<u16>,
    pub(super) destination: IpAddr,
    pub(super) destination_port: u16,
    pub(super) owner: Option<Owner>,
    pub(super) mark: u32,
    pub(super) connection_mark: u32,
    pub(super) state: ConnectionState,
}

/// Whether the condition holds; `None` if that cannot be known, as with a name where a number is needed.
pub(super) fn holds(
    criterion: &Criterion,
    seen: &Seen,
    at: At<'_>,
    backend: Backend,
    namespace: &Namespace,
) -> Option<bool> {
    let test = match &criterion.test {
        Test::InInterface(name) => is_interface(name, at.incoming, backend),
        Test::OutInterface(name) => is_interface(name, at.outgoing, backend),
        Test::Source(address) => return in_range(address, seen.source, criterion.negated),
        Test::Destination(address) => return in_range(address, seen.destination, criterion.negated),
        Test::DestinationInSet(_, name) => namespace.set_contains(name, seen.destination)?,
        Test::Protocol(protocol) => *protocol == seen.protocol,
        // The port of another protocol does not exist, negated or not (`SIM-22`).
        Test::SourcePort(protocol, _)
        | Test::DestinationPort(protocol, _)
        | Test::DestinationPorts(protocol, _)
            if *protocol != seen.protocol =>
        {
            return Some(false);
        }
        Test::SourcePort(_, port) => match seen.source_port {
            Some(number) => is_number(port.numeral(), u32::from(number))?,
            // A port of no interest.
            None => false,
        },
        Test::DestinationPort(_, port) => is_number(port.numeral(), u32::from(seen.destination_port))?,
        Test::DestinationPorts(_, ports) => {
            let number = u32::from(seen.destination_port);
            ports.iter().try_fold(false, |any, port| Some(any | is_number(port.numeral(), number)?))?
        }
        Test::Uid(_) | Test::Gid(_) if seen.owner.is_none() => {
            // `SIM-23` and, in nftables, `SIM-24`: there neither polarity holds.
            return Some(criterion.negated && backend == Backend::Iptables);
        }
        Test::Uid(id) => is_number(id.numeral(), seen.owner?.uid)?,
        Test::Gid(id) => is_number(id.numeral(), seen.owner?.gid)?,
        Test::SocketExists => seen.owner.is_some(),
        Test::Mark(mark) => is_mark(mark, seen.mark)?,
        Test::ConnectionMark(mark) => is_mark(mark, seen.connection_mark)?,
        Test::State(states) => states.contains(&seen.state),
    };
    Some(test != criterion.negated)
}

/// Exact, or by prefix with `+` in iptables and `*` in nftables (`SIM-21`, `IPT-VAL-04`). Where a packet has no
/// such interface the name is empty.
fn is_interface(name: &str, interface: Option<&str>, backend: Backend) -> bool {
    let interface = interface.unwrap_or_default();
    let wildcard = match backend {
        Backend::Iptables => '+',
        Backend::Nftables => '*',
    };
    match name.strip_suffix(wildcard) {
        Some(prefix) => interface.starts_with(prefix),
        None => name == interface,
    }
}

/// A rule about the other family does not apply, negated or not: it is in the other list or, in an `inet`
/// table, asks for the family first.
fn in_range(address: &Address, found: IpAddr, negated: bool) -> Option<bool> {
    let same_family = match address {
        Address::Range(range) => range.addr().is_ipv4() == found.is_ipv4(),
        Address::Host(host) => host.is_ipv4() == found.is_ipv4(),
        // The tools refuse it.
        Address::Zoned(..) => return None,
    };
    Some(same_family && address.contains(found) != negated)
}

/// One number or an inclusive range `a-b` or `a:b`; `None` for a name.
fn is_number(numeral: &Numeral, number: u32) -> Option<bool> {
    if let Some(value) = numeral.value() {
        return Some(value == number);
    }
    let text = numeral.to_string();
    let (low, high) = text.split_once(['-', ':'])?;
    let (low, high) = (Numeral::parse(low).value()?, Numeral::parse(high).value()?);
    Some((low..=high).contains(&number))
}

fn is_mark(mark: &Mark, found: u32) -> Option<bool> {
    Some(found & mark.mask.unwrap_or(u32::MAX) == mark.value.value()?)
}
