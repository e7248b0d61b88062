//! Ambient mode: rules inside the pod (rules `AMB-01` to `AMB-14`) and on the node (`AMB-15`).

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};

use super::{HostStep, Layout, Lists, RulePlan, lo};
use crate::chain::{Chain, Family, Table};
use crate::config::{InterfaceName, parse_bool};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::finding::Finding;
use crate::numeral::Numeral;
use crate::ports::{Port, split_list};
use crate::reason::{self, Reason};
use crate::rule::{
    Address, Criterion, Mark, Protocol, Rule, Spelling, Target, Test, destination, dport, iif, oif, source,
    sport, tcp, udp,
};

/// The mark on packets ztunnel sends.
pub(crate) const PACKET_MARK: Numeral = Numeral::hex(0x539);
/// The mark on connections ztunnel opened.
pub(crate) const CONNECTION_MARK: Numeral = Numeral::hex(0x111);
/// The bits both marks use.
pub(crate) const PACKET_MASK: u32 = 0xfff;
pub(crate) const OUTBOUND_PORT: Port = Port::new(15001);
pub(crate) const INBOUND_PORT: Port = Port::new(15006);
pub(crate) const TUNNEL_PORT: Port = Port::new(15008);
const ROUTE_TABLE: Numeral = Numeral::decimal(100);
const PRIORITY: u32 = 32764;

const BYPASS: &str = "ambient.istio.io/bypass-inbound-capture";
const DNS: &str = "ambient.istio.io/dns-capture";
const VIRTUAL: &str = "istio.io/reroute-virtual-interfaces";

/// Settings of the node agent that shape ambient rules.
///
/// # Examples
/// ```
/// use mesh_iptables::{AmbientConfig, AmbientPod, Family};
/// let plan = AmbientConfig::new().redirect_dns().pod_plan(&AmbientPod::new());
/// assert!(plan.restore_input(Family::Ipv4).contains("-A PREROUTING -j ISTIO_PRERT\n"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct AmbientConfig {
    pub(crate) ipv6: bool,
    pub(crate) redirect_dns: bool,
    pub(crate) probe_ipv4: Ipv4Addr,
    pub(crate) probe_ipv6: Ipv6Addr,
}

impl Default for AmbientConfig {
    fn default() -> Self {
        Self {
            ipv6: false,
            redirect_dns: false,
            probe_ipv4: Ipv4Addr::new(169, 254, 7, 127),
            probe_ipv6: Ipv6Addr::new(0xfd16, 0x9254, 0x7127, 0x1337, 0xffff, 0xffff, 0xffff, 0xffff),
        }
    }
}

impl AmbientConfig {
    /// IPv4 only, no DNS capture, Istio's probe addresses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes IPv6 rules as well.
    pub fn enable_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// Captures DNS in pods that do not say otherwise.
    pub fn redirect_dns(mut self) -> Self {
        self.redirect_dns = true;
        self
    }

    /// The source health probes get (`HOST_PROBE_SNAT_IP`, `HOST_PROBE_SNAT_IPV6`).
    pub fn probe_addresses(mut self, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        self.probe_ipv4 = ipv4;
        self.probe_ipv6 = ipv6;
        self
    }

    /// Whether DNS is captured in this pod: its own word, else the node's.
    pub(crate) fn captures_dns(&self, pod: &AmbientPod) -> bool {
        pod.dns.unwrap_or(self.redirect_dns)
    }

    /// The probe address of a family, written without a length.
    pub(crate) fn probe(&self, family: Family) -> Address {
        Address::Host(match family {
            Family::Ipv4 => self.probe_ipv4.into(),
            Family::Ipv6 => self.probe_ipv6.into(),
        })
    }

