//! A plan as `iptables-save` prints it once it is in the kernel (rules `SAV-20` to `SAV-29`).
//!
//! The kernel reorders and rewrites: built-in chains first, then the others by name; addresses masked and
//! with a length; marks in hexadecimal. This is the normal form drift detection compares.

use super::counters::Counters;
use super::restore::chains;
use super::words::{Line, Words as _, write_hex, write_ip, write_ports, write_states};
use crate::chain::{Chain, Family, Table};
use crate::numeral::{Numeral, write_decimal};
use crate::plan::RulePlan;
use crate::rule::{Address, Criterion, Mark, Rule, Target, Test};

impl RulePlan {
    /// One table as `iptables-save` prints it when only this plan is installed, from `*table` to `COMMIT`.
    /// Empty if the plan has nothing in the table.
    ///
    /// User and group names stay names here; the tool prints their numbers (`SAV-30`).
    pub fn save_text(&self, family: Family, table: Table, counters: &Counters) -> String {
        let rules: Vec<&Rule> = self.rules(family).iter().filter(|rule| rule.table == table).collect();
        let mut out = String::new();
        if rules.is_empty() {
            return out;
        }
        out.push('*');
        out.push_str(table.name());
        out.push('\n');
        for chain in table.hooks() {
            let counter = counters.of_policy(chain);
            out.push_str(&format_chain(chain.name(), "ACCEPT", counter.packets, counter.bytes));
        }
        let own = sorted_chains(&rules);
        for chain in &own {
            out.push_str(&format_chain(chain, "-", 0, 0));
        }
        let hooks = table.hooks().iter().map(Chain::name);
        for chain in hooks.chain(own) {
            for rule in self.chain(family, table, &Chain::new(chain.to_owned())) {
                write_saved_line(rule, &mut out);
                out.push('\n');
            }
        }
        out.push_str("COMMIT\n");
        out
    }
}

/// One rule as a save prints it: the normal form of rules.
pub(crate) fn saved_rule(rule: &Rule) -> String {
    let mut out = String::with_capacity(96);
    write_saved_line(rule, &mut out);
    out
}

fn write_saved_line(rule: &Rule, out: &mut String) {
    out.push_str("-A ");
    out.push_str(rule.chain.name());
    write_saved(rule, &mut Line(out));
}

/// The chains that are not built in, by byte value.
pub(super) fn sorted_chains<'r>(rules: &[&'r Rule]) -> Vec<&'r str> {
    let mut own = chains(rules);
    own.sort_unstable();
    own
}

fn format_chain(chain: &str, policy: &str, packets: u64, bytes: u64) -> String {
    format!(":{chain} {policy} [{packets}:{bytes}]\n")
}

/// The place of a condition in printed rules: addresses, interfaces, protocol, then matches as given.
fn printed_place(test: &Test) -> u8 {
    match test {
        Test::Source(_) => 0,
        Test::Destination(_) => 1,
        Test::InInterface(_) => 2,
        Test::OutInterface(_) => 3,
        Test::Protocol(_) => 4,
        _ => 5,
    }
}

/// The conditions in printed order; those that match everything are not printed at all.
pub(super) fn printed_criteria(rule: &Rule) -> Vec<&Criterion> {
    let mut criteria: Vec<&Criterion> =
        rule.criteria.iter().filter(|criterion| !matches_all(criterion)).collect();
    criteria.sort_by_key(|criterion| printed_place(&criterion.test));
    criteria
}

fn matches_all(criterion: &Criterion) -> bool {
    match &criterion.test {
        Test::Source(Address::Range(range)) | Test::Destination(Address::Range(range)) => {
            range.prefix_len() == 0 && !criterion.negated
        }
        _ => false,
    }
}

fn write_saved(rule: &Rule, words: &mut Line<'_>) {
    let criteria = printed_criteria(rule);
    let has_port = criteria.iter().any(|criterion| is_port(&criterion.test));
    let mut module_printed = false;
    for criterion in criteria {
        if is_port(&criterion.test) && !module_printed {
            module_printed = true;
            write_module(&criterion.test, words);
        }
        write_criterion(criterion, words);
        if let Test::Protocol(_) = &criterion.test
            && rule.spelling.module
            && !has_port
        {
            write_module(&criterion.test, words);
        }
    }
    write_target(&rule.target, words);
}

fn is_port(test: &Test) -> bool {
    matches!(test, Test::SourcePort(..) | Test::DestinationPort(..))
}

fn write_module(test: &Test, words: &mut Line<'_>) {
    if let Test::SourcePort(protocol, _) | Test::DestinationPort(protocol, _) | Test::Protocol(protocol) =
        test
    {
        words.word("-m");
        words.word(protocol.name());
    }
}

