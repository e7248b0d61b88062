//! How ztunnel chooses among the endpoints of a service (LB-ILOC-12).

/// What ztunnel does with endpoints that do not match the whole preference list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AmbientMode {
    /// They are not used.
    Strict,
    /// They are used if no endpoint matches more of the list.
    Failover,
}

/// A service's preference list: scopes from the widest, of which an endpoint's must equal the client's.
///
/// The scopes are what the caller makes of network, region, zone, subzone and node. Those that remain are drawn by
/// capacity, as [`Random::weighted`](crate::Random::weighted) does.
///
/// ```
/// use mesh_lb::{AmbientMode, AmbientPreference};
/// let preference = AmbientPreference::new(2, AmbientMode::Failover);
/// let ranks = [preference.rank(|scope| scope == 0), preference.rank(|_| true), preference.rank(|scope| scope == 1)];
/// assert_eq!(ranks, [1, 2, 0]);
/// assert_eq!(preference.keep(&ranks), [false, true, false]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbientPreference {
    scopes: usize,
    mode: AmbientMode,
}

impl AmbientPreference {
    /// A list of so many scopes.
    #[must_use]
    pub const fn new(scopes: usize, mode: AmbientMode) -> Self {
        Self { scopes, mode }
    }

    /// How long a prefix of the list an endpoint matches; `is_equal` compares one scope.
    pub fn rank(&self, mut is_equal: impl FnMut(usize) -> bool) -> usize {
        (0..self.scopes).take_while(|&scope| is_equal(scope)).count()
    }

    /// Which of the endpoints with these ranks are used.
    #[must_use]
    pub fn keep(&self, ranks: &[usize]) -> Vec<bool> {
        let least = match self.mode {
            AmbientMode::Strict => self.scopes,
            AmbientMode::Failover => ranks.iter().copied().max().unwrap_or(0),
        };
        ranks.iter().map(|&rank| rank >= least).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ztunnel_ranks_by_prefix_lb_iloc_12() {
        // network, region, zone, subzone, node
        let client = ["n", "eu", "a", "x", "node-1"];
        let endpoints = [
            ["n", "eu", "a", "x", "node-2"],
            ["n", "eu", "b", "x", "node-1"], // what comes after a mismatch does not count
            ["n", "eu", "a", "x", "node-3"],
            ["m", "eu", "a", "x", "node-1"],
        ];
        let keep = |mode, endpoints: &[[&str; 5]]| {
            let preference = AmbientPreference::new(5, mode);
            let rank = |endpoint: &[&str; 5]| preference.rank(|scope| endpoint[scope] == client[scope]);
            preference.keep(&endpoints.iter().map(rank).collect::<Vec<_>>())
        };
        assert_eq!(keep(AmbientMode::Failover, &endpoints), [true, false, true, false]);
        assert_eq!(keep(AmbientMode::Failover, &endpoints[1..2]), [true]);
        assert_eq!(keep(AmbientMode::Strict, &endpoints), [false; 4]);
        assert_eq!(keep(AmbientMode::Strict, &[endpoints[0], client]), [false, true]);
        assert_eq!(AmbientPreference::new(0, AmbientMode::Strict).keep(&[0, 0]), [true, true]);
        assert!(keep(AmbientMode::Failover, &[]).is_empty());
    }
}
