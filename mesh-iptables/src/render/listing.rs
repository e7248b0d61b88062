//! A plan as `iptables -t TABLE -L -n -v` prints it (rules `LST-01` to `LST-06`).

use std::fmt::Write as _;

use super::counters::{Counter, Counters, abbreviate};
use super::save::{
    printed_criteria, sorted_chains, unspecified, write_hex_or_text, write_mark, write_number,
};
use super::words::{write_hex, write_ip, write_ports, write_states};
use crate::chain::{Chain, Family, Table};
use crate::plan::RulePlan;
use crate::rule::{Address, Protocol, Rule, Target, Test};

/// How a listing prints protocols (rule `LST-05`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ProtocolColumn {
    /// `tcp`, `udp`, `all`, as older and newest tools do.
    #[default]
    Names,
    /// `6`, `17`, `0`, as version 1.8.9 does with `-n`.
    Numbers,
}

const HEADER: &str =
    " pkts bytes target     prot opt in     out     source               destination         \n";

impl RulePlan {
    /// One IPv4 table as `iptables -t TABLE -L -n -v` prints it when only this plan is installed.
    ///
    /// Articles mostly show this form without the trailing blanks that are part of it (`LST-07`).
    ///
    /// # Examples
    /// ```
    /// use mesh_iptables::{CaptureConfig, Counters, Preset, ProtocolColumn, Table};
    /// let plan = CaptureConfig::builder().build()?.preset_plan(Preset::Gen4);
    /// let listing = plan.listing(Table::Nat, &Counters::new(), ProtocolColumn::Names);
    /// assert!(listing.starts_with("Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)\n"));
    /// assert!(listing.contains("Chain ISTIO_IN_REDIRECT (2 references)\n"));
    /// # Ok::<(), mesh_iptables::ConfigError>(())
    /// ```
    pub fn listing(&self, table: Table, counters: &Counters, protocols: ProtocolColumn) -> String {
        let rules: Vec<&Rule> = self.ipv4.iter().filter(|rule| rule.table == table).collect();
        let mut out = String::new();
        for chain in table.hooks() {
            let Counter { packets, bytes } = counters.of_policy(chain);
            let (packets, bytes) = (abbreviate(packets), abbreviate(bytes));
            let title = format!("Chain {chain} (policy ACCEPT {packets} packets, {bytes} bytes)\n");
            self.list_chain(table, chain, &title, counters, protocols, &mut out);
        }
        for chain in sorted_chains(&rules) {
            let references =
                rules.iter().filter(|rule| matches!(&rule.target, Target::Jump(to) if to.name() == chain));
            let title = format!("Chain {chain} ({} references)\n", references.count());
            self.list_chain(table, &Chain::new(chain.to_owned()), &title, counters, protocols, &mut out);
        }
        out
    }

    fn list_chain(
        &self,
        table: Table,
        chain: &Chain,
        title: &str,
        counters: &Counters,
        protocols: ProtocolColumn,
        out: &mut String,
    ) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(title);
        out.push_str(HEADER);
        for (index, rule) in self.chain(Family::Ipv4, table, chain).into_iter().enumerate() {
            write_row(rule, counters.of_rule(chain.name(), index), protocols, out);
        }
    }
}

/// The columns of a row that stand at fixed places.
struct Columns {
    protocol: &'static str,
    input: String,
    output: String,
    source: (char, String),
    destination: (char, String),
}

fn write_row(rule: &Rule, counter: Counter, protocols: ProtocolColumn, out: &mut String) {
    let any = || (' ', "0.0.0.0/0".to_owned());
    let mut columns = Columns {
        protocol: protocol_text(None, protocols),
        input: "*".to_owned(),
        output: "*".to_owned(),
        source: any(),
        destination: any(),
    };
    let mut details = String::new();
    let mut has_port = false;
    for criterion in printed_criteria(rule) {
        let negated = criterion.negated;
        let sign = if negated { '!' } else { ' ' };
        match &criterion.test {
            Test::InInterface(name) => columns.input = interface(negated, name),
            Test::OutInterface(name) => columns.output = interface(negated, name),
            Test::Source(address) => columns.source = (sign, address_text(address)),
            Test::Destination(address) => columns.destination = (sign, address_text(address)),
            Test::Protocol(protocol) => columns.protocol = protocol_text(Some(*protocol), protocols),
            test => {
                has_port |= matches!(test, Test::SourcePort(..) | Test::DestinationPort(..));
                write_match(test, negated, &mut details);
            }
        }
    }
    if rule.spelling.module
        && !has_port
        && let Some(Test::Protocol(protocol)) = rule
            .criteria
            .iter()
            .map(|criterion| &criterion.test)
            .find(|test| matches!(test, Test::Protocol(_)))
    {
        details.push(' ');
        details.push_str(protocol.name());
    }
    write_target_details(&rule.target, &mut details);
    // Writing to a string cannot fail.
    writeln!(
        out,
        "{:>5} {:>5} {:<9}  {:<4} --  {:<6} {:<6} {}{:<19} {}{:<19} {details}",
        abbreviate(counter.packets),
        abbreviate(counter.bytes),
        target_name(&rule.target),
        columns.protocol,
        columns.input,
        columns.output,
        columns.source.0,
        columns.source.1,
        columns.destination.0,
        columns.destination.1,
    )
    .unwrap_or_default();
}

