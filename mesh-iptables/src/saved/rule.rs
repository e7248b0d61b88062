//! From the words of an `iptables` rule back to its structure.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::chain::{Chain, Family, Table};
use crate::numeral::Numeral;
use crate::owner::OwnerId;
use crate::ports::Port;
use crate::reason;
use crate::rule::{
    Address, ConnectionState, Criterion, Mark, Placement, Protocol, Rule, Spelling, Target, Test,
};

/// A rule and whether it carries a comment, which matters to a check but matches everything.
pub(crate) struct Parsed {
    pub(crate) rule: Rule,
    pub(crate) is_commented: bool,
}

/// Targets that are not chains although nothing follows them.
const EXTENSIONS: &[&str] = &[
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "DNAT",
    "LOG",
    "MASQUERADE",
    "NETMAP",
    "NFLOG",
    "NFQUEUE",
    "NOTRACK",
    "QUEUE",
    "REJECT",
    "SET",
    "SYNPROXY",
    "TCPMSS",
    "TEE",
    "TRACE",
    "ULOG",
];

/// Reads one rule line that was split into words, with or without leading counters.
///
/// # Errors
/// The first word the mesh does not know. Such a rule belongs to someone else.
pub(crate) fn parse_rule(family: Family, table: Table, words: &[String]) -> Result<Parsed, String> {
    Reader { family, words: words.iter().map(String::as_str).collect(), next: 0 }.rule(table)
}

struct Reader<'w> {
    family: Family,
    words: Vec<&'w str>,
    next: usize,
}

impl<'w> Reader<'w> {
    fn peek(&self) -> Option<&'w str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self) -> Option<&'w str> {
        let word = self.peek()?;
        self.next += 1;
        Some(word)
    }

