//! One rule: where it stands, what it matches, what it does, and why it is there.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::chain::{Chain, Family, Table};
use crate::config::{InterfaceName, NameServer};
use crate::criteria::Criteria;
use crate::numeral::Numeral;
use crate::owner::OwnerId;
use crate::ports::Port;
use crate::reason::Reason;

/// Where a rule goes in its chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Placement {
    /// After the rules present.
    Append,
    /// At this place, counted from 1; what is there and behind moves back.
    Insert(NonZeroUsize),
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, the one of IPv4.
    Icmp,
    /// ICMP of IPv6.
    Icmpv6,
    /// SCTP.
    Sctp,
}

/// The address side of a match, as it is written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Address {
    /// A range with its length; host bits are kept and the kernel ignores them.
    Range(IpNet),
    /// One address without a length.
    Host(IpAddr),
    /// An IPv6 resolver with a zone. The kernel tools refuse it (`IPT-CFG-53`), so it matches nothing.
    Zoned(Ipv6Addr, Arc<str>),
}

impl Address {
    /// The family.
    pub fn family(&self) -> Family {
        let is_ipv4 = match self {
            Self::Range(range) => range.addr().is_ipv4(),
            Self::Host(host) => host.is_ipv4(),
            Self::Zoned(..) => false,
        };
        if is_ipv4 { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// Whether `address` is meant.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::Range(range) => range.contains(&address),
            Self::Host(host) => *host == address,
            Self::Zoned(..) => false,
        }
    }

    /// A resolver, written with the full length of its family.
    pub(crate) fn server(server: &NameServer) -> Self {
        match (server.address(), server.shared_zone()) {
            (IpAddr::V6(address), Some(zone)) => Self::Zoned(address, zone),
            (address, _) => Self::Range(IpNet::from(address)),
        }
    }
}

impl From<Ipv4Net> for Address {
    fn from(range: Ipv4Net) -> Self {
        Self::Range(range.into())
    }
}

impl From<Ipv6Net> for Address {
    fn from(range: Ipv6Net) -> Self {
        Self::Range(range.into())
    }
}

/// A packet or connection mark, with a mask if one is written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mark {
    /// The value.
    pub value: Numeral,
    /// The bits that count; all when absent.
    pub mask: Option<u32>,
}

/// A state connection tracking gives a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The first of a flow.
    New,
    /// Of no known flow and of none that could begin.
    Invalid,
    /// Opened on behalf of a known flow.
    Related,
    /// Of a known flow.
    Established,
    /// Left out of connection tracking by a rule.
    Untracked,
}

/// What a [`Criterion`] looks at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Test {
    /// The packet came in through this interface.
    InInterface(InterfaceName),
    /// The packet goes out through this interface (for every local address that is `lo`).
    OutInterface(InterfaceName),
    /// The source address.
    Source(Address),
    /// The destination address, before this hook translates it.
    Destination(Address),
    /// The destination address is in a set kept elsewhere.
    DestinationInSet(Family, Cow<'static, str>),
    /// The transport protocol.
    Protocol(Protocol),
    /// The source port of this protocol.
    SourcePort(Protocol, Port),
    /// The destination port of this protocol.
    DestinationPort(Protocol, Port),
    /// The destination port is one of these.
    DestinationPorts(Protocol, Vec<Port>),
    /// The user who made the socket.
    Uid(OwnerId),
    /// The primary group of who made the socket.
    Gid(OwnerId),
    /// The packet belongs to a local socket.
    SocketExists,
    /// The packet mark.
    Mark(Mark),
    /// The connection mark.
    ConnectionMark(Mark),
    /// The connection state is one of these.
    State(Cow<'static, [ConnectionState]>),
}

/// One condition of a rule; a rule applies when all of them hold.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Criterion {
    /// Whether the test must fail instead of hold (`!`).
    pub negated: bool,
    /// What is looked at.
    pub test: Test,
}

impl Criterion {
    /// The opposite condition.
    #[must_use]
    pub(crate) fn not(mut self) -> Self {
        self.negated = true;
        self
    }
}

impl From<Test> for Criterion {
    fn from(test: Test) -> Self {
        Self { negated: false, test }
    }
}

/// What a rule does to a packet it applies to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Target {
    /// Go back to the calling chain; in a built-in chain accept.
    Return,
    /// Accept, in this table.
    Accept,
    /// Drop for good.
    Drop,
    /// Go through another chain and come back.
    Jump(Chain),
    /// Rewrite the destination to this local port.
    Redirect(Port),
    /// Hand the packet to the transparent listener on this port and mark it.
    Tproxy {
        /// The family the rule is for.
        family: Family,
        /// The listener.
        port: Port,
        /// The packet mark set.
        mark: Numeral,
    },
    /// Set the packet mark.
    SetMark(Numeral),
    /// Copy the packet mark to the connection.
    SaveMark,
    /// Copy the connection mark to the packet.
    RestoreMark,
    /// Set bits of the connection mark.
    SetConnectionMark {
        /// The bits set.
        value: Numeral,
        /// The bits cleared first.
        mask: u32,
    },
    /// Put the flow into this tracking zone.
    Zone(u16),
    /// Rewrite the source address.
    Snat(IpAddr),
}