fn protocol_text(protocol: Option<Protocol>, column: ProtocolColumn) -> &'static str {
    match (protocol, column) {
        (None, ProtocolColumn::Names) => "all",
        (None, ProtocolColumn::Numbers) => "0",
        (Some(protocol), ProtocolColumn::Names) => protocol.name(),
        (Some(Protocol::Tcp), ProtocolColumn::Numbers) => "6",
        (Some(Protocol::Udp), ProtocolColumn::Numbers) => "17",
        (Some(Protocol::Icmp), ProtocolColumn::Numbers) => "1",
        (Some(Protocol::Icmpv6), ProtocolColumn::Numbers) => "58",
        (Some(Protocol::Sctp), ProtocolColumn::Numbers) => "132",
    }
}

fn interface(negated: bool, name: &str) -> String {
    if negated { format!("!{name}") } else { name.to_owned() }
}

fn address_text(address: &Address) -> String {
    match address {
        Address::Range(range) if range.prefix_len() < range.max_prefix_len() => range.trunc().to_string(),
        Address::Range(range) => range.addr().to_string(),
        Address::Host(host) => host.to_string(),
        Address::Zoned(..) => address.to_string(),
    }
}

fn target_name(target: &Target) -> &str {
    match target {
        Target::Return => "RETURN",
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Jump(chain) => chain.name(),
        Target::Redirect(_) => "REDIRECT",
        Target::Tproxy { .. } => "TPROXY",
        Target::SetMark(_) => "MARK",
        Target::SaveMark | Target::RestoreMark | Target::SetConnectionMark { .. } => "CONNMARK",
        Target::Zone(_) => "CT",
        Target::Snat(_) => "SNAT",
    }
}

/// The text of one match, with its leading blank (`LST-04`).
fn write_match(test: &Test, negated: bool, out: &mut String) {
    out.push(' ');
    let bang = if negated { "!" } else { "" };
    let bang_blank = if negated { "! " } else { "" };
    match test {
        Test::SourcePort(protocol, port) | Test::DestinationPort(protocol, port) => {
            out.push_str(protocol.name());
            out.push_str(if matches!(test, Test::SourcePort(..)) { " spt:" } else { " dpt:" });
            out.push_str(bang);
            write_number(port.numeral(), out);
        }
        Test::DestinationPorts(_, ports) => {
            out.push_str("multiport dports ");
            // The tool prints a blank of its own before the sign.
            out.push_str(if negated { " !" } else { "" });
            write_ports(ports, out);
        }
        Test::Uid(id) | Test::Gid(id) => {
            out.push_str(bang_blank);
            out.push_str(if matches!(test, Test::Uid(_)) { "owner UID match " } else { "owner GID match " });
            write_number(id.numeral(), out);
        }
        Test::SocketExists => {
            out.push_str(bang_blank);
            out.push_str("owner socket exists");
        }
        Test::Mark(mark) => {
            out.push_str("mark match ");
            out.push_str(bang_blank);
            write_mark(mark, out);
        }
        Test::ConnectionMark(mark) => {
            out.push_str("connmark match  ");
            out.push_str(bang_blank);
            write_mark(mark, out);
        }
        Test::State(states) => {
            out.push_str(bang_blank);
            out.push_str("ctstate ");
            write_states(states, out);
        }
        Test::DestinationInSet(_, name) => {
            out.push_str(bang_blank);
            out.push_str("match-set ");
            out.push_str(name);
            out.push_str(" dst");
        }
        // These have columns of their own.
        Test::InInterface(_)
        | Test::OutInterface(_)
        | Test::Source(_)
        | Test::Destination(_)
        | Test::Protocol(_) => {}
    }
}

fn write_target_details(target: &Target, out: &mut String) {
    match target {
        Target::Return | Target::Accept | Target::Drop | Target::Jump(_) => {}
        Target::Redirect(port) => {
            out.push_str(" redir ports ");
            write_number(port.numeral(), out);
        }
        Target::Tproxy { family, port, mark } => {
            out.push_str(" TPROXY redirect ");
            out.push_str(unspecified(*family));
            out.push(':');
            write_number(port.numeral(), out);
            out.push_str(" mark ");
            write_hex_or_text(mark, out);
            out.push_str("/0xffffffff");
        }
        Target::SetMark(mark) => {
            out.push_str(" MARK set ");
            write_hex_or_text(mark, out);
        }
        Target::SaveMark => out.push_str(" CONNMARK save"),
        Target::RestoreMark => out.push_str(" CONNMARK restore"),
        Target::SetConnectionMark { value, mask } => {
            out.push_str(" CONNMARK xset ");
            write_hex_or_text(value, out);
            out.push('/');
            write_hex(*mask, out);
        }
        Target::Zone(zone) => {
            out.push_str(" CT zone ");
            out.push_str(&zone.to_string());
        }
        Target::Snat(address) => {
            out.push_str(" to:");
            write_ip(*address, out);
        }
    }
}