    /// The rules inside a pod (rules `AMB-01` to `AMB-13`). Cannot fail.
    pub fn pod_plan(&self, pod: &AmbientPod) -> RulePlan {
        let mut lists = Lists::new(self.ipv6, 24);
        let dns = self.captures_dns(pod);
        let lo = lo();
        jumps(dns, &mut lists);
        for name in &pod.virtual_interfaces {
            lists.both(|_| {
                let target = Target::Redirect(OUTBOUND_PORT);
                arriving(Table::Nat, reason::AMBIENT_VIRTUAL, vec![iif(name), tcp()], target)
            });
            lists.both(|_| {
                let criteria = vec![iif(name), tcp()];
                arriving(Table::Nat, reason::AMBIENT_VIRTUAL_RETURN, criteria, Target::Return)
            });
        }
        lists.both(|_| {
            let target = Target::SetConnectionMark { value: CONNECTION_MARK, mask: PACKET_MASK };
            arriving(Table::Mangle, reason::AMBIENT_REMEMBER, vec![packet_mark()], target)
        });
        let module = Spelling { module: true, ..Spelling::default() };
        if !pod.bypass_inbound {
            lists.both(|family| {
                let criteria = vec![source(self.probe(family)), tcp()];
                arriving(Table::Nat, reason::AMBIENT_PROBE_IN, criteria, Target::Accept).spelled(module)
            });
        }
        lists.both(|family| {
            let criteria = vec![destination(self.probe(family)), tcp()];
            leaving(Table::Nat, reason::AMBIENT_PROBE_OUT, criteria, Target::Accept).spelled(module)
        });
        if !pod.bypass_inbound {
            lists.both(|family| {
                let tunnel = dport(Protocol::Tcp, &TUNNEL_PORT).not();
                let criteria = vec![not_local(family), tcp(), tunnel, packet_mark().not()];
                arriving(Table::Nat, reason::AMBIENT_INBOUND, criteria, Target::Redirect(INBOUND_PORT))
            });
        }
        lists.both(|_| {
            let criteria = vec![Test::ConnectionMark(masked(CONNECTION_MARK)).into()];
            leaving(Table::Mangle, reason::AMBIENT_RESTORE, criteria, Target::RestoreMark)
                .spelled(Spelling { full_masks: true, ..Spelling::default() })
        });
        if dns {
            dns_rules(&lo, &mut lists);
        }
        lists.both(|_| {
            let criteria = vec![tcp(), Test::Mark(masked(CONNECTION_MARK)).into()];
            leaving(Table::Nat, reason::AMBIENT_KNOWN, criteria, Target::Accept)
        });
        lists.both(|family| {
            leaving(Table::Nat, reason::AMBIENT_SELF, vec![not_local(family), oif(&lo)], Target::Accept)
        });
        lists.both(|family| {
            let criteria = vec![not_local(family), tcp(), packet_mark().not()];
            leaving(Table::Nat, reason::AMBIENT_OUTBOUND, criteria, Target::Redirect(OUTBOUND_PORT))
        });
        lists.finish(self.pod_steps(), Layout::AmbientPod)
    }

    /// The rules on the node (rule `AMB-15`). The sets `istio-inpod-probes-v4` and `-v6` must exist first.
    pub fn host_plan(&self) -> RulePlan {
        let mut lists = Lists::new(self.ipv6, 24);
        lists.both(|_| {
            let target = Target::Jump(Chain::ISTIO_POSTRT);
            Rule::new(Table::Nat, Chain::POSTROUTING, reason::HOST_JUMP, vec![], target).insert_at(1)
        });
        lists.both(|family| {
            let criteria = vec![
                Test::SocketExists.into(),
                tcp(),
                Test::DestinationInSet(family, probe_set(family)).into(),
            ];
            let target = Target::Snat(self.probe_source(family));
            Rule::new(Table::Nat, Chain::ISTIO_POSTRT, reason::HOST_PROBE, criteria, target)
        });
        lists.finish(Vec::new(), Layout::AmbientHost)
    }