/// Marks of the baseline's text that carry no meaning; they exist for output identical to the byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Spelling {
    /// `--to-port` instead of `--to-ports`.
    pub(crate) to_port: bool,
    /// `-m tcp` / `-m udp` before the port, or behind the protocol if there is no port.
    pub(crate) module: bool,
    /// `--nfmask 0xffffffff --ctmask 0xffffffff`, which are the defaults.
    pub(crate) full_masks: bool,
    /// nft: `meta` before `skuid`, `skgid` and `mark`.
    pub(crate) meta: bool,
    /// nft: `&` instead of `and`.
    pub(crate) ampersand: bool,
    /// nft: two blanks behind the mask.
    pub(crate) wide: bool,
    /// nft: no `counter`.
    pub(crate) no_counter: bool,
}

/// One rule of a plan.
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, Family, Target};
/// let plan = CaptureConfig::builder().build()?.plan();
/// let rule = &plan.rules(Family::Ipv4)[0];
/// assert_eq!(rule.to_string(), "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN");
/// assert_eq!(rule.target, Target::Return);
/// assert_eq!(rule.reason.id(), "IPT-INB-01");
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The table.
    pub table: Table,
    /// The chain that owns the rule.
    pub chain: Chain,
    /// Where in the chain.
    pub placement: Placement,
    /// All conditions, in the order they are written.
    pub criteria: Criteria,
    /// What happens.
    pub target: Target,
    /// Why the rule is there.
    pub reason: Reason,
    pub(crate) spelling: Spelling,
}

impl Rule {
    pub(crate) fn new(
        table: Table,
        chain: Chain,
        reason: Reason,
        criteria: impl Into<Criteria>,
        target: Target,
    ) -> Self {
        let criteria = criteria.into();
        Self {
            table,
            chain,
            placement: Placement::Append,
            criteria,
            target,
            reason,
            spelling: Spelling::default(),
        }
    }

    /// The same rule at a place counted from 1.
    pub(crate) fn insert_at(mut self, place: usize) -> Self {
        self.placement = NonZeroUsize::new(place).map_or(Placement::Append, Placement::Insert);
        self
    }

    pub(crate) fn spelled(mut self, spelling: Spelling) -> Self {
        self.spelling = spelling;
        self
    }
}

/// Orders rules as they end up in one chain: inserts applied to the appends before them.
pub(crate) fn in_chain_order<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<&'r Rule> {
    let mut ordered: Vec<&Rule> = Vec::new();
    for rule in rules {
        match rule.placement {
            Placement::Append => ordered.push(rule),
            Placement::Insert(place) => ordered.insert((place.get() - 1).min(ordered.len()), rule),
        }
    }
    ordered
}

// Short words for conditions, so that a plan reads like its specification.

pub(crate) fn iif(name: &InterfaceName) -> Criterion {
    Test::InInterface(name.clone()).into()
}

pub(crate) fn oif(name: &InterfaceName) -> Criterion {
    Test::OutInterface(name.clone()).into()
}

pub(crate) fn source(address: impl Into<Address>) -> Criterion {
    Test::Source(address.into()).into()
}

pub(crate) fn destination(address: impl Into<Address>) -> Criterion {
    Test::Destination(address.into()).into()
}

pub(crate) fn tcp() -> Criterion {
    Test::Protocol(Protocol::Tcp).into()
}

pub(crate) fn udp() -> Criterion {
    Test::Protocol(Protocol::Udp).into()
}

pub(crate) fn dport(protocol: Protocol, port: &Port) -> Criterion {
    Test::DestinationPort(protocol, port.clone()).into()
}

pub(crate) fn sport(protocol: Protocol, port: &Port) -> Criterion {
    Test::SourcePort(protocol, port.clone()).into()
}

pub(crate) fn uid(id: &OwnerId) -> Criterion {
    Test::Uid(id.clone()).into()
}

pub(crate) fn gid(id: &OwnerId) -> Criterion {
    Test::Gid(id.clone()).into()
}

pub(crate) fn mark(value: &Numeral) -> Criterion {
    Test::Mark(Mark { value: value.clone(), mask: None }).into()
}

pub(crate) fn connection_mark(value: &Numeral) -> Criterion {
    Test::ConnectionMark(Mark { value: value.clone(), mask: None }).into()
}

pub(crate) fn state(states: &'static [ConnectionState]) -> Criterion {
    Test::State(Cow::Borrowed(states)).into()
}
