//! RANDOM (spec 2.5), and a weighted variant that Envoy does not have.

use std::sync::Arc;

use crate::alias::AliasTable;
use crate::draw::{Draw, scale_u64, unit};
use crate::priority::{Picked, PriorityLoad, PrioritySet, Target};
use crate::set::EndpointIndex;

/// RANDOM: each eligible endpoint with the same probability, whatever its weight (LB-RAND-01).
///
/// [`weighted`](Self::weighted) makes the variant that goes by weight.
///
/// Keeps no state: one object can serve all workers.
///
/// Cost: constant for a pick, no allocation.
///
/// ```
/// use std::sync::Arc;
/// use mesh_lb::{AllUsable, Endpoint, EndpointSet, PrioritySet, PrioritySetConfig, Random, SplitMix64, Weight};
/// let set = EndpointSet::new(["a:80", "b:80"].map(|key| Endpoint::new(key, Weight::ONE)))?;
/// let view = Arc::new(PrioritySet::new(&set, &PrioritySetConfig::default(), &AllUsable));
/// let balancer = Random::new(view);
/// assert!(balancer.pick(&mut SplitMix64::new(1)).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    view: Arc<PrioritySet>,
    /// One a list of the view if weights are honoured, else empty.
    aliases: Box<[Option<Arc<AliasTable>>]>,
    weighted: bool,
    /// Where all picks are from one list, that list, close at hand (LB-DES-20).
    sole: Option<Sole>,
}

#[derive(Clone, Debug)]
struct Sole {
    priority: u8,
    panic: bool,
    hosts: Arc<[EndpointIndex]>,
    alias: Option<Arc<AliasTable>>,
}

impl Sole {
    fn of(view: &PrioritySet, aliases: &[Option<Arc<AliasTable>>]) -> Option<Self> {
        let at = view.sole_list()?;
        let list = view.lists().get(at)?;
        let alias = aliases.get(at).cloned().flatten();
        Some(Self { priority: list.priority, panic: list.panic, hosts: Arc::clone(&list.hosts), alias })
    }

    /// The value is free to be scaled, which is cheaper than the remainder of LB-RAND-01 and spreads it alike.
    #[inline]
    fn pick(&self, value: u64) -> Option<Picked> {
        let at = match &self.alias {
            Some(alias) => alias.choose(value)?,
            None => scale_u64(value, self.hosts.len()),
        };
        Some(Picked { endpoint: *self.hosts.get(at)?, priority: self.priority, panic: self.panic })
    }
}

impl Random {
    /// Envoy's RANDOM: endpoint weights are ignored; locality weights are honoured.
    #[must_use]
    pub fn new(view: Arc<PrioritySet>) -> Self {
        let sole = Sole::of(&view, &[]);
        Self { view, aliases: Box::default(), weighted: false, sole }
    }

    /// A random choice in proportion to the weights, in constant time (alias method).
    ///
    // DIFFERENCE LB-RAND-01: an addition; no Istio setting leads here.
    #[must_use]
    pub fn weighted(view: Arc<PrioritySet>) -> Self {
        let alias = |weights: &Arc<[u32]>| AliasTable::new(weights).map(Arc::new);
        let aliases = view.lists().iter().map(|list| list.weights.as_ref().and_then(alias));
        Self::of_aliases(aliases.collect(), view)
    }

    fn of_aliases(aliases: Box<[Option<Arc<AliasTable>>]>, view: Arc<PrioritySet>) -> Self {
        let sole = Sole::of(&view, &aliases);
        Self { view, aliases, weighted: true, sole }
    }

    /// Goes over to another view. Tables of lists that a [`rebuilt`](PrioritySet::rebuilt) view took over are kept.
    pub fn update(&mut self, view: Arc<PrioritySet>) {
        if !self.weighted {
            *self = Self::new(view);
            return;
        }
        let lists = || self.view.lists().iter().zip(&self.aliases);
        let alias = |weights: &Arc<[u32]>| {
            let same = |old: &Arc<[u32]>| Arc::ptr_eq(old, weights);
            let before = lists().find(|(list, _)| list.weights.as_ref().is_some_and(same));
            let before = before.and_then(|(_, alias)| alias.clone());
            before.or_else(|| AliasTable::new(weights).map(Arc::new))
        };
        let aliases = view.lists().iter().map(|list| list.weights.as_ref().and_then(alias));
        *self = Self::of_aliases(aliases.collect(), view);
    }

    /// The view in use.
    #[must_use]
    pub fn view(&self) -> &Arc<PrioritySet> {
        &self.view
    }

    /// A random endpoint; `None` if no endpoint is eligible. Draws one value, two if localities are weighted.
    #[inline]
    pub fn pick(&self, draw: &mut impl Draw) -> Option<Picked> {
        match &self.sole {
            Some(sole) => sole.pick(draw.next_u64()),
            None => self.pick_with(self.view.load(), draw),
        }
    }

    /// A random endpoint under another distribution over priorities (LB-RSEL-04).
    #[inline]
    pub fn pick_with(&self, load: &PriorityLoad, draw: &mut impl Draw) -> Option<Picked> {
        let value = draw.next_u64();
        if let Some(entry) = load.sole_entry() {
            // All traffic in one priority: the value is free to be scaled, which is cheaper than a remainder
            // and spreads it alike.
            let (at, value) = self.resolve(entry, value, draw)?;
            return self.pick_in(at, value, scale_u64);
        }
        // LB-PRIO-09: the value that chose the priority chooses the endpoint too. The two are correlated, and
        // the remainder keeps the shares of the endpoints as Envoy has them.
        let (at, value) = self.resolve(load.entry(value), value, draw)?;
        self.pick_in(at, value, |value, n| {
            let remainder = value.checked_rem(n as u64).unwrap_or(0);
            usize::try_from(remainder).unwrap_or(0)
        })
    }

    /// The list behind an entry, and the value to choose in it with.
    #[inline]
    fn resolve(&self, entry: usize, value: u64, draw: &mut impl Draw) -> Option<(usize, u64)> {
        match self.view.target(entry)? {
            Target::List(list) => Some((list, value)),
            // DIFFERENCE LB-LOC-04: each pick draws a locality afresh, where Envoy runs a schedule, so that no
            // state is needed. The shares are the same.
            Target::Localities(schedule) => {
                let localities = self.view.schedules().get(schedule)?;
                let total: f64 = localities.weights.iter().sum();
                let mut left = unit(draw.next_u64()) * total;
                let mut chosen = *localities.lists.last()?;
                for (weight, list) in localities.weights.iter().zip(&localities.lists) {
                    if left < *weight {
                        chosen = *list;
                        break;
                    }
                    left -= weight;
                }
                Some((chosen, value))
            }
            Target::Zones(at) => Some((self.view.zone(at)?.list(draw), value)),
            Target::Nothing => None,
        }
    }

    #[inline]
    fn pick_in(&self, at: usize, value: u64, index: impl Fn(u64, usize) -> usize) -> Option<Picked> {
        let list = self.view.lists().get(at)?;
        let position = match self.aliases.get(at) {
            Some(Some(alias)) => alias.choose(value)?,
            _ => index(value, list.hosts.len()),
        };
        let endpoint = *list.hosts.get(position)?;
        Some(Picked { endpoint, priority: list.priority, panic: list.panic })
    }
}

#[cfg(test)]
#[path = "tests/random.rs"]
mod tests;