    pub(crate) fn probe_source(&self, family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => self.probe_ipv4.into(),
            Family::Ipv6 => self.probe_ipv6.into(),
        }
    }

    /// Routes, then policy rules (rule `AMB-13`).
    pub(crate) fn pod_steps(&self) -> Vec<HostStep> {
        let families = if self.ipv6 { &Family::BOTH[..] } else { &[Family::Ipv4] };
        let routes = families.iter().map(|&family| HostStep::LocalRoute { family, table: ROUTE_TABLE });
        let rules = families.iter().map(|&family| HostStep::PolicyRule {
            family,
            mark: CONNECTION_MARK,
            mask: Some(PACKET_MASK),
            table: ROUTE_TABLE,
            priority: Some(PRIORITY),
        });
        routes.chain(rules).collect()
    }
}

/// What one pod says about its capture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct AmbientPod {
    pub(crate) virtual_interfaces: Vec<InterfaceName>,
    pub(crate) bypass_inbound: bool,
    pub(crate) dns: Option<bool>,
}

impl AmbientPod {
    /// A pod without wishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the annotations `IPT-ANN-12` to `IPT-ANN-14`; others are passed over. A boolean that cannot be
    /// read counts as absent and is reported.
    ///
    /// # Errors
    /// An interface name that would break the rule text.
    pub fn from_annotations<K: AsRef<str>, V: AsRef<str>>(
        annotations: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(Self, Vec<Finding>), ConfigError> {
        let mut pod = Self::new();
        let mut findings = Vec::new();
        let mut boolean = |rule, option, value: &str| {
            let read = parse_bool(value);
            if read.is_none() {
                let message = format!("`{value}` is not a boolean and is ignored, write `true` or `false`");
                findings.push(Finding::advice(rule, option, value, message));
            }
            read
        };
        for (name, value) in annotations {
            let value = value.as_ref();
            match name.as_ref() {
                BYPASS => pod.bypass_inbound = boolean("IPT-ANN-12", BYPASS, value).unwrap_or(false),
                DNS => pod.dns = boolean("IPT-ANN-13", DNS, value),
                VIRTUAL => {
                    pod = pod.virtual_interfaces(
                        split_list(value).map(str::trim).filter(|name| !name.is_empty()),
                    )?;
                }
                _ => {}
            }
        }
        Ok((pod, findings))
    }

    /// Interfaces whose incoming traffic counts as outbound (`IPT-ANN-14`).
    ///
    /// # Errors
    /// A name with a control character or a semicolon, which would break the rule text (`IPT-VAL-04`).
    pub fn virtual_interfaces<S: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        self.virtual_interfaces.clear();
        for name in names {
            let name = name.as_ref();
            if name.contains(|character: char| character.is_control() || character == ';') {
                let what = if name.contains(';') { "semicolon" } else { "control character" };
                let message = format!("`{}` holds a {what}", name.escape_debug());
                return Err(ConfigError::new(VIRTUAL, name, "IPT-VAL-04", ConfigErrorKind::Invalid, message));
            }
            self.virtual_interfaces.push(Arc::from(name));
        }
        Ok(self)
    }

    /// Leaves inbound traffic alone, for gateways (`IPT-ANN-12`).
    pub fn bypass_inbound_capture(mut self) -> Self {
        self.bypass_inbound = true;
        self
    }

    /// Captures DNS whatever the node says (`IPT-ANN-13`).
    pub fn capture_dns(mut self) -> Self {
        self.dns = Some(true);
        self
    }

    /// Leaves DNS alone whatever the node says (`IPT-ANN-13`).
    pub fn leave_dns(mut self) -> Self {
        self.dns = Some(false);
        self
    }
}

/// The set of pod addresses the node keeps for a family.
pub(crate) fn probe_set(family: Family) -> Cow<'static, str> {
    Cow::Borrowed(match family {
        Family::Ipv4 => "istio-inpod-probes-v4",
        Family::Ipv6 => "istio-inpod-probes-v6",
    })
}

