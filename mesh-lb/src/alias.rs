//! A random position in proportion to weights, in constant time.

use crate::draw::{halves, scale_u32};

/// Vose's alias method: each cell keeps its own position up to a threshold and sends the rest elsewhere.
///
/// Eight bytes a position. Linear to build; a choice is one multiplication and one load, without a branch that
/// depends on the draw.
#[derive(Clone, Debug)]
pub(crate) struct AliasTable {
    cells: Box<[Cell]>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The position itself is chosen when 32 random bits are below this, else the alias. A cell that keeps
    /// everything is its own alias.
    keep: u32,
    own: u16,
    alias: u16,
}

impl AliasTable {
    /// `None` if the weights add up to nothing or are more than positions have bits for.
    pub(crate) fn new(weights: &[u32]) -> Option<Self> {
        // INVARIANT: in units of 1 / (n * 2^32) the cells hold 2^32 each; `rest` is what is still to be placed,
        // as weight * n, against a cell size of the sum of all weights. All integers, so nothing drifts.
        let n = u64::try_from(weights.len()).ok()?;
        let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        if sum == 0 {
            return None;
        }
        let mut rest: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * u128::from(n)).collect();
        let size = u128::from(sum);
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (at, &amount) in rest.iter().enumerate() {
            if amount < size { small.push(at) } else { large.push(at) }
        }
        let own = (0..weights.len()).map(|at| u16::try_from(at).ok());
        let mut cells =
            own.map(|own| own.map(|own| Cell { keep: 0, own, alias: own })).collect::<Option<Vec<_>>>()?;
        while let (Some(&from), Some(to)) = (large.last(), small.pop()) {
            let amount = rest.get(to).copied()?;
            let cell = cells.get_mut(to)?;
            cell.keep = u32::try_from((amount << 32) / size).ok()?;
            cell.alias = u16::try_from(from).ok()?;
            let giver = rest.get_mut(from)?;
            *giver -= size - amount;
            if *giver < size {
                large.pop();
                small.push(from);
            }
        }
        Some(Self { cells: cells.into() })
    }

    /// The position for one draw.
    #[inline]
    pub(crate) fn choose(&self, value: u64) -> Option<usize> {
        let (high, low) = halves(value);
        let cell = self.cells.get(scale_u32(high, self.cells.len()))?;
        Some(usize::from(std::hint::select_unpredictable(low < cell.keep, cell.own, cell.alias)))
    }
}

#[cfg(test)]
#[path = "tests/alias.rs"]
mod tests;
