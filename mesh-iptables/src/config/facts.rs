//! What the machine says: addresses and resolvers, handed in by the caller.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::error::{ConfigError, ConfigErrorKind};

/// The host's address and whether IPv6 rules are wanted (rule `IPT-CFG-51`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HostAddresses {
    /// The first usable address.
    pub host: IpAddr,
    /// Whether IPv6 rules are made.
    pub ipv6: bool,
    /// Whether there is a usable IPv6 address that no rule will cover, because the first address is an IPv4
    /// one and dual-stack is not set (`TRB-06`).
    pub has_unused_ipv6: bool,
}

/// Whether a pod has addresses of both families.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Stack {
    #[default]
    Single,
    Dual,
}

impl HostAddresses {
    /// Decides from the interface addresses, in their order.
    ///
    /// Loopback and link-local addresses do not count. The first address that remains decides the family.
    ///
    /// # Errors
    /// No address remains (`IPT-CFG-51`).
    pub fn detect(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, ConfigError> {
        Self::decide(addresses, Stack::Single)
    }

    /// As [`HostAddresses::detect`] with the dual-stack flag set: any IPv6 address that remains switches
    /// IPv6 on.
    ///
    /// # Errors
    /// No address remains (`IPT-CFG-51`).
    pub fn detect_dual_stack(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self, ConfigError> {
        Self::decide(addresses, Stack::Dual)
    }

    fn decide(addresses: impl IntoIterator<Item = IpAddr>, stack: Stack) -> Result<Self, ConfigError> {
        let mut usable =
            addresses.into_iter().map(|address| address.to_canonical()).filter(|address| match address {
                IpAddr::V4(v4) => {
                    !v4.is_loopback() && !v4.is_link_local() && v4.octets().get(..3) != Some(&[224, 0, 0])
                }
                IpAddr::V6(v6) => {
                    let link_local_multicast =
                        v6.segments().first().is_some_and(|first| first & 0xff0f == 0xff02);
                    !v6.is_loopback() && !v6.is_unicast_link_local() && !link_local_multicast
                }
            });
        let Some(host) = usable.next() else {
            let message =
                "no valid local address found, an address that is neither loopback nor link-local is needed";
            return Err(ConfigError::new(
                "addresses",
                "",
                "IPT-CFG-51",
                ConfigErrorKind::NoAddress,
                message.to_owned(),
            ));
        };
        let has_ipv6 = host.is_ipv6() || usable.any(|address| address.is_ipv6());
        let ipv6 = host.is_ipv6() || (stack == Stack::Dual && has_ipv6);
        Ok(Self { host, ipv6, has_unused_ipv6: has_ipv6 && !ipv6 })
    }
}

/// The address of a DNS server; an IPv6 one may carry a zone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NameServer {
    address: IpAddr,
    zone: Option<Arc<str>>,
}

impl NameServer {
    /// Reads `address` or `address%zone`; an IPv4-mapped address stays IPv6. `None` if unreadable.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('%') {
            None => text.parse::<IpAddr>().ok().map(Self::from),
            Some((address, zone)) => {
                let address: Ipv6Addr = address.parse().ok()?;
                (!zone.is_empty()).then(|| Self { address: address.into(), zone: Some(zone.into()) })
            }
        }
    }

    /// The address without its zone.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The zone, which `ip6tables` refuses (`IPT-CFG-53`).
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    pub(crate) fn shared_zone(&self) -> Option<Arc<str>> {
        self.zone.clone()
    }
}

impl From<IpAddr> for NameServer {
    fn from(address: IpAddr) -> Self {
        Self { address, zone: None }
    }
}

impl From<Ipv4Addr> for NameServer {
    fn from(address: Ipv4Addr) -> Self {
        IpAddr::from(address).into()
    }
}

impl From<Ipv6Addr> for NameServer {
    fn from(address: Ipv6Addr) -> Self {
        IpAddr::from(address).into()
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            None => write!(f, "{}", self.address),
            Some(zone) => write!(f, "{}%{zone}", self.address),
        }
    }
}

/// The pod's resolvers, split by family (rule `IPT-CFG-53`).
///
/// # Examples
/// ```
/// use mesh_iptables::NameServers;
/// let servers = NameServers::from_resolv_conf("search svc\nnameserver 10.96.0.10\nnameserver fd00:0::a\n");
/// assert_eq!(servers.ipv4()[0].to_string(), "10.96.0.10");
/// assert_eq!(servers.ipv6()[0].to_string(), "fd00::a");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct NameServers {
    ipv4: Vec<NameServer>,
    ipv6: Vec<NameServer>,
}

impl NameServers {
    /// Splits servers by family, keeping their order.
    pub fn new(servers: impl IntoIterator<Item = NameServer>) -> Self {
        let (ipv4, ipv6) = servers.into_iter().partition(|server| server.address.is_ipv4());
        Self { ipv4, ipv6 }
    }

    /// Reads the `nameserver` lines of a resolver configuration. Lines that cannot be read are dropped, as
    /// a resolver drops them.
    pub fn from_resolv_conf(text: &str) -> Self {
        Self::new(text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| NameServer::parse(words.next()?)).flatten()
        }))
    }

    /// The IPv4 servers.
    pub fn ipv4(&self) -> &[NameServer] {
        &self.ipv4
    }

    /// The IPv6 servers.
    pub fn ipv6(&self) -> &[NameServer] {
        &self.ipv6
    }

    /// Whether there is no server of either family.
    pub fn is_empty(&self) -> bool {
        self.ipv4.is_empty() && self.ipv6.is_empty()
    }

    /// Drops the servers with a zone and returns them.
    pub(super) fn take_zoned(&mut self) -> Vec<NameServer> {
        self.ipv6.extract_if(.., |server| server.zone.is_some()).collect()
    }
}
