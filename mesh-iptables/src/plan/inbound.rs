//! Inbound capture (rules `IPT-INB-02` to `IPT-INB-08`).

use super::{Lists, loopback};
use crate::chain::{Chain, Table};
use crate::config::{CaptureConfig, Mode};
use crate::criteria::Criteria;
use crate::ports::Port;
use crate::reason::{self, Reason};
use crate::rule::{ConnectionState, Criterion, Protocol, Rule, Target, destination, dport, state, tcp};

/// The states of packets that already have a socket.
pub(crate) const KNOWN: &[ConnectionState] = &[ConnectionState::Related, ConnectionState::Established];

pub(super) fn rules(config: &CaptureConfig, lists: &mut Lists) {
    if config.inbound_ports.is_none() {
        return;
    }
    let table = match config.mode {
        Mode::Redirect => Table::Nat,
        Mode::Tproxy => {
            tproxy_chains(config, lists);
            Table::Mangle
        }
    };
    let target = Target::Jump(Chain::ISTIO_INBOUND);
    lists.both(|_| Rule::new(table, Chain::PREROUTING, reason::INBOUND_JUMP, [tcp()], target.clone()));
    for port in config.inbound_ports.all_except().unwrap_or_default() {
        add(lists, table, reason::INBOUND_EXCLUDE, || to(port), &Target::Return);
    }
    let divert = Target::Jump(Chain::ISTIO_DIVERT);
    let tproxy = Target::Jump(Chain::ISTIO_TPROXY);
    let redirect = Target::Jump(Chain::ISTIO_IN_REDIRECT);
    if config.inbound_ports.all_except().is_some() {
        match config.mode {
            Mode::Redirect => add(lists, table, reason::INBOUND_ALL, || [tcp()], &redirect),
            Mode::Tproxy => {
                add(lists, table, reason::INBOUND_ALL_DIVERT, || [tcp(), state(KNOWN)], &divert);
                add(lists, table, reason::INBOUND_ALL_TPROXY, || [tcp()], &tproxy);
            }
        }
    }
    for port in config.inbound_ports.listed().unwrap_or_default() {
        match config.mode {
            Mode::Redirect => add(lists, table, reason::INBOUND_PORT, || to(port), &redirect),
            Mode::Tproxy => {
                let known = || vec![tcp(), dport(Protocol::Tcp, port), state(KNOWN)];
                add(lists, table, reason::INBOUND_PORT_DIVERT, known, &divert);
                add(lists, table, reason::INBOUND_PORT_TPROXY, || to(port), &tproxy);
            }
        }
    }
}

fn to(port: &Port) -> [Criterion; 2] {
    [tcp(), dport(Protocol::Tcp, port)]
}

/// Adds a rule to both lists; `criteria` is called once a family, so that nothing is copied.
fn add<C: Into<Criteria>>(
    lists: &mut Lists,
    table: Table,
    reason: Reason,
    criteria: impl Fn() -> C,
    target: &Target,
) {
    lists.both(|_| Rule::new(table, Chain::ISTIO_INBOUND, reason, criteria(), target.clone()));
}

fn tproxy_chains(config: &CaptureConfig, lists: &mut Lists) {
    lists.both(|_| {
        let target = Target::SetMark(config.tproxy_mark.clone());
        Rule::new(Table::Mangle, Chain::ISTIO_DIVERT, reason::DIVERT_MARK, vec![], target)
    });
    lists.both(|_| {
        Rule::new(Table::Mangle, Chain::ISTIO_DIVERT, reason::DIVERT_ACCEPT, vec![], Target::Accept)
    });
    lists.both(|family| {
        let criteria = vec![destination(loopback(config, family)).not(), tcp()];
        let (port, mark) = (config.inbound_port.clone(), config.tproxy_mark.clone());
        let target = Target::Tproxy { family, port, mark };
        Rule::new(Table::Mangle, Chain::ISTIO_TPROXY, reason::TO_TPROXY, criteria, target)
    });
}
