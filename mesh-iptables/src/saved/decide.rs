//! From the state of the tables to what is to be done (section 5.4).

use super::{Drift, SavedRules};
use crate::chain::Family;
use crate::config::ApplyOptions;
use crate::plan::RulePlan;

/// What to do with the rules of a pod (section 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Action {
    /// The rules are there: success without a change.
    Nothing,
    /// Nothing is there: restore.
    Restore,
    /// The rules are there but were asked for again. The restore fails at the first chain that exists
    /// (`SAV-03`).
    ForcedRestore,
    /// Something else is there: restore, after a word that `reconcile` would repair it. The restore fails if
    /// one of the plan's chains exists.
    RestoreOverDrift,
    /// Something else is there and may be repaired: guardrails, cleanup, restore, guardrails off.
    Reconcile,
    /// Only remove rules.
    Cleanup,
}

impl Action {
    /// Decides from what is there and what is wanted.
    pub fn decide(comparison: &Comparison, options: &ApplyOptions) -> Self {
        match (comparison.residue, comparison.delta) {
            _ if options.cleanup_only => Self::Cleanup,
            (false, _) => Self::Restore,
            (true, false) if options.force_apply => Self::ForcedRestore,
            (true, false) => Self::Nothing,
            (true, true) if options.reconcile => Self::Reconcile,
            (true, true) => Self::RestoreOverDrift,
        }
    }

    /// Whether the guardrails are up while it is done.
    pub fn needs_guardrails(self) -> bool {
        self == Self::Reconcile
    }

    /// Whether rules are removed first or only.
    pub fn removes(self) -> bool {
        matches!(self, Self::Reconcile | Self::Cleanup)
    }

    /// Whether rules are restored.
    pub fn restores(self) -> bool {
        matches!(self, Self::Restore | Self::ForcedRestore | Self::RestoreOverDrift | Self::Reconcile)
    }
}

/// What a comparison of both families found (`SAV-14`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// A family the plan has rules for holds something, be it Istio's or not.
    pub residue: bool,
    /// Something is missing or different. Also true when nothing is there at all.
    pub delta: bool,
    /// What is different, item by item, IPv4 first.
    pub drift: Vec<Drift>,
}

impl RulePlan {
    /// Compares the plan with the tables of both families (`SAV-11` to `SAV-14`). A save that failed counts
    /// as [`SavedRules::empty`] (`SAV-12`).
    ///
    /// # Examples
    /// ```
    /// use mesh_iptables::{Action, CaptureConfig, Family, SavedRules};
    /// let config = CaptureConfig::builder().build()?;
    /// let plan = config.plan();
    /// let live = SavedRules::parse(&plan.restore_input(Family::Ipv4));
    /// let found = plan.compare(&live, &SavedRules::empty());
    /// assert_eq!(Action::decide(&found, config.apply_options()), Action::Nothing);
    /// # Ok::<(), mesh_iptables::ConfigError>(())
    /// ```
    pub fn compare(&self, ipv4: &SavedRules, ipv6: &SavedRules) -> Comparison {
        let families = [(Family::Ipv4, ipv4), (Family::Ipv6, ipv6)];
        let residue =
            families.into_iter().any(|(family, saved)| saved.has_residue() && !self.rules(family).is_empty());
        let drift: Vec<Drift> =
            families.into_iter().flat_map(|(family, saved)| self.drift(family, saved)).collect();
        Comparison { residue, delta: !residue || !drift.is_empty(), drift }
    }
}
