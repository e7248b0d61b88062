//! The walk itself (rules `SIM-01` to `SIM-06`, `SIM-12` to `SIM-14`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::matches::{At, Seen, holds};
use super::namespace::{Namespace, outside};
use super::packet::{Direction, Packet, has_ports};
use super::ruleset::{Backend, Ruleset};
use super::trace::{Delivery, Effect, Simulation, Step, Verdict};
use crate::chain::{Chain, Family, Table};
use crate::config::InterfaceName;
use crate::rule::{ConnectionState, Rule, Target};

/// More jumps inside one another than the kernel allows.
const MAX_DEPTH: usize = 32;
/// More rules than any packet meets; foreign chains can be made to multiply.
const MAX_STEPS: usize = 100_000;

impl Ruleset {
    /// Walks a packet through the rules. Total: every packet has an end.
    ///
    /// Cost: linear in the rules met.
    pub fn simulate(&self, packet: &Packet, namespace: &Namespace) -> Simulation<'_> {
        simulate([self], packet, namespace)
    }
}

/// Walks a packet through several rulesets that are installed together: at each place all of them run, in this
/// order (`SIM-06`). So a second set of rules left behind by another backend can be looked at (`TRB-03`).
pub fn simulate<'r>(
    rulesets: impl IntoIterator<Item = &'r Ruleset>,
    packet: &Packet,
    namespace: &Namespace,
) -> Simulation<'r> {
    let mut walk = Walk::new(rulesets.into_iter().collect(), packet, namespace);
    let first_interface = match packet.direction {
        Direction::Out => walk.send(packet),
        Direction::In => walk.arrive(packet),
    };
    let verdict = match (walk.delivery == Delivery::Dropped, walk.tproxy, walk.redirect) {
        (true, ..) => Verdict::Drop,
        (_, Some((port, mark)), _) => Verdict::Tproxy { port, mark },
        (_, None, Some(port)) => Verdict::Redirect { port },
        (_, None, None) => Verdict::Accept,
    };
    let port = walk.seen.source_port.unwrap_or_default();
    Simulation {
        packet: packet.clone(),
        verdict,
        delivery: walk.delivery,
        source: SocketAddr::new(walk.seen.source, port),
        destination: SocketAddr::new(walk.seen.destination, walk.seen.destination_port),
        mark: walk.seen.mark,
        connection_mark: walk.seen.connection_mark,
        zone: walk.zone,
        reentered: walk.reentered,
        first_interface,
        cut_short: walk.cut_short,
        steps: walk.steps,
    }
}

/// The packet on its way.
struct Walk<'r, 'n> {
    rulesets: Vec<&'r Ruleset>,
    namespace: &'n Namespace,
    family: Family,
    seen: Seen,
    /// Whether nat has decided about the flow's destination (`SIM-04`).
    decided: bool,
    redirect: Option<u16>,
    tproxy: Option<(u16, u32)>,
    zone: Option<u16>,
    reentered: bool,
    delivery: Delivery,
    cut_short: bool,
    steps: Vec<Step<'r>>,
}

/// How a chain ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By its last rule or a RETURN.
    Fell,
    /// This table is done with the packet.
    Done,
    /// The packet is gone.
    Dropped,
}

impl<'r, 'n> Walk<'r, 'n> {
    fn new(rulesets: Vec<&'r Ruleset>, packet: &Packet, namespace: &'n Namespace) -> Self {
        let destination = packet.destination;
        Self {
            rulesets,
            namespace,
            family: packet.family(),
            seen: Seen {
                protocol: packet.protocol,
                source: packet.source.unwrap_or_else(|| outside(destination.ip())),
                source_port: packet.source_port,
                destination: destination.ip(),
                destination_port: if has_ports(packet.protocol) { destination.port() } else { 0 },
                owner: packet.owner,
                mark: packet.mark,
                connection_mark: packet.connection_mark,
                state: packet.state,
            },
            // Of a known flow everything is decided; a packet outside of tracking is never translated (`SIM-05`,
            // `SIM-26`).
            decided: packet.state != ConnectionState::New,
            redirect: None,
            tproxy: None,
            zone: None,
            reentered: false,
            delivery: Delivery::Local,
            cut_short: false,
            steps: Vec::new(),
        }
    }

