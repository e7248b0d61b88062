//! The mesh's tables from what `nft list ruleset` prints, and from transactions for `nft -f -`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::ruleset::{Entry, place};
use crate::chain::{Chain, Family, Table};
use crate::numeral::Numeral;
use crate::owner::OwnerId;
use crate::ports::Port;
use crate::reason;
use crate::rule::{ConnectionState, Criterion, Mark, Placement, Protocol, Rule, Target, Test};
use crate::saved::{address, protocol};

/// Reads both forms; lines of neither are passed over.
pub(super) fn read(text: &str) -> HashMap<(Table, Chain), Vec<Entry>> {
    let mut chains: HashMap<(Table, Chain), Vec<Entry>> = HashMap::new();
    let mut table: Option<Table> = None;
    let mut chain: Option<Chain> = None;
    for line in text.lines() {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", "inet", name, "{"] => {
                table = table_named(name);
                chain = None;
            }
            ["chain", name, "{"] => {
                chain = Some(chain_named(name));
                if let (Some(table), Some(chain)) = (table, &chain) {
                    chains.entry((table, chain.clone())).or_default();
                }
            }
            ["}"] if chain.is_some() => chain = None,
            ["}"] => table = None,
            ["add", "rule", "inet", name, at, rule @ ..] => {
                if let Some(table) = table_named(name) {
                    add(&mut chains, table, chain_named(at), Placement::Append, rule);
                }
            }
            ["insert", "rule", "inet", name, at, "index", index, rule @ ..] => {
                let index = index.parse::<usize>().unwrap_or_default().saturating_add(1);
                if let (Some(table), Some(index)) = (table_named(name), NonZeroUsize::new(index)) {
                    add(&mut chains, table, chain_named(at), Placement::Insert(index), rule);
                }
            }
            ["type" | "comment", ..] | [] => {}
            rule => {
                if let (Some(table), Some(chain)) = (table, &chain) {
                    add(&mut chains, table, chain.clone(), Placement::Append, rule);
                }
            }
        }
    }
    chains
}

fn add(
    chains: &mut HashMap<(Table, Chain), Vec<Entry>>,
    table: Table,
    chain: Chain,
    placement: Placement,
    words: &[&str],
) {
    let rule = Reader { words, next: 0 }.rule(table, chain.clone());
    place(chains.entry((table, chain)).or_default(), placement, Entry::read(rule, words.join(" ")));
}

fn table_named(name: &str) -> Option<Table> {
    Some(match name {
        "istio-proxy-nat" | "istio-ambient-nat" => Table::Nat,
        "istio-proxy-mangle" | "istio-ambient-mangle" => Table::Mangle,
        "istio-proxy-raw" | "istio-ambient-raw" => Table::Raw,
        _ => return None,
    })
}

/// The inverse of [`Chain::nft_name`].
fn chain_named(name: &str) -> Chain {
    match name {
        "istio-prerouting" => Chain::ISTIO_PRERT,
        other => Chain::named(&other.to_ascii_uppercase().replace('-', "_")),
    }
}

struct Reader<'w, 't> {
    words: &'w [&'t str],
    next: usize,
}

/// What a fragment is.
enum Fragment {
    Criterion(Criterion),
    Target(Target),
    /// A counter: nothing to the packet.
    Nothing,
}

