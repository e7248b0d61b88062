//! Finding the rules that can match without walking all of them.
//!
//! A tree of questions. An inner node asks for one attribute and leads to the children whose values
//! match it, and to one child with the rules that do not constrain the attribute:
//!
//! ```text
//! principal? ─┬─ "cluster.local/ns/web/sa/frontend" ── path? ─┬─ prefix "/cart" ── rule 7
//!             │                                               └─ (any) ────────── rules 2, 9
//!             └─ (any) ── rule 4
//! ```
//!
//! INVARIANT: the tree leaves out no rule that matches. It may lead to rules that do not, because
//! every rule it leads to is checked in full; so nothing here decides about a verdict.
//!
//! Cost: one hash, one walk over a text, or one binary search for each node on the way, plus the check
//! of the rules it leads to. What decides is how many rules share the values of the request, not how
//! many there are. Negated values never select, because nearly everything passes them.

mod build;
mod keys;
mod ranges;
mod tags;
#[cfg(test)]
mod tests;
mod trie;

use std::net::IpAddr;

use crate::identity::{Hashed, Name, PeerIdentity};
use crate::program::{Attribute, Program, Span, hash};
use crate::request::Request;
use ranges::Ranges;
use tags::Tags;
use trie::Trie;

/// An index over the rules of one stage.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    root: Child,
    nodes: Vec<Node>,
    /// Numbers of rules, ascending within each leaf.
    leaves: Vec<u32>,
}

/// What lies below an answer: nothing, one rule, or a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Child(u32);

/// Marks a child that is a rule. Rule numbers stay below `MAX_RULES`.
const RULE: u32 = 1 << 31;

/// How many rules an index can hold.
pub(crate) const MAX_RULES: u32 = RULE - 1;

impl Child {
    const NONE: Self = Self(u32::MAX);
}

#[derive(Debug, Clone)]
struct Node {
    /// The first rule below.
    least: u32,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Leaf(Span),
    Split(Box<Split>),
}

/// What a node asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Dimension {
    Of(Attribute),
    /// The issuer or the subject of the token: the two halves of a request principal.
    Issuer,
    Subject,
}

#[derive(Debug, Clone)]
struct Split {
    dimension: Dimension,
    exact: Tags,
    prefix: Option<Trie>,
    suffix: Option<Trie>,
    /// Rules that ask for any value.
    present: Child,
    ports: Vec<(u16, Child)>,
    v4: Option<Ranges<u32>>,
    v6: Option<Ranges<u128>>,
    /// Rules that do not constrain the dimension.
    rest: Child,
}

/// One search.
struct Search<'s, 'r, F> {
    index: &'s Index,
    program: &'s Program,
    request: &'s Request<'r>,
    matches: F,
    /// The number of the first match so far.
    best: u32,
}

/// A host name is lowered on the stack; DNS stops at 255 bytes.
const HOST_LEN: usize = 256;

impl Index {
    /// The number of the first rule for which `matches` is true, of those that `request` may match.
    ///
    /// `matches` is asked about every such rule, except where one before it is known to match.
    pub(crate) fn first_match(
        &self,
        program: &Program,
        request: &Request<'_>,
        matches: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut search = Search { index: self, program, request, matches, best: u32::MAX };
        search.visit(self.root);
        (search.best != u32::MAX).then_some(search.best)
    }
}

