//! Outlier detection: endpoints that keep failing are left alone for a while (spec section 3).

mod config;
mod detector;
mod event;
mod ledger;

pub use config::OutlierConfig;
pub use detector::{Ejection, OutlierDetector, Sweep};
pub use event::{EjectionCause, Outcome, grpc_to_http_status};
pub use ledger::OutlierStats;
