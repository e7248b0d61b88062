//! The configuration a plan is made from.

mod advice;
mod build;
mod builder;
mod facts;
mod settings;
mod strict;

#[cfg(test)]
mod option_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;

pub use builder::CaptureConfigBuilder;
pub use facts::{HostAddresses, NameServer, NameServers};
pub(crate) use settings::parse_bool;
pub(crate) use strict::is_interface_name;

use crate::cidrs::CidrSet;
use crate::finding::{Finding, Validation};
use crate::numeral::Numeral;
use crate::owner::{OwnerGroups, OwnerId};
use crate::ports::{Port, PortSet};

/// An interface name as an option gives it; shared by every rule that names it.
pub type InterfaceName = Arc<str>;

/// How inbound traffic reaches the proxy (rule `IPT-CFG-07`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// Rewrite the destination to the proxy. The application sees the proxy's address as its peer.
    #[default]
    Redirect,
    /// Hand the untouched packet to a transparent listener. The application sees its real peer.
    Tproxy,
}

impl Mode {
    /// Reads the option: only the exact text `TPROXY` means [`Mode::Tproxy`]; every other text, also
    /// `tproxy` and `NONE`, acts as `REDIRECT`.
    pub fn parse(text: &str) -> Self {
        if text == "TPROXY" { Self::Tproxy } else { Self::Redirect }
    }
}

/// Which DNS queries are sent to the local agent on port 15053 (rules `IPT-CFG-18`, `IPT-CFG-19`,
/// `IPT-CFG-53`, `IPT-CFG-54`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DnsCapture {
    /// None.
    #[default]
    Off,
    /// Those sent to the pod's own resolvers.
    Servers(NameServers),
    /// All of them.
    All,
}

impl DnsCapture {
    /// Whether any query is captured.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }
}

/// Which `iptables` variant to use (rule `IPT-CFG-33`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IptablesVariant {
    /// The kernel's older interface, `iptables-legacy`.
    Legacy,
    /// The translation onto nftables, `iptables-nft`.
    Nft,
}

/// Options that say how rules are applied; they shape no rule (rules `IPT-CFG-22` to `IPT-CFG-33`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Run no external command.
    pub dry_run: bool,
    /// Make no rules at all.
    pub skip_rule_apply: bool,
    /// Probe the rules after applying.
    pub run_validation: bool,
    /// The port the probe calls.
    pub probe_port: u16,
    /// How long the probe may take.
    pub probe_timeout: Duration,
    /// The path of the network namespace, empty for the current one.
    pub network_namespace: String,
    /// Work in a pod's network namespace from the host's file system.
    pub cni_mode: bool,
    /// Repair rules that drifted.
    pub reconcile: bool,
    /// Only remove rules.
    pub cleanup_only: bool,
    /// Apply even when nothing drifted.
    pub force_apply: bool,
    /// Use nftables itself.
    pub native_nftables: bool,
    /// Use this variant of `iptables` instead of detecting one.
    pub force_variant: Option<IptablesVariant>,
}

/// What to capture: everything that shapes the rules of a sidecar, checked and typed.
///
/// Made by [`CaptureConfig::builder`] or from pod annotations ([`crate::annotations::Pod`]); turned into
/// rules by [`CaptureConfig::plan`], [`CaptureConfig::nftables_plan`] and [`CaptureConfig::preset_plan`],
/// which cannot fail.
///
/// # Examples
/// ```
/// use mesh_iptables::{CaptureConfig, CidrSet, Family, PortSet};
/// let config = CaptureConfig::builder()
///     .inbound_ports(&PortSet::all().except([15020, 15021, 15090]))
///     .outbound_ranges(&CidrSet::all())
///     .build()?;
/// let text = config.plan().restore_input(Family::Ipv4);
/// assert!(text.contains("-A ISTIO_INBOUND -p tcp --dport 15090 -j RETURN\n"));
/// # Ok::<(), mesh_iptables::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureConfig {
    pub(crate) outbound_port: Port,
    pub(crate) inbound_port: Port,
    /// Nobody named the inbound port; one older layout then took the outbound port.
    pub(crate) inbound_port_by_default: bool,
    pub(crate) tunnel_port: Port,
    pub(crate) proxy_uids: Vec<OwnerId>,
    pub(crate) proxy_gids: Vec<OwnerId>,
    pub(crate) mode: Mode,
    pub(crate) inbound_ports: PortSet,
    pub(crate) outbound_ranges: CidrSet,
    pub(crate) outbound_include_ports: Vec<Port>,
    pub(crate) outbound_exclude_ports: Vec<Port>,
    pub(crate) exclude_interfaces: Vec<InterfaceName>,
    pub(crate) virtual_interfaces: Vec<InterfaceName>,
    pub(crate) tproxy_mark: Numeral,
    pub(crate) tproxy_route_table: Numeral,
    pub(crate) dns: DnsCapture,
    pub(crate) drop_invalid: bool,
    pub(crate) dual_stack: bool,
    pub(crate) ipv6: bool,
    pub(crate) owner_groups: OwnerGroups,
    pub(crate) loopback: Ipv4Net,
    pub(crate) validation: Validation,
    pub(crate) apply: ApplyOptions,
    pub(crate) findings: Vec<Finding>,
}

