//! A rule as nftables fragments, each with a blank before it.

use crate::chain::Family;
use crate::numeral::{Numeral, write_decimal};
use crate::render::{write_address, write_ip};
use crate::rule::{ConnectionState, Criterion, Mark, Rule, Spelling, Target, Test};

/// Conditions and action, without table and chain.
pub(crate) fn rule_text(rule: &Rule) -> String {
    let mut out = String::with_capacity(96);
    write_rule(rule, &mut out);
    out.remove(0);
    out
}

pub(super) fn write_rule(rule: &Rule, out: &mut String) {
    for criterion in &rule.criteria {
        write_criterion(criterion, rule.spelling, out);
    }
    // The counter of TPROXY stands in the middle of its action.
    if !rule.spelling.no_counter && !matches!(rule.target, Target::Tproxy { .. }) {
        out.push_str(" counter");
    }
    write_target(&rule.target, out);
}

fn write_criterion(criterion: &Criterion, spelling: Spelling, out: &mut String) {
    out.push(' ');
    let not = if criterion.negated { "!= " } else { "" };
    match &criterion.test {
        Test::InInterface(name) => push(out, &["iifname ", not, name]),
        Test::OutInterface(name) => push(out, &["oifname ", not, name]),
        Test::Source(address) => {
            push(out, &[family_word(address.family()), " saddr ", not]);
            write_address(address, out);
        }
        Test::Destination(address) => {
            push(out, &[family_word(address.family()), " daddr ", not]);
            write_address(address, out);
        }
        Test::DestinationInSet(family, name) => push(out, &[family_word(*family), " daddr ", not, "@", name]),
        Test::Protocol(protocol) => push(out, &["meta l4proto ", not, protocol.name()]),
        Test::SourcePort(protocol, port) => {
            push(out, &[protocol.name(), " sport ", not]);
            port.numeral().write(out);
        }
        Test::DestinationPort(protocol, port) => {
            push(out, &[protocol.name(), " dport ", not]);
            port.numeral().write(out);
        }
        Test::DestinationPorts(protocol, ports) => {
            push(out, &[protocol.name(), " dport ", not, "{ "]);
            for (index, port) in ports.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                port.numeral().write(out);
            }
            out.push_str(" }");
        }
        Test::Uid(id) => {
            push(out, &[meta(spelling), "skuid ", not]);
            id.numeral().write(out);
        }
        Test::Gid(id) => {
            push(out, &[meta(spelling), "skgid ", not]);
            id.numeral().write(out);
        }
        // nftables has no such test (`NFT-49`) and no plan makes one. The word is refused by `nft`, so a rule
        // that came here by mistake fails closed instead of matching more.
        Test::SocketExists => out.push_str("socket-exists"),
        Test::Mark(mark) => {
            push(out, &[meta(spelling), "mark "]);
            write_mark(mark, criterion.negated, spelling, out);
        }
        Test::ConnectionMark(mark) => {
            out.push_str("ct mark ");
            write_mark(mark, criterion.negated, spelling, out);
        }
        Test::State(states) => {
            push(out, &["ct state ", not]);
            for (index, state) in states.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(match state {
                    ConnectionState::New => "new",
                    ConnectionState::Untracked => "untracked",
                    ConnectionState::Invalid => "invalid",
                    ConnectionState::Related => "related",
                    ConnectionState::Established => "established",
                });
            }
        }
    }
}

fn meta(spelling: Spelling) -> &'static str {
    if spelling.meta { "meta " } else { "" }
}

/// `V`, `!= V`, or with a mask `and M == V`.
fn write_mark(mark: &Mark, negated: bool, spelling: Spelling, out: &mut String) {
    if let Some(mask) = mark.mask {
        out.push_str(if spelling.ampersand { "& " } else { "and " });
        Numeral::hex(mask).write(out);
        push(out, &[if spelling.wide { "  " } else { " " }, if negated { "!= " } else { "== " }]);
    } else if negated {
        out.push_str("!= ");
    }
    mark.value.write(out);
}

fn write_target(target: &Target, out: &mut String) {
    out.push(' ');
    match target {
        Target::Return => out.push_str("return"),
        Target::Accept => out.push_str("accept"),
        Target::Drop => out.push_str("drop"),
        Target::Jump(chain) => push(out, &["jump ", &chain.nft_name()]),
        Target::Redirect(port) => {
            out.push_str("redirect to :");
            port.numeral().write(out);
        }
        Target::Tproxy { family, port, mark } => {
            push(out, &["tproxy ", family_word(*family), " to :"]);
            port.numeral().write(out);
            out.push_str(" meta mark set ");
            mark.write(out);
            out.push_str(" counter accept");
        }
        Target::SetMark(mark) => {
            out.push_str("meta mark set ");
            mark.write(out);
        }
        Target::SaveMark => out.push_str("ct mark set mark"),
        Target::RestoreMark => out.push_str("meta mark set ct mark"),
        Target::SetConnectionMark { value, mask } => {
            out.push_str("ct mark set ct mark & ");
            Numeral::hex(!mask).write(out);
            // The baseline writes two blanks here.
            out.push_str(" |  ");
            value.write(out);
        }
        Target::Zone(zone) => {
            out.push_str("ct zone set ");
            write_decimal(u32::from(*zone), out);
        }
        Target::Snat(address) => {
            out.push_str("snat to ");
            write_ip(*address, out);
        }
    }
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ip",
        Family::Ipv6 => "ip6",
    }
}

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}
