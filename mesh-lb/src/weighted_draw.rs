//! Independent draws by weights that change.

use crate::alias::AliasTable;
use crate::draw::{Draw, scale_u64, unit};

/// Draws positions with probability `weight / excess` over its sum, where weights are constant and the excesses
/// are read at the draw.
///
/// A position is drawn by weight and kept with probability `least / excess`, else another is drawn. That makes the
/// shares exact as long as `least` is not above the least excess there is. It is the least that was seen lately,
/// so that the chance to keep a position does not fall when all excesses rise.
///
/// Cost: two draws at most for each try; the number of tries is about the ratio of the usual excess to the least,
/// and never above [`TRIES`](Self::TRIES).
#[derive(Clone, Debug)]
pub(crate) struct WeightedDraw {
    /// `None` if the weights are equal.
    alias: Option<AliasTable>,
    /// The least excess of this span and the one before.
    least: f64,
    before: f64,
    current: f64,
    left: u32,
}

impl WeightedDraw {
    /// After so many tries the best of them is taken.
    const TRIES: u32 = 32;

    /// How many tries are remembered, and as many before.
    const SPAN: u32 = 256;

    pub(crate) fn new(weights: Option<&[u32]>) -> Self {
        Self {
            alias: weights.and_then(AliasTable::new),
            least: 0.0,
            before: f64::INFINITY,
            current: f64::INFINITY,
            left: 1,
        }
    }

    #[inline]
    pub(crate) fn next(
        &mut self,
        n: usize,
        excess: impl Fn(usize) -> f64,
        draw: &mut impl Draw,
    ) -> Option<usize> {
        let (mut best, mut least_excess) = (None, f64::INFINITY);
        for _ in 0..Self::TRIES {
            let value = draw.next_u64();
            let at = match &self.alias {
                Some(alias) => alias.choose(value)?,
                None => scale_u64(value, n),
            };
            let excess = excess(at);
            self.remember(excess);
            // The comparison without a draw is the usual case: nobody is busy, or all are alike.
            if excess <= self.least || unit(draw.next_u64()) * excess < self.least {
                return Some(at);
            }
            if best.is_none() || excess < least_excess {
                (best, least_excess) = (Some(at), excess);
            }
        }
        best
    }

    #[inline]
    fn remember(&mut self, excess: f64) {
        self.current = self.current.min(excess);
        self.left -= 1;
        if self.left == 0 {
            self.left = Self::SPAN;
            self.least = self.before.min(self.current);
            self.before = self.current;
            self.current = f64::INFINITY;
        }
        self.least = self.least.min(excess);
    }
}
