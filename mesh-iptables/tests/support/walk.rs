//! The obvious walk of a packet through the structured rules: rule by rule, nothing precomputed.
//!
//! It knows what the invariants need: one packet of a new flow, up to the first decision.
#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part")]

use std::net::IpAddr;

use mesh_iptables::{
    CaptureConfig, Chain, ConnectionState, Counters, Criterion, Family, Namespace, NftablesPlan, Protocol,
    Rule, RulePlan, Ruleset, SavedRules, Simulation, Table, Target, Test, Verdict,
};

/// A packet that opens a flow.
#[derive(Clone, Debug)]
pub struct Packet {
    pub hook: Hook,
    pub interface: &'static str,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: Protocol,
    pub port: u16,
    pub owner: Option<(u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    Prerouting,
    Output,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Direct,
    Redirect(u16),
    Tproxy(u16),
    Dropped,
}

/// Rules by chain, whatever the backend.
pub trait Plan {
    fn chain(&self, family: Family, table: Table, chain: &Chain) -> Vec<&Rule>;
    /// Whether `! --uid-owner` matches a packet without an owner (`SIM-23`, `NFT-60`).
    fn negated_owner_matches_nobody(&self) -> bool;
}

impl Plan for RulePlan {
    fn chain(&self, family: Family, table: Table, chain: &Chain) -> Vec<&Rule> {
        RulePlan::chain(self, family, table, chain)
    }

    fn negated_owner_matches_nobody(&self) -> bool {
        true
    }
}

impl Plan for NftablesPlan {
    fn chain(&self, _family: Family, table: Table, chain: &Chain) -> Vec<&Rule> {
        NftablesPlan::chain(self, table, chain)
    }

    fn negated_owner_matches_nobody(&self) -> bool {
        false
    }
}

enum Step {
    Continue,
    Return,
    Accept,
    End(Fate),
}

/// Walks raw, mangle and nat of the packet's hook (`SIM-01`, `SIM-02`, `SIM-12`).
pub fn walk(plan: &impl Plan, packet: &Packet) -> Fate {
    let hook = match packet.hook {
        Hook::Prerouting => Chain::PREROUTING,
        Hook::Output => Chain::OUTPUT,
    };
    let mut mark = 0;
    for table in [Table::Raw, Table::Mangle, Table::Nat] {
        // `SIM-04`: nat PREROUTING never sees what was sent through loopback.
        if table == Table::Nat && packet.hook == Hook::Prerouting && packet.interface == "lo" {
            continue;
        }
        if let Step::End(fate) = walk_chain(plan, table, &hook, packet, &mut mark, 0) {
            return fate;
        }
    }
    Fate::Direct
}

fn walk_chain(
    plan: &impl Plan,
    table: Table,
    chain: &Chain,
    packet: &Packet,
    mark: &mut u32,
    depth: u8,
) -> Step {
    assert!(depth < 8, "chains jump in a circle");
    let family = if packet.destination.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    for rule in plan.chain(family, table, chain) {
        if !rule.criteria.iter().all(|criterion| matches(plan, criterion, packet, *mark)) {
            continue;
        }
        let step = match &rule.target {
            Target::Return => Step::Return,
            Target::Accept => Step::Accept,
            Target::Drop => Step::End(Fate::Dropped),
            Target::Jump(to) => match walk_chain(plan, table, to, packet, mark, depth + 1) {
                Step::Return => Step::Continue,
                step => step,
            },
            Target::Redirect(port) => Step::End(Fate::Redirect(port.number().unwrap())),
            Target::Tproxy { port, .. } => Step::End(Fate::Tproxy(port.number().unwrap())),
            Target::SetMark(value) => {
                *mark = value.value().unwrap();
                Step::Continue
            }
            Target::Zone(_) | Target::SaveMark | Target::RestoreMark | Target::SetConnectionMark { .. } => {
                Step::Continue
            }
            other => panic!("no such target in a sidecar: {other:?}"),
        };
        match step {
            Step::Continue => {}
            step => return step,
        }
    }
    Step::Continue
}

fn matches(plan: &impl Plan, criterion: &Criterion, packet: &Packet, mark: u32) -> bool {
    let holds = match &criterion.test {
        Test::InInterface(name) => packet.hook == Hook::Prerouting && **name == *packet.interface,
        Test::OutInterface(name) => packet.hook == Hook::Output && **name == *packet.interface,
        // An `inet` rule about the other family does not apply, negated or not.
        Test::Source(address) if address.family() != family(packet) => return false,
        Test::Destination(address) if address.family() != family(packet) => return false,
        Test::Source(address) => address.contains(packet.source),
        Test::Destination(address) => address.contains(packet.destination),
        Test::Protocol(protocol) => *protocol == packet.protocol,
        // The port of another protocol does not exist, negated or not.
        Test::DestinationPort(protocol, _) | Test::DestinationPorts(protocol, _)
            if *protocol != packet.protocol =>
        {
            return false;
        }
        Test::DestinationPort(_, port) => port.number() == Some(packet.port),
        Test::DestinationPorts(_, ports) => ports.iter().any(|port| port.number() == Some(packet.port)),
        // No packet here comes from a port of interest.
        Test::SourcePort(..) => return false,
        Test::Uid(_) | Test::Gid(_) if packet.owner.is_none() => {
            return criterion.negated && plan.negated_owner_matches_nobody();
        }
        Test::Uid(id) => id.number() == packet.owner.map(|owner| owner.0),
        Test::Gid(id) => id.number() == packet.owner.map(|owner| owner.1),
        Test::Mark(wanted) => mark & wanted.mask.unwrap_or(u32::MAX) == wanted.value.value().unwrap(),
        Test::ConnectionMark(_) => false,
        Test::State(states) => {
            // The flow is new.
            assert!(states.iter().all(|state| {
                matches!(
                    state,
                    ConnectionState::Invalid | ConnectionState::Related | ConnectionState::Established
                )
            }));
            false
        }
        other => panic!("no such test in a sidecar: {other:?}"),
    };
    holds != criterion.negated
}

fn family(packet: &Packet) -> Family {
    if packet.destination.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
}

pub const UID: u32 = 1337;
pub const POD: [&str; 2] = ["10.77.0.2", "fd00:77::2"];
pub const PEER: [&str; 2] = ["10.77.0.1", "fd00:77::1"];
pub const SELF: [&str; 2] = ["127.0.0.6", "::6"];

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A TCP packet a process of the pod sends.
pub fn sent(interface: &'static str, to: &str, port: u16, owner: (u32, u32)) -> Packet {
    let destination = ip(to);
    let source = ip(POD[usize::from(destination.is_ipv6())]);
    let (hook, protocol, owner) = (Hook::Output, Protocol::Tcp, Some(owner));
    Packet { hook, interface, source, destination, protocol, port, owner }
}

/// A TCP packet from outside to the pod.
pub fn arriving(interface: &'static str, to: &str, port: u16) -> Packet {
    let destination = ip(to);
    let source = ip(PEER[usize::from(destination.is_ipv6())]);
    let (hook, protocol) = (Hook::Prerouting, Protocol::Tcp);
    Packet { hook, interface, source, destination, protocol, port, owner: None }
}

/// One configuration in every form rules have: the plans walked by the obvious walk above, and simulated as
/// planned, as restored, as saved and as a transaction.
pub struct Backends {
    plans: (RulePlan, NftablesPlan),
    iptables: [Ruleset; 3],
    nftables: [Ruleset; 2],
    pub namespace: Namespace,
}

impl Backends {
    pub fn of(config: &CaptureConfig) -> Self {
        let (plan, nftables) = (config.plan(), config.nftables_plan());
        let [restored4, restored6] =
            Family::BOTH.map(|family| SavedRules::parse(&plan.restore_input(family)));
        let [saved4, saved6] = Family::BOTH.map(|family| {
            let tables = Table::ALL.map(|table| plan.save_text(family, table, &Counters::new()));
            SavedRules::parse(&tables.concat())
        });
        let namespace =
            Namespace::pod([POD[0], POD[1]].map(|address| ip(address).into())).host_steps(plan.host_steps());
        Self {
            iptables: [
                plan.ruleset(),
                Ruleset::from_saved(&restored4, &restored6),
                Ruleset::from_saved(&saved4, &saved6),
            ],
            nftables: [nftables.ruleset(), Ruleset::from_nftables(&nftables.transaction())],
            plans: (plan, nftables),
            namespace,
        }
    }

