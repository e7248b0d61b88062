//! Domains of virtual hosts, and the index that finds the one for an authority (section 2.2 of the reference).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use crate::error::{BuildError, BuildErrorKind};

/// A domain of a virtual host: an exact name, `*suffix`, `prefix*` or `*`.
///
/// Letter case is folded when it is read. A wildcard stands for at least one character (ROUTE-HOST-25) and is
/// plain text, not labels (ROUTE-HOST-26).
///
/// # Examples
/// ```
/// use mesh_route::HostPattern;
///
/// let pattern: HostPattern = "*.Example.com".parse()?;
/// assert_eq!(pattern.to_string(), "*.example.com");
/// assert!("a*.example.com".parse::<HostPattern>().is_err());
/// # Ok::<(), mesh_route::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    text: Box<str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Exact,
    Suffix,
    Prefix,
    Any,
}

impl FromStr for HostPattern {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        let fault = |what| Err(BuildError::new(BuildErrorKind::Domain, format!("domain `{text}` {what}")));
        let kind = match (text.strip_prefix('*'), text.strip_suffix('*')) {
            _ if text.is_empty() => return fault("is empty, write `*` for every host"),
            (Some(""), _) => Kind::Any,
            (Some(rest), _) if !rest.contains('*') => Kind::Suffix,
            (_, Some(rest)) if !rest.contains('*') => Kind::Prefix,
            (None, None) if !text.contains('*') => Kind::Exact,
            _ => return fault("has a `*` that is neither its first nor its last character"),
        };
        Ok(Self { text: text.to_ascii_lowercase().into(), kind })
    }
}

impl HostPattern {
    /// The pattern's text, lower-case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text without its wildcard.
    fn key(&self) -> &[u8] {
        let text = match self.kind {
            Kind::Exact => Some(&*self.text),
            Kind::Suffix => self.text.get(1..),
            Kind::Prefix => self.text.strip_suffix('*'),
            Kind::Any => None,
        };
        text.unwrap_or_default().as_bytes()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Host and port of an authority: cut at the last `:` unless a `]` follows it; what comes after the colon is
/// not looked at (ROUTE-HOST-21).
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match memchr::memrchr2(b':', b']', authority.as_bytes()).and_then(|at| authority.split_at_checked(at)) {
        Some((host, rest)) if rest.starts_with(':') => (host, rest.get(1..)),
        _ => (authority, None),
    }
}

/// From a host name to the number of the virtual host that owns it.
#[derive(Debug)]
pub(crate) struct DomainIndex {
    exact: HashMap<Box<[u8]>, u32, FixedState>,
    /// The same names once more if they are so few that comparing is faster than hashing. None of them would
    /// lose a port, so a raw authority that equals one needs no reading.
    few: Option<Vec<(Box<[u8]>, u32)>>,
    suffix: Affixes,
    prefix: Affixes,
    any: Option<u32>,
}

/// Up to this many exact names are compared one by one.
const FEW: usize = 4;

/// From this many distinct lengths of `*.suffix` on, the host's dots are walked instead.
const MANY_LENGTHS: usize = 9;

/// Wildcard texts, found by one hash probe for each distinct length.
#[derive(Debug)]
struct Affixes {
    texts: HashMap<Box<[u8]>, u32, FixedState>,
    /// Distinct lengths, longest first, and whether one of the texts does not start at a label's dot. Without
    /// such a text the length is probed only where the host has a dot, which spares nearly all probes:
    /// `*.example.com` is the usual shape.
    lengths: Vec<(usize, bool)>,
    /// The lengths as a set, if there are many, all at a dot and below 256.
    at_dots: Option<[u64; 4]>,
}

impl Affixes {
    fn new(hasher: FixedState) -> Self {
        Self { texts: HashMap::with_hasher(hasher), lengths: Vec::new(), at_dots: None }
    }