    /// A local process sends (`SIM-02`).
    fn send(&mut self, packet: &Packet) -> InterfaceName {
        let route = |walk: &Self| walk.namespace.route(walk.seen.destination, walk.seen.mark);
        let mut interface = packet.interface.clone().unwrap_or_else(|| route(self));
        let first = interface.clone();
        if packet.source.is_none() {
            self.seen.source = self.namespace.source_for(self.seen.destination, &interface);
        }
        for table in [Table::Raw, Table::Mangle] {
            let mark = self.seen.mark;
            if self.hook(table, &Chain::OUTPUT, At { incoming: None, outgoing: Some(&interface) }) {
                return first;
            }
            if self.seen.mark != mark && self.namespace.is_marked_local(self.family, self.seen.mark) {
                interface = route(self);
            }
        }
        let before = (self.seen.destination, self.seen.destination_port);
        if self.decided {
            self.translate(packet.flow);
        } else if self.hook(Table::Nat, &Chain::OUTPUT, At { incoming: None, outgoing: Some(&interface) }) {
            return first;
        }
        self.decided = true;
        if before != (self.seen.destination, self.seen.destination_port) {
            interface = route(self);
        }
        if self.hook(Table::Filter, &Chain::OUTPUT, At { incoming: None, outgoing: Some(&interface) })
            || self.leave(&interface)
        {
            return first;
        }
        if *interface == *"lo" {
            // `SIM-03`: it comes back with its marks and its flow, but without its socket.
            self.reentered = true;
            self.seen.owner = None;
            self.come_in(&interface, None);
        } else {
            self.delivery = Delivery::Leaves(interface);
        }
        first
    }

    /// A packet arrives (`SIM-01`).
    fn arrive(&mut self, packet: &Packet) -> InterfaceName {
        let interface = packet.interface.clone().unwrap_or_else(|| {
            // It comes in where an answer would go out, or where its address is.
            self.namespace.route(self.seen.source, 0)
        });
        // From `lo` only what was sent here arrives, and sending decided about it (`SIM-04`).
        self.decided |= *interface == *"lo";
        self.come_in(&interface, packet.flow);
        interface
    }

    fn come_in(&mut self, interface: &InterfaceName, flow: Option<SocketAddr>) {
        let at = At { incoming: Some(interface), outgoing: None };
        for table in [Table::Raw, Table::Mangle] {
            if self.hook(table, &Chain::PREROUTING, at) {
                return;
            }
        }
        if self.decided {
            self.translate(flow);
        } else if self.hook(Table::Nat, &Chain::PREROUTING, at) {
            return;
        }
        let is_local = self.tproxy.is_some()
            || self.namespace.is_local(self.seen.destination)
            || self.namespace.is_marked_local(self.family, self.seen.mark)
            // A namespace whose addresses nobody named is taken to be the addressee.
            || (!self.reentered && self.namespace.knows_no_address());
        if is_local {
            for table in [Table::Mangle, Table::Filter] {
                if self.hook(table, &Chain::INPUT, at) {
                    return;
                }
            }
            self.delivery = Delivery::Local;
            return;
        }
        let outgoing = self.namespace.route(self.seen.destination, self.seen.mark);
        let through = At { incoming: Some(interface), outgoing: Some(&outgoing) };
        for table in [Table::Mangle, Table::Filter] {
            if self.hook(table, &Chain::FORWARD, through) {
                return;
            }
        }
        if !self.leave(&outgoing) {
            self.delivery = Delivery::Forwarded(outgoing);
        }
    }

    /// The last hook before a packet leaves.
    fn leave(&mut self, outgoing: &str) -> bool {
        let at = At { incoming: None, outgoing: Some(outgoing) };
        let is_new = self.seen.state == ConnectionState::New;
        self.hook(Table::Mangle, &Chain::POSTROUTING, at)
            || (is_new && self.hook(Table::Nat, &Chain::POSTROUTING, at))
    }

    /// A later packet goes where the first one of its flow was sent (`SIM-05`).
    fn translate(&mut self, flow: Option<SocketAddr>) {
        if let Some(flow) = flow.filter(|flow| flow.is_ipv4() == self.seen.destination.is_ipv4()) {
            self.seen.destination = flow.ip();
            self.seen.destination_port = flow.port();
            self.redirect = Some(flow.port());
        }
    }

    /// Walks one table at one hook, in every ruleset. True if the packet is gone.
    fn hook(&mut self, table: Table, hook: &Chain, at: At<'_>) -> bool {
        for index in 0..self.rulesets.len() {
            let Some(ruleset) = self.rulesets.get(index).copied() else { continue };
            // Where one ruleset translated, the next finds it done.
            let translated = self.redirect.is_some() && table == Table::Nat && *hook != Chain::POSTROUTING;
            if translated {
                continue;
            }
            if self.chain(ruleset, table, hook, at, 0) == End::Dropped {
                self.delivery = Delivery::Dropped;
                return true;
            }
        }
        false
    }