impl CaptureConfig {
    /// Starts from Istio's defaults: nothing captured, ports 15001, 15006 and 15008, UID and GID 1337.
    pub fn builder() -> CaptureConfigBuilder {
        CaptureConfigBuilder::new()
    }

    /// The port outbound traffic is redirected to (`IPT-CFG-02`).
    pub fn outbound_port(&self) -> &Port {
        &self.outbound_port
    }

    /// The port inbound traffic is redirected to (`IPT-CFG-03`).
    pub fn inbound_port(&self) -> &Port {
        &self.inbound_port
    }

    /// The port of the mutual-TLS tunnel, never redirected (`IPT-CFG-04`).
    pub fn tunnel_port(&self) -> &Port {
        &self.tunnel_port
    }

    /// The users the proxy runs as (`IPT-CFG-05`, `IPT-CFG-50`).
    pub fn proxy_uids(&self) -> &[OwnerId] {
        &self.proxy_uids
    }

    /// The groups the proxy runs as (`IPT-CFG-06`, `IPT-CFG-50`).
    pub fn proxy_gids(&self) -> &[OwnerId] {
        &self.proxy_gids
    }

    /// How inbound traffic reaches the proxy (`IPT-CFG-07`).
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The inbound ports captured (`IPT-CFG-08`, `IPT-CFG-09`).
    pub fn inbound_ports(&self) -> &PortSet {
        &self.inbound_ports
    }

    /// The outbound destinations captured by range (`IPT-CFG-11`, `IPT-CFG-12`).
    pub fn outbound_ranges(&self) -> &CidrSet {
        &self.outbound_ranges
    }

    /// The outbound ports captured for any destination (`IPT-CFG-13`).
    pub fn outbound_include_ports(&self) -> &[Port] {
        &self.outbound_include_ports
    }

    /// The outbound ports never captured, TCP and UDP (`IPT-CFG-14`).
    pub fn outbound_exclude_ports(&self) -> &[Port] {
        &self.outbound_exclude_ports
    }

    /// The interfaces left alone (`IPT-CFG-10`).
    pub fn exclude_interfaces(&self) -> &[InterfaceName] {
        &self.exclude_interfaces
    }

    /// The interfaces whose incoming traffic counts as outbound (`IPT-CFG-15`).
    pub fn virtual_interfaces(&self) -> &[InterfaceName] {
        &self.virtual_interfaces
    }

    /// The packet mark of TPROXY (`IPT-CFG-16`).
    pub fn tproxy_mark(&self) -> &Numeral {
        &self.tproxy_mark
    }

    /// The route table marked packets are looked up in (`IPT-CFG-17`).
    pub fn tproxy_route_table(&self) -> &Numeral {
        &self.tproxy_route_table
    }

    /// Which DNS queries are captured (`IPT-CFG-54` applied).
    pub fn dns(&self) -> &DnsCapture {
        &self.dns
    }

    /// Whether packets that connection tracking cannot place are dropped (`IPT-CFG-20`).
    pub fn drop_invalid(&self) -> bool {
        self.drop_invalid
    }

    /// Whether the dual-stack flag is set; it matters only for [`HostAddresses::detect`] (`IPT-CFG-21`).
    pub fn dual_stack(&self) -> bool {
        self.dual_stack
    }

    /// Whether IPv6 rules are made as well (`IPT-CFG-52`).
    pub fn ipv6(&self) -> bool {
        self.ipv6
    }

    /// The groups captured outbound (`IPT-CFG-40`, `IPT-CFG-41`).
    pub fn owner_groups(&self) -> &OwnerGroups {
        &self.owner_groups
    }

    /// The IPv4 range that counts as loopback (`IPT-CFG-42`).
    pub fn loopback_cidr(&self) -> Ipv4Net {
        self.loopback
    }

    /// How to apply; shapes no rule.
    pub fn apply_options(&self) -> &ApplyOptions {
        &self.apply
    }

    /// Doubts about this configuration, in the order of the options (section 1.6).
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