fn write_criterion(criterion: &Criterion, words: &mut Line<'_>) {
    let not = |words: &mut Line<'_>| {
        if criterion.negated {
            words.word("!");
        }
    };
    let mut option = |module: Option<&str>, option: &str, write: &dyn Fn(&mut String)| {
        if let Some(module) = module {
            words.word("-m");
            words.word(module);
        }
        not(words);
        words.word(option);
        words.compose(write);
    };
    match &criterion.test {
        Test::InInterface(name) => option(None, "-i", &|out| out.push_str(name)),
        Test::OutInterface(name) => option(None, "-o", &|out| out.push_str(name)),
        Test::Source(address) => option(None, "-s", &|out| write_masked(address, out)),
        Test::Destination(address) => option(None, "-d", &|out| write_masked(address, out)),
        Test::Protocol(protocol) => option(None, "-p", &|out| out.push_str(protocol.name())),
        Test::SourcePort(_, port) => option(None, "--sport", &|out| write_number(port.numeral(), out)),
        Test::DestinationPort(_, port) => option(None, "--dport", &|out| write_number(port.numeral(), out)),
        Test::DestinationPorts(_, ports) => {
            option(Some("multiport"), "--dports", &|out| write_ports(ports, out));
        }
        Test::Uid(id) => option(Some("owner"), "--uid-owner", &|out| write_number(id.numeral(), out)),
        Test::Gid(id) => option(Some("owner"), "--gid-owner", &|out| write_number(id.numeral(), out)),
        Test::Mark(mark) => option(Some("mark"), "--mark", &|out| write_mark(mark, out)),
        Test::ConnectionMark(mark) => option(Some("connmark"), "--mark", &|out| write_mark(mark, out)),
        Test::State(states) => option(Some("conntrack"), "--ctstate", &|out| write_states(states, out)),
        Test::DestinationInSet(_, name) => {
            option(Some("set"), "--match-set", &|out| out.push_str(name));
            words.word("dst");
        }
        Test::SocketExists => {
            words.word("-m");
            words.word("owner");
            not(words);
            words.word("--socket-exists");
        }
    }
}

/// An option of a target and what writes its value.
type Argument<'a> = (&'a str, &'a dyn Fn(&mut String));

fn write_target(target: &Target, words: &mut Line<'_>) {
    words.word("-j");
    let mut call = |name: &str, options: &[Argument<'_>]| {
        words.word(name);
        for (option, write) in options {
            words.word(option);
            words.compose(write);
        }
    };
    let all: &dyn Fn(&mut String) = &|out| out.push_str("0xffffffff");
    match target {
        Target::Return => call("RETURN", &[]),
        Target::Accept => call("ACCEPT", &[]),
        Target::Drop => call("DROP", &[]),
        Target::Jump(chain) => call(chain.name(), &[]),
        Target::Redirect(port) => {
            call("REDIRECT", &[("--to-ports", &|out| write_number(port.numeral(), out))]);
        }
        Target::Tproxy { family, port, mark } => call(
            "TPROXY",
            &[
                ("--on-port", &|out| write_number(port.numeral(), out)),
                ("--on-ip", &|out| out.push_str(unspecified(*family))),
                ("--tproxy-mark", &|out| {
                    write_hex_or_text(mark, out);
                    out.push_str("/0xffffffff");
                }),
            ],
        ),
        Target::SetMark(mark) => call(
            "MARK",
            &[("--set-xmark", &|out| {
                write_hex_or_text(mark, out);
                out.push_str("/0xffffffff");
            })],
        ),
        Target::SaveMark => {
            call("CONNMARK", &[]);
            words.word("--save-mark");
            masks(words, all);
        }
        Target::RestoreMark => {
            call("CONNMARK", &[]);
            words.word("--restore-mark");
            masks(words, all);
        }
        Target::SetConnectionMark { value, mask } => call(
            "CONNMARK",
            &[("--set-xmark", &|out| {
                write_hex_or_text(value, out);
                out.push('/');
                write_hex(*mask, out);
            })],
        ),
        Target::Zone(zone) => call("CT", &[("--zone", &|out| write_decimal(u32::from(*zone), out))]),
        Target::Snat(address) => call("SNAT", &[("--to-source", &|out| write_ip(*address, out))]),
    }
}

fn masks(words: &mut Line<'_>, all: &dyn Fn(&mut String)) {
    for option in ["--nfmask", "--ctmask"] {
        words.word(option);
        words.compose(all);
    }
}

pub(super) fn unspecified(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "0.0.0.0",
        Family::Ipv6 => "::",
    }
}

/// An address with its length and without host bits (`SAV-25`).
fn write_masked(address: &Address, out: &mut String) {
    let masked = match address {
        Address::Range(range) => Address::Range(range.trunc()),
        Address::Host(host) => Address::Range((*host).into()),
        Address::Zoned(..) => address.clone(),
    };
    super::write_address(&masked, out);
}

/// A number as the tool read it, in decimal.
pub(super) fn write_number(numeral: &Numeral, out: &mut String) {
    match numeral.value() {
        Some(value) => write_decimal(value, out),
        None => numeral.write(out),
    }
}

/// A number as the tool read it, in hexadecimal (`SAV-26`, `SAV-27`).
pub(super) fn write_hex_or_text(numeral: &Numeral, out: &mut String) {
    match numeral.value() {
        Some(value) => write_hex(value, out),
        None => numeral.write(out),
    }
}

pub(super) fn write_mark(mark: &Mark, out: &mut String) {
    write_hex_or_text(&mark.value, out);
    if let Some(mask) = mark.mask.filter(|mask| *mask != u32::MAX) {
        out.push('/');
        write_hex(mask, out);
    }
}
