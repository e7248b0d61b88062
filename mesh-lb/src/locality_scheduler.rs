//! From a choice of priority to one list, for the algorithms that keep state.

use crate::draw::Draw;
use crate::edf::Edf;
use crate::priority::{PriorityLoad, PrioritySet, Target};

/// One schedule for each set of weighted localities in a view (LB-LOC-04).
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalityScheduler {
    schedules: Box<[Edf]>,
    sole_list: Option<usize>,
}

impl LocalityScheduler {
    /// Schedules for `view` with a random phase.
    pub(crate) fn new(view: &PrioritySet, phase: u64) -> Self {
        let schedule = |weights: &[f64]| {
            Edf::new(weights.len(), phase, |at| weights.get(at).copied().unwrap_or_default())
        };
        Self {
            schedules: view.schedules().iter().map(|localities| schedule(&localities.weights)).collect(),
            sole_list: view.sole_list(),
        }
    }

    /// The position of the list to pick from under the view's own load.
    #[inline]
    pub(crate) fn next(&mut self, view: &PrioritySet, draw: &mut impl Draw) -> Option<usize> {
        match self.sole_list {
            Some(list) => Some(list),
            None => self.next_list(view, view.load(), draw),
        }
    }

    /// The position of the list to pick from. Draws only if the traffic is spread over priorities.
    #[inline]
    pub(crate) fn next_list(
        &mut self,
        view: &PrioritySet,
        load: &PriorityLoad,
        draw: &mut impl Draw,
    ) -> Option<usize> {
        let entry = match load.sole_entry() {
            Some(entry) => entry,
            None => load.entry(draw.next_u64()),
        };
        match view.target(entry)? {
            Target::List(list) => Some(list),
            Target::Localities(schedule) => {
                let localities = view.schedules().get(schedule)?;
                let weight = |at: usize| localities.weights.get(at).copied().unwrap_or_default();
                let at = self.schedules.get_mut(schedule)?.next(weight)?;
                localities.lists.get(at).copied()
            }
            Target::Zones(at) => Some(view.zone(at)?.list(draw)),
            Target::Nothing => None,
        }
    }
}
