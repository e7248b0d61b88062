//! What a simulation found (rule `SIM-11`).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::packet::Packet;
use super::ruleset::{Backend, Entry};
use crate::chain::{Chain, Table};
use crate::config::InterfaceName;
use crate::reason::Reason;
use crate::rule::{Criterion, Rule};

/// What becomes of the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes where it was addressed to.
    Accept,
    /// Its destination is rewritten to this local port.
    Redirect {
        /// The listener's port.
        port: u16,
    },
    /// A transparent listener takes it, addresses intact.
    Tproxy {
        /// The listener's port.
        port: u16,
        /// The packet mark it then carries.
        mark: u32,
    },
    /// It is dropped.
    Drop,
}

/// Where the packet ends up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// At a socket of this namespace, if one listens there.
    Local,
    /// Outside, through this interface.
    Leaves(InterfaceName),
    /// Passed on through this interface, without touching a socket.
    Forwarded(InterfaceName),
    /// Nowhere.
    Dropped,
}

/// What one rule did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// A condition does not hold.
    NoMatch,
    /// The rule has a word the mesh does not know, or a name instead of a number. It counts as not matching.
    NotUnderstood,
    /// The walk goes through another chain.
    Jump,
    /// The walk goes back to the calling chain, or ends this table if there is none.
    Return,
    /// This table is done.
    Accept,
    /// The packet is gone.
    Drop,
    /// The destination is rewritten.
    Redirect(SocketAddr),
    /// A transparent listener takes the packet.
    Tproxy {
        /// The listener's port.
        port: u16,
        /// The mark set.
        mark: u32,
    },
    /// The packet mark is set.
    Mark(u32),
    /// The connection mark is set.
    ConnectionMark(u32),
    /// The flow is put into a zone.
    Zone(u16),
    /// The flow is in a zone already; the first assignment counts (`SIM-13`).
    ZoneKept(u16),
    /// The source is rewritten.
    Snat(IpAddr),
}

/// One rule the packet met.
#[derive(Clone, Debug)]
pub struct Step<'r> {
    pub(super) reentered: bool,
    pub(super) table: Table,
    pub(super) chain: &'r Chain,
    pub(super) number: usize,
    pub(super) entry: &'r Entry,
    pub(super) backend: Backend,
    pub(super) effect: Effect,
    /// The first condition that does not hold.
    pub(super) failed: Option<usize>,
}

impl<'r> Step<'r> {
    /// Whether it was met on the second walk, after the packet came back through `lo` (`SIM-03`).
    pub fn reentered(&self) -> bool {
        self.reentered
    }

    /// The table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The chain.
    pub fn chain(&self) -> &'r Chain {
        self.chain
    }

    /// The rule's place in its chain, from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The rule's text without table and chain.
    pub fn text(&self) -> Cow<'r, str> {
        self.entry.text(self.backend)
    }

    /// The rule, unless it is not understood.
    pub fn rule(&self) -> Option<&'r Rule> {
        self.entry.rule.as_ref().ok()
    }

    /// Why the rule is there, if it is one of the mesh's.
    pub fn reason(&self) -> Option<Reason> {
        self.rule().map(|rule| rule.reason).filter(|reason| *reason != crate::reason::FOUND)
    }

    /// Whether all conditions held.
    pub fn matched(&self) -> bool {
        !matches!(self.effect, Effect::NoMatch | Effect::NotUnderstood)
    }

    /// What the rule did.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The first condition that does not hold.
    pub fn failed(&self) -> Option<&'r Criterion> {
        self.rule()?.criteria.get(self.failed?)
    }

    /// The word that is not understood.
    pub fn unknown(&self) -> Option<Cow<'r, str>> {
        match (&self.entry.rule, self.effect) {
            (Err(word), _) => Some(Cow::Borrowed(word)),
            (Ok(_), Effect::NotUnderstood) => Some(self.text()),
            _ => None,
        }
    }
}

/// The walk of one packet and its end (rule `SIM-11`).
///
/// `Display` prints the rules that matched as a table, with the reason of each; `{:#}` prints every rule met
/// and, for those that did not match, the condition that failed.
#[derive(Clone, Debug)]
pub struct Simulation<'r> {
    pub(super) packet: Packet,
    pub(super) steps: Vec<Step<'r>>,
    pub(super) verdict: Verdict,
    pub(super) delivery: Delivery,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) mark: u32,
    pub(super) connection_mark: u32,
    pub(super) zone: Option<u16>,
    pub(super) reentered: bool,
    pub(super) first_interface: InterfaceName,
    pub(super) cut_short: bool,
}

impl<'r> Simulation<'r> {
    /// The packet as it was given.
    pub fn packet(&self) -> &Packet {
        &self.packet
    }

    /// Every rule met, in order, whether it matched or not.
    pub fn steps(&self) -> &[Step<'r>] {
        &self.steps
    }

    /// The rules that matched, in order.
    pub fn hits(&self) -> impl Iterator<Item = &Step<'r>> {
        self.steps.iter().filter(|step| step.matched())
    }

    /// What becomes of the packet.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Where it ends up.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The source address in the end, with the port if one was given, else 0.
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// The destination address in the end.
    pub fn destination(&self) -> SocketAddr {
        self.destination
    }

    /// The packet mark in the end.
    pub fn mark(&self) -> u32 {
        self.mark
    }

    /// The connection mark in the end.
    pub fn connection_mark(&self) -> u32 {
        self.connection_mark
    }

    /// The tracking zone, if one was assigned.
    pub fn zone(&self) -> Option<u16> {
        self.zone
    }

    /// Whether it came back through `lo` and was walked a second time.
    pub fn reentered(&self) -> bool {
        self.reentered
    }

    /// Whether every rule met was understood and the walk came to its end. If not, the kernel may decide
    /// otherwise.
    pub fn is_certain(&self) -> bool {
        !self.cut_short && self.steps.iter().all(|step| step.effect != Effect::NotUnderstood)
    }
}
