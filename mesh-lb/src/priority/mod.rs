//! Which endpoints are eligible right now, and how load spreads over priorities and localities (section 1).

mod config;
mod list;
mod load;
mod set;
mod standing;

pub use config::{LocalityWeights, PrioritySetConfig};
pub(crate) use list::{HostList, ListKind};
pub use load::{Availability, Choice, PriorityHealth, PriorityLoad};
pub(crate) use set::{LocalityGroup, Target};
pub use set::{Picked, PrioritySet};
pub use standing::{Ineligible, Standing};

#[cfg(test)]
#[path = "../tests/priority.rs"]
mod tests;