    /// The value behind an option.
    fn value(&mut self, option: &str) -> Result<&'w str, String> {
        self.take().ok_or_else(|| format!("{option} without a value"))
    }

    fn rule(mut self, table: Table) -> Result<Parsed, String> {
        while self.peek().is_some_and(|word| word.starts_with('[')) {
            self.next += 1;
        }
        let operation = self.take().unwrap_or_default();
        let is_insert = matches!(operation, "-I" | "--insert");
        if !is_insert && !matches!(operation, "-A" | "--append") {
            return Err(operation.to_owned());
        }
        let chain = Chain::named(self.value(operation)?);
        let mut placement = Placement::Append;
        if is_insert {
            let place = self.peek().and_then(|word| word.parse().ok());
            self.next += usize::from(place.is_some());
            placement = Placement::Insert(place.unwrap_or(std::num::NonZeroUsize::MIN));
        }
        let mut rule = Rule::new(table, chain, reason::FOUND, Vec::new(), Target::Return);
        rule.placement = placement;
        let mut is_commented = false;
        let mut negated = false;
        let mut target = None;
        let mut modules: Vec<&str> = Vec::new();
        while let Some(word) = self.take() {
            match word {
                "!" => {
                    negated = true;
                    continue;
                }
                // What negates no condition is not understood.
                "-m" | "--match" | "--comment" | "-j" | "--jump" if negated => return Err(word.to_owned()),
                "-m" | "--match" => modules.push(self.value(word)?),
                "--comment" => {
                    self.value(word)?;
                    is_commented = true;
                }
                "-j" | "--jump" => {
                    if target.replace(self.target()?).is_some() {
                        return Err(word.to_owned());
                    }
                }
                option => {
                    let module = modules.last().copied().unwrap_or_default();
                    let protocol = protocol_of(&rule.criteria);
                    match self.test(option, module, protocol)? {
                        Some(test) => rule.criteria.push(Criterion { negated, test }),
                        None if negated => return Err(option.to_owned()),
                        None => {}
                    }
                }
            }
            negated = false;
        }
        if negated {
            return Err("!".to_owned());
        }
        rule.target = target.ok_or_else(|| "no target".to_owned())?;
        rule.spelling = spelling(&rule, &modules);
        Ok(Parsed { rule, is_commented })
    }

    fn test(
        &mut self,
        option: &str,
        module: &str,
        protocol: Option<Protocol>,
    ) -> Result<Option<Test>, String> {
        let unknown = || option.to_owned();
        if option == "--socket-exists" {
            return Ok(Some(Test::SocketExists));
        }
        let value = self.value(option)?;
        let ported = || protocol.ok_or_else(|| format!("{option} without a protocol"));
        Ok(Some(match option {
            "-s" | "--source" | "--src" => Test::Source(self.address(value)?),
            "-d" | "--destination" | "--dst" => Test::Destination(self.address(value)?),
            "-i" | "--in-interface" => Test::InInterface(value.into()),
            "-o" | "--out-interface" => Test::OutInterface(value.into()),
            "-p" | "--protocol" | "--proto" => match self::protocol(value) {
                Some(protocol) => Test::Protocol(protocol),
                // All protocols: no condition.
                None if matches!(value, "all" | "0") => return Ok(None),
                None => return Err(format!("{option} {value}")),
            },
            "--sport" | "--source-port" => Test::SourcePort(ported()?, Port::parse(value)),
            "--dport" | "--destination-port" => Test::DestinationPort(ported()?, Port::parse(value)),
            "--dports" | "--destination-ports" if module == "multiport" => {
                Test::DestinationPorts(ported()?, value.split(',').map(Port::parse).collect())
            }
            "--uid-owner" => Test::Uid(OwnerId::parse(value)),
            "--gid-owner" => Test::Gid(OwnerId::parse(value)),
            "--mark" if module == "mark" => Test::Mark(mark(value)?),
            "--mark" if module == "connmark" => Test::ConnectionMark(mark(value)?),
            "--ctstate" | "--state" => Test::State(Cow::Owned(states(value)?)),
            "--match-set" => {
                if self.take() != Some("dst") {
                    return Err(unknown());
                }
                Test::DestinationInSet(self.family, Cow::Owned(value.to_owned()))
            }
            _ => return Err(unknown()),
        }))
    }

    fn address(&self, text: &str) -> Result<Address, String> {
        address(text).filter(|address| address.family() == self.family).ok_or_else(|| text.to_owned())
    }

    fn target(&mut self) -> Result<Target, String> {
        let name = self.value("-j")?;
        let mut options: Vec<(&str, &str)> = Vec::new();
        // Conditions may follow the target.
        while let Some(option) = self.peek().filter(|word| !is_condition(word)) {
            self.next += 1;
            let bare = matches!(option, "--save-mark" | "--restore-mark");
            options.push((option, if bare { "" } else { self.value(option)? }));
        }
        let unknown = || {
            let words = options.iter().flat_map(|(option, value)| [*option, *value]);
            std::iter::once(name).chain(words).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let find =
            |wanted: &str| options.iter().find(|(option, _)| *option == wanted).map(|(_, value)| *value);
        let target = match (name, options.as_slice()) {
            ("RETURN", []) => Target::Return,
            ("ACCEPT", []) => Target::Accept,
            ("DROP", []) => Target::Drop,
            ("REDIRECT", [("--to-ports" | "--to-port", port)]) => Target::Redirect(Port::parse(port)),
            ("TPROXY", _) => {
                let anywhere = |ip: &str| matches!(ip, "0.0.0.0" | "::");
                let (Some(port), Some(mark)) = (find("--on-port"), find("--tproxy-mark")) else {
                    return Err(unknown());
                };
                let known = options.iter().all(|(option, value)| match *option {
                    "--on-ip" => anywhere(value),
                    other => matches!(other, "--on-port" | "--tproxy-mark"),
                });
                let mark = full_mark(mark).filter(|_| known).ok_or_else(unknown)?;
                Target::Tproxy { family: self.family, port: Port::parse(port), mark }
            }
            ("MARK", [("--set-mark" | "--set-xmark", mark)]) => {
                Target::SetMark(full_mark(mark).ok_or_else(unknown)?)
            }
            ("CONNMARK", [("--save-mark", _), masks @ ..]) if are_full(masks) => Target::SaveMark,
            ("CONNMARK", [("--restore-mark", _), masks @ ..]) if are_full(masks) => Target::RestoreMark,
            ("CONNMARK", [("--set-xmark", text)]) => {
                let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
                let mask = Numeral::parse(mask).value().ok_or_else(unknown)?;
                Target::SetConnectionMark { value: Numeral::parse(value), mask }
            }
            ("CT", [("--zone", zone)]) => Target::Zone(zone.parse().map_err(|_| unknown())?),
            ("SNAT", [("--to-source", address)]) => Target::Snat(address.parse().map_err(|_| unknown())?),
            (chain, []) if !EXTENSIONS.contains(&chain) => Target::Jump(Chain::named(chain)),
            _ => return Err(unknown()),
        };
        Ok(target)
    }
}

