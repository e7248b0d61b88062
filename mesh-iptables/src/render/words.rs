//! A rule as the words of an `iptables` command line.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::chain::Family;
use crate::numeral::write_decimal;
use crate::ports::Port;
use crate::rule::{
    Address, ConnectionState, Criterion, Mark, Placement, Protocol, Rule, Spelling, Target, Test,
};

/// Receives words one by one: joined by blanks in restore text, separate in an argument list.
pub(super) trait Words {
    /// Adds a word that `write` composes.
    fn compose(&mut self, write: impl FnOnce(&mut String));

    /// Adds a word.
    fn word(&mut self, text: &str) {
        self.compose(|out| out.push_str(text));
    }
}

/// Words joined by blanks, each with a blank before it.
pub(super) struct Line<'a>(pub(super) &'a mut String);

impl Words for Line<'_> {
    fn compose(&mut self, write: impl FnOnce(&mut String)) {
        self.0.push(' ');
        write(self.0);
    }
}

impl Words for Vec<String> {
    fn compose(&mut self, write: impl FnOnce(&mut String)) {
        let mut word = String::new();
        write(&mut word);
        self.push(word);
    }
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "ipv6-icmp",
            Self::Sctp => "sctp",
        }
    }
}

/// Conditions and target, without table, operation and chain.
pub(super) fn write_rule(rule: &Rule, words: &mut impl Words) {
    let mut module_pending = rule.spelling.module;
    for (index, criterion) in rule.criteria.iter().enumerate() {
        if module_pending
            && let Test::SourcePort(protocol, _) | Test::DestinationPort(protocol, _) = &criterion.test
        {
            words.word("-m");
            words.word(protocol.name());
            module_pending = false;
        }
        write_criterion(criterion, words);
        if module_pending
            && let Test::Protocol(protocol) = criterion.test
            && index + 1 == rule.criteria.len()
        {
            words.word("-m");
            words.word(protocol.name());
        }
    }
    write_target(&rule.target, rule.spelling, words);
}

/// One condition. The module comes first, then `!`, then the option.
fn write_criterion(criterion: &Criterion, words: &mut impl Words) {
    let module = match &criterion.test {
        Test::Uid(_) | Test::Gid(_) | Test::SocketExists => Some("owner"),
        Test::Mark(_) => Some("mark"),
        Test::ConnectionMark(_) => Some("connmark"),
        Test::State(_) => Some("conntrack"),
        Test::DestinationPorts(..) => Some("multiport"),
        Test::DestinationInSet(..) => Some("set"),
        _ => None,
    };
    if let Some(module) = module {
        words.word("-m");
        words.word(module);
    }
    if criterion.negated {
        words.word("!");
    }
    words.word(match &criterion.test {
        Test::InInterface(_) => "-i",
        Test::OutInterface(_) => "-o",
        Test::Source(_) => "-s",
        Test::Destination(_) => "-d",
        Test::Protocol(_) => "-p",
        Test::SourcePort(..) => "--sport",
        Test::DestinationPort(..) => "--dport",
        Test::DestinationPorts(..) => "--dports",
        Test::DestinationInSet(..) => "--match-set",
        Test::Uid(_) => "--uid-owner",
        Test::Gid(_) => "--gid-owner",
        Test::SocketExists => "--socket-exists",
        Test::Mark(_) | Test::ConnectionMark(_) => "--mark",
        Test::State(_) => "--ctstate",
    });
    match &criterion.test {
        Test::InInterface(name) | Test::OutInterface(name) => words.word(name),
        Test::Source(address) | Test::Destination(address) => {
            words.compose(|out| write_address(address, out));
        }
        Test::Protocol(protocol) => words.word(protocol.name()),
        Test::SourcePort(_, port) | Test::DestinationPort(_, port) => {
            words.compose(|out| port.numeral().write(out));
        }
        Test::DestinationPorts(_, ports) => words.compose(|out| write_ports(ports, out)),
        Test::DestinationInSet(_, name) => {
            words.word(name);
            words.word("dst");
        }
        Test::Uid(id) | Test::Gid(id) => words.compose(|out| id.numeral().write(out)),
        Test::SocketExists => {}
        Test::Mark(mark) | Test::ConnectionMark(mark) => words.compose(|out| write_mark(mark, out)),
        Test::State(states) => words.compose(|out| write_states(states, out)),
    }
}