    /// What becomes of a packet up to the first decision, by `iptables` and by nftables. All forms of one
    /// backend must agree (`INV-08`), and agree with the obvious walk.
    pub fn fates(&self, packet: &Packet) -> [Fate; 2] {
        let fates = [walk(&self.plans.0, packet), walk(&self.plans.1, packet)];
        let packet = packet.simulated();
        for (rulesets, fate) in [(&self.iptables[..], fates[0]), (&self.nftables[..], fates[1])] {
            for (form, ruleset) in rulesets.iter().enumerate() {
                let simulation = ruleset.simulate(&packet, &self.namespace);
                assert!(simulation.is_certain(), "{simulation:#}");
                assert_eq!(first_fate(&simulation), fate, "form {form}\n{simulation:#}");
            }
        }
        fates
    }

    /// The whole way of a packet, by `iptables` and by nftables.
    pub fn simulate(&self, packet: &mesh_iptables::Packet) -> [Simulation<'_>; 2] {
        [&self.iptables[0], &self.nftables[0]].map(|ruleset| ruleset.simulate(packet, &self.namespace))
    }
}

/// The decision of the first walk; what happens after coming back through `lo` is not the obvious walk's.
fn first_fate(simulation: &Simulation<'_>) -> Fate {
    match simulation.verdict() {
        Verdict::Accept => Fate::Direct,
        Verdict::Tproxy { .. } if simulation.reentered() => Fate::Direct,
        Verdict::Tproxy { port, .. } => Fate::Tproxy(port),
        Verdict::Redirect { port } => Fate::Redirect(port),
        Verdict::Drop => Fate::Dropped,
        other => panic!("{other:?}"),
    }
}

impl Packet {
    fn simulated(&self) -> mesh_iptables::Packet {
        use std::net::SocketAddr;
        let to = SocketAddr::new(self.destination, self.port);
        let packet = match (self.hook, self.owner) {
            (Hook::Prerouting, _) => mesh_iptables::Packet::arriving(to),
            (Hook::Output, Some((uid, gid))) => mesh_iptables::Packet::out(to).owner(uid, gid),
            (Hook::Output, None) => mesh_iptables::Packet::out(to).unowned(),
        };
        packet.protocol(self.protocol).source(self.source).interface(self.interface)
    }
}

pub fn fates(config: &CaptureConfig, packet: &Packet) -> [Fate; 2] {
    Backends::of(config).fates(packet)
}
