//! The network namespace a packet is in, as far as routing decides about it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::chain::Family;
use crate::config::InterfaceName;
use crate::plan::HostStep;

/// Addresses, interfaces, policy rules and address sets of the namespace (rule `SIM-10`).
///
/// Routing is modelled as far as rules can tell: local addresses go through `lo` (`SIM-21`), an address in an
/// interface's network through that interface, everything else through the first one. A packet whose mark has
/// a policy rule is local whatever its address.
///
/// # Examples
/// ```
/// use mesh_iptables::Namespace;
/// let pod = Namespace::pod(["10.77.0.2/24".parse()?, "fd00:77::2/64".parse()?]);
/// assert!(pod.is_local("10.77.0.2".parse()?) && pod.is_local("127.0.0.6".parse()?));
/// assert!(!pod.is_local("10.77.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Namespace {
    /// In the order they were added.
    addresses: Vec<(InterfaceName, IpNet)>,
    local: Vec<IpAddr>,
    policies: Vec<Policy>,
    sets: Vec<(String, Vec<IpAddr>)>,
}

/// Packets with this mark are looked up in a table where everything is local.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Policy {
    family: Family,
    mark: u32,
    mask: u32,
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespace {
    /// Only `lo`. Whatever is not loopback goes through `eth0`.
    pub fn new() -> Self {
        Self { addresses: Vec::new(), local: Vec::new(), policies: Vec::new(), sets: Vec::new() }
    }

    /// A pod with these addresses on `eth0`.
    pub fn pod(addresses: impl IntoIterator<Item = IpNet>) -> Self {
        let eth0: InterfaceName = Arc::from("eth0");
        addresses.into_iter().fold(Self::new(), |pod, address| pod.address(eth0.clone(), address))
    }

    /// Adds an address with its network to an interface. The first one of an interface is what REDIRECT sends
    /// packets to that arrive there (`SIM-31`).
    pub fn address(mut self, interface: impl Into<InterfaceName>, address: IpNet) -> Self {
        self.addresses.push((interface.into(), address));
        self
    }

    /// Adds what a plan sets up beside its rules: the address `::6`, policy rules and local routes.
    pub fn host_steps(mut self, steps: &[HostStep]) -> Self {
        for step in steps {
            match step {
                HostStep::LoopbackAddress(address) => self.local.push(*address),
                HostStep::PolicyRule { family, mark, mask, table, .. } => {
                    // Without its route the rule finds nothing, and the main table decides.
                    let has_route = steps.iter().any(|other| {
                        matches!(other, HostStep::LocalRoute { family: at, table: to } if at == family && to == table)
                    });
                    if let Some(mark) = mark.value().filter(|_| has_route) {
                        let mask = mask.unwrap_or(u32::MAX);
                        self.policies.push(Policy { family: *family, mark: mark & mask, mask });
                    }
                }
                HostStep::LocalRoute { .. } => {}
            }
        }
        self
    }

    /// The members of an address set that rules refer to by name.
    pub fn set(mut self, name: impl Into<String>, members: impl IntoIterator<Item = IpAddr>) -> Self {
        self.sets.push((name.into(), members.into_iter().collect()));
        self
    }

    /// Whether the address belongs to this namespace.
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self.local.contains(&address)
            || self.addresses.iter().any(|(_, local)| local.addr() == address)
    }

    /// Whether nothing but `lo` is known.
    pub(super) fn knows_no_address(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Whether a mark sends packets to `lo` whatever their address.
    pub(super) fn is_marked_local(&self, family: Family, mark: u32) -> bool {
        self.policies.iter().any(|policy| policy.family == family && mark & policy.mask == policy.mark)
    }

    /// The interface a packet leaves through.
    pub(super) fn route(&self, destination: IpAddr, mark: u32) -> InterfaceName {
        let family = if destination.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        if self.is_marked_local(family, mark) || self.is_local(destination) {
            return Arc::from("lo");
        }
        let beyond = || self.addresses.iter().filter(|(name, _)| **name != *"lo");
        beyond()
            .filter(|(_, local)| local.contains(&destination))
            .max_by_key(|(_, local)| local.prefix_len())
            .or_else(|| beyond().find(|(_, local)| local.addr().is_ipv4() == destination.is_ipv4()))
            .or_else(|| beyond().next())
            .map_or_else(|| Arc::from("eth0"), |(name, _)| name.clone())
    }

    /// The source address routing chooses.
    pub(super) fn source_for(&self, destination: IpAddr, interface: &str) -> IpAddr {
        let same_family = |address: IpAddr| address.is_ipv4() == destination.is_ipv4();
        if destination.is_loopback() {
            return if destination.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            };
        }
        if self.is_local(destination) {
            return destination;
        }
        let own = self.addresses.iter().filter(|(_, local)| same_family(local.addr()));
        own.clone()
            .find(|(name, _)| **name == *interface)
            .or_else(|| own.clone().next())
            .map_or_else(|| outside(destination), |(_, local)| local.addr())
    }

    /// The address REDIRECT sends a packet to that arrives on `interface`; `None` if the interface is unknown.
    pub(super) fn redirect_address(&self, interface: &str, destination: IpAddr) -> Option<IpAddr> {
        let link_local = |address: IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let mut own = self
            .addresses
            .iter()
            .filter(|(name, local)| **name == *interface && local.addr().is_ipv4() == destination.is_ipv4())
            .map(|(_, local)| local.addr());
        own.find(|address| link_local(*address) == link_local(destination))
    }

    /// Whether a set holds an address; `None` if no such set is known.
    pub(super) fn set_contains(&self, name: &str, address: IpAddr) -> Option<bool> {
        self.sets.iter().find(|(held, _)| held == name).map(|(_, members)| members.contains(&address))
    }
}

/// An address of nobody, for a packet whose source was not given.
pub(super) fn outside(destination: IpAddr) -> IpAddr {
    match destination {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    }
}
