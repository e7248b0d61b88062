//! Objects of one kind that select workloads, of which only the oldest counts for a workload.

use super::workloads::{Membership, Workloads};
use crate::common::StringMap;
use std::collections::{BTreeMap, HashMap};

/// An object with a selector.
#[derive(Clone, Copy)]
pub(super) struct Claim<'o> {
    /// Its place among the objects.
    pub(super) at: usize,
    pub(super) namespace: &'o str,
    /// With at least one pair.
    pub(super) selector: &'o StringMap,
}

/// Why an object is not, or not alone, in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its selector selects nothing.
    Idle,
    /// An older object has a workload that it selects too.
    Second { older: usize, workload: usize },
}

/// What becomes of the objects, by their place.
#[derive(Default)]
pub(super) struct Claims {
    fates: BTreeMap<usize, Fate>,
    /// Whose a workload is.
    owners: HashMap<usize, usize>,
    /// The first workload of the ambient mesh that an object selects.
    ambient: BTreeMap<usize, usize>,
}

impl Claims {
    /// `claims` are of one kind, the oldest first.
    ///
    /// Cost: linear in the workloads that each different selector selects.
    pub(super) fn new<'o>(workloads: &Workloads<'o>, claims: impl Iterator<Item = Claim<'o>>) -> Self {
        let mut new = Self::default();
        // Equal selectors select equally: the first one, and a workload of it.
        let mut seen: HashMap<(&str, &StringMap), (usize, Option<usize>)> = HashMap::new();
        for Claim { at, namespace, selector } in claims {
            if let Some((first, example)) = seen.get(&(namespace, selector)).copied() {
                if let Some(workload) = new.ambient.get(&first).copied() {
                    new.ambient.insert(at, workload);
                }
                if let Some(workload) = example {
                    let older = new.owners.get(&workload).copied().unwrap_or(first);
                    new.fates.insert(at, Fate::Second { older, workload });
                } else if new.fates.get(&first) == Some(&Fate::Idle) {
                    new.fates.insert(at, Fate::Idle);
                }
                continue;
            }
            let mut example = None;
            let mut selects = false;
            for (workload, found) in workloads.select(Some(namespace), selector) {
                selects = true;
                if found.membership == Membership::Ambient {
                    new.ambient.entry(at).or_insert(workload);
                    continue;
                }
                example = example.or(Some(workload));
                let older = *new.owners.entry(workload).or_insert(at);
                if older != at {
                    new.fates.entry(at).or_insert(Fate::Second { older, workload });
                }
            }
            if !selects {
                new.fates.insert(at, Fate::Idle);
            }
            seen.insert((namespace, selector), (at, example));
        }
        new
    }

    pub(super) fn fate(&self, at: usize) -> Option<Fate> {
        self.fates.get(&at).copied()
    }

    /// A workload of the ambient mesh that the object at `at` selects.
    pub(super) fn ambient(&self, at: usize) -> Option<usize> {
        self.ambient.get(&at).copied()
    }

    /// The place of the object that a workload has.
    pub(super) fn owner(&self, workload: usize) -> Option<usize> {
        self.owners.get(&workload).copied()
    }
}
