//! Circuit breakers: limits on what one proxy has open towards one cluster (spec section 4).

mod budget;
mod counters;
mod limits;

pub use budget::RetryBudget;
pub use counters::{CircuitBreaker, Overflow, Permit};
pub use limits::{Limits, Resource};