fn write_target(target: &Target, spelling: Spelling, words: &mut impl Words) {
    words.word("-j");
    match target {
        Target::Return => words.word("RETURN"),
        Target::Accept => words.word("ACCEPT"),
        Target::Drop => words.word("DROP"),
        Target::Jump(chain) => words.word(chain.name()),
        Target::Redirect(port) => {
            words.word("REDIRECT");
            words.word(if spelling.to_port { "--to-port" } else { "--to-ports" });
            words.compose(|out| port.numeral().write(out));
        }
        Target::Tproxy { port, mark, .. } => {
            words.word("TPROXY");
            words.word("--tproxy-mark");
            words.compose(|out| {
                mark.write(out);
                out.push_str("/0xffffffff");
            });
            words.word("--on-port");
            words.compose(|out| port.numeral().write(out));
        }
        Target::SetMark(mark) => {
            words.word("MARK");
            words.word("--set-mark");
            words.compose(|out| mark.write(out));
        }
        Target::SaveMark => {
            words.word("CONNMARK");
            words.word("--save-mark");
            write_full_masks(spelling, words);
        }
        Target::RestoreMark => {
            words.word("CONNMARK");
            words.word("--restore-mark");
            write_full_masks(spelling, words);
        }
        Target::SetConnectionMark { value, mask } => {
            words.word("CONNMARK");
            words.word("--set-xmark");
            words.compose(|out| write_mark(&Mark { value: value.clone(), mask: Some(*mask) }, out));
        }
        Target::Zone(zone) => {
            words.word("CT");
            words.word("--zone");
            words.compose(|out| write_decimal(u32::from(*zone), out));
        }
        Target::Snat(address) => {
            words.word("SNAT");
            words.word("--to-source");
            words.compose(|out| write_ip(*address, out));
        }
    }
}

fn write_full_masks(spelling: Spelling, words: &mut impl Words) {
    if spelling.full_masks {
        for word in ["--nfmask", "0xffffffff", "--ctmask", "0xffffffff"] {
            words.word(word);
        }
    }
}

pub(super) fn write_ports(ports: &[Port], out: &mut String) {
    for (index, port) in ports.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        port.numeral().write(out);
    }
}

pub(super) fn write_states(states: &[ConnectionState], out: &mut String) {
    for (index, state) in states.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(match state {
            ConnectionState::New => "NEW",
            ConnectionState::Invalid => "INVALID",
            ConnectionState::Related => "RELATED",
            ConnectionState::Established => "ESTABLISHED",
            ConnectionState::Untracked => "UNTRACKED",
        });
    }
}

pub(super) fn write_mark(mark: &Mark, out: &mut String) {
    mark.value.write(out);
    if let Some(mask) = mark.mask {
        out.push('/');
        write_hex(mask, out);
    }
}

pub(super) fn write_hex(value: u32, out: &mut String) {
    crate::numeral::Numeral::hex(value).write(out);
}

/// An address as rules write it.
pub(crate) fn write_address(address: &Address, out: &mut String) {
    match address {
        Address::Range(range) => {
            write_ip(range.addr(), out);
            out.push('/');
            write_decimal(u32::from(range.prefix_len()), out);
        }
        Address::Host(host) => write_ip(*host, out),
        Address::Zoned(host, zone) => {
            write_ip(IpAddr::V6(*host), out);
            out.push('%');
            out.push_str(zone);
            out.push_str("/128");
        }
    }
}

/// An address in canonical text. IPv4 avoids the formatting machinery: thousands of ranges are common.
pub(crate) fn write_ip(address: IpAddr, out: &mut String) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push('.');
                }
                write_decimal(u32::from(octet), out);
            }
        }
        // Writing to a string cannot fail.
        IpAddr::V6(address) => write!(out, "{address}").unwrap_or_default(),
    }
}

/// `-A CHAIN` or `-I CHAIN N`.
pub(super) fn write_operation(chain: &str, placement: Placement, words: &mut impl Words) {
    match placement {
        Placement::Append => {
            words.word("-A");
            words.word(chain);
        }
        Placement::Insert(place) => {
            words.word("-I");
            words.word(chain);
            words.compose(|out| write_decimal(u32::try_from(place.get()).unwrap_or(u32::MAX), out));
        }
    }
}

impl fmt::Display for Rule {
    /// The rule as one line of restore text, without its table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        write_operation(self.chain.name(), self.placement, &mut Line(&mut line));
        write_rule(self, &mut Line(&mut line));
        f.write_str(line.trim_start())
    }
}

impl fmt::Display for Criterion {
    /// The condition in `iptables` words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        write_criterion(self, &mut Line(&mut line));
        f.write_str(line.trim_start())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_address(self, &mut text);
        f.write_str(&text)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
