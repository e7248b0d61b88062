//! Who sees two objects together.

use crate::resolve::Visibility;
use std::collections::HashMap;

/// The first of the objects that have something in common, by the namespaces that see them.
#[derive(Default)]
pub(super) struct Seen {
    /// Of those that anybody sees at all.
    any: Option<usize>,
    public: Option<usize>,
    namespaces: HashMap<String, usize>,
}

impl Seen {
    /// Adds an object. To find the first, the numbers must grow.
    pub(super) fn add(&mut self, number: usize, visibility: &Visibility) {
        match visibility {
            Visibility::Public => {
                self.any.get_or_insert(number);
                self.public.get_or_insert(number);
            }
            Visibility::Namespaces(seen) => {
                for namespace in seen {
                    self.any.get_or_insert(number);
                    self.namespaces.entry(namespace.clone()).or_insert(number);
                }
            }
        }
    }

    /// The first object that some namespace sees together with one of this visibility.
    ///
    /// Cost: a hash lookup for each namespace of `visibility`.
    pub(super) fn first(&self, visibility: &Visibility) -> Option<usize> {
        match visibility {
            Visibility::Public => self.any,
            Visibility::Namespaces(seen) if seen.is_empty() => None,
            Visibility::Namespaces(seen) => {
                let listed = seen.iter().filter_map(|namespace| self.namespaces.get(namespace).copied());
                listed.chain(self.public).min()
            }
        }
    }
}

/// Two of several: enough to name one that is not a given one.
#[derive(Clone, Copy, Default)]
pub(super) struct Two<T> {
    first: Option<T>,
    second: Option<T>,
    last: Option<T>,
    /// How many different ones there are.
    pub(super) count: usize,
}

impl<T: Copy + PartialEq> Two<T> {
    /// Adds a value; equal ones must come one after the other.
    pub(super) fn add(&mut self, value: T) {
        if self.last == Some(value) {
            return;
        }
        self.last = Some(value);
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(value);
        } else if self.second.is_none() {
            self.second = Some(value);
        }
    }

    /// Adds what others have, all of them different from these.
    pub(super) fn join(&mut self, others: Self) {
        let count = self.count + others.count;
        others.both().for_each(|value| self.add(value));
        self.count = count;
    }

    /// The first values.
    pub(super) fn both(&self) -> impl Iterator<Item = T> + use<T> {
        self.first.into_iter().chain(self.second)
    }

    /// The first value that is not `value`.
    pub(super) fn other(&self, value: T) -> Option<T> {
        self.both().find(|found| *found != value)
    }
}