/// The loopback address of a family; ambient mode has no setting for it.
pub(crate) fn local(family: Family) -> Address {
    match family {
        Family::Ipv4 => Ipv4Net::from(Ipv4Addr::LOCALHOST).into(),
        Family::Ipv6 => Ipv6Net::from(Ipv6Addr::LOCALHOST).into(),
    }
}

pub(crate) fn not_local(family: Family) -> Criterion {
    destination(local(family)).not()
}

pub(crate) fn masked(value: Numeral) -> Mark {
    Mark { value, mask: Some(PACKET_MASK) }
}

/// The packet is one of ztunnel's own.
pub(crate) fn packet_mark() -> Criterion {
    Test::Mark(masked(PACKET_MARK)).into()
}

pub(crate) fn arriving(table: Table, reason: Reason, criteria: Vec<Criterion>, target: Target) -> Rule {
    Rule::new(table, Chain::ISTIO_PRERT, reason, criteria, target)
}

pub(crate) fn leaving(table: Table, reason: Reason, criteria: Vec<Criterion>, target: Target) -> Rule {
    Rule::new(table, Chain::ISTIO_OUTPUT, reason, criteria, target)
}

/// The hooks that jump into the ambient chains, in emission order. Cleanup uses all of them.
pub(crate) const JUMPS: [(Table, Chain, Chain); 6] = [
    (Table::Mangle, Chain::PREROUTING, Chain::ISTIO_PRERT),
    (Table::Mangle, Chain::OUTPUT, Chain::ISTIO_OUTPUT),
    (Table::Nat, Chain::OUTPUT, Chain::ISTIO_OUTPUT),
    (Table::Raw, Chain::PREROUTING, Chain::ISTIO_PRERT),
    (Table::Raw, Chain::OUTPUT, Chain::ISTIO_OUTPUT),
    (Table::Nat, Chain::PREROUTING, Chain::ISTIO_PRERT),
];

fn jumps(dns: bool, lists: &mut Lists) {
    for (table, hook, chain) in JUMPS {
        if table != Table::Raw || dns {
            lists.both(|_| {
                let target = Target::Jump(chain.clone());
                Rule::new(table, hook.clone(), reason::AMBIENT_JUMP, vec![], target)
            });
        }
    }
}

fn dns_rules(lo: &InterfaceName, lists: &mut Lists) {
    use super::dns::{AGENT_PORT, AGENT_ZONE};
    use super::outbound::DNS_PORT;
    let module = Spelling { module: true, ..Spelling::default() };
    lists.both(|_| {
        let port = dport(Protocol::Udp, &DNS_PORT);
        let criteria = vec![oif(lo).not(), udp(), packet_mark().not(), port];
        leaving(Table::Nat, reason::AMBIENT_DNS, criteria, Target::Redirect(AGENT_PORT))
            .spelled(Spelling { to_port: true, ..module })
    });
    lists.both(|family| {
        let port = dport(Protocol::Tcp, &DNS_PORT);
        let criteria = vec![not_local(family), tcp(), port, packet_mark().not()];
        leaving(Table::Nat, reason::AMBIENT_DNS, criteria, Target::Redirect(AGENT_PORT))
    });
    lists.both(|_| {
        let criteria = vec![udp(), packet_mark(), dport(Protocol::Udp, &DNS_PORT)];
        leaving(Table::Raw, reason::AMBIENT_DNS_ZONE, criteria, Target::Zone(AGENT_ZONE)).spelled(module)
    });
    lists.both(|_| {
        let criteria = vec![udp(), packet_mark().not(), sport(Protocol::Udp, &DNS_PORT)];
        arriving(Table::Raw, reason::AMBIENT_DNS_ZONE, criteria, Target::Zone(AGENT_ZONE)).spelled(module)
    });
}