    fn chain(&mut self, ruleset: &'r Ruleset, table: Table, chain: &Chain, at: At<'_>, depth: usize) -> End {
        let Some((chain, entries)) = ruleset.entries(self.family, table, chain) else { return End::Fell };
        if depth > MAX_DEPTH {
            self.cut_short = true;
            return End::Done;
        }
        for (index, entry) in entries.iter().enumerate() {
            if self.steps.len() >= MAX_STEPS {
                self.cut_short = true;
                return End::Done;
            }
            let (effect, failed) = match &entry.rule {
                Err(_) => (Effect::NotUnderstood, None),
                Ok(rule) => match self.first_failure(rule, ruleset.backend, at) {
                    Some((failed, true)) => (Effect::NoMatch, Some(failed)),
                    Some((failed, false)) => (Effect::NotUnderstood, Some(failed)),
                    None => (self.effect(rule, at), None),
                },
            };
            let number = index + 1;
            let (reentered, backend) = (self.reentered, ruleset.backend);
            self.steps.push(Step { reentered, table, chain, number, entry, backend, effect, failed });
            match (effect, &entry.rule) {
                (Effect::Jump, Ok(Rule { target: Target::Jump(to), .. })) => {
                    match self.chain(ruleset, table, to, at, depth + 1) {
                        End::Fell => {}
                        end => return end,
                    }
                }
                (Effect::Return, _) => return End::Fell,
                (Effect::Drop, _) => return End::Dropped,
                (Effect::Accept | Effect::Redirect(_) | Effect::Tproxy { .. } | Effect::Snat(_), _) => {
                    return End::Done;
                }
                _ => {}
            }
        }
        End::Fell
    }

    /// The first condition that does not hold, and whether that is known.
    fn first_failure(&self, rule: &Rule, backend: Backend, at: At<'_>) -> Option<(usize, bool)> {
        let mut unknown = None;
        for (index, criterion) in rule.criteria.iter().enumerate() {
            match holds(criterion, &self.seen, at, backend, self.namespace) {
                Some(true) => {}
                Some(false) => return Some((index, true)),
                None => unknown = unknown.or(Some((index, false))),
            }
        }
        unknown
    }

    /// Carries out a rule's target.
    fn effect(&mut self, rule: &Rule, at: At<'_>) -> Effect {
        let seen = &mut self.seen;
        match &rule.target {
            Target::Return => Effect::Return,
            Target::Accept => Effect::Accept,
            Target::Drop => Effect::Drop,
            Target::Jump(_) => Effect::Jump,
            Target::Redirect(port) => {
                let Some(port) = port.number() else { return Effect::NotUnderstood };
                // `SIM-30`, `SIM-31`
                let address = match (at.incoming, self.family) {
                    (Some(name), _) => {
                        self.namespace.redirect_address(name, seen.destination).unwrap_or(seen.destination)
                    }
                    (None, Family::Ipv4) => IpAddr::from(Ipv4Addr::LOCALHOST),
                    (None, Family::Ipv6) => IpAddr::from(Ipv6Addr::LOCALHOST),
                };
                seen.destination = address;
                seen.destination_port = port;
                self.redirect = Some(port);
                Effect::Redirect(SocketAddr::new(address, port))
            }
            Target::Tproxy { port, mark, .. } => {
                let (Some(port), Some(mark)) = (port.number(), mark.value()) else {
                    return Effect::NotUnderstood;
                };
                seen.mark = mark;
                self.tproxy = Some((port, mark));
                Effect::Tproxy { port, mark }
            }
            Target::SetMark(mark) => {
                let Some(mark) = mark.value() else { return Effect::NotUnderstood };
                seen.mark = mark;
                Effect::Mark(mark)
            }
            Target::SaveMark => {
                seen.connection_mark = seen.mark;
                Effect::ConnectionMark(seen.connection_mark)
            }
            Target::RestoreMark => {
                seen.mark = seen.connection_mark;
                Effect::Mark(seen.mark)
            }
            Target::SetConnectionMark { value, mask } => {
                let Some(value) = value.value() else { return Effect::NotUnderstood };
                seen.connection_mark = (seen.connection_mark & !mask) ^ value;
                Effect::ConnectionMark(seen.connection_mark)
            }
            Target::Zone(zone) => {
                if let Some(held) = self.zone {
                    return Effect::ZoneKept(held);
                }
                self.zone = Some(*zone);
                Effect::Zone(*zone)
            }
            Target::Snat(address) => {
                seen.source = *address;
                Effect::Snat(*address)
            }
        }
    }
}
