//! Which VirtualService has a host on sidecars (MODEL-RES-13, MODEL-RES-14).

use crate::resolve::Visibility;
use std::collections::BTreeMap;

/// How many namespaces are kept of those where a host is lost.
const KEPT: usize = 3;

/// The VirtualServices for one host that come first in a namespace, by place.
#[derive(Default)]
struct First {
    /// Of those that this namespace alone sees, and that are its own.
    private: Option<usize>,
    /// Of those that are exported to it by name.
    named: Option<usize>,
}

/// The VirtualServices for one host.
#[derive(Default)]
pub(super) struct Owners {
    namespaces: BTreeMap<String, First>,
    /// The first that everybody sees.
    public: Option<usize>,
}

/// Where others have the host.
pub(super) struct Loss {
    /// The one that has it, in the first of the namespaces.
    pub(super) owner: usize,
    /// In some namespace it is another one.
    pub(super) several: bool,
    /// The owner is for its own namespace alone, and so comes first whatever its age.
    pub(super) outranked: bool,
    /// Nobody is left to use the rules.
    pub(super) everywhere: bool,
    /// The first namespaces, and how many more there are.
    pub(super) namespaces: Vec<String>,
    pub(super) more: usize,
}

impl Owners {
    /// Adds the VirtualService at `at` of the namespace `own`. The oldest comes first.
    pub(super) fn add(&mut self, at: usize, own: &str, visibility: &Visibility) {
        match visibility {
            Visibility::Public => {
                self.public.get_or_insert(at);
            }
            Visibility::Namespaces(seen) => {
                let private = visibility.is_only(own);
                for namespace in seen {
                    let first = self.namespaces.entry(namespace.clone()).or_default();
                    let place = if private { &mut first.private } else { &mut first.named };
                    place.get_or_insert(at);
                }
            }
        }
    }

    /// Where the VirtualService at `at`, which was added, does not have the host.
    ///
    /// Cost: a lookup for each of the namespaces that it names; for the first one that everybody sees, a step for each
    /// namespace that any of them names.
    pub(super) fn loss(&self, at: usize, own: &str, visibility: &Visibility) -> Option<Loss> {
        match visibility {
            Visibility::Public => match self.public.filter(|first| *first != at) {
                Some(owner) => Some(Loss { everywhere: true, ..Loss::new(owner, false) }),
                None => {
                    lost(self.namespaces.iter().map(|(namespace, first)| (namespace, first.of(false))), at)
                }
            },
            Visibility::Namespaces(seen) => {
                let private = visibility.is_only(own);
                let first = |namespace: &String| self.namespaces.get(namespace)?.of(private);
                let loss = lost(seen.iter().map(|namespace| (namespace, first(namespace))), at)?;
                let everywhere = loss.namespaces.len() + loss.more == seen.len();
                Some(Loss { everywhere, ..loss })
            }
        }
    }
}

impl Loss {
    fn new(owner: usize, outranked: bool) -> Self {
        Self { owner, several: false, outranked, everywhere: false, namespaces: Vec::new(), more: 0 }
    }
}

impl First {
    /// The one that comes first for those of a rank, and whether its rank is a higher one.
    fn of(&self, private: bool) -> Option<(usize, bool)> {
        match self.private {
            Some(first) => Some((first, !private)),
            None => self.named.filter(|_| !private).map(|first| (first, false)),
        }
    }
}

/// What the one at `at` loses to those that come first in the namespaces.
fn lost<'n>(firsts: impl Iterator<Item = (&'n String, Option<(usize, bool)>)>, at: usize) -> Option<Loss> {
    let mut loss: Option<Loss> = None;
    for (namespace, first) in firsts {
        let Some((owner, outranked)) = first.filter(|(first, _)| *first != at) else { continue };
        let loss = loss.get_or_insert_with(|| Loss::new(owner, outranked));
        loss.several |= loss.owner != owner;
        if loss.namespaces.len() < KEPT {
            loss.namespaces.push(namespace.clone());
        } else {
            loss.more += 1;
        }
    }
    loss
}