impl<'s, F: FnMut(u32) -> bool> Search<'s, '_, F> {
    #[inline]
    fn visit(&mut self, child: Child) {
        if child.0 & RULE == 0 {
            self.node(child);
        } else if child != Child::NONE {
            self.check(child.0 & !RULE);
        }
    }

    fn node(&mut self, child: Child) {
        let index = self.index;
        let Some(node) = index.nodes.get(child.0 as usize) else { return };
        if node.least >= self.best {
            return;
        }
        match &node.kind {
            Kind::Leaf(rules) => {
                for &number in rules.of(&index.leaves) {
                    if number >= self.best || self.check(number) {
                        break;
                    }
                }
            }
            Kind::Split(split) => {
                self.split(split);
                self.visit(split.rest);
            }
        }
    }

    /// Whether the rule matches; notes it if it comes before all found so far.
    fn check(&mut self, number: u32) -> bool {
        let first = number < self.best && (self.matches)(number);
        if first {
            self.best = number;
        }
        first
    }

    /// Visits the children whose values the request has.
    #[inline]
    fn split(&mut self, split: &'s Split) {
        let request = self.request;
        match split.dimension {
            Dimension::Of(Attribute::Principal) => {
                for name in request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names) {
                    if let Some((text, hash)) = name.hashed_principal() {
                        self.text(split, text, || hash, false);
                    }
                    if !name.text().is_empty() {
                        self.visit(split.present);
                    }
                }
            }
            Dimension::Of(Attribute::SourceIp) => self.ip(split, request.peer.ip),
            _ => self.other(split),
        }
    }

    /// As [`split`](Self::split) for what is asked for less often.
    #[inline(never)]
    fn other(&mut self, split: &'s Split) {
        let request = self.request;
        let Dimension::Of(attribute) = split.dimension else {
            let name = if split.dimension == Dimension::Issuer { "iss" } else { "sub" };
            let claims = request.http.as_ref().and_then(|http| http.claims);
            if let Some(text) = claims.and_then(|claims| claims.string(name)) {
                self.text(split, text, || hash(text), !text.is_empty());
            }
            return;
        };
        match attribute {
            Attribute::Namespace | Attribute::ServiceAccount | Attribute::TrustDomain => {
                for name in request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names) {
                    self.name(split, attribute, name);
                }
            }
            Attribute::RemoteIp => self.ip(split, request.remote_ip),
            Attribute::DestinationIp => self.ip(split, request.destination.ip()),
            Attribute::DestinationPort => {
                let port = request.destination.port();
                if let Ok(at) = split.ports.binary_search_by_key(&port, |(port, _)| *port)
                    && let Some((_, child)) = split.ports.get(at)
                {
                    self.visit(*child);
                }
            }
            Attribute::Sni => {
                self.text(split, request.sni, || hash(request.sni), !request.sni.is_empty());
            }
            _ => self.http(split, attribute),
        }
    }

    fn http(&mut self, split: &'s Split, attribute: Attribute) {
        let Some(http) = &self.request.http else {
            // An index that is asked about TCP connections has no such node, unless rules that use HTTP
            // attributes are passed over anyway.
            return;
        };
        match attribute {
            Attribute::Method => self.text(split, http.method, || hash(http.method), true),
            Attribute::Path => {
                self.text(split, http.path, || hash(http.path), !http.path.is_empty());
            }
            Attribute::Host => http.host.into_iter().for_each(|host| self.host(split, host)),
            Attribute::Header(header) => {
                self.program.any_header(header, http, &mut |value| {
                    self.text(split, value, || hash(value), true);
                    false
                });
            }
            Attribute::Claim(path) => {
                let path = self.program.claims.get(path as usize);
                let value = path.zip(http.claims).and_then(|(path, claims)| claims.at(path));
                value.map(|value| {
                    value.any_string(&mut |text| {
                        self.text(split, text, || hash(text), !text.is_empty());
                        false
                    })
                });
            }
            // The others have been asked for, or are never indexed.
            _ => self.all(split),
        }
    }

    // Not inlined, so that the buffer is not part of every node's stack frame.
    #[inline(never)]
    fn host(&mut self, split: &'s Split, host: &[u8]) {
        let mut buffer = [0; HOST_LEN];
        match buffer.get_mut(..host.len()) {
            Some(lower) => {
                lower.copy_from_slice(host);
                lower.make_ascii_lowercase();
                let lower = &*lower;
                self.text(split, lower, || hash(lower), !host.is_empty());
            }
            None => self.all(split),
        }
    }

    fn name(&mut self, split: &'s Split, attribute: Attribute, name: &Name) {
        match attribute {
            Attribute::TrustDomain => {
                if let Some((text, hash)) = name.hashed_trust_domain() {
                    self.text(split, text, || hash, false);
                }
            }
            Attribute::ServiceAccount => self.part(split, name.hashed_account_key()),
            _ => self.part(split, name.hashed_namespace_segment()),
        }
    }

    /// Visits the children that the part of a name leads to; all, if the name has another form than
    /// Istio's.
    fn part(&mut self, split: &'s Split, part: Option<Hashed<'_>>) {
        match part {
            Some((text, hash)) => self.text(split, text, || hash, false),
            None => self.all(split),
        }
    }

    #[inline]
    fn text(&mut self, split: &'s Split, text: &[u8], hash: impl FnOnce() -> u64, present: bool) {
        if !split.exact.is_empty() {
            split.exact.walk(hash(), |child| self.visit(child));
        }
        let texts = &self.program.texts;
        if let Some(trie) = &split.prefix {
            trie.walk(texts, text, |child| self.visit(child));
        }
        if let Some(trie) = &split.suffix {
            trie.walk(texts, text, |child| self.visit(child));
        }
        if present {
            self.visit(split.present);
        }
    }

    fn ip(&mut self, split: &'s Split, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                if let Some(ranges) = &split.v4 {
                    ranges.walk(ip.to_bits(), |child| self.visit(child));
                }
            }
            IpAddr::V6(ip) => {
                if let Some(ranges) = &split.v6 {
                    ranges.walk(ip.to_bits(), |child| self.visit(child));
                }
            }
        }
    }

    /// Visits all children: the value of the request is of a form that the index was not made for.
    fn all(&mut self, split: &'s Split) {
        split.exact.children().for_each(|child| self.visit(child));
        for trie in split.prefix.iter().chain(&split.suffix) {
            trie.children().for_each(|child| self.visit(child));
        }
        self.visit(split.present);
    }
}
