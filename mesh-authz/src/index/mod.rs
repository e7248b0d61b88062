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
    /// Whether there are prefixes, suffixes or rules that ask for any value.
    patterns: bool,
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
///
/// Whoever visits gets the number of the first match so far and gives back what it is afterwards, so that it
/// stays in a register.
struct Search<'s, 'r, F> {
    index: &'s Index,
    program: &'s Program,
    request: &'s Request<'r>,
    matches: F,
}

/// The number of the first match, if there is none.
const NO_MATCH: u32 = u32::MAX;

/// A host name is lowered on the stack; DNS stops at 255 bytes.
const HOST_LEN: usize = 256;

impl Index {
    /// The number of the first rule for which `matches` is true, of those that `request` may match.
    ///
    /// `matches` is asked about every such rule, except where one before it is known to match.
    #[inline]
    pub(crate) fn first_match(
        &self,
        program: &Program,
        request: &Request<'_>,
        matches: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let search = Search { index: self, program, request, matches };
        let best = search.visit(self.root, NO_MATCH);
        (best != NO_MATCH).then_some(best)
    }
}

impl<F: Fn(u32) -> bool> Search<'_, '_, F> {
    #[allow(
        clippy::inline_always,
        reason = "most children are a rule or nothing, and for those a call costs more than the work"
    )]
    #[inline(always)]
    fn visit(&self, child: Child, best: u32) -> u32 {
        if child.0 & RULE == 0 {
            self.node(child, best)
        } else if child == Child::NONE {
            best
        } else {
            self.check(child.0 & !RULE, best)
        }
    }

    #[inline(never)]
    fn node(&self, child: Child, best: u32) -> u32 {
        let index = self.index;
        let Some(node) = index.nodes.get(child.0 as usize) else { return best };
        if node.least >= best {
            return best;
        }
        match &node.kind {
            Kind::Leaf(rules) => {
                let mut rules = rules.of(&index.leaves).iter().take_while(|number| **number < best);
                rules.find(|number| (self.matches)(**number)).copied().unwrap_or(best)
            }
            Kind::Split(split) => {
                let best = self.split(split, best);
                self.visit(split.rest, best)
            }
        }
    }

    /// The rule, if it matches and comes before all found so far.
    #[inline(never)]
    fn check(&self, number: u32, best: u32) -> u32 {
        if number < best && (self.matches)(number) { number } else { best }
    }

    /// Visits the children whose values the request has.
    #[inline]
    fn split(&self, split: &Split, mut best: u32) -> u32 {
        let request = self.request;
        match split.dimension {
            Dimension::Of(Attribute::Principal) => {
                for name in request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names) {
                    if let Some((text, hash)) = name.hashed_principal() {
                        best = self.text(split, text, || hash, false, best);
                    }
                    if split.patterns && !name.text().is_empty() {
                        best = self.visit(split.present, best);
                    }
                }
                best
            }
            Dimension::Of(Attribute::SourceIp) => self.ip(split, request.peer.ip, best),
            _ => self.other(split, best),
        }
    }

    /// As [`split`](Self::split) for what is asked for less often.
    #[inline(never)]
    fn other(&self, split: &Split, mut best: u32) -> u32 {
        let request = self.request;
        let Dimension::Of(attribute) = split.dimension else {
            let name = if split.dimension == Dimension::Issuer { "iss" } else { "sub" };
            let claims = request.http.as_ref().and_then(|http| http.claims);
            let Some(text) = claims.and_then(|claims| claims.string(name)) else { return best };
            return self.text(split, text, || hash(text), !text.is_empty(), best);
        };
        match attribute {
            Attribute::Namespace | Attribute::ServiceAccount | Attribute::TrustDomain => {
                for name in request.peer.identity.map_or(&[][..], PeerIdentity::parsed_names) {
                    best = self.name(split, attribute, name, best);
                }
                best
            }
            Attribute::MeshPrincipal | Attribute::MeshNamespace | Attribute::MeshAccount => {
                let name = request.peer.identity.and_then(PeerIdentity::mesh_name);
                let part = name.and_then(|name| match attribute {
                    Attribute::MeshPrincipal => name.principal(),
                    Attribute::MeshNamespace => name.namespace(),
                    _ => name.account_key(),
                });
                part.map_or(best, |text| self.text(split, text, || hash(text), !text.is_empty(), best))
            }
            Attribute::RemoteIp => self.ip(split, request.remote_ip, best),
            Attribute::DestinationIp => self.ip(split, request.destination.ip(), best),
            Attribute::DestinationPort => {
                let port = request.destination.port();
                let at = split.ports.binary_search_by_key(&port, |(port, _)| *port);
                let child = at.ok().and_then(|at| split.ports.get(at));
                child.map_or(best, |(_, child)| self.visit(*child, best))
            }
            Attribute::Sni => {
                self.text(split, request.sni, || hash(request.sni), !request.sni.is_empty(), best)
            }
            _ => self.http(split, attribute, best),
        }
    }

    fn http(&self, split: &Split, attribute: Attribute, mut best: u32) -> u32 {
        let Some(http) = &self.request.http else {
            // An index that is asked about TCP connections has no such node, unless rules that use HTTP
            // attributes are passed over anyway.
            return best;
        };
        match attribute {
            Attribute::Method => self.text(split, http.method, || hash(http.method), true, best),
            Attribute::Path => {
                let path = http.path();
                self.text(split, path, || hash(path), !path.is_empty(), best)
            }
            Attribute::Host => http.host.map_or(best, |host| self.host(split, host, best)),
            Attribute::Header(header) => {
                self.program.any_header(header, http, &mut |value| {
                    best = self.text(split, value, || hash(value), true, best);
                    false
                });
                best
            }
            Attribute::Claim(path) => {
                let path = self.program.claims.get(path as usize);
                let value = path.zip(http.claims).and_then(|(path, claims)| claims.at(path));
                value.map(|value| {
                    value.any_string(&mut |text| {
                        best = self.text(split, text, || hash(text), !text.is_empty(), best);
                        false
                    })
                });
                best
            }
            // The others have been asked for, or are never indexed.
            _ => self.all(split, best),
        }
    }

    // Not inlined, so that the buffer is not part of every node's stack frame.
    #[inline(never)]
    fn host(&self, split: &Split, host: &[u8], best: u32) -> u32 {
        let mut buffer = [0; HOST_LEN];
        match buffer.get_mut(..host.len()) {
            Some(lower) => {
                lower.copy_from_slice(host);
                lower.make_ascii_lowercase();
                let lower = &*lower;
                self.text(split, lower, || hash(lower), !host.is_empty(), best)
            }
            None => self.all(split, best),
        }
    }

    fn name(&self, split: &Split, attribute: Attribute, name: &Name, best: u32) -> u32 {
        match attribute {
            Attribute::TrustDomain => match name.hashed_trust_domain() {
                Some((text, hash)) => self.text(split, text, || hash, false, best),
                None => best,
            },
            Attribute::ServiceAccount => self.part(split, name.hashed_account_key(), best),
            _ => self.part(split, name.hashed_namespace_segment(), best),
        }
    }

    /// Visits the children that the part of a name leads to; all, if the name has another form than
    /// Istio's.
    fn part(&self, split: &Split, part: Option<Hashed<'_>>, best: u32) -> u32 {
        match part {
            Some((text, hash)) => self.text(split, text, || hash, false, best),
            None => self.all(split, best),
        }
    }

    #[inline]
    fn text(&self, split: &Split, text: &[u8], hash: impl FnOnce() -> u64, present: bool, best: u32) -> u32 {
        let mut best = best;
        if !split.exact.is_empty() {
            split.exact.walk(hash(), |child| best = self.visit(child, best));
        }
        if !split.patterns {
            return best;
        }
        let texts = &self.program.texts;
        if let Some(trie) = &split.prefix {
            trie.walk(texts, text, |child| best = self.visit(child, best));
        }
        if let Some(trie) = &split.suffix {
            trie.walk(texts, text, |child| best = self.visit(child, best));
        }
        if present { self.visit(split.present, best) } else { best }
    }

    fn ip(&self, split: &Split, ip: IpAddr, best: u32) -> u32 {
        let mut best = best;
        match ip {
            IpAddr::V4(ip) => {
                if let Some(ranges) = &split.v4 {
                    ranges.walk(ip.to_bits(), |child| best = self.visit(child, best));
                }
            }
            IpAddr::V6(ip) => {
                if let Some(ranges) = &split.v6 {
                    ranges.walk(ip.to_bits(), |child| best = self.visit(child, best));
                }
            }
        }
        best
    }

    /// Visits all children: the value of the request is of a form that the index was not made for.
    fn all(&self, split: &Split, best: u32) -> u32 {
        let tries = split.prefix.iter().chain(&split.suffix).flat_map(Trie::children);
        let children = split.exact.children().chain(tries).chain([split.present]);
        children.fold(best, |best, child| self.visit(child, best))
    }
}
