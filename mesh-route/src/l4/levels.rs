//! The levels of narrowing, each a map to the next. Every map has room for those that ask nothing at this level.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::chain::SourceType;
use super::connection::Transport;
use super::prefix::Prefixes;

pub(super) type ByPort = Exact<u16, ByDestination>;
pub(super) type ByDestination = Prefixes<ByServerName>;
/// Keys are exact names, and `.example.com` for `*.example.com`.
pub(super) type ByServerName = Exact<Box<[u8]>, ByTransport>;
pub(super) type ByTransport = Exact<Transport, ByProtocol>;
pub(super) type ByProtocol = Exact<Box<[u8]>, ByDirectSource>;
pub(super) type ByDirectSource = Prefixes<BySourceType>;
pub(super) type BySourceType = Exact<SourceType, BySource>;
pub(super) type BySource = Prefixes<BySourcePort>;
/// Ends at the number of a chain.
pub(super) type BySourcePort = Exact<u16, Leaf>;

/// A chain's number, once one has claimed the place.
#[derive(Debug, Default)]
pub(super) struct Leaf(pub(super) Option<u32>);

/// Values by key, and one for those that ask nothing.
#[derive(Debug)]
pub(super) struct Exact<K, T> {
    entries: HashMap<K, T, FixedState>,
    any: Option<Box<T>>,
}

impl<K, T> Default for Exact<K, T> {
    fn default() -> Self {
        Self { entries: HashMap::with_hasher(FixedState::with_seed(0)), any: None }
    }
}

impl<K: Eq + Hash, T: Default> Exact<K, T> {
    /// The value of `key`, or of everything, made when it is new.
    pub(super) fn entry(&mut self, key: Option<K>) -> &mut T {
        match key {
            Some(key) => self.entries.entry(key).or_default(),
            None => self.any.get_or_insert_default(),
        }
    }
}

impl<K: Eq + Hash, T> Exact<K, T> {
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &T)>
    where
        K: Borrow<Q>,
    {
        self.entries.get_key_value(key)
    }

    pub(super) fn any(&self) -> Option<&T> {
        self.any.as_deref()
    }

    /// The value of `key`, else the one for everything, with the key it was found under.
    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(Option<&K>, &T)>
    where
        K: Borrow<Q>,
    {
        match self.entries.get_key_value(key) {
            Some((key, found)) => Some((Some(key), found)),
            None => Some((None, self.any()?)),
        }
    }
}

impl<K: Ord, T> Exact<K, T> {
    /// All keys, in order.
    pub(super) fn keys(&self) -> Vec<&K> {
        let mut keys: Vec<_> = self.entries.keys().collect();
        keys.sort_unstable();
        keys
    }
}

impl ByServerName {
    /// The exact name, else the longest wildcard, else those that ask for none. Wildcards are looked for at each dot
    /// but a leading and a trailing one, as Envoy does; since its keys for wildcards start with a dot, so a name that
    /// does selects one as if it were exact.
    pub(super) fn find_name(&self, name: &[u8]) -> Option<(Option<&[u8]>, &ByTransport)> {
        let mut folded: SmallVec<[u8; 256]> = SmallVec::from_slice(name);
        folded.make_ascii_lowercase();
        let found = self.get(&folded[..]).or_else(|| suffixes(&folded).find_map(|suffix| self.get(suffix)));
        match found {
            Some((key, found)) => Some((Some(key), found)),
            None => Some((None, self.any()?)),
        }
    }
}

/// The parts of a name at which a wildcard may cover it, longest first.
pub(super) fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = name.len().saturating_sub(1);
    let dots = name.iter().enumerate().filter(move |(at, byte)| **byte == b'.' && (1..last).contains(at));
    dots.filter_map(|(at, _)| name.get(at..))
}