    fn finish(&mut self) {
        let mut lengths = BTreeMap::new();
        for text in self.texts.keys() {
            *lengths.entry(text.len()).or_insert(false) |= !text.starts_with(b".");
        }
        self.lengths = lengths.into_iter().rev().collect();
        let fit = |(length, loose): &(usize, bool)| *length < 256 && !loose;
        if self.lengths.len() >= MANY_LENGTHS && self.lengths.iter().all(fit) {
            let mut set = [0u64; 4];
            for (length, _) in &self.lengths {
                if let Some(word) = set.get_mut(length / 64) {
                    *word |= 1 << (length % 64);
                }
            }
            self.at_dots = Some(set);
        }
    }

    /// The longest text that ends the host and is shorter.
    fn find_end(&self, host: &[u8]) -> Option<u32> {
        let Some(set) = &self.at_dots else {
            return self.find(host, |length| host.get(host.len().checked_sub(length)?..));
        };
        memchr::memchr_iter(b'.', host).filter(|dot| *dot > 0).find_map(|dot| {
            let part = host.get(dot..)?;
            let known = set.get(part.len() / 64)? & (1 << (part.len() % 64)) != 0;
            if known { self.texts.get(part).copied() } else { None }
        })
    }

    /// The longest text for which `part` yields an equal part of the host, shorter than the host.
    fn find<'h>(&self, host: &'h [u8], part: impl Fn(usize) -> Option<&'h [u8]>) -> Option<u32> {
        self.lengths.iter().filter(|(length, _)| *length < host.len()).find_map(|&(length, loose)| {
            let part = part(length)?;
            if loose || part.starts_with(b".") { self.texts.get(part).copied() } else { None }
        })
    }
}

impl DomainIndex {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let hasher = || FixedState::with_seed(hash_seed);
        Self {
            exact: HashMap::with_hasher(hasher()),
            few: None,
            suffix: Affixes::new(hasher()),
            prefix: Affixes::new(hasher()),
            any: None,
        }
    }

    pub(crate) fn insert(&mut self, domain: &HostPattern, host: u32) -> Result<(), BuildError> {
        let fresh = match domain.kind {
            Kind::Any => self.any.replace(host).is_none(),
            Kind::Exact => vacant(&mut self.exact, domain.key(), host),
            Kind::Suffix => vacant(&mut self.suffix.texts, domain.key(), host),
            Kind::Prefix => vacant(&mut self.prefix.texts, domain.key(), host),
        };
        if fresh {
            return Ok(());
        }
        let message = format!("domain `{domain}` is named twice, each may belong to one virtual host only");
        Err(BuildError::new(BuildErrorKind::DuplicateDomain, message))
    }

    pub(crate) fn finish(&mut self) {
        self.suffix.finish();
        self.prefix.finish();
        // A name such as `fd00::1`, which no authority without its port can be, is rare enough.
        let whole = |name: &[u8]| !name.contains(&b':') || name.ends_with(b"]");
        if self.exact.len() <= FEW && self.exact.keys().all(|name| whole(name)) {
            self.few = Some(self.exact.iter().map(|(name, host)| (name.clone(), *host)).collect());
        }
    }

    /// Exact, then the longest suffix, then the longest prefix, then `*` (ROUTE-HOST-24).
    pub(crate) fn find(&self, authority: &str) -> Option<u32> {
        if let Some(found) = self.find_few(authority.as_bytes()) {
            return Some(found);
        }
        let plain = |byte: &u8| *byte != b':' && !byte.is_ascii_uppercase();
        // Without a branch for each byte, so that many are looked at in one step.
        if authority.as_bytes().iter().fold(true, |all, byte| all & plain(byte)) {
            return self.find_folded(authority.as_bytes());
        }
        let host = split_port(authority).0.as_bytes();
        if !host.iter().any(u8::is_ascii_uppercase) {
            return self.find_folded(host);
        }
        // On the stack unless somebody sends a name no resolver could know.
        let mut folded: SmallVec<[u8; 256]> = SmallVec::from_slice(host);
        folded.make_ascii_lowercase();
        self.find_folded(&folded)
    }

    fn find_few(&self, host: &[u8]) -> Option<u32> {
        self.few.as_ref()?.iter().find(|(name, _)| **name == *host).map(|(_, found)| *found)
    }

    fn find_folded(&self, host: &[u8]) -> Option<u32> {
        let exact = if self.few.is_some() { self.find_few(host) } else { self.exact.get(host).copied() };
        exact
            .or_else(|| self.suffix.find_end(host))
            .or_else(|| self.prefix.find(host, |length| host.get(..length)))
            .or(self.any)
    }
}

