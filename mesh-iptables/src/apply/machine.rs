//! What a configuration needs to know of the machine (rules `IPT-CFG-50`, `IPT-CFG-51`, `IPT-CFG-53`).

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use super::error::{ApplyError, ApplyErrorKind};
use super::{host, namespace};
use crate::config::{CaptureConfigBuilder, HostAddresses, InterfaceName, NameServers, parse_bool};
use crate::error::ConfigError;
use crate::simulate::Namespace;

/// Facts of a machine or of a pod's network namespace.
///
/// # Examples
/// ```
/// use mesh_iptables::CaptureConfig;
/// use mesh_iptables::apply::Machine;
/// let addresses = vec![("eth0".into(), "10.1.2.3/24".parse()?), ("eth0".into(), "fd00::3/64".parse()?)];
/// let machine = Machine { addresses, ..Machine::default() };
/// let builder = CaptureConfig::builder().args(["--dual-stack"])?;
/// assert!(machine.describe_to(builder)?.build()?.ipv6());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// The interfaces with their addresses and networks, in the kernel's order.
    pub addresses: Vec<(InterfaceName, IpNet)>,
    /// The text of the resolver configuration.
    pub resolv_conf: String,
    /// The UID of the proxy's user, if the user database knows it.
    pub proxy_uid: Option<u32>,
    /// Whether the loopback interface has IPv6 switched off.
    pub loopback_refuses_ipv6: bool,
}

impl Machine {
    /// Reads them: addresses in the namespace at `network_namespace` or the caller's, resolvers from
    /// `/etc/resolv.conf` (an unreadable one names none), and the UID of `proxy_user`.
    ///
    /// # Errors
    /// The namespace cannot be entered, or its addresses cannot be read.
    pub fn read(network_namespace: Option<&Path>, proxy_user: &str) -> Result<Self, ApplyError> {
        let (addresses, loopback_refuses_ipv6) = namespace::inside(network_namespace, || {
            let interfaces = nix::ifaddrs::getifaddrs().map_err(|error| {
                let message = format!("interface addresses cannot be read: {error}");
                ApplyError::new(ApplyErrorKind::Unreadable, message)
            })?;
            let address = |interface: nix::ifaddrs::InterfaceAddress| {
                let ip = |address: Option<nix::sys::socket::SockaddrStorage>| {
                    let address = address?;
                    let ipv4 = address.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
                    ipv4.or_else(|| address.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip())))
                };
                let address = ip(interface.address)?;
                let network = ip(interface.netmask).and_then(|mask| IpNet::with_netmask(address, mask).ok());
                Some((interface.interface_name.into(), network.unwrap_or_else(|| address.into())))
            };
            Ok((interfaces.filter_map(address).collect(), host::loopback_refuses_ipv6()))
        })?;
        let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let user = nix::unistd::User::from_name(proxy_user).ok().flatten();
        let proxy_uid = user.map(|user| user.uid.as_raw());
        Ok(Self { addresses, resolv_conf, proxy_uid, loopback_refuses_ipv6 })
    }

    /// The address that decides the family (`IPT-CFG-51`).
    ///
    /// # Errors
    /// No address decides it.
    pub fn host(&self, dual_stack: bool) -> Result<HostAddresses, ConfigError> {
        let addresses = self.addresses.iter().map(|(_, network)| network.addr());
        if dual_stack {
            HostAddresses::detect_dual_stack(addresses)
        } else {
            HostAddresses::detect(addresses)
        }
    }

    /// The machine as a simulation needs it.
    pub fn namespace(&self) -> Namespace {
        self.addresses.iter().fold(Namespace::new(), |namespace, (interface, network)| {
            namespace.address(interface.clone(), *network)
        })
    }

    /// Hands the facts to a configuration, as Istio's own tool would find them. The options must be in already:
    /// `dual-stack` decides how the addresses are read.
    ///
    /// # Errors
    /// No address decides the family (`IPT-CFG-51`).
    pub fn describe_to(&self, builder: CaptureConfigBuilder) -> Result<CaptureConfigBuilder, ConfigError> {
        let dual = builder.value("dual-stack").and_then(parse_bool).unwrap_or(false);
        let host = self.host(dual)?;
        let mut builder = builder.host(host).name_servers(NameServers::from_resolv_conf(&self.resolv_conf));
        if let Some(uid) = self.proxy_uid {
            builder = builder.envoy_user(uid);
        }
        if host.ipv6 && self.loopback_refuses_ipv6 {
            builder = builder.loopback_refuses_ipv6();
        }
        Ok(builder)
    }
}
