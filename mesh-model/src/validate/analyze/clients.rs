//! Who uses the rules of a VirtualService.

use super::index::Index;
use crate::object::Object;
use crate::resolve::Visibility;
use crate::validate::report::show;
use std::collections::BTreeSet;

/// How many namespaces a message names.
const NAMED: usize = 3;

/// The namespaces whose proxies use rules, of which one is enough to see what they refer to (MODEL-ANA-2).
pub(super) struct Clients<'o> {
    own: &'o str,
    /// Those of `exportTo`; of everybody the own namespace alone is asked.
    namespaces: BTreeSet<String>,
}

impl<'o> Clients<'o> {
    pub(super) fn of(object: &'o Object, index: &Index<'_>) -> Self {
        let own = object.metadata.namespace.as_str();
        let namespaces = match Visibility::of(object, &index.mesh) {
            Visibility::Public => BTreeSet::from([own.to_owned()]),
            Visibility::Namespaces(namespaces) => namespaces,
        };
        Self { own, namespaces }
    }

    /// Nobody uses the rules.
    pub(super) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(String::as_str)
    }

    /// True when one of them sees what has that visibility.
    pub(super) fn see(&self, visibility: &Visibility) -> bool {
        match visibility {
            Visibility::Public => true,
            Visibility::Namespaces(seen) if seen.len() < self.namespaces.len() => {
                seen.iter().any(|namespace| self.namespaces.contains(namespace))
            }
            Visibility::Namespaces(seen) => self.iter().any(|namespace| seen.contains(namespace)),
        }
    }

    /// They, as the subject of a clause.
    pub(super) fn subject(&self) -> String {
        if self.namespaces.contains(self.own) {
            return "this namespace".to_owned();
        }
        format!("{}, to which these rules are exported,", self.names())
    }

    /// Their names; the own one stands for all.
    pub(super) fn names(&self) -> String {
        if self.namespaces.contains(self.own) {
            return format!("`{}`", show(self.own));
        }
        let names: Vec<String> = self.iter().take(NAMED).map(|name| format!("`{}`", show(name))).collect();
        match (self.namespaces.len().saturating_sub(NAMED), names.as_slice()) {
            (0, [head @ .., last]) if !head.is_empty() => format!("{} or {last}", head.join(", ")),
            (0, names) => names.concat(),
            (more, names) => format!("{} or {more} more", names.join(", ")),
        }
    }
}