fn vacant(map: &mut HashMap<Box<[u8]>, u32, FixedState>, key: &[u8], host: u32) -> bool {
    match map.entry(key.into()) {
        Entry::Vacant(entry) => {
            entry.insert(host);
            true
        }
        Entry::Occupied(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(domains: &[&str]) -> DomainIndex {
        let mut index = DomainIndex::new(7);
        for (at, domain) in domains.iter().enumerate() {
            index.insert(&domain.parse().unwrap(), u32::try_from(at).unwrap()).unwrap();
        }
        index.finish();
        index
    }

    // ROUTE-HOST-24, ROUTE-HOST-25, ROUTE-HOST-26.
    #[test]
    fn order_route_host_24_25_26() {
        let domains =
            ["*", "*.example.com", "*-bar.example.com", "a.example.com", "www.*", "www.ex*", "[fd00::1]"];
        let found = |host: &str| index(&domains).find(host).map(|at| domains[at as usize]);
        for (host, want) in [
            ("a.example.com", "a.example.com"),
            ("A.Example.COM:8080", "a.example.com"),
            ("b.example.com", "*.example.com"),
            ("a.b.example.com", "*.example.com"),
            ("x@a.example.com", "*.example.com"),
            ("y.x-bar.example.com", "*-bar.example.com"),
            ("-bar.example.com", "*.example.com"),
            (".example.com", "*"),
            ("example.com", "*"),
            ("www.example.org", "www.ex*"),
            ("www.other.org", "www.*"),
            ("www.", "*"),
            ("www.example.com", "*.example.com"),
            ("a.example.com.", "*"),
            ("[fd00::1]", "[fd00::1]"),
            ("[fd00::1]:80", "[fd00::1]"),
            ("[fd00:0::1]", "*"),
            ("fd00::1", "*"),
            ("", "*"),
            (":80", "*"),
        ] {
            assert_eq!(found(host), Some(want), "{host}");
        }
        assert_eq!(index(&["a.com", "*.b.com"]).find("c.com"), None);
    }

    // ROUTE-HOST-21, ROUTE-HOST-22.
    #[test]
    fn ports_route_host_21_22() {
        for (authority, want) in [
            ("h:80", "h"),
            ("h:abc", "h"),
            ("h:", "h"),
            ("h", "h"),
            ("[fd00::5]:80", "[fd00::5]"),
            ("[fd00::5]", "[fd00::5]"),
            ("fd00::1", "fd00:"),
            ("a:b:c", "a:b"),
            ("", ""),
        ] {
            assert_eq!(split_port(authority).0, want, "{authority}");
        }
    }

    // ROUTE-HOST-29.
    #[test]
    fn duplicates_are_refused_route_host_29() {
        for domains in [["a.com", "A.com"], ["*", "*"], ["*.a.com", "*.A.com"], ["a*", "a*"]] {
            let mut index = DomainIndex::new(0);
            index.insert(&domains[0].parse().unwrap(), 0).unwrap();
            let error = index.insert(&domains[1].parse().unwrap(), 1).unwrap_err();
            assert_eq!(error.kind(), BuildErrorKind::DuplicateDomain);
        }
        let error = "a.*.com".parse::<HostPattern>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "domain `a.*.com` has a `*` that is neither its first nor its last character"
        );
        assert!("".parse::<HostPattern>().is_err());
        assert!("**".parse::<HostPattern>().is_err());
    }

    #[test]
    fn long_hosts_with_capitals_still_fold() {
        let name = "A.".repeat(400) + "com";
        assert_eq!(index(&["*.com"]).find(&name), Some(0));
    }
}
