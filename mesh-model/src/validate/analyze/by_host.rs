//! Objects by the host they are for.

use std::collections::{BTreeSet, HashMap};

/// Values by host in lower case, which may be a wildcard.
pub(super) struct ByHost<T> {
    values: HashMap<String, Vec<T>>,
    /// Lengths of the wildcards.
    lengths: BTreeSet<usize>,
}

impl<T> Default for ByHost<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> ByHost<T> {
    pub(super) fn add(&mut self, host: &str, value: T) {
        if host.starts_with('*') {
            self.lengths.insert(host.len());
        }
        match self.values.get_mut(host) {
            Some(values) => values.push(value),
            None => {
                self.values.insert(host.to_owned(), vec![value]);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values of that very host.
    pub(super) fn get(&self, host: &str) -> &[T] {
        self.values.get(host).map_or(&[], Vec::as_slice)
    }

    /// The values of the host itself and then of each wildcard that covers it, the longest first.
    ///
    /// Cost: a hash lookup for each distinct length of a wildcard.
    pub(super) fn covering<'h>(&'h self, host: &'h str) -> impl Iterator<Item = &'h [T]> {
        std::iter::once(self.get(host)).chain(self.wider(host)).filter(|values| !values.is_empty())
    }

    /// The values of each wildcard that covers the host and is another, the longest first.
    pub(super) fn wider<'h>(&'h self, host: &'h str) -> impl Iterator<Item = &'h [T]> {
        self.wider_hosts(host).map(|wide| self.get(&wide))
    }

    /// Each wildcard that covers the host and is another, the longest first.
    pub(super) fn wider_hosts<'h>(&'h self, host: &'h str) -> impl Iterator<Item = String> + 'h {
        let text = host.strip_prefix('*').unwrap_or(host);
        let suffixes = self.lengths.iter().rev().filter_map(|length| {
            let at = (text.len() + 1).checked_sub(*length)?;
            text.get(at..)
        });
        let wider = suffixes.map(|suffix| format!("*{suffix}")).filter(move |wide| *wide != host);
        wider.filter(|wide| self.values.contains_key(wide))
    }
}
