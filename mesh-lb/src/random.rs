//! RANDOM (spec 2.5), and a weighted variant that Envoy does not have.

use std::sync::Arc;

use crate::draw::{Draw, halves, scale_u32, scale_u64};
use crate::priority::{HostList, Picked, PriorityLoad, PrioritySet, Target};

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
    aliases: Box<[Option<AliasTable>]>,
    weighted: bool,
}

impl Random {
    /// Envoy's RANDOM: endpoint weights are ignored; locality weights are honoured.
    #[must_use]
    pub fn new(view: Arc<PrioritySet>) -> Self {
        Self { view, aliases: Box::default(), weighted: false }
    }

    /// A random choice in proportion to the weights, in constant time (alias method).
    ///
    // DIFFERENCE LB-RAND-01: an addition; no Istio setting leads here.
    #[must_use]
    pub fn weighted(view: Arc<PrioritySet>) -> Self {
        let aliases = view.lists().iter().map(AliasTable::of).collect();
        Self { view, aliases, weighted: true }
    }

    /// Goes over to another view.
    pub fn update(&mut self, view: Arc<PrioritySet>) {
        *self = if self.weighted { Self::weighted(view) } else { Self::new(view) };
    }

    /// The view in use.
    #[must_use]
    pub fn view(&self) -> &Arc<PrioritySet> {
        &self.view
    }

    /// A random endpoint; `None` if no endpoint is eligible. Draws one value, two if localities are weighted.
    #[inline]
    pub fn pick(&self, draw: &mut impl Draw) -> Option<Picked> {
        self.pick_with(self.view.load(), draw)
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
        }
    }

    #[inline]
    fn pick_in(&self, at: usize, value: u64, index: impl Fn(u64, usize) -> usize) -> Option<Picked> {
        let list = self.view.lists().get(at)?;
        let position = match self.aliases.get(at) {
            Some(Some(alias)) => alias.choose(value),
            _ => index(value, list.hosts.len()),
        };
        let endpoint = *list.hosts.get(position)?;
        Some(Picked { endpoint, priority: list.priority, panic: list.panic })
    }
}

/// A number in 0..1 from the upper 53 bits.
#[inline]
fn unit(value: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    let unit = (value >> 11) as f64 / (1_u64 << 53) as f64;
    unit
}

/// Vose's alias method: each cell keeps its own position up to a threshold and sends the rest elsewhere.
#[derive(Clone, Debug)]
struct AliasTable {
    cells: Box<[Cell]>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The position itself is chosen when 32 random bits are below this; 2^32 means always.
    keep: u64,
    alias: u16,
}

impl AliasTable {
    /// `None` if the weights are equal, where no table is needed.
    fn of(list: &HostList) -> Option<Self> {
        Self::new(list.weights.as_deref()?)
    }

    fn new(weights: &[u32]) -> Option<Self> {
        // INVARIANT: in units of 1 / (n * 2^32) the cells hold 2^32 each; `rest` is what is still to be placed,
        // as weight * n, against a cell size of the sum of all weights. All integers, so nothing drifts.
        let n = u64::try_from(weights.len()).ok()?;
        let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut rest: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * u128::from(n)).collect();
        let size = u128::from(sum);
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (at, &amount) in rest.iter().enumerate() {
            if amount < size { small.push(at) } else { large.push(at) }
        }
        let mut cells = vec![Cell { keep: 1 << 32, alias: 0 }; weights.len()];
        while let (Some(&from), Some(to)) = (large.last(), small.pop()) {
            let amount = rest.get(to).copied()?;
            let keep = u64::try_from((amount << 32) / size.max(1)).ok()?;
            *cells.get_mut(to)? = Cell { keep, alias: u16::try_from(from).ok()? };
            let giver = rest.get_mut(from)?;
            *giver -= size - amount;
            if *giver < size {
                large.pop();
                small.push(from);
            }
        }
        Some(Self { cells: cells.into() })
    }

    #[inline]
    fn choose(&self, value: u64) -> usize {
        let (high, low) = halves(value);
        let at = scale_u32(high, self.cells.len());
        match self.cells.get(at) {
            Some(cell) if u64::from(low) >= cell.keep => usize::from(cell.alias),
            _ => at,
        }
    }
}

#[cfg(test)]
#[path = "tests/random.rs"]
mod tests;