impl<'t> Reader<'_, 't> {
    fn peek(&self) -> Option<&'t str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self) -> Option<&'t str> {
        let word = self.peek()?;
        self.next += 1;
        Some(word)
    }

    fn value(&mut self) -> Result<&'t str, String> {
        self.take().map(|word| word.trim_matches('"')).ok_or_else(|| "an incomplete rule".to_owned())
    }

    /// Takes the word if it comes next.
    fn skip(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.next += usize::from(found);
        found
    }

    fn require(&mut self, word: &str) -> Result<(), String> {
        if self.skip(word) { Ok(()) } else { Err(self.peek().unwrap_or(word).to_owned()) }
    }

    fn rule(mut self, table: Table, chain: Chain) -> Result<Rule, String> {
        let mut rule = Rule::new(table, chain, reason::FOUND, Vec::new(), Target::Return);
        let mut target = None;
        while let Some(word) = self.take() {
            if target.is_some() {
                return Err(word.to_owned());
            }
            match self.fragment(word)? {
                Fragment::Criterion(criterion) => rule.criteria.push(criterion),
                Fragment::Target(found) => target = Some(found),
                Fragment::Nothing => {}
            }
        }
        rule.target = target.ok_or_else(|| "no verdict".to_owned())?;
        Ok(rule)
    }

    fn fragment(&mut self, word: &str) -> Result<Fragment, String> {
        let criterion = match word {
            "counter" => {
                if self.skip("packets") {
                    self.value()?;
                    self.require("bytes")?;
                    self.value()?;
                }
                return Ok(Fragment::Nothing);
            }
            "meta" => {
                let word = self.value()?;
                return match word {
                    "mark" => self.mark(),
                    "l4proto" | "skuid" | "skgid" | "iifname" | "oifname" => self.fragment(word),
                    other => Err(format!("meta {other}")),
                };
            }
            "mark" => return self.mark(),
            "ct" => return self.connection(),
            "iifname" => self.negatable(|name| Some(Test::InInterface(name.into())))?,
            "oifname" => self.negatable(|name| Some(Test::OutInterface(name.into())))?,
            "l4proto" => self.negatable(|name| protocol(name).map(Test::Protocol))?,
            "skuid" => self.negatable(|id| Some(Test::Uid(OwnerId::parse(id))))?,
            "skgid" => self.negatable(|id| Some(Test::Gid(OwnerId::parse(id))))?,
            "ip" | "ip6" => self.address(word)?,
            "tcp" | "udp" | "sctp" => self.port(word)?,
            verdict => return self.verdict(verdict).map(Fragment::Target),
        };
        Ok(Fragment::Criterion(criterion))
    }

    /// `[!=] value` or `[==] value`.
    fn negatable(&mut self, test: impl FnOnce(&str) -> Option<Test>) -> Result<Criterion, String> {
        let negated = self.negation();
        let value = self.value()?;
        let test = test(value).ok_or_else(|| value.to_owned())?;
        Ok(Criterion { negated, test })
    }

    fn negation(&mut self) -> bool {
        let negated = self.skip("!=");
        if !negated {
            self.skip("==");
        }
        negated
    }

    fn address(&mut self, family: &str) -> Result<Criterion, String> {
        let side = self.value()?;
        let family = if family == "ip" { Family::Ipv4 } else { Family::Ipv6 };
        self.negatable(|text| {
            if let Some(set) = text.strip_prefix('@') {
                return (side == "daddr").then(|| Test::DestinationInSet(family, Cow::Owned(set.to_owned())));
            }
            let address = address(text).filter(|address| address.family() == family)?;
            match side {
                "saddr" => Some(Test::Source(address)),
                "daddr" => Some(Test::Destination(address)),
                _ => None,
            }
        })
    }

    fn port(&mut self, name: &str) -> Result<Criterion, String> {
        let protocol: Protocol = protocol(name).ok_or_else(|| name.to_owned())?;
        let side = self.value()?;
        let negated = self.negation();
        let test = match (side, self.skip("{")) {
            ("dport", true) => {
                let mut ports = Vec::new();
                while !self.skip("}") {
                    ports.push(Port::parse(self.value()?.trim_end_matches(',')));
                }
                Test::DestinationPorts(protocol, ports)
            }
            ("dport", false) => Test::DestinationPort(protocol, Port::parse(self.value()?)),
            ("sport", false) => Test::SourcePort(protocol, Port::parse(self.value()?)),
            _ => return Err(format!("{name} {side}")),
        };
        Ok(Criterion { negated, test })
    }

    /// Behind `mark` or `meta mark`: a test, or `set`.
    fn mark(&mut self) -> Result<Fragment, String> {
        if !self.skip("set") {
            let (negated, mark) = self.masked()?;
            return Ok(Fragment::Criterion(Criterion { negated, test: Test::Mark(mark) }));
        }
        if self.skip("ct") {
            self.require("mark")?;
            return Ok(Fragment::Target(Target::RestoreMark));
        }
        Ok(Fragment::Target(Target::SetMark(Numeral::parse(self.value()?))))
    }

    /// `V`, `!= V`, `and M == V` or `& M != V`.
    fn masked(&mut self) -> Result<(bool, Mark), String> {
        let mask = if self.skip("and") || self.skip("&") { Some(number(self.value()?)?) } else { None };
        let negated = self.negation();
        let value = Numeral::parse(self.value()?);
        Ok((negated, Mark { value, mask }))
    }

    fn connection(&mut self) -> Result<Fragment, String> {
        match self.value()? {
            "state" => {
                let criterion =
                    self.negatable(|text| states(text).map(|states| Test::State(Cow::Owned(states))))?;
                Ok(Fragment::Criterion(criterion))
            }
            "zone" => {
                self.require("set")?;
                let zone = self.value()?;
                zone.parse().map(|zone| Fragment::Target(Target::Zone(zone))).map_err(|_| zone.to_owned())
            }
            "mark" if !self.skip("set") => {
                let (negated, mark) = self.masked()?;
                Ok(Fragment::Criterion(Criterion { negated, test: Test::ConnectionMark(mark) }))
            }
            "mark" if self.skip("ct") => {
                // `ct mark set ct mark & KEEP | SET`, however the kernel spells the same function (`NFT-42`).
                self.require("mark")?;
                self.require("&")?;
                let keep = number(self.value()?)?;
                self.require("|")?;
                let set = number(self.value()?)?;
                let target = Target::SetConnectionMark { value: Numeral::hex(set), mask: !keep | set };
                Ok(Fragment::Target(target))
            }
            "mark" => {
                self.skip("meta");
                self.require("mark")?;
                Ok(Fragment::Target(Target::SaveMark))
            }
            other => Err(format!("ct {other}")),
        }
    }

    fn verdict(&mut self, word: &str) -> Result<Target, String> {
        Ok(match word {
            "return" => Target::Return,
            "accept" => Target::Accept,
            "drop" => Target::Drop,
            "jump" => Target::Jump(chain_named(self.value()?)),
            "redirect" => {
                self.require("to")?;
                Target::Redirect(self.local_port()?)
            }
            "tproxy" => {
                let family = match self.value()? {
                    "ip" => Family::Ipv4,
                    "ip6" => Family::Ipv6,
                    other => return Err(format!("tproxy {other}")),
                };
                self.require("to")?;
                let port = self.local_port()?;
                for word in ["meta", "mark", "set"] {
                    self.require(word)?;
                }
                let mark = Numeral::parse(self.value()?);
                // The counter stands in the middle of this action.
                if self.skip("counter") && self.skip("packets") {
                    self.value()?;
                    self.require("bytes")?;
                    self.value()?;
                }
                self.require("accept")?;
                Target::Tproxy { family, port, mark }
            }
            "snat" => {
                let _family = self.skip("ip") || self.skip("ip6");
                self.require("to")?;
                let address = self.value()?;
                Target::Snat(address.parse().map_err(|_| address.to_owned())?)
            }
            other => return Err(other.to_owned()),
        })
    }

    /// `:N`
    fn local_port(&mut self) -> Result<Port, String> {
        let text = self.value()?;
        text.strip_prefix(':').map(Port::parse).ok_or_else(|| text.to_owned())
    }
}

fn number(text: &str) -> Result<u32, String> {
    Numeral::parse(text).value().ok_or_else(|| text.to_owned())
}

fn states(text: &str) -> Option<Vec<ConnectionState>> {
    text.split(',')
        .map(|state| {
            Some(match state {
                "new" => ConnectionState::New,
                "invalid" => ConnectionState::Invalid,
                "related" => ConnectionState::Related,
                "established" => ConnectionState::Established,
                "untracked" => ConnectionState::Untracked,
                _ => return None,
            })
        })
        .collect()
}