/// Whether a word begins a condition that belongs to no target.
fn is_condition(word: &str) -> bool {
    matches!(word, "!" | "-m" | "--match" | "-s" | "--source" | "-d" | "--destination")
        || matches!(word, "-i" | "--in-interface" | "-o" | "--out-interface" | "-p" | "--protocol")
}

/// `-m tcp` without a port is printed back, so it is kept.
fn spelling(rule: &Rule, modules: &[&str]) -> Spelling {
    let module = modules.iter().any(|module| matches!(*module, "tcp" | "udp"))
        && protocol_of(&rule.criteria).is_some();
    Spelling { module, ..Spelling::default() }
}

fn protocol_of(criteria: &[Criterion]) -> Option<Protocol> {
    criteria.iter().find_map(|criterion| match criterion {
        Criterion { negated: false, test: Test::Protocol(protocol) } => Some(*protocol),
        _ => None,
    })
}

/// A protocol by its name or number.
pub(crate) fn protocol(text: &str) -> Option<Protocol> {
    Some(match text {
        "tcp" | "6" => Protocol::Tcp,
        "udp" | "17" => Protocol::Udp,
        "icmp" | "1" => Protocol::Icmp,
        "ipv6-icmp" | "icmpv6" | "58" => Protocol::Icmpv6,
        "sctp" | "132" => Protocol::Sctp,
        _ => return None,
    })
}

/// An address, with or without a length.
pub(crate) fn address(text: &str) -> Option<Address> {
    match text.parse::<IpAddr>() {
        Ok(host) => Some(Address::Host(host)),
        Err(_) => text.parse::<IpNet>().ok().map(Address::Range),
    }
}

fn mark(text: &str) -> Result<Mark, String> {
    let Some((value, mask)) = text.split_once('/') else {
        return Ok(Mark { value: Numeral::parse(text), mask: None });
    };
    let mask = Numeral::parse(mask).value().ok_or_else(|| text.to_owned())?;
    Ok(Mark { value: Numeral::parse(value), mask: Some(mask).filter(|mask| *mask != u32::MAX) })
}

/// A mark that replaces the whole one.
fn full_mark(text: &str) -> Option<Numeral> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    (Numeral::parse(mask).value() == Some(u32::MAX)).then(|| Numeral::parse(value))
}

fn are_full(masks: &[(&str, &str)]) -> bool {
    masks.iter().all(|(option, mask)| {
        matches!(*option, "--nfmask" | "--ctmask" | "--mask")
            && Numeral::parse(mask).value() == Some(u32::MAX)
    })
}

fn states(text: &str) -> Result<Vec<ConnectionState>, String> {
    text.split(',')
        .map(|state| {
            Ok(match state {
                "NEW" => ConnectionState::New,
                "INVALID" => ConnectionState::Invalid,
                "RELATED" => ConnectionState::Related,
                "ESTABLISHED" => ConnectionState::Established,
                "UNTRACKED" => ConnectionState::Untracked,
                other => return Err(other.to_owned()),
            })
        })
        .collect()
}
