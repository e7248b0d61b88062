//! Many hosts at once: which of them cover a host, and which does it cover.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// Values by host, for the questions that [`names::is_subset_of`](super::names::is_subset_of) and
/// [`names::overlaps`](super::names::overlaps) answer for one pair of hosts (MODEL-RES-6).
///
/// Cost: a question costs a hash lookup for each distinct length of a wildcard, and what it finds.
///
/// ```
/// use mesh_model::resolve::HostIndex;
/// let index: HostIndex<u8> = [("*.foo.com", 1), ("a.foo.com", 2), ("*", 3)].into_iter().collect();
/// assert_eq!(index.covering("a.foo.com").collect::<Vec<_>>(), [&2, &1, &3]); // the most specific first
/// assert_eq!(index.covered_by("*.foo.com").count(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct HostIndex<T> {
    /// By host in lower case.
    values: HashMap<String, Vec<T>>,
    /// What follows the `*` of a host, or all of it, backwards; then the hosts with that text.
    reversed: BTreeMap<String, BTreeSet<String>>,
    /// Lengths of the texts that follow a `*`.
    lengths: BTreeSet<usize>,
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), reversed: BTreeMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> HostIndex<T> {
    /// Adds a value under `host`, which may be a wildcard.
    pub fn insert(&mut self, host: &str, value: T) {
        let host = host.to_ascii_lowercase();
        if let Some(suffix) = host.strip_prefix('*') {
            self.lengths.insert(suffix.len());
        }
        if let Some(values) = self.values.get_mut(&host) {
            values.push(value);
            return;
        }
        self.reversed.entry(backwards(&host)).or_default().insert(host.clone());
        self.values.insert(host, vec![value]);
    }

    /// Values of the hosts that `host` is a subset of, the most specific first; of one host in order of insertion.
    pub fn covering(&self, host: &str) -> impl Iterator<Item = &T> {
        self.covering_hosts(&host.to_ascii_lowercase()).into_iter().flatten()
    }

    fn covering_hosts(&self, host: &str) -> Vec<&Vec<T>> {
        let mut out: Vec<&Vec<T>> = self.values.get(host).into_iter().collect();
        let text = host.strip_prefix('*').unwrap_or(host);
        for length in self.lengths.iter().rev() {
            let suffix = text.len().checked_sub(*length).and_then(|at| text.get(at..));
            let Some(wildcard) = suffix.map(|suffix| format!("*{suffix}")) else { continue };
            if wildcard != host {
                out.extend(self.values.get(&wildcard));
            }
        }
        out
    }

    /// Values of the hosts that are a subset of `host`, in no order that means anything.
    pub fn covered_by(&self, host: &str) -> impl Iterator<Item = &T> {
        self.covered_hosts(&host.to_ascii_lowercase()).into_iter().flatten()
    }

    fn covered_hosts(&self, host: &str) -> Vec<&Vec<T>> {
        if !host.starts_with('*') {
            return self.values.get(host).into_iter().collect();
        }
        let start = backwards(host);
        let from = (Bound::Included(start.as_str()), Bound::Unbounded);
        let hosts = self.reversed.range::<str, _>(from).take_while(|(text, _)| text.starts_with(&start));
        hosts.flat_map(|(_, hosts)| hosts).filter_map(|found| self.values.get(found)).collect()
    }

    /// Values of the hosts that overlap `host`, each host once.
    pub fn overlapping(&self, host: &str) -> impl Iterator<Item = &T> {
        let host = host.to_ascii_lowercase();
        let mut found = self.covered_hosts(&host);
        // What covers the host and is covered by it is the host itself.
        let same = self.values.get(&host).map(std::ptr::from_ref);
        found.extend(
            self.covering_hosts(&host).into_iter().filter(|values| Some(std::ptr::from_ref(*values)) != same),
        );
        found.into_iter().flatten()
    }
}

impl<H: AsRef<str>, T> FromIterator<(H, T)> for HostIndex<T> {
    fn from_iter<I: IntoIterator<Item = (H, T)>>(entries: I) -> Self {
        let mut index = Self::default();
        for (host, value) in entries {
            index.insert(host.as_ref(), value);
        }
        index
    }
}

/// The host without its `*`, from its end.
fn backwards(host: &str) -> String {
    host.strip_prefix('*').unwrap_or(host).chars().rev().collect()
}
