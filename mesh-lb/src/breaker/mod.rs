//! Circuit breakers: limits on what one proxy has open towards one cluster (spec section 4).

mod budget;
mod counters;
mod limits;
mod pool;

pub use budget::RetryBudget;
pub use counters::{CircuitBreaker, Overflow, Permit};
pub use limits::{Limits, Resource};
pub use pool::{Admission, ConnectionLimits, ConnectionPool, ConnectionState, PoolState};
